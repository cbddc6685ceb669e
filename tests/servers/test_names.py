"""Names and groups of a cluster: two workers and a server that they share, and a worker that dies."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from support.backends import Backend
from support.parts import require
from support.servers import KINDS, Server
from support.wire import Wire, eventually

APP = "support.apps.messengers:create_app()"
LEASE = 2.0
ENV = {
    "FLASK_CABLE_LEASE_SECONDS": str(LEASE),
    "FLASK_CABLE_STALE_AFTER": "60",
    "FLASK_CABLE_GROUPS_PER_CONNECTION": "20000",
    "FLASK_CABLE_DRAIN_SECONDS": "0.5",
}
CLUSTERS = {
    "gevent, Redis": ("gunicorn-gevent", "redis"),
    "gthread, Redis": ("gunicorn-gthread", "redis"),
    "gevent, PostgreSQL": ("gunicorn-gevent", "postgres"),
    "gevent, NATS": ("gunicorn-gevent", "nats"),
}


class Messenger:
    """One peer, and the worker that serves it."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        answer = wire.ask("/ws", {"Sec-WebSocket-Protocol": None})
        assert answer.status == 101, answer
        self.pid: int = wire.hear()["pid"]
        self.heard: list[Any] = []

    def ask(self, do: str, **fields: Any) -> Any:
        """Give a command, and return the answer; server messages that come before it are kept."""
        self.wire.say(do=do, **fields)
        while "done" not in (said := self.wire.hear()):
            self.heard.append(said["heard"])
        return said["done"]

    def hear(self, count: int) -> list[Any]:
        """Wait until so many server messages have come in all."""
        while len(self.heard) < count:
            self.heard.append(self.wire.hear()["heard"])
        return self.heard


class Cluster:
    """Two workers, and their peers."""

    def __init__(self, name: str, server: Server, stack: ExitStack) -> None:
        self.many = 10_000 if name == "gevent, Redis" else 500
        self.rounds = 100 if name.endswith("Redis") else 20
        self.server = server
        self._stack = stack

    def join(self) -> Messenger:
        return Messenger(self._stack.enter_context(Wire(self.server.port)))

    def join_each(self, count: int) -> list[Messenger]:
        """So many peers of one worker, and as many of the other."""
        found: dict[int, list[Messenger]] = {}
        for _ in range(500):
            one = self.join()
            if len(found.setdefault(one.pid, [])) < count:
                found[one.pid].append(one)
            else:
                one.wire.close()
            if [len(peers) for peers in found.values()] == [count, count]:
                return [peer for peers in found.values() for peer in peers]
        raise AssertionError("the second worker takes nobody")


@pytest.fixture(scope="module", params=CLUSTERS)
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    kind, shared = CLUSTERS[request.param]
    require(*KINDS[kind].parts)
    with Backend(shared) as backend, opened(request.param, kind, backend) as cluster:
        yield cluster


@contextmanager
def opened(name: str, kind: str, backend: Backend, **env: str) -> Iterator[Cluster]:
    env = {**ENV, "FLASK_CABLE_URL": backend.url, **env}
    with Server(kind, APP, args=("-w", "2", "--threads", "60"), env=env) as server, ExitStack() as stack:
        yield Cluster(name, server, stack)


def test_every_peer_messages_every_peer_by_its_name(cluster: Cluster) -> None:
    peers = cluster.join_each(5)
    assert all(peer.ask("register", name=f"peer {number}") for number, peer in enumerate(peers))
    for sender, peer in enumerate(peers):
        for receiver in range(10):
            assert peer.ask("send", to=f"peer {receiver}", message=[sender, receiver]) is True
    for receiver, peer in enumerate(peers):
        assert sorted(peer.hear(10)) == [[sender, receiver] for sender in range(10)]
    assert peers[0].ask("send", to="peer 10", message=1) is False
    for peer in peers:
        peer.wire.close()


def test_messages_of_one_sender_arrive_in_order(cluster: Cluster) -> None:
    one, other = cluster.join_each(1)
    assert one.ask("register", name="reader")
    one.ask("join", group="readers")
    for number in range(50):
        other.wire.say(do="send", to="reader", message=number)
        other.wire.say(do="publish", group="readers", message=number)
    assert one.hear(100) == [number for number in range(50) for _ in range(2)]
    one.wire.close()


