"""A peer's side of any WebSocket: the messages that it sends, and those that it was sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from werkzeug.test import TestResponse

from ..endpoints.behaviour import Binary, Close, Text
from ..transports.loopback import LoopbackTransport
from .failures import listed, told

if TYPE_CHECKING:
    from .client import CableClient


class CablePeer:
    """A peer's side of one connection, of whatever style.

    Attributes:
        client: whose connection it is.
        response: the answer to the handshake.
        status: its status code, which is 101.
    """

    status = 101

    def __init__(self, client: CableClient, transport: LoopbackTransport, response: TestResponse) -> None:
        self.client = client
        self.response = response
        self._transport = transport
        self._read = 0

    def __repr__(self) -> str:
        return f"<{type(self).__name__} to {self.connection!r}>"

    @property
    def connection(self) -> Any:
        """The server's ``Connection``: identifiers, ``data``, and what the application keeps there."""
        return self._transport.connection

    @property
    def rejected(self) -> bool:
        """Whether it was let in only to be told that it is not; other routes refuse with an HTTP answer."""
        return False

    @property
    def errors(self) -> list[BaseException]:
        """What went wrong at the server: the application's errors, and messages that could not be used."""
        return self.client.errors_of(self.connection)

    @property
    def subprotocol(self) -> str | None:
        """What the server chose of those that were offered."""
        return self.response.headers.get("Sec-WebSocket-Protocol")

    @property
    def closed(self) -> bool:
        """Whether either side has closed."""
        return self._transport.closed_with is not None

    @property
    def closed_with(self) -> tuple[int, str] | None:
        """Code and reason of the close."""
        return self._transport.closed_with

    # What it was sent.

    @property
    def messages(self) -> list[str | bytes]:
        """All that was received: text is ``str``, binary is ``bytes``."""
        return list(self._transport.sent)

    @property
    def unread(self) -> list[str | bytes]:
        """What was received and not yet taken by ``receive``."""
        return self._transport.sent[self._read :]

    def receive(self) -> str | bytes:
        """Take the first message that was not taken yet. Raises ``AssertionError`` when there is none."""
        if not self.unread:
            state = told(self) if self.closed else "the connection is open"
            raise AssertionError(f"nothing more was received; {state}. All messages: {listed(self.messages)}")
        self._read += 1
        return self._transport.sent[self._read - 1]

    def receive_frame(self) -> Text | Binary | Close:
        """Take the next message as a behaviour's frame; after the last one, how the connection ended."""
        if not self.unread and self.closed_with is not None:
            return Close(*self.closed_with)
        message = self.receive()
        return Text(message) if isinstance(message, str) else Binary(message)

    def receive_json(self) -> Any:
        """Take the next message, which has to be JSON."""
        return json.loads(self.receive())

    # What it sends.

    def send(self, *messages: str | bytes | Text | Binary) -> None:
        """Send messages, text or binary; several arrive together."""
        self._assert_open()
        self._transport.say(*(one.data if isinstance(one, (Text, Binary)) else one for one in messages))
        self.client.settle()

    def send_json(self, value: Any) -> None:
        """Send a message of JSON."""
        self.send(json.dumps(value))

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close from the peer's side; with 1006 the peer is just gone."""
        self._transport.hang_up(code, reason)
        self.client.settle()

    disconnect = close

    def _assert_open(self) -> None:
        if self.closed:
            raise AssertionError(f"cannot send: {told(self)}")
