"""Which transport carries a connection: told by what is in environ, never by what is installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..core.connection import Connection
from ..core.executor import Executor
from ..errors import UnsupportedServer
from . import gevent_websocket, loopback, native
from .answering import Answering
from .base import Limits, Transport
from .loopback import LoopbackTransport
from .native import Codecs, LockedNativeTransport, NativeTransport
from .writing import is_tls

Begin = Callable[[], None]
Headers = list[tuple[str, str]]

__all__ = [
    "Begin",
    "Codecs",
    "Limits",
    "Transport",
    "detach",
    "find_socket",
    "is_upgraded",
    "open_loopback",
    "open_native",
]


def is_upgraded(environ: Mapping[str, Any]) -> bool:
    """Whether the server has answered the handshake already, so that no HTTP refusal is possible."""
    return environ.get(gevent_websocket.KEY) is not None


def find_socket(environ: Mapping[str, Any]) -> Any:
    """The server's socket, or None for a test client. Raises ``UnsupportedServer``."""
    if loopback.KEY in environ:
        return None
    if is_upgraded(environ):
        return gevent_websocket.find_socket(environ)
    return native.find_socket(environ)


def open_loopback(environ: Mapping[str, Any], connection: Connection, headers: Headers, begin: Begin) -> None:
    """Attach a test client's connection, and hand the client its transport."""
    transport = LoopbackTransport(connection, headers)
    environ[loopback.KEY].accepted(transport)
    connection.attach(transport)
    begin()


def open_native(
    sock: Any,
    connection: Connection,
    head: bytes,
    begin: Begin,
    resources: tuple[Executor, Codecs, Limits],
) -> NativeTransport:
    """Take a server's socket for a connection; the caller must ``hold()`` before the server goes on."""
    taken = native.take_over(sock)
    kind = LockedNativeTransport if resources[0].threaded else NativeTransport
    transport = kind(connection, taken, *resources)
    transport.start(head)
    connection.attach(transport)
    begin()
    return transport


def detach(environ: Mapping[str, Any], executor: Executor, gone: Callable[[], object]) -> Answering | None:
    """Take a server's socket in order to answer its request later; None where it cannot be taken."""
    try:
        sock = find_socket(environ)
    except UnsupportedServer:
        return None
    if sock is None or is_tls(sock):
        return None
    return Answering(native.take_over(sock), executor, gone)
