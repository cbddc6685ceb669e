"""Several processes behind one Redis, PostgreSQL or NATS: they are one, and an outage is survived."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from servers.cluster import Cluster
from support.crowd import IDENTIFIER, Crowd
from support.servers import Server
from support.wire import Wire, eventually

from flask_cable import Publisher

BACKENDS = ["redis", "postgres", "nats"]
PEERS, BROADCASTS = 240, 60
GAP = {"type": "disconnect", "reason": "gap", "reconnect": True}
REMOTE = {"type": "disconnect", "reason": "remote", "reconnect": False}


@pytest.fixture(scope="module", params=BACKENDS)
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Yield a cluster that the tests without outages share."""
    with Cluster(request.param) as cluster:
        yield cluster


def heard_all(crowd: Crowd, numbers: list[int]) -> Callable[[], bool]:
    return lambda: all(len(peer.numbers) >= len(numbers) for peer in crowd.peers)


def test_everybody_hears_everything_once_and_in_order(cluster: Cluster) -> None:
    numbers = list(range(BROADCASTS))
    with Crowd(cluster.ports, PEERS) as crowd, Publisher(cluster.backend.url) as publisher:
        crowd.subscribe()
        for number in numbers:
            if number % 3:
                assert cluster.publish(number).status == 200
            else:
                publisher.broadcast("news", {"number": number})
            crowd.read()
        crowd.listen(heard_all(crowd, numbers), "all have heard all")
        publisher.broadcast("news", {"number": -1})  # what is there twice would come before this
        crowd.read(0.2)
        assert all(peer.numbers == numbers for peer in crowd.peers)


def test_both_servers_have_several_workers_with_peers(cluster: Cluster) -> None:
    for server in cluster.servers:
        seen: set[int] = set()
        eventually(lambda seen=seen, server=server: len(seen.add(pid_of(server)) or seen) == 2, "two answer")


def pid_of(server: Server) -> int:
    return int(server.get("/").text)


def test_one_peer_may_be_left_out(cluster: Cluster) -> None:
    with cluster.join(0, "user=1", IDENTIFIER) as sayer, cluster.join(1, "user=2", IDENTIFIER) as hearer:
        sayer.perform(IDENTIFIER, "say", number=1, exclude=True)
        sayer.perform(IDENTIFIER, "say", number=2)
        assert [hearer.hear_message(IDENTIFIER)["number"] for _ in range(2)] == [1, 2]
        assert sayer.hear_message(IDENTIFIER)["number"] == 2


def test_peers_are_disconnected_wherever_they_are_by_any_of_their_identifiers(cluster: Cluster) -> None:
    users = ["user=7&tenant=a", "user=8&tenant=a", "user=7&tenant=b", "user=9&tenant=b"]
    wires = [cluster.join(number % 2, query) for number, query in enumerate(users * 2)]
    disconnect(cluster.servers[0], user="7")
    with Publisher(cluster.backend.url) as publisher:
        publisher.disconnect({"tenant": "a", "user": 8}, reconnect=False)
    for number in (0, 1, 2, 4, 5, 6):
        assert wires[number].hear() == REMOTE
    for number in (3, 7):
        wires[number].subscribe(IDENTIFIER)  # the others are still there
    disconnect(cluster.servers[1], tenant="b")
    for wire in wires:
        wire.close()


def disconnect(server: Server, **where: str) -> None:
    assert server.post("/disconnect", {"where": where, "reconnect": False}).status == 200


def test_who_is_revoked_during_its_handshake_does_not_get_in(cluster: Cluster) -> None:
    cluster.gate.unlink(missing_ok=True)
    with Wire(cluster.ports[0]) as wire:
        wire.write(wire.request("/cable?user=13&gate"))
        eventually(cluster.gate.with_suffix(".waiting").exists, "connect has begun")
        disconnect(cluster.servers[1], user="13")
        settle(cluster)
        cluster.gate.touch()
        assert wire.answer().status == 101
        assert wire.hear() == REMOTE


def settle(cluster: Cluster) -> None:
    """Wait until what was published before has reached every process: another peer's disconnect has."""
    wires = [cluster.join(number % 2, "user=settle") for number in range(8)]
    disconnect(cluster.servers[1], user="settle")
    for wire in wires:
        assert wire.hear() == REMOTE
        wire.close()


