"""Behaviours: states go in and come out, frames go to the peer in order, and the end has one reason."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from flask_cable.core.connection import Connection
from flask_cable.core.drain import Drain
from flask_cable.core.executor import ManualExecutor
from flask_cable.core.handler import Rate
from flask_cable.core.heartbeat import IdleWatch
from flask_cable.core.hub import Hub
from flask_cable.core.registry import Registry
from flask_cable.endpoints.behaviour import SHAPES, Behaviour, BehaviourHandler, Binary, Close, Text, checked
from flask_cable.errors import EncodeError, InvalidResult, MalformedMessage, TooMany
from flask_cable.pubsub.memory import MemoryPubSub
from flask_cable.transports.loopback import LoopbackTransport


class Recording(Behaviour):
    """Keeps what it is called with; ``answers`` says what it returns, or does."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.calls: list[tuple[Any, ...]] = []

    def _answer(self, name: str, *args: Any) -> Any:
        self.calls.append((name, *args))
        answer = self.answers.get(name, (None, []))
        if isinstance(answer, BaseException):
            raise answer
        return answer(*args) if callable(answer) else answer

    def init(self, connection: Connection) -> Any:
        return self._answer("init")

    def handle_client_message(self, state: Any, connection: Connection, frame: Text | Binary) -> Any:
        return self._answer("client", state, frame)

    def handle_server_message(self, state: Any, connection: Connection, message: Any) -> Any:
        return self._answer("server", state, message)

    def terminate(self, state: Any, connection: Connection, reason: Any) -> Any:
        return self._answer("terminate", state, reason)

    @property
    def endings(self) -> list[Any]:
        return [call[2] for call in self.calls if call[0] == "terminate"]


class House:
    """One process with one behaviour."""

    def __init__(self, behaviour: Behaviour, idle_timeout: float | None = None, **options: Any) -> None:
        self.executor = ManualExecutor()
        hub = Hub(MemoryPubSub(), self.executor)
        self.registry = Registry(hub)
        watches = [IdleWatch(self.executor, idle_timeout)] if idle_timeout else []
        self.handler = BehaviourHandler(
            behaviour,
            "/ws/<room>",
            hub=hub,
            executor=self.executor,
            registry=self.registry,
            watches=watches,
            **options,
        )

    def join(self, kind: type[Connection] = Connection) -> LoopbackTransport:
        connection = kind(self.handler, self.registry.next_id())
        transport = LoopbackTransport(connection)
        connection.attach(transport)
        self.registry.add(connection)
        connection.handle_open()
        return transport


def joined(**answers: Any) -> tuple[Recording, LoopbackTransport]:
    behaviour = Recording(**answers)
    return behaviour, House(behaviour).join()


# States and frames.


def test_each_callback_gets_what_the_last_one_returned() -> None:
    behaviour, peer = joined(
        init=("one", []),
        client=lambda state, frame: (("two", state), []),
        server=lambda state, message: (["three", message], []),
    )
    peer.say("a")
    assert peer.connection.state == ("two", "one")
    peer.connection.handle_server_message('{"b": 1}')
    assert peer.connection.state == ["three", {"b": 1}]
    peer.hang_up()
    assert behaviour.calls == [
        ("init",),
        ("client", "one", Text("a")),
        ("server", ("two", "one"), {"b": 1}),
        ("terminate", ["three", {"b": 1}], ("remote", 1000, "")),
    ]


def test_frames_are_what_the_peer_sent_and_what_it_gets() -> None:
    behaviour, peer = joined(
        init=(0, [Text("hi"), Binary(b"\x00")]), client=lambda state, frame: (0, [frame])
    )
    peer.say("text", b"bytes", "", b"")
    assert peer.sent == ["hi", b"\x00", "text", b"bytes", "", b""]
    assert [call[2] for call in behaviour.calls[1:]] == [
        *(Text("text"), Binary(b"bytes"), Text(""), Binary(b"")),
    ]


