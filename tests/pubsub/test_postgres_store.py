"""What processes share, on a real PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from pubsub.networked import opened, options
from pubsub.networked_store import NetworkStoreContract
from pubsub.test_store import LEASE, together
from support.backends import Backend

from flask_cable.errors import BusError
from flask_cable.pubsub import NetworkPubSub
from flask_cable.pubsub.postgres_connection import PostgresConnection
from flask_cable.pubsub.postgres_store import PostgresStore
from flask_cable.pubsub.postgres_tables import PARTS, Tables


class TestPostgresStore(NetworkStoreContract):
    server = "postgres_server"
    library = "psycopg"


@pytest.fixture
def bus(postgres_server: Backend) -> Iterator[NetworkPubSub]:
    yield from opened(postgres_server.url, options())


def rows(connection: PostgresConnection, bus: NetworkPubSub) -> dict[str, int]:
    """Return how many rows each table has."""
    found = {}
    for part in PARTS:
        ((count,),) = connection.run(Tables(bus.options.prefix).script(f"SELECT count(*) FROM {{{part}}}"))
        found[part] = int(count or 0)
    return found


def test_what_has_expired_is_swept_away(bus: NetworkPubSub, connection: PostgresConnection) -> None:
    store = bus.store
    for n in range(10):
        store.beat(f"node {n}", LEASE)
        store.claim(f"name {n}", f"node {n}:1")
        store.set_count("team", f"node {n}", 1)
        store.put(f"text {n}", "x", LEASE)
        store.append(f"log {n}", "x", 5, LEASE)
    assert list(rows(connection, bus).values()) == [10, 10, 10, 10, 10, 10, 0]
    tables = Tables(bus.options.prefix)
    for part in ("leases", "texts", "logs"):
        connection.run(tables.script(f"UPDATE {{{part}}} SET until = until - interval '1 hour'"))
    bus.store.beat("last", LEASE)
    assert rows(connection, bus)["names"] == 10, "not before so many seconds have passed"
    for another in opened(bus.url, bus.options):
        another.store.beat("last", LEASE)
    assert list(rows(connection, bus).values()) == [1, 0, 0, 0, 0, 0, 0]


def test_a_sweep_that_fails_is_no_beat_that_fails(
    bus: NetworkPubSub, connection: PostgresConnection, caplog: pytest.LogCaptureFixture
) -> None:
    bus.store.get("k")
    connection.run(Tables(bus.options.prefix).script("ALTER TABLE {logs} RENAME COLUMN until TO till"))
    assert not bus.store.beat("a", LEASE)
    assert bus.store.beat("a", LEASE)
    assert "what has expired stays for now" in caplog.text


def test_many_processes_make_the_tables_at_once(postgres_server: Backend) -> None:
    plan = options()
    stores = [PostgresStore(postgres_server.url, "it", plan.prefix) for _ in range(8)]
    assert together(partial(store.beat, "a", LEASE) for store in stores).count(False) == 1
    for store in stores:
        store.stop()


def test_tables_that_were_dropped_are_made_again(bus: NetworkPubSub, connection: PostgresConnection) -> None:
    bus.store.put("k", "text", LEASE)
    connection.run(Tables(bus.options.prefix).script("DROP TABLE {texts}"))
    assert bus.store.get("k") is None


def test_a_schema_may_be_named(postgres_server: Backend, connection: PostgresConnection) -> None:
    connection.run("CREATE SCHEMA IF NOT EXISTS elsewhere")
    plan = options()
    for bus in opened(f"{postgres_server.url}?options=-csearch_path%3Delsewhere", plan):
        bus.store.put("k", "text", LEASE)
        assert connection.run(Tables(plan.prefix).script("SELECT count(*) FROM elsewhere.{texts}")) == [
            (b"1",)
        ]


def test_who_may_not_make_tables_is_told(postgres_server: Backend, connection: PostgresConnection) -> None:
    connection.run("CREATE ROLE poor LOGIN")
    for bus in opened(postgres_server.url.replace("cable@", "poor@"), options()):
        with pytest.raises(BusError, match="permission denied for schema public"):
            bus.store.beat("a", LEASE)
    connection.run("DROP ROLE poor")
