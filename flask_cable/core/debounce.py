"""Debounce: calls that come close together become one, after they have stopped.

One timer serves each key, however often it is called; nothing waits in a thread of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from .executor import ROUNDING, Executor

PATIENCE = 10
"""After so many delays a call is made even if they have not stopped."""

LIMIT = 10_000
"""Keys that may wait; a call for one more is made at once."""


class _Waiting:
    """A call to be made: when it was asked for first and last, and with what."""

    __slots__ = ("args", "first", "last")

    def __init__(self, now: float, args: tuple[Any, ...]) -> None:
        self.first = self.last = now
        self.args = args


class Debounce:
    """Calls ``function(*args)``, with the last arguments, once nobody has asked for ``delay`` seconds."""

    def __init__(
        self, executor: Executor, delay: float, function: Callable[..., object], limit: int = LIMIT
    ) -> None:
        self._executor = executor
        self._delay = delay
        self._function = function
        self._limit = limit
        self._waiting: dict[Hashable, _Waiting] = {}

    def call(self, key: Hashable, *args: Any) -> None:
        """Ask for a call; one that waits under the same ``key`` is put off. From any thread."""
        if self._executor.is_home():
            self._ask(key, args)
        else:
            self._executor.call_home(self._ask, key, args)

    def _ask(self, key: Hashable, args: tuple[Any, ...]) -> None:
        now = self._executor.monotonic()
        with self._executor.guard:
            waiting = self._waiting.get(key)
            if waiting is not None:
                waiting.last, waiting.args = now, args
                return
            has_place = len(self._waiting) < self._limit
            if has_place:
                self._waiting[key] = _Waiting(now, args)
        if has_place:
            self._executor.later(self._delay, self._due, key)
        else:
            self._function(*args)

    def _due(self, key: Hashable) -> None:
        with self._executor.guard:
            waiting = self._waiting.get(key)
            if waiting is None:  # flushed
                return
            end = min(waiting.last + self._delay, waiting.first + PATIENCE * self._delay)
            remaining = end - self._executor.monotonic()
            if remaining <= ROUNDING:
                del self._waiting[key]
        if remaining > ROUNDING:
            self._executor.later(remaining, self._due, key)
        else:
            self._function(*waiting.args)

    def flush(self) -> None:
        """Make every call that waits, now."""
        with self._executor.guard:
            waiting, self._waiting = list(self._waiting.values()), {}
        for one in waiting:
            self._function(*one.args)
