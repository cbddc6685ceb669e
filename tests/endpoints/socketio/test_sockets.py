"""A socket as an application's handlers see it: events, questions, rooms, its own values, its end."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, session

from flask_cable import Cable, Connection
from flask_cable.endpoints.socketio import Socket, SocketIOServer
from flask_cable.endpoints.socketio.sockets import CURRENT
from flask_cable.errors import AckTimeout, EncodeError, NotReady, ReadOnlySession, TooMany
from flask_cable.protocols.frames import VOLATILE, Frame
from flask_cable.testing import CableClient, SocketIOPeer

# Who it is.


def test_a_socket_knows_its_request_and_session(
    app: Flask, cable: Cable, io: SocketIOServer, client: CableClient
) -> None:
    @app.get("/login")
    def login() -> str:
        session["user"] = "ann"
        return ""

    client.http.get("/login")
    socket = client.socketio(query_string={"token": "x"}, headers={"X-Page": "7"}, auth={"a": 1}).socket
    assert socket.request.args["token"] == "x"
    assert socket.request.headers["X-Page"] == "7"
    assert socket.session["user"] == "ann"
    assert socket.auth == {"a": 1}
    with pytest.raises(ReadOnlySession):
        socket.session["user"] = "bob"
    with socket.request_context():
        assert session["user"] == "ann"


def test_a_connections_identifiers_are_the_sockets(cable: Cable, client: CableClient) -> None:
    cable.identify(_current_user)
    socket = client.socketio().socket
    assert socket.current_user == "ann"
    assert not hasattr(socket, "somebody")
    with pytest.raises(AttributeError, match="has no attribute 'else_'"):
        _ = socket.else_


def _current_user() -> str:
    return "ann"


_current_user.__name__ = "current_user"


def test_sockets_of_one_connection_have_names_of_their_own(io: SocketIOServer, client: CableClient) -> None:
    io.of("/a")
    main = client.socketio()
    inside = main.connection.enter("/a")
    assert main.sid != inside.sid
    assert main.sid == main.socket.id == main.socket.sid
    assert len({main.sid, inside.sid, main.connection.opening["sid"]}) == 3
    assert main.socket.connection is inside.socket.connection
    assert main.sid in repr(main.socket)
    assert (main.socket.namespace, inside.socket.namespace) == ("/", "/a")


def test_values_are_kept_with_a_socket(io: SocketIOServer, client: CableClient) -> None:
    one, two = client.socketio().socket, client.socketio().socket
    assert one.get("nick") is None
    assert one.get("nick", "nobody") == "nobody"
    assert one.set("nick", "ann").set("age", 7) is one
    assert (one.get("nick"), one.data, two.data) == ("ann", {"nick": "ann", "age": 7}, {})
    one.data = {"other": 1}
    assert one.get("nick") is None


# Events.


def test_events_reach_the_peer_in_their_order(client: CableClient) -> None:
    peer = client.socketio()
    assert peer.socket.emit("a", 1, {"b": [None]})
    assert peer.socket.send("text")
    assert peer.socket.emit("c", b"\x01", [b"\x02"])
    assert peer.events == [["a", 1, {"b": [None]}], ["message", "text"], ["c", b"\x01", [b"\x02"]]]


def test_what_cannot_be_sent_is_an_error_and_nothing_is_sent(client: CableClient) -> None:
    peer = client.socketio()
    for name in ("connect", "disconnect", "connect_error", "disconnecting", "newListener"):
        with pytest.raises(ValueError, match="keep for themselves"):
            peer.socket.emit(name)
        with pytest.raises(ValueError, match="keep for themselves"):
            peer.socket.broadcast.emit(name)
    with pytest.raises(EncodeError):
        peer.socket.emit("a", object())
    with pytest.raises(EncodeError):
        peer.socket.emit("a", object(), ack=print)
    with pytest.raises(EncodeError, match="clients take 10"):
        peer.socket.emit("a", *[b"x"] * 11)
    assert peer.events == []
    assert peer.socket._questions == {}


def test_nothing_is_sent_to_one_who_left(client: CableClient) -> None:
    peer = client.socketio()
    socket = peer.socket
    peer.disconnect()
    assert socket.emit("a") is False
    assert socket.volatile.emit("a") is False
    assert socket.emit("a", ack=print) is False
    assert peer.events == []
    assert not socket.connected


def test_a_socket_may_have_handlers_of_its_own(io: SocketIOServer, client: CableClient) -> None:
    reasons: list[Any] = []

    @io.on("connect")
    def connected(socket: Socket) -> None:
        if socket.auth:
            socket.on("name", lambda socket, suffix: socket.auth["name"] + suffix)
            socket.on("disconnect")(lambda socket, reason: reasons.append(("own", reason)))

    io.on("name", lambda socket, suffix: "nobody")
    io.on("disconnect", lambda socket, reason: reasons.append(("shared", reason)))
    ann, other = client.socketio(auth={"name": "ann"}), client.socketio()
    assert (ann.call("name", "!"), other.call("name", "!")) == ("ann!", "nobody")
    ann.close()
    other.close()
    assert reasons == [("own", "transport close"), ("shared", "transport close")]


# Questions.


def test_the_client_answers(client: CableClient) -> None:
    peer, answers = client.socketio(), list[Any]()
    peer.socket.emit("question", 42, ack=lambda *values: answers.append(values))
    peer.socket.send("next", ack=lambda *values: answers.append(values))
    first, second = peer.events
    second.acknowledge()
    first.acknowledge("a", b"\x01")
    assert answers == [(), ("a", b"\x01")]


def test_an_answer_is_taken_once(client: CableClient) -> None:
    peer, answers = client.socketio(), list[Any]()
    peer.socket.emit("question", ack=answers.append)
    event = peer.receive()
    event.acknowledge(1)
    event.acknowledge(2)
    peer.connection.send("4399[3]", "43[4]")
    assert answers == [1]
    assert peer.socket.hall.handler.counts["unknown_ack"] == 3
    assert peer.connected


def test_a_question_may_expire(client: CableClient) -> None:
    peer, said = client.socketio(), list[Any]()
    peer.socket.emit("a", ack=said.append, timeout=5, unanswered=lambda: said.append("nothing"))
    peer.socket.emit("b", ack=said.append, timeout=5)
    client.advance_time(4.9)
    assert said == []
    client.advance_time(0.2)
    assert said == ["nothing"]
    for event in peer.events:
        event.acknowledge("late")
    assert said == ["nothing"]
    assert peer.socket._questions == {}


def test_a_question_without_any_time_expires_at_once(client: CableClient) -> None:
    peer, said = client.socketio(), list[Any]()
    peer.socket.emit("a", ack=said.append, timeout=0, unanswered=lambda: said.append("nothing"))
    client.advance_time(0)
    assert said == ["nothing"]


def test_an_answer_in_time_stops_the_clock(client: CableClient) -> None:
    peer, said = client.socketio(), list[Any]()
    peer.socket.emit("a", ack=said.append, timeout=5, unanswered=lambda: said.append("nothing"))
    peer.receive().acknowledge("in time")
    client.advance_time(10)
    assert said == ["in time"]


def test_one_who_leaves_answers_nothing_any_more(client: CableClient) -> None:
    peer, said = client.socketio(), list[Any]()
    peer.socket.emit("a", ack=said.append, unanswered=lambda: said.append("nothing"))
    peer.socket.emit("b", ack=said.append)
    peer.close()
    assert said == ["nothing"]


def test_questions_are_bounded(cable: Cable, client: CableClient) -> None:
    io = cable.socketio("/few", max_acks=2)
    peer = client.socketio(io.path)
    for _ in range(2):
        peer.socket.emit("a", ack=print)
    with pytest.raises(TooMany, match="max_acks: 2 events wait"):
        peer.socket.emit("a", ack=print)
    peer.receive().acknowledge()
    assert peer.socket.emit("a", ack=lambda: None)


def test_a_call_waits_for_the_answer(client: CableClient, monkeypatch: pytest.MonkeyPatch) -> None:
    peer = client.socketio()
    for values, result in (((), None), ((7,), 7), ((1, 2), (1, 2)), ((None,), None)):
        _answer_while_waiting(monkeypatch, peer, values)
        assert peer.socket.call("question") == result


def _answer_while_waiting(monkeypatch: pytest.MonkeyPatch, peer: SocketIOPeer, values: Any) -> None:
    """The manual executor's events do not wait: the client answers at that moment."""

    class Waiting:
        def set(self) -> None: ...

        def wait(self, timeout: float) -> bool:
            assert timeout == 60
            peer.receive().acknowledge(*values)
            return True

    monkeypatch.setattr(type(peer.socket.hall.executor), "event", lambda executor: Waiting())


