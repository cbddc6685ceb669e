"""What is called for which event, with what, and how it acknowledges."""

from typing import Any

import pytest

from flask_cable.endpoints.socketio.handlers import Ack, Handlers, Moment
from flask_cable.errors import ConfigError

SOCKET: Any = "the socket"


def call(handlers: Handlers, event: Any, *args: Any) -> list[Any]:
    """Call an event's handler; returns the acknowledgements that it made."""
    answers: list[Any] = []
    function = handlers.of(event)
    assert function is not None
    function(SOCKET, *args, ack=Ack(answers.append))
    return answers


def test_the_last_handler_holds() -> None:
    handlers = Handlers()
    handlers.add("a", lambda socket: 1)
    handlers.add("a", lambda socket: 2)
    assert call(handlers, "a") == [(2,)]
    assert handlers.of("b") is None


def test_what_a_handler_returns_acknowledges() -> None:
    handlers = Handlers()
    for value, answer in (
        (None, ()),
        (7, (7,)),
        ([1, 2], ([1, 2],)),
        ((1, 2), (1, 2)),
        ((), ()),
        (False, (False,)),
        ({"a": 1}, ({"a": 1},)),
    ):
        handlers.add("a", lambda socket, value=value: value)
        assert call(handlers, "a") == [answer], value


def test_a_handler_gets_the_socket_and_the_values() -> None:
    handlers = Handlers()
    handlers.add("a", lambda *args: args[1:] + args[:1])
    assert call(handlers, "a", 1, "x") == [(1, "x", SOCKET)]


def test_a_handler_may_acknowledge_itself_and_only_once() -> None:
    handlers = Handlers()
    kept: list[Ack] = []

    def later(socket: Any, value: int, ack: Ack) -> str:
        kept.append(ack)
        return "nothing that is said"

    handlers.add("a", later)
    answers: list[Any] = []
    function = handlers.of("a")
    assert function is not None
    function(SOCKET, 7, ack=Ack(answers.append))
    assert answers == []
    assert kept[0].wanted
    kept[0]("one", 2)
    kept[0]("again")
    assert answers == [("one", 2)]
    assert not kept[0].wanted


def test_nobody_waits_for_an_answer() -> None:
    ack = Ack(None)
    assert not ack.wanted
    ack(1)


def test_a_handler_of_everything_gets_what_has_no_handler_of_its_own() -> None:
    handlers = Handlers()
    handlers.add("*", lambda socket, event, *args: (event, *args))
    handlers.add("a", lambda socket: "own")
    assert call(handlers, "a") == [("own",)]
    assert call(handlers, "b", 1) == [("b", 1)]
    assert call(handlers, 7) == [(7,)]


def test_moments_are_apart_from_events() -> None:
    handlers = Handlers()
    for name in ("connect", "disconnect", "disconnecting", "server_message"):
        handlers.add(name, lambda socket: "moment")
        assert handlers.of(name) is None
        assert handlers.of_moment(name) is not None
    assert Handlers().of_moment("connect") is None


def test_connection_is_another_name_for_connect() -> None:
    handlers = Handlers()
    handlers.add("connection", lambda socket: 7)
    moment = handlers.of_moment("connect")
    assert moment is not None
    assert moment(SOCKET, lambda: None) == 7


def test_a_moments_second_value_is_made_for_those_who_take_it() -> None:
    class Methods:
        def one(self, socket: Any) -> Any:
            return socket

        def two(self, socket: Any, second: Any) -> Any:
            return socket, second

    made: list[str] = []

    def second() -> str:
        made.append("made")
        return "second"

    def moment(function: Any) -> Moment:
        handlers = Handlers()
        handlers.add("connect", function)
        found = handlers.of_moment("connect")
        assert found is not None
        return found

    for function in (lambda socket: socket, Methods().one, lambda socket, *, extra=1: socket, str):
        assert moment(function)(SOCKET, second) == SOCKET
    assert made == []
    for function in (lambda socket, reason: (socket, reason), lambda *args: args, Methods().two):
        assert moment(function)(SOCKET, second) == (SOCKET, "second")
    assert len(made) == 3


def test_what_cannot_be_registered_is_an_error() -> None:
    handlers = Handlers()
    for event in ("connect_error", "newListener", "removeListener"):
        with pytest.raises(ConfigError, match="keep for themselves"):
            handlers.add(event, print)
    for function in (None, 7, "name"):
        with pytest.raises(ConfigError, match="has to be callable"):
            handlers.add("a", function)
    assert not handlers


def test_handlers_say_whether_there_are_any() -> None:
    handlers = Handlers()
    assert not handlers
    handlers.add("connect", print)
    assert handlers
