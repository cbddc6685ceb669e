"""actioncable-v1-json, and what flask-cable-v1-json adds to it: text to commands, and replies to frames.

An identifier is opaque: kept, compared and echoed as the peer wrote it; only a copy is decoded.
What re-implementations got wrong is a test in ``tests/protocols/test_actioncable.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from json.encoder import encode_basestring_ascii
from typing import Any, NamedTuple

from ..errors import MalformedMessage, UnknownCommand
from .frames import Frame
from .json import Json

V1_JSON = "actioncable-v1-json"
REPLIES = "flask-cable-v1-json"
"""The same, and a message that bears an ``id`` is replied to, with what the action returns or an error."""
UNSUPPORTED = "actioncable-unsupported"
COMMANDS = frozenset(("subscribe", "unsubscribe", "message"))
PONG = "pong"
"""What some clients answer to a beat; being heard is all that it is for."""

WELCOME = Frame(b'{"type":"welcome"}')


class Command(NamedTuple):
    """A frame from the peer: ``{"command": name, "identifier": "...", "data": "..."}``, or with an id."""

    name: str
    identifier: str
    data: Any
    id: Any = None


def negotiate(offered: Iterable[str]) -> str | None:
    """Choose the first offered subprotocol that is supported; the peer's order wins, as in Action Cable."""
    return next((name for name in offered if name in (REPLIES, V1_JSON, UNSUPPORTED)), None)


def wants_reply(command: Command) -> bool:
    """Whether a peer that speaks ``REPLIES`` waits: an id is a whole number that JavaScript holds exactly."""
    return command.name == "message" and type(command.id) is int and abs(command.id) < 2**53


class ActionCable:
    """The protocol over one application's JSON."""

    def __init__(self, json: Json | None = None) -> None:
        self.json = json or Json()
        self._openings: dict[str, bytes] = {}

    def parse(self, text: str | bytes) -> Command:
        """Read one frame.

        Raises:
            MalformedMessage: not JSON, not an object, or without an identifier.
            UnknownCommand: the command is none of the protocol's.
        """
        fields = self._object(text, "a message")
        name = fields.get("command")
        if name == PONG:
            return Command(PONG, "", None)
        if not isinstance(name, str) or name not in COMMANDS:
            raise UnknownCommand(f"unknown command {_shown(name)}")
        identifier = fields.get("identifier")
        if not isinstance(identifier, str):
            raise MalformedMessage(f"{name} needs an identifier, which is a string of JSON")
        return Command(name, identifier, fields.get("data"), fields.get("id"))

    def params(self, identifier: str) -> dict[str, Any]:
        """Decode a copy of an identifier: the subscription's parameters, ``channel`` among them."""
        return self._object(identifier, "an identifier")

    def action_data(self, data: Any) -> dict[str, Any]:
        """Decode a message's ``data``, which is an object of JSON inside a string."""
        return self._object(data, "data")

    def _object(self, text: Any, what: str) -> dict[str, Any]:
        if not isinstance(text, str):
            raise MalformedMessage(f"{what} must be a string of JSON, not {type(text).__name__}")
        try:
            value = self.json.decode(text)
        except ValueError as error:
            raise MalformedMessage(f"{what} is not JSON: {error}") from error
        if not isinstance(value, dict):
            raise MalformedMessage(f"{what} must hold a JSON object, not {type(value).__name__}")
        return value

    def message(self, identifier: str, body: bytes) -> Frame:
        """``{"identifier": ..., "message": <body>}``: data for one subscription; ``body`` is JSON."""
        opening = self._openings.get(identifier) or self._open(identifier)
        return Frame(opening + body + b"}")

    def _open(self, identifier: str) -> bytes:
        """What stands before a message's body; remembered for identifiers of common length."""
        opening = b'{"identifier":%b,"message":' % _quoted(identifier)
        if len(identifier) <= 512:
            if len(self._openings) >= 1024:
                self._openings.clear()
            self._openings[identifier] = opening
        return opening

    @staticmethod
    def confirm(identifier: str) -> Frame:
        """The subscription is live."""
        return Frame(b'{"identifier":%b,"type":"confirm_subscription"}' % _quoted(identifier))

    @staticmethod
    def reject(identifier: str) -> Frame:
        """The subscription is refused, or over."""
        return Frame(b'{"identifier":%b,"type":"reject_subscription"}' % _quoted(identifier))

    @staticmethod
    def reply(identifier: str, id: int, body: bytes) -> Frame:
        """What an action returned; ``body`` is JSON."""
        return Frame(b'{"type":"reply","identifier":%b,"id":%d,"data":%b}' % (_quoted(identifier), id, body))

    @staticmethod
    def failure(identifier: str, id: int, error: str) -> Frame:
        """Why an action returned nothing: one word."""
        shown = (_quoted(identifier), id, _quoted(error))
        return Frame(b'{"type":"reply","identifier":%b,"id":%d,"error":%b}' % shown)

    @staticmethod
    def ping(now: float) -> Frame:
        """A beat: whole seconds since the epoch."""
        return Frame(b'{"type":"ping","message":%d}' % int(now))

    @staticmethod
    def disconnect(reason: str | None, reconnect: bool) -> Frame:
        """The end, and whether to come back: ``reconnect`` is always present (without it clients stop)."""
        shown = b"null" if reason is None else _quoted(reason)
        answer = b"true" if reconnect else b"false"
        return Frame(b'{"type":"disconnect","reason":%b,"reconnect":%b}' % (shown, answer))


def _quoted(identifier: str) -> bytes:
    """Quote as JSON in ASCII, so that even a lone surrogate is echoed and not an encoding error."""
    return encode_basestring_ascii(identifier).encode("ascii")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "..."
