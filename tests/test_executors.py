"""Executors: one contract for greenlets and for threads, and how a process gets one of them.

Nothing is patched here: ``GeventExecutor`` lives in the hub of the test's own thread, which runs while the
test waits. Every wait is for a condition and has a deadline.
"""

from __future__ import annotations

import gc
import logging
import queue
import socket
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import programs
from support.parts import require

from flask_cable.core.executor import Executor
from flask_cable.errors import ConfigError
from flask_cable.executors import PARKED, GeventExecutor, ThreadExecutor, choose_executor
from flask_cable.fibers import FiberExecutor

DEADLINE = 5.0
Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ends = socket.socketpair()
    for end in ends:
        end.setblocking(False)
    yield ends
    for end in ends:
        end.close()


class ExecutorContract:
    """What every executor of a server promises."""

    def make(self, workers: int = 8) -> Executor:
        raise NotImplementedError

    def pause(self) -> None:
        """Let others run for a moment."""
        raise NotImplementedError

    def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition."""
        end = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"
            self.pause()

    @pytest.fixture
    def executor(self) -> Iterator[Executor]:
        made = self.make()
        yield made
        made.stop()

    # Work.

    def test_work_is_done(self, executor: Executor) -> None:
        log: list[Any] = []
        executor.submit(log.append, 1)
        executor.submit(log.append, 2)
        self.until(lambda: sorted(log) == [1, 2])

    def test_work_may_be_submitted_by_work_and_from_any_thread(self, executor: Executor) -> None:
        log: list[Any] = []

        def outer(name: str) -> None:
            executor.submit(log.append, f"inside {name}")

        thread = threading.Thread(target=executor.submit, args=(outer, "thread"), daemon=True)
        thread.start()
        executor.submit(outer, "here")
        executor.later(0, executor.submit, outer, "home")
        self.until(lambda: len(log) == 3)
        thread.join(DEADLINE)
        assert sorted(log) == ["inside here", "inside home", "inside thread"]

    def test_work_that_waits_keeps_nobody_else(self, executor: Executor) -> None:
        log: list[Any] = []
        go = executor.event()

        def wait() -> None:
            log.append(bool(go.wait(DEADLINE)))

        for _ in range(3):
            executor.submit(wait)
        executor.submit(log.append, "others")
        self.until(lambda: log == ["others"])
        go.set()
        self.until(lambda: log == ["others", True, True, True])

    def test_so_many_work_at_a_time_and_the_rest_waits(self) -> None:
        executor = self.make(workers=2)
        log: list[int] = []
        started: list[int] = []
        go = executor.event()

        def wait(number: int) -> None:
            started.append(number)
            go.wait(DEADLINE)
            log.append(number)

        for number in range(5):
            executor.submit(wait, number)
        self.until(lambda: len(started) == 2)
        for _ in range(10):
            self.pause()
        assert len(started) == 2
        go.set()
        self.until(lambda: sorted(log) == list(range(5)))
        executor.stop()

    def test_what_is_spawned_has_a_worker_of_its_own_and_is_counted(self) -> None:
        executor = self.make(workers=1)
        log: list[int] = []
        go = executor.event()

        def wait(number: int) -> None:
            go.wait(DEADLINE)
            log.append(number)

        thread = threading.Thread(target=executor.spawn, args=(wait, 0), daemon=True)
        thread.start()
        for number in (1, 2):
            executor.spawn(wait, number)
        executor.submit(log.append, 3)
        self.until(lambda: log == [3] and executor.spawned == 3)
        go.set()
        self.until(lambda: executor.spawned == 0)
        thread.join(DEADLINE)
        assert sorted(log) == [0, 1, 2, 3]
        executor.stop()

    def test_what_is_spawned_and_fails_is_logged_and_counted_no_more(
        self, executor: Executor, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail() -> None:
            raise LookupError("lost")

        executor.spawn(fail)
        self.until(lambda: "LookupError: lost" in caplog.text and executor.spawned == 0)

    def test_work_that_fails_takes_nothing_with_it(self) -> None:
        executor = self.make(workers=1)
        log: list[Any] = []

        def fail() -> None:
            raise LookupError("lost")

        for _ in range(3):
            executor.submit(fail)
        executor.submit(log.append, "still here")
        self.until(lambda: log == ["still here"])
        executor.submit(log.append, "and again")
        self.until(lambda: log == ["still here", "and again"])
        executor.stop()

    def test_an_idle_worker_keeps_nothing_alive(self, executor: Executor) -> None:
        class Big:
            pass

        big, log = Big(), []
        alive = weakref.ref(big)
        executor.submit(lambda one: log.append("done"), big)
        del big
        self.until(lambda: log == ["done"])

        def is_gone() -> bool:
            gc.collect()
            return alive() is None

        self.until(is_gone)

    def test_much_work_is_done_once_each(self, executor: Executor) -> None:
        log: list[int] = []
        for number in range(500):
            executor.submit(log.append, number)
        self.until(lambda: len(log) >= 500)
        assert sorted(log) == list(range(500))

    def test_a_lock_is_held_by_one_worker_at_a_time_while_it_waits_too(self, executor: Executor) -> None:
        lock, go, log = executor.lock(), executor.event(), []

        def work(number: int) -> None:
            with lock:
                log.append(("in", number))
                go.wait(DEADLINE)
                log.append(("out", number))

        for number in range(3):
            executor.submit(work, number)
        self.until(lambda: log)
        for _ in range(10):
            self.pause()
        assert len(log) == 1
        go.set()
        self.until(lambda: len(log) == 6)
        assert [word for word, _ in log] == ["in", "out"] * 3

    # Home.

    def test_calls_home_keep_their_order(self, executor: Executor) -> None:
        log: list[int] = []
        for number in range(100):
            executor.call_home(log.append, number)
        self.until(lambda: len(log) == 100)
        assert log == list(range(100))

    def test_calls_home_come_from_any_thread(self, executor: Executor) -> None:
        log: list[Any] = []
        at_home: list[int] = []
        executor.call_home(lambda: at_home.append(threading.get_ident()))

        def call() -> None:
            for number in range(50):
                executor.call_home(lambda number=number: log.append((number, threading.get_ident())))

        thread = threading.Thread(target=call, daemon=True)
        thread.start()
        self.until(lambda: len(log) == 50)
        thread.join(DEADLINE)
        assert log == [(number, at_home[0]) for number in range(50)]

    def test_a_call_home_that_fails_takes_nothing_with_it(self, executor: Executor) -> None:
        log: list[Any] = []

        def fail() -> None:
            raise LookupError("lost")

        executor.call_home(fail)
        executor.call_home(log.append, "still here")
        self.until(lambda: log == ["still here"])

    # Time.

    def test_clocks_go_on(self, executor: Executor) -> None:
        then = executor.monotonic()
        assert abs(executor.time() - time.time()) < 5
        self.until(lambda: executor.monotonic() > then)

    def test_a_call_comes_not_before_its_time_and_once(self, executor: Executor) -> None:
        log: list[float] = []
        then = time.monotonic()
        executor.later(0.03, lambda: log.append(time.monotonic() - then))
        done: list[int] = []
        executor.later(0.08, done.append, 1)
        self.until(lambda: done)
        assert len(log) == 1
        assert log[0] >= 0.02  # a loop's idea of now is some milliseconds old

    def test_time_that_passed_unnoticed_is_not_taken_off(self, executor: Executor) -> None:
        self.pause()
        end = time.monotonic() + 0.05
        while time.monotonic() < end:  # busy, so that the loop does not see the time
            pass
        log: list[float] = []
        then = time.monotonic()
        executor.later(0.04, lambda: log.append(time.monotonic() - then))
        self.until(lambda: log)
        assert log[0] >= 0.03

    def test_calls_come_in_the_order_of_their_time(self, executor: Executor) -> None:
        log: list[str] = []
        executor.later(0.06, log.append, "c")
        executor.later(0.02, log.append, "a")
        executor.later(0.04, log.append, "b")
        self.until(lambda: len(log) == 3)
        assert log == ["a", "b", "c"]

    def test_a_call_again_and_again_goes_on_until_it_is_cancelled(self, executor: Executor) -> None:
        log: list[int] = []
        timer = executor.every(0.005, log.append, 1)
        self.until(lambda: len(log) >= 3)
        executor.call_home(timer.cancel)
        done: list[int] = []
        executor.call_home(lambda: done.append(len(log)))
        self.until(lambda: done)
        later: list[int] = []
        executor.later(0.03, later.append, 1)
        self.until(lambda: later)
        assert len(log) == done[0]

    def test_a_cancelled_call_does_not_come(self, executor: Executor) -> None:
        log: list[str] = []
        timer = executor.later(0.02, log.append, "cancelled")
        executor.later(0.04, log.append, "done")
        timer.cancel()
        timer.cancel()
        self.until(lambda: log)
        assert log == ["done"]

    def test_cancelling_what_has_happened_is_harmless(self, executor: Executor) -> None:
        log: list[str] = []
        timer = executor.later(0, log.append, "once")
        self.until(lambda: log)
        timer.cancel()
        assert log == ["once"]

    def test_a_timer_that_fails_comes_again(self, executor: Executor) -> None:
        log: list[int] = []

        def fail() -> None:
            log.append(1)
            raise LookupError("lost")

        timer = executor.every(0.005, fail)
        self.until(lambda: len(log) >= 2)
        timer.cancel()

    # Sockets.

    def test_readable_is_told_as_long_as_it_is(self, executor: Executor, pair: Pair) -> None:
        near, far = pair
        read: list[bytes] = []
        watch = executor.watch(near, lambda: read.append(near.recv(1)))
        assert executor.watched == 1
        far.send(b"abc")
        self.until(lambda: read == [b"a", b"b", b"c"])
        far.send(b"d")
        self.until(lambda: read[3:] == [b"d"])
        self.unwatch(executor, watch)

    def unwatch(self, executor: Executor, *watches: Any) -> None:
        """Stop watches at home, where nobody is being called meanwhile."""
        for watch in watches:
            executor.call_home(executor.unwatch, watch)
        self.until(lambda: executor.watched == 0)

    def test_the_end_is_readable_too(self, executor: Executor, pair: Pair) -> None:
        near, far = pair
        seen: list[bytes] = []

        def read() -> None:
            seen.append(near.recv(1))
            executor.unwatch(watch)

        watch = executor.watch(near, read)
        far.close()
        self.until(lambda: seen == [b""])
        self.until(lambda: executor.watched == 0)

    def test_what_is_not_watched_any_more_is_not_told(self, executor: Executor, pair: Pair) -> None:
        near, far = pair
        log: list[str] = []
        watch = executor.watch(near, lambda: log.append("readable"))
        self.unwatch(executor, watch)
        far.send(b"x")
        executor.later(0.03, log.append, "done")
        self.until(lambda: log)
        assert log == ["done"]

    def test_both_directions_of_one_socket_are_watched_apart(self, executor: Executor, pair: Pair) -> None:
        near, far = pair
        log: list[str] = []

        def writable() -> None:
            with executor.guard:  # and so not before it is known what is to be unwatched
                executor.unwatch(writing)
            log.append("write")

        with executor.guard:
            reading = executor.watch(near, lambda: (log.append("read"), near.recv(10)))
            writing = executor.watch(near, writable, write=True)
            assert executor.watched == 2
        self.until(lambda: log == ["write"])
        far.send(b"x")
        self.until(lambda: log == ["write", "read"])
        self.unwatch(executor, reading)

    def test_a_full_socket_is_told_when_it_can_take_more(self, executor: Executor, pair: Pair) -> None:
        near, far = pair
        sent = fill(near)
        log: list[str] = []

        def writable() -> None:
            log.append("writable")
            executor.unwatch(watch)

        watch = executor.watch(near, writable, write=True)
        done: list[int] = []
        executor.later(0.02, done.append, 1)
        self.until(lambda: done)
        assert log == []
        assert drain(far) == sent
        self.until(lambda: log == ["writable"])

    def test_a_watch_that_fails_takes_nothing_with_it(self, executor: Executor, pair: Pair) -> None:
        near, far = pair
        log: list[str] = []

        def fail() -> None:
            executor.unwatch(watch)
            raise LookupError("lost")

        def read() -> None:
            executor.unwatch(other)
            log.append("other")

        watch, other = executor.watch(near, fail), executor.watch(far, read)
        near.send(b"x")
        far.send(b"x")
        executor.later(0.02, log.append, "timer")
        self.until(lambda: log == ["other", "timer"])
        assert executor.watched == 0

    # Events.

    def test_an_event_is_waited_for(self, executor: Executor) -> None:
        event = executor.event()
        assert not event.wait(0)
        executor.later(0.01, event.set)
        assert event.wait(DEADLINE)
        assert event.wait(0)
        event.clear()
        assert not event.wait(0)


def fill(sock: socket.socket) -> int:
    """Write until the socket takes no more; returns how many bytes."""
    sent = 0
    try:
        while True:
            sent += sock.send(bytes(65536))
    except BlockingIOError:
        return sent


def drain(sock: socket.socket) -> int:
    """Read until there is nothing; returns how many bytes."""
    read = 0
    try:
        while data := sock.recv(65536):
            read += len(data)
    except BlockingIOError:
        return read
    return read


class TestThreadExecutor(ExecutorContract):
    def make(self, workers: int = 8) -> ThreadExecutor:
        return ThreadExecutor(workers)

    def pause(self) -> None:
        time.sleep(0.001)

    def test_it_is_home_everywhere_and_locks(self, executor: Executor) -> None:
        assert (executor.name, executor.threaded, executor.is_home()) == ("threads", True, True)
        with executor.guard, executor.guard:
            pass

    def test_all_threads_may_wait_but_its_own_loop(self, executor: Executor) -> None:
        log: list[bool] = []
        executor.call_home(lambda: log.append(executor.can_wait()))
        self.until(lambda: len(log) == 1)
        executor.submit(lambda: log.append(executor.can_wait()))
        self.until(lambda: len(log) == 2)
        assert (log, executor.can_wait()) == ([False, True], True)

    def test_a_thread_that_cannot_be_started_is_not_counted(
        self, executor: Executor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            executor.spawn(print)
        assert executor.spawned == 0

    def test_nothing_is_started_before_it_is_used(self) -> None:
        before = set(threading.enumerate())
        executor = ThreadExecutor()
        executor.unwatch(_watch_of_nothing())
        executor.stop()
        assert set(threading.enumerate()) <= before

    def test_its_threads_end_when_it_is_stopped(self) -> None:
        executor, log = ThreadExecutor(), []
        executor.submit(log.append, 1)
        executor.call_home(log.append, 2)
        self.until(lambda: len(log) == 2)
        executor.stop()
        self.until(lambda: executor._thread is not None and not executor._thread.is_alive())
        self.until(lambda: not [one for one in threading.enumerate() if one.name == "flask-cable"])

    def test_its_threads_keep_no_process_from_ending(self, executor: Executor) -> None:
        log: list[bool] = []
        executor.submit(lambda: log.append(threading.current_thread().daemon))
        executor.call_home(lambda: log.append(threading.current_thread().daemon))
        self.until(lambda: log == [True, True])

    def test_threads_are_used_again(self, executor: Executor) -> None:
        idents: list[int] = []
        for number in range(20):
            executor.submit(lambda: idents.append(threading.get_ident()))
            self.until(lambda number=number: len(idents) > number)
            self.until(lambda: executor._idle > 0)  # type: ignore[attr-defined]
        assert len(set(idents)) == 1

    def test_a_worker_that_has_just_taken_work_is_not_taken_for_idle(self) -> None:
        """Or work would wait behind other work although there may be more workers."""
        executor = ThreadExecutor(2)
        taking = executor._jobs = Taking()  # type: ignore[assignment]
        log: list[str] = []
        executor.submit(log.append, "first")
        self.until(lambda: executor._idle == 1)
        taking.hold.clear()
        executor.submit(log.append, "second")
        self.until(taking.taken.is_set)  # the worker has it, and could not yet say so
        executor.submit(log.append, "third")
        try:
            self.until(lambda: log == ["first", "third"])
        finally:
            taking.hold.set()
            executor.stop()

    def test_an_error_is_logged(self, executor: Executor, caplog: pytest.LogCaptureFixture) -> None:
        def fail() -> None:
            raise LookupError("lost")

        executor.submit(fail)
        executor.call_home(fail)
        self.until(lambda: len(caplog.records) == 2)
        assert {(record.name, record.levelno) for record in caplog.records} == {
            ("flask_cable", logging.ERROR)
        }

    def test_a_flood_of_calls_home_wakes_it_all_the_same(self, executor: Executor) -> None:
        log: list[int] = []
        go = threading.Event()
        executor.call_home(go.wait, DEADLINE)
        for number in range(20_000):  # more than the waker's buffer can hold
            executor.call_home(log.append, number)
        go.set()
        self.until(lambda: len(log) == 20_000)


def _watch_of_nothing() -> Any:
    class Nothing:
        sock, write = -1, False

    return Nothing()


class Taking(queue.SimpleQueue[Any]):
    """A queue whose ``get`` can be held up, once, when it has something."""

    def __init__(self) -> None:
        self.hold = threading.Event()
        self.hold.set()
        self.taken = threading.Event()

    def get(self, *args: Any, **kwargs: Any) -> Any:
        job = super().get(*args, **kwargs)
        if not self.hold.is_set() and not self.taken.is_set():
            self.taken.set()
            self.hold.wait(DEADLINE)
        return job


@pytest.mark.needs("gevent")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
class TestGeventExecutor(ExecutorContract):
    def make(self, workers: int = 8) -> GeventExecutor:
        return GeventExecutor(workers)

    def pause(self) -> None:
        import gevent

        gevent.sleep(0.001)

    def test_home_is_the_thread_that_made_it(self, executor: Executor) -> None:
        assert (executor.name, executor.threaded, executor.is_home()) == ("gevent", False, True)
        log: list[bool] = []
        thread = threading.Thread(target=lambda: log.append(executor.is_home()), daemon=True)
        thread.start()
        thread.join(DEADLINE)
        executor.submit(lambda: log.append(executor.is_home()))
        executor.call_home(lambda: log.append(executor.is_home()))
        self.until(lambda: len(log) == 3)
        assert log == [False, True, True]

    def test_greenlets_at_home_may_wait_but_its_loop_and_other_threads_may_not(
        self, executor: Executor
    ) -> None:
        log: list[bool] = []
        thread = threading.Thread(target=lambda: log.append(executor.can_wait()), daemon=True)
        thread.start()
        thread.join(DEADLINE)
        executor.call_home(lambda: log.append(executor.can_wait()))
        self.until(lambda: len(log) == 2)
        executor.submit(lambda: log.append(executor.can_wait()))
        self.until(lambda: len(log) == 3)
        assert (log, executor.can_wait()) == ([False, False, True], True)

    def test_greenlets_are_used_again(self, executor: Executor) -> None:
        from greenlet import getcurrent

        seen: list[Any] = []
        for number in range(20):
            executor.submit(lambda: seen.append(getcurrent()))
            self.until(lambda number=number: len(seen) > number)
        assert len(set(seen)) == 1

    def test_only_so_many_are_parked(self) -> None:
        executor = self.make(workers=2 * PARKED)
        go, log = executor.event(), []

        def wait() -> None:
            go.wait(DEADLINE)
            log.append(1)

        for _ in range(2 * PARKED):
            executor.submit(wait)
        self.until(lambda: executor._alive == 2 * PARKED)
        go.set()
        self.until(lambda: len(log) == 2 * PARKED)
        self.until(lambda: executor._alive == len(executor._parked) == PARKED)

    def test_work_from_the_hub_begins_at_once(self, executor: Executor) -> None:
        log: list[str] = []
        executor.submit(log.append, "parked now")
        self.until(lambda: log)
        log.clear()

        def at_home() -> None:
            executor.submit(log.append, "work")
            log.append("after")

        executor.call_home(at_home)
        self.until(lambda: len(log) == 2)
        assert log == ["work", "after"]

    def test_work_from_a_greenlet_begins_when_it_waits(self, executor: Executor) -> None:
        log: list[str] = []
        executor.submit(log.append, "work")
        log.append("after")
        self.until(lambda: len(log) == 2)
        assert log == ["after", "work"]

    def test_nothing_here_was_patched(self) -> None:
        from gevent import monkey

        assert not monkey.is_module_patched("socket")


# Choosing one.


def test_an_executor_is_chosen_by_name() -> None:
    assert type(choose_executor("manual")) is FiberExecutor
    assert type(choose_executor("threads")) is ThreadExecutor
    assert choose_executor("threads", workers=1000)._limit == 32  # type: ignore[attr-defined]
    assert choose_executor("threads", workers=3)._limit == 3  # type: ignore[attr-defined]


def test_an_unknown_name_says_which_there_are() -> None:
    with pytest.raises(
        ConfigError, match="CABLE_EXECUTOR: 'asyncio' is none of auto, gevent, threads, manual"
    ):
        choose_executor("asyncio")


@pytest.mark.needs("gevent")
def test_gevent_is_chosen_by_name_and_told_its_workers() -> None:
    executor = choose_executor("gevent", workers=7)
    assert type(executor) is GeventExecutor
    assert executor._limit == 7


@pytest.mark.needs("gevent")
def test_the_servers_socket_tells_which_it_is(pair: Pair) -> None:
    import gevent.socket

    theirs = gevent.socket.socket()
    assert type(choose_executor("auto", theirs)) is GeventExecutor
    assert type(choose_executor("auto", pair[0])) is ThreadExecutor
    theirs.close()


def test_without_a_socket_it_is_threads_unless_patched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gevent.monkey", None)
    assert type(choose_executor("auto")) is ThreadExecutor


@pytest.mark.needs("gevent")
def test_that_gevent_is_installed_or_imported_changes_nothing() -> None:
    import gevent.monkey

    assert not gevent.monkey.is_module_patched("socket")
    assert type(choose_executor("auto")) is ThreadExecutor


def test_a_patched_process_gets_gevent() -> None:
    require("gevent")
    program = (
        "from gevent import monkey; monkey.patch_all()\n"
        "import socket, threading\n"
        "from flask_cable.executors import choose_executor\n"
        "executor, log, done = choose_executor('auto'), [], threading.Event()\n"
        "executor.submit(log.append, 'worked'); executor.later(0.01, done.set); done.wait(10)\n"
        "print(executor.name, log)\n"
    )
    run = programs.run(program)
    assert (run.returncode, run.stdout, run.stderr) == (0, "gevent ['worked']\n", "")
