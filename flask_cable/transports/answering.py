"""An HTTP request that is answered later, on a socket that its server has given up.

Where servers have few threads, no thread waits with it. The answer ends the line: there is no way to give
a socket back.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from ..core.executor import Executor, Timer
from .writing import WOULD_BLOCK

LINGER = 5.0
"""Seconds that the peer has to read the answer, each time that it stops, and to hang up."""


class Answering:
    """One request whose answer is not there yet. All but ``answer`` is called at home.

    Args:
        gone: called when the peer hangs up before it is answered.
    """

    __slots__ = ("_executor", "_gone", "_left", "_sock", "_timer", "_watch", "_watches_writing")

    def __init__(self, sock: Any, executor: Executor, gone: Callable[[], object]) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._executor = executor
        self._gone: Callable[[], object] | None = gone
        self._left = memoryview(b"")
        self._timer: Timer | None = None
        self._watch: Any = None
        self._watches_writing = False
        executor.call_home(self._begin)  # where nothing is readable before it is known what watches

    def _begin(self) -> None:
        self._watch = self._executor.watch(self._sock, self._readable)

    def answer(self, data: bytes) -> None:
        """Write the answer, from any thread, and hang up."""
        self._executor.call_home(self._answer, data)

    def _answer(self, data: bytes) -> None:
        self._gone = None
        self._left = memoryview(data)
        self._write()

    def _write(self) -> None:
        if self._sock is None:
            return
        try:
            while self._left:
                self._left = self._left[self._sock.send(self._left) :]
        except WOULD_BLOCK:
            return self._await_writing()
        except OSError:
            return self._dispose()
        self._written()

    def _await_writing(self) -> None:
        self._end_within(LINGER)
        if not self._watches_writing:
            self._watches_writing = True
            self._executor.unwatch(self._watch)
            self._watch = self._executor.watch(self._sock, self._write, write=True)

    def _written(self) -> None:
        """Nothing more to say; the peer may finish reading before the socket closes."""
        if self._watches_writing:
            self._watches_writing = False
            self._executor.unwatch(self._watch)
            self._watch = self._executor.watch(self._sock, self._readable)
        self._end_within(LINGER)
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._dispose()

    def _readable(self) -> None:
        """The peer hangs up; what it would say before it is answered is of no use."""
        try:
            if self._sock.recv(4096):
                return
        except WOULD_BLOCK:
            return
        except OSError:
            pass  # that is its end, too
        gone, self._gone = self._gone, None
        self._dispose()
        if gone is not None:
            gone()

    def _end_within(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._executor.later(seconds, self._dispose)

    def _dispose(self) -> None:
        if self._sock is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._executor.unwatch(self._watch)
        self._sock.close()
        self._sock = None
