"""asyncio on a thread of the operating system, for nats-py; whatever gevent patched, no greenlet meets it.

Used by the NATS adapter and its store: they say what is to be awaited there, and wait for it as threads, or
greenlets, do. Knows nothing of NATS.
"""

from __future__ import annotations

import asyncio
import select
import socket
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from importlib import import_module
from typing import Any, Generic, TypeVar

from .forking import Fork, Home
from .lending import is_ready

Result = TypeVar("Result")
Awaiting = Callable[[], Coroutine[Any, Any, Result]]


class NatsThread:
    """One thread with asyncio's loop; begun with the first use, and anew after a fork."""

    def __init__(self) -> None:
        self._loop: _Loop | None = None
        self._fork = Fork(self._make)

    def _make(self) -> None:
        self._guard = threading.Lock()
        self._parents, self._loop = self._loop, None  # not ours to close

    def call(self, coroutine: Awaiting[Result], seconds: float) -> Result:
        """Await ``coroutine()`` on the thread and return its result, or raise its error.

        Raises:
            TimeoutError: it took longer; it is cancelled.
        """
        call = _Call(coroutine)
        loop = self._running()
        loop.call_soon_threadsafe(call.begin, loop)
        if not call.event.wait(max(0.0, seconds)):
            loop.call_soon_threadsafe(call.cancel)
            raise TimeoutError(f"no answer within {seconds:.3g} s")
        return call.result()

    def post(self, coroutine: Awaiting[object]) -> None:
        """Await ``coroutine()`` on the thread, some time; nobody hears how it went."""
        loop = self._running()
        loop.call_soon_threadsafe(_Call(coroutine).begin, loop)

    def _running(self) -> _Loop:
        self._fork.look()
        with self._guard:
            if self._loop is None:
                self._loop = _Loop(_original("selectors", "DefaultSelector")())
                _original("_thread", "start_new_thread")(_run, (self._loop,))
            return self._loop

    def stop(self) -> None:
        """End the thread; who calls again begins another one."""
        if not self._fork.is_ours:
            return
        with self._guard:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.call_soon_threadsafe(loop.stop)
            loop.ended.wait(5)


class _Loop(asyncio.SelectorEventLoop):
    """asyncio's loop, but that nothing of it runs on threads that gevent may have made greenlets."""

    def __init__(self, selector: Any) -> None:
        super().__init__(selector)
        self.ended = threading.Event()

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        """Look a host up here and now: nobody but those who wait for it is on this thread."""
        return _original("socket", "getaddrinfo")(host, port, **options)


def _run(loop: _Loop) -> None:
    """The thread."""
    sys.settrace(threading.gettrace())  # debuggers see it like any other
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    finally:
        loop.close()
        loop.ended.set()


def _original(module: str, name: str) -> Any:
    """What a module had before gevent patched it."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey.get_original(module, name) if monkey else getattr(import_module(module), name)


class _Call(Generic[Result]):
    """Something to be awaited there, and who waits for it here."""

    def __init__(self, coroutine: Awaiting[Result]) -> None:
        self._coroutine = coroutine
        self._task: asyncio.Task[Result] | None = None
        self.event = threading.Event()

    def begin(self, loop: _Loop) -> None:
        self._task = loop.create_task(self._coroutine())
        self._task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Result]) -> None:
        if not task.cancelled():
            task.exception()  # somebody has looked at it, even if nobody waits any more
        self.event.set()

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def result(self) -> Result:
        assert self._task is not None
        try:
            return self._task.result()
        except asyncio.CancelledError:
            raise ConnectionError("it was stopped meanwhile") from None


class Bell:
    """Wakes one who waits, from any thread."""

    def __init__(self) -> None:
        self._home = Home()
        self._far, self._near = socket.socketpair()
        self._far.setblocking(False)
        self._near.setblocking(False)
        self._rung = False

    def ring(self) -> None:
        """Let ``wait`` return, now or when it is called."""
        if not self._rung:
            self._rung = True
            with suppress(OSError):  # it is closed
                self._near.send(b"x")

    def wait(self, seconds: float) -> None:
        """Wait for a ring; look afterwards for what it was about."""
        is_rung = is_ready(self._far.fileno(), select.POLLIN, seconds)
        self._home.check()
        if is_rung:
            self._far.recv(64)
            self._rung = False

    def close(self) -> None:
        """Give the sockets back; harmless at any time."""
        self._near.close()
        self._far.close()
