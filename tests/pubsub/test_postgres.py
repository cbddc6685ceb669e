"""Pub/sub over a real PostgreSQL server."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest
from pubsub.networked import FaultContract, NetworkContract, opened, options, run_patched, settle
from support.backends import Backend
from support.wire import eventually

from flask_cable.errors import ConfigError
from flask_cable.pubsub import BusOptions, NetworkPubSub, Watcher, sending
from flask_cable.pubsub.postgres import LONGEST, PostgresPubSub, PostgresSender
from flask_cable.pubsub.postgres_connection import PostgresConnection
from flask_cable.pubsub.postgres_tables import Tables


class TestPostgresPubSub(NetworkContract):
    server = "postgres_server"


class TestPostgresFaults(FaultContract):
    kind = "postgres"


@pytest.mark.needs("gevent")
def test_all_of_it_holds_where_gevent_has_patched() -> None:
    assert run_patched(__file__, "TestPostgresPubSub", "TestPostgresFaults") == ""


@pytest.fixture
def bus(postgres_server: Backend) -> Iterator[NetworkPubSub]:
    yield from opened(postgres_server.url, options())


@pytest.fixture
def heard(bus: NetworkPubSub) -> list[str]:
    heard: list[str] = []
    bus.subscribe("news", heard.append)
    settle(bus)
    return heard


def kept(connection: PostgresConnection, bus: NetworkPubSub) -> int:
    """Return how many messages are in the table."""
    ((count,),) = connection.run(Tables(bus.options.prefix).script("SELECT count(*) FROM {messages}"))
    return int(count or 0)


def test_a_wrong_url_is_told_at_once() -> None:
    for url in ("postgresql://host/x?no_such=option", "postgresql://[::1", "postgresql://u:word@h%zz/x"):
        with pytest.raises(ConfigError, match=r"^CABLE_URL: ") as caught:
            PostgresPubSub(url)
        assert "word" not in str(caught.value)


def test_a_missing_library_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match=r"CABLE_URL: PostgreSQL needs .*Flask-Cable\[postgres\]"):
        PostgresPubSub("postgresql://x")


# Names.


def test_a_channel_is_called_as_its_stream_where_that_is_possible() -> None:
    bus = PostgresPubSub("postgresql://x", BusOptions(prefix="cable:"))
    assert bus.address("Room 7") == "cable:Room 7"
    for stream in ("x" * 58, "\u00e9", "a\0b", "a\nb"):
        assert len(bus.address(stream)) == 33
    assert bus.address("x" * 57) == f"cable:{'x' * 57}"


def test_no_stream_is_called_as_the_hash_of_another() -> None:
    bus = PostgresPubSub("postgresql://x", BusOptions(prefix=""))
    assert bus.address(bus.address("x" * 64)) != bus.address("x" * 64)
    assert bus.address("") == bus.address("") != ""


# Payloads.


def test_a_large_message_goes_through_the_table(
    bus: NetworkPubSub, heard: list[str], connection: PostgresConnection
) -> None:
    for size in (LONGEST - 3, LONGEST - 2, 8000, 1_000_000):
        bus.publish("news", "x" * size)
    bus.publish("news", "a\0b")
    settle(bus)
    assert [len(message) for message in heard] == [LONGEST - 3, LONGEST - 2, 8000, 1_000_000, 3]
    assert kept(connection, bus) == 4


def test_large_and_small_keep_their_order(bus: NetworkPubSub, heard: list[str]) -> None:
    sent = [str(n) + "x" * (9000 if n % 3 else 0) for n in range(60)]
    done = threading.Semaphore(0)
    for message in sent:
        bus.post("news", message, lambda error: done.release())
    assert all(done.acquire(timeout=10) for _ in sent)
    settle(bus)
    assert heard == sent


def test_large_messages_are_cleaned_up(
    bus: NetworkPubSub, heard: list[str], connection: PostgresConnection
) -> None:
    sender = bus.connect()
    assert isinstance(sender, PostgresSender)
    sender.send([(bus.address("news"), b"c1:" + b"x" * 9000)] * 3)
    sender._sweep_at = 0.0
    sender.send([(bus.address("news"), b"c1:small")])
    assert (kept(connection, bus), sender._sweep_at is None) == (3, False), "too young, so it looks again"
    connection.run(Tables(bus.options.prefix).script("UPDATE {messages} SET at = at - interval '1 hour'"))
    sender._sweep_at = 0.0
    sender.send([(bus.address("news"), b"c1:small")])
    assert (kept(connection, bus), sender._sweep_at) == (0, None)
    sender.close()


def test_who_lives_no_longer_than_its_message_cleans_up_after_those_before(
    postgres_server: Backend, bus: NetworkPubSub, connection: PostgresConnection
) -> None:
    """A cron job, or ``flask cable broadcast``: a process for each message."""
    for _ in range(5):
        for job in opened(postgres_server.url, bus.options):
            job.publish("news", "x" * 9000)
        assert kept(connection, bus) == 1
        connection.run(Tables(bus.options.prefix).script("UPDATE {messages} SET at = at - interval '1 hour'"))


def test_a_large_message_that_is_gone_is_an_outage(
    bus: NetworkPubSub, heard: list[str], connection: PostgresConnection
) -> None:
    told: list[object] = []
    bus.watch(Watcher(told.append, told.append))
    connection.run(f"NOTIFY \"{bus.address('news')}\", '0@123'")
    eventually(lambda: len(told) == 2, "it is lost and found")
    assert "gone" in str(told[0])
    bus.publish("news", "1")
    settle(bus)
    assert heard == ["1"]


def test_equal_messages_are_all_heard(bus: NetworkPubSub, heard: list[str]) -> None:
    sender = bus.connect()
    sender.send([(bus.address("news"), b"c1:again")] * 5)
    settle(bus)
    assert heard == ["again"] * 5
    sender.close()


@pytest.mark.parametrize("extra", ["", "x", "1", "1+", "x+c1:x", "1@", "1@x", "@1", "1+c1", "1@" + "9" * 30])
def test_what_others_notify_is_dropped(
    bus: NetworkPubSub, heard: list[str], connection: PostgresConnection, extra: str
) -> None:
    connection.run(f"NOTIFY \"{bus.address('news')}\", '{extra}'")
    settle(bus)
    assert (heard, bus.dropped) == ([], 1)


def test_a_database_with_few_letters_will_do(
    postgres_server: Backend, connection: PostgresConnection
) -> None:
    connection.run("CREATE DATABASE few ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    for bus in opened(postgres_server.url.replace("/postgres", "/few"), options()):
        heard: list[str] = []
        for stream in ("\u4e2d", "plain"):
            bus.subscribe(stream, heard.append)
            settle(bus)
            bus.publish(stream, "\u4e2d\u00e9\U0001f600")
            bus.store.put(stream, "\u4e2d", 60)
            assert bus.store.get(stream) == "\u4e2d"
        settle(bus)
        assert heard == ["\u4e2d\u00e9\U0001f600"] * 2


# Failures.


def test_what_the_server_refuses_harms_no_other(
    bus: NetworkPubSub, heard: list[str], connection: PostgresConnection
) -> None:
    sender = bus.connect()
    too_long = "x" * 64
    refused = sender.send(
        [(bus.address("news"), b"c1:1"), (too_long, b"c1:2"), (bus.address("news"), b"c1:3")]
    )
    settle(bus)
    assert (list(refused), heard) == ([1], ["1", "3"])
    assert "channel name too long" in str(refused[1])
    sender.close()


def test_a_session_that_is_ended_is_begun_again(
    bus: NetworkPubSub, heard: list[str], connection: PostgresConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "REST", 0.0)
    told: list[object] = []
    bus.watch(Watcher(told.append, told.append))
    ours = "SELECT pid FROM pg_stat_activity WHERE application_name = 'flask-cable'"
    connection.run(f"SELECT pg_terminate_backend(pid) FROM ({ours}) AS o WHERE pid <> pg_backend_pid()")
    eventually(lambda: len(told) == 2, "it is lost and found")
    bus.publish("news", "1")
    settle(bus)
    assert heard == ["1"]
