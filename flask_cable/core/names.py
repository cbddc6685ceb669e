"""What unique names and groups have in common: their keys, a lock for each, and which connection has which.

Used by ``unique.py`` and ``group.py``; the keys and letters also by who reaches names from a process that
serves nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import BusError, TooMany
from ..streams import RESERVED, stream_key
from .connection import Connection

if TYPE_CHECKING:
    from .hub import Hub
    from .registry import Registry

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


def connection_of(one: Connection | Part) -> Connection:
    """A connection, or the one that something belongs to."""
    return one if isinstance(one, Connection) else one.connection


def key_of(kind: str, name: Any, scope: Any) -> str:
    """What a name or a group is called in the store; no two share a key, whatever their scopes are."""
    within = "" if scope is None else stream_key(scope)
    return f"{kind}/{len(within)}:{within}{stream_key(name)}"


def named(key: str) -> tuple[str, str | None]:
    """The name and the scope that a key was made of."""
    size, _, rest = key.partition("/")[2].partition(":")
    return rest[int(size) :], rest[: int(size)] or None


def stream_of(key: str) -> str:
    """The stream that a group's members hear."""
    return f"{RESERVED}{key}"


def letter_to(owner: str, key: str, text: str) -> tuple[str, str]:
    """The stream on which a message reaches who has a name, and what is to be said on it."""
    return f"{NODE}{owner.partition(':')[0]}", f"{len(key)}:{key}{text}"


def opened(letter: str) -> tuple[str, str]:
    """The key and the text of a letter."""
    size, _, rest = letter.partition(":")
    return rest[: int(size)], rest[int(size) :]


class Holdings:
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


class Names:
    """The names of one kind in one process.

    Attributes:
        held: which connection has which.
    """

    def __init__(self, kind: str, registry: Registry, hub: Hub, limit: int) -> None:
        self._kind = kind
        self._hub = hub
        self._executor = hub.executor
        self._locks = [hub.executor.lock() for _ in range(STRIPES)]
        self.held = Holdings(registry, hub, limit, f"CABLE_{kind.upper()}S_PER_CONNECTION")

    def key(self, name: Any, scope: Any) -> str:
        """What a name is called in the store."""
        return key_of(self._kind, name, scope)

    def lock(self, key: str) -> AbstractContextManager[Any]:
        """What is held while something changes about a key, here and in the store."""
        return self._locks[hash(key) % STRIPES]

    def listen(
        self, stream: str, listener: Callable[[str], object], owner: Connection | None = None
    ) -> Callable[[], None]:
        """Hear a stream; what is returned waits until nothing of it can be missed. Raises ``BusError``."""
        live = self._executor.event()
        is_live = self._hub.listen(stream, listener, live.set, owner)

        def wait() -> None:
            if not is_live and not live.wait(PATIENCE):
                raise BusError(f"the pub/sub adapter did not subscribe within {PATIENCE:g} s")

        return wait
