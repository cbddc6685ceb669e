"""The transport that owns its socket: gunicorn (gevent, gthread), gevent.pywsgi and werkzeug's server.

After the handshake the socket is taken out of the server's hands and watched by the executor; the
server keeps a line whose peer has hung up, and ends the request on that. A TLS socket cannot be
taken out, so there the server's thread or greenlet waits until the peer is gone; all else is the same.
"""

from __future__ import annotations

import _socket
import logging
import os
import socket
from collections.abc import Mapping
from functools import cache
from typing import Any

from websockets import frames
from websockets.frames import Opcode
from websockets.protocol import SERVER, Protocol, State

from ..core.connection import Connection
from ..core.executor import Event, Executor
from ..errors import UnsupportedServer
from ..protocols import deflate
from ..protocols.frames import PING, Frame
from .base import Limits, clipped
from .writing import WOULD_BLOCK, SocketTransport, is_tls

logger = logging.getLogger("flask_cable")
unmask = frames.apply_mask  # type: ignore[attr-defined] # in C where it could be built

SOCKET_KEYS = ("gunicorn.socket", "gunicorn.sock", "werkzeug.socket")
CHUNK = 65536
CONTROL = (Opcode.PING, Opcode.PONG, Opcode.CLOSE)
WEBSOCKET_PING = Frame(b"", PING)
USER_TIMEOUT = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux
TLS_LINGER = 0.2
"""Seconds between our last TLS byte and the end of the socket."""


class Codecs:
    """Frame parsers of ``websockets``, lent to connections while there is something to parse.

    An idle connection has none: between two messages a parser has nothing to remember.
    """

    def __init__(self, max_size: int, inflating: bool = False) -> None:
        self._max_size = max_size
        self.inflating = inflating
        self._idle: list[Protocol] = []

    def lend(self) -> Protocol:
        """A parser that is at the start of a frame."""
        try:
            return self._idle.pop()
        except IndexError:
            codec = Protocol(SERVER, max_size=self._max_size)
            if self.inflating:
                codec.extensions = [deflate.inflater()]
            return codec

    def take_back(self, codec: Protocol) -> bool:
        """Take back a parser that is between two messages; False when it has to stay with its connection."""
        if codec.state is not State.OPEN or codec.reader.buffer:
            return False
        if len(self._idle) < 100:
            self._idle.append(codec)
        return True


