"""The opening handshake: what a request must bring, and the answer that switches protocols (RFC 6455 4.2)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

VERSION = "13"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Refusal(NamedTuple):
    """An HTTP answer to a request that cannot become a WebSocket."""

    status: int
    text: str


def refusal(environ: Mapping[str, object]) -> Refusal | None:
    """Say what is wrong with a handshake (a WSGI environ), or None when it may be accepted."""
    if environ.get("REQUEST_METHOD") != "GET":
        return Refusal(400, "A WebSocket handshake is a GET request.")
    if environ.get("HTTP_SEC_WEBSOCKET_VERSION") != VERSION:
        return Refusal(426, f"This server speaks version {VERSION} of the WebSocket protocol.")
    if not _is_key(str(environ.get("HTTP_SEC_WEBSOCKET_KEY", ""))):
        return Refusal(400, "Sec-WebSocket-Key must be 16 bytes in base64.")
    return None


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key.strip().encode(), validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def offered(environ: Mapping[str, object]) -> tuple[str, ...]:
    """The subprotocols that the peer offers, in its order."""
    header = str(environ.get("HTTP_SEC_WEBSOCKET_PROTOCOL", ""))
    return tuple(name.strip() for name in header.split(",") if name.strip())


def accept(key: str) -> str:
    """The Sec-WebSocket-Accept of a Sec-WebSocket-Key."""
    digest = hashlib.sha1(key.strip().encode() + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def headers(key: str, subprotocol: str | None) -> list[tuple[str, str]]:
    """The headers of the 101 response."""
    found = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept(key))]
    if subprotocol is not None:
        found.append(("Sec-WebSocket-Protocol", subprotocol))
    return found


def head(fields: Iterable[tuple[str, str]]) -> bytes:
    """The 101 response as it goes on the wire."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"HTTP/1.1 101 Switching Protocols\r\n{lines}\r\n".encode("latin-1")
