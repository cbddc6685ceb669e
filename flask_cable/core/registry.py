"""Registry: this process's live connections, and disconnecting them from anywhere in the cluster."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, ValuesView
from typing import Any

from ..streams import RESERVED, stream_key
from .connection import Connection
from .hub import Hub

logger = logging.getLogger("flask_cable")

CONTROL = f"{RESERVED}control"
"""The stream on which the processes tell each other what to do."""


class Connections(Mapping[int, Connection]):
    """Connections by id: a live, read-only mapping. Who iterates sees those of the moment it began."""

    def __init__(self, connections: dict[int, Connection]) -> None:
        self._connections = connections

    def __getitem__(self, id: int) -> Connection:
        return self._connections[id]

    def __iter__(self) -> Iterator[int]:
        return iter(list(self._connections))

    def __len__(self) -> int:
        return len(self._connections)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {list(self._connections)}>"

    def values(self) -> ValuesView[Connection]:
        return self._connections.copy().values()

    def items(self) -> ItemsView[int, Connection]:
        return self._connections.copy().items()


class Registry(Connections):
    """Live connections by id, and those whose handshake goes on."""

    def __init__(self, hub: Hub) -> None:
        super().__init__({})
        self._hub = hub
        self._ids = itertools.count(1)
        self._opening: dict[int, Connection] = {}
        self._awaiting: list[Callable[[], object]] = []
        self._leaving: list[Callable[[Connection], object]] = []
        self._live = hub.listen(CONTROL, self._obey, self._now_live)

    def all(self) -> list[Connection]:
        """The connections of this moment, while other threads come and go."""
        return list(self._connections.values())

    def next_id(self) -> int:
        """An id that no connection of this process had before."""
        return next(self._ids)

    @property
    def taken(self) -> int:
        """How many places are taken, by connections that are open or about to be."""
        return len(self._connections) + len(self._opening)

    def reserve(self, connection: Connection) -> None:
        """Keep a place for a connection whose handshake goes on; a remote disconnect finds it already."""
        self._opening[connection.id] = connection

    def add(self, connection: Connection) -> None:
        """Take in a connection that was accepted."""
        self._opening.pop(connection.id, None)
        self._connections[connection.id] = connection

    def remove(self, connection: Connection) -> None:
        """Forget a connection; harmless when it is not there."""
        opening = self._opening.pop(connection.id, None)
        opened = self._connections.pop(connection.id, None)
        if opening is not None or opened is not None:
            for tell in self._leaving:
                tell(connection)

    def knows(self, connection: Connection) -> bool:
        """Whether a connection is open, or about to be."""
        return connection.id in self._connections or connection.id in self._opening

    def when_removed(self, tell: Callable[[Connection], object]) -> None:
        """Call ``tell(connection)``, from any thread, once for each that has been removed; must not block."""
        self._leaving.append(tell)

    @property
    def is_live(self) -> bool:
        """Whether no remote disconnect can be missed any more."""
        return self._live

    def when_live(self, ready: Callable[[], object]) -> None:
        """Call ``ready`` as soon as no remote disconnect can be missed any more."""
        if self._live:
            ready()
        else:
            self._awaiting.append(ready)

    def handle_lost(self) -> None:
        """The adapter may miss remote disconnects from now on."""
        self._live = False

    def handle_restored(self) -> None:
        """The adapter misses none any more."""
        self._now_live()

    def _now_live(self) -> None:
        self._live = True
        awaiting, self._awaiting = self._awaiting, []
        for ready in awaiting:
            ready()

    def matching(self, where: Mapping[str, Any]) -> list[Connection]:
        """Connections whose identifiers have these stream keys; any subset of the identifiers will do."""
        wanted = {name: stream_key(value) for name, value in where.items()}
        known = (*self._connections.values(), *self._opening.values())
        return [connection for connection in known if _matches(connection, wanted)]

    def disconnect(self, where: Mapping[str, Any], reason: str | None, reconnect: bool) -> None:
        """Disconnect matching connections in every process.

        Raises:
            ValueError: without any identifier, which would mean everybody.
        """
        self._hub.broadcast(CONTROL, order_of(where, reason, reconnect))

    def _obey(self, text: str) -> None:
        order = json.loads(text)
        where = order["disconnect"]
        if where:
            reconnect = order.get("reconnect", True)
            disconnect_each(self.matching(where), order.get("reason"), reconnect)


def order_of(where: Mapping[str, Any], reason: str | None, reconnect: bool) -> str:
    """The order that makes every process disconnect those who match. Raises as ``Registry.disconnect``."""
    if not where:
        raise ValueError("name at least one identifier: where(current_user=7)")
    wanted = {name: stream_key(value) for name, value in where.items()}
    return json.dumps({"disconnect": wanted, "reason": reason, "reconnect": reconnect})


def disconnect_each(
    connections: Iterable[Connection], reason: str | None, reconnect: bool, code: int | None = None
) -> None:
    """Disconnect these; one that fails keeps none of the others."""
    for connection in connections:
        try:
            connection.disconnect(reason, reconnect, code)
        except Exception:
            logger.exception("connection %s: could not be disconnected", connection.id)


def _matches(connection: Connection, wanted: dict[str, str]) -> bool:
    return all(_key_of(connection.identifiers.get(name)) == value for name, value in wanted.items())


def _key_of(identifier: Any) -> str | None:
    try:
        return stream_key(identifier)
    except ValueError:  # it names nothing: None, blank, a record that was never saved
        return None
