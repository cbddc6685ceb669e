"""What the stores with a server share in their tests: the contract, other processes, and failures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from pubsub.networked import OverServer, opened, options
from pubsub.test_store import LEASE, StoreContract, together
from support.backends import Backend
from support.proxy import Proxy
from support.servers import TESTS, free_port
from support.wire import eventually

from flask_cable.errors import BusError
from flask_cable.pubsub import NetworkPubSub, Store

LAST = 1.0
"""Seconds after a race until those who ran it count for dead."""

ENV = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


class NetworkStoreContract(OverServer, StoreContract):
    """The contract over a real server."""

    ttl = 1.0
    library = ""

    @pytest.fixture
    def bus(self, backend: Backend) -> Iterator[NetworkPubSub]:
        yield from opened(backend.url, options(timeout=1.5))

    @pytest.fixture
    def store(self, bus: NetworkPubSub) -> Store:
        return bus.store

    @pytest.fixture
    def other(self, backend: Backend, bus: NetworkPubSub) -> Iterator[Store]:
        for another in opened(backend.url, bus.options):
            yield another.store

    def pass_by(self, seconds: float) -> None:
        time.sleep(seconds)

    # Other processes.

    def test_two_processes_race_and_die(self, backend: Backend, bus: NetworkPubSub) -> None:
        names = [f"boss {n}" for n in range(200)]
        prefix = bus.options.prefix
        words = ["support.apps.claimant", backend.url, prefix]
        racers = [
            Child(*words, "a", str(LAST), *names),
            Child(*words, "b", str(LAST), *reversed(names)),
        ]
        first, second = map(json.loads, together(racer.go for racer in racers))
        assert first == second
        assert set(first.values()) == {"a:1", "b:1"}
        bus.store.beat("c", LEASE)
        eventually(lambda: bus.store.owner(names[0]) is None, "the dead have nothing")
        assert bus.store.claim(names[0], "c:1") == "c:1"

    def test_another_prefix_is_another_world(self, backend: Backend, store: Store) -> None:
        for bus in opened(backend.url, options()):
            store.put("k", "text", LEASE)
            assert bus.store.get("k") is None

    # Failures.

    def test_a_call_ends_in_time_when_the_server_hangs(self, backend: Backend, bus: NetworkPubSub) -> None:
        bus.store.put("k", "text", LEASE)
        with backend.paused():
            start = time.monotonic()
            said = together([lambda: failure(bus.store), lambda: failure(bus.store)] * 6)
            assert time.monotonic() - start < 2 * bus.timeout + 1
        assert all(error.startswith(bus.name) for error in said)
        assert eventually(lambda: answer(bus.store), "it answers again") == "text"

    def test_it_works_again_after_a_restart(self, backend: Backend, bus: NetworkPubSub) -> None:
        bus.store.beat("a", LEASE)
        backend.kill()
        try:
            assert failure(bus.store).startswith(bus.name)
        finally:
            backend.start()
        eventually(lambda: beats(bus.store), "the node beats again")
        assert bus.store.claim("boss", "a:1") == "a:1"

    def test_a_line_that_is_cut_without_a_word_is_replaced(
        self, backend: Backend, bus: NetworkPubSub
    ) -> None:
        bus.store.put("k", "text", LEASE)
        with Proxy(backend.port) as proxy:
            url = backend.url.replace(f":{backend.port}", f":{proxy.port}")
            for other in opened(url, bus.options):
                assert other.store.get("k") == "text"
                proxy.freeze()
                failure(other.store)
                assert other.store.get("k") == "text"

    def test_an_error_tells_the_server_and_no_password(self, backend: Backend) -> None:
        parts = urlsplit(backend.url)
        netloc = f"cable:pass-word@127.0.0.1:{free_port()}"
        for bus in opened(parts._replace(netloc=netloc).geturl(), options()):
            said = failure(bus.store)
            assert netloc.partition("@")[2] in said
            assert "pass-word" not in said

    def test_it_is_used_again_after_a_stop(self, store: Store) -> None:
        store.put("k", "text", LEASE)
        store.stop()
        assert store.get("k") == "text"

    def test_a_fork_uses_connections_of_its_own(self, store: Store) -> None:
        store.put("k", "text", LEASE)
        child = os.fork()
        if not child:
            os._exit(0 if store.get("k") == "text" else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert store.get("k") == "text"

    @pytest.mark.needs("gevent")
    def test_greenlets_work_while_one_waits(self, backend: Backend, bus: NetworkPubSub) -> None:
        child = Child("support.apps.waiter", backend.url, bus.options.prefix, self.library)
        with backend.paused():
            ticks = json.loads(child.go())
        assert min(ticks) > 20, "somebody else works every 10 ms while a call waits for a second"


class Child:
    """A process that says when it is ready, waits for a word, and has one line to say."""

    def __init__(self, module: str, *args: str) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *args], cwd=TESTS, env=ENV, stdin=pipe, stdout=pipe, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def go(self) -> str:
        """Let it begin; returns what it has to say in the end."""
        said, _ = self._process.communicate("go\n", timeout=30)
        assert self._process.returncode == 0
        return said


def failure(store: Store) -> str:
    """Return what a call says when it fails, which it has to."""
    with pytest.raises(BusError) as caught:
        store.get("k")
    return str(caught.value)


def answer(store: Store) -> str | None:
    with suppress(BusError):
        return store.get("k")
    return None


def beats(store: Store) -> bool:
    with suppress(BusError):
        store.beat("a", LEASE)
        return True
    return False
