"""What an adapter hears: subscriptions shared and confirmed, an outage survived, silence noticed."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pytest
from support.wire import eventually

from flask_cable.pubsub import Watcher, listening
from flask_cable.pubsub.envelope import Envelope
from flask_cable.pubsub.listening import Heard, Incoming, Listener, Waiter


class Server:
    """A server that does what the test says. What it is asked is in `asked`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.line: Line | None = None
        self.lines = 0
        self.up = True
        self.confirms = True
        self.answers = True

    def listen(self) -> Listener:
        if not self.up:
            raise ConnectionError("down")
        self.lines += 1
        self.line = Line(self)
        return self.line

    def say(self, address: str, text: str) -> None:
        assert self.line is not None
        self.line.said.put([(address, b"c1:" + text.encode())])

    def confirm(self, *addresses: str) -> None:
        assert self.line is not None
        self.line.said.put([(address, None) for address in addresses])

    def cut(self) -> None:
        assert self.line is not None
        self.line.said.put(ConnectionError("cut"))

    def die(self) -> None:
        self.up = False
        self.cut()


class Line(Listener):
    def __init__(self, server: Server) -> None:
        self.server = server
        self.said: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def subscribe(self, addresses: Sequence[str]) -> None:
        self.server.asked += [f"+{address}" for address in addresses]
        if self.server.confirms:
            self.server.confirm(*addresses)

    def unsubscribe(self, addresses: Sequence[str]) -> None:
        self.server.asked += [f"-{address}" for address in addresses]

    def receive(self, timeout: float) -> Iterable[Heard] | None:
        try:
            said = self.said.get(timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(said, Exception):
            raise said
        return said  # type: ignore[no-any-return]

    def probe(self) -> None:
        self.server.asked.append("?")
        if self.server.answers:
            self.said.put([])

    def wake(self) -> None:
        self.said.put(None)

    def close(self) -> None:
        raise OSError("it is broken anyway")


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def make(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Incoming]]:
    monkeypatch.setattr(listening, "FIRST", 0.01)
    made = []

    def make(timeout: float = 10.0) -> Incoming:
        made.append(Incoming(server.listen, Envelope(), timeout, "fake://server"))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def live(incoming: Incoming, address: str = "news", callback: Callable[[str], object] = print) -> int:
    """Subscribe, and wait for the confirmation."""
    confirmed = threading.Event()
    number = incoming.subscribe(address, callback, confirmed.set)
    assert confirmed.wait(5)
    return number


# One subscription at the server for all of an address.


def test_the_first_asks_the_server_and_the_last_tells_it(server: Server, make: Any) -> None:
    incoming = make()
    first, second = live(incoming), live(incoming)
    assert incoming.unsubscribe(first)
    live(incoming, "other")
    assert incoming.unsubscribe(second)
    live(incoming, "last")
    assert server.asked == ["+news", "+other", "-news", "+last"]


def test_nobody_is_confirmed_before_the_server_has_confirmed(server: Server, make: Any) -> None:
    incoming, told = make(), []
    server.confirms = False
    incoming.subscribe("news", print, lambda: told.append(1))
    incoming.subscribe("news", print, lambda: told.append(2))
    gone = incoming.subscribe("news", print, lambda: told.append(3))
    eventually(lambda: server.asked == ["+news"], "it is asked for")
    incoming.unsubscribe(gone)
    assert (told, incoming.is_live) == ([], False)
    server.confirm("news")
    eventually(lambda: incoming.is_live, "it is live")
    assert told == [1, 2]


