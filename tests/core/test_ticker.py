"""Timers of a connection: beats on its time line, one at a time."""

from core.test_connection import LateExecutor, attached, handler_of
from core.test_handler import RecordingHandler

from flask_cable.core.executor import ManualExecutor


def test_a_timer_beats_on_the_time_line() -> None:
    executor = ManualExecutor()
    connection, _ = attached(RecordingHandler(executor))
    log: list[float] = []
    timer = connection.every(2, lambda: log.append(executor.monotonic()))
    executor.advance(5)
    assert log == [2, 4]
    timer.cancel()
    timer.cancel()
    executor.advance(5)
    assert log == [2, 4]


def test_a_beat_that_comes_while_the_last_one_waits_is_skipped() -> None:
    executor = LateExecutor()
    connection, _ = attached(RecordingHandler(executor))
    log: list[str] = []
    connection.every(1, lambda: log.append("beat"))
    executor.advance(5)
    assert log == []
    executor.run()
    assert log == ["beat"]
    executor.advance(1)
    executor.run()
    assert log == ["beat", "beat"]


def test_a_beat_that_waits_when_its_timer_is_cancelled_does_not_come() -> None:
    executor = LateExecutor()
    connection, _ = attached(RecordingHandler(executor))
    log: list[str] = []
    timer = connection.every(1, lambda: log.append("beat"))
    executor.advance(1)
    timer.cancel()
    executor.run()
    assert log == []


def test_a_beat_that_raises_comes_again() -> None:
    executor = ManualExecutor()
    connection, _ = attached(RecordingHandler(executor))

    def fail() -> None:
        raise LookupError

    connection.every(1, fail)
    executor.advance(3)
    assert len(handler_of(connection).errors) == 3
