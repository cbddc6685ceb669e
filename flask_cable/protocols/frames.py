"""A message to a peer, encoded once however many peers it goes to.

Transports that own a socket send ``wire``, or ``deflated()`` where compression was negotiated; those that
carry messages send ``payload``.
"""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Iterable
from typing import NamedTuple

TEXT = 0x1
BINARY = 0x2
PING = 0x9

DROP_OLDEST, KEEP_LATEST = "drop_oldest", "keep_latest"

WORTH_DEFLATING = 64
"""Bytes below which compression gains nothing."""


class Lane(NamedTuple):
    """What may happen to a frame that waits for a slow peer: its policy, and which frames it concerns."""

    policy: str
    key: Hashable


VOLATILE = Lane("volatile", None)
"""What is dropped when anything else waits, and is no loss."""


class Frame:
    """One unmasked, final frame from the server (RFC 6455 5.2).

    Attributes:
        payload: what the application sends; UTF-8 when ``opcode`` is TEXT.
        wire: header and payload as they go on the socket.
        lane: what to do with it when the peer is behind; None keeps it, or ends the connection.
    """

    __slots__ = ("_deflated", "lane", "opcode", "payload", "wire")

    def __init__(self, payload: bytes, opcode: int = TEXT, lane: Lane | None = None) -> None:
        self.opcode = opcode
        self.payload = payload
        size = len(payload)
        if size < 126:
            self.wire = bytes((0x80 | opcode, size)) + payload
        else:
            self.wire = header(opcode, size) + payload
        self.lane = lane
        self._deflated: bytes | None = None

    @property
    def parts(self) -> tuple[Frame, ...]:
        """The frames that go out in one piece: this one."""
        return (self,)

    def __repr__(self) -> str:
        return f"<Frame {self.opcode} {self.payload[:40]!r}>"

    def deflated(self) -> bytes:
        """``wire``, compressed once for all peers: nothing is carried from message to message (RFC 7692)."""
        if self._deflated is None:
            self._deflated = self.wire
            if len(self.payload) >= WORTH_DEFLATING and self.opcode in (TEXT, BINARY):
                squeezed = _deflate(self.payload)
                self._deflated = header(self.opcode, len(squeezed), RSV1) + squeezed
        return self._deflated


class Burst(Frame):
    """Frames that go out with nothing between them, such as a message and its binary attachments.

    Its ``payload`` is the first one's: who carries messages asks for the ``parts``.
    """

    __slots__ = ("_parts",)

    def __init__(self, parts: Iterable[Frame], lane: Lane | None = None) -> None:
        self._parts = tuple(parts)
        super().__init__(self._parts[0].payload, self._parts[0].opcode, lane)
        self.wire = b"".join(part.wire for part in self._parts)

    @property
    def parts(self) -> tuple[Frame, ...]:
        return self._parts

    def deflated(self) -> bytes:
        if self._deflated is None:
            self._deflated = b"".join(part.deflated() for part in self._parts)
        return self._deflated


RSV1 = 0x40


def header(opcode: int, size: int, bits: int = 0) -> bytes:
    """The header of a final, unmasked frame with a payload of ``size`` bytes."""
    first = 0x80 | bits | opcode
    if size < 126:
        return bytes((first, size))
    if size < 65536:
        return bytes((first, 126, size >> 8, size & 0xFF))
    return bytes((first, 127)) + size.to_bytes(8, "big")


def _deflate(payload: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return (deflater.compress(payload) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]
