"""Names of connections in the whole cluster: ``Unique``, that one connection has; ``Group``, that many share.

Who has what is in a store under this process's lease; what is sent goes over the hub, and is a server
message to the connection's handler. Calls may block, so they belong on a worker or in a request.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .. import signals
from ..errors import BusError, NameTaken, TooMany
from ..streams import RESERVED, stream_key
from .connection import Connection

if TYPE_CHECKING:
    from .hub import Hub
    from .lease import Lease
    from .registry import Registry

logger = logging.getLogger("flask_cable")

NAME, GROUP = "name", "group"

NODE = f"{RESERVED}node/"
"""Before a process's name: the stream on which it is sent what is for its connections."""

STRIPES = 64
"""Locks around names, by the name's hash: who waits for the store keeps few others."""

PATIENCE = 10.0
"""Seconds for a subscription to begin."""


class Part(Protocol):
    """What belongs to a connection, and may be named in its place: a subscription, for instance."""

    @property
    def connection(self) -> Connection: ...


class Place(NamedTuple):
    """Where a connection is: its process's name, and its id there.

    Attributes:
        connection: itself, where it is in this process.
    """

    node: str
    id: int
    connection: Connection | None = None


def key_of(kind: str, name: Any, scope: Any) -> str:
    """What a name or a group is called in the store; no two share a key, whatever their scopes are."""
    within = "" if scope is None else stream_key(scope)
    return f"{kind}/{len(within)}:{within}{stream_key(name)}"


def stream_of(key: str) -> str:
    """The stream that a group's members hear."""
    return f"{RESERVED}{key}"


def letter_to(owner: str, key: str, text: str) -> tuple[str, str]:
    """The stream on which a message reaches who has a name, and what is to be said on it."""
    return f"{NODE}{owner.partition(':')[0]}", f"{len(key)}:{key}{text}"


def connection_of(one: Connection | Part) -> Connection:
    """A connection, or the one that something belongs to."""
    return one if isinstance(one, Connection) else one.connection


class _Holdings:
    """Which keys each of this process's connections has, until it goes; bounded.

    Args:
        limit: how many one may have.
        setting: where that is set, for the error's text.
    """

    def __init__(self, registry: Registry, hub: Hub, limit: int, setting: str) -> None:
        self._registry = registry
        self._guard = hub.executor.guard
        self._limit = limit
        self._setting = setting
        self._keys: dict[Connection, set[str]] = {}

    def add(self, connection: Connection, key: str) -> bool:
        """Note a key; False when the connection is gone. Raises ``TooMany``."""
        with self._guard:
            if not self._registry.knows(connection):
                return False
            keys = self._keys.get(connection) or set()
            if key not in keys and len(keys) >= self._limit:
                raise TooMany(f"{self._setting}: connection {connection.id} has {self._limit} already")
            keys.add(key)
            self._keys[connection] = keys
            return True

    def has(self, connection: Connection, key: str) -> bool:
        return key in self._keys.get(connection, ())

    def discard(self, connection: Connection, key: str) -> bool:
        """Forget a key; False when the connection does not have it."""
        with self._guard:
            keys = self._keys.get(connection)
            if keys is None or key not in keys:
                return False
            keys.discard(key)
            if not keys:
                del self._keys[connection]
            return True

    @property
    def keys(self) -> set[str]:
        """All keys that somebody has."""
        with self._guard:
            return set().union(*self._keys.values())

    def take(self, connection: Connection) -> set[str]:
        """All keys of a connection, which has none from now on."""
        with self._guard:
            return self._keys.pop(connection, set())


class _Names:
    """What both kinds share: keys, locks, and giving up what a connection has when it goes.

    Args:
        encode: makes JSON of a message. Raises ``EncodeError``.
    """

    kind = ""

    def __init__(
        self, registry: Registry, hub: Hub, lease: Lease, encode: Callable[[Any], bytes], limit: int
    ) -> None:
        self._registry = registry
        self._hub = hub
        self._executor = hub.executor
        self._lease = lease
        self._encode = encode
        self._held = _Holdings(registry, hub, limit, f"CABLE_{self.kind.upper()}S_PER_CONNECTION")
        self._locks = [hub.executor.lock() for _ in range(STRIPES)]
        registry.when_removed(self._leave)
        lease.when_lapsed(self._restate)

    def _key(self, name: Any, scope: Any) -> str:
        return key_of(self.kind, name, scope)

    def _lock_of(self, key: str) -> Any:
        return self._locks[hash(key) % STRIPES]

    def _leave(self, connection: Connection) -> None:
        raise NotImplementedError

    def _restate(self) -> None:
        raise NotImplementedError

    def _listen(
        self, stream: str, listener: Callable[[str], object], owner: Connection | None = None
    ) -> Callable[[], None]:
        """Hear a stream; what is returned waits until nothing of it can be missed. Raises ``BusError``."""
        live = self._executor.event()
        is_live = self._hub.listen(stream, listener, live.set, owner)

        def wait() -> None:
            if not is_live and not live.wait(PATIENCE):
                raise BusError(f"the pub/sub adapter did not subscribe within {PATIENCE:g} s")

        return wait


