"""A timer on a connection's time line."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .connection import Connection


class Ticker:
    """A timer whose beats go through a connection's inbox."""

    __slots__ = ("_connection", "_due", "_function", "_timer")

    def __init__(self, connection: Connection, seconds: float, function: Callable[[], Any]) -> None:
        self._connection = connection
        self._function: Callable[[], Any] | None = function
        self._due = False
        self._timer = connection.handler.executor.every(seconds, self._beat)

    def _beat(self) -> None:
        if not self._due:
            self._due = True
            self._connection.post(self._run)

    def _run(self) -> None:
        self._due = False
        if self._function is not None:
            self._function()

    def cancel(self) -> None:
        self._function = None
        self._timer.cancel()
