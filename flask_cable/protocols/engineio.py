"""Engine.IO 4: packets, and the payloads that long polling joins them to.

A packet is a text whose first character is its type, or bytes: a binary message. One WebSocket frame is
one packet. Knows nothing of who is connected; what its packets carry is ``socketio.py``'s.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from typing import NamedTuple

from ..errors import MalformedMessage
from .frames import TEXT, Frame

REVISION = "4"
"""What a request says in ``EIO``."""

OPEN, CLOSE, PING, PONG, MESSAGE, UPGRADE, NOOP = "0123456"
PROBE = "probe"
SEPARATOR = "\x1e"
BASE64 = "b"

POLLING, WEBSOCKET = "polling", "websocket"

PING_FRAME = Frame(b"2")
CLOSE_FRAME = Frame(b"1")
NOOP_FRAME = Frame(b"6")
PROBE_ANSWER = Frame(b"3probe")

Message = str | bytes


class Fault(NamedTuple):
    """Why a request is refused: the HTTP status, and what the body says as JSON."""

    status: int
    code: int
    message: str

    @property
    def body(self) -> str:
        """``{"code":1,"message":"Session ID unknown"}``: what clients expect of a refusal."""
        return json.dumps({"code": self.code, "message": self.message}, separators=(",", ":"))


UNKNOWN_TRANSPORT = Fault(400, 0, "Transport unknown")
UNKNOWN_SID = Fault(400, 1, "Session ID unknown")
BAD_METHOD = Fault(400, 2, "Bad handshake method")
BAD_REQUEST = Fault(400, 3, "Bad request")
FORBIDDEN = Fault(403, 4, "Forbidden")
UNSUPPORTED_REVISION = Fault(400, 5, "Unsupported protocol version")
TOO_LARGE = BAD_REQUEST._replace(status=413)
UNAVAILABLE = FORBIDDEN._replace(status=503)


def parse(message: Message) -> tuple[str, Message]:
    """A packet's type, and what it carries. Raises ``MalformedMessage``."""
    if isinstance(message, bytes):
        return MESSAGE, message
    kind = message[:1]
    if not kind or kind not in "0123456":
        raise MalformedMessage(f"no Engine.IO packet: {message[:20]!r}")
    return kind, message[1:]


def split_payload(body: bytes, limit: int) -> list[Message]:
    """The packets that a request's body, or a message between processes, holds.

    Args:
        limit: how many there may be.

    Raises:
        MalformedMessage: not UTF-8, not base64, an empty packet, or one too many.
    """
    try:
        parts = body.decode().split(SEPARATOR, limit)
    except UnicodeDecodeError as error:
        raise MalformedMessage("a payload that is not UTF-8") from error
    if len(parts) > limit:
        raise MalformedMessage(f"a payload of more than {limit} packets")
    return [_packet(part) for part in parts]


def _packet(part: str) -> Message:
    if not part:
        raise MalformedMessage("an empty packet")
    if part[0] != BASE64:
        return part
    try:
        return base64.b64decode(part[1:], validate=True)
    except (binascii.Error, ValueError) as error:  # ValueError where it is not even ASCII
        raise MalformedMessage(f"a binary packet that is not base64: {error}") from error


def join_payload(packets: Iterable[bytes]) -> bytes:
    """Join packets, each as ``part_of`` has it, to one payload."""
    return b"\x1e".join(packets)


def part_of(frame: Frame) -> bytes:
    """One frame, with all that goes out in one piece with it, as a part of a payload."""
    parts = frame.parts
    if len(parts) == 1 and frame.opcode == TEXT:
        return frame.payload
    return join_payload(
        part.payload if part.opcode == TEXT else b"b" + base64.b64encode(part.payload) for part in parts
    )


def open_frame(
    sid: str, upgrades: Iterable[str], ping_interval: float, ping_timeout: float, max_payload: int
) -> Frame:
    """The first packet of a connection; intervals are seconds here and milliseconds on the wire."""
    fields = {
        "sid": sid,
        "upgrades": list(upgrades),
        "pingInterval": round(ping_interval * 1000),
        "pingTimeout": round(ping_timeout * 1000),
        "maxPayload": max_payload,
    }
    return Frame(b"0" + json.dumps(fields, separators=(",", ":")).encode())