class Unique(_Names):
    """Names that one connection of the cluster has."""

    kind = NAME

    def __init__(
        self, registry: Registry, hub: Hub, lease: Lease, encode: Callable[[Any], bytes], limit: int = 1
    ) -> None:
        super().__init__(registry, hub, lease, encode, limit)
        self._owners: dict[str, Connection] = {}
        self._unreleased: dict[tuple[str, str], None] = {}
        self._listening = False

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
        key, connection = self._key(name, scope), connection_of(connection)
        self._listen_here()
        with self._lock_of(key):
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
            return True

    def unregister(self, name: Any, connection: Connection | Part, scope: Any = None) -> bool:
        """Take a name back; False when the connection does not have it. Raises ``BusError``."""
        key, connection = self._key(name, scope), connection_of(connection)
        with self._lock_of(key):
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
        key, text = self._key(name, scope), self._encode(message).decode()
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
        return self._place(self._key(name, scope))

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
            name, scope = _named(key)
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
            with self._lock_of(key):
                try:
                    self._release(key, connection)
                except BusError as error:
                    logger.warning("the name %r is given back later: %s", _named(key)[0], error)

    # When the lease has run out.

    def _restate(self) -> None:
        for key, owner in list(self._unreleased):
            self._lease.store.release(key, owner)
            self._unreleased.pop((key, owner), None)
        with self._executor.guard:
            owners = list(self._owners.items())
        for key, connection in owners:
            with self._lock_of(key):
                if self._owners.get(key) is connection:
                    self._reclaim(key, connection)

    def _reclaim(self, key: str, connection: Connection) -> None:
        """Another may have taken a name meanwhile: its owner of old learns it, and may come back without."""
        try:
            self._claim(key, connection)
        except NameTaken as error:
            del self._owners[key]
            if self._held.discard(connection, key):
                name, scope = _named(key)
                connection.logger.warning("%s, while this process was out of reach", error)
                connection.handler.tell(signals.name_lost, connection=connection, name=name, scope=scope)
                connection.disconnect("name_lost", reconnect=True, code=1012)

    # What other processes send.

    def _listen_here(self) -> None:
        if not self._listening:
            self._listen(f"{NODE}{self._hub.node}", self._hear)()
            self._listening = True

    def _hear(self, message: str) -> None:
        size, _, rest = message.partition(":")
        connection = self._owners.get(rest[: int(size)])
        if connection is not None:
            connection.handle_server_message(rest[int(size) :])


class Group(_Names):
    """Names that any number of connections share, in any process."""

    kind = GROUP

    def __init__(
        self, registry: Registry, hub: Hub, lease: Lease, encode: Callable[[Any], bytes], limit: int = 1000
    ) -> None:
        super().__init__(registry, hub, lease, encode, limit)
        self._unstated: set[str] = set()

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
        key, connection = self._key(name, scope), connection_of(connection)
        if self._held.has(connection, key):
            return True
        if not self._held.add(connection, key):
            return False
        try:
            wait = self._listen(stream_of(key), connection.handle_server_message, connection)
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
        key, connection = self._key(name, scope), connection_of(connection)
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
        key, text = self._key(name, scope), self._encode(message).decode()
        excluded = None if exclude is None else connection_of(exclude)
        count = self._count(key)
        self._hub.broadcast(stream_of(key), text, excluded)
        return count - (excluded is not None and self._held.has(excluded, key))

    def members(self, name: Any, scope: Any = None) -> int:
        """How many are in a group, in the whole cluster. Raises ``BusError``."""
        return self._count(self._key(name, scope))

    def _count(self, key: str) -> int:
        counts = self._lease.store.counts(key)
        others = sum(count for node, count in counts.items() if node != self._hub.node)
        return others + self._hub.subscriber_count(stream_of(key))

    def _state(self, key: str) -> None:
        """Tell the others how many are in a group here; one such call serves all that wait for it."""
        self._unstated.add(key)
        with self._lock_of(key):
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
                logger.warning("who left the group %r is counted until later: %s", _named(key)[0], error)

    def _restate(self) -> None:
        for key in self._held.keys | self._unstated:
            self._state(key)


def _named(key: str) -> tuple[str, str | None]:
    """The name and the scope that a key was made of."""
    size, _, rest = key.partition("/")[2].partition(":")
    return rest[int(size) :], rest[: int(size)] or None
