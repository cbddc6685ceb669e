"""Socket.IO from a process that serves nobody: what it emits reaches the sockets of those that do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from ...errors import NotReady
from ...protocols.frames import VOLATILE
from ...protocols.json import Json
from ...protocols.socketio import SocketIO
from .envelope import addressed, sealed, stream_of
from .hall import allowed
from .recovery import Log
from .server import SocketIOServer
from .settings import Settings
from .target import Target

Publish = Callable[[str, str], object]
"""Publishes a packet on a stream."""


def speak_from_outside(
    path: str, publish: Publish, dumps: Callable[[Any], str], log: Log | None
) -> SocketIOServer:
    """The endpoint at ``path``, as one knows it that only emits. Raises ``ConfigError`` for a wrong path."""
    io = SocketIOServer(path, Settings())
    halls = Outside(io.path, publish, SocketIO(Json(dumps)), log)
    io.serve_with(lambda: halls)
    return io


class Outside:
    """The namespaces of an endpoint, seen from outside.

    Args:
        log: where events are kept for clients that come back, where the endpoint does so.
    """

    def __init__(self, path: str, publish: Publish, protocol: SocketIO, log: Log | None = None) -> None:
        self.path = path
        self.publish = publish
        self.protocol = protocol
        self.log = log

    def hall(self, name: str) -> OutsideHall:
        """A namespace."""
        return OutsideHall(name, self)


class OutsideHall:
    """One namespace, none of whose sockets is in this process."""

    def __init__(self, name: str, outside: Outside) -> None:
        self._name = name
        self._outside = outside

    def emit(self, target: Target, values: Sequence[Any], is_volatile: bool = False) -> None:
        """Emit an event. Raises as ``Emitter.emit`` does, and ``BusError``."""
        frame = self._outside.protocol.event(self._name, allowed(values))
        if is_volatile:
            frame.lane = VOLATILE
        elif self._outside.log is not None:
            frame = self._outside.log.keep(self._name, target, frame)
        stream, fields = addressed(self._outside.path, self._name, target)
        self._outside.publish(stream, sealed(fields, frame))

    def order(self, target: Target, verb: str, argument: Any) -> None:
        """Let sockets join or leave rooms, or disconnect them."""
        stream = stream_of(self._outside.path, self._name)
        self._outside.publish(stream, sealed({"do": verb, "with": argument, **target.fields()}))

    def fetch(self, target: Target, timeout: float) -> NoReturn:
        """Raises ``NotReady``: nobody could answer."""
        raise NotReady("fetch_sockets needs a process that serves the endpoint, for others to answer to")
