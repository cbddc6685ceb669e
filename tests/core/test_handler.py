"""Handler: what a style has to say, and what it gets for nothing. Other tests use ``RecordingHandler``."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from flask_cable.core.connection import Connection
from flask_cable.core.executor import Executor, ManualExecutor
from flask_cable.core.handler import Handler, Rate
from flask_cable.core.hub import Hub
from flask_cable.protocols.frames import Frame
from flask_cable.pubsub.memory import MemoryPubSub
from flask_cable.transports.loopback import LoopbackTransport


class RecordingHandler(Handler):
    """Keeps what its connections tell it."""

    def __init__(self, executor: Executor | None = None, **options: Any) -> None:
        executor = executor or ManualExecutor()
        super().__init__(Hub(MemoryPubSub(), executor), executor, **options)
        self.calls: list[tuple[Any, ...]] = []
        self.errors: list[BaseException] = []

    def opened(self, connection: Connection) -> None:
        self.calls.append(("opened",))

    def received(self, connection: Connection, message: str | bytes) -> None:
        self.calls.append(("received", message))

    def closed(self, connection: Connection, code: int, reason: str) -> None:
        self.calls.append(("closed", code, reason))

    def encode(self, data: Any) -> Frame:
        return Frame(json.dumps(data).encode())

    def say_disconnect(self, connection: Connection, reason: str | None, reconnect: bool) -> bool:
        connection.send(Frame(f"disconnect {reason} {reconnect}".encode()))
        return True

    def failed(self, connection: Connection, error: BaseException) -> None:
        self.errors.append(error)
        super().failed(connection, error)


def test_a_style_has_to_say_how_it_serves() -> None:
    with pytest.raises(TypeError, match=r"abstract methods.*closed.*opened.*received"):
        Handler(None, None)  # type: ignore[abstract, arg-type]


def test_it_has_what_it_was_given() -> None:
    @contextmanager
    def scope() -> Iterator[None]:
        yield

    handler = RecordingHandler(scope=scope, inbox_limit=7, sender="app")
    assert (handler.scope, handler.inbox_limit, handler.sender) == (scope, 7, "app")
    assert handler.hub.executor is handler.executor


def test_a_scope_is_optional_and_every_message_is_taken() -> None:
    handler = RecordingHandler()
    with handler.scope():
        assert handler.rate is None
        assert not handler.counts
    assert Rate(per_second=1, burst=2) == (1, 2)


def test_what_nobody_rescued_is_counted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    handler = RecordingHandler()
    error = LookupError("lost")
    handler.failed(Connection(handler, 7), error)
    assert handler.counts == {"failed": 1}
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("flask_cable", logging.ERROR)
    assert record.getMessage() == "connection 7: unhandled LookupError"
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_peers_that_are_too_slow_or_too_fast_are_counted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    handler = RecordingHandler()
    handler.too_slow(Connection(handler, 7))
    handler.too_fast(Connection(handler, 8))
    assert handler.counts == {"too_slow": 1, "too_fast": 1}
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "connection 7: does not read" in caplog.text
    assert "CABLE_MESSAGES_PER_SECOND" in caplog.text


class WordlessHandler(RecordingHandler):
    """A protocol with no words for the end."""

    def say_disconnect(self, connection: Connection, reason: str | None, reconnect: bool) -> None:
        self.calls.append(("say_disconnect", reason, reconnect))


@pytest.mark.parametrize(
    ("reason", "code", "said"),
    [
        (None, None, (1000, "")),
        ("remote", None, (1000, "remote")),
        ("server_restart", None, (1012, "server_restart")),
        ("too_slow", None, (1013, "too_slow")),
        ("idle_timeout", None, (1001, "idle_timeout")),
        ("too_slow", 4000, (4000, "too_slow")),
    ],
)
def test_where_a_protocol_has_no_words_the_close_frame_says_why(
    reason: str | None, code: int | None, said: tuple[int, str]
) -> None:
    handler = WordlessHandler()
    connection = Connection(handler, 7)
    transport = LoopbackTransport(connection)
    connection.attach(transport)
    connection.disconnect(reason, reconnect=True, code=code)
    assert transport.closed_with == said
    assert handler.calls == [("say_disconnect", reason, True), ("closed", *said)]


def test_a_protocol_with_words_closes_plainly() -> None:
    connection = Connection(RecordingHandler(), 7)
    transport = LoopbackTransport(connection)
    connection.attach(transport)
    connection.disconnect("too_slow")
    assert (transport.sent, transport.closed_with) == (["disconnect too_slow True"], (1000, ""))


def test_a_broadcast_is_its_json_unless_a_style_says_otherwise() -> None:
    assert RecordingHandler().encode_broadcast(None, b"[1]").payload == b"[1]"