class NativeTransport(SocketTransport):
    """One socket, watched by the executor."""

    __slots__ = ("_codec", "_codecs", "_gone", "_partial", "_reading", "_silence", "_tls")

    def __init__(
        self, connection: Connection, sock: Any, executor: Executor, codecs: Codecs, limits: Limits
    ) -> None:
        super().__init__(connection, sock, executor, limits)
        self._codecs = codecs
        self._deflated = codecs.inflating
        self._codec: Protocol | None = None
        self._partial: tuple[bool, bytearray] | None = None
        self._reading: Any = None
        self._silence = 0  # probes since something was heard
        self._tls = is_tls(sock)
        self._gone: Event | None = None

    def start(self, head: bytes) -> None:
        """Answer the handshake with ``head``, if the server has not done so, and begin to read."""
        self._sock.setblocking(False)
        _set_options(self._sock, self._limits)
        if head:
            self._write(head)
        self.resume()

    def hold(self) -> None:
        if self._tls:
            self._gone = self._executor.event()
            if self._sock is not None:
                self._gone.wait()

    # Reading.

    def pause(self) -> None:
        if self._reading is not None:
            self._executor.unwatch(self._reading)
            self._reading = None

    def resume(self) -> None:
        if self._reading is None and self._sock is not None:
            self._reading = self._executor.watch(self._sock, self._readable)

    def probe(self, limit: int) -> None:
        if self._reading is None:  # we do not listen, so silence says nothing
            return
        if self._silence >= limit:
            self.connection.handler.counts["stale"] += 1
            self._lost()
            return
        self._silence += 1
        self.send(WEBSOCKET_PING)

    def _readable(self) -> None:
        self._silence = 0
        more = self._reading is not None
        while more:
            try:
                data = self._sock.recv(CHUNK)
            except WOULD_BLOCK:
                return
            except OSError:
                data = b""
            if not data:
                return self._lost()
            try:
                text = single_text(data, self._limits.message) if self._codec is None else None
                if text is None:
                    self._receive(data)
                else:
                    self.connection.handle_messages((text,))
            except Exception:  # a bug; a connection that is deaf would be worse than none
                logger.exception("connection %s: reading failed", self.connection.id)
                return self._lost()
            more = self._tls and self._has_decrypted()

    def _has_decrypted(self) -> bool:
        """Whether TLS holds bytes that no event will announce."""
        return self._reading is not None and self._sock.pending() > 0

    def _receive(self, data: bytes) -> None:
        codec = self._codec or self._codecs.lend()
        codec.receive_data(data)
        messages: list[str | bytes] = []
        for frame in codec.events_received():
            if not self._assemble(codec, frame, messages):
                break
        kept = self._partial is not None or not self._codecs.take_back(codec)
        self._codec = codec if kept else None
        if codec.writes:
            self._flush(codec)
        if messages:
            self.connection.handle_messages(messages)
        if self._open and self._codec is codec and codec.state is not State.OPEN:
            self._peer_closed(codec)

    def _assemble(self, codec: Protocol, frame: Any, messages: list[str | bytes]) -> bool:
        """Add a whole message to ``messages``, or keep a part; False when it is not valid UTF-8."""
        opcode, data = frame.opcode, frame.data
        if opcode in CONTROL:
            if opcode is Opcode.PING:
                self.connection.handle_ping()
            return True
        if opcode is not Opcode.CONT:
            self._partial = (opcode is Opcode.TEXT, bytearray(data))
        elif self._partial is not None:
            self._partial[1].extend(data)
        if not frame.fin or self._partial is None:
            return True
        (is_text, whole), self._partial = self._partial, None
        try:
            messages.append(str(whole, "utf-8") if is_text else bytes(whole))
        except UnicodeDecodeError:
            codec.fail(1007, "invalid UTF-8")
            return False
        return True

    def _peer_closed(self, codec: Protocol) -> None:
        """The peer sent a close frame, or something that ends the connection."""
        self._open = False
        if self._timer is None:
            self._end_within(self._limits.close_timeout)
        close = codec.close_rcvd or codec.close_sent
        if close is None:
            self.connection.handle_close(1006, "")
        elif close is codec.close_rcvd:
            self.connection.handle_close(close.code, close.reason)
        else:
            self.connection.handle_violation(close.code, close.reason)

    def _flush(self, codec: Protocol) -> None:
        """Write what the codec answers: pongs, close frames, and b"" for the end of the stream."""
        for data in codec.data_to_send():
            if data:
                self._write(data)
            else:
                self._end_when_written()

    # Ending.

    def close(self, code: int, reason: str) -> None:
        if not self._open:
            return
        self._open = False
        codec = self._codec = self._codec or self._codecs.lend()
        if codec.state is State.OPEN:
            codec.send_close(code, clipped(reason))
        self._end_within(self._limits.close_timeout)
        self.resume()
        self._flush(codec)

    def _written(self) -> None:
        """Nothing more to say: the peer hears so, and may finish reading before the socket closes."""
        if is_tls(self._sock):  # half of a TLS connection cannot be closed
            return self._end_within(TLS_LINGER)
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._executor.call_home(self._lost)

    def _dispose(self) -> None:
        self.pause()
        self._codec = self._partial = None
        sock = super()._dispose()
        if is_tls(sock):
            _shut_down(sock)
        else:
            sock.close()
        if self._gone is not None:
            self._gone.set()


