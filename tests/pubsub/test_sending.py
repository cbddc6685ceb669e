"""What an adapter says: in order, many in one round trip, bounded in number and time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from pubsub.test_store import together
from support.wire import eventually

from flask_cable.errors import BusError
from flask_cable.pubsub import sending
from flask_cable.pubsub.sending import Outgoing, Sender


class Server:
    """A server that is up or down, quick or slow, as the test says."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.trips: list[int] = []
        self.open = 0
        self.up = True
        self.tries = 0
        self.joined: list[bool] = []
        self.refuses = ""
        self.hung_up = False
        self.busy = threading.Event()
        self.quick = threading.Event()
        self.quick.set()

    def connect(self) -> Sender:
        self.tries += 1
        if not self.up:
            raise ConnectionError("down")
        self.open += 1
        return Line(self)


class Line(Sender):
    def __init__(self, server: Server) -> None:
        self.server = server

    def send(self, messages: Sequence[tuple[str, bytes]]) -> Mapping[int, Exception]:
        self.server.busy.set()
        assert self.server.quick.wait(10)
        if not self.server.up:
            raise ConnectionError("down")
        self.server.trips.append(len(messages))
        texts = [payload.decode() for _, payload in messages]
        self.server.got += [text for text in texts if text != self.server.refuses]
        return {n: ValueError("no") for n, text in enumerate(texts) if text == self.server.refuses}

    @property
    def is_stale(self) -> bool:
        return self.server.hung_up

    def close(self) -> None:
        self.server.open -= 1
        raise OSError("it is broken anyway")


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def make(server: Server) -> Iterator[Callable[..., Outgoing]]:
    made = []

    def make(timeout: float = 5.0, **options: Any) -> Outgoing:
        made.append(Outgoing(server.connect, lambda: server.joined.append(True), timeout, **options))
        return made[-1]

    yield make
    server.quick.set()
    for one in made:
        one.stop()


class Told(list[Any]):
    """How posts went, in the order in which it was told."""

    def __call__(self, error: BusError | None) -> None:
        self.append(error and str(error))


def test_messages_arrive_in_their_order_over_one_connection(server: Server, make: Any) -> None:
    outgoing, told = make(), Told()
    for number in range(1000):
        outgoing.post("news", b"%d" % number, told)
    eventually(lambda: len(told) == 1000, "all are told")
    assert server.got == [str(number) for number in range(1000)]
    assert set(told) == {None}
    assert server.tries == 1


def test_what_gathers_during_a_round_trip_goes_out_in_the_next(server: Server, make: Any) -> None:
    outgoing = make()
    server.quick.clear()
    for number in range(50):
        outgoing.post("news", b"%d" % number)
    server.quick.set()
    eventually(lambda: len(server.got) == 50, "all arrive")
    assert len(server.trips) <= 3


def test_a_round_trip_is_bounded_in_messages_and_in_bytes(
    server: Server, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "BATCH", 10)
    monkeypatch.setattr(sending, "BATCH_BYTES", 100)
    outgoing = make()
    server.quick.clear()
    for _ in range(25):
        outgoing.post("news", b"x")
    for _ in range(3):
        outgoing.post("news", b"x" * 90)
    server.quick.set()
    eventually(lambda: len(server.got) == 28, "all arrive")
    assert max(server.trips) == 10
    assert server.trips[-1] <= 2


def test_what_the_server_refuses_is_told_and_hinders_no_other(server: Server, make: Any) -> None:
    outgoing, told = make(buffer=10), Told()
    server.refuses = "2"
    for number in range(4):
        outgoing.post("news", b"%d" % number, told)
    eventually(lambda: len(told) == 4, "all are told")
    assert server.got == ["0", "1", "3"]
    assert told == [None, None, "the server refused a message: no", None]


