"""What goes over the socket of a page: messages that name an action, replies by id, pushes of streams.

The shapes are Pakyow's: ``{"id", "action", ...}``, ``{"id", ...}`` and ``{"payload", "channel"}``. What is
neither reply nor push has a ``type``, as in Action Cable.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import MalformedMessage
from .frames import Frame
from .json import Json

EXPIRED = Frame(b'{"type":"expired"}')
"""Nobody knows this page: it hears nothing until it is loaded again."""

LONGEST_ID = 64


class Message(NamedTuple):
    """What a page asks for.

    Attributes:
        action: who is to handle it.
        id: what its reply will bear; None when nobody waits for one.
        fields: the whole message.
    """

    action: str
    id: str | int | float | None
    fields: dict[str, Any]


class PageProtocol:
    """Reads what pages say and makes the frames that they hear."""

    def __init__(self, json: Json) -> None:
        self.json = json

    def parse(self, message: str | bytes) -> Message:
        """Read a page's message.

        Raises:
            MalformedMessage: not a JSON object in text, no action, or an id that could not be echoed.
        """
        if isinstance(message, bytes):
            raise MalformedMessage("a binary message; a page's are text")
        try:
            fields = self.json.decode(message)
        except ValueError as error:
            raise MalformedMessage(f"not JSON: {error}") from error
        if not isinstance(fields, dict):
            raise MalformedMessage("a message is a JSON object")
        return Message(_action(fields), _id(fields), fields)

    def push(self, stream: str, body: bytes) -> Frame:
        """Make the frame of a push: what was pushed, as JSON, and the stream that the page hears it by."""
        return Frame(b'{"payload":%b,"channel":%b}' % (body, json.dumps(stream).encode()))

    def reply(self, id: Any, response: Mapping[str, Any]) -> Frame:
        """Make the reply to a message. Raises ``EncodeError``."""
        return Frame(self.json.encode({**response, "id": id}))

    def failure(self, id: Any, status: int, error: str) -> Frame:
        """Make the reply that says why there is no other."""
        return self.reply(id, {"status": status, "error": error})

    def disconnect(self, reason: str | None, reconnect: bool) -> Frame:
        """Make the message that says that this is the end, and whether to come back."""
        return Frame(self.json.encode({"type": "disconnect", "reason": reason, "reconnect": reconnect}))


def _action(fields: dict[str, Any]) -> str:
    action = fields.get("action")
    if not isinstance(action, str) or not action:
        raise MalformedMessage("a message names its action with a string")
    return action


def _id(fields: dict[str, Any]) -> str | int | float | None:
    id = fields.get("id")
    if id is None:
        return None
    if isinstance(id, bool) or not isinstance(id, (str, int, float)) or len(str(id)) > LONGEST_ID:
        raise MalformedMessage(f"an id is a number or a string of {LONGEST_ID} characters at most")
    return id
