"""A session with a real PostgreSQL server, and with servers that say nothing."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from support.backends import Backend
from support.servers import free_port

from flask_cable.pubsub.postgres_connection import PostgresConnection, PostgresError, content, literal


@pytest.fixture
def connection(postgres_server: Backend) -> Iterator[PostgresConnection]:
    connection = PostgresConnection(postgres_server.url, 5.0)
    yield connection
    connection.close()


def test_the_last_statements_rows_come_back(connection: PostgresConnection) -> None:
    assert connection.run("SELECT 1; SELECT 2, NULL UNION ALL SELECT 3, 4") == [(b"2", None), (b"3", b"4")]
    assert connection.run("") == []


def test_bytes_come_back_as_they_were(connection: PostgresConnection) -> None:
    for data in (b"", b"\0'\\", bytes(range(256)), b"x" * 3_000_000):
        ((value,),) = connection.run(f"SELECT {literal(data)}")
        assert content(value) == data
    assert content(None) == b""


def test_a_script_happens_as_a_whole_or_not_at_all(connection: PostgresConnection) -> None:
    connection.run("CREATE TEMPORARY TABLE t (n int)")
    with pytest.raises(PostgresError, match="division by zero") as caught:
        connection.run("INSERT INTO t VALUES (1); SELECT 1 / 0; INSERT INTO t VALUES (2)")
    assert caught.value.state == "22012"
    assert connection.run("SELECT * FROM t") == []


def test_missing_tables_are_made(connection: PostgresConnection) -> None:
    making = "CREATE TEMPORARY TABLE made (n int)"
    assert connection.run("SELECT * FROM made", making=making) == []
    assert connection.run("SELECT * FROM made", making=making) == []
    with pytest.raises(PostgresError, match="does not exist"):
        connection.run("SELECT * FROM unmade")
    with pytest.raises(PostgresError, match="syntax"):
        connection.run("SELEKT", making=making)


def test_a_slow_answer_is_not_waited_for(connection: PostgresConnection) -> None:
    with pytest.raises(TimeoutError):
        connection.run("SELECT pg_sleep(5)", time.monotonic() + 0.05)


def test_the_server_gives_up_as_well(postgres_server: Backend) -> None:
    connection = PostgresConnection(postgres_server.url, 5.0)
    connection.run("SET statement_timeout = 50")
    with pytest.raises(PostgresError, match="statement timeout"):
        connection.run("SELECT pg_sleep(5)")
    assert connection.run("SELECT 1") == [(b"1",)]
    connection.close()


def test_who_was_hung_up_is_stale(postgres_server: Backend, connection: PostgresConnection) -> None:
    other = PostgresConnection(postgres_server.url, 5.0)
    ((pid,),) = other.run("SELECT pg_backend_pid()")
    assert not other.is_stale
    connection.run(f"SELECT pg_terminate_backend({int(pid or 0)}, 5000)")
    assert other.is_stale
    with pytest.raises((ConnectionError, PostgresError)):
        other.run("SELECT 1")
    with pytest.raises(ConnectionError):
        other.run("SELECT 1")
    assert other.is_stale
    with pytest.raises(ConnectionError):
        other.notifications()
    other.close()
    other.close()


def test_a_notification_is_heard(postgres_server: Backend, connection: PostgresConnection) -> None:
    connection.run('LISTEN "a b"')
    assert connection.notifications() == []
    connection.run("NOTIFY \"a b\", '1'; NOTIFY \"a b\", '2'")
    assert connection.notifications() == [("a b", b"1"), ("a b", b"2")]
    assert connection.encoding == "UTF8"


# Connecting.


def test_who_is_not_there_is_told_with_the_reason() -> None:
    with pytest.raises(ConnectionError, match="refused"):
        PostgresConnection(f"postgresql://127.0.0.1:{free_port()}/x", 5.0)
    with pytest.raises(OSError, match=r"resolve|known|Name"):
        PostgresConnection("postgresql://no-such-host.invalid/x", 5.0)


def test_who_may_not_enter_is_told(postgres_server: Backend) -> None:
    with pytest.raises(ConnectionError, match='role "nobody-we-know" does not exist'):
        PostgresConnection(postgres_server.url.replace("cable@", "nobody-we-know:secret@"), 5.0)


def test_a_silent_server_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        with pytest.raises(TimeoutError):
            PostgresConnection(f"postgresql://127.0.0.1:{silent.getsockname()[1]}/x", 0.2)
        assert time.monotonic() - start < 2


def test_every_host_is_tried(postgres_server: Backend) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ports = (free_port(), silent.getsockname()[1], postgres_server.port)
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        connection = PostgresConnection(f"postgresql://cable@{hosts}/postgres", 2.0)
        assert connection.run("SELECT 1") == [(b"1",)]
        connection.close()


def test_a_socket_on_this_machine_and_a_name_will_do(postgres_server: Backend) -> None:
    folder = postgres_server._home
    for url in (
        f"postgresql://cable@/postgres?host={folder}&port={postgres_server.port}",
        f"postgresql://cable@localhost:{postgres_server.port}/postgres",
        f"postgresql://cable@/postgres?hostaddr=127.0.0.1&port={postgres_server.port}",
    ):
        connection = PostgresConnection(url, 5.0)
        ((name,),) = connection.run("SHOW application_name")
        assert name == b"flask-cable"
        connection.close()
