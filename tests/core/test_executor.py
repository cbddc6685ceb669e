"""ManualExecutor: work runs when told to, and time moves only by hand."""

import pytest

from flask_cable.core.executor import Executor, ManualExecutor


class Log(list[str]):
    """Lines that jobs write, and jobs that write them."""

    def __call__(self, line: str) -> None:
        self.append(line)


def test_work_is_run_before_submit_returns() -> None:
    executor, log = ManualExecutor(), Log()
    executor.submit(log, "a")
    assert log == ["a"]


def test_work_that_is_submitted_by_work_runs_after_it() -> None:
    executor, log = ManualExecutor(), Log()

    def outer(name: str) -> None:
        executor.submit(log, f"inside {name}")
        executor.call_home(log, f"at home {name}")
        log(name)

    executor.submit(outer, "a")
    assert log == ["a", "inside a", "at home a"]


def test_what_is_spawned_is_work_as_any_other() -> None:
    executor, log = ManualExecutor(), Log()
    executor.spawn(lambda: log(f"{executor.spawned}"))
    assert (log, executor.spawned) == (["1"], 0)


def test_an_error_in_work_is_raised_and_the_rest_waits() -> None:
    executor, log = ManualExecutor(), Log()

    def fail() -> None:
        executor.submit(log, "later")
        raise LookupError("fails")

    with pytest.raises(LookupError):
        executor.submit(fail)
    assert log == []
    executor.run()
    assert log == ["later"]


def test_time_stands_still() -> None:
    executor = ManualExecutor(now=5, epoch=1000)
    assert (executor.monotonic(), executor.time()) == (5, 1005)
    assert (executor.monotonic(), executor.time()) == (5, 1005)


def test_time_moves_by_hand() -> None:
    executor = ManualExecutor(epoch=1000)
    executor.advance(1.5)
    executor.advance(0)
    assert (executor.monotonic(), executor.time()) == (1.5, 1001.5)


def test_a_call_comes_when_it_is_due_and_once() -> None:
    executor, log = ManualExecutor(), Log()
    executor.later(2, log, "due")
    executor.advance(1.9)
    assert log == []
    executor.advance(0.1)
    assert log == ["due"]
    executor.advance(10)
    assert log == ["due"]


def test_calls_come_in_the_order_of_their_time_then_of_their_making() -> None:
    executor, log = ManualExecutor(), Log()
    executor.later(2, log, "c")
    executor.later(1, log, "a")
    executor.later(1, log, "b")
    executor.later(0, log, "now")
    executor.advance(5)
    assert log == ["now", "a", "b", "c"]


def test_a_call_sees_the_time_at_which_it_is_due() -> None:
    executor, seen = ManualExecutor(), []
    executor.later(1, lambda: seen.append(executor.monotonic()))
    executor.every(2, lambda: seen.append(executor.monotonic()))
    executor.advance(5)
    assert seen == [1, 2, 4]
    assert executor.monotonic() == 5


def test_a_call_again_and_again_first_waits() -> None:
    executor, log = ManualExecutor(), Log()
    executor.every(1, log, "beat")
    assert log == []
    executor.advance(3)
    assert log == ["beat"] * 3


def test_many_small_steps_are_one_large_one() -> None:
    executor, log = ManualExecutor(), Log()
    executor.every(3, log, "beat")
    for _ in range(90):
        executor.advance(0.1)
    assert len(log) == 3


def test_a_cancelled_call_does_not_come() -> None:
    executor, log = ManualExecutor(), Log()
    once, often = executor.later(1, log, "once"), executor.every(1, log, "often")
    executor.advance(1)
    once.cancel()
    often.cancel()
    often.cancel()
    executor.advance(5)
    assert log == ["once", "often"]


def test_a_call_may_cancel_itself_and_others() -> None:
    executor, log = ManualExecutor(), Log()
    other = executor.later(1, log, "other")

    def cancel() -> None:
        log("cancels")
        timer.cancel()
        other.cancel()

    timer = executor.every(0.5, cancel)
    executor.advance(5)
    assert log == ["cancels"]


def test_a_call_that_is_planned_while_time_moves_comes_in_time() -> None:
    executor, log = ManualExecutor(), Log()
    executor.later(1, lambda: executor.later(1, log, "second"))
    executor.advance(1.5)
    assert log == []
    executor.advance(0.5)
    assert log == ["second"]


def test_everywhere_is_home_and_nothing_is_watched() -> None:
    executor = ManualExecutor()
    assert executor.is_home()
    assert executor.watched == 0
    with pytest.raises(NotImplementedError, match="loopback"):
        executor.watch(object(), print)
    with pytest.raises(NotImplementedError):
        executor.unwatch(object())


def test_nobody_waits_for_an_event() -> None:
    event = ManualExecutor().event()
    event.clear()
    assert event.wait(60)
    event.set()
    assert event.wait()


def test_there_is_nothing_to_stop_and_no_need_to_lock() -> None:
    executor = ManualExecutor()
    with executor.guard, executor.guard, executor.lock():
        executor.stop()


def test_an_executor_says_all_that_the_core_asks() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Executor()  # type: ignore[abstract]
