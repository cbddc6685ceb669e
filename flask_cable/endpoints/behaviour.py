"""Behaviours: callbacks that get a connection's state and return the next one, with frames to send.

``BehaviourHandler`` calls them, one at a time for each connection; ``routes/behaviour.py`` calls ``connect``
inside the handshake's request. Knows nothing of names and groups, whose messages it hands on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ..core.connection import Connection
from ..core.handler import Handler
from ..errors import EncodeError, InvalidResult, MalformedMessage, TooMany
from ..protocols.frames import BINARY, Frame

NORMAL, STOP, TIMEOUT = "normal", "stop", "timeout"

SHAPES = """\
a callback returns (state, frames): any state, and a list of frames, which may be empty. A frame is
  Text("text")
  Binary(b"bytes")
  Close(code=1000, reason=""), whose code a server may send: 1000 to 1003, 1007 to 1014, 3000 to 4999,
                               and whose reason is no longer than 123 bytes"""

GOODBYES = {
    "idle_timeout": (1000, ""),
    "server_restart": (1001, "server shutting down; please reconnect"),
    "too_slow": (1013, "too slow; please reconnect"),
    "name_lost": (1012, "name lost; please reconnect"),
}
"""What the close frame says for what ``disconnect`` is told."""


@dataclass(frozen=True)
class Text:
    """A text frame, from the peer or to it."""

    data: str


@dataclass(frozen=True)
class Binary:
    """A binary frame, from the peer or to it."""

    data: bytes


@dataclass(frozen=True)
class Close:
    """Ends the connection; frames after it are not sent. ``code`` and ``reason`` are RFC 6455's."""

    code: int = 1000
    reason: str = ""


Ending = Any
"""``"normal"``, ``"stop"``, ``"timeout"``, ``("remote", code, reason)`` or ``("error", exception)``."""

Result = tuple[Any, Sequence[Text | Binary | Close]]


class Behaviour:
    """Server code for one peer at a time; one object serves all peers of a process.

    What belongs to one peer is in its state: each callback gets the state that the last one returned.
    Callbacks of one connection never overlap. What a callback raises is logged, leaves the state as it
    was and closes with 1011.

    Attributes:
        decorators: wrap the route's view, the last one outermost, as in ``flask.views.View``.
    """

    decorators: ClassVar[Sequence[Callable[..., Any]]] = ()

    def connect(self, request: Any, *args: Any, **arguments: Any) -> Any:
        """Let a peer in with None, or refuse it with any response; runs inside the handshake's request.

        Args:
            arguments: those of the URL rule.
        """
        return None

    def too_many_connections(self, request: Any) -> Any:
        """The response when CABLE_MAX_CONNECTIONS are open; its status is 503 if it names no other."""
        return None

    def init(self, connection: Connection) -> Result:
        """The peer is there: the first state, and frames to begin with."""
        return None, []

    def handle_client_message(self, state: Any, connection: Connection, frame: Text | Binary) -> Result:
        """The peer sent a frame."""
        return state, []

    def handle_server_message(self, state: Any, connection: Connection, message: Any) -> Result:
        """Something was sent to a name or a group of this connection."""
        return state, []

    def terminate(self, state: Any, connection: Connection, reason: Ending) -> Any:
        """The connection has ended, for whatever reason; called once. What it returns is not used.

        Args:
            state: the last one; None when ``init`` returned none.
            reason: ``"stop"`` when we closed it, ``"normal"`` when the server ended it in good order,
                ``"timeout"`` when the peer was idle, ``("remote", code, reason)`` when the peer closed or
                (code 1006) vanished, ``("error", exception)`` when something went wrong.
        """


class _Course:
    """What happened to one connection so far."""

    __slots__ = ("began", "ending", "received", "sent")

    def __init__(self, began: float) -> None:
        self.began = began
        self.received = self.sent = 0
        self.ending: Ending = None


