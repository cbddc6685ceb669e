"""What unique names and groups have in common: keys and scopes, leases that lapse, and races with the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from core.test_connection import Wire
from core.test_handler import RecordingHandler
from core.test_lease import Away

from flask_cable.core.connection import Connection
from flask_cable.core.executor import Executor, ManualExecutor
from flask_cable.core.group import Group
from flask_cable.core.hub import Hub
from flask_cable.core.lease import Lease
from flask_cable.core.names import key_of, letter_to, named, opened
from flask_cable.core.registry import Registry
from flask_cable.core.unique import Place, Unique
from flask_cable.errors import BusError, EncodeError, NameTaken
from flask_cable.pubsub.memory import MemoryPubSub

LEASE = 15.0


def encode(value: Any) -> bytes:
    try:
        return json.dumps(value).encode()
    except TypeError as error:
        raise EncodeError(str(error)) from error


class Store(Away):
    """A store that may be away for everything."""

    def claim(self, name: str, owner: str) -> str:
        self.answer()
        return super().claim(name, owner)

    def release(self, name: str, owner: str) -> bool:
        self.answer()
        return super().release(name, owner)

    def owner(self, name: str) -> str | None:
        self.answer()
        return super().owner(name)

    def set_count(self, key: str, node: str, count: int) -> None:
        self.answer()
        super().set_count(key, node, count)


class Listening(RecordingHandler):
    """Notes the server messages of its connections, and forgets those that are gone."""

    def __init__(self, registry: Registry, executor: Executor) -> None:
        super().__init__(executor, registry=registry)

    def server_message(self, connection: Connection, message: Any) -> None:
        connection.data.setdefault("heard", []).append(message)


class Cluster:
    """What the nodes share: a pub/sub adapter, a store and, here, time."""

    def __init__(self, is_shared: bool = True) -> None:
        self.executor = ManualExecutor()
        self.bus = MemoryPubSub()
        self.store = Store(self.executor)
        self.is_shared = is_shared


class Node:
    """One process."""

    def __init__(self, cluster: Cluster, name: str = "a", names: int = 1, groups: int = 1000) -> None:
        self.executor = cluster.executor
        self.hub = Hub(cluster.bus, self.executor, name)
        self.registry = Registry(self.hub)
        self.lease = Lease(name, cluster, self.executor, LEASE)
        self.unique = Unique(self.registry, self.hub, self.lease, encode, names)
        self.group = Group(self.registry, self.hub, self.lease, encode, groups)
        self.handler = Listening(self.registry, self.executor)

    def join(self) -> Connection:
        connection = Connection(self.handler, self.registry.next_id())
        connection.attach(Wire())
        self.registry.add(connection)
        connection.handle_open()
        return connection


def heard(connection: Connection) -> list[Any]:
    found: list[Any] = connection.data.get("heard", [])
    return found


def wire(connection: Connection) -> Wire:
    transport: Any = connection.transport
    assert isinstance(transport, Wire)
    return transport


def test_a_key_says_what_it_was_made_of() -> None:
    for name, scope in (("ann", None), ("a:b", "x/y"), ("1:a", "2:b")):
        assert named(key_of("name", name, scope)) == (name, scope)


def test_a_letter_is_opened_as_it_was_closed() -> None:
    key = key_of("name", "a:1|\n", "x")
    stream, letter = letter_to("node:7", key, '{"a": "1:2"}')
    assert stream == "flask_cable/node/node"
    assert opened(letter) == (key, '{"a": "1:2"}')


@pytest.mark.parametrize(("first", "second"), [(("b", "a"), ("ab", None)), (("1:b", None), ("b", "1"))])
def test_no_name_looks_like_another_one_with_a_scope(node: Node, first: Any, second: Any) -> None:
    assert node.unique.register(first[0], node.join(), scope=first[1])
    assert node.unique.register(second[0], node.join(), scope=second[1])


@pytest.mark.parametrize("name", ["", " ", None, "flask_cable/control"])
def test_some_things_are_no_names(node: Node, name: Any) -> None:
    with pytest.raises(ValueError, match=r"name|blank"):
        node.unique.register(name, node.join())


@pytest.mark.parametrize("name", ["ключ", "a" * 5000, "a/b:c|d\ne", "\U0001f600"])
def test_a_name_is_any_text(pair: tuple[Node, Node], name: str) -> None:
    here, there = pair
    one = here.join()
    here.unique.register(name, one)
    assert there.unique.send_message(name, {"to": name})
    assert heard(one) == [{"to": name}]


def test_who_is_gone_gets_no_name(node: Node) -> None:
    one = node.join()
    one.close()
    assert node.unique.register("ann", one) is False
    assert node.group.join("all", one) is False
    assert (node.unique.whereis("ann"), node.group.members("all")) == (None, 0)


def test_what_is_no_json_is_sent_to_nobody(node: Node) -> None:
    one = node.join()
    node.unique.register("ann", one)
    node.group.join("all", one)
    with pytest.raises(EncodeError):
        node.unique.send_message("ann", object())
    with pytest.raises(EncodeError):
        node.group.publish("all", object())
    assert heard(one) == []


def test_messages_of_one_sender_arrive_in_order(pair: tuple[Node, Node]) -> None:
    here, there = pair
    one = here.join()
    here.unique.register("ann", one)
    here.group.join("all", one)
    for number in range(100):
        there.unique.send_message("ann", number)
        there.group.publish("all", number)
    assert heard(one) == [number for number in range(100) for _ in range(2)]


def test_what_belongs_to_a_connection_may_stand_for_it(node: Node) -> None:
    class Subscription:
        def __init__(self, connection: Connection) -> None:
            self.connection = connection

    one, other = Subscription(node.join()), node.join()
    assert node.unique.register("ann", one)
    assert node.group.join("all", one)
    assert node.group.join("all", other)
    assert node.unique.send_message("ann", 1)
    assert node.group.publish("all", 2, exclude=one) == 1
    assert (heard(one.connection), heard(other)) == ([1], [2])
    assert node.group.leave("all", one)
    assert node.unique.unregister("ann", one)


# When a node dies, or was out of reach.


def die(node: Node) -> None:
    """Beat no more, as after kill -9."""
    assert node.lease._timer is not None
    node.lease._timer.cancel()


def test_what_a_dead_node_had_is_free_when_its_lease_runs_out(pair: tuple[Node, Node]) -> None:
    here, there = pair
    here.unique.register("ann", here.join())
    here.group.join("all", here.join())
    die(here)
    there.executor.advance(LEASE - 1)
    other = there.join()
    with pytest.raises(NameTaken):
        there.unique.register("ann", other)
    assert there.group.members("all") == 1
    there.executor.advance(1)
    assert there.unique.send_message("ann", 1) is False
    assert there.group.members("all") == 0
    assert there.unique.register("ann", other)


def test_a_node_that_comes_back_has_its_names_and_groups_again(pair: tuple[Node, Node]) -> None:
    here, there = pair
    one = here.join()
    here.unique.register("ann", one)
    here.group.join("all", one)
    there.lease.hold()
    here.executor.now += LEASE + 1  # asleep, all of it
    assert there.unique.whereis("ann") is None
    here.executor.advance(LEASE / 3)
    assert there.unique.whereis("ann") == Place("a", one.id)
    assert there.group.members("all") == 1
    assert wire(one).told == []


def test_at_the_end_of_a_process_everything_is_free(pair: tuple[Node, Node]) -> None:
    here, there = pair
    here.unique.register("ann", here.join())
    here.group.join("all", here.join())
    here.lease.retire()
    assert (there.unique.whereis("ann"), there.group.members("all")) == (None, 0)


def test_without_the_store_nothing_is_registered() -> None:
    cluster = Cluster()
    node = Node(cluster)
    one = node.join()
    node.lease.hold()
    cluster.store.away = True
    for call in (node.unique.register, node.group.join):
        with pytest.raises(BusError):
            call("x", one)
    with pytest.raises(BusError):
        node.unique.send_message("x", 1)
    cluster.store.away = False
    assert node.unique.register("y", one)
    assert node.group.members("x") == 0
    assert node.group.publish("x", 1) == 0
    assert heard(one) == []


def test_what_the_store_could_not_be_told_it_is_told_later() -> None:
    cluster = Cluster()
    here, there = Node(cluster, "a"), Node(cluster, "b")
    one, stays = here.join(), here.join()
    here.unique.register("ann", one)
    here.unique.register("bob", stays)
    for connection in (one, stays):
        here.group.join("all", connection)
    cluster.store.away = True
    one.close()
    cluster.store.away = False
    assert there.unique.whereis("ann") == Place("a", one.id)
    assert (there.group.members("all"), here.group.members("all")) == (2, 1)
    here.executor.advance(LEASE / 3)
    assert there.unique.whereis("ann") is None
    assert there.unique.whereis("bob") == Place("a", stays.id)
    assert there.group.members("all") == 1


def test_one_process_with_memory_never_loses_a_name() -> None:
    node = Node(Cluster(is_shared=False))
    one = node.join()
    node.unique.register("ann", one)
    node.group.join("all", one)
    node.executor.now += 100_000
    with pytest.raises(NameTaken):
        node.unique.register("ann", node.join())
    assert (node.unique.send_message("ann", 1), node.group.publish("all", 2)) == (True, 1)
    assert heard(one) == [1, 2]


def test_groups_and_unique_names_do_not_meet(node: Node) -> None:
    one, other = node.join(), node.join()
    node.unique.register("x", one)
    node.group.join("x", other)
    node.unique.send_message("x", 1)
    node.group.publish("x", 2)
    assert (heard(one), heard(other)) == ([1], [2])


# What happens at the same time.


class Meanwhile(Store):
    """A store in which something happens while it is asked."""

    meanwhile: Callable[[], object] | None = None

    def happen(self) -> None:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()

    def claim(self, name: str, owner: str) -> str:
        self.happen()
        return super().claim(name, owner)

    def set_count(self, key: str, node: str, count: int) -> None:
        self.happen()
        super().set_count(key, node, count)


class MeanwhileCluster(Cluster):
    def __init__(self) -> None:
        super().__init__()
        self.store: Meanwhile = Meanwhile(self.executor)


class LateBus(MemoryPubSub):
    """Subscriptions begin when they are let."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Callable[[], object]] = []

    def subscribe(
        self, stream: str, callback: Callable[[str], object], on_live: Callable[[], object] | None = None
    ) -> int:
        if on_live is not None and not stream.endswith("control"):
            self.waiting.append(on_live)
            on_live = None
        return super().subscribe(stream, callback, on_live)


