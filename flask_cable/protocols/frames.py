"""A message to a peer, encoded once however many peers it goes to.

Transports that own a socket send ``wire``; those that carry messages send ``payload``.
"""

from __future__ import annotations

TEXT = 0x1
BINARY = 0x2


class Frame:
    """One unmasked, final frame from the server (RFC 6455 5.2).

    Attributes:
        payload: what the application sends; UTF-8 when ``opcode`` is TEXT.
        wire: header and payload as they go on the socket.
    """

    __slots__ = ("opcode", "payload", "wire")

    def __init__(self, payload: bytes, opcode: int = TEXT) -> None:
        self.opcode = opcode
        self.payload = payload
        self.wire = header(opcode, len(payload)) + payload

    def __repr__(self) -> str:
        return f"<Frame {self.opcode} {self.payload[:40]!r}>"


def header(opcode: int, size: int) -> bytes:
    """The header of a final, unmasked frame with a payload of ``size`` bytes."""
    if size < 126:
        return bytes((0x80 | opcode, size))
    if size < 65536:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big")
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big")
