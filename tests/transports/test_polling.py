"""Long polling: what is sent waits for a GET, what is said comes by POST, and neither twice at a time."""

from __future__ import annotations

from typing import Any

import pytest
from core.test_handler import RecordingHandler

from flask_cable.core.connection import Connection
from flask_cable.core.executor import ManualExecutor
from flask_cable.protocols.engineio import BAD_REQUEST, split_payload
from flask_cable.protocols.frames import BINARY, DROP_OLDEST, KEEP_LATEST, VOLATILE, Burst, Frame, Lane
from flask_cable.transports.base import Limits
from flask_cable.transports.loopback import LoopbackTransport
from flask_cable.transports.polling import PACKETS, Poll, PollingTransport


class Line:
    """A connection that polls, and requests by hand."""

    def __init__(self, **limits: Any) -> None:
        self.executor = ManualExecutor()
        self.handler = RecordingHandler(self.executor)
        self.connection = Connection(self.handler, 1)
        self.forgotten: list[Any] = []
        self.transport = PollingTransport(
            self.connection, self.executor, Limits(**limits), self.forgotten.append
        )
        self.connection.attach(self.transport)
        self.connection.handle_open()

    def get(self) -> Poll:
        poll = self.transport.poll(30)
        assert poll is not None
        return poll

    def heard(self) -> list[str | bytes]:
        """What a GET gets that does not have to wait."""
        poll = self.get()
        assert poll.is_there()
        return split_payload(poll.wait(), PACKETS)

    @property
    def received(self) -> list[Any]:
        return [call[1] for call in self.handler.calls if call[0] == "received"]

    @property
    def closes(self) -> list[Any]:
        return [call[1:] for call in self.handler.calls if call[0] == "closed"]


def send(line: Line, *payloads: bytes) -> None:
    for payload in payloads:
        assert line.connection.send(Frame(payload))


# Out.


def test_what_was_sent_waits_for_a_get() -> None:
    line = Line()
    send(line, b"4a", b"4b")
    assert line.connection.send(Frame(b"\x01\x02\x03\x04", BINARY))
    send(line, b"2")
    assert line.get().wait() == b"4a\x1e4b\x1ebAQIDBA==\x1e2"


def test_a_get_waits_for_what_is_sent() -> None:
    line = Line()
    poll = line.get()
    assert not poll.is_there()
    send(line, b"4a")
    assert poll.is_there()
    assert poll.wait() == b"4a"
    send(line, b"4b")
    assert line.heard() == ["4b"]


def test_a_get_that_has_waited_long_enough_is_told_nothing() -> None:
    line = Line()
    poll = line.get()  # the manual executor's events do not wait
    assert poll.wait() == b"6"
    send(line, b"4a")
    assert line.heard() == ["4a"]


def test_a_get_that_nobody_waits_for_takes_nothing() -> None:
    line = Line()
    line.get().cancel()
    send(line, b"4a")
    assert line.heard() == ["4a"]


def test_an_old_get_cancels_no_other() -> None:
    line = Line()
    old = line.get()
    send(line, b"4a")
    new = line.get()
    old.cancel()
    send(line, b"4b")
    assert (old.wait(), new.wait()) == (b"4a", b"4b")


def test_an_answer_may_be_delivered_instead() -> None:
    line, bodies = Line(), list[bytes]()
    line.get().deliver_to(bodies.append)
    assert bodies == []
    send(line, b"4a")
    send(line, b"4b")
    line.get().deliver_to(bodies.append)
    assert bodies == [b"4a", b"4b"]


def test_what_goes_out_in_one_piece_stays_together() -> None:
    line = Line()
    line.connection.send(Burst((Frame(b"451-[]"), Frame(b"\x01", BINARY))))
    send(line, b"4b")
    assert line.heard() == ["451-[]", b"\x01", "4b"]


def test_two_gets_at_a_time_end_the_connection() -> None:
    line = Line()
    first = line.get()
    assert line.transport.poll(30) is None
    assert first.wait() == b"1"
    assert line.closes == [(1002, "two requests at a time")]
    assert line.forgotten == [None]


