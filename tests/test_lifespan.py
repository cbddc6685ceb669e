"""The end of a process is noticed wherever it can be, and peers are told before it comes."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from core.test_connection import LateExecutor, Wire
from core.test_handler import RecordingHandler
from support import programs

from flask_cable.core.connection import Connection
from flask_cable.core.drain import CODE, Drain
from flask_cable.core.executor import ManualExecutor
from flask_cable.core.hub import Hub
from flask_cable.core.registry import Registry
from flask_cable.lifespan import POLL, Lifespan
from flask_cable.pubsub import MemoryPubSub


class Worker:
    """gunicorn's base class, as far as it is looked at."""

    def __init__(self, pid: int | None = None, workers: int = 1, **attributes: Any) -> None:
        self.alive = True
        self.pid = os.getpid() if pid is None else pid
        self.cfg = SimpleNamespace(workers=workers)
        vars(self).update(attributes)


@pytest.fixture(autouse=True)
def gunicorn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that gunicorn's base class is loaded."""
    gc.collect()  # the last test's worker, which would be found, too
    module = ModuleType("gunicorn.workers.base")
    module.Worker = Worker  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gunicorn.workers.base", module)


class House:
    """A process with one peer, and its lifespan."""

    def __init__(self, executor: ManualExecutor | None = None, seconds: float = 5) -> None:
        self.stopped: list[bool] = []
        self.flushed: list[tuple[bool, bool]] = []
        self.executor = executor or ManualExecutor()
        self.registry = Registry(Hub(MemoryPubSub(), self.executor))
        self.drain = Drain(self.registry, self.executor)
        self.wire = Wire()
        stop = partial(self.stopped.append, True)
        flush = partial(note_flush, self.flushed, self.wire, self.stopped)
        self.lifespan = Lifespan(self.drain, self.executor, seconds, stop, flush)
        connection = Connection(RecordingHandler(self.executor), 1)
        connection.attach(self.wire)
        self.registry.add(connection)


def note_flush(flushed: list[tuple[bool, bool]], wire: Wire, stopped: list[bool]) -> None:
    """Note whether the peer had been told, and whether all had stopped."""
    flushed.append((bool(wire.told), bool(stopped)))


def test_a_worker_that_ends_has_its_peers_told() -> None:
    worker = Worker()
    house = House()
    house.lifespan.watch()
    house.executor.advance(60)
    assert not house.drain.started
    worker.alive = False
    house.executor.advance(POLL)
    assert house.drain.started
    assert house.wire.told == [(CODE, "")]
    house.lifespan.forget()


def test_it_is_looked_at_no_longer_than_needed() -> None:
    worker = Worker()
    house = House()
    house.lifespan.watch()
    worker.alive = False
    house.executor.advance(POLL)
    house.registry.remove(house.registry[1])
    house.executor.advance(10)
    assert house.executor._timers == []
    house.lifespan.forget()


def test_the_workers_of_other_processes_are_not_looked_at() -> None:
    gc.collect()  # workers of earlier tests
    other = Worker(pid=1)
    house = House()
    house.lifespan.watch()
    other.alive = False
    house.executor.advance(60)
    assert not house.drain.started
    house.lifespan.forget()


def test_without_gunicorn_there_is_no_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "gunicorn.workers.base")
    house = House()
    house.lifespan.watch()
    assert house.executor._timers == []
    house.lifespan.forget()


def test_a_worker_that_is_worn_out_and_alone_takes_no_time_over_it() -> None:
    for attributes, patience in (
        ({"nr": 100, "max_requests": 100}, 0.0),
        ({"nr": 101, "max_requests": 100}, 0.0),
        ({"nr": 99, "max_requests": 100}, 7),
        ({"nr": 100, "max_requests": 100, "workers": 2}, 7),
        ({"nr": 100, "max_requests": sys.maxsize}, 7),
        ({}, 7),
    ):
        worker = Worker(**attributes)
        assert House(seconds=7).lifespan._patience() == patience, attributes
        del worker


def test_a_runtime_that_is_not_used_any_more_looks_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    registered: list[Any] = []
    monkeypatch.setattr(atexit, "register", registered.append)
    monkeypatch.setattr(atexit, "unregister", registered.remove)
    worker = Worker()
    house = House()
    house.lifespan.watch()
    assert len(registered) == 1
    house.lifespan.forget()
    worker.alive = False
    house.executor.advance(60)
    assert (registered, house.drain.started) == ([], False)


# At exit.


def test_the_end_tells_peers_and_waits() -> None:
    house = House()
    house.lifespan.end()
    assert house.wire.told == [(CODE, "")]
    assert house.stopped == [True]


def test_the_end_is_told_at_home() -> None:
    executor = LateExecutor()
    house = House(executor)
    house.lifespan.end()
    assert not house.drain.started
    executor.run()
    assert house.drain.started


def test_without_anybody_there_is_nothing_to_wait_for() -> None:
    house = House()
    house.registry.remove(house.registry[1])
    house.lifespan.end()
    assert (house.drain.started, house.stopped) == (False, [True])


def test_what_was_put_off_is_sent_before_peers_are_told() -> None:
    worker, house = Worker(), House()
    house.lifespan.watch()
    worker.alive = False
    house.executor.advance(POLL)
    assert house.flushed == [(False, False)]
    house.lifespan.forget()


def test_and_what_was_put_off_meanwhile_at_the_end() -> None:
    house = House()
    house.lifespan.end()
    assert house.flushed == [(False, False), (True, False)]
    assert house.stopped == [True]


def test_even_where_there_is_nobody_to_tell() -> None:
    house = House()
    house.registry.remove(house.registry[1])
    house.lifespan.end()
    assert house.flushed == [(False, False)]


def test_a_child_of_the_process_tells_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    house.lifespan.end()
    assert (house.drain.started, house.stopped) == (False, [])


def test_an_ordinary_end_of_a_process_comes_by() -> None:
    program = (
        "from types import SimpleNamespace\n"
        "from flask_cable.core.executor import ManualExecutor\n"
        "from flask_cable.lifespan import Lifespan\n"
        "class Drain:\n"
        "    is_over = False\n"
        "    def start(self, seconds): print('start', seconds)\n"
        "    def wait(self, timeout): print('wait', timeout)\n"
        "Lifespan(Drain(), ManualExecutor(), 3, lambda: print('stop'), lambda: print('flush')).watch()\n"
        "print('end of the program')\n"
    )
    run = programs.run(program)
    assert (run.stdout, run.stderr) == ("end of the program\nflush\nstart 0.0\nwait 7.0\nflush\nstop\n", "")