class WaitingExecutor(ManualExecutor):
    """Its events are set, or not, by what happens while somebody waits."""

    def __init__(self, happen: Callable[[], object]) -> None:
        super().__init__()
        self.happen = happen

    def event(self) -> Any:
        return _Waited(self.happen)


class _Waited:
    def __init__(self, happen: Callable[[], object]) -> None:
        self.happen = happen
        self.isset = False

    def set(self) -> None:
        self.isset = True

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.happen()
        return self.isset


def test_a_name_and_a_group_wait_until_they_can_be_sent_to() -> None:
    cluster = Cluster()
    cluster.bus = bus = LateBus()
    cluster.executor = WaitingExecutor(lambda: [ready() for ready in bus.waiting])
    node = Node(cluster)
    one = node.join()
    assert node.unique.register("ann", one)
    assert node.group.join("all", one)
    assert len(bus.waiting) == 2


def test_where_a_subscription_does_not_begin_nothing_is_registered() -> None:
    cluster = Cluster()
    cluster.bus = LateBus()
    cluster.executor = WaitingExecutor(lambda: None)
    node = Node(cluster)
    one = node.join()
    for call in (node.unique.register, node.group.join):
        with pytest.raises(BusError, match="did not subscribe within 10 s"):
            call("x", one)
    assert (node.unique.whereis("x"), node.group.members("x")) == (None, 0)
    node.executor.advance(LEASE)
    assert cluster.store.counts("group/0:x") == {}
