"""A few connections to a server that threads lend each other, so that a thousand callers open no thousand.

Used by the stores whose servers answer one question at a time on a connection. Knows no server.
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Generic, Protocol, TypeVar

from ..errors import BusError
from .forking import Fork

REST = 60.0
"""Seconds after which an idle connection is not lent again: who knows whether it was cut without a word."""


class Refused(Exception):
    """The server's answer is an error; the connection is as good as before."""


class Lent(Protocol):
    """What is lent."""

    @property
    def is_stale(self) -> bool:
        """Whether an idle connection has something to say, which is goodbye."""

    def close(self) -> None:
        """Give it back to the system; harmless at any time."""


AnyLent = TypeVar("AnyLent", bound=Lent)


class Lender(Generic[AnyLent]):
    """Connections that are opened when they are needed, and anew in a process that finds itself forked.

    Args:
        open_one: opens a connection, until a moment of ``time.monotonic()``; raises as its use does.
        name: what errors call the server.
        timeout: seconds that all takes at most: to wait for a connection, to open it, and to use it.
        size: how many there are at most.
    """

    def __init__(
        self, open_one: Callable[[float], AnyLent], name: str, timeout: float, size: int = 4
    ) -> None:
        self._open = open_one
        self._name = name
        self._timeout = timeout
        self._size = size
        self._fork = Fork(self._make)

    def _make(self) -> None:
        self._free = threading.Semaphore(self._size)
        self._idle: list[tuple[AnyLent, float]] = []

    @contextmanager
    def borrowed(self) -> Iterator[tuple[AnyLent, float]]:
        """Lend a connection, and say until when it may be used.

        Raises:
            BusError: for any ``OSError``, after which the connection is closed, and any ``Refused``.
        """
        self._fork.look()  # the parent's connections are not ours to use, nor to close
        deadline = time.monotonic() + self._timeout
        if not self._free.acquire(timeout=self._timeout):
            raise BusError(f"{self._name}: no connection was free within {self._timeout:g} s")
        try:
            yield from self._lend(deadline)
        except (OSError, Refused) as error:
            raise BusError(f"{self._name}: {error}") from error
        finally:
            self._free.release()

    def _lend(self, deadline: float) -> Iterator[tuple[AnyLent, float]]:
        connection = self._take() or self._open(deadline)
        is_good = False
        try:
            yield connection, deadline
            is_good = True
        except Refused:
            is_good = True
            raise
        finally:
            if is_good:
                self._idle.append((connection, time.monotonic()))
            else:
                connection.close()

    def _take(self) -> AnyLent | None:
        while self._idle:
            with suppress(IndexError):  # another thread was faster
                connection, since = self._idle.pop()
                if time.monotonic() - since < REST and not connection.is_stale:
                    return connection
                connection.close()
        return None

    def stop(self) -> None:
        """Close what is idle; whoever calls again has it opened again."""
        while self._fork.is_ours and self._idle:
            with suppress(IndexError):
                self._idle.pop()[0].close()


def is_ready(fileno: int, events: int, seconds: float) -> bool:
    """Wait for a socket; where gevent has patched, others work meanwhile."""
    if seconds < 0:
        return False
    poll = select.poll()
    poll.register(fileno, events)
    return bool(poll.poll(seconds * 1000))
