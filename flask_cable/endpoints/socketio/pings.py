"""Engine.IO's heartbeat: the server asks, the peer answers, and one that does not is gone."""

from __future__ import annotations

import itertools

from ...core.connection import Connection
from ...core.executor import Executor
from ...core.rounds import Rounds
from ...protocols.engineio import PING_FRAME

PING_TIMEOUT = "ping timeout"


class Pings(Rounds):
    """Pings its connections every ``interval`` seconds, and ends those that say nothing for ``timeout``.

    The first ping comes when half an interval has passed, or later: a client that has just come is there.
    Anything that a peer says is an answer, and one timer looks after all that were asked together.
    """

    def __init__(self, executor: Executor, interval: float, timeout: float) -> None:
        super().__init__(executor, interval, patient=True)
        self._timeout = timeout
        self._numbers = itertools.count(1)

    def visit(self, due: list[Connection]) -> None:
        number = next(self._numbers)
        asked = []
        for connection in due:
            connection.transport.send(PING_FRAME)
            if not connection.silent_looks:  # else an earlier ping waits for its answer
                connection.silent_looks = number
                asked.append(connection)
        if asked:
            self.executor.later(self._timeout, self._look, number, asked)

    def _look(self, number: int, asked: list[Connection]) -> None:
        for connection in asked:
            if connection.silent_looks != number:
                continue
            if connection.is_paused:  # we do not listen, so silence says nothing
                connection.silent_looks = 0
            elif not connection.closed:
                connection.handler.counts["stale"] += 1
                connection.state.ending = PING_TIMEOUT
                connection.close(1011, PING_TIMEOUT)
