"""Unique: a name has one owner in the cluster, who is found and sent to from everywhere."""

from __future__ import annotations

from typing import Any

import pytest
from core.test_names import LEASE, Cluster, MeanwhileCluster, Node, heard, wire

from flask_cable import signals
from flask_cable.core.connection import Connection
from flask_cable.core.executor import Job, ManualExecutor
from flask_cable.core.unique import Place
from flask_cable.errors import BusError, NameTaken, TooMany


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


def test_an_object_may_be_a_name(node: Node) -> None:
    class User:
        id = 7

    one = node.join()
    node.unique.register(User(), one)
    assert node.unique.send_message("User:7", 1)


@pytest.mark.parametrize("message", [None, True, 0, 1.5, "", "text", [], [1, [2]], {}, {"a": {"b": None}}])
def test_a_message_is_any_json(pair: tuple[Node, Node], message: Any) -> None:
    here, there = pair
    one = here.join()
    here.unique.register("ann", one)
    here.unique.send_message("ann", message)
    there.unique.send_message("ann", message)
    assert heard(one) == [message, message]


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


def test_a_name_that_could_not_be_given_back_may_be_had_again_and_stays() -> None:
    cluster = Cluster()
    node, other = Node(cluster, "a"), Node(cluster, "b")
    one = node.join()
    node.unique.register("ann", one)
    cluster.store.away = True
    with pytest.raises(BusError):
        node.unique.unregister("ann", one)
    cluster.store.away = False
    assert node.unique.register("ann", one)
    node.executor.advance(LEASE)
    assert other.unique.whereis("ann") == Place("a", one.id)
    with pytest.raises(NameTaken):
        other.unique.register("ann", other.join())


def test_a_name_that_could_not_be_given_back_is_free_with_the_next_beat() -> None:
    cluster = Cluster()
    node, other = Node(cluster, "a"), Node(cluster, "b")
    one = node.join()
    node.unique.register("ann", one)
    cluster.store.away = True
    with pytest.raises(BusError):
        node.unique.unregister("ann", one)
    cluster.store.away = False
    with pytest.raises(NameTaken):
        other.unique.register("ann", other.join())
    node.executor.advance(LEASE / 3)
    assert other.unique.register("ann", other.join())
