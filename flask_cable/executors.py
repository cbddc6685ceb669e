"""Executors: who runs the work, keeps the time and watches the sockets.

``GeventExecutor`` lives in gevent's hub; ``ThreadExecutor`` has one selector thread and a pool. Which one
a process gets is told by the server's socket or by monkey patching, never by what is installed.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import queue
import selectors
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from .core.executor import Event, Executor, Job, PlannedTimer, Timer
from .errors import ConfigError
from .fibers import FiberExecutor

logger = logging.getLogger("flask_cable")

PARKED = 100
"""How many idle greenlets wait for work; waking one costs a fifth of spawning one."""


def choose_executor(name: str, sock: Any = None, workers: int = 1000) -> Executor:
    """Make the executor that ``CABLE_EXECUTOR`` names; ``auto`` looks at the server's socket.

    Raises:
        ConfigError: for a name that is none.
    """
    if name == "auto":
        name = "gevent" if _is_gevent(sock) else "threads"
    if name == "gevent":
        return GeventExecutor(workers)
    if name == "threads":
        return ThreadExecutor(min(workers, 32))
    if name == "manual":
        return FiberExecutor()
    raise ConfigError(f"CABLE_EXECUTOR: {name!r} is none of auto, gevent, threads, manual")


def _is_gevent(sock: Any) -> bool:
    if type(sock).__module__.startswith("gevent."):
        return True
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("socket"))


class _GeventTimer:
    """A libev timer with ``cancel``."""

    __slots__ = ("_timer",)

    def __init__(self, timer: Any, function: Job, args: tuple[Any, ...]) -> None:
        self._timer = timer
        timer.start(function, *args, update=True)  # from now, and not from when the loop last looked

    def cancel(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.stop()
            timer.close()


class GeventExecutor(Executor):
    """Home is gevent's hub of the thread that made it; work runs in greenlets, parked and not spawned."""

    name = "gevent"

    def __init__(self, workers: int = 1000) -> None:
        import gevent
        from gevent import event, lock, monkey
        from greenlet import getcurrent

        self._hub = gevent.get_hub()
        self._loop = self._hub.loop
        self._spawn = gevent.spawn_raw
        self._getcurrent = getcurrent
        self._get_ident = monkey.get_original("_thread", "get_ident")
        self._make_event = event.Event
        self._make_lock = lock.BoundedSemaphore
        self._home = self._get_ident()
        self._limit = workers
        self._alive = 0
        self._parked: list[Any] = []
        self._jobs: deque[tuple[Job, tuple[Any, ...]]] = deque()

    def submit(self, function: Job, *args: Any) -> None:
        if self._get_ident() != self._home:
            self._loop.run_callback_threadsafe(self.submit, function, *args)
        elif self._parked:
            worker = self._parked.pop()
            if self._getcurrent() is self._hub:
                worker.switch(function, args)
            else:
                self._loop.run_callback(worker.switch, function, args)
        else:
            self._jobs.append((function, args))
            if self._alive < self._limit:
                self._alive += 1
                self._spawn(self._worker)

    def spawn(self, function: Job, *args: Any) -> None:
        if self._get_ident() != self._home:
            self._loop.run_callback_threadsafe(self.spawn, function, *args)
        else:
            self.spawned += 1
            self._spawn(self.run_spawned, function, args)

    def _worker(self) -> None:
        me = self._getcurrent()
        try:
            while True:
                while self._jobs:
                    _logged(*self._jobs.popleft())
                if len(self._parked) >= PARKED:
                    return
                self._parked.append(me)
                _logged(*self._hub.switch())  # nothing of it is kept alive while parked
        finally:
            self._alive -= 1

    def is_home(self) -> bool:
        here: bool = self._get_ident() == self._home
        return here

    def can_wait(self) -> bool:
        return self.is_home() and self._getcurrent() is not self._hub

    def call_home(self, function: Job, *args: Any) -> None:
        if self.is_home():
            self._loop.run_callback(function, *args)
        else:
            self._loop.run_callback_threadsafe(function, *args)

    def later(self, delay: float, function: Job, *args: Any) -> Timer:
        return _GeventTimer(self._loop.timer(delay), function, args)

    def every(self, interval: float, function: Job, *args: Any) -> Timer:
        return _GeventTimer(self._loop.timer(interval, interval), function, args)

    def watch(self, sock: Any, function: Job, write: bool = False) -> Any:
        watcher = self._loop.io(sock.fileno(), 2 if write else 1)
        watcher.start(function)
        self.watched += 1
        return watcher

    def unwatch(self, watch: Any) -> None:
        self.watched -= 1
        watch.stop()
        watch.close()

    def event(self) -> Event:
        made: Event = self._make_event()
        return made

    def lock(self) -> AbstractContextManager[Any]:
        made: AbstractContextManager[Any] = self._make_lock(1)
        return made

    monotonic = staticmethod(time.monotonic)  # asked for with every message

    def time(self) -> float:
        return time.time()


class _ThreadWatch:
    """One direction of one socket."""

    __slots__ = ("function", "sock", "write")

    def __init__(self, sock: Any, function: Job, write: bool) -> None:
        self.sock = sock
        self.function = function
        self.write = write