class LockedNativeTransport(NativeTransport):
    """The same where several threads send and read: one at a time."""

    __slots__ = ()

    def send(self, frame: Frame) -> bool:
        with self._executor.guard:
            return super().send(frame)

    def close(self, code: int, reason: str) -> None:
        with self._executor.guard:
            super().close(code, reason)

    def pause(self) -> None:
        with self._executor.guard:
            super().pause()

    def resume(self) -> None:
        with self._executor.guard:
            super().resume()

    def _readable(self) -> None:
        with self._executor.guard:
            super()._readable()

    def _writable(self) -> None:
        with self._executor.guard:
            if self._writing is not None:
                super()._writable()

    def _say_too_slow(self) -> None:
        with self._executor.guard:
            super()._say_too_slow()

    def _lost(self) -> None:
        with self._executor.guard:
            super()._lost()


def single_text(data: bytes, limit: int) -> str | None:
    """The text of ``data`` that is just one final, masked, uncompressed text frame; None for all else.

    Nearly everything that is read is that, and a parser's state machine costs ten times as much
    (``benchmarks/``). What is not, or is too large or no UTF-8, is for the parser to judge.
    """
    size = len(data) - 6
    if size > 125:
        size -= 2
        if size > limit or data[1] != 0xFE or data[2] << 8 | data[3] != size or size < 126:
            return None
    elif size < 0 or data[1] != 0x80 | size or size > limit:
        return None
    if data[0] != 0x81:
        return None
    try:
        return unmask(data[-size:], data[-size - 4 : -size]).decode() if size else ""
    except UnicodeDecodeError:
        return None


def find_socket(environ: Mapping[str, Any]) -> Any:
    """The socket that a server put into its environ.

    Raises:
        UnsupportedServer: there is none, or none that may be taken.
    """
    if environ.get("SERVER_PROTOCOL") != "HTTP/1.1":
        raise UnsupportedServer(
            f"A WebSocket needs HTTP/1.1, and this request came as {environ.get('SERVER_PROTOCOL')}. "
            "Behind nginx set proxy_http_version 1.1; do not offer HTTP/2 for this route in the worker."
        )
    if "gunicorn.socket" in environ and not environ.get("wsgi.multithread"):
        raise UnsupportedServer(
            "gunicorn's sync worker serves one request at a time and cannot keep a WebSocket. "
            "Run it with -k gevent (pip install 'flask-cable[gevent]') or with --threads 8."
        )
    for key in SOCKET_KEYS:
        if environ.get(key) is not None:
            return environ[key]
    sock = _socket_of_input(environ.get("wsgi.input"))
    if sock is None:
        raise UnsupportedServer(
            f"{environ.get('SERVER_SOFTWARE') or 'This server'} gives no access to its socket. "
            "Serve the application with gunicorn -k gevent, gunicorn --threads, gevent.pywsgi or flask run."
        )
    return sock


def _socket_of_input(stream: Any) -> Any:
    """gevent.pywsgi: the socket beneath the request's body."""
    raw = getattr(getattr(stream, "rfile", stream), "raw", None)
    sock = getattr(raw, "_sock", None)
    return sock if hasattr(sock, "detach") else None


def take_over(sock: Any) -> Any:
    """Take the server's socket, unless it is TLS: the server has a line instead whose peer has hung up.

    The server may go on writing, reading and closing as it likes: it has a way to end a request that
    nobody waits for any more. No exception leaves the application, and the access log shows the 101.
    """
    if is_tls(sock):
        return sock
    dead = os.dup(_dead_line())
    taken = _socket.socket(fileno=sock.detach())
    sock.__init__(socket.AF_UNIX, socket.SOCK_STREAM, 0, dead)
    return taken


@cache
def _dead_line() -> int:
    """A socket that every read ends and every write breaks; one for the process, never closed."""
    near, far = _socket.socketpair()
    far.close()
    return near.detach()


def _set_options(sock: Any, limits: Limits) -> None:
    """Send small frames at once, and let the kernel give up on a peer that acknowledges nothing."""
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if USER_TIMEOUT is not None:
            sock.setsockopt(socket.IPPROTO_TCP, USER_TIMEOUT, int(limits.stale_after * 1000))
    except OSError:  # not TCP
        return


def _shut_down(sock: Any) -> None:
    """End a socket that the server will close: what it still writes meets a broken pipe."""
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
