"""Emitters: each step makes a new one, and says the same to whoever finds the namespace."""

from typing import Any

import pytest

from flask_cable.endpoints.socketio.emitter import FETCH_TIMEOUT, Emitter
from flask_cable.endpoints.socketio.target import Target


class Recorder:
    """A namespace that keeps what it is told."""

    def __init__(self) -> None:
        self.log: list[Any] = []

    def emit(self, *args: Any) -> None:
        self.log.append(("emit", *args))

    def order(self, *args: Any) -> None:
        self.log.append(("order", *args))

    def fetch(self, *args: Any) -> list[str]:
        self.log.append(("fetch", *args))
        return ["found"]


@pytest.fixture
def hall() -> Recorder:
    return Recorder()


@pytest.fixture
def everybody(hall: Recorder) -> Emitter:
    return Emitter(lambda: hall)  # type: ignore[arg-type,return-value]


def test_steps_add_up(hall: Recorder, everybody: Emitter) -> None:
    everybody.to("a").in_("b", ("x", 7)).except_("c").except_("d").emit("e", 1, 2)
    assert hall.log == [("emit", Target(("a", "b", "x:7"), ("c", "d")), ("e", 1, 2), False)]


def test_a_step_changes_nothing_before_it(hall: Recorder, everybody: Emitter) -> None:
    lobby = everybody.to("lobby")
    lobby.except_("a")
    lobby.volatile.to("b")
    lobby.emit("e")
    everybody.send("f")
    assert hall.log == [
        ("emit", Target(("lobby",)), ("e",), False),
        ("emit", Target(), ("message", "f"), False),
    ]


def test_who_is_left_out_stays_out(hall: Recorder) -> None:
    others = Emitter(lambda: hall, Target(skipped="me"))  # type: ignore[arg-type,return-value]
    others.to("a").volatile.except_("b").emit("e")
    assert hall.log == [("emit", Target(("a",), ("b",), "me"), ("e",), True)]


def test_orders(hall: Recorder, everybody: Emitter) -> None:
    class Post:
        id = 7

    everybody.to("a").sockets_join("b", Post())
    everybody.sockets_leave("c")
    everybody.disconnect_sockets()
    everybody.disconnect_sockets(close=True)
    assert hall.log == [
        ("order", Target(("a",)), "join", ["b", "Post:7"]),
        ("order", Target(), "leave", ["c"]),
        ("order", Target(), "disconnect", False),
        ("order", Target(), "disconnect", True),
    ]


def test_who_they_are(hall: Recorder, everybody: Emitter) -> None:
    assert everybody.to("a").fetch_sockets() == ["found"]
    everybody.fetch_sockets(timeout=1)
    assert hall.log == [("fetch", Target(("a",)), FETCH_TIMEOUT), ("fetch", Target(), 1)]


def test_a_room_has_a_name(everybody: Emitter) -> None:
    for room in ("", " ", None):
        with pytest.raises(ValueError, match="name"):
            everybody.to(room)