def test_a_peer_that_does_not_ask_is_too_slow() -> None:
    line = Line(outbox=100)
    send(line, b"4" + b"x" * 60)
    assert line.connection.send(Frame(b"4" + b"y" * 60)) is False
    assert line.handler.counts["too_slow"] == 1
    assert line.heard() == ["disconnect too_slow True", "1"]
    assert line.forgotten == [None]


def test_messages_are_counted_too() -> None:
    line = Line(outbox_messages=3)
    assert [line.connection.send(Frame(b"2")) for _ in range(4)] == [True, True, True, False]
    assert line.connection.closed


def test_one_large_message_is_not_refused() -> None:
    line = Line(outbox=100)
    send(line, b"4" + b"x" * 500)
    assert len(line.heard()[0]) == 501


def test_lanes_make_room() -> None:
    line = Line(outbox=10)
    oldest, latest = Lane(DROP_OLDEST, "a"), Lane(KEEP_LATEST, "b")
    for number in range(9):
        line.transport.send(Frame(b"4o%d" % number, lane=oldest))
    assert line.heard() == ["4o6", "4o7", "4o8"]
    for number in range(9):
        line.transport.send(Frame(b"4l%d" % number, lane=latest))
    assert line.heard() == ["4l8"]


def test_what_may_be_dropped_is_dropped_when_anything_waits() -> None:
    line = Line()
    assert line.transport.send(Frame(b"4a", lane=VOLATILE)) is True
    assert line.transport.send(Frame(b"4b", lane=VOLATILE)) is False
    assert line.heard() == ["4a"]
    poll = line.get()
    assert line.transport.send(Frame(b"4c", lane=VOLATILE)) is True
    assert poll.wait() == b"4c"


# In.


def test_a_post_brings_messages_in_order() -> None:
    line = Line()
    assert line.transport.receive(b"4a\x1ebAQ==\x1e4\xe2\x82\xac") is None
    assert line.transport.receive(b"3") is None
    assert line.received == ["4a", b"\x01", "4\u20ac", "3"]


def test_a_malformed_post_ends_the_connection() -> None:
    for body in (b"", b"abc", b"4a\x1e", b"4\xff", b"b!", b"4a\x1e9", b"2\x1e" * PACKETS + b"2"):
        line = Line()
        assert line.transport.receive(body) == BAD_REQUEST
        assert line.received == []
        assert line.closes == [(1007, "parse error")]
        assert line.forgotten == [None]
        assert line.handler.counts["malformed"] == 1


def test_a_get_that_waits_hears_of_a_malformed_post() -> None:
    line = Line()
    poll = line.get()
    line.transport.receive(b"abc")
    assert poll.wait() == b"1"
    assert line.forgotten == [None]


def test_two_posts_at_a_time_end_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    line, second = Line(), list[Any]()
    handle = Connection.handle_messages

    def handle_messages(connection: Connection, messages: Any) -> None:
        second.append(line.transport.receive(b"4b"))
        handle(connection, messages)

    monkeypatch.setattr(Connection, "handle_messages", handle_messages)
    line.transport.receive(b"4a")
    assert second == [BAD_REQUEST]
    assert line.closes == [(1002, "two requests at a time")]


def test_a_post_waits_while_there_is_enough_to_do() -> None:
    line = Line()
    waits: list[float] = []

    class Waiting:
        def set(self) -> None:
            waits.append(0)

        def wait(self, timeout: float) -> bool:
            waits.append(timeout)
            return True

    line.executor.event = Waiting  # type: ignore[assignment]
    line.transport.pause()
    line.transport.pause()
    assert line.transport.receive(b"4a") is None
    assert (waits, line.received) == ([60.0], ["4a"])
    line.transport.resume()
    line.transport.resume()
    assert waits == [60.0, 0]
    line.transport.receive(b"4b")
    assert waits == [60.0, 0]


def test_one_that_never_gets_done_is_closed() -> None:
    line = Line()

    class Never:
        def set(self) -> None: ...

        def wait(self, timeout: float) -> bool:
            return False

    line.executor.event = Never  # type: ignore[assignment]
    line.transport.pause()
    assert line.transport.receive(b"4a") == BAD_REQUEST
    assert (line.received, line.closes[0][0]) == ([], 1008)


# The end.


