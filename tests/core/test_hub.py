"""Hub: who hears what in this process; opened by the first, closed by the last, encoded once."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from core.test_connection import LateExecutor, Wire
from core.test_handler import RecordingHandler

from flask_cable.core.connection import Connection
from flask_cable.core.executor import ManualExecutor
from flask_cable.core.hub import Hub
from flask_cable.errors import BusError
from flask_cable.protocols.frames import Frame
from flask_cable.pubsub.memory import MemoryPubSub


class SlowBus(MemoryPubSub):
    """An adapter whose confirmations come when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[str] = []
        self.unconfirmed: list[Callable[[], object]] = []
        self.down = False

    def publish(self, stream: str, message: str) -> None:
        self.log.append(f"publish {stream} {message}")
        super().publish(stream, message)

    def subscribe(
        self, stream: str, callback: Callable[[str], object], on_live: Callable[[], object] | None = None
    ) -> int:
        if self.down:
            raise ConnectionError("down")
        self.log.append(f"subscribe {stream}")
        if on_live is not None:
            self.unconfirmed.append(on_live)
        return super().subscribe(stream, callback)

    def unsubscribe(self, subscription: int) -> bool:
        self.log.append("unsubscribe")
        return super().unsubscribe(subscription)

    def confirm(self) -> None:
        while self.unconfirmed:
            self.unconfirmed.pop(0)()


