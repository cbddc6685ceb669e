"""Rounds: everybody is visited once a period, nobody at the same moment as all the others."""

from collections import Counter

from core.test_handler import RecordingHandler

from flask_cable.core.connection import Connection
from flask_cable.core.executor import ManualExecutor
from flask_cable.core.rounds import PHASES, Rounds


class Walk(Rounds):
    """Keeps whom it visited, and when."""

    def __init__(self, executor: ManualExecutor, period: float, patient: bool = False) -> None:
        super().__init__(executor, period, patient)
        self.visits: list[tuple[float, list[int]]] = []

    def visit(self, due: list[Connection]) -> None:
        self.visits.append((self.executor.monotonic(), [connection.id for connection in due]))

    def count(self) -> Counter[int]:
        return Counter(id for _, ids in self.visits for id in ids)


def walk(
    count: int, period: float = 3, patient: bool = False
) -> tuple[Walk, ManualExecutor, list[Connection]]:
    executor = ManualExecutor()
    rounds, handler = Walk(executor, period, patient), RecordingHandler(executor)
    connections = [Connection(handler, id) for id in range(1, count + 1)]
    for connection in connections:
        rounds.add(connection)
    return rounds, executor, connections


def test_everybody_is_visited_once_a_period() -> None:
    rounds, executor, connections = walk(100)
    for periods in (1, 2, 3):
        executor.advance(3)
        assert rounds.count() == dict.fromkeys(range(1, len(connections) + 1), periods)


def test_the_first_visit_comes_within_one_period() -> None:
    rounds, executor, _ = walk(1)
    executor.advance(3)
    assert rounds.count() == {1: 1}


def test_visits_are_spread_over_the_period() -> None:
    rounds, executor, _ = walk(PHASES * 4)
    executor.advance(3)
    assert [len(ids) for _, ids in rounds.visits] == [4] * PHASES
    assert len({when for when, _ in rounds.visits}) == PHASES


def test_nobody_is_visited_for_nothing() -> None:
    rounds, executor, _ = walk(1)
    executor.advance(30)
    assert len(rounds.visits) == 10


def test_who_was_discarded_is_not_visited_again() -> None:
    rounds, executor, connections = walk(2)
    rounds.discard(connections[0])
    rounds.discard(connections[0])
    executor.advance(3)
    assert rounds.count() == {2: 1}


def test_discarding_who_never_was_there_is_harmless() -> None:
    rounds, executor, connections = walk(1)
    rounds.discard(Connection(connections[0].handler, 7))
    executor.advance(3)
    assert rounds.count() == {1: 1}


def test_adding_twice_is_adding_once() -> None:
    rounds, executor, connections = walk(1)
    rounds.add(connections[0])
    executor.advance(3)
    assert rounds.count() == {1: 1}
    rounds.discard(connections[0])
    executor.advance(3)
    assert rounds.count() == {1: 1}


def test_there_is_a_timer_only_while_there_is_somebody() -> None:
    rounds, executor, connections = walk(0)
    assert executor._timers == []
    connection = Connection(RecordingHandler(executor), 1)
    rounds.add(connection)
    rounds.discard(connection)
    executor.advance(3)
    assert (executor._timers, rounds.visits) == ([], [])
    rounds.add(connection)
    executor.advance(3)
    assert rounds.count() == {1: 1}
    assert connections == []


def test_who_leaves_during_a_visit_is_fine() -> None:
    class Leaving(Walk):
        def visit(self, due: list[Connection]) -> None:
            super().visit(due)
            for connection in due:
                self.discard(connection)

    executor = ManualExecutor()
    rounds = Leaving(executor, 3)
    for id in (1, 1 + PHASES, 2):
        rounds.add(Connection(RecordingHandler(executor), id))
    executor.advance(9)
    assert rounds.count() == {1: 1, 1 + PHASES: 1, 2: 1}


def test_processes_begin_elsewhere_in_the_period() -> None:
    assert len({walk(1)[0]._offset for _ in range(50)}) > 1


def test_the_patient_wait_half_a_period_and_no_longer_than_one() -> None:
    for lateness in range(PHASES):
        rounds, executor, connections = walk(1, patient=True)
        executor.advance(3 * lateness / PHASES)
        rounds.visits.clear()
        others = [Connection(connections[0].handler, id) for id in range(100, 100 + PHASES)]
        for connection in others:
            rounds.add(connection)
        start = executor.monotonic()
        executor.advance(3)
        first = {id: when - start for when, ids in reversed(rounds.visits) for id in ids if id >= 100}
        assert len(first) == PHASES
        assert 1.39 <= min(first.values()) <= max(first.values()) <= 3.01


def test_the_patient_are_spread_and_left_alone_once_they_go() -> None:
    rounds, executor, connections = walk(PHASES * 4, patient=True)
    executor.advance(6)
    assert rounds.count() == dict.fromkeys(range(1, len(connections) + 1), 2)
    assert len(rounds.visits) >= PHASES // 2
    for connection in connections:
        rounds.discard(connection)
    rounds.visits.clear()
    executor.advance(30)
    assert rounds.visits == []
