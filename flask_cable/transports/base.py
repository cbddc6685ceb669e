"""The port to a peer's bytes: what a transport promises to its connection."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from ..core.connection import Connection
from ..protocols.frames import Frame


class Limits(NamedTuple):
    """Bounds of one connection.

    Attributes:
        message: the largest message a peer may send, in bytes; past it 1009.
        outbox: how many bytes may wait for a peer that does not read.
        close_timeout: seconds that a peer has to answer a close frame, or to read what is left.
        outbox_messages: how many frames may wait for it.
        stale_after: seconds after which a peer that gives no sign of life is gone.
    """

    message: int = 2**20
    outbox: int = 2**20
    close_timeout: float = 10.0
    stale_after: float = 60.0
    outbox_messages: int = 10_000


class Transport(ABC):
    """Moves one connection's bytes.

    It calls ``connection.handle_messages`` with whole messages in their order, and then
    ``connection.handle_close`` once. What is sent goes out whole and in order, whoever sends.
    """

    __slots__ = ("connection",)

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @abstractmethod
    def send(self, frame: Frame) -> bool:
        """Send or queue, never block; False when the frame was dropped."""

    @abstractmethod
    def close(self, code: int, reason: str) -> None:
        """Close with this code after what is queued; harmless when closed already."""

    @abstractmethod
    def pause(self) -> None:
        """Read no more until ``resume``: the connection has enough to do."""

    @abstractmethod
    def resume(self) -> None:
        """Read again."""

    @property
    def backlog(self) -> int:
        """How many bytes wait for the peer to read; once none do, ``connection.handle_written`` is called."""
        return 0

    def probe(self, limit: int) -> None:  # noqa: B027 - some are told by others when a peer has vanished
        """Ask for a sign of life; a peer that gave none since ``limit`` probes is gone."""

    def hold(self) -> None:  # noqa: B027 - most give the server's thread back
        """Keep the caller until the peer is gone, where the server's thread cannot be given back."""


def clipped(reason: str) -> str:
    """A close reason that fits into a control frame: 123 bytes of UTF-8 (RFC 6455 5.5)."""
    return reason.encode()[:123].decode(errors="ignore")
