"""What all adapters with a server do with a URL and their options, and how a publish ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from pubsub.test_listening import Server as ListeningServer

from flask_cable.errors import BusError, ConfigError
from flask_cable.pubsub import BusOptions, MemoryStore, NetworkPubSub, Store
from flask_cable.pubsub.listening import Listener
from flask_cable.pubsub.network import described
from flask_cable.pubsub.sending import Sender


class Echo(Sender):
    def __init__(self, bus: FakePubSub) -> None:
        self.bus = bus

    def send(self, messages: Sequence[tuple[str, bytes]]) -> Mapping[int, Exception]:
        assert self.bus.free.wait(10)
        if self.bus.down:
            raise ConnectionError("down")
        for address, payload in messages:
            self.bus.sent.append((address, payload))
            if self.bus.server.line is not None:
                self.bus.server.line.said.put([(address, payload)])
        return {}

    def close(self) -> None:
        """Nothing is open."""


class FakePubSub(NetworkPubSub):
    def __init__(self, options: BusOptions | None = None) -> None:
        super().__init__("fake://user:secret@host:1/place?password=secret", options)
        self.server = ListeningServer()
        self.sent: list[tuple[str, bytes]] = []
        self.down = False
        self.free = threading.Event()
        self.free.set()

    def make_store(self) -> Store:
        return MemoryStore()

    def listen(self) -> Listener:
        return self.server.listen()

    def connect(self) -> Sender:
        return Echo(self)


@pytest.fixture
def make() -> Iterator[Any]:
    made: list[FakePubSub] = []

    def make(**options: Any) -> FakePubSub:
        made.append(FakePubSub(BusOptions(**options)))
        return made[-1]

    yield make
    for one in made:
        one.free.set()
        one.stop()


def test_it_is_called_by_its_url_without_what_is_secret() -> None:
    assert FakePubSub().name == "fake://host:1/place"
    assert described("redis+cluster://u:p@a:1,b:2?x=p") == "redis+cluster://a:1,b:2"
    assert described("unix:///tmp/x.sock?db=1") == "unix:///tmp/x.sock"


@pytest.mark.parametrize(
    "url",
    [
        *("redis://:pass/word@host:1/0", "nats://user:pass#word@host", "redis://:pass?word@host:1/0"),
        *("postgresql://user:12/word@host/db", "redis://:word@[::1", "redis://:word\u2100@host:1"),
    ],
)
def test_a_password_that_is_not_encoded_is_neither_taken_for_a_host_nor_shown(url: str) -> None:
    with pytest.raises(ConfigError, match=r"^CABLE_URL: ") as caught:
        described(url)
    assert "pass" not in str(caught.value).replace("password", "")
    assert "word" not in str(caught.value).replace("password", "")


def test_what_only_looks_like_a_password_is_no_error() -> None:
    assert described("unix://user:p@/run/re@dis.sock") == "unix:///run/re@dis.sock"
    assert described("redis://h:1/0?username=a@b") == "redis://h:1/0"
    assert described("redis://user:p@ss@h:1/0") == "redis://h:1/0"


def test_addresses_begin_with_the_prefix(make: Any) -> None:
    bus = make(prefix="mine:")
    bus.publish("news", "1")
    assert bus.sent == [("mine:news", b"c1:1")]


def test_messages_are_signed_and_checked(make: Any) -> None:
    bus, heard, live = make(secrets=["new", "old"]), [], threading.Event()
    bus.subscribe("news", heard.append, live.set)
    assert live.wait(5)
    bus.server.say("cable:news", "unsigned")
    bus.publish("news", "signed")
    while not heard:
        live.wait(0.01)
    assert (heard, bus.dropped) == (["signed"], 1)
    assert len(bus.sent[0][1]) == len("c1") + 64 + len(":signed")


def test_who_publishes_is_told_why_it_failed(make: Any) -> None:
    bus = make()
    bus.down = True
    with pytest.raises(BusError, match="publishing failed: down"):
        bus.publish("news", "1")


def test_who_publishes_waits_no_longer_than_the_timeout(make: Any) -> None:
    bus = make(timeout=0.05)
    bus.free.clear()
    with pytest.raises(BusError, match=r"fake://host:1/place did not answer within 0.05 s"):
        bus.publish("news", "1")


def test_with_a_buffer_a_message_that_waits_is_no_error(make: Any) -> None:
    bus = make(timeout=0.05, buffer=10)
    bus.free.clear()
    bus.publish("news", "1")
    bus.free.set()
    while not bus.sent:
        threading.Event().wait(0.01)
    assert bus.sent == [("cable:news", b"c1:1")]


def test_who_publishes_may_wait_with_an_event_of_its_own(make: Any) -> None:
    made = []

    class Event(threading.Event):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    make().publish("news", "1", Event)
    assert made[0].is_set()


def test_what_has_no_utf8_is_refused_at_once(make: Any) -> None:
    bus = make()
    with pytest.raises(UnicodeEncodeError):
        bus.publish("news", "\ud800")
    assert bus.sent == []


def test_nothing_is_connected_to_before_the_first_use(make: Any) -> None:
    bus = make()
    assert (bus.server.lines, bus.is_live, bus.is_lost, bus.subscriber_count("news")) == (0, False, False, 0)
    bus.publish("news", "1")
    assert bus.server.lines == 0
