"""The writing half that transports over a socket share: straight to the socket, queued when it is full.

There is one writer by construction: once anything waits, everything waits behind it, and only the
executor's watch takes from the queue.
"""

from __future__ import annotations

import ssl
from abc import abstractmethod
from typing import Any

from ..core.connection import Connection
from ..core.executor import Executor, Timer
from ..core.outbox import Outbox
from ..protocols.frames import VOLATILE, Frame
from .base import Limits, Transport

WOULD_BLOCK = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


LAST_WORDS = 1024
"""Bytes that fit behind a frame that has begun, however large that is: why the connection ends."""


class SocketTransport(Transport):
    """A transport whose ``_sock`` has a ``send`` that never blocks."""

    __slots__ = (
        "_deflated",
        "_ending",
        "_executor",
        "_limits",
        "_open",
        "_outbox",
        "_sock",
        "_timer",
        "_writing",
    )

    def __init__(self, connection: Connection, sock: Any, executor: Executor, limits: Limits) -> None:
        super().__init__(connection)
        self._sock = sock
        self._executor = executor
        self._limits = limits
        self._open = True
        self._ending = False
        self._deflated = False
        self._outbox: Outbox | None = None
        self._writing: Any = None
        self._timer: Timer | None = None

    def send(self, frame: Frame) -> bool:
        if not self._open:
            return False
        wire = frame.deflated() if self._deflated else frame.wire
        if self._outbox is not None:
            if frame.lane is VOLATILE:
                return False
            return self._outbox.add(wire, frame.lane) or self._too_slow()
        try:
            sent = self._sock.send(wire)
        except WOULD_BLOCK:
            sent = 0
        except OSError:
            self._executor.call_home(self._lost)
            return False
        if sent != len(wire):
            self._wait_to_write(wire, sent)
        return True

    @property
    def backlog(self) -> int:
        outbox = self._outbox  # which another thread may be emptying
        return outbox.size if outbox is not None else 0

    def _too_slow(self) -> bool:
        """Drop what the peer would not read, and tell it to come back."""
        if self._outbox is not None:
            self._outbox.drop_unbegun()
            self._outbox.limit = max(self._limits.outbox, self._outbox.size + LAST_WORDS)
        self._open = False  # nothing of the same burst comes between, or the peer would miss the gap
        self._executor.call_home(self._say_too_slow)
        return False

    def _say_too_slow(self) -> None:
        if self._sock is None:  # it went meanwhile
            return self.connection.handle_close(1006, "")
        self._open = True
        self.connection.handle_too_slow()

    def _write(self, data: bytes) -> None:
        """Write control bytes, which no limit refuses."""
        if self._outbox is not None:
            return self._outbox.force(data)
        try:
            sent = self._sock.send(data)
        except WOULD_BLOCK:
            sent = 0
        except OSError:
            self._executor.call_home(self._lost)
            return
        if sent != len(data):
            self._wait_to_write(data, sent)

    def _wait_to_write(self, data: bytes, sent: int) -> None:
        self._outbox = Outbox(self._limits.outbox, self._limits.outbox_messages)
        self._outbox.add(memoryview(data)[sent:], begun=sent > 0 or is_tls(self._sock))
        self._writing = self._executor.watch(self._sock, self._writable, write=True)

    def _writable(self) -> None:
        outbox = self._outbox
        try:
            while outbox:
                sent = self._sock.send(outbox.first())
                if not sent:  # how gevent's TLS socket says that it would block
                    raise BlockingIOError
                outbox.taken(sent)
        except WOULD_BLOCK:
            if is_tls(self._sock) and outbox is not None:
                outbox.begin_first()  # OpenSSL wants to be given the same bytes again
            return
        except OSError:
            return self._lost()
        self._executor.unwatch(self._writing)
        self._outbox = self._writing = None
        self.connection.handle_written()
        if self._ending:
            self._written()

    def _end_when_written(self) -> None:
        """Nothing will be written after what is queued."""
        self._ending = True
        if self._outbox is None and self._sock is not None:
            self._written()

    def _end_within(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._executor.later(seconds, self._lost)

    def _lost(self) -> None:
        """The socket is at its end: the peer's doing, an error, or a close that took too long."""
        if self._sock is None:
            return
        self._dispose()
        if self._open:
            self._open = False
            self.connection.handle_close(1006, "")

    @abstractmethod
    def _written(self) -> None:
        """The last byte has been written."""

    def _dispose(self) -> Any:
        """Forget the socket, which is returned to be closed."""
        if self._writing is not None:
            self._executor.unwatch(self._writing)
        if self._timer is not None:
            self._timer.cancel()
        sock, self._sock = self._sock, None
        self._writing = self._timer = self._outbox = None
        return sock


def is_tls(sock: Any) -> bool:
    """Whether bytes are encrypted between us and the socket: ssl's class or gevent's."""
    return hasattr(sock, "pending")
