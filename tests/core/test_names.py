"""Unique names and groups: on one node, on several that share a store, and when that is out of reach."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from core.test_connection import Wire
from core.test_handler import RecordingHandler
from core.test_lease import Away

from flask_cable import signals
from flask_cable.core.connection import Connection
from flask_cable.core.executor import Executor, Job, ManualExecutor
from flask_cable.core.hub import Hub
from flask_cable.core.lease import Lease
from flask_cable.core.names import Group, Place, Unique
from flask_cable.core.registry import Registry
from flask_cable.errors import BusError, EncodeError, NameTaken, TooMany
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


@pytest.fixture
def node() -> Node:
    return Node(Cluster())


@pytest.fixture
def pair() -> tuple[Node, Node]:
    cluster = Cluster()
    return Node(cluster, "a"), Node(cluster, "b")


def heard(connection: Connection) -> list[Any]:
    found: list[Any] = connection.data.get("heard", [])
    return found


def wire(connection: Connection) -> Wire:
    transport: Any = connection.transport
    assert isinstance(transport, Wire)
    return transport


# Unique names.


def test_a_message_reaches_who_has_the_name(node: Node) -> None:
    one, other = node.join(), node.join()
    assert node.unique.register("ann", one)
    assert node.unique.register("bob", other)
    assert node.unique.send_message("ann", {"text": "hi"})
    assert (heard(one), heard(other)) == ([{"text": "hi"}], [])


def test_a_message_to_nobody_says_so(node: Node) -> None:
    assert node.unique.send_message("ann", 1) is False
    assert node.unique.whereis("ann") is None


def test_a_name_is_taken_until_it_is_given_back(node: Node) -> None:
    one, other = node.join(), node.join()
    node.unique.register("ann", one)
    with pytest.raises(NameTaken, match="'ann' is taken"):
        node.unique.register("ann", other)
    assert node.unique.unregister("ann", other) is False
    assert node.unique.unregister("ann", one) is True
    assert node.unique.unregister("ann", one) is False
    assert node.unique.register("ann", other)


def test_its_owner_may_register_again(node: Node) -> None:
    one = node.join()
    assert node.unique.register("ann", one)
    assert node.unique.register("ann", one)
    node.unique.send_message("ann", 1)
    assert heard(one) == [1]


def test_a_connection_has_one_name_unless_it_may_have_more() -> None:
    node = Node(Cluster())
    one = node.join()
    node.unique.register("ann", one)
    with pytest.raises(TooMany, match="CABLE_NAMES_PER_CONNECTION: connection 1 has 1 already"):
        node.unique.register("anna", one)
    node.unique.unregister("ann", one)
    assert node.unique.register("anna", one)
    several = Node(Cluster(), names=2)
    one = several.join()
    assert several.unique.register("ann", one)
    assert several.unique.register("anna", one)
    with pytest.raises(TooMany):
        several.unique.register("anne", one)


def test_a_name_that_was_taken_does_not_count_as_had(node: Node) -> None:
    one, other = node.join(), node.join()
    node.unique.register("ann", one)
    with pytest.raises(NameTaken):
        node.unique.register("ann", other)
    assert node.unique.register("bob", other)


def test_a_name_is_free_at_once_when_its_connection_is_gone(node: Node) -> None:
    one, other = node.join(), node.join()
    node.unique.register("ann", one)
    one.close()
    assert node.unique.whereis("ann") is None
    assert node.unique.send_message("ann", 1) is False
    assert node.unique.register("ann", other)


def test_a_name_is_free_even_before_the_store_was_told(node: Node) -> None:
    one, other = node.join(), node.join()
    node.unique.register("ann", one)
    node.executor._running = True  # a worker is busy: what is submitted waits
    node.registry.remove(one)
    assert node.unique.send_message("ann", 1) is False
    assert node.unique.register("ann", other)
    node.executor.run()
    assert node.unique.whereis("ann") == Place("a", other.id, other)


def test_who_is_gone_gets_no_name(node: Node) -> None:
    one = node.join()
    one.close()
    assert node.unique.register("ann", one) is False
    assert node.group.join("all", one) is False
    assert (node.unique.whereis("ann"), node.group.members("all")) == (None, 0)


def test_one_who_is_about_to_be_let_in_may_have_a_name(node: Node) -> None:
    one = Connection(node.handler, 7)
    node.registry.reserve(one)
    assert node.unique.register("ann", one)
    node.registry.remove(one)
    assert node.unique.whereis("ann") is None


def test_scopes_keep_names_apart(node: Node) -> None:
    one, other = node.join(), node.join()
    assert node.unique.register("ann", one, scope="tenant-1")
    assert node.unique.register("ann", other, scope="tenant-2")
    assert node.unique.send_message("ann", 1, scope="tenant-2")
    assert node.unique.send_message("ann", 2) is False
    assert (heard(one), heard(other)) == ([], [1])
    with pytest.raises(NameTaken, match="'ann' is taken in 'tenant-1'"):
        node.unique.register("ann", node.join(), "tenant-1")


@pytest.mark.parametrize(("first", "second"), [(("b", "a"), ("ab", None)), (("1:b", None), ("b", "1"))])
def test_no_name_looks_like_another_one_with_a_scope(node: Node, first: Any, second: Any) -> None:
    assert node.unique.register(first[0], node.join(), scope=first[1])
    assert node.unique.register(second[0], node.join(), scope=second[1])


def test_an_object_may_be_a_name(node: Node) -> None:
    class User:
        id = 7

    one = node.join()
    node.unique.register(User(), one)
    assert node.unique.send_message("User:7", 1)


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


@pytest.mark.parametrize("message", [None, True, 0, 1.5, "", "text", [], [1, [2]], {}, {"a": {"b": None}}])
def test_a_message_is_any_json(pair: tuple[Node, Node], message: Any) -> None:
    here, there = pair
    one = here.join()
    here.unique.register("ann", one)
    here.unique.send_message("ann", message)
    there.unique.send_message("ann", message)
    assert heard(one) == [message, message]


def test_what_is_no_json_is_sent_to_nobody(node: Node) -> None:
    one = node.join()
    node.unique.register("ann", one)
    node.group.join("all", one)
    with pytest.raises(EncodeError):
        node.unique.send_message("ann", object())
    with pytest.raises(EncodeError):
        node.group.publish("all", object())
    assert heard(one) == []


def test_a_message_is_nobody_elses(node: Node) -> None:
    one, other = node.join(), node.join()
    node.group.join("all", one)
    node.group.join("all", other)
    message = {"list": [1]}
    node.group.publish("all", message)
    heard(one)[0]["list"].append(2)
    assert (heard(other), message) == ([{"list": [1]}], {"list": [1]})


def test_ten_connections_message_each_other(pair: tuple[Node, Node]) -> None:
    connections = [node.join() for node in pair for _ in range(5)]
    for number, connection in enumerate(connections):
        pair[number // 5].unique.register(f"c{number}", connection)
    for sender in range(10):
        for receiver in range(10):
            assert pair[sender // 5].unique.send_message(f"c{receiver}", sender)
    assert [heard(connection) for connection in connections] == [list(range(10))] * 10


def test_where_a_name_is(pair: tuple[Node, Node]) -> None:
    here, there = pair
    one = here.join()
    here.unique.register("ann", one)
    assert here.unique.whereis("ann") == Place("a", one.id, one)
    assert there.unique.whereis("ann") == Place("a", one.id, None)
    assert here.unique.owners() == [one]


def test_a_name_of_another_node_is_taken(pair: tuple[Node, Node]) -> None:
    here, there = pair
    one, other = here.join(), there.join()
    here.unique.register("ann", one)
    with pytest.raises(NameTaken):
        there.unique.register("ann", other)
    one.close()
    assert there.unique.register("ann", other)


def test_messages_of_one_sender_arrive_in_order(pair: tuple[Node, Node]) -> None:
    here, there = pair
    one = here.join()
    here.unique.register("ann", one)
    here.group.join("all", one)
    for number in range(100):
        there.unique.send_message("ann", number)
        there.group.publish("all", number)
    assert heard(one) == [number for number in range(100) for _ in range(2)]


def test_a_message_for_one_who_went_meanwhile_is_lost(pair: tuple[Node, Node]) -> None:
    here, there = pair
    one = here.join()
    here.unique.register("ann", one)
    here.executor._running = True  # the store does not know yet
    one.close()
    assert there.unique.send_message("ann", 1) is True
    here.executor.run()
    assert heard(one) == []
    here.hub.broadcast("flask_cable/node/a", "10:name/0:ann1")
    assert there.unique.send_message("ann", 1) is False


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


def test_who_lost_a_name_meanwhile_is_told_and_nobody_else(pair: tuple[Node, Node]) -> None:
    here, there = pair
    one, bystander, other = here.join(), here.join(), there.join()
    here.unique.register("ann", one, scope="x")
    here.unique.register("bob", bystander)
    told: list[Any] = []

    def tell(sender: Any, **moment: Any) -> None:
        told.append(moment)

    here.executor.now += LEASE + 1
    assert there.unique.register("ann", other, scope="x")
    with signals.name_lost.connected_to(tell):
        here.executor.advance(LEASE / 3)
    assert told == [{"connection": one, "name": "ann", "scope": "x"}]
    assert wire(one).sent == [b"disconnect name_lost True"]
    assert wire(one).told == [(1012, "")]
    assert (wire(bystander).told, wire(other).told) == ([], [])
    assert here.unique.send_message("ann", 1, scope="x")
    assert here.unique.send_message("bob", 2)
    assert (heard(one), heard(bystander), heard(other)) == ([], [2], [1])


def test_a_node_without_a_lease_does_not_trust_what_it_remembers(pair: tuple[Node, Node]) -> None:
    here, there = pair
    one, other = here.join(), there.join()
    here.unique.register("ann", one)
    here.executor.now += LEASE + 1
    there.unique.register("ann", other)
    assert here.unique.whereis("ann") == Place("b", other.id)
    here.unique.send_message("ann", 1)
    assert (heard(one), heard(other)) == ([], [1])


def test_a_store_that_forgot_the_lease_is_told_again(node: Node) -> None:
    node.unique.register("ann", node.join())
    cluster_store: Any = node.lease.store
    cluster_store.retire("a")  # as after a restart of the server
    one = node.join()
    assert node.unique.register("bob", one)
    assert node.unique.whereis("bob") == Place("a", one.id, one)
    assert [cluster_store.owner(f"name/0:{name}") for name in ("ann", "bob")] == ["a:1", "a:2"]


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


# Groups.


def test_a_message_reaches_everybody_in_a_group(pair: tuple[Node, Node]) -> None:
    here, there = pair
    members = [here.join(), here.join(), there.join()]
    outsider = here.join()
    for node, connection in zip((here, here, there), members, strict=True):
        assert node.group.join("all", connection)
    assert here.group.publish("all", "hi") == 3
    assert there.group.members("all") == 3
    assert [heard(connection) for connection in (*members, outsider)] == [["hi"]] * 3 + [[]]


def test_who_publishes_need_not_be_a_member(node: Node) -> None:
    assert node.group.publish("all", 1) == 0
    one = node.join()
    node.group.join("all", one)
    assert node.group.publish("all", 2) == 1
    assert heard(one) == [2]


def test_joining_again_changes_nothing(node: Node) -> None:
    one = node.join()
    assert node.group.join("all", one)
    assert node.group.join("all", one)
    assert node.group.publish("all", 1) == 1
    assert heard(one) == [1]
    assert node.group.leave("all", one) is True
    assert node.group.members("all") == 0


def test_leaving_says_whether_one_was_in(node: Node) -> None:
    one = node.join()
    assert node.group.leave("all", one) is False
    node.group.join("all", one)
    assert node.group.leave("all", one) is True
    assert node.group.leave("all", one) is False
    node.group.publish("all", 1)
    assert heard(one) == []
    assert node.hub.streams == ["flask_cable/control"]


def test_one_may_be_excluded(pair: tuple[Node, Node]) -> None:
    here, there = pair
    one, other, outsider = here.join(), there.join(), here.join()
    here.group.join("all", one)
    there.group.join("all", other)
    assert here.group.publish("all", 1, exclude=one) == 1
    assert here.group.publish("all", 2, exclude=outsider) == 2
    assert (heard(one), heard(other)) == ([2], [1, 2])


def test_who_is_gone_is_in_no_group(pair: tuple[Node, Node]) -> None:
    here, there = pair
    one, other = here.join(), here.join()
    for connection in (one, other):
        here.group.join("all", connection)
        here.group.join("some", connection, scope="x")
    one.close()
    assert there.group.members("all") == 1
    assert there.group.publish("some", 1, scope="x") == 1
    other.close()
    assert there.group.members("all") == there.group.members("some", scope="x") == 0
    assert here.hub.streams == ["flask_cable/control"]


def test_groups_of_different_scopes_do_not_meet(node: Node) -> None:
    one, other = node.join(), node.join()
    node.group.join("all", one, scope="x")
    node.group.join("all", other, scope="y")
    assert node.group.publish("all", 1, scope="x") == 1
    assert node.group.publish("all", 2) == 0
    assert node.group.leave("all", one) is False
    assert (heard(one), heard(other)) == ([1], [])


def test_groups_and_unique_names_do_not_meet(node: Node) -> None:
    one, other = node.join(), node.join()
    node.unique.register("x", one)
    node.group.join("x", other)
    node.unique.send_message("x", 1)
    node.group.publish("x", 2)
    assert (heard(one), heard(other)) == ([1], [2])


def test_a_connection_is_in_so_many_groups_at_most() -> None:
    node = Node(Cluster(), groups=2)
    one = node.join()
    node.group.join("a", one)
    node.group.join("b", one)
    with pytest.raises(TooMany, match="CABLE_GROUPS_PER_CONNECTION: connection 1 has 2 already"):
        node.group.join("c", one)
    node.group.leave("a", one)
    assert node.group.join("c", one)


def test_ten_thousand_groups_of_one_and_one_of_ten_thousand(pair: tuple[Node, Node]) -> None:
    here, there = pair
    here.group._held._limit = 20_000
    one = here.join()
    for number in range(10_000):
        here.group.join(number, one)
    assert [there.group.publish(number, number) for number in range(0, 10_000, 100)] == [1] * 100
    assert heard(one) == list(range(0, 10_000, 100))
    for number in range(10_000):
        (here, there)[number % 2].group.join("all", (here, there)[number % 2].join())
    assert here.group.publish("all", "hi") == there.group.members("all") == 10_000
    everybody = [*here.registry.values(), *there.registry.values()]
    assert sum(heard(connection) == ["hi"] for connection in everybody) == 10_000
    one.close()
    assert not any(stream.startswith("flask_cable/group/0:9") for stream in here.hub.streams)


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


def test_who_goes_while_it_is_given_a_name_keeps_none() -> None:
    cluster = MeanwhileCluster()
    node = Node(cluster)
    one = node.join()
    node.executor._running = True  # what a worker does comes after the register that goes on
    cluster.store.meanwhile = one.close
    node.unique.register("ann", one)
    node.executor.run()
    assert node.unique.whereis("ann") is None
    assert node.unique.register("ann", node.join())


def test_who_goes_while_it_joins_is_in_no_group() -> None:
    cluster = MeanwhileCluster()
    node = Node(cluster)
    one = node.join()
    cluster.store.meanwhile = one.close
    assert node.group.join("all", one) is False
    assert node.group.members("all") == 0
    assert cluster.store.counts("group/0:all") == {}
    assert node.hub.streams == ["flask_cable/control"]


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


class Abroad(ManualExecutor):
    """Whoever calls is not at home."""

    def is_home(self) -> bool:
        return False

    def call_home(self, function: Job, *args: Any) -> None:
        self.submit(function, *args)


def test_from_elsewhere_a_message_goes_home_first() -> None:
    cluster = Cluster()
    cluster.executor = Abroad()
    node = Node(cluster)
    one = node.join()
    node.unique.register("ann", one)
    assert node.unique.send_message("ann", 1)
    assert heard(one) == [1]


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
