"""Drain: the end of a process's life, told to every peer and spread out, so that they come back gently."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from .connection import Connection
from .executor import Event, Executor
from .registry import Registry, disconnect_each

logger = logging.getLogger("flask_cable")

RATE = 500
"""Peers a second that are told to go at most: Phoenix's drainer tells 5,000, whose peers are lighter."""

TICK = 0.05
REASON, CODE = "server_restart", 1012
LINGER = 2.0
"""Seconds that hooks and closing handshakes get after the last peer has been told."""


class Drain:
    """Disconnects every connection with ``server_restart`` and close code 1012, over some seconds.

    Attributes:
        started: whether peers are being told; no new ones are taken then.
    """

    def __init__(self, registry: Registry, executor: Executor) -> None:
        self._registry = registry
        self._executor = executor
        self._done: Event = executor.event()
        self._deadline = 0.0
        self.started = False

    def start(self, seconds: float) -> None:
        """Tell the first peers now and the last within ``seconds``; sooner when there are few."""
        if self.started:
            return
        self.started = True
        leaving = self._registry.all()
        takes = spread(self._executor, leaving, seconds, _disconnect)
        self._deadline = self._executor.monotonic() + takes + LINGER
        logger.info("draining %d connections within %.1f s", len(leaving), takes)
        self._look()

    def wait(self, timeout: float) -> None:
        """Wait until everybody is gone and every hook has run."""
        self._done.wait(timeout)

    def _look(self) -> None:
        if self.is_over or self._executor.monotonic() > self._deadline:
            self._done.set()
        else:
            self._executor.later(TICK, self._look)

    @property
    def is_over(self) -> bool:
        """Whether nobody is left: no connection whose hooks have not run, no function, no open socket."""
        return not (len(self._registry) or self._executor.watched or self._executor.spawned)


def spread(
    executor: Executor,
    connections: Sequence[Connection],
    seconds: float,
    tell: Callable[[list[Connection]], object],
) -> float:
    """Call ``tell`` at home with a few at a time: the first now, the last within ``seconds``.

    Returns the seconds that it takes, which are fewer when there are few.
    """
    ticks = max(1, round(min(seconds, len(connections) / RATE) / TICK))
    per_tick = -(-len(connections) // ticks) or 1

    def tick(start: int) -> None:
        end = start + per_tick
        tell(list(connections[start:end]))
        if end < len(connections):
            executor.later(TICK, tick, end)

    tick(0)
    return ticks * TICK


def _disconnect(connections: list[Connection]) -> None:
    disconnect_each(connections, REASON, reconnect=True, code=CODE)
