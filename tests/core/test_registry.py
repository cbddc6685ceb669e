"""Registry: live connections by id, places that are kept, and disconnecting from any process."""

from dataclasses import dataclass
from typing import Any

import pytest
from core.test_connection import Wire
from core.test_handler import RecordingHandler
from core.test_hub import SlowBus

from flask_cable.core.connection import Connection
from flask_cable.core.executor import ManualExecutor
from flask_cable.core.hub import Hub
from flask_cable.core.registry import CONTROL, Registry
from flask_cable.pubsub.memory import MemoryPubSub


@dataclass
class User:
    id: Any


class Person(Connection):
    identified_by = ("user", "tenant")


def made(bus: MemoryPubSub | None = None) -> Registry:
    return Registry(Hub(bus or MemoryPubSub(), ManualExecutor()))


def join(registry: Registry, **identifiers: Any) -> tuple[Person, Wire]:
    person, wire = Person(RecordingHandler(), registry.next_id(), identifiers), Wire()
    person.attach(wire)
    registry.add(person)
    return person, wire


# A mapping.


def test_ids_count_from_one_and_never_return() -> None:
    registry = made()
    first, _ = join(registry)
    registry.remove(first)
    second, _ = join(registry)
    assert (first.id, second.id, registry.next_id()) == (1, 2, 3)


def test_it_is_a_mapping_of_who_is_here() -> None:
    registry = made()
    one, other = join(registry)[0], join(registry)[0]
    assert dict(registry) == {1: one, 2: other}
    assert (len(registry), 1 in registry, 3 in registry, registry.get(3)) == (2, True, False, None)
    with pytest.raises(KeyError):
        registry[3]
    assert repr(registry) == "<Registry [1, 2]>"
    registry.remove(one)
    registry.remove(one)
    assert list(registry.values()) == [other]


def test_who_iterates_sees_those_of_the_moment() -> None:
    registry = made()
    people = [join(registry)[0] for _ in range(3)]
    for found in (registry.values(), registry.items(), registry):
        for person in people:
            registry.add(person)
        seen = []
        for each in found:
            seen.append(each)
            registry.remove(people[2])
        assert len(seen) == 3


def test_it_is_read_only() -> None:
    with pytest.raises(TypeError):
        made()[1] = None  # type: ignore[index]


def test_connections_may_go_while_it_is_looked_through() -> None:
    registry = made()
    for _ in range(5):
        join(registry)
    for id in registry:
        registry.remove(registry[id])
    assert len(registry) == 0


def test_a_place_is_kept_while_a_handshake_goes_on() -> None:
    registry = made()
    person = Person(RecordingHandler(), registry.next_id())
    registry.reserve(person)
    assert (registry.taken, len(registry)) == (1, 0)
    registry.add(person)
    assert (registry.taken, len(registry)) == (1, 1)
    registry.remove(person)
    assert (registry.taken, len(registry)) == (0, 0)


def test_a_place_is_given_back_when_the_handshake_fails() -> None:
    registry = made()
    person = Person(RecordingHandler(), registry.next_id())
    registry.reserve(person)
    registry.remove(person)
    assert registry.taken == 0


# Matching.


def test_any_of_the_identifiers_will_do() -> None:
    registry = made()
    alice, bob, carol = (
        join(registry, user=1, tenant="x")[0],
        join(registry, user=2, tenant="x")[0],
        join(registry)[0],
    )
    assert registry.matching({"user": 1}) == [alice]
    assert registry.matching({"tenant": "x"}) == [alice, bob]
    assert registry.matching({"tenant": "x", "user": 2}) == [bob]
    assert registry.matching({"tenant": "y"}) == []
    assert registry.matching({}) == [alice, bob, carol]


def test_identifiers_meet_by_what_they_name() -> None:
    registry = made()
    person, _ = join(registry, user=User(7))
    assert registry.matching({"user": User(7)}) == [person]
    assert registry.matching({"user": "User:7"}) == [person]
    assert registry.matching({"user": 7}) == []
    number, _ = join(registry, user=7)
    assert registry.matching({"user": "7"}) == registry.matching({"user": 7}) == [number]


def test_who_has_no_such_identifier_is_nobody() -> None:
    registry = made()
    join(registry, user=None)
    join(registry)
    assert registry.matching({"user": "None"}) == []


def test_a_connection_whose_identifier_names_nothing_hides_nobody() -> None:
    registry = made()
    join(registry, user="")
    join(registry, user=User(None))
    person, _ = join(registry, user=7)
    assert registry.matching({"user": 7}) == [person]


def test_a_handshake_that_goes_on_is_found_already() -> None:
    registry = made()
    person = Person(RecordingHandler(), registry.next_id(), {"user": 7})
    registry.reserve(person)
    assert registry.matching({"user": 7}) == [person]


# Disconnecting.


def test_matching_connections_are_disconnected_in_every_process() -> None:
    bus = MemoryPubSub()
    here, there = made(bus), made(bus)
    (_, mine), (_, theirs), (_, others) = join(here, user=7), join(there, user=7), join(there, user=8)
    here.disconnect({"user": 7}, "remote", reconnect=False)
    for wire in (mine, theirs):
        assert (wire.sent, wire.told) == ([b"disconnect remote False"], [(1000, "")])
    assert (others.sent, others.told) == ([], [])


def test_they_may_be_told_to_come_back() -> None:
    registry = made()
    _, wire = join(registry, user=User(7))
    registry.disconnect({"user": User(7)}, None, reconnect=True)
    assert wire.sent == [b"disconnect None True"]


def test_everybody_is_never_meant() -> None:
    with pytest.raises(ValueError, match=r"where\(current_user=7\)"):
        made().disconnect({}, "remote", reconnect=True)


def test_what_names_nobody_is_an_error_to_the_caller() -> None:
    with pytest.raises(ValueError, match="names no stream"):
        made().disconnect({"user": None}, "remote", reconnect=True)


def test_one_that_fails_keeps_none_of_the_others() -> None:
    class Broken(Wire):
        def close(self, code: int, reason: str) -> None:
            raise OSError("broken")

    registry = made()
    broken, _ = join(registry, user=7)
    broken.attach(Broken())
    _, wire = join(registry, user=7)
    registry.disconnect({"user": 7}, "remote", reconnect=True)
    assert wire.told == [(1000, "")]


# Being live.


def test_who_waits_is_called_once_no_order_can_be_missed() -> None:
    bus, ready = SlowBus(), []
    registry = made(bus)
    registry.when_live(lambda: ready.append("a"))
    registry.when_live(lambda: ready.append("b"))
    assert (ready, bus.log) == ([], [f"subscribe {CONTROL}"])
    bus.confirm()
    assert ready == ["a", "b"]
    registry.when_live(lambda: ready.append("c"))
    assert ready == ["a", "b", "c"]


def test_in_this_process_it_is_live_at_once() -> None:
    ready = []
    made().when_live(lambda: ready.append("a"))
    assert ready == ["a"]


def test_whoever_wants_to_know_is_told_of_each_that_is_removed() -> None:
    registry, told = made(), []
    registry.when_removed(told.append)
    one, opening = join(registry)[0], Person(RecordingHandler(), registry.next_id())
    registry.reserve(opening)
    assert [registry.knows(person) for person in (one, opening)] == [True, True]
    for person in (one, opening, one, Person(RecordingHandler(), 99)):
        registry.remove(person)
    assert told == [one, opening]
    assert not any(registry.knows(person) for person in told)
