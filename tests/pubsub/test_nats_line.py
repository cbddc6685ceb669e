"""One connection to a real NATS server: logins, certificates, several servers, and its end."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pubsub.networked import opened, options, settle
from support.backends import Backend
from support.servers import free_port
from support.wire import eventually

from flask_cable.errors import ConfigError
from flask_cable.pubsub.nats_line import NatsLine, read_url
from flask_cable.pubsub.nats_thread import NatsThread

pytest.importorskip("nats")


@pytest.fixture
def thread() -> Iterator[NatsThread]:
    thread = NatsThread()
    yield thread
    thread.stop()


async def nothing() -> str:
    return "nothing"


# URLs.


def test_logins_are_read() -> None:
    assert read_url("nats://u%40x:p%3Aw@h:1").options == {"user": "u@x", "password": "p:w"}
    assert read_url("nats://to%20ken@h").options == {"token": "to ken"}
    assert read_url("nats://h").options == {}
    assert read_url("nats://h?credentials=/a&nkey=/b").options == {
        "user_credentials": "/a",
        "nkeys_seed": "/b",
    }


def test_servers_are_read_without_the_login() -> None:
    assert read_url("nats://u:p@a:1,b:2").servers == ["nats://a:1", "nats://b:2"]
    assert read_url("nats://[::1]:4222").servers == ["nats://[::1]:4222"]


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"CABLE_URL: NATS knows no option reconnect; there are ca, cert"):
        read_url("nats://h?reconnect=1")
    for host in ("", "h:port", "a:1,", "h:0", "h:99999"):
        with pytest.raises(ConfigError, match=r"CABLE_URL: '.*' is no host:port of a NATS server"):
            read_url(f"nats://{host}")
    with pytest.raises(ConfigError, match=r"CABLE_URL: a file cannot be read: .*No such file"):
        read_url(f"tls://h?ca={tmp_path}/none.pem")


# Connecting.


def test_it_says_why_it_ended(thread: NatsThread, nats_server: Backend) -> None:
    changed = threading.Event()
    line = NatsLine(thread, read_url(nats_server.url), 5.0, changed.set)
    assert line.call(nothing) == "nothing"
    assert line.ended is None
    nats_server.restart()
    assert changed.wait(5)
    eventually(lambda: line.ended, "it has ended")
    line.close()
    line.close()


def test_the_next_server_is_tried(thread: NatsThread, nats_server: Backend) -> None:
    for _ in range(4):  # they are tried in any order
        url = f"nats://127.0.0.1:{free_port()},127.0.0.1:{nats_server.port}"
        line = NatsLine(thread, read_url(url), 5.0)
        line.close()


def test_who_is_not_there_is_told_at_once(thread: NatsThread) -> None:
    with pytest.raises(ConnectionError, match=r"refused|Connect call failed"):
        NatsLine(thread, read_url(f"nats://127.0.0.1:{free_port()}"), 30.0)


def test_a_password_opens() -> None:
    with Backend("nats", "--user", "cable", "--pass", "open sesame") as backend:
        place = f"127.0.0.1:{backend.port}"
        thread = NatsThread()
        for login in ("", "cable:wrong@", "token@"):
            with pytest.raises(ConnectionError, match=r"(?i)authorization|as for a wrong password"):
                NatsLine(thread, read_url(f"nats://{login}{place}"), 5.0)
        thread.stop()
        for bus in opened(f"nats://cable:open%20sesame@{place}", options()):
            heard: list[str] = []
            bus.subscribe("news", heard.append)
            settle(bus)
            bus.publish("news", "1")
            settle(bus)
            assert heard == ["1"]


@pytest.mark.needs("openssl")
def test_a_certificate_is_checked(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    kind = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost"]
    command = ["openssl", "req", *kind, *names, "-out", cert, "-keyout", key]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    with Backend("nats", "--tls", "--tlscert", str(cert), "--tlskey", str(key)) as backend:
        for scheme in ("tls", "nats"):
            for bus in opened(f"{scheme}://localhost:{backend.port}?ca={cert}", options()):
                bus.publish("news", "1")
                settle(bus)
        thread = NatsThread()
        for url in (f"tls://localhost:{backend.port}", f"tls://127.0.0.1:{backend.port}?ca={cert}"):
            with pytest.raises(ConnectionError, match=r"(?i)certificate"):
                NatsLine(thread, read_url(url), 5.0)
        thread.stop()
