"""Heartbeat: one beat for all connections, encoded once and spread over the period.

Every connection hears a beat each period; neighbours hear it at different times and each
process starts elsewhere in the period, so that ten thousand peers are not sent to in one go.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..protocols.frames import Frame
from .executor import Executor, Timer

if TYPE_CHECKING:
    from .connection import Connection

PHASES = 30


class Heartbeat:
    """Sends ``make_frame(seconds since the epoch)`` to its connections every ``period`` seconds."""

    def __init__(self, executor: Executor, period: float, make_frame: Callable[[float], Frame]) -> None:
        self._executor = executor
        self._period = period
        self._make_frame = make_frame
        self._phases: list[dict[Connection, None]] = [{} for _ in range(PHASES)]
        self._offset = random.randrange(PHASES)
        self._now = 0
        self._timer: Timer | None = None

    def add(self, connection: Connection) -> None:
        """Start to beat for ``connection``; its first beat comes within one period."""
        with self._executor.guard:
            self._phase_of(connection)[connection] = None
            if self._timer is None:
                self._timer = self._executor.every(self._period / PHASES, self._beat)

    def discard(self, connection: Connection) -> None:
        """Stop for ``connection``; harmless when it had none."""
        with self._executor.guard:
            self._phase_of(connection).pop(connection, None)
            if self._timer is not None and not any(self._phases):
                self._timer.cancel()
                self._timer = None

    def _phase_of(self, connection: Connection) -> dict[Connection, None]:
        return self._phases[(connection.id + self._offset) % PHASES]

    def _beat(self) -> None:
        with self._executor.guard:
            self._now = (self._now + 1) % PHASES
            due = list(self._phases[self._now])
        if due:
            frame = self._make_frame(self._executor.time())
            for connection in due:
                connection.transport.send(frame)