@pytest.mark.parametrize("kind", ["gunicorn-gevent", "gunicorn-gthread", "pywsgi-unpatched"])
def test_a_broadcast_from_the_loop_or_from_a_strange_thread_does_not_wait_and_is_heard(
    kind: str, unpatched: None
) -> None:
    with Cluster("redis", kind, workers=1) as cluster, Crowd(cluster.ports, 10) as crowd:
        crowd.subscribe()
        for number in range(20):
            place = "the-loop" if number % 2 else "a-thread"
            answer = cluster.servers[0].post(f"/broadcast-from-{place}/news", {"number": number})
            assert answer.status == 200
        crowd.listen(heard_all(crowd, list(range(20))), "all have heard all")
        assert all(sorted(peer.numbers) == list(range(20)) for peer in crowd.peers)
        with cluster.backend.paused():
            begun = time.monotonic()
            for place in ("the-loop", "a-thread"):
                cluster.servers[0].post(f"/broadcast-from-{place}/news", {"number": 0})
            for _ in range(10):
                assert cluster.servers[0].get("/").status == 200
            assert time.monotonic() - begun < 1.5
        assert "Traceback" not in cluster.servers[0].log()


def test_threads_work_like_greenlets() -> None:
    with Cluster("redis", "gunicorn-gthread", workers=1) as cluster, Crowd(cluster.ports, 40) as crowd:
        crowd.subscribe()
        for number in range(40):
            assert cluster.publish(number).status == 200
        crowd.listen(heard_all(crowd, list(range(40))), "all have heard all")
        assert all(peer.numbers == list(range(40)) for peer in crowd.peers)
        with cluster.backend.paused():
            refused = cluster.publish(0)
            assert refused.status == 503
        crowd.listen(lambda: all(peer.told for peer in crowd.peers), "all are told")
        assert {reason for peer in crowd.peers for _, reason in peer.told} == {"gap"}


def test_gevent_that_patched_nothing_works_too(unpatched: None) -> None:
    with Cluster("redis", "pywsgi-unpatched") as cluster, Crowd(cluster.ports, 40) as crowd:
        crowd.subscribe()
        for number in range(40):
            assert cluster.publish(number).status == 200
        crowd.listen(heard_all(crowd, list(range(40))), "all have heard all")
        assert all(peer.numbers == list(range(40)) for peer in crowd.peers)
        with cluster.backend.paused():
            begun = time.monotonic()
            refused = cluster.publish(0)
            assert refused.status == 503
            assert time.monotonic() - begun < 4
        crowd.listen(lambda: all(peer.told for peer in crowd.peers), "all are told")


@pytest.fixture
def unpatched() -> None:
    """Know the kind of server that `rigs` adds."""
    from servers import rigs

    assert rigs.KINDS


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_connection_is_made_by_each_worker_after_the_fork(backend: str) -> None:
    """The application is imported, and broadcasts, in gunicorn's master: no worker may use what it has."""
    kind = {"redis": "gunicorn-gthread"}.get(backend, "gunicorn-gevent")
    early = {"CLUSTER_EARLY": "news"}
    with Cluster(backend, kind, args=("--preload",), env=early) as cluster, Crowd(cluster.ports, 40) as crowd:
        crowd.subscribe()
        for number in range(20):
            assert cluster.publish(number).status == 200
        crowd.listen(heard_all(crowd, list(range(20))), "all have heard all")
        assert all(peer.numbers == list(range(20)) for peer in crowd.peers)
        for server in cluster.servers:
            assert "Traceback" not in server.log()


