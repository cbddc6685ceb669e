"""What watches over open connections: beats for peers to hear, and finding those who hear nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..protocols.frames import Frame
from .executor import Executor
from .rounds import Rounds

if TYPE_CHECKING:
    from .connection import Connection

PROBES = 3
"""A peer that stays silent through so many probes is gone."""

LOOKS = 5
"""How often an idle peer is looked at until its time is up; one more look finds it so."""


class Heartbeat(Rounds):
    """Sends ``make_frame(seconds since the epoch)`` to its connections every ``period`` seconds.

    The frame is made once for all who are due at the same time.
    """

    def __init__(self, executor: Executor, period: float, make_frame: Callable[[float], Frame]) -> None:
        super().__init__(executor, period)
        self._make_frame = make_frame

    def visit(self, due: list[Connection]) -> None:
        frame = self._make_frame(self.executor.time())
        for connection in due:
            connection.transport.send(frame)


class Liveness(Rounds):
    """Probes its connections, and drops those whose peer was not heard for ``stale_after`` seconds.

    A half-open connection, whose peer has vanished without a word, is found in no other way.
    """

    def __init__(self, executor: Executor, stale_after: float) -> None:
        super().__init__(executor, stale_after / PROBES)

    def visit(self, due: list[Connection]) -> None:
        for connection in due:
            connection.transport.probe(PROBES)


class IdleWatch(Rounds):
    """Disconnects those whose peer has sent no message for ``seconds``, and at most a fifth as much more."""

    def __init__(self, executor: Executor, seconds: float) -> None:
        super().__init__(executor, seconds / LOOKS)

    def visit(self, due: list[Connection]) -> None:
        for connection in due:
            connection.silent_looks += 1
            if connection.silent_looks > LOOKS:
                connection.disconnect("idle_timeout")