def test_frames_after_a_close_are_not_sent() -> None:
    behaviour, peer = joined(client=(1, [Text("a"), Close(4000, "enough"), Text("b"), Close(4001)]))
    peer.say("x", "y")
    assert (peer.sent, peer.closed_with) == (["a"], (4000, "enough"))
    assert [call[0] for call in behaviour.calls] == ["init", "client", "terminate"]
    assert behaviour.calls[-1] == ("terminate", 1, "stop")


def test_a_close_may_be_all_that_is_said() -> None:
    behaviour, peer = joined(init=("state", [Close()]))
    assert (peer.sent, peer.closed_with, behaviour.endings) == ([], (1000, ""), ["stop"])


def test_after_a_close_no_server_message_comes() -> None:
    behaviour, peer = joined(server=(0, [Close()]))
    connection = peer.connection

    def both(state: Any, frame: Any) -> Any:
        connection.handle_server_message("1")
        connection.handle_server_message("2")
        return state, []

    behaviour.answers["client"] = both
    peer.say("go")
    assert [call[0] for call in behaviour.calls] == ["init", "client", "server", "terminate"]


def test_a_behaviour_may_leave_everything_out() -> None:
    peer = House(Behaviour()).join()
    peer.say("a", b"b")
    assert peer.connection.handle_server_message("1")
    assert (peer.sent, peer.closed_with, peer.connection.state) == ([], None, None)
    assert Behaviour().connect(None) is None
    assert Behaviour().too_many_connections(None) is None
    peer.hang_up()


def test_frames_cannot_be_changed() -> None:
    for frame in (Text("a"), Binary(b"a"), Close()):
        with pytest.raises(AttributeError):
            frame.data = "b"  # type: ignore[union-attr, misc]


# What is no state and frames.


@pytest.mark.parametrize(
    "result",
    [
        *(None, (), ("state",), ("state", [], []), ["state", []], "ab"),
        *(("state", Text("a")), ("state", None), ("state", "text"), ("state", {Text("a")})),
        *(
            ("state", ["a"]),
            ("state", [b"a"]),
            ("state", [None]),
            ("state", [Text]),
            ("state", [("text", "a")]),
        ),
        *(("state", [Text(b"a")]), ("state", [Binary("a")]), ("state", [Binary(bytearray(b"a"))])),
        *(
            ("state", [Close("1000")]),
            ("state", [Close(999)]),
            ("state", [Close(1005)]),
            ("state", [Close(1006)]),
        ),
        *(
            ("state", [Close(1015)]),
            ("state", [Close(2000)]),
            ("state", [Close(5000)]),
            ("state", [Close(1000.0)]),
        ),
        *(
            ("state", [Close(1000, None)]),
            ("state", [Close(1000, "é" * 62)]),
            ("state", [Close(1000, "\ud800")]),
        ),
        ("state", [Text("fine"), "wrong"]),
    ],
)
def test_a_wrong_result_says_what_would_be_right(result: Any) -> None:
    with pytest.raises(InvalidResult) as caught:
        checked(result)
    assert SHAPES in str(caught.value)


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1011, 1013, 1014, 3000, 4999])
def test_a_right_result_is_taken(code: int) -> None:
    result = (None, (Text("a"), Binary(b"b"), Close(code, "é" * 61)))
    assert checked(result) is result


def test_a_long_result_is_cut_in_the_error() -> None:
    with pytest.raises(InvalidResult) as caught:
        checked("x" * 10_000)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("result", ["wrong", ("two", [Text("a"), "wrong"]), ("two", [Text("\ud800")])])
def test_a_wrong_result_sends_nothing_keeps_the_state_and_closes(result: Any) -> None:
    behaviour, peer = joined(init=("one", []), client=result)
    peer.say("x")
    assert (peer.sent, peer.closed_with) == ([], (1011, "internal error"))
    name, state, (kind, error) = behaviour.calls[-1]
    assert (name, state, kind) == ("terminate", "one", "error")
    assert isinstance(error, InvalidResult | UnicodeEncodeError)


# How it ends: one reason, once.


