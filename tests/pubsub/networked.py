"""What the adapters with a server share in their tests: fixtures, and a wait until all has happened."""

from __future__ import annotations

import gc
import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pubsub.test_base import PubSubContract
from pubsub.test_store import together
from support.backends import Backend
from support.proxy import Proxy
from support.servers import free_port
from support.wire import eventually

from flask_cable.errors import BusError
from flask_cable.pubsub import BusOptions, NetworkPubSub, PubSub, Watcher, open_pubsub

ROOT = Path(__file__).parents[2]

_prefixes = itertools.count(1)


def options(**changes: Any) -> BusOptions:
    """Return quick options, and a prefix that nobody else has."""
    return BusOptions(**{"prefix": f"test{next(_prefixes)}:", "timeout": 2.0, **changes})


class OverServer:
    """Has a real server: `server` names its fixture in `conftest.py`."""

    server = ""

    @pytest.fixture
    def backend(self, request: pytest.FixtureRequest) -> Backend:
        backend: Backend = request.getfixturevalue(self.server)
        return backend


class NetworkContract(OverServer, PubSubContract):
    """The contract over a real server."""

    @pytest.fixture
    def bus(self, backend: Backend) -> Iterator[NetworkPubSub]:
        yield from opened(backend.url, options())

    @pytest.fixture
    def other(self, backend: Backend, bus: NetworkPubSub) -> Iterator[NetworkPubSub]:
        yield from opened(backend.url, bus.options)

    def settle(self, bus: Any) -> None:
        settle(bus)

    def test_a_name_that_no_server_can_be_told_harms_nobody_else(self, bus: PubSub) -> None:
        heard: list[str] = []
        bus.subscribe("news", heard.append)
        with pytest.raises(UnicodeEncodeError):
            bus.subscribe("chat:\ud800", print)
        with pytest.raises(UnicodeEncodeError):
            bus.publish("chat:\ud800", "1")
        self.settle(bus)
        bus.publish("news", "1")
        self.settle(bus)
        assert heard == ["1"]

    def test_an_error_names_the_server_and_no_password(self, backend: Backend) -> None:
        place = f"127.0.0.1:{free_port()}"
        url = urlsplit(backend.url)._replace(netloc=f"cable:pass%2Fword@{place}").geturl()
        for bus in opened(url, options()):
            with pytest.raises(BusError, match="publishing failed") as caught:
                bus.publish("news", "1")
            assert str(caught.value).startswith(f"{bus.name}: ")
            assert place in bus.name
            assert "word" not in str(caught.value)

    def test_trying_in_vain_costs_no_file(self, backend: Backend) -> None:
        """An outage of a day is tens of thousands of tries."""
        url = backend.url.replace(f":{backend.port}", f":{free_port()}")
        for bus in opened(url, options()):
            for opening in (bus.listen, bus.connect):
                before = set()
                for _ in range(10):
                    with pytest.raises(Exception, match=r"(?i)refused|connect"):
                        opening()
                    before = before or open_files()
                assert open_files() == before

    def test_who_joins_while_others_leave_misses_nothing(self, bus: PubSub, other: PubSub) -> None:
        """First in and last out at the same moment, on few names, from several threads."""
        heard: list[str] = []

        def join_and_leave(who: int) -> None:
            for turn in range(40):
                live, said = threading.Event(), f"{who} {turn}"
                number = bus.subscribe(f"room {(who + turn) % 2}", heard.append, live.set)
                assert live.wait(10)
                other.publish(f"room {(who + turn) % 2}", said)
                eventually(lambda: said in heard, "what was said after the confirmation is heard")  # noqa: B023
                bus.unsubscribe(number)

        together(lambda who=who: join_and_leave(who) for who in range(4))
        assert [bus.subscriber_count(f"room {room}") for room in (0, 1)] == [0, 0]

    def test_thousands_who_come_and_go_leave_nothing_behind(self, bus: NetworkPubSub) -> None:
        self.come_and_go(bus, 300)
        before = blocks()
        self.come_and_go(bus, 2000)
        eventually(lambda: blocks() - before < 500, "all that was made for them is gone")
        assert not bus._incoming._audiences

    def come_and_go(self, bus: NetworkPubSub, rounds: int) -> None:
        for turn in range(rounds):
            number = bus.subscribe(f"{rounds} {turn}", print)
            if turn % 2:  # the server is told of some, and of others not at all
                settle(bus)
            bus.unsubscribe(number)
        settle(bus)

    def test_a_fork_has_a_connection_of_its_own_and_leaves_its_parents_alone(
        self, bus: NetworkPubSub, other: NetworkPubSub
    ) -> None:
        heard: list[str] = []
        bus.subscribe("news", heard.append)
        settle(bus)
        child = os.fork()
        if not child:
            os._exit(as_a_child(bus, heard))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        for publisher in (bus, other):
            publisher.publish("news", "from the parent")
        settle(bus)
        assert heard == ["from the child", "from the parent", "from the parent"]