# Outages.


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backend_that_dies_and_comes_back(backend: str) -> None:
    with Cluster(backend) as cluster, Crowd(cluster.ports, 60) as crowd:
        crowd.subscribe()
        for number in range(10):
            assert cluster.publish(number).status == 200
        crowd.listen(heard_all(crowd, list(range(10))), "all have heard the first")
        cluster.backend.kill()
        begun = time.monotonic()
        refused = cluster.publish(10)
        assert refused.status == 503
        assert float(refused.text.split()[0]) < 3
        cluster.until_health(503)
        assert time.monotonic() - begun < 10
        assert cluster.servers[0].get("/").status == 200
        assert cluster.servers[0].get("/cable/health/live").status == 200
        with Wire(cluster.ports[0]) as late:
            answer = late.ask("/cable")
            assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert not any(peer.told or peer.ended for peer in crowd.peers)
        cluster.backend.restart()
        crowd.listen(lambda: all(peer.told for peer in crowd.peers), "all are told")
        assert {reason for peer in crowd.peers for _, reason in peer.told} == {"gap"}
        cluster.until_health(200)
        crowd.forget_those_told()
        for number in range(40):
            crowd.join(number)
        crowd.subscribe()
        for number in range(10):
            assert cluster.publish(number).status == 200
        crowd.listen(heard_all(crowd, list(range(10))), "all who are new hear")
        noted = [(what, rest[0]) for _, _, what, rest in cluster.journal()]
        assert sorted({what for what, _ in noted}) == ["lost", "restored"]
        assert noted.count(noted[0]) == 4
        assert not any("postgres@" in name or "cable@" in name for _, name in noted)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backend_that_hangs(backend: str) -> None:
    with Cluster(backend, workers=1) as cluster, Crowd(cluster.ports, 20) as crowd:
        crowd.subscribe()
        with cluster.backend.paused():
            begun = time.monotonic()
            refused = cluster.publish(0)
            assert refused.status == 503
            assert time.monotonic() - begun < 4
            cluster.until_health(503)
            assert time.monotonic() - begun < 10
            assert cluster.servers[0].get("/").status == 200
        crowd.listen(lambda: all(peer.told for peer in crowd.peers), "all are told")
        cluster.until_health(200)


def test_gaps_may_be_ignored_and_broadcasts_kept_for_the_return() -> None:
    with (
        Cluster("redis", workers=1, CABLE_GAP="ignore", CABLE_BUS_BUFFER=100) as cluster,
        Crowd(cluster.ports, 10) as crowd,
    ):
        crowd.subscribe()
        assert cluster.publish(0).status == 200
        cluster.backend.kill()
        for number in range(1, 21):
            assert cluster.publish(2 * number).status == 200  # all of them from the first server
        cluster.backend.restart()
        cluster.until_health(200)
        for number in range(50, 1000, 2):
            assert cluster.publish(number).status == 200
            crowd.read(0.05)
            if all(peer.numbers and peer.numbers[-1] >= 50 for peer in crowd.peers):
                break
        assert not any(peer.told or peer.ended for peer in crowd.peers)
        for peer in crowd.peers:
            assert peer.numbers == sorted(peer.numbers)


def test_who_begins_without_a_backend_serves_and_is_not_ready() -> None:
    with Cluster("redis", workers=1) as cluster:
        cluster.backend.kill()
        with cluster.make() as server:
            eventually(lambda: server.get("/cable/health").status == 503, "it is not ready")
            state: Any = server.get("/cable/health").json()
            eventually(lambda: state_of(server) == "lost", "it knows")
            assert state["live"] is True
            assert server.get("/").status == 200
            with Wire(server.port) as wire:
                assert wire.ask("/cable").status == 503
            cluster.backend.restart()
            eventually(lambda: server.get("/cable/health").status == 200, "it is ready")
            with Wire(server.port) as wire:
                assert wire.ask("/cable").status == 101
            assert "is out of reach, and will be tried for ever" in server.log()
            assert "Traceback" not in server.log()


def state_of(server: Server) -> str:
    state: Any = server.get("/cable/health").json()
    return str(state["pubsub"]["state"])


def test_what_hooks_say_at_the_end_of_a_server_is_heard_elsewhere() -> None:
    with Cluster("redis", workers=1) as cluster, Crowd(cluster.ports[1:], 5) as crowd:
        crowd.subscribe()
        leavers = [cluster.join(0, f"user={user}", '{"channel":"FarewellChannel"}') for user in range(10)]
        begun = time.monotonic()
        cluster.servers[0].stop()
        assert time.monotonic() - begun < 6
        crowd.listen(heard_all(crowd, list(range(10))), "the others hear all")
        assert all(sorted(peer.numbers) == list(range(10)) for peer in crowd.peers)
        for wire in leavers:
            wire.close()
