"""Group: everybody in it hears what is sent to it, and their number is known, in every process."""

from __future__ import annotations

import pytest
from core.test_names import Cluster, MeanwhileCluster, Node, heard

from flask_cable.errors import TooMany


def test_a_message_is_nobody_elses(node: Node) -> None:
    one, other = node.join(), node.join()
    node.group.join("all", one)
    node.group.join("all", other)
    message = {"list": [1]}
    node.group.publish("all", message)
    heard(one)[0]["list"].append(2)
    assert (heard(other), message) == ([{"list": [1]}], {"list": [1]})


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


def test_who_goes_while_it_joins_is_in_no_group() -> None:
    cluster = MeanwhileCluster()
    node = Node(cluster)
    one = node.join()
    cluster.store.meanwhile = one.close
    assert node.group.join("all", one) is False
    assert node.group.members("all") == 0
    assert cluster.store.counts("group/0:all") == {}
    assert node.hub.streams == ["flask_cable/control"]
