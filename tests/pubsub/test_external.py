"""Pub/sub over a client that the application brings keeps the contract, whatever the client does."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pubsub.networked import settle
from pubsub.test_base import PubSubContract
from support.wire import eventually

from flask_cable.errors import BusError, ConfigError
from flask_cable.pubsub import BusOptions, ExternalPubSub, MemoryStore, PubSub, Watcher, listening


class Server:
    """What several clients share."""

    def __init__(self) -> None:
        self.numbers = itertools.count()
        self.callbacks: dict[int, tuple[str, Callable[[Any], Any]]] = {}
        self.guard = threading.RLock()
        self.up = True


class Client:
    """A networked client as somebody may have written it: ids count from 0, errors are its own."""

    def __init__(self, server: Server | None = None, kind: Callable[[str], Any] = str) -> None:
        self.server = server or Server()
        self.kind = kind
        self.closed = 0

    def subscribe(self, stream: str, callback: Callable[[Any], Any]) -> int:
        self._ask()
        with self.server.guard:
            number = next(self.server.numbers)
            self.server.callbacks[number] = (stream, callback)
            return number

    def unsubscribe(self, number: int) -> object:
        self._ask()
        with self.server.guard:
            return self.server.callbacks.pop(number, None)

    def publish(self, stream: str, message: str) -> None:
        self._ask()
        assert isinstance(message, str)
        with self.server.guard:
            for name, callback in list(self.server.callbacks.values()):
                if name == stream:
                    callback(self.kind(message))

    def _ask(self) -> None:
        if not self.server.up:
            raise OSError("the line is dead")

    def close(self) -> None:
        self.closed += 1
        raise OSError("closed already")


class TestExternalPubSub(PubSubContract):
    @pytest.fixture
    def bus(self) -> Iterator[PubSub]:
        bus = ExternalPubSub(Client())
        yield bus
        bus.stop()

    @pytest.fixture
    def other(self, bus: ExternalPubSub) -> Iterator[PubSub]:
        other = ExternalPubSub(Client(bus._client.server))  # type: ignore[attr-defined]
        yield other
        other.stop()

    def settle(self, bus: Any) -> None:
        settle(bus)


def test_a_stream_is_subscribed_to_once_and_left_with_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client()
    bus = ExternalPubSub(client)
    numbers = [bus.subscribe("news", print) for _ in range(3)]
    settle(bus)
    assert [name for name, _ in client.server.callbacks.values()].count("news") == 1
    for number in numbers:
        bus.unsubscribe(number)
    settle(bus)
    eventually(lambda: "news" not in [name for name, _ in client.server.callbacks.values()], "it is left")
    bus.stop()


def test_a_client_may_speak_bytes() -> None:
    bus, heard = ExternalPubSub(Client(kind=str.encode)), []
    bus.subscribe("news", heard.append)
    settle(bus)
    bus.publish("news", "\u00e9")
    settle(bus)
    assert heard == ["\u00e9"]
    bus.stop()


def test_what_publish_raises_reaches_who_published() -> None:
    client = Client()
    bus = ExternalPubSub(client)
    client.server.up = False
    with pytest.raises(BusError, match="the line is dead"):
        bus.publish("news", "1")
    bus.stop()


def test_what_subscribe_raises_is_an_outage_that_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "FIRST", 0.01)
    client, told, heard = Client(), [], []
    bus = ExternalPubSub(client, BusOptions(timeout=2.0))
    bus.watch(Watcher(lambda error: told.append(str(error)), lambda seconds: told.append("back")))
    client.server.up = False
    bus.subscribe("news", heard.append)
    eventually(lambda: bus.is_lost, "it is lost")
    client.server.up = True
    eventually(lambda: bus.is_live, "it is back")
    bus.publish("news", "1")
    eventually(lambda: heard, "messages come")
    assert told == ["external://Client: the line is dead", "back"]
    bus.stop()


def test_at_the_end_it_leaves_all_streams_and_closes_the_client() -> None:
    client = Client()
    bus = ExternalPubSub(client)
    bus.subscribe("news", print)
    settle(bus)
    bus.stop()
    assert (client.server.callbacks, client.closed) == ({}, 1)


def test_a_store_has_to_be_brought_too() -> None:
    store = MemoryStore()
    assert ExternalPubSub(Client(), store=store).store is store
    with pytest.raises(ConfigError, match="store="):
        _ = ExternalPubSub(Client()).store


def test_silence_is_no_outage() -> None:
    bus = ExternalPubSub(Client(), BusOptions(prefix="", timeout=0.05))
    told: list[Any] = []
    bus.watch(Watcher(told.append, told.append))
    bus.subscribe("news", print)
    eventually(lambda: bus.is_live, "it is live")
    threading.Event().wait(0.3)  # many times its patience
    assert (bus.is_live, told) == (True, [])
    bus.stop()