@pytest.mark.parametrize("error", [LookupError("lost"), SystemExit(1), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["init", "client", "server"])
def test_an_error_closes_and_is_the_reason(
    where: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    behaviour, peer = joined(**{"init": ("one", []), where: error})
    if where != "init":
        peer.say("x", "y") if where == "client" else peer.connection.handle_server_message("1")
    assert peer.closed_with == (1011, "internal error")
    state = None if where == "init" else "one"
    assert behaviour.calls[-1] == ("terminate", state, ("error", error))
    assert len(behaviour.endings) == 1
    assert [call[0] for call in behaviour.calls].count("client") == (where == "client")
    assert "unhandled" in caplog.text


def close(peer: LoopbackTransport) -> None:
    peer.connection.close(4000, "bye")


def disconnect(peer: LoopbackTransport) -> None:
    peer.connection.disconnect("remote")


def too_slow(peer: LoopbackTransport) -> None:
    peer.connection.handle_too_slow()


def violate(peer: LoopbackTransport) -> None:
    peer.connection.handle_violation(1009, "too big")


@pytest.mark.parametrize(
    ("end", "ending"),
    [
        (LoopbackTransport.hang_up, ("remote", 1000, "")),
        (lambda peer: peer.hang_up(4321, "mine"), ("remote", 4321, "mine")),
        (lambda peer: peer.hang_up(1006), ("remote", 1006, "")),
        (close, "stop"),
        (disconnect, "normal"),
    ],
)
def test_who_ended_it_is_the_reason(end: Callable[[LoopbackTransport], None], ending: Any) -> None:
    behaviour, peer = joined(init=("state", []))
    for _ in range(2):
        end(peer)
    peer.hang_up(1001)
    assert behaviour.calls == [("init",), ("terminate", "state", ending)]


@pytest.mark.parametrize(
    ("end", "kind", "words", "code"),
    [
        (too_slow, TooMany, "CABLE_OUTBOX", 1013),
        (violate, MalformedMessage, "closed with 1009: too big", None),
    ],
)
def test_what_went_wrong_is_the_reason(
    end: Callable[[LoopbackTransport], None], kind: type[Exception], words: str, code: int | None
) -> None:
    behaviour, peer = joined()
    end(peer)
    ((name, error),) = behaviour.endings
    assert (name, type(error)) == ("error", kind)
    assert words in str(error)
    assert (peer.closed_with or (None,))[0] == code


def test_a_peer_that_sends_too_fast_is_ended() -> None:
    behaviour = Recording()
    peer = House(behaviour, rate=Rate(1, 1)).join()
    peer.say("a", "b")
    assert peer.closed_with == (1008, "too many messages")
    ((name, error),) = behaviour.endings
    assert name == "error"
    assert "CABLE_MESSAGES_PER_SECOND" in str(error)


def test_one_whose_messages_pile_up_is_ended() -> None:
    behaviour = Recording()
    house = House(behaviour, server_messages_limit=3)
    peer = house.join()

    def flood(state: Any, frame: Any) -> Any:
        taken = [peer.connection.handle_server_message("1") for _ in range(5)]
        assert taken == [True, True, True, False, False]
        return None, []

    behaviour.answers["client"] = flood
    peer.say("go")
    assert peer.closed_with == (1013, "too slow; please reconnect")
    ((name, error),) = behaviour.endings
    assert name == "error"
    assert "CABLE_SERVER_MESSAGES" in str(error)
    assert house.handler.counts["overrun"] == 1


def test_the_first_reason_counts() -> None:
    behaviour, peer = joined()

    def leave(state: Any, frame: Any) -> Any:
        peer.connection.close(1000)
        raise LookupError("after the close")

    behaviour.answers["client"] = leave
    peer.say("x")
    assert peer.closed_with == (1000, "")
    assert len(behaviour.endings) == 1


def test_what_terminate_returns_and_raises_changes_nothing() -> None:
    behaviour, peer = joined(terminate=(1, [Text("not sent")]))
    peer.hang_up()
    assert peer.sent == []
    behaviour, peer = joined(terminate=LookupError("lost"))
    peer.hang_up()
    assert len(behaviour.endings) == 1
    assert peer.connection.handler.counts["failed"] == 1
    assert len(peer.connection.handler.registry or ()) == 0


def test_who_was_told_to_go_before_it_began_was_never_there() -> None:
    behaviour = Recording()
    house = House(behaviour)
    connection = Connection(house.handler, 1)
    transport = LoopbackTransport(connection)
    connection.attach(transport)
    connection.hold_back()
    transport.say("too early")
    connection.close(1013)
    connection.handle_open()
    assert behaviour.calls == []


def test_who_speaks_before_it_is_let_in_is_heard_after() -> None:
    behaviour = Recording()
    house = House(behaviour)
    connection = Connection(house.handler, 1)
    transport = LoopbackTransport(connection)
    connection.attach(transport)
    connection.hold_back()
    transport.say("early")
    assert behaviour.calls == []
    connection.handle_open()
    assert behaviour.calls == [("init",), ("client", None, Text("early"))]


def test_an_idle_peer_is_ended_and_one_that_pings_is_not() -> None:
    behaviour = Recording()
    house = House(behaviour, idle_timeout=60)
    idle, pinging, speaking = house.join(), house.join(), house.join()
    for _ in range(10):
        house.executor.advance(10)
        pinging.connection.handle_ping()
        speaking.say("here")
    assert idle.closed_with == (1000, "")
    assert (pinging.closed_with, speaking.closed_with) == (None, None)
    assert behaviour.endings == ["timeout"]


def test_at_the_end_of_the_process_everybody_is_told_to_reconnect() -> None:
    behaviour = Recording()
    house = House(behaviour)
    peers = [house.join() for _ in range(3)]
    Drain(house.registry, house.executor).start(0)
    assert [peer.closed_with for peer in peers] == [(1001, "server shutting down; please reconnect")] * 3
    assert behaviour.endings == ["normal"] * 3
    Drain(house.registry, house.executor).start(0)


def test_the_connection_classs_hook_runs_too() -> None:
    class Mine(Connection):
        def disconnected(self) -> None:
            behaviour.calls.append(("disconnected",))

    behaviour = Recording()
    House(behaviour).join(Mine).hang_up()
    assert [call[0] for call in behaviour.calls] == ["init", "terminate", "disconnected"]


# What is logged and counted, and what else may be sent.


def test_the_log_says_when_it_came_and_went(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "flask_cable")
    behaviour = Recording(client=lambda state, frame: (state, [frame] if frame.data == "echo" else []))
    house = House(behaviour)
    peer = house.join()
    peer.say(*["echo", b"noop"] * 5)
    house.executor.advance(1.5)
    peer.hang_up(1001, "gone")
    assert [record.getMessage() for record in caplog.records] == [
        "connection 1: CONNECTED rule=/ws/<room>",
        "connection 1: DISCONNECTED rule=/ws/<room> seconds=1.500 frames_received=10 frames_sent=5 "
        "reason=('remote', 1001, 'gone')",
    ]


def test_frames_may_be_sent_from_elsewhere() -> None:
    _, peer = joined()
    for data in (Text("a"), Binary(b"b"), "c", b"d"):
        peer.connection.transmit(data)
    assert peer.sent == ["a", b"b", "c", b"d"]
    for wrong in (1, None, {"a": 1}, Close()):
        with pytest.raises(EncodeError, match="is no frame"):
            peer.connection.transmit(wrong)


def test_callbacks_of_one_connection_never_overlap() -> None:
    behaviour, peer = joined()
    running: list[str] = []

    def client(state: Any, frame: Any) -> Any:
        running.append("in")
        peer.say("more") if len(running) < 6 else None
        peer.connection.handle_server_message("1")
        running.append("out")
        return state, []

    def server(state: Any, message: Any) -> Any:
        running.extend(["in", "out"])
        return state, []

    behaviour.answers.update(client=client, server=server)
    peer.say("go")
    assert running == ["in", "out"] * (len(running) // 2)
    assert len(running) > 6
