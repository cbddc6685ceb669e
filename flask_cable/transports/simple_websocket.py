"""A flask-sock or simple-websocket object that somebody else opened.

simple-websocket drops what a short write left over and lets several threads write at once. So its socket
is replaced: whatever it writes is queued whole, behind and before our frames, for the one writer.
"""

from __future__ import annotations

import _socket
import socket
from collections.abc import Callable
from typing import Any

from ..core.connection import Connection
from ..core.executor import Event, Executor
from ..errors import UnsupportedServer
from ..protocols.frames import Frame
from .base import Limits, clipped
from .writing import SocketTransport, is_tls


class SimpleWebSocketTransport(SocketTransport):
    """Reads by ``receive()`` in the caller's thread, writes frames of our own."""

    __slots__ = ("_all_read", "_done", "_ready", "_ws")

    def __init__(self, connection: Connection, ws: Any, executor: Executor, limits: Limits) -> None:
        if is_tls(ws.sock):
            raise UnsupportedServer(
                "A simple-websocket object over TLS cannot be served. Let a proxy end TLS, "
                "or use the cable's own route."
            )
        super().__init__(connection, _Unblocking(ws.sock), executor, limits)
        self._ws = ws
        self._done: Event = executor.event()
        self._all_read: Event = executor.event()
        self._ready: Event = executor.event()
        self._ready.set()
        ws.max_message_size = ws.max_message_size or limits.message
        ws.sock = _Whole(ws.sock, self)

    def run(self, begin: Callable[[], None]) -> None:
        """Receive until the peer is gone; what was sent has been written when this returns."""
        from simple_websocket import ConnectionClosed

        begin()
        code, reason = 1006, ""
        try:
            while True:
                self._ready.wait()
                message = self._ws.receive()
                if message is not None:
                    self.connection.handle_messages((message,))
        except ConnectionClosed as closed:
            if self._ws.ws.state.name != "OPEN":  # the peer said so, and did not just vanish
                code, reason = int(closed.reason or 1005), closed.message or ""
            if getattr(self._ws, "incoming_message_len", 0) > self._ws.max_message_size:
                code, reason = 1009, ""
        finally:
            self._open = False
            self.connection.handle_close(code, reason)
            self._all_read.wait(
                self._limits.close_timeout
            )  # its reader answers a close frame at its very end
            self._executor.call_home(self._end_when_written)
            self._done.wait(self._limits.close_timeout)
            self._executor.call_home(self._lost)

    def send(self, frame: Frame) -> bool:
        with self._executor.guard:
            return super().send(frame)

    def close(self, code: int, reason: str) -> None:
        if not self._open:
            return
        self._open = False
        try:
            self._ws.close(code, clipped(reason))
        except Exception:  # ConnectionClosed, or what wsproto thinks of its state: it is closed
            self._executor.call_home(self._lost)
        self.wake()
        self._ready.set()

    def pause(self) -> None:
        self._ready.clear()

    def resume(self) -> None:
        self._ready.set()

    def wake(self) -> None:
        """Let ``run`` look again whether the peer is there."""
        self._ws.event.set()

    def handle_end(self) -> None:
        """simple-websocket's reader has done its last."""
        self._all_read.set()
        self.wake()

    def write_whole(self, data: bytes) -> None:
        """Write what simple-websocket made: a pong, a close frame."""
        with self._executor.guard:
            if self._sock is not None:
                self._write(data)

    def _say_too_slow(self) -> None:
        with self._executor.guard:
            super()._say_too_slow()

    def _writable(self) -> None:
        with self._executor.guard:
            if self._writing is not None:
                super()._writable()

    def _written(self) -> None:
        self._sock.end()
        self._done.set()

    def _dispose(self) -> Any:
        self._done.set()
        super()._dispose().close()


class _Unblocking:
    """A second handle on a socket, for writes that never wait whatever mode the first is in."""

    def __init__(self, sock: Any) -> None:
        self._sock = _socket.socket(fileno=_socket.dup(sock.fileno()))
        self.fileno = self._sock.fileno
        self.close = self._sock.close

    def send(self, data: bytes | memoryview) -> int:
        return self._sock.send(data, socket.MSG_DONTWAIT)

    def end(self) -> None:
        """Nothing is written any more, not even what a server thinks that it still has to answer."""
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:  # it is gone
            return


class _Whole:
    """What simple-websocket takes for its socket: a ``send`` that sends everything."""

    def __init__(self, sock: Any, transport: SimpleWebSocketTransport) -> None:
        self._sock = sock
        self._transport = transport

    def send(self, data: bytes) -> int:
        self._transport.write_whole(data)
        return len(data)

    def close(self) -> None:
        """Close; its reader does so last, and whoever waits for a message must not miss that."""
        self._sock.close()
        self._transport.handle_end()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)