def test_an_address_that_was_left_and_joined_again_is_live_with_its_last_confirmation(
    server: Server, make: Any
) -> None:
    incoming, told = make(), []
    server.confirms = False
    number = incoming.subscribe("news", print)
    eventually(lambda: server.asked == ["+news"], "it is asked for")
    incoming.unsubscribe(number)
    eventually(lambda: server.asked == ["+news", "-news"], "it is left")
    incoming.subscribe("news", print, lambda: told.append("live"))
    eventually(lambda: server.asked == ["+news", "-news", "+news"], "it is asked for again")
    server.confirm("news")
    server.say("news", "x")
    heard: list[str] = []
    incoming.subscribe("news", heard.append)
    server.say("news", "y")
    eventually(lambda: heard, "the messages are through")
    assert told == []
    server.confirm("news")
    eventually(lambda: told, "it is live")


def test_what_is_left_and_joined_again_at_once_costs_the_server_nothing(server: Server, make: Any) -> None:
    incoming = make()
    held = threading.Event()
    number = live(incoming)
    live(incoming, "other", lambda message: held.wait(5))
    server.say("other", "hold")
    incoming.unsubscribe(number)
    told: list[str] = []
    incoming.subscribe("news", print, lambda: told.append("live"))
    held.set()
    eventually(lambda: told, "it is confirmed all the same")
    assert server.asked == ["+news", "+other"]


def test_a_callback_that_is_gone_is_not_called(server: Server, make: Any) -> None:
    incoming, heard = make(), []
    number = live(incoming, "news", heard.append)
    live(incoming, "news", lambda message: incoming.unsubscribe(number))
    first = live(incoming, "news", lambda message: heard.append("last"))
    server.say("news", "1")
    server.say("news", "2")
    server.say("nobody", "3")
    eventually(lambda: heard.count("last") == 2, "both came")
    assert heard == ["1", "last", "last"]
    assert incoming.unsubscribe(first)


