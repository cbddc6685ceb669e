"""Pub/sub over a real Redis server."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pubsub.networked import FaultContract, Moments, NetworkContract, opened, options, run_patched, settle
from support.backends import Backend
from support.servers import free_port
from support.wire import eventually

from flask_cable.errors import BusError, ConfigError
from flask_cable.pubsub import NetworkPubSub, open_pubsub
from flask_cable.pubsub.redis import RedisPubSub
from flask_cable.pubsub.resp import PythonReader


class TestRedisPubSub(NetworkContract):
    server = "redis_server"


class TestRedisFaults(FaultContract):
    kind = "redis"


class TestWithoutHiredis(NetworkContract):
    server = "redis_server"

    @pytest.fixture(autouse=True)
    def without_hiredis(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("flask_cable.pubsub.redis.make_reader", PythonReader)


@pytest.mark.needs("gevent")
def test_all_of_it_holds_where_gevent_has_patched() -> None:
    assert run_patched(__file__, "TestRedisPubSub", "TestRedisFaults") == ""


def admin(backend: Backend, *words: str) -> Any:
    """Say something to the server as an operator would."""
    import redis

    with redis.Redis(port=backend.port) as connection:
        return connection.execute_command(*words)


def works(bus: NetworkPubSub) -> bool:
    heard: list[str] = []
    bus.subscribe("news", heard.append)
    settle(bus)
    bus.publish("news", "1")
    settle(bus)
    return heard == ["1"]


def open_now(url: str, **changes: Any) -> NetworkPubSub:
    bus = open_pubsub(url, options(**changes))
    assert isinstance(bus, NetworkPubSub)
    return bus


# What the server may do.


def test_connections_that_an_operator_kills_come_back(redis_server: Backend) -> None:
    bus, heard, moments = open_now(redis_server.url), [], Moments()
    bus.watch(moments.watcher)
    bus.subscribe("news", heard.append)
    settle(bus)
    admin(redis_server, "CLIENT", "KILL", "TYPE", "pubsub")
    eventually(lambda: len(moments) == 2, "it is lost and back")
    admin(redis_server, "CLIENT", "KILL", "TYPE", "normal")
    bus._outgoing.doubt()  # as an outage of the whole server does
    bus.publish("news", "1")
    settle(bus)
    assert heard == ["1"]
    bus.stop()


def test_who_reads_too_slowly_for_the_server_is_cut_off_and_comes_back() -> None:
    with Backend("redis", "--client-output-buffer-limit", "pubsub 1mb 512kb 1") as backend:
        bus, moments, held, go_on = open_now(backend.url), Moments(), threading.Event(), threading.Event()
        bus.watch(moments.watcher)

        def hold(message: str) -> None:
            held.set()
            assert go_on.wait(20)

        bus.subscribe("news", hold)
        settle(bus)
        bus.publish("news", "1")
        assert held.wait(10)
        for _ in range(40):
            bus.publish("news", "x" * 500_000)
        go_on.set()
        eventually(lambda: len(moments) == 2, "it is lost and back")
        settle(bus)
        bus.stop()


def test_a_channel_that_may_not_be_used_fails_alone(redis_server: Backend) -> None:
    admin(redis_server, "ACL", "SETUSER", "half", "on", ">pass", "+@all", "~*", "resetchannels", "&ok:*")
    url = redis_server.url.replace("redis://", "redis://half:pass@")
    bus, heard = open_now(url, prefix="ok:"), []
    bus.subscribe("news", heard.append)
    settle(bus)
    refused: list[Any] = []
    bus._outgoing.post("elsewhere", b"c1:1", refused.append)
    bus.publish("news", "2")
    settle(bus)
    assert heard == ["2"]
    assert "the server refused a message" in str(refused[0])
    bus.stop()


def test_a_stream_that_may_not_be_heard_is_an_outage_that_says_why(redis_server: Backend) -> None:
    admin(redis_server, "ACL", "SETUSER", "half", "on", ">pass", "+@all", "~*", "resetchannels", "&ok:*")
    bus, moments = (
        open_now(redis_server.url.replace("redis://", "redis://half:pass@"), prefix="no:"),
        Moments(),
    )
    bus.watch(moments.watcher)
    bus.subscribe("news", print)
    eventually(lambda: moments, "it is told")
    assert "NOPERM" in str(moments[0])
    assert "pass@" not in str(moments[0])
    bus.stop()


@pytest.mark.parametrize("login", [":wrong@", "nobody:wrong@"])
def test_a_wrong_password_is_said_and_not_shown(redis_server: Backend, login: str) -> None:
    bus = open_now(redis_server.url.replace("redis://", f"redis://{login}"))
    with pytest.raises(BusError) as caught:
        bus.publish("news", "1")
    assert "wrong@" not in str(caught.value)
    assert "wrong" not in bus.name
    bus.stop()


def test_what_others_publish_is_dropped_and_survived(redis_server: Backend) -> None:
    bus, heard = open_now(redis_server.url), []
    bus.subscribe("news", heard.append)
    settle(bus)
    for text in ("garbage", "", "c1", "\x80\x04K\x01.", "c2:x"):
        admin(redis_server, "PUBLISH", bus.address("news"), text)
    bus.publish("news", "1")
    settle(bus)
    assert (heard, bus.dropped) == (["1"], 5)
    bus.stop()


def test_the_server_is_asked_once_whatever_the_number_of_subscribers(redis_server: Backend) -> None:
    bus = open_now(redis_server.url)
    for _ in range(5):
        bus.subscribe("news", print)
    settle(bus)
    assert admin(redis_server, "PUBSUB", "NUMSUB", bus.address("news"))[1] == 1
    bus.stop()


def test_at_the_end_nothing_is_left_at_the_server(redis_server: Backend) -> None:
    before = len(admin(redis_server, "CLIENT", "LIST").splitlines())
    bus = open_now(redis_server.url)
    assert works(bus)
    bus.stop()
    eventually(
        lambda: len(admin(redis_server, "CLIENT", "LIST").splitlines()) <= before, "its connections are gone"
    )


# Where the server is.


def test_a_unix_socket(tmp_path: Path) -> None:
    place = tmp_path / "redis.sock"
    with Backend("redis", "--unixsocket", str(place)):
        for bus in opened(f"unix://{place}?db=1", options()):
            assert works(bus)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    import subprocess

    place = tmp_path_factory.mktemp("redis-tls")
    files = (place / "certificate.pem", place / "key.pem")
    kind = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command = ["openssl", "req", *kind, *names, "-out", files[0], "-keyout", files[1]]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return files


def test_tls(certificate: tuple[Path, Path]) -> None:
    port, (public, private) = free_port(), certificate
    tls = [
        "--tls-port",
        port,
        "--tls-cert-file",
        public,
        "--tls-key-file",
        private,
        "--tls-auth-clients",
        "no",
    ]
    with Backend("redis", *map(str, tls)):
        for bus in opened(f"valkeys://localhost:{port}?ssl_ca_certs={public}", options()):
            assert works(bus)
        for bus in opened(f"rediss+cluster://localhost:{port}?ssl_ca_certs={public}", options()):
            assert works(bus)
        for bus in opened(f"rediss://localhost:{port}?ssl_ca_certs={public}", options()):
            assert works(bus)
            heard: list[str] = []
            bus.subscribe("large", heard.append)
            settle(bus)
            for number in range(20):  # more than one TLS record each
                bus.publish("large", f"{number}" * 100_000)
            settle(bus)
            assert [message[:1] for message in heard] == [f"{number}"[:1] for number in range(20)]
        for bus in opened(f"rediss://localhost:{port}", options()):
            with pytest.raises(BusError, match="certificate"):
                bus.publish("news", "1")


def test_valkey_is_the_same(redis_server: Backend) -> None:
    for bus in opened(redis_server.url.replace("redis://", "valkey://"), options()):
        assert works(bus)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("valkey://u:p@h:1/2", "redis://u:p@h:1/2"),
        ("valkeys://h:1/2?ssl_check_hostname=false", "rediss://h:1/2?ssl_check_hostname=false"),
        ("valkey+cluster://a:1", "redis+cluster://a:1"),
        ("valkeys+cluster://a:1", "rediss+cluster://a:1"),
        ("Valkey+Cluster://a:1", "redis+cluster://a:1"),
    ],
)
def test_valkeys_names_mean_the_same(name: str, other: str) -> None:
    connections = []
    for url in (name, other):
        bus = open_pubsub(url)
        assert isinstance(bus, RedisPubSub)
        connections.append(bus._places()[0]())
    assert type(connections[0]) is type(connections[1])
    for attribute in ("host", "port", "db", "username", "password"):
        assert getattr(connections[0], attribute) == getattr(connections[1], attribute)


def test_a_cluster_is_reached_through_any_of_its_nodes() -> None:
    with Backend("redis", "--cluster-enabled", "yes", "--cluster-port", str(free_port())) as backend:
        admin(backend, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        eventually(lambda: b"cluster_state:ok" in _info(backend), "the cluster is ready")
        for bus in opened(f"redis+cluster://127.0.0.1:1,127.0.0.1:{backend.port}", options()):
            assert works(bus)


def _info(backend: Backend) -> bytes:
    found = admin(backend, "CLUSTER", "INFO")
    return found if isinstance(found, bytes) else repr(found).replace("'", "").replace(": ", ":").encode()


@pytest.fixture
def sentinel(tmp_path: Path) -> Iterator[tuple[Backend, Backend, str]]:
    """Yield a primary, its replica, and the URL of a sentinel that watches over them."""
    with (
        Backend("redis") as primary,
        Backend("redis", "--replicaof", "127.0.0.1", str(primary.port)) as replica,
    ):
        conf = tmp_path / "sentinel.conf"
        conf.write_text(
            f"sentinel monitor main 127.0.0.1 {primary.port} 1\n"
            "sentinel down-after-milliseconds main 300\n"
            "sentinel failover-timeout main 2000\n"
        )
        with Backend("redis", program=(str(conf), "--sentinel")) as guard:
            eventually(lambda: _knows_replica(guard), "the sentinel knows the replica")
            yield primary, replica, f"redis+sentinel://127.0.0.1:1,127.0.0.1:{guard.port}/main/0"


def _knows_replica(guard: Backend) -> bool:
    return bool(admin(guard, "SENTINEL", "REPLICAS", "main"))


def test_sentinels_say_where_the_primary_is_and_where_it_has_gone(
    sentinel: tuple[Backend, Backend, str],
) -> None:
    primary, replica, url = sentinel
    for other in opened(url.replace("redis+", "valkey+"), options()):
        assert works(other)
    for other in opened(url.replace("/main", "/mian"), options()):
        with pytest.raises(BusError, match=r"no sentinel of 127\.0\.0\.1:1,.* knows a primary 'mian'$"):
            other.publish("news", "1")
    bus, moments = open_now(url), Moments()
    assert works(bus)
    bus.watch(moments.watcher)
    primary.kill()
    eventually(lambda: len(moments) >= 2 and bus.is_live, "it follows", deadline=30)
    assert works(bus)
    assert admin(replica, "ROLE")[0] in (b"master", "master")
    bus.stop()


# What may be wrong with a URL.


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://localhost:port/0", "port"),
        ("redis://localhost?socket_timeout=soon", "socket_timeout"),
        ("redis://localhost?no_such_option=1", "no_such_option"),
        ("redis+sentinel://localhost:port/main", "'port' is no port"),
    ],
)
def test_a_wrong_url_is_said_at_once(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        open_pubsub(url)


def test_a_missing_library_is_said_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ConfigError, match=r"pip install 'Flask-Cable\[redis\]'"):
        open_pubsub("redis://localhost")


def test_nothing_is_connected_to_before_the_first_use() -> None:
    bus = open_pubsub("redis://127.0.0.1:1")
    assert isinstance(bus, RedisPubSub)
    assert (bus.is_live, bus.is_lost, bus.name) == (False, False, "redis://127.0.0.1:1")
    bus.stop()
