"""Functions that wait, one at a time, for what the test does next."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from flask_cable import fibers
from flask_cable.fibers import FiberExecutor


@pytest.fixture
def executor() -> Iterator[FiberExecutor]:
    before = threading.active_count()
    made = FiberExecutor()
    yield made
    made.stop()
    for thread in threading.enumerate():
        if thread.name == "flask-cable-fiber":
            thread.join(5)
    assert threading.active_count() == before


def test_a_function_runs_at_once_until_it_waits(executor: FiberExecutor) -> None:
    log: list[str] = []
    event = executor.event()

    def wait() -> None:
        log.append("waits")
        assert event.wait()
        log.append("goes on")

    executor.spawn(wait)
    assert (log, executor.spawned) == (["waits"], 1)
    event.set()
    assert (log, executor.spawned) == (["waits", "goes on"], 0)


def test_two_wait_for_one_event(executor: FiberExecutor) -> None:
    log: list[int] = []
    event = executor.event()
    for number in (1, 2):
        executor.spawn(lambda number: event.wait() and log.append(number), number)
    event.set()
    assert log == [1, 2]


def test_what_has_happened_is_not_waited_for(executor: FiberExecutor) -> None:
    event = executor.event()
    event.set()
    log: list[object] = []
    executor.spawn(lambda: log.append(event.wait()))
    event.clear()
    executor.spawn(lambda: log.append(event.wait()))
    assert log == [True]
    event.set()
    event.clear()  # whoever was told goes on, although it is over
    assert log == [True, True]


def test_patience_ends_in_the_time_that_is_moved_by_hand(executor: FiberExecutor) -> None:
    log: list[object] = []
    event = executor.event()
    executor.spawn(lambda: log.append(event.wait(10)))
    executor.advance(9)
    assert log == []
    executor.advance(2)
    assert log == [False]
    executor.spawn(lambda: log.append(event.wait(10)))
    event.set()
    executor.advance(20)
    assert log == [False, True]


def test_what_a_function_submits_runs_when_it_waits_or_is_over(executor: FiberExecutor) -> None:
    log: list[str] = []
    event = executor.event()

    def work() -> None:
        executor.submit(log.append, "submitted")
        log.append("first")
        event.wait()
        executor.submit(log.append, "submitted again")
        log.append("second")

    executor.spawn(work)
    assert log == ["first", "submitted"]
    event.set()
    assert log == ["first", "submitted", "second", "submitted again"]


def test_only_a_spawned_function_can_wait(executor: FiberExecutor) -> None:
    log: list[bool] = []
    executor.submit(lambda: log.append(executor.can_wait()))
    executor.spawn(lambda: log.append(executor.can_wait()))
    assert (log, executor.can_wait()) == ([False, True], False)
    assert executor.event().wait()


def test_a_function_that_fails_is_logged(executor: FiberExecutor, caplog: pytest.LogCaptureFixture) -> None:
    executor.spawn(lambda: {}["lost"])
    assert "KeyError: 'lost'" in caplog.text
    assert executor.spawned == 0


def test_a_function_that_never_gives_way_is_told_of(
    executor: FiberExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fibers, "DEADLINE", 0.01)
    go = threading.Event()
    with pytest.raises(TimeoutError, match="neither waits nor returns"):
        executor.spawn(go.wait, 5)
    go.set()


def test_a_stop_ends_what_waits(executor: FiberExecutor) -> None:
    log: list[str] = []
    event = executor.event()

    def wait() -> None:
        try:
            event.wait()
        except GeneratorExit:
            log.append("ended")
            raise
        finally:
            log.append("cleaned up")

    executor.spawn(wait)
    executor.stop()
    assert (log, executor.spawned) == (["ended", "cleaned up"], 0)
    event.set()
    executor.stop()


def test_a_stop_ends_what_has_not_begun(executor: FiberExecutor) -> None:
    log: list[int] = []

    def begin() -> None:
        executor.spawn(log.append, 1)
        executor.stop()

    executor.submit(begin)
    assert (log, executor.spawned) == ([], 0)
