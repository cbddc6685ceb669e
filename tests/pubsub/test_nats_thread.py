"""asyncio has a thread of its own, and stays there."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from support.servers import TESTS

from flask_cable.pubsub.nats_thread import Bell, NatsThread

pytest.importorskip("nats")


@pytest.fixture
def thread() -> Iterator[NatsThread]:
    thread = NatsThread()
    yield thread
    thread.stop()


async def where() -> int:
    await asyncio.sleep(0)
    return threading.get_ident()


def test_what_is_awaited_is_awaited_there(thread: NatsThread) -> None:
    place = thread.call(where, 5)
    assert place not in (0, threading.get_ident())
    assert thread.call(where, 5) == place
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()


def test_an_error_is_raised_here(thread: NatsThread) -> None:
    async def fail() -> None:
        raise LookupError("lost")

    with pytest.raises(LookupError, match="lost"):
        thread.call(fail, 5)


def test_who_waits_too_long_is_told_and_what_he_waited_for_is_cancelled(thread: NatsThread) -> None:
    cancelled = threading.Event()

    async def wait() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
        thread.call(wait, 0.05)
    assert cancelled.wait(5)


def test_what_nobody_waits_for_is_done_all_the_same(thread: NatsThread) -> None:
    done = threading.Event()

    async def finish() -> None:
        done.set()
        raise LookupError("which nobody hears")

    thread.post(finish)
    assert done.wait(5)


def test_a_stop_ends_what_is_under_way(thread: NatsThread) -> None:
    failed: list[Exception] = []

    def wait() -> None:
        try:
            thread.call(lambda: asyncio.sleep(60), 30)
        except ConnectionError as error:
            failed.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    thread.call(where, 5)
    while thread.call(lambda: number_of_tasks(), 5) < 2:
        time.sleep(0.001)
    thread.stop()
    thread.stop()
    waiting.join(5)
    assert [str(error) for error in failed] == ["it was stopped meanwhile"]


async def number_of_tasks() -> int:
    return len(asyncio.all_tasks())


def test_it_begins_again(thread: NatsThread) -> None:
    thread.call(where, 5)
    thread.stop()
    assert thread.call(where, 5)


def test_a_fork_has_a_thread_of_its_own(thread: NatsThread) -> None:
    thread.call(where, 5)
    child = os.fork()
    if not child:
        thread.stop()
        os._exit(0 if thread.call(where, 5) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.needs("gevent")
def test_under_gevent_no_greenlet_meets_asyncio() -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", GREENLETS],
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr


GREENLETS = """
from gevent import monkey
native = monkey.get_original("_thread", "get_ident")
monkey.patch_all()
import asyncio, gevent
from flask_cable.pubsub.nats_thread import NatsThread

thread, ticks = NatsThread(), []
async def where():
    await asyncio.sleep(0.1)
    await asyncio.get_running_loop().getaddrinfo("localhost", 80)
    return native()
def tick():
    while True:
        gevent.sleep(0.005)
        ticks.append(1)
ticker = gevent.spawn(tick)
jobs = [gevent.spawn(thread.call, where, 5) for _ in range(50)]
gevent.sleep(0.05)
async def view():  # as Flask runs a view that is async
    await asyncio.sleep(0.01)
    return "fine"
assert asyncio.run(view()) == "fine"
places = {job.get(timeout=5) for job in jobs}
assert len(places) == 1 and native() not in places
assert len(ticks) > 5
thread.stop()
ticker.kill()
"""


def test_a_bell_wakes_who_waits() -> None:
    bell = Bell()
    bell.ring()
    bell.ring()
    bell.wait(5)
    start = time.monotonic()
    bell.wait(0.02)
    assert 0.01 < time.monotonic() - start < 4
    threading.Timer(0.01, bell.ring).start()
    start = time.monotonic()
    bell.wait(5)
    assert time.monotonic() - start < 4
    bell.close()
    bell.close()
    bell.ring()
