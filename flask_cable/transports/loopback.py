"""No network: what is sent is kept, and what a peer would say is handed in. For tests; see ``testing``."""

from __future__ import annotations

from ..core.connection import Connection
from ..protocols.frames import TEXT, Frame
from .base import Transport

KEY = "flask_cable.loopback"
"""Where a test client puts itself in a WSGI environ."""


class LoopbackTransport(Transport):
    """A peer in the same process.

    Attributes:
        sent: the payloads that were sent: text is ``str``, binary is ``bytes``.
        closed_with: code and reason once the server has closed.
        paused: whether the connection asked for quiet.
        behind: bytes that would wait for the peer, if this were a network; for tests to set.
    """

    __slots__ = ("behind", "closed_with", "headers", "paused", "sent")

    def __init__(self, connection: Connection, headers: list[tuple[str, str]] | None = None) -> None:
        super().__init__(connection)
        self.headers = headers or []
        self.sent: list[str | bytes] = []
        self.closed_with: tuple[int, str] | None = None
        self.paused = False
        self.behind = 0

    @property
    def backlog(self) -> int:
        return self.behind

    def send(self, frame: Frame) -> bool:
        if self.closed_with is not None:
            return False
        for part in frame.parts:
            self.sent.append(part.payload.decode() if part.opcode == TEXT else part.payload)
        return True

    def close(self, code: int, reason: str) -> None:
        if self.closed_with is None:
            self.closed_with = (code, reason)

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    # The peer's side.

    def say(self, *messages: str | bytes) -> None:
        """The peer sends these messages."""
        self.connection.handle_messages(messages)

    def hang_up(self, code: int = 1000, reason: str = "") -> None:
        """The peer closes; with 1006 it is just gone."""
        if self.closed_with is None:
            self.closed_with = (code, reason)
        self.connection.handle_close(code, reason)
