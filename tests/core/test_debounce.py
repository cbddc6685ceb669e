"""Calls that come close together become one."""

from __future__ import annotations

import threading
import time

import pytest

from flask_cable.core.debounce import PATIENCE, Debounce
from flask_cable.core.executor import ManualExecutor
from flask_cable.executors import ThreadExecutor


@pytest.fixture
def executor() -> ManualExecutor:
    return ManualExecutor()


@pytest.fixture
def calls() -> list[object]:
    return []


@pytest.fixture
def debounce(executor: ManualExecutor, calls: list[object]) -> Debounce:
    return Debounce(executor, 0.5, calls.append)


def test_one_call_is_made_after_the_delay(
    executor: ManualExecutor, debounce: Debounce, calls: list[object]
) -> None:
    debounce.call("a", 1)
    executor.advance(0.49)
    assert calls == []
    executor.advance(0.01)
    assert calls == [1]
    executor.advance(60)
    assert calls == [1]


def test_several_become_one_with_the_last_arguments(
    executor: ManualExecutor, debounce: Debounce, calls: list[object]
) -> None:
    for number in range(4):
        debounce.call("a", number)
        executor.advance(0.3)
    assert calls == []
    executor.advance(0.2)
    assert calls == [3]


def test_each_key_has_its_own_time(executor: ManualExecutor, debounce: Debounce, calls: list[object]) -> None:
    debounce.call("a", "a")
    executor.advance(0.3)
    debounce.call("b", "b")
    executor.advance(0.2)
    assert calls == ["a"]
    executor.advance(0.3)
    assert calls == ["a", "b"]


def test_what_never_stops_is_called_all_the_same(
    executor: ManualExecutor, debounce: Debounce, calls: list[object]
) -> None:
    for number in range(1, 101):
        debounce.call("a", number)
        executor.advance(0.1)
    assert len(calls) == 2  # in ten seconds
    assert calls[0] == PATIENCE * 5


def test_a_call_afterwards_begins_anew(
    executor: ManualExecutor, debounce: Debounce, calls: list[object]
) -> None:
    debounce.call("a", 1)
    executor.advance(0.5)
    debounce.call("a", 2)
    assert calls == [1]
    executor.advance(0.5)
    assert calls == [1, 2]


def test_one_timer_serves_a_key(executor: ManualExecutor, debounce: Debounce) -> None:
    for _ in range(1000):
        debounce.call("a", 1)
    assert len(executor._timers) == 1


def test_past_the_limit_nothing_waits(executor: ManualExecutor, calls: list[object]) -> None:
    debounce = Debounce(executor, 0.5, calls.append, limit=2)
    for key in "abcab":
        debounce.call(key, key)
    assert calls == ["c"]
    executor.advance(0.5)
    assert calls == ["c", "a", "b"]


def test_a_flush_makes_every_call_once(
    executor: ManualExecutor, debounce: Debounce, calls: list[object]
) -> None:
    debounce.call("a", 1)
    debounce.call("b", 2)
    debounce.flush()
    assert calls == [1, 2]
    debounce.call("a", 3)
    executor.advance(1)
    assert calls == [1, 2, 3]


def test_a_call_from_elsewhere_is_made_at_home(executor: ManualExecutor, calls: list[object]) -> None:
    at_home = [False]
    executor.is_home = lambda: at_home[0]  # type: ignore[method-assign]
    Debounce(executor, 0.5, calls.append).call("a", 1)
    executor.advance(0.5)
    assert calls == [1]


def test_threads_may_call_at_once() -> None:
    executor, calls = ThreadExecutor(1), []
    debounce = Debounce(executor, 0.3, calls.append)
    together = threading.Barrier(8)

    def ask(number: int) -> None:
        together.wait(10)
        debounce.call("a", number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    end = time.monotonic() + 5
    while not calls and time.monotonic() < end:
        time.sleep(0.005)
    executor.stop()
    assert len(calls) == 1