class ThreadExecutor(Executor):
    """Home is one selector thread; work runs in a pool of threads. Both start with the first use."""

    name = "threads"
    threaded = True

    def __init__(self, workers: int = 32) -> None:
        self.guard = threading.RLock()
        self._limit = workers
        self._workers = 0
        self._idle = 0
        self._jobs: queue.SimpleQueue[tuple[Job, tuple[Any, ...]] | None] = queue.SimpleQueue()
        self._selector: selectors.BaseSelector | None = None
        self._wakers: tuple[socket.socket, socket.socket] | None = None
        self._calls: deque[tuple[Job, tuple[Any, ...]]] = deque()
        self._timers: list[tuple[float, int, PlannedTimer]] = []
        self._order = itertools.count()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def submit(self, function: Job, *args: Any) -> None:
        with self.guard:
            self._jobs.put((function, args))
            if self._idle:
                self._idle -= 1  # claimed, before it has even woken
                return
            if self._workers >= self._limit:
                return
            self._workers += 1
        # daemon threads, which still work when the interpreter has joined all others and sockets are drained
        threading.Thread(target=self._worker, name="flask-cable", daemon=True).start()

    def spawn(self, function: Job, *args: Any) -> None:
        thread = threading.Thread(
            target=self.run_spawned, args=(function, args), name="flask-cable-function", daemon=True
        )
        with self.guard:
            self.spawned += 1
        try:
            thread.start()
        except BaseException:  # the system has no more
            with self.guard:
                self.spawned -= 1
            raise

    def _worker(self) -> None:
        job = self._jobs.get()
        while job is not None:
            _logged(*job)
            del job  # an idle worker keeps nothing alive
            with self.guard:
                if self._jobs.empty():
                    self._idle += 1
            job = self._jobs.get()

    def is_home(self) -> bool:
        return True  # any thread may send: transports have a lock

    def can_wait(self) -> bool:
        return threading.current_thread() is not self._thread

    def call_home(self, function: Job, *args: Any) -> None:
        self._calls.append((function, args))
        self._wake()

    def later(self, delay: float, function: Job, *args: Any) -> Timer:
        return self._plan(delay, PlannedTimer(None, function, args))

    def every(self, interval: float, function: Job, *args: Any) -> Timer:
        return self._plan(interval, PlannedTimer(interval, function, args))

    def _plan(self, delay: float, timer: PlannedTimer) -> PlannedTimer:
        with self.guard:
            heapq.heappush(self._timers, (time.monotonic() + delay, next(self._order), timer))
        self._wake()
        return timer

    def watch(self, sock: Any, function: Job, write: bool = False) -> _ThreadWatch:
        watch = _ThreadWatch(sock, function, write)
        with self.guard:
            self._select(sock, {**self._watches_of(sock), write: function})
            self.watched += 1
        self._wake()
        return watch

    def unwatch(self, watch: _ThreadWatch) -> None:
        with self.guard:
            watches = dict(self._watches_of(watch.sock))
            if watches.pop(watch.write, None) is not None:
                self._select(watch.sock, watches)
                self.watched -= 1

    def _watches_of(self, sock: Any) -> dict[bool, Job]:
        try:
            found: dict[bool, Job] = self._reactor.get_key(sock).data
        except (KeyError, ValueError):
            return {}
        return found

    @property
    def _reactor(self) -> selectors.BaseSelector:
        if self._selector is None:
            self._selector = selectors.DefaultSelector()
        return self._selector

    def _select(self, sock: Any, watches: dict[bool, Job]) -> None:
        events = sum(selectors.EVENT_WRITE if write else selectors.EVENT_READ for write in watches)
        if not events:
            self._reactor.unregister(sock)
        elif self._watches_of(sock):
            self._reactor.modify(sock, events, watches)
        else:
            self._reactor.register(sock, events, watches)

    def event(self) -> Event:
        return threading.Event()

    def lock(self) -> AbstractContextManager[Any]:
        return threading.Lock()

    def monotonic(self) -> float:
        return time.monotonic()

    def time(self) -> float:
        return time.time()

    def stop(self) -> None:
        self._stopping = True
        self._wake()
        for _ in range(self._workers):
            self._jobs.put(None)

    # The reactor.

    def _wake(self) -> None:
        with self.guard:
            if self._thread is None and not self._stopping:
                self._start()
        try:
            if self._wakers is not None:
                self._wakers[0].send(b"x")
        except OSError:  # it has more wake-ups than it can take, or has stopped
            return

    def _start(self) -> None:
        near, far = self._wakers = socket.socketpair()
        near.setblocking(False)
        far.setblocking(False)
        self._reactor.register(far, selectors.EVENT_READ, {False: lambda: _drain(far)})
        self._thread = threading.Thread(target=self._react, name="flask-cable-reactor", daemon=True)
        self._thread.start()

    def _react(self) -> None:
        while not self._stopping:
            self._select_once()
            self._fire_timers()
            while self._calls:
                _logged(*self._calls.popleft())
        self._reactor.close()
        for waker in self._wakers or ():
            waker.close()

    def _select_once(self) -> None:
        for key, events in self._reactor.select(self._patience()):
            for write, function in list(key.data.items()):
                if events & (selectors.EVENT_WRITE if write else selectors.EVENT_READ):
                    _logged(function, ())

    def _patience(self) -> float | None:
        if self._calls:
            return 0
        with self.guard:
            return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    def _fire_timers(self) -> None:
        for timer in self._due_timers():
            if not timer.cancelled:
                _logged(timer.function, timer.args)

    def _due_timers(self) -> list[PlannedTimer]:
        due = []
        now = time.monotonic()
        with self.guard:
            while self._timers and self._timers[0][0] <= now:
                planned, _, timer = heapq.heappop(self._timers)
                due.append(timer)
                if timer.interval is not None and not timer.cancelled:
                    again = max(now, planned + timer.interval)
                    heapq.heappush(self._timers, (again, next(self._order), timer))
        return due


def _logged(function: Callable[..., object], args: tuple[Any, ...]) -> None:
    try:
        function(*args)
    except Exception:
        logger.exception("unhandled error in an executor")


def _drain(sock: socket.socket) -> None:
    try:
        while sock.recv(4096):
            pass
    except BlockingIOError:
        return