def test_a_call_without_an_answer_is_an_error(client: CableClient) -> None:
    peer = client.socketio()
    with pytest.raises(AckTimeout, match="'question' within 3 seconds"):
        peer.socket.call("question", timeout=3)
    socket = peer.socket
    peer.close()
    with pytest.raises(TimeoutError):
        socket.call("question")


def test_a_call_that_would_wait_for_itself_is_an_error(io: SocketIOServer, client: CableClient) -> None:
    @io.on("ask")
    def ask(socket: Socket) -> str:
        with pytest.raises(RuntimeError, match="would wait for itself"):
            socket.call("question")
        return "said so"

    assert client.socketio().call("ask") == "said so"
    assert CURRENT.get() is None


# What may be dropped.


class Slow:
    """A transport whose peer is behind, from a moment on."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def send(self, frame: Frame) -> bool:
        self.frames.append(frame)
        return frame.lane is not VOLATILE


def test_volatile_events_say_so_to_the_transport(client: CableClient) -> None:
    peer = client.socketio()
    socket, slow = peer.socket, Slow()
    socket.connection.transport = slow  # type: ignore[assignment]
    assert socket.volatile.emit("a", 1) is False
    assert socket.volatile.send("b") is False
    assert socket.emit("c") is True
    socket.join("r")
    socket.sockets.volatile.emit("d")
    socket.sockets.to("r").volatile.emit("e")
    assert [frame.lane is VOLATILE for frame in slow.frames] == [True, True, False, True, True]


def test_volatile_reaches_others(client: CableClient) -> None:
    one, two = client.socketio(), client.socketio()
    two.socket.join("r")
    one.socket.volatile.broadcast.emit("a")
    one.socket.volatile.to("r").emit("b")
    one.socket.broadcast.volatile.emit("c")
    assert two.events == [["a"], ["b"], ["c"]]
    assert one.events == []


# Others, and rooms.


def test_broadcast_is_for_everybody_else(client: CableClient) -> None:
    one, two, three = client.socketio(), client.socketio(), client.socketio()
    three.socket.join("lobby")
    one.socket.broadcast.emit("a")
    one.socket.broadcast.to("lobby").send("b")
    one.socket.to("lobby").emit("c")
    one.socket.in_("lobby").emit("d")
    one.socket.except_("lobby").emit("e")
    one.socket.sockets.emit("f")
    one.socket.join("lobby")
    one.socket.to("lobby").emit("g")
    assert one.events == [["f"]]
    assert two.events == [["a"], ["e"], ["f"]]
    assert three.events == [["a"], ["message", "b"], ["c"], ["d"], ["f"], ["g"]]


def test_rooms_are_joined_and_left(client: CableClient) -> None:
    socket = client.socketio().socket
    assert socket.rooms == {socket.id}
    assert socket.join("a", "b")
    assert not socket.join("a")
    assert socket.join("a", "c")
    assert socket.rooms == {socket.id, "a", "b", "c"}
    assert socket.leave("a", "nowhere")
    assert not socket.leave("a")
    assert socket.rooms == {socket.id, "b", "c"}


def test_a_room_may_be_called_after_an_object(client: CableClient) -> None:
    class Post:
        id = 7

    peer = client.socketio()
    peer.socket.join(Post())
    assert "Post:7" in peer.socket.rooms
    peer.socket.sockets.to(Post()).emit("changed")
    assert peer.events == [["changed"]]
    with pytest.raises(ValueError, match="blank"):
        peer.socket.join(" ")


def test_rooms_are_bounded(cable: Cable, client: CableClient) -> None:
    io = cable.socketio("/few", max_rooms=2)
    socket = client.socketio(io.path).socket
    socket.join("a", "b")
    with pytest.raises(TooMany, match="max_rooms"):
        socket.join("c")
    socket.leave("a")
    assert socket.join("c")


def test_a_room_can_be_joined_from_the_connect_handler_on(io: SocketIOServer, client: CableClient) -> None:
    @io.use
    def check(socket: Socket) -> None:
        with pytest.raises(NotReady, match="too early"):
            socket.join("a")

    @io.on("connect")
    def connected(socket: Socket) -> None:
        assert socket.join("a")

    socket = client.socketio().socket
    assert "a" in socket.rooms
    socket.disconnect()
    assert socket.join("b") is False
    assert socket.rooms == {socket.id}


# The end.


def test_a_socket_is_disconnected(io: SocketIOServer, client: CableClient) -> None:
    reasons: list[str] = []
    io.on("disconnect", lambda socket, reason: reasons.append(reason))
    io.of("/a")
    main = client.socketio()
    inside = main.connection.enter("/a")
    main.socket.disconnect()
    assert (main.disconnected, inside.connected) == (True, True)
    assert main.connection.messages[-1] == "41"
    assert reasons == ["server namespace disconnect"]
    assert not main.connection.closed


def test_a_socket_is_disconnected_once(io: SocketIOServer, client: CableClient) -> None:
    reasons: list[str] = []
    io.on("disconnect", lambda socket, reason: reasons.append(reason))
    peer = client.socketio()
    socket = peer.socket
    socket.disconnect()
    socket.disconnect()
    socket.close()
    assert reasons == ["server namespace disconnect"]
    assert peer.connection.messages.count("41") == 1


def test_a_connection_may_be_closed_with_its_sockets(io: SocketIOServer, client: CableClient) -> None:
    reasons: list[Any] = []
    for name in ("/", "/a"):
        io.of(name).on("disconnect", lambda socket, reason: reasons.append((socket.hall.name, reason)))
    main = client.socketio()
    inside = main.connection.enter("/a")
    main.socket.close()
    assert main.disconnected
    assert not inside.disconnected  # a transport that closes says to come back
    assert main.connection.closed_with == (1000, "forced server close")
    assert reasons == [("/", "server namespace disconnect"), ("/a", "forced server close")]


def test_a_socket_obeys_only_what_it_knows(client: CableClient) -> None:
    peer = client.socketio()
    peer.socket.obey("join", ["a", "b"])
    peer.socket.obey("leave", ["a"])
    peer.socket.obey("dance", True)
    assert peer.socket.rooms == {peer.sid, "b"}
    peer.socket.obey("disconnect", False)
    assert peer.disconnected


def test_a_socket_without_a_request_has_none() -> None:
    class Nothing:
        handler = None
        request = None
        session = None
        identified_by = ()

    socket = Socket("x", Nothing(), None, None, {})  # type: ignore[arg-type]
    assert (socket.request, socket.session) == (None, None)


def test_lines_of_the_log_say_which_connection(client: CableClient, caplog: pytest.LogCaptureFixture) -> None:
    peer = client.socketio()
    peer.socket.logger.warning("look")
    connection: Connection = peer.socket.connection
    assert f"connection {connection.id}: look" in caplog.text
