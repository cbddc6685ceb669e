"""Publisher: reaches the peers of serving processes, from one that has neither Flask nor gevent."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from core.test_handler import RecordingHandler
from support.backends import Backend
from support.wire import eventually

from flask_cable import Publisher, errors
from flask_cable.core.connection import Connection
from flask_cable.core.executor import ManualExecutor
from flask_cable.core.group import Group
from flask_cable.core.hub import Hub
from flask_cable.core.lease import Lease
from flask_cable.core.registry import Registry
from flask_cable.core.unique import Unique
from flask_cable.errors import BusError, ConfigError, EncodeError
from flask_cable.pubsub import BusOptions, NetworkPubSub, open_pubsub


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    with Backend("redis") as backend:
        yield backend


class House:
    """A serving process: its hub, and who it disconnects."""

    def __init__(self, url: str, **options: Any) -> None:
        bus = open_pubsub(url, BusOptions(**options))
        assert isinstance(bus, NetworkPubSub)
        self.bus = bus
        self.hub = Hub(self.bus, ManualExecutor())
        self.registry = Registry(self.hub)
        self.heard: list[str] = []
        live = threading.Event()
        if not self.hub.listen("Post:7", self.heard.append, live.set):
            assert live.wait(5)
        eventually(lambda: self.registry.is_live, "the house is live")


@pytest.fixture
def house(backend: Backend) -> Iterator[House]:
    house = House(backend.url)
    yield house
    house.bus.stop()


class Post:
    id = 7


def test_a_broadcast_is_heard(backend: Backend, house: House) -> None:
    with Publisher(backend.url) as publisher:
        publisher.broadcast(Post(), {"text": "\u00e9"})
        publisher.broadcast("Post:7", [1, None])
        publisher.broadcast("Post:8", "to nobody")
        publisher.broadcast("Post:7", "raw", coder=Shouting())
    eventually(lambda: len(house.heard) == 3, "all are heard")
    assert house.heard == ['{"text":"\u00e9"}', "[1,null]", "RAW"]


class Shouting:
    def encode(self, value: Any) -> str:
        return str(value).upper()

    def decode(self, text: str) -> Any:
        return text


def test_pages_are_pushed_to_and_what_is_pushed_waits_for_them(backend: Backend) -> None:
    bus = open_pubsub(backend.url, BusOptions())
    heard: list[tuple[str, str]] = []
    live = [threading.Event() for _ in range(3)]
    addresses = ("flask_cable/page/Post:7", "flask_cable/pages", "flask_cable/page@digest")
    for address, event in zip(addresses, live, strict=True):
        bus.subscribe(address, partial(lambda *heard_at: heard.append(heard_at), address), event.set)
    assert all(event.wait(5) for event in live)
    with Publisher(backend.url, pages=(60, 60, 2)) as publisher:
        for n in range(3):
            publisher.push(n, Post())
        publisher.push({"a": "\u00e9"}, "a", "b*")
        publisher.push_to("digest", None, "me")
        with pytest.raises(EncodeError):
            publisher.push(object(), "a")
    eventually(lambda: len(heard) == 5, "all are heard")
    assert [message.partition("|")[2].partition("|")[2] for address, message in heard] == [
        *("0", "1", "2"),
        '["a", "b*"]\n{"a":"\u00e9"}',
        '"me"\nnull',
    ]
    assert [line.text for line in bus.store.last(addresses[0], 9)] == ["1", "2"]
    bus.stop()


def test_names_and_groups_are_reached(backend: Backend, house: House) -> None:
    lease = Lease(house.hub.node, house.bus, house.hub.executor, 15.0)
    names = (house.registry, house.hub, lease, lambda value: b"null")
    unique, group = Unique(*names), Group(*names)
    heard: list[Any] = []

    class Named(Connection):
        def server_message(self, message: Any) -> None:
            heard.append(message)

    one = Named(RecordingHandler(), 1)
    house.registry.add(one)
    assert unique.register("ann", one, scope="x")
    assert group.join(Post(), one)
    with Publisher(backend.url) as publisher:
        assert publisher.send_message("ann", {"text": "\u00e9"}, scope="x") is True
        assert publisher.send_message("ann", "to nobody") is False
        assert publisher.publish(Post(), [1]) == 1
        assert publisher.publish("Post:8", "to nobody") == 0
    eventually(lambda: len(heard) == 2, "both are heard")
    assert heard == [{"text": "\u00e9"}, [1]]


def test_peers_are_disconnected_by_their_identifiers(backend: Backend, house: House) -> None:
    told: list[tuple[Any, ...]] = []

    class Peer(Connection):
        def disconnect(self, reason: str | None = None, reconnect: bool = True, code: int = 1000) -> None:
            told.append((self.identifiers["user"], reason, reconnect))

    for user in (7, 8):
        peer = Peer(None, user, {"user": user, "tenant": "a"})  # type: ignore[arg-type]
        house.registry.add(peer)
    with Publisher(backend.url) as publisher:
        publisher.disconnect({"user": 7}, reconnect=False)
        publisher.disconnect({"tenant": "a"})
        publisher.disconnect({"user": 9})
        with pytest.raises(ValueError, match="at least one identifier"):
            publisher.disconnect({})
    eventually(lambda: len(told) == 3, "all are told")
    assert told == [(7, "remote", False), (7, "remote", True), (8, "remote", True)]


def test_prefix_and_secret_have_to_be_the_serving_processes(backend: Backend) -> None:
    house = House(backend.url, prefix="mine:", secrets=["secret"])
    for options in ({"prefix": "mine:"}, {"secret": "secret"}, {"prefix": "mine:", "secret": "other"}):
        with Publisher(backend.url, **options) as publisher:  # type: ignore[arg-type]
            publisher.broadcast("Post:7", "no")
    with Publisher(backend.url, prefix="mine:", secret=["secret", "older"]) as publisher:
        publisher.broadcast("Post:7", "yes")
    eventually(lambda: house.heard, "the right one is heard")
    assert (house.heard, house.bus.dropped) == (['"yes"'], 2)
    house.bus.stop()


def test_what_has_no_json_form_is_refused(backend: Backend, house: House) -> None:
    loop: list[Any] = []
    loop.append(loop)
    with Publisher(backend.url) as publisher:
        for value in (object(), float("nan"), {1, 2}, loop):
            with pytest.raises(EncodeError):
                publisher.broadcast("Post:7", value)
    with Publisher(backend.url, dumps=lambda value: "1") as publisher:
        publisher.broadcast("Post:7", object())
    eventually(lambda: house.heard == ["1"], "its own encoder's is heard")


def test_what_reaches_nobody_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="memory:// reaches no other process"):
        Publisher("memory://")
    with pytest.raises(ConfigError, match="no pub/sub adapter is called 'carrier-pigeon'"):
        Publisher("carrier-pigeon://coop")


def test_a_server_that_is_not_there_is_a_clear_error() -> None:
    publisher = Publisher("redis://user:secret@127.0.0.1:1/0", timeout=1)
    with pytest.raises(BusError) as caught, publisher:
        publisher.broadcast("news", 1)
    assert isinstance(caught.value, ConnectionError)
    assert isinstance(caught.value, errors.CableError)
    assert "127.0.0.1:1" in str(caught.value)
    assert "secret" not in str(caught.value)


# From a script.


@pytest.fixture(scope="module", params=["redis", "postgres", "nats"])
def server(request: pytest.FixtureRequest) -> Iterator[Backend]:
    with Backend(request.param) as server:
        yield server


@pytest.fixture
def station(server: Backend) -> Iterator[tuple[Backend, House]]:
    """Yield a server, and a house behind it."""
    house = House(server.url)
    yield server, house
    house.bus.stop()


def run(program: str, url: str, *options: str) -> None:
    """Let another process do this to a publisher; it has to end well, and to say nothing."""
    env = {"PYTHONPATH": ":".join(path for path in sys.path if path), "URL": url}
    words = [sys.executable, *options, "-c", program]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60, env=env, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


ALONE = """
import os, sys
sys.modules.update(dict.fromkeys(('flask', 'werkzeug', 'gevent', 'greenlet', 'click', 'jinja2')))
from flask_cable.publisher import Publisher
publisher = Publisher(os.environ['URL'])
publisher.broadcast('Post:7', 'from a script')
publisher.broadcast('Post:7', 'x' * 10_000)
publisher.disconnect({'user': 7})
"""

PATCHED = """
from gevent import monkey; monkey.patch_all()
import gevent, os
from flask_cable import Publisher
publisher = Publisher(os.environ['URL'])
jobs = [gevent.spawn(publisher.broadcast, 'Post:7', n) for n in range(50)]
gevent.joinall(jobs, raise_error=True)
publisher.close()
"""

FORKED = """
import os, threading, time
from flask_cable import Publisher
publisher = Publisher(os.environ['URL'])
publisher.broadcast('Post:7', 'parent')
publisher.send_message('nobody', 1)
pid = os.fork()
who = 'parent' if pid else 'child'
jobs = [threading.Thread(target=publisher.broadcast, args=('Post:7', who)) for _ in range(4)]
for job in jobs: job.start()
for job in jobs: job.join()
publisher.send_message('nobody', 1)
publisher.close()
if not pid: os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
"""

PATCHED_FORKED = "from gevent import monkey; monkey.patch_all()\n" + FORKED


def test_a_script_needs_nothing_else(station: tuple[Backend, House]) -> None:
    backend, house = station
    run(ALONE, backend.url, "-W", "error")
    eventually(lambda: len(house.heard) == 2, "both are heard")
    assert house.heard == ['"from a script"', f'"{"x" * 10_000}"']


@pytest.mark.needs("gevent")
def test_a_script_under_gevent_needs_nothing_else(station: tuple[Backend, House]) -> None:
    backend, house = station
    run(PATCHED, backend.url)
    eventually(lambda: len(house.heard) == 50, "all are heard")
    assert sorted(map(int, house.heard)) == list(range(50))


@pytest.mark.parametrize("program", [FORKED, pytest.param(PATCHED_FORKED, marks=pytest.mark.needs("gevent"))])
def test_it_may_be_made_before_a_fork(station: tuple[Backend, House], program: str) -> None:
    backend, house = station
    run(program, backend.url, "-W", "ignore::DeprecationWarning")  # Python 3.12: of a fork beside threads
    eventually(lambda: len(house.heard) == 9, "all are heard")
    assert sorted(house.heard) == ['"child"'] * 4 + ['"parent"'] * 5
