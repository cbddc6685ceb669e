"""Pub/sub over a real NATS server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pubsub.networked import FaultContract, NetworkContract, opened, options, run_patched, settle
from support.backends import Backend
from support.wire import eventually

from flask_cable.errors import BusError, ConfigError
from flask_cable.pubsub import BusOptions, NetworkPubSub, Watcher
from flask_cable.pubsub import nats as adapter
from flask_cable.pubsub.nats import NatsListener, NatsPubSub


class TestNatsPubSub(NetworkContract):
    server = "nats_server"


class TestNatsFaults(FaultContract):
    kind = "nats"


@pytest.mark.needs("gevent")
def test_all_of_it_holds_where_gevent_has_patched() -> None:
    assert run_patched(__file__, "TestNatsPubSub", "TestNatsFaults") == ""


@pytest.fixture
def bus(nats_server: Backend) -> Iterator[NetworkPubSub]:
    yield from opened(nats_server.url, options())


@pytest.fixture
def heard(bus: NetworkPubSub) -> list[str]:
    heard: list[str] = []
    bus.subscribe("news", heard.append)
    settle(bus)
    return heard


@pytest.fixture
def told(bus: NetworkPubSub) -> list[object]:
    told: list[object] = []
    bus.watch(Watcher(told.append, told.append))
    return told


def test_a_missing_library_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nats.aio.client", None)
    with pytest.raises(ConfigError, match=r"CABLE_URL: NATS needs .*Flask-Cable\[nats\]"):
        NatsPubSub("nats://x")


# Names.


def addresses(prefix: str, *streams: str) -> list[str]:
    bus = NatsPubSub("nats://x", BusOptions(prefix=prefix))
    return [bus.address(stream) for stream in streams]


def test_a_subject_is_called_as_its_stream_where_that_is_possible() -> None:
    assert addresses("cable:", "Room:7") == ["cable:Room:7"]
    assert addresses("cable.", "a.b", "*", ">", "a b", "%2E", "\u00e9", "") == [
        *("cable.a%2Eb", "cable.%2A", "cable.%3E", "cable.a%20b", "cable.%252E", "cable.%C3%A9", "cable.%")
    ]


def test_long_names_are_hashed_and_are_no_others() -> None:
    hashed, *others = addresses("", "x" * 501, "x" * 500, "#" + "0" * 32)
    assert (len(hashed), hashed[0]) == (33, "#")
    assert hashed not in others
    assert others[0] == "x" * 500


@pytest.mark.parametrize("prefix", ["a b.", "*.", "a.>", ".a", "a..b", "$SYS."])
def test_a_prefix_that_no_subject_may_have_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigError, match="CABLE_PREFIX="):
        NatsPubSub("nats://x", BusOptions(prefix=prefix))


# Payloads.


def test_what_is_larger_than_the_server_takes_arrives(tmp_path: Path) -> None:
    config = tmp_path / "nats.conf"
    config.write_text("max_payload: 2000\n")
    with Backend("nats", "-c", str(config)) as backend:
        for bus in opened(backend.url, options(secrets=["secret"])):
            heard: list[str] = []
            bus.subscribe("news", heard.append)
            settle(bus)
            sent = [str(n) + "\u00e9" * size for n, size in enumerate((1, 950, 1000, 5000, 300_000, 2))]
            for message in sent:
                bus.publish("news", message)
            settle(bus)
            assert (heard, bus.dropped) == (sent, 0)


@pytest.mark.parametrize("data", [b"", b"c1:1", b"+", b"@1", b"+c2:1"])
def test_what_others_publish_is_dropped(bus: NetworkPubSub, heard: list[str], data: bytes) -> None:
    listener = bus.listen()
    assert isinstance(listener, NatsListener)

    async def publish() -> None:
        await listener._line.client.publish(bus.address("news"), data)
        await listener._line.client.flush()

    listener._line.call(publish)
    settle(bus)
    assert (heard, bus.dropped) == ([], 1)
    listener.close()


# Failures.


def test_who_falls_behind_starts_anew(
    bus: NetworkPubSub, heard: list[str], told: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "BACKLOG", 1000)
    bus.publish("news", "x" * 2000)
    eventually(lambda: len(told) == 2, "it is lost and found")
    assert "1000 bytes wait to be delivered" in str(told[0])
    monkeypatch.undo()
    bus.publish("news", "1")
    settle(bus)
    assert heard == ["1"]


def test_what_is_not_permitted_is_told(tmp_path: Path) -> None:
    config = tmp_path / "nats.conf"
    permissions = '{publish: {deny: "no.>"}, subscribe: {deny: "deaf.>"}}'
    config.write_text(f"authorization: {{users: [{{user: u, password: p, permissions: {permissions}}}]}}\n")
    with Backend("nats", "-c", str(config)) as backend:
        url = backend.url.replace("//", "//u:p@")
        for bus in opened(url, options(prefix="no.")):
            for _ in range(50):  # a flush that comes back too early would now and then know of none
                with pytest.raises(BusError, match=r'(?i)permissions violation for publish to "no\.news"'):
                    bus.publish("news", "1")
        for bus in opened(url, options(prefix="deaf.")):
            told: list[object] = []
            bus.watch(Watcher(told.append, told.append))
            bus.subscribe("news", print)
            eventually(lambda: told, "it is told")  # noqa: B023 - it is called at once
            assert 'subscription to "deaf.news"' in str(told[0]).lower()
            assert not bus.is_live


def test_many_streams_are_left_and_joined(bus: NetworkPubSub) -> None:
    heard: list[str] = []
    for _ in range(3):
        numbers = [bus.subscribe(f"news {n}", heard.append) for n in range(2500)]
        settle(bus)
        for n in (0, 1234, 2499):
            bus.publish(f"news {n}", str(n))
        settle(bus)
        for number in numbers:
            bus.unsubscribe(number)
    settle(bus)
    assert heard == ["0", "1234", "2499"] * 3
