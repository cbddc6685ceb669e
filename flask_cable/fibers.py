"""Functions that wait, under time that is moved by hand: the executor of tests.

Each spawned function has a thread, of which one runs at a time: it and whoever drives the executor hand the
turn to each other, so that a test sees nothing happen by itself.
"""

from __future__ import annotations

import threading
from typing import Any

from .core.executor import Event, Job, ManualExecutor

DEADLINE = 60.0
"""Seconds, real ones, that one turn may take: a function that waits for something else is told of."""


class FiberExecutor(ManualExecutor):
    """A manual executor whose spawned functions may wait for events; no other work may."""

    def __init__(self) -> None:
        super().__init__()
        self._fibers: list[Fiber] = []

    def spawn(self, function: Job, *args: Any) -> None:
        self.spawned += 1
        fiber = Fiber(self, function, args)
        self._fibers.append(fiber)
        self.submit(fiber.resume)

    def can_wait(self) -> bool:
        return self.current() is not None

    def current(self) -> Fiber | None:
        """The fiber that calls."""
        me = threading.current_thread()
        return next((fiber for fiber in self._fibers if fiber.thread is me), None)

    def forget(self, fiber: Fiber) -> None:
        """It has come to its end."""
        self._fibers.remove(fiber)

    def event(self) -> Event:
        return FiberEvent(self)

    def stop(self) -> None:
        """End what waits: it sees ``GeneratorExit``, as a generator that is closed."""
        for fiber in list(self._fibers):
            fiber.end()


class Fiber:
    """A function with a thread of its own, and whose turn it is.

    Attributes:
        is_late: whether what it waited for did not happen in time.
    """

    def __init__(self, executor: FiberExecutor, function: Job, args: tuple[Any, ...]) -> None:
        self._executor = executor
        self._turn = threading.Event()
        self._others = threading.Event()
        self._is_over = False
        self._is_ended = False
        self._job = function, args
        self.is_late = False
        self.thread = threading.Thread(target=self._run, name="flask-cable-fiber", daemon=True)

    def resume(self) -> None:
        """Let it run until it waits or is over."""
        if self._is_over:
            return
        self._others.clear()
        self._turn.set()
        if not self.thread.ident:
            self.thread.start()
        if not self._others.wait(DEADLINE):
            raise TimeoutError(f"{self._job[0]!r} neither waits nor returns; it has run for {DEADLINE} s")

    def pause(self) -> None:
        """Called by itself: let others run until it is resumed."""
        self._turn.clear()
        self._others.set()
        self._turn.wait()
        if self._is_ended:
            raise GeneratorExit

    def end(self) -> None:
        """Let it see that it is at its end."""
        self._is_ended = True
        if self.thread.ident:
            self.resume()
        else:
            self._executor.spawned -= 1
            self._over()

    def _run(self) -> None:
        self._turn.wait()
        try:
            self._executor.run_spawned(*self._job)
        except GeneratorExit:
            return
        finally:
            self._over()

    def _over(self) -> None:
        self._is_over = True
        self._executor.forget(self)
        self._others.set()


class FiberEvent:
    """Fibers wait for it; for anybody else it has always happened."""

    def __init__(self, executor: FiberExecutor) -> None:
        self._executor = executor
        self._is_set = False
        self._waiting: list[Fiber] = []

    def set(self) -> None:
        """Let those who wait go on, soon."""
        self._is_set = True
        waiting, self._waiting = self._waiting, []
        for fiber in waiting:
            self._executor.submit(fiber.resume)

    def clear(self) -> None:
        """It has not happened yet."""
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait, if this is a fiber; False when it did not happen in time."""
        fiber = self._executor.current()
        if fiber is None or self._is_set:
            return True
        fiber.is_late = False
        self._waiting.append(fiber)
        timer = None if timeout is None else self._executor.later(timeout, self._give_up, fiber)
        fiber.pause()
        if timer is not None:
            timer.cancel()
        return not fiber.is_late

    def _give_up(self, fiber: Fiber) -> None:
        if fiber in self._waiting:
            self._waiting.remove(fiber)
            fiber.is_late = True
            self._executor.submit(fiber.resume)
