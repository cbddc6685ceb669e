"""Unique: names that one connection of the whole cluster has.

Who has what is in a store under this process's lease; what is sent goes to the owner's process over the hub,
and is a server message to the connection's handler. Calls may block: they belong on a worker or in a request.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import signals
from ..errors import BusError, NameTaken
from .connection import Connection
from .names import NAME, NODE, Names, Part, connection_of, letter_to, named, opened

if TYPE_CHECKING:
    from .hub import Hub
    from .lease import Lease
    from .registry import Registry

logger = logging.getLogger("flask_cable")


class Place(NamedTuple):
    """Where a connection is: its process's name, and its id there.

    Attributes:
        connection: itself, where it is in this process.
    """

    node: str
    id: int
    connection: Connection | None = None


class Unique:
    """Names that one connection of the cluster has."""

    def __init__(
        self, registry: Registry, hub: Hub, lease: Lease, encode: Callable[[Any], bytes], limit: int = 1
    ) -> None:
        self._names = Names(NAME, registry, hub, limit)
        self._held = self._names.held
        self._registry = registry
        self._hub = hub
        self._executor = hub.executor
        self._lease = lease
        self._encode = encode
        self._owners: dict[str, Connection] = {}
        self._unreleased: dict[tuple[str, str], None] = {}
        self._listening = False
        registry.when_removed(self._leave)
        lease.when_lapsed(self._restate)

    def register(self, name: Any, connection: Connection | Part, scope: Any = None) -> bool:
        """Give a connection a name, until it goes; fine when it has that name already.

        Returns False when the connection is gone.

        Args:
            name: a text, or an object that ``stream_key`` names.
            connection: a connection, or a channel or a Socket.IO socket that has one.
            scope: names of different scopes do not meet: a tenant's, for instance.

        Raises:
            NameTaken: another connection has it.
            TooMany: the connection has as many names as CABLE_NAMES_PER_CONNECTION allows.
            BusError: the store does not answer.
        """
        key, connection = self._names.key(name, scope), connection_of(connection)
        self._listen_here()
        with self._names.lock(key):
            if not self._held.add(connection, key):
                return False
            if self._owners.get(key) is connection:
                return True
            try:
                self._release_gone(key)
                self._claim(key, connection)
            except BaseException:
                self._held.discard(connection, key)
                raise
            self._owners[key] = connection
            self._unreleased.pop((key, self._owner(connection)), None)
            return True

    def unregister(self, name: Any, connection: Connection | Part, scope: Any = None) -> bool:
        """Take a name back; False when the connection does not have it. Raises ``BusError``."""
        key, connection = self._names.key(name, scope), connection_of(connection)
        with self._names.lock(key):
            if not self._held.discard(connection, key):
                return False
            self._release(key, connection)
            return True

    def send_message(self, name: Any, message: Any, scope: Any = None) -> bool:
        """Send a message to who has a name, from anywhere; False when nobody has it.

        The messages of one sender arrive in their order; True promises no more than that somebody was there.

        Raises:
            EncodeError: the message has no JSON form.
            BusError: the store or the pub/sub server does not answer.
        """
        key, text = self._names.key(name, scope), self._encode(message).decode()
        place = self._place(key)
        if place is None:
            return False
        if place.connection is None:
            self._hub.broadcast(*letter_to(place.node, key, text))
            return True
        if self._executor.is_home():
            return place.connection.handle_server_message(text)
        self._executor.call_home(place.connection.handle_server_message, text)
        return True

    def owners(self) -> list[Connection]:
        """The connections of this process that have a name."""
        with self._executor.guard:
            return list(self._owners.values())

    def whereis(self, name: Any, scope: Any = None) -> Place | None:
        """Where the connection is that has a name; None when nobody has it. Raises ``BusError``."""
        return self._place(self._names.key(name, scope))

    # Keys.

    def _place(self, key: str) -> Place | None:
        connection = self._owners.get(key)
        if connection is None or not self._lease.holds:
            owner = self._lease.store.owner(key)
            node, _, id = (owner or "").partition(":")
            if node != self._hub.node:
                return Place(node, int(id)) if owner else None
        if connection is None or not self._registry.knows(connection):
            return None
        return Place(self._hub.node, connection.id, connection)

    def _claim(self, key: str, connection: Connection) -> None:
        owner = self._owner(connection)
        holder = self._lease.hold().claim(key, owner)
        if not holder:  # the store has forgotten us meanwhile
            self._lease.renew()
            holder = self._lease.store.claim(key, owner)
        if holder != owner:
            name, scope = named(key)
            raise NameTaken(f"{name!r} is taken" + (f" in {scope!r}" if scope else ""))

    def _owner(self, connection: Connection) -> str:
        return f"{self._hub.node}:{connection.id}"

    def _release(self, key: str, connection: Connection) -> None:
        """Give a key back, now or with the next beat; its lock is held."""
        if self._owners.get(key) is connection:
            del self._owners[key]
        owner = self._owner(connection)
        try:
            self._lease.store.release(key, owner)
        except BusError:
            self._unreleased[key, owner] = None
            self._lease.doubt()
            raise

    def _release_gone(self, key: str) -> None:
        """Let the next one have what a connection had that is gone, and that is about to be released."""
        previous = self._owners.get(key)
        if previous is not None and not self._registry.knows(previous):
            self._release(key, previous)

    # When connections go.

    def _leave(self, connection: Connection) -> None:
        keys = self._held.take(connection)
        if keys:
            self._executor.submit(self._free, connection, keys)

    def _free(self, connection: Connection, keys: set[str]) -> None:
        for key in keys:
            with self._names.lock(key):
                try:
                    self._release(key, connection)
                except BusError as error:
                    logger.warning("the name %r is given back later: %s", named(key)[0], error)

    # When the lease has run out.

    def _restate(self) -> None:
        for key, owner in list(self._unreleased):
            with self._names.lock(key):
                if (key, owner) in self._unreleased:
                    self._lease.store.release(key, owner)
                    del self._unreleased[key, owner]
        with self._executor.guard:
            owners = list(self._owners.items())
        for key, connection in owners:
            with self._names.lock(key):
                if self._owners.get(key) is connection:
                    self._reclaim(key, connection)

    def _reclaim(self, key: str, connection: Connection) -> None:
        """Another may have taken a name meanwhile: its owner of old learns it, and may come back without."""
        try:
            self._claim(key, connection)
        except NameTaken as error:
            del self._owners[key]
            if self._held.discard(connection, key):
                name, scope = named(key)
                connection.logger.warning("%s, while this process was out of reach", error)
                connection.handler.tell(signals.name_lost, connection=connection, name=name, scope=scope)
                connection.disconnect("name_lost", reconnect=True, code=1012)

    # What other processes send.

    def _listen_here(self) -> None:
        if not self._listening:
            self._names.listen(f"{NODE}{self._hub.node}", self._hear)()
            self._listening = True

    def _hear(self, message: str) -> None:
        key, text = opened(message)
        connection = self._owners.get(key)
        if connection is not None:
            connection.handle_server_message(text)