def as_a_child(bus: NetworkPubSub, heard: list[str]) -> int:
    """Use what the parent made; return an exit code."""
    try:
        assert not bus.unsubscribe(987_654)
        settle(bus)
        bus.publish("news", "from the child")
        settle(bus)
        return 0 if heard == ["from the child"] else 1
    except BaseException:
        return 2


def open_files() -> set[str]:
    """The numbers of this process's files, sockets included."""
    gc.collect()
    return set(os.listdir("/proc/self/fd"))


def blocks() -> int:
    """How many blocks of memory are in use: one for each object, the smallest included."""
    gc.collect()
    return sys.getallocatedblocks()


def opened(url: str, options: BusOptions) -> Iterator[NetworkPubSub]:
    """Yield an open adapter."""
    bus = open_pubsub(url, options)
    assert isinstance(bus, NetworkPubSub)
    yield bus
    bus.stop()


def settle(bus: NetworkPubSub) -> None:
    """Wait until the server has done what was asked so far: a stream asked for last hears a last message."""
    live, heard = threading.Event(), threading.Event()
    number = bus.subscribe("settle", lambda message: heard.set(), live.set)
    assert live.wait(10), "the server confirmed nothing"
    while not heard.is_set():
        bus.publish("settle", "")
        heard.wait(0.2)
    bus.unsubscribe(number)
    eventually(lambda: bus.is_live, "the adapter is live")


class Moments(list[Any]):
    """What a watcher is told: an error, or the seconds of an outage."""

    @property
    def watcher(self) -> Watcher:
        return Watcher(self.append, self.append)