class BehaviourHandler(Handler):
    """Serves a behaviour's connections; a connection's ``state`` is what the callbacks return.

    Args:
        rule: where it is served, for the log.
    """

    def __init__(self, behaviour: Behaviour, rule: str, **options: Any) -> None:
        super().__init__(**options)
        self.behaviour = behaviour
        self.rule = rule
        self._courses: dict[Connection, _Course] = {}

    # What connections call.

    def opened(self, connection: Connection) -> None:
        self._courses[connection] = _Course(self.executor.monotonic())
        connection.logger.info("CONNECTED rule=%s", self.rule)
        self._obey(connection, self.behaviour.init(connection))

    def received(self, connection: Connection, message: str | bytes) -> None:
        self._courses[connection].received += 1
        frame = Text(message) if isinstance(message, str) else Binary(message)
        self._obey(connection, self.behaviour.handle_client_message(connection.state, connection, frame))

    def server_message(self, connection: Connection, message: Any) -> None:
        self._obey(connection, self.behaviour.handle_server_message(connection.state, connection, message))

    def _obey(self, connection: Connection, result: Any) -> None:
        """Keep the state that a callback returned, and send its frames."""
        state, frames = checked(result)
        outgoing = [frame if isinstance(frame, Close) else self.encode(frame) for frame in frames]
        connection.state = state
        for frame in outgoing:
            if isinstance(frame, Close):
                self._note(connection, STOP)
                return connection.close(frame.code, frame.reason)
            self._courses[connection].sent += connection.send(frame)

    def pinged(self, connection: Connection) -> None:
        """A peer that pings is not idle."""
        connection.silent_looks = 0

    def closed(self, connection: Connection, code: int, reason: str) -> None:
        course = self._courses.pop(connection, None)
        if course is None:  # it was told to go before it began
            return
        ending = course.ending
        if ending is None:
            ending = STOP if connection.deaf else ("remote", code, reason)
        try:
            self.behaviour.terminate(connection.state, connection, ending)
        finally:
            connection.logger.info(
                "DISCONNECTED rule=%s seconds=%.3f frames_received=%d frames_sent=%d reason=%s",
                *(self.rule, self.executor.monotonic() - course.began),
                *(course.received, course.sent, ending),
            )

    # How it ends: the first reason is the one that counts.

    def _note(self, connection: Connection, ending: Ending) -> None:
        course = self._courses.get(connection)
        if course is not None and course.ending is None:
            course.ending = ending

    def disconnect(
        self, connection: Connection, reason: str | None, reconnect: bool, code: int | None
    ) -> None:
        if reason == "idle_timeout":
            self._note(connection, TIMEOUT)
        elif reason == "too_slow":
            self._note(connection, ("error", TooMany("more waits for the peer than CABLE_OUTBOX_* allows")))
        else:
            self._note(connection, NORMAL)
        if reason in GOODBYES:
            connection.close(*GOODBYES[reason])
        else:
            super().disconnect(connection, reason, reconnect, code)

    def say_disconnect(self, connection: Connection, reason: str | None, reconnect: bool) -> bool:
        """There are no words for it but those of the close frame."""
        return False

    def failed(self, connection: Connection, error: BaseException) -> None:
        super().failed(connection, error)
        self._note(connection, ("error", error))
        connection.close(1011, "internal error")

    def too_fast(self, connection: Connection) -> None:
        super().too_fast(connection)
        self._note(connection, ("error", TooMany("more messages than CABLE_MESSAGES_PER_SECOND allows")))

    def overrun(self, connection: Connection) -> None:
        super().overrun(connection)
        self._note(connection, ("error", TooMany("more server messages wait than CABLE_SERVER_MESSAGES")))

    def violated(self, connection: Connection, code: int, reason: str) -> None:
        self._note(connection, ("error", MalformedMessage(f"closed with {code}: {reason}")))

    # What goes out.

    def encode(self, data: Any) -> Frame:
        """Make a frame of ``Text``, ``Binary``, ``str`` or ``bytes``."""
        data = data.data if isinstance(data, (Text, Binary)) else data
        if isinstance(data, str):
            return Frame(data.encode())
        if isinstance(data, bytes):
            return Frame(data, BINARY)
        raise EncodeError(f"a {type(data).__name__} is no frame: send Text or Binary, str or bytes")


def checked(result: Any) -> Result:
    """What a callback returned, when it is a state and frames. Raises ``InvalidResult``."""
    if not isinstance(result, tuple) or len(result) != 2 or not isinstance(result[1], (list, tuple)):
        raise InvalidResult(f"{_shown(result)} is not (state, frames): {SHAPES}")
    for frame in result[1]:
        if not _is_frame(frame):
            raise InvalidResult(f"{_shown(frame)} is no frame: {SHAPES}")
    return result


def _is_frame(frame: Any) -> bool:
    if isinstance(frame, Text):
        return isinstance(frame.data, str)
    if isinstance(frame, Binary):
        return isinstance(frame.data, bytes)
    return isinstance(frame, Close) and _may_close(frame.code) and _fits(frame.reason)


def _may_close(code: Any) -> bool:
    """Codes that an endpoint may send (RFC 6455 7.4; IANA's registry up to 1014)."""
    if not isinstance(code, int):
        return False
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def _fits(reason: Any) -> bool:
    try:
        return isinstance(reason, str) and len(reason.encode()) <= 123
    except UnicodeEncodeError:
        return False


def _shown(value: Any) -> str:
    return f"{value!r:.100}"
