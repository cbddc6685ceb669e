"""What a connection asks of its transport, and what stands in until there is one."""

from __future__ import annotations

from typing import Protocol

from ..protocols.frames import Frame


class Carrier(Protocol):
    """What a connection asks of its transport."""

    def send(self, frame: Frame) -> bool:
        """Send or queue, never block; False when the frame was dropped."""

    def close(self, code: int, reason: str) -> None:
        """Say goodbye after what is queued, then close."""

    def pause(self) -> None:
        """Read no more for now."""

    def resume(self) -> None:
        """Read again."""

    def probe(self, limit: int) -> None:
        """Ask for a sign of life; a peer that gave none since ``limit`` probes is gone."""

    @property
    def backlog(self) -> int:
        """How many bytes wait for the peer to read; ``handle_written`` is called when none do any more."""


class Unattached:
    """Keeps what ``connect`` sends until there is a transport."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.closing: tuple[int, str] | None = None
        self.backlog = 0

    def send(self, frame: Frame) -> bool:
        self.frames.append(frame)
        return True

    def close(self, code: int, reason: str) -> None:
        self.closing = (code, reason)

    def pause(self) -> None:
        """Nothing is read yet."""

    def resume(self) -> None:
        """Nothing is read yet."""

    def probe(self, limit: int) -> None:
        """Nobody is there yet."""
