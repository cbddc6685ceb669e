"""Time and concurrency, as the core sees them; ``ManualExecutor``, whose time is moved by hand.

An executor has a home: the thread whose loop watches sockets and keeps timers. What is called there
must not block; what may block is submitted and runs on a worker.
"""

from __future__ import annotations

import heapq
import itertools
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

logger = logging.getLogger("flask_cable")

Job = Callable[..., object]

ROUNDING = 1e-6
"""Seconds by which sums of intervals may be off."""


class Timer(Protocol):
    """A call that will happen, once or again and again."""

    def cancel(self) -> None:
        """Not any more; harmless when it has happened already."""


class Event(Protocol):
    """Something that is waited for on a worker: ``threading.Event`` or gevent's."""

    def set(self) -> None: ...

    def clear(self) -> None: ...

    def wait(self, timeout: float | None = None) -> object: ...


class Executor(ABC):
    """Where work runs, when timers fire, and who is told that a socket can move bytes."""

    name = "executor"
    guard: AbstractContextManager[Any] = nullcontext()
    """Held for a few instructions around shared state; nothing blocks inside, and it may be entered twice."""

    watched = 0
    """How many watches there are: sockets that are read, and those that wait to be written."""

    is_real = True
    """Whether its time passes by itself, and with it the end of the process comes."""

    spawned = 0
    """How many functions run on workers of their own."""

    threaded = False
    """Whether several threads may work for one connection, so that transports need a lock."""

    @abstractmethod
    def submit(self, function: Job, *args: Any) -> None:
        """Run ``function(*args)`` on a worker, where it may block."""

    @abstractmethod
    def spawn(self, function: Job, *args: Any) -> None:
        """Run ``function(*args)`` on a worker of its own, where it may stay as long as it likes."""

    def run_spawned(self, function: Job, args: tuple[Any, ...]) -> None:
        """What such a worker does; ``spawn`` has counted it in ``spawned``."""
        try:
            function(*args)
        except Exception:
            logger.exception("unhandled error in an executor")
        finally:
            with self.guard:
                self.spawned -= 1

    @abstractmethod
    def is_home(self) -> bool:
        """Whether the caller may touch transports directly."""

    @abstractmethod
    def can_wait(self) -> bool:
        """Whether the caller may wait with ``event()``: it is neither the loop at home nor a stranger."""

    @abstractmethod
    def call_home(self, function: Job, *args: Any) -> None:
        """Run ``function(*args)`` at home, soon, from any thread; it must not block."""

    @abstractmethod
    def later(self, delay: float, function: Job, *args: Any) -> Timer:
        """Call at home after ``delay`` seconds."""

    @abstractmethod
    def every(self, interval: float, function: Job, *args: Any) -> Timer:
        """Call at home every ``interval`` seconds, the first time after one interval."""

    @abstractmethod
    def watch(self, sock: Any, function: Job, write: bool = False) -> Any:
        """Call at home whenever ``sock`` is readable (or writable); returns a handle for ``unwatch``."""

    @abstractmethod
    def unwatch(self, watch: Any) -> None:
        """Stop a watch, before its socket is closed."""

    @abstractmethod
    def event(self) -> Event:
        """Something that a worker or a server's thread can wait for."""

    @abstractmethod
    def lock(self) -> AbstractContextManager[Any]:
        """What one worker at a time holds, also while it blocks; nobody enters it twice, nor at home."""

    @abstractmethod
    def monotonic(self) -> float:
        """Seconds that only grow."""

    @abstractmethod
    def time(self) -> float:
        """Seconds since the epoch."""

    def stop(self) -> None:  # noqa: B027 - most have nothing to stop
        """Give back threads and timers."""


class PlannedTimer:
    """A call in the future of an executor that keeps a heap of them."""

    __slots__ = ("args", "cancelled", "function", "interval")

    def __init__(self, interval: float | None, function: Job, args: tuple[Any, ...]) -> None:
        self.interval = interval
        self.function = function
        self.args = args
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class ManualExecutor(Executor):
    """Runs work when told to, and moves time only by ``advance``: for tests, and for nothing else.

    Work that is submitted while nothing runs is run at once, before ``submit`` returns; work that is
    submitted by running work is run after it.
    """

    name = "manual"
    is_real = False

    def __init__(self, now: float = 0.0, epoch: float = 1_700_000_000.0) -> None:
        self.now = now
        self.epoch = epoch
        self._jobs: deque[tuple[Job, tuple[Any, ...]]] = deque()
        self._running = False
        self._timers: list[tuple[float, int, PlannedTimer]] = []
        self._order = itertools.count()

    def submit(self, function: Job, *args: Any) -> None:
        self._jobs.append((function, args))
        if not self._running:
            self.run()

    def spawn(self, function: Job, *args: Any) -> None:
        self.spawned += 1
        self.submit(self.run_spawned, function, args)

    def run(self) -> None:
        """Run what is submitted, and what that submits, until nothing is left."""
        self._running = True
        try:
            while self._jobs:
                function, args = self._jobs.popleft()
                function(*args)
        finally:
            self._running = False

    def is_home(self) -> bool:
        return True

    def can_wait(self) -> bool:
        return False

    def call_home(self, function: Job, *args: Any) -> None:
        self.submit(function, *args)

    def later(self, delay: float, function: Job, *args: Any) -> PlannedTimer:
        return self._plan(delay, PlannedTimer(None, function, args))

    def every(self, interval: float, function: Job, *args: Any) -> PlannedTimer:
        return self._plan(interval, PlannedTimer(interval, function, args))

    def _plan(self, delay: float, timer: PlannedTimer) -> PlannedTimer:
        heapq.heappush(self._timers, (self.now + delay, next(self._order), timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Move time on, firing what falls due in its order."""
        end = self.now + seconds
        while self._timers and self._timers[0][0] <= end + ROUNDING:
            due, _, timer = heapq.heappop(self._timers)
            self.now = max(self.now, due)
            self._fire(timer)
        self.now = end

    def _fire(self, timer: PlannedTimer) -> None:
        if timer.cancelled:
            return
        if timer.interval is not None:
            self._plan(timer.interval, timer)
        timer.function(*timer.args)

    def watch(self, sock: Any, function: Job, write: bool = False) -> Any:
        raise NotImplementedError("the manual executor watches no sockets; use the loopback transport")

    def unwatch(self, watch: Any) -> None:
        raise NotImplementedError("the manual executor watches no sockets")

    def event(self) -> Event:
        return _ManualEvent()

    def lock(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.epoch + self.now


class _ManualEvent:
    """Nobody waits under the manual executor."""

    def set(self) -> None:
        """Nobody is waiting."""

    def clear(self) -> None:
        """Nobody will wait."""

    def wait(self, timeout: float | None = None) -> object:
        return True