def test_what_cannot_be_unwrapped_is_counted_and_said_once(
    server: Server, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    incoming, heard = make(), []
    live(incoming, "news", heard.append)
    assert server.line is not None
    for payload in (b"\x80\x04K\x01.", b"foreign", b"c1:good"):
        server.line.said.put([("news", payload)])
    eventually(lambda: heard, "the good one came")
    assert (heard, incoming.dropped) == (["good"], 2)
    assert caplog.text.count("was dropped") == 1


# Outages.


class Moments(list[Any]):
    """What a watcher is told."""

    @property
    def watcher(self) -> Watcher:
        return Watcher(lambda error: self.append(str(error)), lambda seconds: self.append(seconds > 0))


def test_after_an_outage_everything_is_asked_for_again(
    server: Server, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    incoming, heard, moments = make(), [], Moments()
    incoming.watch(Watcher(fails, fails))
    incoming.watch(moments.watcher)
    live(incoming, "news", heard.append)
    gone = live(incoming, "gone")
    server.die()
    eventually(lambda: moments, "the outage is told")
    assert (incoming.is_live, incoming.is_lost) == (False, True)
    incoming.unsubscribe(gone)
    told: list[str] = []
    incoming.subscribe("new", print, lambda: told.append("live"))
    incoming.subscribe("news", print, lambda: told.append("old"))
    server.asked.clear()
    server.up = True
    eventually(lambda: incoming.is_live, "it is back")
    assert sorted(server.asked) == ["+new", "+news"]
    assert sorted(told) == ["live", "old"]
    server.say("news", "1")
    eventually(lambda: heard == ["1"], "messages come again")
    assert moments == ["fake://server: cut", True]
    assert caplog.text.count("is out of reach") == 1
    assert caplog.text.count("is back after") == 1


def fails(*args: object) -> None:
    raise LookupError("a watcher")


def test_it_is_not_back_before_everything_is_confirmed(server: Server, make: Any) -> None:
    incoming, moments = make(), Moments()
    incoming.watch(moments.watcher)
    live(incoming, "a")
    live(incoming, "b")
    server.confirms = False
    server.cut()
    eventually(lambda: server.asked[2:] == ["+a", "+b"], "all is asked for again")
    server.confirm("a")
    seen = threading.Event()
    incoming.subscribe("a", lambda message: seen.set())
    server.say("a", "1")
    assert seen.wait(5)
    assert (incoming.is_live, len(moments)) == (False, 1)
    server.confirm("b")
    eventually(lambda: incoming.is_live, "it is back")
    assert len(moments) == 2


def test_a_server_that_was_never_there_is_lost_and_tried_for_ever(server: Server, make: Any) -> None:
    incoming, told, moments = make(), [], Moments()
    incoming.watch(moments.watcher)
    server.up = False
    assert not incoming.is_lost
    incoming.subscribe("news", print, lambda: told.append("live"))
    eventually(lambda: incoming.is_lost, "it is known")
    server.up = True
    eventually(lambda: told, "it is there after all")
    assert moments[0] == "fake://server: down"


def test_who_begins_to_watch_in_an_outage_is_told_of_it(server: Server, make: Any) -> None:
    incoming, moments = make(), Moments()
    server.up = False
    incoming.subscribe("news", print)
    eventually(lambda: incoming.is_lost, "it is known")
    incoming.watch(moments.watcher)
    assert moments == ["fake://server: down"]
    server.up = True
    eventually(lambda: len(moments) == 2, "the end of it is told, too")


def test_who_has_reached_the_server_lets_it_be_tried_at_once(
    server: Server, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "FIRST", 60.0)
    incoming = make()
    incoming.hurry()
    live(incoming)
    server.die()
    eventually(lambda: incoming.is_lost, "it is lost")
    server.up = True
    assert not incoming.is_live
    incoming.hurry()
    eventually(lambda: incoming.is_live, "it is back", deadline=5)


def test_a_silent_server_is_asked_and_then_given_up(server: Server, make: Any) -> None:
    incoming, moments = make(timeout=0.1), Moments()
    incoming.watch(moments.watcher)
    live(incoming)
    eventually(lambda: server.asked.count("?") >= 3, "it is asked again and again")
    assert (incoming.is_live, server.lines) == (True, 1)
    server.answers = False
    eventually(lambda: moments, "it is given up")
    assert "said nothing for" in moments[0]
    server.answers = True
    eventually(lambda: incoming.is_live, "it is back")
    assert server.lines == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_thread_is_revived_by_the_next_who_subscribes(server: Server, make: Any) -> None:
    incoming = make()

    def die(message: str) -> None:
        raise SystemExit

    live(incoming, "news", die)
    server.say("news", "1")
    eventually(lambda: incoming._thread is None, "it is dead")
    assert not incoming.is_live
    live(incoming, "other")
    assert server.asked == ["+news", "+news", "+other"]


def test_at_the_end_nothing_more_is_heard(server: Server, make: Any) -> None:
    incoming, heard = make(), []
    live(incoming, "news", heard.append)
    incoming.stop()
    server.say("news", "1")
    incoming.stop()
    incoming.subscribe("other", print)
    assert (heard, server.asked, incoming.is_live) == ([], ["+news"], False)


def test_the_end_does_not_wait_for_a_server_that_is_away(server: Server, make: Any) -> None:
    incoming = make()
    server.up = False
    incoming.subscribe("news", print)
    eventually(lambda: incoming.is_lost, "it is known")
    incoming.stop()
    assert incoming._thread is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_begins_anew(server: Server, make: Any) -> None:
    incoming = make()
    live(incoming)
    incoming._fork._pid = -1  # as a child finds it
    told: list[str] = []
    incoming.subscribe("news", print, lambda: told.append("live"))
    eventually(lambda: told, "it has a connection of its own")
    assert server.lines == 2
    assert server.asked == ["+news", "+news"]


# Waiting.


def test_a_waiter_waits_for_its_socket_or_to_be_woken() -> None:
    import socket

    near, far = socket.socketpair()
    waiter = Waiter(far)
    assert not waiter.wait(0.0)
    for _ in range(100_000):  # more than anything can hold
        waiter.wake()
    assert not waiter.wait(5)
    near.send(b"x")
    assert waiter.wait(5)
    waiter.close()
    waiter.wake()
    near.close()
    far.close()
