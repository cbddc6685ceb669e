"""Streams of a connection: each once, live when it returns, replaced without a gap, ended with it."""

import logging
from typing import Any

import pytest
from core.test_connection import Wire, attached
from core.test_handler import RecordingHandler
from core.test_hub import SlowBus

from flask_cable.core.connection import Connection
from flask_cable.core.executor import ManualExecutor
from flask_cable.core.handler import StreamLimits
from flask_cable.core.hub import Hub
from flask_cable.errors import BusError, NotReady, TooMany
from flask_cable.protocols.frames import Frame
from flask_cable.streams import JsonCoder


class Patience:
    """What a worker waits with: notes for how long, and lets something happen meanwhile."""

    def __init__(self, meanwhile: Any) -> None:
        self.meanwhile = meanwhile
        self.waited: list[float | None] = []
        self.is_set = False

    def set(self) -> None:
        self.is_set = True

    def clear(self) -> None:
        self.is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout)
        self.meanwhile()
        return self.is_set


class PatientExecutor(ManualExecutor):
    """Hands out ``Patience``."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Patience] = []
        self.meanwhile: Any = lambda: None
        self.patient = True
        self.home = True

    def can_wait(self) -> bool:
        return self.patient

    def is_home(self) -> bool:
        return self.home

    def event(self) -> Patience:
        self.events.append(Patience(lambda: self.meanwhile()))
        return self.events[-1]


def opened(**options: Any) -> tuple[Connection, Wire]:
    connection, wire = attached(RecordingHandler(**options))
    connection.handle_open()
    return connection, wire


def slow() -> tuple[Connection, Wire, SlowBus, PatientExecutor]:
    """A connection whose pub/sub adapter confirms when somebody waits, or else when the test says so."""
    executor, bus = PatientExecutor(), SlowBus()
    executor.meanwhile = bus.confirm
    handler = RecordingHandler(executor, stream_limits=StreamLimits(live_within=7.0))
    handler.hub = Hub(bus, executor)
    connection, wire = attached(handler)
    connection.handle_open()
    return connection, wire, bus, executor


def broadcast(connection: Connection, stream: str, text: str, **options: Any) -> None:
    connection.handler.hub.broadcast(stream, text, **options)


def test_a_broadcast_is_sent_once_however_often_it_was_asked_for() -> None:
    connection, wire = opened()
    connection.stream_from("news")
    connection.stream_from("news", coder=JsonCoder())
    broadcast(connection, "news", '{"a":1}')
    assert wire.sent == [b'{"a":1}']
    assert connection.streams == ("news",)


def test_a_style_says_what_its_peers_are_sent_once_for_all() -> None:
    handler = RecordingHandler()
    frames: list[Frame] = []

    def encode(key: Any, body: bytes) -> Frame:
        frames.append(Frame(b"<" + body + b">"))
        return frames[-1]

    handler.encode_broadcast = encode  # type: ignore[method-assign]
    peers = [attached(handler, id=number) for number in range(1, 4)]
    for connection, _ in peers:
        connection.stream_from("news")
    handler.hub.broadcast("news", "1", exclude=peers[0][0])
    assert [wire.sent for _, wire in peers] == [[], [b"<1>"], [b"<1>"]]
    assert len(frames) == 1


def test_a_stream_is_named_by_a_record_too() -> None:
    connection, wire = opened()
    record = Connection(connection.handler, 7)
    connection.stream_from(record)
    broadcast(connection, "Connection:7", "1")
    assert wire.sent == [b"1"]
    assert connection.stop_stream_from(record)


def test_a_callback_hears_text_or_what_a_coder_decodes() -> None:
    connection, wire = opened()
    heard: list[Any] = []
    connection.stream_from("text", heard.append)
    connection.stream_from("value", heard.append, coder=JsonCoder())
    for stream in ("text", "value"):
        broadcast(connection, stream, '{"a":1}')
    assert (heard, wire.sent) == (['{"a":1}', {"a": 1}], [])


def test_another_coder_decodes_for_the_peer() -> None:
    class Backwards:
        def encode(self, value: Any) -> str:
            return str(value)[::-1]

        def decode(self, text: str) -> Any:
            return text[::-1]

    connection, wire = opened()
    connection.stream_from("news", coder=Backwards())
    broadcast(connection, "news", "olleh", raw=True)
    assert wire.sent == [b'"hello"']


def test_a_callback_is_not_called_for_what_excludes_its_connection() -> None:
    connection, _ = attached(id=3)
    heard: list[str] = []
    connection.stream_from("news", heard.append)
    broadcast(connection, "news", "1", exclude=connection)
    broadcast(connection, "news", "2")
    assert heard == ["2"]


def test_a_callback_that_raises_ends_nothing_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    connection, wire = opened()
    connection.stream_from("news", lambda text: 1 / 0)
    broadcast(connection, "news", "1")
    connection.stream_from("news")
    broadcast(connection, "news", "2")
    assert (wire.sent, wire.told) == ([b"2"], [])
    assert "unhandled ZeroDivisionError" in caplog.text


def test_stopping() -> None:
    connection, wire = opened()
    hub = connection.handler.hub
    assert not connection.stop_stream_from("news")
    assert connection.streams == ()
    for stream in ("a", "b", "c"):
        connection.stream_from(stream)
    connection.stream_from("c", lambda text: None)
    assert connection.stop_stream_from("a")
    assert not connection.stop_stream_from("a")
    assert (connection.streams, sorted(hub.streams)) == (("b", "c"), ["b", "c"])
    connection.stop_all_streams()
    assert (connection.streams, hub.streams, wire.sent) == ((), [], [])


def test_what_waits_for_a_callback_when_it_is_stopped_is_not_heard() -> None:
    connection, _ = opened()
    heard: list[str] = []

    def busy() -> None:
        broadcast(connection, "news", "1")
        connection.stop_stream_from("news")

    connection.stream_from("news", heard.append)
    connection.post(busy)
    assert heard == []


def test_another_way_to_hear_takes_the_place_of_the_first_without_a_gap() -> None:
    connection, wire, bus, _ = slow()
    heard: list[str] = []
    connection.stream_from("news")
    connection.stream_from("news", heard.append)
    broadcast(connection, "news", "1")
    connection.stream_from("news", heard.append)
    broadcast(connection, "news", "2")
    connection.stream_from("news")
    broadcast(connection, "news", "3")
    assert (heard, wire.sent) == (["1", "2"], [b"3"])
    assert [line for line in bus.log if "subscribe" in line] == ["subscribe news"]
    assert connection.handler.hub.subscriber_count("news") == 1


def test_nothing_is_heard_after_the_end() -> None:
    connection, wire = opened()
    connection.stream_from("a")
    connection.stream_from("b", lambda text: None)
    connection.handle_close(1001, "")
    connection.stream_from("c")
    assert (connection.handler.hub.streams, connection.streams, wire.sent) == ([], (), [])


def test_a_style_may_ask_for_streams_in_its_last_words_without_a_leak() -> None:
    handler = RecordingHandler()
    handler.closed = lambda connection, code, reason: connection.stream_from("late")  # type: ignore[method-assign]
    connection, _ = attached(handler)
    connection.handle_close(1001, "")
    assert handler.hub.streams == []


def test_an_adapter_that_cannot_leave_keeps_no_style_from_its_last_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    connection, _, bus, _ = slow()
    connection.stream_from("news")

    def fail(subscription: int) -> bool:
        raise ConnectionError("down")

    bus.unsubscribe = fail  # type: ignore[method-assign]
    connection.handle_close(1001, "")
    assert connection.handler.calls == [("opened",), ("closed", 1001, "")]  # type: ignore[attr-defined]
    assert "unhandled ConnectionError" in caplog.text


def test_before_the_handshake_is_over_it_is_too_early() -> None:
    with pytest.raises(NotReady, match="not in `connect` yet"):
        Connection(RecordingHandler()).stream_from("news")


def test_streams_are_bounded() -> None:
    connection, _ = opened(stream_limits=StreamLimits(maximum=2))
    for stream in ("a", "b", "a"):
        connection.stream_from(stream)
    with pytest.raises(TooMany, match="CABLE_MAX_STREAMS: 2"):
        connection.stream_from("c")
    connection.stop_stream_from("a")
    connection.stream_from("c")
    assert connection.streams == ("b", "c")


# Until a stream is live.


def test_it_returns_once_nothing_can_be_missed() -> None:
    connection, wire, _, executor = slow()
    connection.stream_from("news")
    assert [event.waited for event in executor.events] == [[7.0]]
    broadcast(connection, "news", "1")
    assert wire.sent == [b"1"]
    connection.stream_from("news")
    assert [event.waited for event in executor.events] == [[7.0], []]


def test_a_stream_that_is_not_confirmed_is_an_error_and_is_not_heard() -> None:
    connection, _, bus, executor = slow()
    executor.meanwhile = lambda: None
    with pytest.raises(BusError, match=r"'news': .* within 7\.0 s"):
        connection.stream_from("news")
    assert (connection.streams, connection.handler.hub.streams) == ((), [])
    bus.confirm()
    assert connection.handler.hub.subscriber_count("news") == 0


@pytest.mark.parametrize("home", [True, False])
def test_who_cannot_wait_does_not(home: bool) -> None:
    connection, wire, bus, executor = slow()
    executor.patient, executor.home = False, home
    connection.stream_from("news")
    assert [event.waited for event in executor.events] == []
    assert connection.streams == ("news",)
    bus.confirm()
    executor.home = True
    broadcast(connection, "news", "1")
    assert wire.sent == [b"1"]


def test_an_adapter_that_refuses_leaves_all_as_it_was() -> None:
    connection, wire, bus, _ = slow()
    connection.stream_from("a")
    bus.down = True
    with pytest.raises(ConnectionError):
        connection.stream_from("b")
    assert connection.streams == ("a",)
    broadcast(connection, "a", "1")
    assert wire.sent == [b"1"]


def test_a_frame_that_cannot_be_made_keeps_others_from_nothing(caplog: pytest.LogCaptureFixture) -> None:
    handlers = [RecordingHandler(), RecordingHandler()]
    handlers[1].hub = handlers[0].hub

    def fail(key: Any, body: bytes) -> Frame:
        raise ValueError("no frame")

    handlers[0].encode_broadcast = fail  # type: ignore[method-assign]
    peers = [attached(handler) for handler in handlers]
    for connection, _ in peers:
        connection.stream_from("news")
    with caplog.at_level(logging.ERROR):
        handlers[0].hub.broadcast("news", "1")
    assert [wire.sent for _, wire in peers] == [[], [b"1"]]
    assert "could not be encoded" in caplog.text
