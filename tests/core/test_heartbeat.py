"""Beats that peers hear, and the ends of those who hear or say nothing any more."""

from core.test_connection import Wire
from core.test_handler import RecordingHandler

from flask_cable.core.connection import Connection
from flask_cable.core.executor import ManualExecutor
from flask_cable.core.heartbeat import PROBES, Heartbeat, IdleWatch, Liveness
from flask_cable.core.rounds import PHASES, Rounds
from flask_cable.protocols.frames import Frame


def watched_by(rounds: Rounds, id: int = 1) -> tuple[Connection, Wire]:
    assert isinstance(rounds.executor, ManualExecutor)
    connection, wire = Connection(RecordingHandler(rounds.executor), id), Wire()
    connection.attach(wire)
    rounds.add(connection)
    return connection, wire


def ping(now: float) -> Frame:
    return Frame(b"%d" % int(now))


def test_a_beat_says_what_time_it_is() -> None:
    executor = ManualExecutor(epoch=1000)
    _, wire = watched_by(Heartbeat(executor, 3, ping))
    executor.advance(3)
    executor.advance(3)
    assert len(wire.sent) == 2
    assert 1000 <= int(wire.sent[0]) <= 1003
    assert int(wire.sent[1]) - int(wire.sent[0]) in (2, 3)


def test_a_beat_is_made_once_for_all_who_are_due() -> None:
    made = []

    def make(now: float) -> Frame:
        made.append(now)
        return ping(now)

    executor = ManualExecutor()
    beat = Heartbeat(executor, 3, make)
    wires = [watched_by(beat, id)[1] for id in (1, 1 + PHASES, 1 + 2 * PHASES)]
    executor.advance(3)
    assert len(made) == 1
    assert [len(wire.sent) for wire in wires] == [1, 1, 1]


def test_beats_end_with_the_connection() -> None:
    executor = ManualExecutor()
    beat = Heartbeat(executor, 3, ping)
    connection, wire = watched_by(beat)
    beat.discard(connection)
    executor.advance(30)
    assert wire.sent == []


def test_peers_are_probed_often_enough_to_be_found_in_time() -> None:
    executor = ManualExecutor()
    _, wire = watched_by(Liveness(executor, 60))
    executor.advance(60)
    assert wire.told == ["probe"] * PROBES


def test_who_says_nothing_is_disconnected() -> None:
    executor = ManualExecutor()
    _, wire = watched_by(IdleWatch(executor, 10))
    executor.advance(10)
    assert wire.told == []
    executor.advance(2.01)
    assert wire.sent == [b"disconnect idle_timeout True"]
    assert wire.told == [(1000, "")]


def test_who_says_something_now_and_then_stays() -> None:
    executor = ManualExecutor()
    connection, wire = watched_by(IdleWatch(executor, 10))
    for _ in range(20):
        executor.advance(9)
        connection.handle_messages(["still here"])
    assert wire.told == []
    executor.advance(12.01)
    assert wire.told == [(1000, "")]


def test_what_the_server_says_does_not_count() -> None:
    executor = ManualExecutor()
    connection, wire = watched_by(IdleWatch(executor, 10))
    for _ in range(3):
        executor.advance(5)
        connection.transmit("beat")
    assert wire.told == [(1000, "")]