def test_without_a_buffer_publishing_fails_while_the_server_is_away_and_works_again_after(
    server: Server, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    outgoing, told = make(), Told()
    server.up = False
    for number in range(3):
        outgoing.post("news", b"%d" % number, told)
        eventually(lambda: len(told) == number + 1, "it is told")  # noqa: B023 - called at once
    assert told == ["the server: publishing failed: down"] * 3
    assert len(caplog.records) == 1
    server.up = True
    outgoing.post("news", b"3", told)
    eventually(lambda: len(told) == 4, "it is told")
    assert (server.got, told[-1]) == (["3"], None)


def test_a_connection_that_breaks_is_closed_and_another_opened(server: Server, make: Any) -> None:
    outgoing, told = make(), Told()
    for up in (True, False, True):
        server.up = up
        outgoing.post("news", b"x", told)
        eventually(lambda: told, "it is told")
        assert told.pop() == (None if up else "the server: publishing failed: down")
    assert (server.tries, server.open, len(server.joined)) == (2, 1, 2)


def test_with_a_buffer_messages_are_kept_to_the_bound_and_sent_in_order(server: Server, make: Any) -> None:
    outgoing, told = make(buffer=5), Told()
    server.up = False
    outgoing.post("news", b"0", told)
    eventually(lambda: told, "it is told")
    for number in range(1, 8):
        outgoing.post("news", b"%d" % number, told)
    assert told[:5] == [None] * 5
    assert len(told) == 8
    assert all("CABLE_BUS_BUFFER: 5" in text for text in told[5:])
    server.up = True
    eventually(lambda: len(server.got) == 5, "the kept ones arrive")
    outgoing.post("news", b"8", told)
    eventually(lambda: len(told) == 9, "it is told")
    assert server.got == ["0", "1", "2", "3", "4", "8"]


def test_more_than_the_buffer_holds_when_the_server_goes_is_told(server: Server, make: Any) -> None:
    outgoing, told = make(buffer=2), Told()
    server.quick.clear()
    for number in range(6):
        outgoing.post("news", b"%d" % number, told)
    server.up = False
    server.quick.set()
    eventually(lambda: len(told) == 6, "all are told")
    server.up = True
    eventually(lambda: len(server.got) >= 2, "the kept ones arrive")
    assert server.got == ["0", "1"]
    assert [text for text in told if text is None] == [None, None]


def test_what_is_being_tried_counts_as_kept(server: Server, make: Any) -> None:
    outgoing, told = make(buffer=3), Told()
    server.up = False
    outgoing.post("news", b"0", told)
    eventually(lambda: told, "it is told")
    server.up = True
    server.busy.clear()
    server.quick.clear()
    outgoing.post("news", b"1", told)
    outgoing.post("news", b"2", told)
    assert server.busy.wait(5)
    outgoing.post("news", b"3", told)
    assert told[:3] == [None] * 3
    assert "CABLE_BUS_BUFFER: 3" in told[3]
    server.quick.set()
    eventually(lambda: len(server.got) == 3, "the kept ones arrive")
    assert server.got == ["0", "1", "2"]


def test_what_is_in_hand_is_counted_at_every_moment(server: Server, make: Any) -> None:
    outgoing, told, late = make(buffer=2), Told(), Told()

    class Prying(bytes):
        """Is looked at while a round trip is being put together."""

        def __len__(self) -> int:
            outgoing.post("news", b"late", late)
            return 1

    server.up = False
    outgoing.post("news", b"0", told)
    eventually(lambda: told, "it is told")
    outgoing.post("news", Prying(b"1"), told)
    eventually(lambda: late, "it was looked at")
    server.up = True
    eventually(lambda: not outgoing.waiting, "the kept ones are sent")
    assert told == [None, None]
    assert None not in late


def test_what_was_said_to_be_kept_is_kept(server: Server, make: Any) -> None:
    """Many threads that post at once may pass the bound by their number; nobody is told what is not true."""
    outgoing, told = make(buffer=50), Told()
    server.up = False
    outgoing.post("news", b"0", told)
    eventually(lambda: told, "it is told")
    together([lambda: [outgoing.post("news", b"x", told) for _ in range(100)]] * 4)
    kept = told.count(None)
    assert 50 <= kept <= 53
    assert len(told) == 401
    server.up = True
    eventually(lambda: not outgoing.waiting, "the kept ones are sent")
    assert len(server.got) == kept


def test_more_than_may_wait_is_refused_at_once(server: Server, make: Any) -> None:
    outgoing, told = make(limit=10), Told()
    server.quick.clear()
    for number in range(12):
        outgoing.post("news", b"%d" % number, told)
        if not number:  # taken, so that it does not wait any more
            assert server.busy.wait(5)
    assert told[:1] == ["10 messages wait to be published already"]
    server.quick.set()
    eventually(lambda: len(server.got) == 10, "the others arrive")


def test_what_waited_too_long_is_not_sent(server: Server, make: Any) -> None:
    outgoing, told = make(timeout=0.05), Told()
    server.quick.clear()
    outgoing.post("news", b"0", told)
    assert server.busy.wait(5)
    outgoing.post("news", b"1", told)
    threading.Event().wait(0.1)  # the clock is the system's
    server.quick.set()
    eventually(lambda: len(told) == 2, "both are told")
    assert server.got == ["0"]
    assert told == [None, "not published within 0.05 s"]


def test_at_the_end_what_waits_is_sent_and_nothing_more_is_taken(server: Server, make: Any) -> None:
    outgoing, told = make(), Told()
    server.quick.clear()
    for number in range(20):
        outgoing.post("news", b"%d" % number, told)
    threading.Timer(0.05, server.quick.set).start()
    outgoing.stop()
    assert server.got == [str(number) for number in range(20)]
    assert server.open == 0
    outgoing.post("news", b"late", told)
    assert told[-1] == "the pub/sub adapter is stopped"
    outgoing.stop()


def test_the_end_does_not_wait_for_a_server_that_is_away(
    server: Server, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    outgoing = make(buffer=10)
    server.up = False
    outgoing.post("news", b"0")
    eventually(lambda: server.tries, "it was tried")
    outgoing.stop()
    assert "1 messages were not published before the end" in caplog.text


def test_stopping_what_never_began_is_harmless(make: Any) -> None:
    make().stop()


def test_who_raises_when_told_hinders_no_other(
    server: Server, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    outgoing, told = make(), Told()

    def fail(error: object) -> None:
        raise LookupError("lost")

    outgoing.post("news", b"0", fail)
    outgoing.post("news", b"1", told)
    eventually(lambda: told, "the second is told")
    assert told == [None]
    assert "could not be told" in caplog.text
    assert caplog.records[-1].levelno == logging.ERROR


@pytest.mark.parametrize("rest", [0.0, 60.0])
def test_after_a_rest_it_is_looked_whether_the_server_hung_up(
    server: Server, make: Any, monkeypatch: pytest.MonkeyPatch, rest: float
) -> None:
    monkeypatch.setattr(sending, "REST", rest)
    out, told = make(), Told()
    for tried, hung_up in enumerate((False, True, False)):
        server.hung_up = hung_up
        out.post("news", b"1", told)
        eventually(lambda tried=tried: len(told) == len(server.trips) > tried, "it is sent")
    assert told == [None] * 3
    assert (server.tries, server.open) == ((1, 1) if rest else (2, 1))