def test_a_close_is_heard_with_the_next_get() -> None:
    line = Line()
    send(line, b"4bye")
    line.connection.close(1000, "")
    assert line.forgotten == []
    assert line.connection.send(Frame(b"4late")) is False
    assert line.heard() == ["4bye", "1"]
    assert line.forgotten == [None]


def test_a_close_is_heard_by_the_get_that_waits() -> None:
    line = Line()
    poll = line.get()
    line.connection.close(1012, "server_restart")
    assert (poll.wait(), line.forgotten) == (b"1", [None])


def test_a_peer_that_does_not_come_to_hear_it_is_forgotten() -> None:
    line = Line(close_timeout=10)
    line.connection.close(1000, "")
    line.executor.advance(9)
    assert line.forgotten == []
    line.executor.advance(2)
    assert line.forgotten == [None]


def test_one_that_did_wrong_is_forgotten_at_once() -> None:
    for code in (1002, 1007, 1008, 1011):
        line = Line()
        line.connection.close(code, "")
        assert line.forgotten == [None]


def test_a_close_fits_into_a_full_outbox() -> None:
    line = Line(outbox=5, outbox_messages=1)
    send(line, b"4" + b"x" * 50)
    line.connection.close(1000, "")
    assert line.heard()[-1] == "1"


def test_closing_again_is_harmless() -> None:
    line = Line()
    line.connection.close(1000, "first")
    line.transport.close(1000, "second")
    assert line.heard() == ["1"]
    assert line.closes == [(1000, "first")]


def test_the_peer_says_that_it_ends() -> None:
    line = Line()
    poll = line.get()
    assert line.transport.receive(b"4a\x1e1\x1e4b") is None
    assert (poll.wait(), line.received, line.closes) == (b"6", ["4a"], [(1000, "")])
    assert line.forgotten == [None]
    assert line.transport.receive(b"4c") is None
    assert line.received == ["4a"]


def test_a_probe_asks_nothing() -> None:
    line = Line()
    line.transport.probe(3)
    poll = line.get()
    assert not poll.is_there()


# A WebSocket instead.


def test_gets_are_answered_at_once_during_an_upgrade() -> None:
    line = Line()
    poll = line.get()
    assert line.transport.begin_upgrade()
    assert poll.wait() == b"6"
    assert line.heard() == ["6"]
    send(line, b"4a")
    assert line.heard() == ["4a"]
    assert not line.transport.begin_upgrade()
    line.transport.abandon_upgrade()
    assert not line.get().is_there()
    assert line.transport.begin_upgrade()


def test_what_waits_goes_to_the_successor_first() -> None:
    line = Line()
    send(line, b"4a")
    line.connection.send(Burst((Frame(b"451-[]"), Frame(b"\x01", BINARY))))
    successor = LoopbackTransport(line.connection)
    assert line.transport.hand_over(successor)
    send(line, b"4b")
    assert line.transport.send(Frame(b"4c"))  # by one who had the old one in hand
    assert successor.sent == ["4a", "451-[]", b"\x01", "4b", "4c"]
    assert line.connection.transport is successor
    assert line.forgotten == [successor]


def test_all_that_waits_is_handed_over_however_many_parts_it_has() -> None:
    line = Line()
    burst = Burst((Frame(b"4510-[]"), *(Frame(b"\x01", BINARY) for _ in range(10))))
    for _ in range(1000):
        assert line.connection.send(burst)
    successor = LoopbackTransport(line.connection)
    assert line.transport.hand_over(successor)
    assert len(successor.sent) == 11 * 1000 > PACKETS


def test_a_get_that_waits_is_told_nothing_when_it_is_over() -> None:
    line = Line()
    poll = line.get()
    line.transport.hand_over(LoopbackTransport(line.connection))
    assert poll.wait() == b"6"


def test_a_successor_of_one_with_enough_to_do_waits() -> None:
    line = Line()
    line.transport.pause()
    successor = LoopbackTransport(line.connection)
    line.transport.hand_over(successor)
    assert successor.paused


def test_one_that_has_ended_hands_nothing_over() -> None:
    line = Line()
    line.connection.close(1000, "")
    successor = LoopbackTransport(line.connection)
    assert not line.transport.begin_upgrade()
    assert not line.transport.hand_over(successor)
    assert successor.sent == []