class Encoder:
    """Encodes, and counts how often."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, bytes]] = []

    def __call__(self, key: Any, body: bytes) -> Frame:
        self.calls.append((key, body))
        return Frame(b"%b %b" % (str(key).encode(), body))


def never() -> None:
    raise AssertionError("not to be called")


def peer(hub: Hub, id: int) -> tuple[Connection, Wire]:
    assert isinstance(hub.executor, ManualExecutor)
    connection, wire = Connection(RecordingHandler(hub.executor), id), Wire()
    connection.attach(wire)
    return connection, wire


def made(bus: MemoryPubSub | None = None, node: str = "here") -> Hub:
    return Hub(bus or MemoryPubSub(), ManualExecutor(), node)


# Joining.


def test_who_joined_hears_and_who_left_does_not() -> None:
    hub, encode = made(), Encoder()
    connection, wire = peer(hub, 1)
    assert hub.join("news", connection, encode, "k", never)
    hub.broadcast("news", "1")
    hub.broadcast("other", "2")
    assert hub.leave("news", connection, encode, "k")
    hub.broadcast("news", "3")
    assert wire.sent == [b"k 1"]


def test_joining_twice_is_joining_once() -> None:
    hub, encode = made(), Encoder()
    connection, wire = peer(hub, 1)
    hub.join("news", connection, encode, "k", never)
    hub.join("news", connection, encode, "k", never)
    hub.broadcast("news", "1")
    assert wire.sent == [b"k 1"]
    assert hub.leave("news", connection, encode, "k")
    assert not hub.leave("news", connection, encode, "k")
    assert hub.streams == []


def test_leaving_what_was_never_joined_is_false() -> None:
    hub, encode = made(), Encoder()
    (connection, _), (other, _) = peer(hub, 1), peer(hub, 2)
    assert not hub.leave("news", connection, encode, "k")
    hub.join("news", connection, encode, "k", never)
    for wrong in (
        ("news", other, encode, "k"),
        ("news", connection, encode, "x"),
        ("x", connection, encode, "k"),
    ):
        assert not hub.leave(*wrong)
    assert not hub.leave("news", connection, Encoder(), "k")
    assert hub.subscriber_count("news") == 1


def test_two_subscriptions_of_one_connection_are_two() -> None:
    hub, encode = made(), Encoder()
    connection, wire = peer(hub, 1)
    hub.join("news", connection, encode, "a", never)
    hub.join("news", connection, encode, "b", never)
    hub.broadcast("news", "1")
    assert wire.sent == [b"a 1", b"b 1"]
    hub.leave("news", connection, encode, "a")
    hub.broadcast("news", "2")
    assert wire.sent[2:] == [b"b 2"]


def test_a_message_is_encoded_once_for_all_who_share_it() -> None:
    hub, encode, other = made(), Encoder(), Encoder()
    peers = [peer(hub, id) for id in range(1, 7)]
    for (connection, _), key in zip(peers, "aaabbb", strict=True):
        hub.join("news", connection, encode, key, never)
    hub.join("news", peers[0][0], other, "a", never)
    hub.broadcast("news", '"x"')
    assert encode.calls == [("a", b'"x"'), ("b", b'"x"')]
    assert other.calls == [("a", b'"x"')]
    assert [wire.sent for _, wire in peers] == [[b'a "x"'] * 2, *[[b'a "x"']] * 2, *[[b'b "x"']] * 3]


def test_who_is_not_to_hear_of_a_message_is_left_out() -> None:
    def refuse(key: Any, body: bytes) -> None:
        return None

    hub = made()
    (deaf, silence), (other, wire) = peer(hub, 1), peer(hub, 2)
    hub.join("news", deaf, refuse, "k", never)
    hub.join("news", other, Encoder(), "k", never)
    hub.broadcast("news", "1")
    assert (len(silence.sent), len(wire.sent)) == (0, 1)


def test_nobody_there_is_fine_and_nothing_is_encoded() -> None:
    hub, encode, heard = made(), Encoder(), []
    hub.broadcast("news", "1")
    hub.listen("news", heard.append)
    hub.broadcast("news", "2")
    assert (encode.calls, heard) == ([], ["2"])


def test_streams_and_subscribers_are_counted() -> None:
    hub, encode = made(), Encoder()
    connection, _ = peer(hub, 1)
    assert (hub.streams, hub.subscriber_count("news")) == ([], 0)
    hub.join("news", connection, encode, "a", never)
    hub.join("news", connection, encode, "b", never)
    hub.listen("news", print)
    hub.listen("other", print)
    assert (hub.streams, hub.subscriber_count("news")) == (["news", "other"], 3)


# Listening.


def test_a_listener_hears_the_text() -> None:
    hub, heard = made(), []
    hub.listen("news", heard.append)
    hub.broadcast("news", '{"a|b":1}')
    hub.broadcast("news", "raw | text", raw=True)
    assert heard == ['{"a|b":1}', "raw | text"]


def test_a_listener_that_left_hears_nothing() -> None:
    hub, heard = made(), []

    def listen(text: str) -> None:
        heard.append(text)

    hub.listen("news", listen)
    assert hub.unlisten("news", listen)
    assert not hub.unlisten("news", listen)
    assert not hub.unlisten("other", listen)
    hub.broadcast("news", "1")
    assert (heard, hub.streams) == ([], [])


def test_a_listener_may_leave_while_others_are_called() -> None:
    hub, heard = made(), []

    def first(text: str) -> None:
        heard.append("first")
        hub.unlisten("news", first)
        hub.unlisten("news", second)

    def second(text: str) -> None:
        heard.append("second")

    hub.listen("news", first)
    hub.listen("news", second)
    hub.broadcast("news", "1")
    assert (heard, hub.streams) == (["first"], [])


def test_a_listener_may_join_while_others_are_called() -> None:
    hub, heard = made(), []

    def first(text: str) -> None:
        hub.listen("news", heard.append)
        hub.listen("other", heard.append)

    hub.listen("news", first)
    hub.broadcast("news", "1")
    hub.broadcast("news", "2")
    assert heard == ["2"]


def test_a_listener_that_raises_starves_nobody(caplog: pytest.LogCaptureFixture) -> None:
    hub, heard = made(), []

    def fail(text: str) -> None:
        raise LookupError("lost")

    hub.listen("news", fail)
    hub.listen("news", heard.append)
    hub.broadcast("news", "1")
    assert heard == ["1"]
    assert [record.getMessage() for record in caplog.records] == ["a stream's listener raised"]


def test_a_peer_that_cannot_be_sent_to_starves_nobody(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Wire):
        def send(self, frame: Frame) -> bool:
            raise OSError("broken")

    hub, encode = made(), Encoder()
    (broken, _), (healthy, wire) = peer(hub, 1), peer(hub, 2)
    broken.attach(Broken())
    hub.join("news", broken, encode, "k", never)
    hub.join("news", healthy, encode, "k", never)
    hub.broadcast("news", "1")
    assert wire.sent == [b"k 1"]
    assert [record.getMessage() for record in caplog.records] == ["connection 1: could not be sent to"]
    assert caplog.records[0].levelno == logging.ERROR


def test_a_peer_may_leave_while_others_are_sent_to() -> None:
    hub, encode = made(), Encoder()
    (first, _), (second, wire) = peer(hub, 1), peer(hub, 2)

    class Leaving(Wire):
        def send(self, frame: Frame) -> bool:
            hub.leave("news", first, encode, "k")
            return True

    first.attach(Leaving())
    hub.join("news", first, encode, "k", never)
    hub.join("news", second, encode, "k", never)
    hub.broadcast("news", "1")
    hub.broadcast("news", "2")
    assert wire.sent == [b"k 1", b"k 2"]


# The adapter.


def test_the_first_opens_a_stream_and_the_last_closes_it() -> None:
    bus, encode = SlowBus(), Encoder()
    hub = made(bus)
    (one, _), (other, _) = peer(hub, 1), peer(hub, 2)
    hub.join("news", one, encode, "k", print)
    hub.join("news", other, encode, "k", print)
    hub.listen("news", print)
    assert bus.log == ["subscribe news"]
    hub.leave("news", one, encode, "k")
    hub.leave("news", other, encode, "k")
    assert bus.log == ["subscribe news"]
    hub.unlisten("news", print)
    assert bus.log == ["subscribe news", "unsubscribe"]
    hub.join("news", one, encode, "k", print)
    assert bus.log[2:] == ["subscribe news"]


def test_nobody_is_told_that_a_stream_is_live_before_it_is() -> None:
    bus, encode, told = SlowBus(), Encoder(), []
    hub = made(bus)
    connection, _ = peer(hub, 1)
    assert not hub.join("news", connection, encode, "a", lambda: told.append("a"))
    assert not hub.listen("news", print, lambda: told.append("b"))
    assert not hub.listen("news", repr)
    assert told == []
    bus.confirm()
    assert told == ["a", "b"]
    assert hub.join("news", connection, encode, "c", never)
    assert hub.listen("news", len, never)


def test_a_stream_that_was_left_and_joined_again_is_live_by_its_own_confirmation() -> None:
    bus, encode, told = SlowBus(), Encoder(), []
    hub = made(bus)
    connection, _ = peer(hub, 1)
    hub.join("news", connection, encode, "k", lambda: told.append("first"))
    hub.leave("news", connection, encode, "k")
    hub.join("news", connection, encode, "k", lambda: told.append("second"))
    first, second = bus.unconfirmed
    first()
    assert "second" not in told
    second()
    assert told[-1] == "second"


def test_a_stream_that_cannot_be_opened_is_not_there() -> None:
    bus, encode = SlowBus(), Encoder()
    hub = made(bus)
    connection, wire = peer(hub, 1)
    bus.down = True
    with pytest.raises(ConnectionError):
        hub.join("news", connection, encode, "k", never)
    with pytest.raises(ConnectionError):
        hub.listen("news", print)
    assert (hub.streams, hub.subscriber_count("news")) == ([], 0)
    bus.down = False
    hub.join("news", connection, encode, "k", print)
    hub.broadcast("news", "1")
    assert wire.sent == [b"k 1"]


# Broadcasting.


def test_one_connection_may_be_left_out() -> None:
    hub, encode = made(), Encoder()
    (one, wire), (other, other_wire) = peer(hub, 1), peer(hub, 11)
    hub.join("news", one, encode, "k", never)
    hub.join("news", other, encode, "k", never)
    hub.broadcast("news", "1", exclude=one)
    assert (wire.sent, other_wire.sent) == ([], [b"k 1"])


def test_a_listener_is_left_out_with_its_connection() -> None:
    hub, heard = made(), []
    (one, _), (other, _) = peer(hub, 1), peer(hub, 2)
    hub.listen("news", lambda text: heard.append(("one", text)), connection=one)
    hub.listen("news", lambda text: heard.append(("other", text)), connection=other)
    hub.listen("news", lambda text: heard.append(("nobody's", text)))
    hub.broadcast("news", "1", exclude=one)
    assert heard == [("other", "1"), ("nobody's", "1")]


def test_who_is_left_out_is_the_one_of_its_own_process() -> None:
    bus, encode = MemoryPubSub(), Encoder()
    here, there = made(bus, "here"), made(bus, "there")
    (mine, wire), (theirs, their_wire) = peer(here, 1), peer(there, 1)
    here.join("news", mine, encode, "k", never)
    there.join("news", theirs, encode, "k", never)
    here.broadcast("news", "1", exclude=mine)
    there.broadcast("news", "2", exclude=theirs)
    assert (wire.sent, their_wire.sent) == ([b"k 2"], [b"k 1"])


def test_processes_have_names_of_their_own() -> None:
    assert Hub(MemoryPubSub(), ManualExecutor()).node != Hub(MemoryPubSub(), ManualExecutor()).node


def test_what_a_coder_made_stands_in_json() -> None:
    hub, encode = made(), Encoder()
    connection, wire = peer(hub, 1)
    hub.join("news", connection, encode, "k", never)
    for text in ('{"a":1}', "7", "plain text", "\u00e9", "", "{broken", "[" * 100_000):
        wire.sent.clear()
        hub.broadcast("news", text, raw=True)
        body = wire.sent[0].partition(b" ")[2]
        try:
            assert json.loads(body) == text
        except AssertionError:
            assert body == text.encode()


def test_json_is_passed_on_as_it_is() -> None:
    hub, encode = made(), Encoder()
    connection, wire = peer(hub, 1)
    hub.join("news", connection, encode, "k", never)
    hub.broadcast("news", '"\u00e9\U0001f600|"')
    assert wire.sent == ['k "\u00e9\U0001f600|"'.encode()]


def test_streams_have_names_of_any_length_and_script() -> None:
    hub, encode = made(), Encoder()
    connection, wire = peer(hub, 1)
    for name in ("a" * 10_000, "\u4e2d\u6587:\U0001f600", "with space|and|bars", "", "\x00"):
        hub.join(name, connection, encode, "k", never)
        hub.broadcast(name, "1")
    assert wire.sent == [b"k 1"] * 5


def test_a_broadcast_from_elsewhere_is_published_at_home() -> None:
    executor = LateExecutor()
    hub, heard = Hub(MemoryPubSub(), executor), []
    hub.listen("news", heard.append)
    executor.home = False
    hub.broadcast("news", "1")
    hub.broadcast("news", "2")
    assert heard == []
    executor.run()
    assert heard == ["1", "2"]


def test_a_broadcast_while_a_broadcast_is_delivered_comes_after_it() -> None:
    hub, heard = made(), []

    def answer(text: str) -> None:
        heard.append(f"answer to {text}")
        if text == "1":
            hub.broadcast("other", "2")

    hub.listen("news", answer)
    hub.listen("other", heard.append)
    hub.broadcast("news", "1")
    assert heard == ["answer to 1", "2"]


# Adapters with a server.


class RemoteBus(SlowBus):
    """An adapter that has to be waited for, and may fail."""

    is_remote = True

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[Any] = []
        self.done: list[Callable[[BusError | None], object]] = []

    def publish(self, stream: str, message: str, make_event: Any = None) -> None:
        self.waited.append(make_event)
        if self.down:
            raise BusError("down")
        super().publish(stream, message)

    def post(self, stream: str, message: str, done: Any = None) -> None:
        self.log.append(f"post {stream} {message}")
        self.done.append(done)


class WaitingExecutor(LateExecutor):
    """Says whether its caller may wait."""

    waits = True

    def can_wait(self) -> bool:
        return self.waits


def remote(waits: bool) -> tuple[Hub, RemoteBus]:
    executor, bus = WaitingExecutor(), RemoteBus()
    executor.waits = waits
    return Hub(bus, executor, "here"), bus


def test_who_may_wait_for_the_server_does_with_the_executors_event() -> None:
    hub, bus = remote(waits=True)
    hub.broadcast("news", "1")
    assert bus.log == ["publish news j|1"]
    assert bus.waited == [hub.executor.event]
    bus.down = True
    with pytest.raises(BusError, match="down"):
        hub.broadcast("news", "1")


def test_who_may_not_wait_does_not_and_a_failure_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    hub, bus = remote(waits=False)
    for number in range(5):
        hub.broadcast("news", str(number))
    assert bus.log == [f"post news j|{number}" for number in range(5)]
    for done, error in zip(
        bus.done, (BusError("down"), BusError("down"), None, BusError("full"), None), strict=True
    ):
        done(error)
    assert [record.getMessage() for record in caplog.records] == [
        "a broadcast that nobody waited for was lost, and perhaps more: down",
        "a broadcast that nobody waited for was lost, and perhaps more: full",
    ]


def test_what_an_adapter_calls_from_a_thread_of_its_own_happens_at_home_and_in_order() -> None:
    hub, bus = remote(waits=False)
    executor = hub.executor
    assert isinstance(executor, WaitingExecutor)
    connection, wire = peer(hub, 1)
    live: list[str] = []
    assert not hub.join("news", connection, Encoder(), "k", lambda: live.append("live"))
    executor.home = False
    bus.confirm()
    MemoryPubSub.publish(bus, "news", "j|1")
    MemoryPubSub.publish(bus, "news", "j|2")
    assert (live, wire.sent) == ([], [])
    executor.run()
    assert (live, wire.sent) == (["live"], [b"k 1", b"k 2"])


def test_what_is_no_message_of_a_hub_reaches_nobody() -> None:
    hub = made()
    connection, wire = peer(hub, 1)
    hub.join("news", connection, Encoder(), "k", never)
    heard: list[str] = []
    hub.listen("news", heard.append)
    for message in ("", "x|1", "jx|1", "jhere:|1", "jhere:x|1", "nothing"):
        hub.bus.publish("news", message)
    hub.broadcast("news", "1")
    assert (wire.sent, heard) == ([b"k 1"], ["1"])


# Relays: who sees to a stream's messages itself.


class Recorder:
    """A relay that keeps what comes."""

    def __init__(self, *connections: Connection) -> None:
        self.log: list[Any] = []
        self.connections = connections
        self.fails = False

    def handle_broadcast(self, body: bytes, skipped: int) -> None:
        self.log.append((body, skipped))
        if self.fails:
            raise RuntimeError("broken")

    def handle_packet(self, packet: str) -> None:
        self.log.append(packet)
        if self.fails:
            raise RuntimeError("broken")

    def hearers(self) -> tuple[Connection, ...]:
        return self.connections


def relaying() -> tuple[Hub, SlowBus, Recorder]:
    bus, relay = SlowBus(), Recorder()
    hub = Hub(bus, ManualExecutor(), "here")
    assert not hub.relay("news", relay)
    bus.confirm()
    return hub, bus, relay


def test_a_relay_gets_broadcasts_as_json_and_whom_to_skip() -> None:
    hub, _, relay = relaying()
    connection = Connection(RecordingHandler(), 7)
    hub.broadcast("news", '{"a":1}')
    hub.broadcast("news", "no JSON", raw=True)
    hub.broadcast("news", "7", exclude=connection)
    assert relay.log == [(b'{"a":1}', 0), (b'"no JSON"', 0), (b"7", 7)]


def test_packets_are_for_relays_only() -> None:
    hub, bus, relay = relaying()
    heard: list[str] = []
    hub.listen("news", heard.append)
    hub.publish("news", "a|b|c")
    assert (relay.log, heard) == (["a|b|c"], [])
    assert bus.log[-1] == "publish news p|a|b|c"


def test_a_relay_opens_and_closes_its_stream() -> None:
    hub, bus, relay = relaying()
    assert hub.relay("news", relay)
    assert hub.subscriber_count("news") == 1
    assert hub.unrelay("news", relay)
    assert not hub.unrelay("news", relay)
    assert not hub.unrelay("other", relay)
    assert hub.streams == []
    assert bus.log == ["subscribe news", "unsubscribe"]


def test_a_relay_is_told_when_nothing_is_missed() -> None:
    bus, live = SlowBus(), list[str]()
    hub = Hub(bus, ManualExecutor())
    assert not hub.relay("news", Recorder(), lambda: live.append("live"))
    assert live == []
    bus.confirm()
    assert live == ["live"]


def test_a_relay_that_raises_starves_nobody(caplog: pytest.LogCaptureFixture) -> None:
    hub, _, relay = relaying()
    relay.fails, second, heard = True, Recorder(), list[str]()
    hub.relay("news", second)
    hub.listen("news", heard.append)
    hub.broadcast("news", "1")
    hub.publish("news", "x")
    assert (second.log, heard) == ([(b"1", 0), "x"], ["1"])
    assert caplog.text.count("a stream's listener raised") == 2


def test_those_behind_a_relay_may_miss_something_too() -> None:
    hub, _, _ = relaying()
    connection = Connection(RecordingHandler(), 7)
    hub.relay("news", Recorder(connection))
    assert hub.handle_lost() == {connection}
