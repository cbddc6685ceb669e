"""A page's ears: nothing twice, nothing lost that could still be sent."""

from __future__ import annotations

from flask_cable.endpoints.push import Place
from flask_cable.endpoints.push.page import Hearing, Push
from flask_cable.protocols.frames import Frame


class Transport:
    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.is_open = True

    def send(self, frame: Frame) -> bool:
        if self.is_open:
            self.sent.append(frame.payload)
        return self.is_open


class Connection:
    def __init__(self) -> None:
        self.transport = Transport()


def push(offset: int, shared: bool = False) -> Push:
    return Push(offset, Frame(str(offset).encode()), shared)


def hearing(place: Place = Place(10, 20)) -> tuple[Hearing, Connection]:  # noqa: B008 - a constant
    return Hearing(place), Connection()


def test_only_what_comes_after_its_place_is_sent() -> None:
    ear, connection = hearing()
    for one in (push(10), push(11), push(20, True), push(21, True), push(9)):
        ear.send(connection, one)  # type: ignore[arg-type]
    assert connection.transport.sent == [b"11", b"21"]


def test_what_nobody_keeps_is_always_sent() -> None:
    ear, connection = hearing()
    ear.send(connection, push(0))  # type: ignore[arg-type]
    assert connection.transport.sent == [b"0"]


def test_what_was_kept_is_not_sent_again() -> None:
    ear, connection = hearing()
    ear.sent([push(11), push(12), push(25, True)])
    for one in (push(12), push(13), push(25, True)):
        ear.send(connection, one)  # type: ignore[arg-type]
    assert connection.transport.sent == [b"13"]


def test_its_place_is_where_the_process_is() -> None:
    ear, _ = hearing()
    assert ear.place(50, 60) == (10, 20)  # it has not caught up
    ear.held = None
    assert ear.place(50, 60) == (50, 60)
    assert ear.place(-1, -1) == (10, 20)


def test_its_place_is_before_what_was_lost() -> None:
    ear, connection = hearing()
    ear.held = None
    connection.transport.is_open = False
    for one in (push(11), push(12), push(30, True), push(31, True)):
        ear.send(connection, one)  # type: ignore[arg-type]
    assert ear.place(12, 31) == (10, 29)
