"""Rounds: every connection is visited once a period, and the visits are spread over the period.

Neighbours are visited at different times and each process starts elsewhere in the period, so that ten
thousand peers are not sent to in one go; and one timer serves them all.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from .executor import Executor, Timer

if TYPE_CHECKING:
    from .connection import Connection

PHASES = 30


class Rounds(ABC):
    """Calls ``visit(connections)`` at home, for a part of its connections at a time.

    Args:
        patient: no connection is visited before half a period has passed.
    """

    def __init__(self, executor: Executor, period: float, patient: bool = False) -> None:
        self.executor = executor
        self._period = period
        self._patient = patient
        self._phases: list[dict[Connection, None]] = [{} for _ in range(PHASES)]
        self._offset = random.randrange(PHASES)
        self._now = 0
        self._timer: Timer | None = None

    @abstractmethod
    def visit(self, due: list[Connection]) -> None:
        """Do what is to be done once a period for these; must not block."""

    def add(self, connection: Connection) -> None:
        """Begin to visit ``connection``, the first time within one period."""
        with self.executor.guard:
            self._phases[self._phase_of(connection)][connection] = None
            if self._timer is None:
                self._timer = self.executor.every(self._period / PHASES, self._turn)

    def discard(self, connection: Connection) -> None:
        """Visit it no more; harmless when it never was."""
        with self.executor.guard:
            index = connection.id + self._offset
            self._phases[index % PHASES].pop(connection, None)
            self._phases[(index + PHASES // 2) % PHASES].pop(connection, None)
            if self._timer is not None and not any(self._phases):
                self._timer.cancel()
                self._timer = None

    def _phase_of(self, connection: Connection) -> int:
        index = (connection.id + self._offset) % PHASES
        if self._patient and (index - self._now - 1) % PHASES < PHASES // 2:  # it would be soon
            index = (index + PHASES // 2) % PHASES
        return index

    def _turn(self) -> None:
        with self.executor.guard:
            self._now = (self._now + 1) % PHASES
            due = list(self._phases[self._now])
        if due:
            self.visit(due)
