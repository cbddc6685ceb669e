"""What the clients say: the opening and the messages of each protocol, as templates for the generator.

The generator replaces the digits of ``#B0000000#``, ``#E0000000#``, ``@S000000`` and ``@V000000``.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

BROADCAST, ECHO = "#B0000000#", "#E0000000#"
STREAM, VARIANT = "@S000000", "@V000000"
PADDING = "abcdefghijklmnopqrstuvwxyz" * 2

Payload = dict[str, Any]
Steps = list[tuple[str, str]]


@dataclass(frozen=True)
class Layout:
    """How the connections are spread: over streams, and over identifiers within each stream."""

    streams: int = 1
    identifiers: int = 1


class Speech(ABC):
    """A protocol, as its clients speak it.

    Attributes:
        headers: what its handshake has besides.
        answer: a message that is the protocol's own ping, and the reply to it.
    """

    headers: tuple[str, ...] = ()
    answer: tuple[str, str] | None = None

    @abstractmethod
    def opening(self, layout: Layout) -> Steps:
        """What to wait for and what to say then, until the connection is subscribed."""

    @abstractmethod
    def message(self, action: str, payload: Payload, layout: Layout) -> str:
        """What makes the server do ``action``."""


class Raw(Speech):
    """JSON over a bare WebSocket: ``{"action": "echo", "text": ...}``."""

    def opening(self, layout: Layout) -> Steps:
        return [("", encoded({"action": "subscribe"})), ('"subscribed"', "")]

    def message(self, action: str, payload: Payload, layout: Layout) -> str:
        return encoded({"action": action, **payload})


class ActionCable(Speech):
    """actioncable-v1-json: an identifier and the data, each JSON within JSON."""

    headers = ("Sec-WebSocket-Protocol: actioncable-v1-json, actioncable-unsupported",)

    def opening(self, layout: Layout) -> Steps:
        subscribe = encoded({"command": "subscribe", "identifier": self._identifier(layout)})
        return [('"welcome"', subscribe), ("confirm_subscription", "")]

    def message(self, action: str, payload: Payload, layout: Layout) -> str:
        data = encoded({"action": action, **payload})
        return encoded({"command": "message", "identifier": self._identifier(layout), "data": data})

    def _identifier(self, layout: Layout) -> str:
        identifier = {"channel": "BenchChannel"}
        if layout.streams > 1:
            identifier["stream"] = STREAM
        if layout.identifiers > 1:
            identifier["variant"] = VARIANT
        return encoded(identifier)


class SocketIO(Speech):
    """Engine.IO 4 and Socket.IO 5 over a WebSocket from the start."""

    answer = ("2", "3")

    def opening(self, layout: Layout) -> Steps:
        return [("0{", "40"), ("40", "42" + encoded(["subscribe", {}])), ('"subscribed"', "")]

    def message(self, action: str, payload: Payload, layout: Layout) -> str:
        return "42" + encoded([action, {"action": action, **payload}])


def encoded(value: Any) -> str:
    """Return compact JSON, as browsers write it."""
    return json.dumps(value, separators=(",", ":"))


def short_text(tag: str) -> Payload:
    """The usual message: 62 bytes of text."""
    return {"text": tag + PADDING}


def text_of(size: int) -> Payload:
    """A broadcast of so many bytes of text."""
    padding = PADDING * (size // len(PADDING) + 1)
    return {"text": (BROADCAST + padding)[:size]}


def rows_of(size: int) -> Payload:
    """A broadcast of about so many bytes of JSON that repeats itself as much as tables of data do."""
    payload: Payload = {"text": BROADCAST, "rows": []}
    number = 7
    while len(encoded(payload)) < size:
        number = number * 1103515245 % 2**31
        row = {"id": number, "name": f"item {number % 9973}", "price": number % 99991 / 100}
        payload["rows"].append(row)
    return payload