def test_groups_count_the_members_of_the_cluster(cluster: Cluster) -> None:
    peers = cluster.join_each(3)
    for peer in peers:
        assert peer.ask("join", group="all")
        assert peer.ask("join", group="all")
    assert [peer.ask("members", group="all") for peer in peers] == [6] * 6
    assert peers[0].ask("publish", group="all", message="hi") == 6
    assert peers[5].ask("publish_others", group="all", message="others") == 5
    assert [peer.hear(2 - (peer is peers[5])) for peer in peers] == [["hi", "others"]] * 5 + [["hi"]]
    assert (peers[0].ask("leave", group="all"), peers[0].ask("leave", group="all")) == (True, False)
    peers[3].wire.close()
    eventually(lambda: peers[5].ask("members", group="all") == 4, "who left is not counted")
    for peer in peers:
        peer.wire.close()


def test_a_name_is_free_when_its_peer_is_gone(cluster: Cluster) -> None:
    one, other = cluster.join_each(1)
    assert one.ask("register", name="single")
    assert not other.ask("register", name="single")
    one.wire.close()
    began = time.monotonic()
    eventually(lambda: other.ask("register", name="single"), "the name is free")
    assert time.monotonic() - began < LEASE / 2
    other.wire.close()


def test_of_fifty_that_race_for_a_name_on_two_nodes_one_wins(cluster: Cluster) -> None:
    peers = cluster.join_each(25)
    for peer in peers:
        peer.ask("join", group="racers")
    for number in range(cluster.rounds):
        name = f"prize {number}"
        peers[number % 50].wire.say(do="publish", group="racers", message={"race": name})
        won = [winner_says(peer) for peer in peers]
        assert won.count(True) == 1, f"round {number}"
        assert peers[won.index(True)].ask("unregister", name=name)
    assert peers[0].ask("members", group="racers") == 50  # and nobody was harmed
    for peer in peers:
        peer.wire.close()


def winner_says(peer: Messenger) -> bool:
    while "won" not in (said := peer.wire.hear()):
        assert said == {"done": 50}
    return bool(said["won"])


def test_ten_thousand_groups_of_one_and_one_group_of_ten_thousand(cluster: Cluster) -> None:
    one, other = cluster.join_each(1)
    one.ask("join_many", count=cluster.many)
    assert other.ask("publish_many", count=cluster.many) == cluster.many
    assert one.hear(cluster.many) == list(range(cluster.many))
    for peer in (one, other):
        peer.ask("gather", count=cluster.many // 2)
    assert one.ask("publish", group="crowd", message="hi") == cluster.many
    assert other.ask("members", group="crowd") == cluster.many
    for peer in (one, other):
        eventually(lambda peer=peer: peer.ask("crowd_heard") == cluster.many // 2, "everybody has heard it")
    one.wire.close()
    other.wire.close()


def test_what_a_worker_had_that_was_killed_is_free_within_the_lease(cluster: Cluster) -> None:
    dead, alive = cluster.join_each(1)
    assert dead.ask("register", name="orphan")
    dead.ask("join", group="orphans")
    alive.ask("join", group="orphans")
    os.kill(dead.pid, signal.SIGKILL)
    killed = time.monotonic()
    assert not alive.ask("register", name="orphan")
    eventually(lambda: alive.ask("register", name="orphan"), "the name is free")
    assert time.monotonic() - killed < LEASE + 1
    assert alive.ask("members", group="orphans") == 1
    successor = cluster.join_each(1)
    assert not successor[0].ask("register", name="orphan")
    assert successor[1].ask("send", to="orphan", message="hello")
    assert alive.hear(1) == ["hello"]
    alive.wire.close()


def test_what_a_worker_had_that_ends_is_free_at_once(cluster: Cluster) -> None:
    going, staying = cluster.join_each(1)
    assert going.ask("register", name="legacy")
    os.kill(going.pid, signal.SIGTERM)
    assert going.wire.hear_close() == (1001, "server shutting down; please reconnect")
    began = time.monotonic()
    eventually(lambda: staying.ask("register", name="legacy"), "the name is free")
    assert time.monotonic() - began < LEASE / 2
    staying.wire.close()


def test_what_a_store_forgets_it_is_told_again() -> None:
    require(*KINDS["gunicorn-gevent"].parts)
    with (
        Backend("redis") as backend,
        opened("", "gunicorn-gevent", backend, FLASK_CABLE_GAP="ignore") as cluster,
    ):
        one, other = cluster.join_each(1)
        assert one.ask("register", name="survivor")
        for peer in (one, other):
            peer.ask("join", group="survivors")
        backend.restart()
        eventually(
            lambda: one.ask("publish_safely", group="survivors", message="hi") == 2, "both count again"
        )
        eventually(lambda: other.ask("send_safely", to="survivor", message="hello"), "the name is had again")
        while "hello" not in one.heard:
            one.hear(len(one.heard) + 1)
        assert not other.ask("register", name="survivor")
