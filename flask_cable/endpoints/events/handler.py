"""Serves the connections of a raw endpoint by calling the handlers of its events."""

from __future__ import annotations

from typing import Any

from ...core.connection import Connection
from ...core.handler import Handler
from ...core.registry import Connections
from ...errors import MalformedMessage
from ...protocols.frames import Frame
from ...protocols.serializers import Codec
from ...signals import command_failed
from .events import Events


class EventsHandler(Handler):
    """A handler that raises ends its connection with 1011, unless the connection's class rescues the error.

    Attributes:
        events: who handles what.
        codec: how values become messages.
        connections: those that are open.
    """

    def __init__(self, events: Events, codec: Codec, **options: Any) -> None:
        super().__init__(**options)
        self.events = events
        self.codec = codec
        self._open: dict[int, Connection] = {}
        self.connections = Connections(self._open)

    # What connections call.

    def opened(self, connection: Connection) -> None:
        self._open[connection.id] = connection
        handle = self.events.get("open")
        if handle is not None:
            handle(connection, getattr(connection.handshake, "environ", {}))

    def received(self, connection: Connection, message: str | bytes) -> None:
        if not connection.hooks:
            self._decode(connection, message)
        elif connection.run_hooks("before_command"):
            self._decode(connection, message)
            connection.run_hooks("after_command")

    def _decode(self, connection: Connection, message: str | bytes) -> None:
        try:
            value = self.codec.decode(message)
        except Exception as error:
            self._malformed(connection, message, error)
        else:
            self.handle_message(connection, value, len(message))

    def handle_message(self, connection: Connection, message: Any, size: int) -> None:
        """A message came, decoded; ``size`` is how long it was."""
        handle = self.events.get("message")
        if handle is not None:
            handle(connection, message)

    def server_message(self, connection: Connection, message: Any) -> None:
        """Its handler is told, or else the connection's class."""
        handle = self.events.get("server_message")
        if handle is None:
            connection.server_message(message)
        else:
            handle(connection, message)

    def _malformed(self, connection: Connection, raw: str | bytes, error: Exception) -> None:
        self.counts["malformed"] += 1
        handle = self.events.get("malformed_message")
        if handle is not None:
            handle(connection, raw, error)
            return
        mistake = MalformedMessage(f"a message that cannot be decoded: {str(error) or type(error).__name__}")
        connection.logger.warning("%s; closed with 1007", mistake)
        self.tell(command_failed, connection=connection, error=mistake)
        connection.close(1007, "malformed message")

    def closed(self, connection: Connection, code: int, reason: str) -> None:
        was_open = self._open.pop(connection.id, None) is not None
        handle = self.events.get("close")
        if handle is not None and was_open:
            handle(connection, code, reason)

    # What goes out.

    def encode(self, data: Any) -> Frame:
        return self.codec.frame(data)

    def encode_broadcast(self, key: Any, body: bytes) -> Frame:
        return self.codec.frame_of_json(body)

    def say_disconnect(self, connection: Connection, reason: str | None, reconnect: bool) -> None:
        """There are no words for it: the close frame says it."""

    # What goes wrong.

    def rescue(self, connection: Connection, error: Exception) -> bool:
        return connection.rescue(error)

    def failed(self, connection: Connection, error: BaseException) -> None:
        """A handler raised, and its connection's class had no answer: it is logged, and closed with 1011."""
        super().failed(connection, error)
        connection.close(1011, "internal error")