class FaultContract:
    """What every adapter does when its server dies, hangs or is cut off. `kind` names the server."""

    kind = ""
    timeout = 1.0

    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls) -> Iterator[Backend]:
        with Backend(cls.kind) as backend:
            yield backend

    @pytest.fixture
    def make(self, backend: Backend) -> Iterator[Callable[..., NetworkPubSub]]:
        made: list[NetworkPubSub] = []

        def make(port: int | None = None, **changes: Any) -> NetworkPubSub:
            url = backend.url.replace(f":{backend.port}", f":{port or backend.port}")
            bus = open_pubsub(url, options(**{"timeout": self.timeout, **changes}))
            assert isinstance(bus, NetworkPubSub)
            made.append(bus)
            return bus

        yield make
        for bus in made:
            bus.stop()

    def test_a_server_that_dies_is_missed_and_heard_again(self, backend: Backend, make: Any) -> None:
        bus, heard, moments = make(), [], Moments()
        bus.watch(moments.watcher)
        bus.subscribe("news", heard.append)
        settle(bus)
        backend.kill()
        eventually(lambda: bus.is_lost, "it is lost")
        begun = time.monotonic()
        with pytest.raises(BusError) as caught:
            bus.publish("news", "lost")
        assert time.monotonic() - begun < self.timeout + 0.5
        assert str(caught.value)
        live: list[str] = []
        bus.subscribe("new", heard.append, lambda: live.append("new"))
        bus.subscribe("news", print, lambda: live.append("news"))
        backend.start()
        eventually(lambda: bus.is_live, "it is back")
        assert sorted(live) == ["new", "news"]
        bus.publish("news", "1")
        bus.publish("new", "2")
        settle(bus)
        assert heard == ["1", "2"]
        assert isinstance(moments[0], BusError)
        assert [type(moment) for moment in moments[1:]] == [float]

    def test_a_server_that_hangs_is_noticed_in_time(self, backend: Backend, make: Any) -> None:
        bus, heard = make(), []
        bus.subscribe("news", heard.append)
        settle(bus)
        with backend.paused():
            begun = time.monotonic()
            with pytest.raises(BusError):
                bus.publish("news", "lost, or late")
            assert time.monotonic() - begun < self.timeout + 0.5
            eventually(lambda: bus.is_lost, "it is lost")
            assert time.monotonic() - begun < 2 * self.timeout + 0.5
        eventually(lambda: bus.is_live, "it is back")
        bus.publish("news", "1")
        settle(bus)
        assert heard[-1] == "1"

    def test_a_line_that_is_cut_without_a_word_is_noticed_in_time(self, backend: Backend, make: Any) -> None:
        with Proxy(backend.port) as proxy:
            bus, heard, moments = make(proxy.port), [], Moments()
            bus.watch(moments.watcher)
            bus.subscribe("news", heard.append)
            settle(bus)
            proxy.freeze()
            begun = time.monotonic()
            eventually(lambda: len(moments) == 2, "it is lost and back")
            assert time.monotonic() - begun < 2 * self.timeout + 1.0
            settle_at_last(bus)
            bus.publish("news", "1")
            settle(bus)
            assert heard == ["1"]
            bus.stop()

    def test_what_is_heard_over_lines_that_break_is_heard_once_and_in_order(
        self, backend: Backend, make: Any
    ) -> None:
        with Proxy(backend.port) as proxy:
            bus, heard, moments = make(proxy.port), [], Moments()
            publisher, numbers = make(prefix=bus.options.prefix), itertools.count()
            bus.watch(moments.watcher)
            bus.subscribe("news", lambda message: heard.append(int(message)))
            settle(bus)

            def say_until(seen: Callable[[], bool]) -> bool:
                publisher.publish("news", str(next(numbers)))
                return seen()

            for cuts in range(1, 6):
                begun = len(heard)
                eventually(lambda: say_until(lambda: len(heard) > begun + 5), "it is heard")  # noqa: B023
                proxy.cut()
                eventually(lambda: say_until(lambda: len(moments) == 2 * cuts), "it is back")  # noqa: B023
            settle_at_last(bus)
            publisher.publish("news", "1000000")
            eventually(lambda: heard[-1] == 1_000_000, "the last is heard")
            assert heard == sorted(set(heard))
            gaps = sum(after - before > 1 for before, after in itertools.pairwise(heard[:-1]))
            assert gaps <= 5, "nothing is missed but in an outage that is told"
            bus.stop()

    def test_a_thousand_streams_are_heard_again(self, backend: Backend, make: Any) -> None:
        with Proxy(backend.port) as proxy:
            bus, heard, moments = make(proxy.port, timeout=5.0), [], Moments()
            bus.watch(moments.watcher)
            for number in range(1200):
                bus.subscribe(f"stream {number}", heard.append)
            settle(bus)
            proxy.cut()
            eventually(lambda: len(moments) == 2, "it is lost and back")
            for number in range(1200):
                bus.publish(f"stream {number}", str(number))
            settle(bus)
            assert heard == [str(number) for number in range(1200)]
            bus.stop()

    def test_messages_may_be_kept_until_the_server_is_back(self, backend: Backend, make: Any) -> None:
        other, heard = make(), []
        bus = make(buffer=50, prefix=other.options.prefix)
        settle(bus)
        backend.kill()
        for number in range(50):
            bus.publish("news", str(number))
        with pytest.raises(BusError, match="CABLE_BUS_BUFFER"):
            bus.publish("news", "too many")
        backend.start()
        other.subscribe("news", heard.append)
        eventually(lambda: other.is_live and not bus._outgoing.waiting, "all has been sent")
        bus.publish("news", "50")
        settle(other)
        bus.publish("news", "51")
        eventually(lambda: heard[-1:] == ["51"], "the last is heard")
        assert heard == [str(number) for number in range(52)][-len(heard) :]

    def test_a_server_may_come_after_the_adapter(self, backend: Backend, make: Any) -> None:
        backend.kill()
        bus, heard, live = make(), [], []
        bus.subscribe("news", heard.append, lambda: live.append("live"))
        eventually(lambda: bus.is_lost, "it is known")
        assert live == []
        backend.start()
        eventually(lambda: live, "it is confirmed")
        bus.publish("news", "1")
        settle(bus)
        assert heard == ["1"]


def settle_at_last(bus: NetworkPubSub) -> None:
    """Wait until publishing works: its connection may be another than the one that hears."""

    def works() -> bool:
        try:
            bus.publish("settle", "")
        except BusError:
            return False
        return True

    eventually(works, "publishing works")


def run_patched(file: str, *names: str) -> str:
    """Run these tests of a file where gevent has patched the standard library; return what is wrong."""
    words = [
        "-m",
        "gevent.monkey",
        "--module",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        " or ".join(names),
    ]
    run = subprocess.run(
        [sys.executable, *words, file], cwd=ROOT, capture_output=True, text=True, timeout=150, check=False
    )
    return "" if run.returncode == 0 else run.stdout[-8000:] + run.stderr[-2000:]
