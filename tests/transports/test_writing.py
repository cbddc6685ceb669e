"""Writing: straight to the socket, queued when it is full, whole and in order, and bounded."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from transports.test_base import SocketRig

from flask_cable.core.connection import Connection
from flask_cable.protocols.frames import BINARY, DROP_OLDEST, KEEP_LATEST, VOLATILE, Burst, Frame, Lane
from flask_cable.transports.base import Limits
from flask_cable.transports.writing import is_tls


@pytest.fixture
def rigs() -> Iterator[list[SocketRig]]:
    made: list[SocketRig] = []
    yield made
    for rig in made:
        rig.end()


def small(rigs: list[SocketRig], **limits: Any) -> SocketRig:
    """Return a rig whose socket takes little before it is full."""
    rig = SocketRig(limits=Limits(**limits))
    rig.near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    rigs.append(rig)
    return rig


def fill(rig: SocketRig) -> int:
    """Send until something waits; returns how many frames were sent."""
    count = 0
    while rig.transport._outbox is None:
        assert rig.transport.send(Frame(b"fill %d " % count + b"x" * 1000))
        count += 1
    return count


def test_what_fits_is_written_at_once(rigs: list[SocketRig]) -> None:
    rig = small(rigs)
    rig.transport.send(Frame(b"hello"))
    assert rig.peer.sock.recv(100) == Frame(b"hello").wire
    assert rig.executor.watched == 1  # reading


def test_what_does_not_fit_waits_and_arrives_whole(rigs: list[SocketRig]) -> None:
    rig = small(rigs)
    count = fill(rig)
    assert rig.executor.watched == 2
    for number in range(5):
        assert rig.transport.send(Frame(b"%d" % number))
    rig.settle()
    assert [str(message)[:6] for message in rig.heard[:count]] == [
        f"fill {number}"[:6] for number in range(count)
    ]
    assert rig.heard[count:] == ["0", "1", "2", "3", "4"]
    assert (rig.transport._outbox, rig.executor.watched) == (None, 1)


def test_what_waits_is_counted_and_its_end_is_told(rigs: list[SocketRig]) -> None:
    rig = small(rigs)
    told: list[int] = []
    rig.handler.written = lambda connection: told.append(rig.transport.backlog)  # type: ignore[method-assign]
    assert rig.transport.backlog == 0
    fill(rig)
    before = rig.transport.backlog
    assert 0 < before <= 1100
    rig.transport.send(Frame(b"x" * 500))
    assert rig.transport.backlog == before + 504
    assert told == []
    rig.settle()
    assert (told, rig.transport.backlog) == ([0], 0)


def test_a_peer_that_reads_little_by_little_gets_everything(rigs: list[SocketRig]) -> None:
    rig = small(rigs)
    large = bytes(range(256)) * 400
    rig.transport.send(Frame(large, 2))
    rig.transport.send(Frame(b"after"))
    while len(rig.heard) < 2:
        rig.executor.turn()
        assert rig.peer.read(700)
    assert rig.heard == [large, "after"]


def test_one_large_message_is_not_refused(rigs: list[SocketRig]) -> None:
    rig = small(rigs, outbox=1000)
    assert rig.transport.send(Frame(b"x" * 500_000))
    rig.settle()
    assert len(rig.heard[0]) == 500_000


def test_who_does_not_read_is_told_to_come_back(rigs: list[SocketRig]) -> None:
    for limits in ({"outbox": 5000}, {"outbox_messages": 5}):
        rig = small(rigs, **limits)
        count, waiting = fill(rig), 0
        while rig.transport.send(Frame(b"%d " % waiting + b"x" * 1000)):
            waiting += 1
        assert waiting in (3, 4)
        assert rig.handler.counts == {"too_slow": 1}
        assert not rig.transport.send(Frame(b"late"))
        rig.settle()
        assert len(rig.heard) - 1 in (count - 1, count)  # the last of them had begun, or not
        assert (rig.heard[-1], rig.closed_with) == ("disconnect too_slow True", (1000, ""))
        assert rig.closes == [(1000, "")]


def test_a_frame_that_has_begun_is_finished_whatever_follows(rigs: list[SocketRig]) -> None:
    rig = small(rigs, outbox=5000)
    large = bytes(range(256)) * 1000
    assert rig.transport.send(Frame(large, 2))
    assert not rig.transport.send(Frame(b"dropped"))
    rig.settle()
    assert rig.heard == [large, "disconnect too_slow True"]


def test_lanes_make_room(rigs: list[SocketRig]) -> None:
    rig = small(rigs, outbox_messages=4)
    count = fill(rig)
    for number in range(10):
        assert rig.transport.send(Frame(b"old %d" % number, lane=Lane(DROP_OLDEST, "k")))
    rig.settle()
    assert rig.heard[count:] == ["old 7", "old 8", "old 9"]
    rig = small(rigs, outbox_messages=4)
    count = fill(rig)
    for number in range(10):
        assert rig.transport.send(Frame(b"latest %d" % number, lane=Lane(KEEP_LATEST, "k")))
    rig.settle()
    assert rig.heard[count:] == ["latest 9"]


def test_a_close_waits_for_what_waits(rigs: list[SocketRig]) -> None:
    rig = small(rigs)
    count = fill(rig)
    rig.transport.send(Frame(b"before"))
    rig.connection.close(4000, "bye")
    rig.settle()
    assert (rig.heard[count:], rig.closed_with, rig.peer.ended) == (["before"], (4000, "bye"), True)


def test_control_frames_are_never_refused(rigs: list[SocketRig]) -> None:
    rig = small(rigs, outbox_messages=2)
    fill(rig)
    assert rig.transport.send(Frame(b"as much as may wait"))
    for number in range(20):
        rig.peer.codec.send_ping(b"%d" % number)
    rig.peer.send()
    rig.executor.turn()
    rig.settle()
    assert rig.peer.pongs == [b"%d" % number for number in range(20)]


def test_a_peer_that_is_gone_is_noticed_in_writing(rigs: list[SocketRig]) -> None:
    rig = small(rigs)
    rig.transport.pause()
    rig.vanish()
    assert not rig.transport.send(Frame(b"x"))
    assert rig.closes == [(1006, "")]
    assert rig.executor.watched == 0


def test_a_peer_that_goes_while_something_waits_is_noticed(rigs: list[SocketRig]) -> None:
    rig = small(rigs)
    fill(rig)
    rig.transport.pause()
    rig.vanish()
    rig.executor.turn()
    assert rig.closes == [(1006, "")]
    assert rig.executor.watched == 0


def test_a_peer_that_never_reads_is_left_in_the_end(rigs: list[SocketRig]) -> None:
    rig = small(rigs, close_timeout=7)
    fill(rig)
    rig.connection.close()
    rig.executor.advance(6.9)
    assert rig.executor.watched > 0
    rig.executor.advance(0.1)
    assert rig.executor.watched == 0
    assert rig.closes == [(1000, "")]


def test_a_tls_socket_is_one_that_holds_bytes_back() -> None:
    class Tls:
        def pending(self) -> int:
            return 0

    with socket.socket() as sock:
        assert not is_tls(sock)
    assert not is_tls(None)
    assert is_tls(Tls())


def test_a_connections_own_words_wait_their_turn(rigs: list[SocketRig]) -> None:
    rig = small(rigs)
    count = fill(rig)
    connection: Connection = rig.connection
    connection.transmit("a")
    connection.disconnect("remote", reconnect=False)
    rig.settle()
    assert rig.heard[count:] == ['"a"', "disconnect remote False"]


def test_what_may_be_dropped_is_dropped_for_a_peer_that_is_behind(rigs: list[SocketRig]) -> None:
    rig = small(rigs)
    assert rig.transport.send(Frame(b"first", lane=VOLATILE))
    count = fill(rig)
    assert not rig.transport.send(Frame(b"dropped", lane=VOLATILE))
    assert rig.transport.send(Frame(b"kept"))
    rig.settle()
    assert rig.transport.send(Frame(b"last", lane=VOLATILE))
    rig.settle()
    assert [str(message)[:5] for message in rig.heard] == ["first", *["fill "] * count, "kept", "last"]
    assert not rig.connection.closed


def test_a_pong_has_room_behind_a_message_that_is_larger_than_the_limit(rigs: list[SocketRig]) -> None:
    rig = small(rigs, outbox=1000)
    rig.transport.send(Frame(b"x" * 500_000))
    rig.peer.codec.send_ping(b"there?")
    rig.peer.send()
    rig.executor.turn()
    rig.settle()
    assert rig.peer.pongs == [b"there?"]


def test_frames_in_one_piece_have_nothing_between_them(rigs: list[SocketRig]) -> None:
    rig = small(rigs)
    fill(rig)
    rig.transport.send(Burst((Frame(b"head"), Frame(b"\x01", BINARY), Frame(b"\x02", BINARY))))
    rig.transport.send(Frame(b"after"))
    rig.settle()
    assert rig.heard[-4:] == ["head", b"\x01", b"\x02", "after"]
