"""Periodic timers: declared on a channel class, run on its connection's time line while subscribed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

from ...core.callbacks import mark, marks_of

Function = TypeVar("Function", bound=Callable[..., Any])
Callback = str | Callable[..., Any]


class PeriodicTimer(NamedTuple):
    """What to call, by name or as ``callback(channel)``, and how often in seconds."""

    callback: Callback
    every: float


def periodically(*, every: float) -> Callable[[Function], Function]:
    """Call the decorated method every so many seconds while its channel is subscribed.

    Raises:
        ValueError: ``every`` is not a number above zero.
    """
    seconds = checked_interval(every)

    def decorate(function: Function) -> Function:
        return mark(function, "periodically", seconds)

    return decorate


def checked_interval(every: Any) -> float:
    """``every`` as seconds. Raises ``ValueError``."""
    if isinstance(every, bool) or not isinstance(every, (int, float)) or not every > 0:
        raise ValueError(f"every= is a number of seconds above zero, not {every!r}")
    return float(every)


def checked_timer(callback: Any, every: Any) -> PeriodicTimer:
    """A timer for a method's name or a callable. Raises ``TypeError`` for anything else."""
    if not isinstance(callback, str) and not callable(callback):
        raise TypeError(f"periodically takes a method's name or a callable, not {type(callback).__name__}")
    return PeriodicTimer(callback, checked_interval(every))


def collect_timers(cls: type, inherited: Iterable[PeriodicTimer]) -> tuple[PeriodicTimer, ...]:
    """The bases' timers, then those of the class's own body; an overridden method keeps its timer."""
    timers = dict.fromkeys(inherited)
    for name, value in vars(cls).items():
        for kind, seconds in marks_of(value):
            if kind == "periodically":
                timers = {timer: None for timer in timers if timer.callback != name}
                timers[PeriodicTimer(name, seconds)] = None
    return tuple(timers)
