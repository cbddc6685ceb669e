"""What processes share, on a real Redis server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import redis
from pubsub.networked import opened, options
from pubsub.networked_store import NetworkStoreContract
from pubsub.test_store import LEASE
from support.backends import Backend
from support.servers import free_port
from support.wire import eventually

from flask_cable.errors import BusError
from flask_cable.pubsub import NetworkPubSub
from flask_cable.pubsub.redis_store import DAY


class TestRedisStore(NetworkStoreContract):
    server = "redis_server"
    library = "redis"


@pytest.fixture
def bus(redis_server: Backend) -> Iterator[NetworkPubSub]:
    yield from opened(redis_server.url, options())


@pytest.fixture
def client(redis_server: Backend) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_server.url) as client:
        yield client


def sizes(client: redis.Redis, bus: NetworkPubSub) -> list[int]:
    """Return how much is in each of the shared keys."""
    leases, terms, names, counted, owned, _ = bus.store._keys
    return [
        client.zcard(leases),
        client.hlen(terms),
        client.hlen(names),
        client.zcard(counted),
        client.zcard(owned),
    ]


def test_what_dead_nodes_left_is_swept_away(bus: NetworkPubSub, client: redis.Redis) -> None:
    store = bus.store
    for n in range(10):
        store.beat(f"node {n}", LEASE)
        for m in range(200):
            store.claim(f"name {n} {m}", f"node {n}:1")
        store.set_count("team", f"node {n}", 1)
    assert sizes(client, bus) == [10, 10, 2000, 10, 2020]
    leases = store._keys[0]
    client.zadd(leases, dict.fromkeys(client.zrange(leases, 0, -1), 0))
    store.beat("last", LEASE)
    assert sizes(client, bus)[2] > 500, "one beat removes so much and no more"
    for _ in range(3):
        store.beat("last", LEASE)
    assert sizes(client, bus) == [1, 1, 0, 0, 1]


def test_what_was_taken_over_is_not_swept_away(bus: NetworkPubSub, client: redis.Redis) -> None:
    store = bus.store
    store.beat("a", LEASE)
    store.claim("boss", "a:1")
    store.set_count("team", "a", 1)
    leases = store._keys[0]
    client.zadd(leases, dict.fromkeys(client.zrange(leases, 0, -1), 0))
    store.retire("a")
    store.beat("a", LEASE)
    store.claim("boss", "a:2")
    store.set_count("team", "a", 2)
    store.beat("a", LEASE)
    assert (store.owner("boss"), store.counts("team")) == ("a:2", {"a": 2})
    store.release("boss", "a:2")
    store.set_count("team", "a", 0)
    assert sizes(client, bus) == [1, 1, 0, 0, 1]


def test_all_is_forgotten_in_the_end(bus: NetworkPubSub, client: redis.Redis) -> None:
    bus.store.beat("a", LEASE)
    bus.store.claim("boss", "a:1")
    bus.store.beat("a", LEASE)
    assert all(
        0 < client.pttl(key) <= (DAY + LEASE * 1000) for key in client.keys(f"{{{bus.options.prefix[:-1]}}}*")
    )


def test_a_server_that_forgot_the_scripts_is_told_them_again(bus: NetworkPubSub, client: redis.Redis) -> None:
    bus.store.beat("a", LEASE)
    client.script_flush()
    assert bus.store.beat("a", LEASE)


def test_a_primary_that_was_demoted_is_left(bus: NetworkPubSub, client: redis.Redis) -> None:
    bus.store.put("k", "text", LEASE)
    client.replicaof("127.0.0.1", free_port())
    try:
        with pytest.raises(BusError, match="read only replica"):
            bus.store.put("k", "text", LEASE)
        assert bus.store._lender._idle == []
    finally:
        client.replicaof("NO", "ONE")
    bus.store.put("k", "text", LEASE)


def test_on_a_cluster_keys_are_followed_to_their_node() -> None:
    ports = [free_port(), free_port()]
    args = [("--cluster-enabled", "yes", "--cluster-port", str(port)) for port in ports]
    with Backend("redis", *args[0]) as first, Backend("redis", *args[1]) as second, ExitStack() as stack:
        clients = [stack.enter_context(redis.Redis.from_url(each.url)) for each in (first, second)]
        clients[0].execute_command("CLUSTER ADDSLOTSRANGE", 0, 8191)
        clients[1].execute_command("CLUSTER ADDSLOTSRANGE", 8192, 16383)
        clients[0].execute_command("CLUSTER MEET", "127.0.0.1", second.port, ports[1])
        eventually(lambda: all(map(is_whole, clients)), "the cluster is whole")
        for prefix in ("a:", "b:", "c:", "d:"):
            for bus in opened(f"redis+cluster://127.0.0.1:{first.port}", options(prefix=prefix)):
                bus.store.beat("a", LEASE)
                assert bus.store.claim("boss", "a:1") == bus.store.owner("boss") == "a:1"
                bus.store.put("k", prefix, LEASE)
                assert bus.store.take("k") == prefix
        assert [client.dbsize() > 0 for client in clients] == [True, True]


def is_whole(client: redis.Redis) -> bool:
    return client.execute_command("CLUSTER INFO")["cluster_state"] == "ok"
