"""Group: names that any number of connections share, in any process.

Each process states in a store, under its lease, how many it has of each group; what is sent goes over a
stream of the group's own, and is a server message to each member's handler. Calls may block: they belong on
a worker or in a request.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import BusError
from .connection import Connection
from .names import GROUP, Names, Part, connection_of, named, stream_of

if TYPE_CHECKING:
    from .hub import Hub
    from .lease import Lease
    from .registry import Registry

logger = logging.getLogger("flask_cable")


class Group:
    """Names that any number of connections share, in any process."""

    def __init__(
        self, registry: Registry, hub: Hub, lease: Lease, encode: Callable[[Any], bytes], limit: int = 1000
    ) -> None:
        self._names = Names(GROUP, registry, hub, limit)
        self._held = self._names.held
        self._hub = hub
        self._executor = hub.executor
        self._lease = lease
        self._encode = encode
        self._unstated: set[str] = set()
        registry.when_removed(self._leave)
        lease.when_lapsed(self._restate)

    def join(self, name: Any, connection: Connection | Part, scope: Any = None) -> bool:
        """Let a connection be in a group, until it goes; harmless when it is. False when it is gone.

        Args:
            name: a text, or an object that ``stream_key`` names.
            connection: a connection, or a channel or a Socket.IO socket that has one.
            scope: groups of different scopes do not meet: a tenant's, for instance.

        Raises:
            TooMany: it is in as many groups as CABLE_GROUPS_PER_CONNECTION allows.
            BusError: the store or the pub/sub server does not answer.
        """
        key, connection = self._names.key(name, scope), connection_of(connection)
        if self._held.has(connection, key):
            return True
        if not self._held.add(connection, key):
            return False
        try:
            wait = self._names.listen(stream_of(key), connection.handle_server_message, connection)
            self._lease.hold()
            self._state(key)
            wait()
        except BaseException:
            self._held.discard(connection, key)
            self._hub.unlisten(stream_of(key), connection.handle_server_message)
            self._unstated.add(key)
            self._lease.doubt()
            raise
        if self._held.has(connection, key):
            return True
        self._hub.unlisten(stream_of(key), connection.handle_server_message)  # it went meanwhile
        self._state(key)
        return False

    def leave(self, name: Any, connection: Connection | Part, scope: Any = None) -> bool:
        """Undo ``join``; False when the connection was not in it. Raises ``BusError``."""
        key, connection = self._names.key(name, scope), connection_of(connection)
        if not self._held.discard(connection, key):
            return False
        self._hub.unlisten(stream_of(key), connection.handle_server_message)
        self._state(key)
        return True

    def publish(
        self, name: Any, message: Any, exclude: Connection | Part | None = None, scope: Any = None
    ) -> int:
        """Send a message to all who are in a group, from anywhere; returns how many those are.

        The messages of one sender arrive in their order.

        Args:
            exclude: one connection of this process that is not to hear it.

        Raises:
            EncodeError: the message has no JSON form.
            BusError: the store or the pub/sub server does not answer.
        """
        key, text = self._names.key(name, scope), self._encode(message).decode()
        excluded = None if exclude is None else connection_of(exclude)
        count = self._count(key)
        self._hub.broadcast(stream_of(key), text, excluded)
        return count - (excluded is not None and self._held.has(excluded, key))

    def members(self, name: Any, scope: Any = None) -> int:
        """How many are in a group, in the whole cluster. Raises ``BusError``."""
        return self._count(self._names.key(name, scope))

    def _count(self, key: str) -> int:
        counts = self._lease.store.counts(key)
        others = sum(count for node, count in counts.items() if node != self._hub.node)
        return others + self._hub.subscriber_count(stream_of(key))

    def _state(self, key: str) -> None:
        """Tell the others how many are in a group here; one such call serves all that wait for it."""
        self._unstated.add(key)
        with self._names.lock(key):
            if key not in self._unstated:
                return
            self._unstated.discard(key)
            try:
                count = self._hub.subscriber_count(stream_of(key))
                self._lease.store.set_count(key, self._hub.node, count)
            except BaseException:
                self._unstated.add(key)
                self._lease.doubt()
                raise

    def _leave(self, connection: Connection) -> None:
        keys = self._held.take(connection)
        for key in keys:
            self._hub.unlisten(stream_of(key), connection.handle_server_message)
        if keys:
            self._executor.submit(self._state_each, keys)

    def _state_each(self, keys: set[str]) -> None:
        for key in keys:
            try:
                self._state(key)
            except BusError as error:
                logger.warning("who left the group %r is counted until later: %s", named(key)[0], error)

    def _restate(self) -> None:
        for key in self._held.keys | self._unstated:
            self._state(key)
