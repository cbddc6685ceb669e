"""Connections are lent to one at a time, closed when they broke, and never used by two processes."""

from __future__ import annotations

import os
import select
import socket
import threading
import time

import pytest

from flask_cable.errors import BusError
from flask_cable.pubsub import lending
from flask_cable.pubsub.lending import Lender, Refused, is_ready


class Line:
    """A connection that does nothing."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.is_stale = False
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Exchange:
    """Opens lines, and counts them."""

    def __init__(self) -> None:
        self.opened: list[Line] = []
        self.broken = False

    def open(self, deadline: float) -> Line:
        if self.broken:
            raise ConnectionRefusedError("nobody is there")
        self.opened.append(Line(deadline))
        return self.opened[-1]


@pytest.fixture
def exchange() -> Exchange:
    return Exchange()


@pytest.fixture
def lender(exchange: Exchange) -> Lender[Line]:
    return Lender(exchange.open, "the server", 5.0, size=2)


def test_what_is_given_back_is_lent_again(lender: Lender[Line], exchange: Exchange) -> None:
    for _ in range(3):
        with lender.borrowed() as (line, deadline):
            assert (line, line.deadline <= deadline) == (exchange.opened[0], True)
            assert 0 < deadline - time.monotonic() <= 5.0


def test_two_get_two(lender: Lender[Line]) -> None:
    with lender.borrowed() as (first, _), lender.borrowed() as (second, _):
        assert first is not second


def test_who_waits_too_long_is_told(exchange: Exchange) -> None:
    lender = Lender(exchange.open, "the server", 0.02, size=1)
    told = pytest.raises(BusError, match=r"^the server: no connection was free within 0\.02 s")
    with lender.borrowed(), told, lender.borrowed():
        pytest.fail("there is only one")
    with lender.borrowed():
        assert len(exchange.opened) == 1


def test_who_waits_gets_what_another_gives_back(exchange: Exchange) -> None:
    lender = Lender(exchange.open, "the server", 5.0, size=1)
    got: list[Line] = []

    def borrow() -> None:
        with lender.borrowed() as (line, _):
            got.append(line)

    with lender.borrowed() as (line, _):
        thread = threading.Thread(target=borrow)
        thread.start()
    thread.join(5)
    assert got == [line]


@pytest.mark.parametrize("error", [ConnectionResetError("gone"), TimeoutError("silent")])
def test_a_broken_one_is_closed(lender: Lender[Line], exchange: Exchange, error: OSError) -> None:
    with pytest.raises(BusError, match=f"the server: {error}"), lender.borrowed():
        raise error
    assert exchange.opened[0].closed
    with lender.borrowed() as (line, _):
        assert line is exchange.opened[1]


def test_a_refusal_breaks_nothing(lender: Lender[Line], exchange: Exchange) -> None:
    with pytest.raises(BusError, match="the server: no such table"), lender.borrowed():
        raise Refused("no such table")
    with lender.borrowed() as (line, _):
        assert (line, line.closed) == (exchange.opened[0], False)


def test_after_a_mistake_of_ours_it_is_closed_too(lender: Lender[Line], exchange: Exchange) -> None:
    with pytest.raises(LookupError), lender.borrowed():
        raise LookupError("in the middle of a question")
    assert exchange.opened[0].closed


def test_who_cannot_connect_gives_his_place_back(lender: Lender[Line], exchange: Exchange) -> None:
    exchange.broken = True
    for _ in range(5):
        with pytest.raises(BusError, match="the server: nobody is there"), lender.borrowed():
            pytest.fail("nobody was there")
    exchange.broken = False
    with lender.borrowed() as (line, _):
        assert line is exchange.opened[0]


def test_an_idle_one_that_was_hung_up_is_replaced(lender: Lender[Line], exchange: Exchange) -> None:
    with lender.borrowed() as (line, _):
        line.is_stale = True
    with lender.borrowed() as (line, _):
        assert (line, exchange.opened[0].closed) == (exchange.opened[1], True)


def test_one_that_was_idle_for_long_is_replaced(
    lender: Lender[Line], exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lender.borrowed():
        pass
    monkeypatch.setattr(lending, "REST", 0.0)
    with lender.borrowed() as (line, _):
        assert (line, exchange.opened[0].closed) == (exchange.opened[1], True)


def test_a_stop_closes_what_is_idle(lender: Lender[Line], exchange: Exchange) -> None:
    with lender.borrowed():
        pass
    lender.stop()
    lender.stop()
    assert exchange.opened[0].closed
    with lender.borrowed() as (line, _):
        assert not line.closed


def test_a_fork_neither_uses_nor_closes_its_parents(lender: Lender[Line], exchange: Exchange) -> None:
    with lender.borrowed():
        pass
    child = os.fork()
    if not child:
        lender.stop()
        with lender.borrowed() as (line, _):
            fine = line is not exchange.opened[0] and not exchange.opened[0].closed
        os._exit(0 if fine else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_socket_is_waited_for() -> None:
    near, far = socket.socketpair()
    with near, far:
        assert not is_ready(near.fileno(), select.POLLIN, 0)
        assert not is_ready(near.fileno(), select.POLLIN, 0.01)
        assert is_ready(near.fileno(), select.POLLOUT, 1)
        assert not is_ready(near.fileno(), select.POLLOUT, -1)
        far.send(b"x")
        assert is_ready(near.fileno(), select.POLLIN, 1)
