"""The smallest style of server code: it tells its URL's arguments, and sends back what it gets."""

from __future__ import annotations

from typing import Any

from flask_cable import Connection
from flask_cable.core.handler import Handler
from flask_cable.protocols.frames import BINARY, TEXT, Frame
from flask_cable.routes import Route
from flask_cable.runtime import Runtime


class EchoHandler(Handler):
    """Sends text as text and bytes as bytes."""

    def opened(self, connection: Connection) -> None:
        connection.transmit(str(connection.request.view_args))

    def received(self, connection: Connection, message: str | bytes) -> None:
        connection.transmit(message)

    def closed(self, connection: Connection, code: int, reason: str) -> None:
        """Nothing is kept."""

    def encode(self, data: Any) -> Frame:
        return Frame(data.encode(), TEXT) if isinstance(data, str) else Frame(data, BINARY)

    def say_disconnect(self, connection: Connection, reason: str | None, reconnect: bool) -> None:
        """There are no words for it."""


class EchoRoute(Route):
    """Counts in ``made`` how many handlers were made."""

    made = 0

    def make_handler(self, runtime: Runtime) -> EchoHandler:
        self.made += 1
        return EchoHandler(**runtime.resources())
