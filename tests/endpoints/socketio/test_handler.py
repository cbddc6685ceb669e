"""Packets of Socket.IO carried out: events, answers, ends; and what a peer gets wrong harms only itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask, current_app, g

from flask_cable import Cable, Connection, rescue_from, signals
from flask_cable.endpoints.socketio import Socket, SocketIOServer
from flask_cable.endpoints.socketio.sockets import SERVER_LEFT
from flask_cable.testing import CableClient, SocketIOPeer


@pytest.fixture
def quiet(app: Flask, io: SocketIOServer) -> Any:
    """A client that does not raise what the application raised."""
    with CableClient(app, raise_server_exceptions=False) as client:
        yield client


# Opening.


def test_a_connection_is_opened_by_the_server(client: CableClient) -> None:
    opening = client.socketio().connection.opening
    assert {**opening, "sid": ""} == {
        "sid": "",
        "upgrades": [],
        "pingInterval": 25000,
        "pingTimeout": 20000,
        "maxPayload": 1000000,
    }


def test_who_enters_nothing_in_time_is_closed(io: SocketIOServer, client: CableClient) -> None:
    io.of("/a").use(lambda socket: False)
    idle = client.websocket("/socket.io/?EIO=4&transport=websocket")
    refused, entered = client.socketio(namespace="/a"), client.socketio()
    for _ in range(8):
        client.advance_time(5)
        for connection in (idle, refused.connection, entered.connection):
            connection.send("3")
    assert not idle.closed
    client.advance_time(6)
    assert idle.closed_with == (1000, "no namespace was entered in time")
    assert refused.connection.closed
    assert not entered.connection.closed


# Events.


def test_an_event_runs_in_an_application_context(app: Flask, io: SocketIOServer, client: CableClient) -> None:
    seen: list[Any] = []

    @io.on("a")
    def handle(socket: Socket) -> str:
        seen.append(g.get("mark"))
        g.mark = "not kept"
        return current_app.name

    torn_down: list[Any] = []
    app.teardown_appcontext(lambda error: torn_down.append(error))
    peer = client.socketio()
    torn_down.clear()
    assert (peer.call("a"), peer.call("a")) == ("chat", "chat")
    assert (seen, torn_down) == ([None, None], [None, None])


def test_events_of_a_client_keep_their_order(io: SocketIOServer, client: CableClient) -> None:
    seen: list[int] = []
    io.on("a", lambda socket, number: seen.append(number))
    client.socketio().connection.send(*[f'42["a",{number}]' for number in range(100)])
    assert seen == list(range(100))


def test_events_bring_binary_values(io: SocketIOServer, client: CableClient) -> None:
    @io.on("upload")
    def upload(socket: Socket, name: str, content: bytes) -> tuple[bytes, int]:
        return content[::-1], len(content)

    assert client.socketio().call("upload", "x", b"\x00\xff") == (b"\xff\x00", 2)


def test_events_without_a_handler_are_counted(io: SocketIOServer, client: CableClient) -> None:
    peer = client.socketio()
    peer.emit("nobody", 1)
    peer.connection.send('421["nobody"]')
    assert peer.connected
    assert peer.socket.hall.handler.counts["unknown_event"] == 2
    with pytest.raises(AssertionError, match="has not acknowledged"):
        peer.call("nobody")


def test_a_clients_message_is_the_message_event(io: SocketIOServer, client: CableClient) -> None:
    io.on("message", lambda socket, text: socket.send(text))
    peer = client.socketio()
    peer.emit("message", "\u4e2d\u6587 \U0001f600")
    assert peer.receive() == ["message", "\u4e2d\u6587 \U0001f600"]


def test_an_event_may_be_named_by_a_number(io: SocketIOServer, client: CableClient) -> None:
    io.on(7, lambda socket: "seven")  # type: ignore[arg-type]
    assert client.socketio().call(7) == "seven"


def test_hooks_of_the_connection_class_surround_events(
    cable: Cable, io: SocketIOServer, client: CableClient
) -> None:
    log: list[str] = []

    @cable.connection
    class Guarded(Connection):
        def before_command(self) -> Any:
            log.append("before")
            return self.request.args.get("token") == "right"

        def after_command(self) -> None:
            log.append("after")

    io.on("a", lambda socket: log.append("a"))
    client.socketio(query_string={"token": "right"}).emit("a")
    client.socketio(query_string={"token": "wrong"}).emit("a")
    assert log == ["before", "a", "after", "before"]


# What the application gets wrong.


def test_a_handler_that_raises_is_logged_and_survived(
    io: SocketIOServer, quiet: CableClient, caplog: pytest.LogCaptureFixture
) -> None:
    io.on("fail", lambda socket: {}["lost"])
    io.on("fine", lambda socket: "fine")
    peer = quiet.socketio()
    peer.emit("fail")
    with pytest.raises(AssertionError, match="has not acknowledged"):
        peer.call("fail")
    assert peer.call("fine") == "fine"
    assert "unhandled KeyError" in caplog.text
    assert [type(error) for error in peer.connection.errors] == [KeyError, KeyError]


def test_a_wrong_number_of_values_is_the_handlers_error(io: SocketIOServer, quiet: CableClient) -> None:
    io.on("two", lambda socket, one, two: None)
    peer = quiet.socketio()
    peer.emit("two", 1)
    peer.emit("two", 1, 2, 3)
    assert peer.connected
    assert [type(error) for error in peer.connection.errors] == [TypeError, TypeError]


def test_an_answer_without_a_json_form_is_the_handlers_error(io: SocketIOServer, quiet: CableClient) -> None:
    io.on("a", lambda socket: object())
    peer = quiet.socketio()
    peer.connection.send('420["a"]')
    assert peer.connected
    assert len(peer.connection.errors) == 1


def test_rescuers_answer_errors(cable: Cable, io: SocketIOServer, client: CableClient) -> None:
    rescued: list[Any] = []

    @cable.connection
    class Rescuing(Connection):
        @rescue_from(KeyError)
        def lost(self, error: KeyError) -> None:
            rescued.append(error.args)

        @rescue_from(ValueError)
        def worse(self, error: ValueError) -> None:
            raise TypeError("worse")

    io.on("fail", lambda socket: {}["lost"])
    peer = client.socketio()
    peer.emit("fail")
    assert rescued == [("lost",)]
    io.on("worse", lambda socket: int("x"))
    with pytest.raises(TypeError, match="worse"):
        peer.emit("worse")
    assert peer.connected


def test_an_answered_question_that_raises_is_survived(quiet: CableClient) -> None:
    peer = quiet.socketio()
    peer.socket.emit("a", ack=lambda value: int(value))
    peer.receive().acknowledge("x")
    peer.socket.emit("b", ack=print, timeout=1, unanswered=lambda: int("x"))
    quiet.advance_time(2)
    assert peer.connected
    assert len(peer.connection.errors) == 2


def test_an_exit_ends_one_event(io: SocketIOServer, quiet: CableClient) -> None:
    def leave(socket: Socket) -> None:
        raise SystemExit

    io.on("exit", leave)
    peer = quiet.socketio()
    peer.emit("exit")
    assert peer.connected


# What a peer gets wrong.

MALFORMED: tuple[str | bytes, ...] = (
    *("", "7", "abc", "b", "2", "2probe", "2x"),  # no packet of Engine.IO, or none of a client's
    *("4", "47", "4abc", "4-1"),  # no packet of Socket.IO
    *("42", "42{}", "42[]", '42"a"', "42[null]", "42[", "42x[]", '42abc["a"]', '42["a"]x', "42[[]]"),
    *('42["connect"]', '42["disconnect"]', '42["connect_error"]', '42["newListener"]'),
    *("43", "43{}", "431{}", '43"x"'),
    *("44", '44{"message":"x"}', '44"x"', "40[]", "40null", "41{}", "41[]"),
    *("40", '40{"a":1}'),  # it is in already
    *('42/a,["x"]', "43/a,1[]", "41/a", '451-/a,["x"]'),  # it is not in there
    *('450-["a"]', '4511-["a"]', '45["a"]', '45x-["a"]', '45-1-["a"]', "451-{}", "451-[]"),
    *("460-1[]", "46[]", "461-1{}"),
    *(b"", b"x", bytes(100)),  # an attachment of nothing
    *("4" + "9" * 100_000, "42" + "[" * 100_000, '42["a",' * 10_000, "40/" + "x" * 100_000 + ",["),
)
AFTER_A_HEAD: tuple[str | bytes, ...] = ('42["a"]', "40", "41", '451-["a"]', b"")
"""What is malformed while an attachment is awaited, the last one because of a placeholder for another."""


def test_malformed_messages_close_their_connection_and_no_other(
    io: SocketIOServer, client: CableClient, caplog: pytest.LogCaptureFixture
) -> None:
    reasons: list[str] = []
    io.on("disconnect", lambda socket, reason: reasons.append(reason))
    io.on("ask", lambda socket: "answer")
    bystander = client.socketio()
    for message in MALFORMED:
        peer = client.socketio()
        caplog.clear()
        peer.connection.send(message, '42["ask"]', "no more is read")
        assert peer.connection.closed_with is not None, message
        assert peer.connection.closed_with == (1007, "parse error"), message
        assert len(caplog.records) == 1
        assert len(caplog.text) < 400
        assert reasons.pop() == "parse error"
        assert reasons == []
    assert bystander.call("ask") == "answer"
    counts = bystander.socket.hall.handler.counts
    assert (counts["malformed"], counts["failed"]) == (len(MALFORMED), 0)
    assert client._runtime().registry.taken == 1


def test_what_is_no_attachment_closes_while_one_is_awaited(client: CableClient) -> None:
    for message in AFTER_A_HEAD:
        peer = client.socketio()
        peer.connection.send('451-["a",{"_placeholder":true,"num":1}]', message)
        assert peer.connection.closed_with == (1007, "parse error"), message


def test_attachments_that_never_come_are_no_matter(io: SocketIOServer, client: CableClient) -> None:
    io.on("a", lambda socket, value: socket.emit("b", value))
    peer = client.socketio()
    peer.connection.send('452-["a",{"_placeholder":true,"num":1}]', b"x")
    client.advance_time(30)
    peer.connection.send("3", b"y")
    assert peer.receive() == ["b", b"y"]


def test_attachments_may_not_be_larger_than_a_message(cable: Cable, client: CableClient) -> None:
    io = cable.socketio("/small", max_payload=100)
    peer = client.socketio(io.path)
    peer.connection.send('452-["a"]', bytes(60), bytes(60))
    assert peer.connection.closed_with == (1007, "parse error")


def test_what_a_client_may_say_or_not_is_no_mistake(client: CableClient) -> None:
    peer = client.socketio()
    peer.connection.send("3", "3probe", "5", "6", "0", "0{}", "3x")
    assert peer.connected


def test_a_packet_that_crosses_a_disconnection_is_no_mistake(io: SocketIOServer, client: CableClient) -> None:
    io.of("/a")
    main = client.socketio()
    inside = main.connection.enter("/a")
    inside.socket.disconnect()
    main.connection.send('42/a,["late"]', "43/a,1[]", "41/a,", '451-/a,["late"]', b"x")
    assert main.connected
    again = main.connection.enter("/a")
    assert again.connected
    assert again.sid != inside.sid


def test_a_malformed_message_is_told_to_those_who_watch(app: Flask, client: CableClient) -> None:
    errors: list[Any] = []

    def watch(sender: Flask, connection: Connection, error: Exception) -> None:
        errors.append(str(error))

    with signals.command_failed.connected_to(watch, sender=app):
        client.socketio().connection.send("4abc")
    assert errors == ["no Socket.IO packet: 'abc'"]


def test_too_many_messages_are_too_fast(app: Flask) -> None:
    app.config.update(CABLE_MESSAGES_PER_SECOND=1, CABLE_MESSAGES_BURST=5)
    cable = Cable(app)
    io = cable.socketio()
    reasons: list[str] = []
    io.on("disconnect", lambda socket, reason: reasons.append(reason))
    with CableClient(app) as client:
        peer = client.socketio()
        peer.connection.send(*['42["a"]'] * 10)
        assert peer.connection.closed_with == (1008, "too many messages")
    assert reasons == ["transport error"]


# Ends.


def test_a_client_leaves_a_namespace(io: SocketIOServer, client: CableClient) -> None:
    log: list[Any] = []
    io.on("disconnecting", lambda socket, reason: log.append((reason, len(socket.rooms))))
    io.on("disconnect", lambda socket, reason: log.append((reason, len(socket.rooms))))
    peer = client.socketio()
    peer.socket.join("a", "b")
    peer.disconnect()
    assert log == [("client namespace disconnect", 3), ("client namespace disconnect", 1)]
    assert not peer.connection.closed
    assert peer.connection.enter("/").connected


def test_a_client_closes(io: SocketIOServer, client: CableClient) -> None:
    log: list[Any] = []
    for name in ("/", "/a"):
        io.of(name).on("disconnect", lambda socket, reason: log.append((socket.hall.name, reason)))

    def both() -> SocketIOPeer:
        peer = client.socketio()
        peer.connection.enter("/a")
        return peer

    both().connection.send("1", '42["no more"]')
    both().connection.close(1001)
    both().close()
    assert log == [("/", "transport close"), ("/a", "transport close")] * 3


def test_the_end_reaches_others_and_not_the_one_who_left(io: SocketIOServer, client: CableClient) -> None:
    @io.on("disconnecting")
    def leaving(socket: Socket) -> None:
        for room in socket.rooms:
            socket.to(room).emit("leaving", room == "lobby")

    @io.on("disconnect")
    def left(socket: Socket, reason: str) -> None:
        assert socket.emit("you") is False
        socket.broadcast.emit("left", socket.get("nick"))

    one, two = client.socketio(), client.socketio()
    one.socket.set("nick", "ann").join("lobby")
    two.socket.join("lobby")
    one.close()
    assert two.events == [["leaving", True], ["left", "ann"]]


def test_a_handler_of_the_end_that_raises_keeps_nothing_from_ending(
    io: SocketIOServer, quiet: CableClient
) -> None:
    for event in ("disconnecting", "disconnect"):
        io.on(event, lambda socket: {}["lost"])
    io.of("/a").on("disconnect", lambda socket: socket.connection.logger.error("done"))
    peer = quiet.socketio()
    peer.connection.enter("/a")
    handler = peer.socket.hall.handler
    peer.close()
    assert len(peer.connection.errors) == 2
    assert handler.halls == {}
    assert quiet._runtime().registry.taken == 0


def test_every_end_has_its_reason(io: SocketIOServer, client: CableClient) -> None:
    reasons: list[str] = []
    io.on("disconnect", lambda socket, reason: reasons.append(reason))
    for end, expected in (
        (lambda peer: peer.close(), "transport close"),
        (lambda peer: peer.connection.close(1009), "transport error"),
        (lambda peer: peer.connection.close(1002), "transport error"),
        (lambda peer: peer.disconnect(), "client namespace disconnect"),
        (lambda peer: peer.socket.disconnect(), "server namespace disconnect"),
        (lambda peer: peer.socket.connection.disconnect("remote", reconnect=False), SERVER_LEFT),
        (lambda peer: peer.socket.connection.disconnect("remote"), "forced server close"),
        (lambda peer: peer.socket.connection.disconnect("server_restart"), "server shutting down"),
        (lambda peer: peer.socket.connection.handle_too_slow(), "too slow"),
        (lambda peer: peer.connection.send("4abc"), "parse error"),
        (lambda peer: peer.connection.send("1"), "transport close"),
    ):
        end(client.socketio())
        assert reasons == [expected]
        reasons.clear()


def test_who_is_told_to_stay_away_is_told_in_every_namespace(io: SocketIOServer, client: CableClient) -> None:
    io.of("/a")
    main = client.socketio()
    inside = main.connection.enter("/a")
    main.socket.connection.disconnect("remote", reconnect=False)
    assert (main.disconnected, inside.disconnected) == (True, True)
    assert main.connection.closed_with == (1000, "")


def test_who_may_come_back_is_only_closed(client: CableClient) -> None:
    peer = client.socketio()
    peer.socket.connection.disconnect("server_restart", reconnect=True)
    assert not peer.disconnected
    assert peer.connection.closed_with == (1012, "server_restart")


def test_connections_are_disconnected_by_who_they_are(cable: Cable, client: CableClient) -> None:
    @cable.connection
    class Known(Connection):
        identified_by = "user"

        def connect(self) -> None:
            self.user = self.request.args["user"]

    ann, bob = (client.socketio(query_string={"user": name}) for name in ("ann", "bob"))
    cable.remote_connections.where(user="ann").disconnect(reconnect=False)
    assert (ann.disconnected, bob.connected) == (True, True)


def test_a_transmission_is_a_message_in_the_main_namespace(client: CableClient) -> None:
    peer = client.socketio()
    peer.socket.connection.transmit({"a": 1})
    peer.socket.connection.send("text")
    peer.socket.connection.stream_from("news")
    client._runtime().handler.broadcast("news", [1])
    assert peer.events == [["message", {"a": 1}], ["message", "text"], ["message", [1]]]


def test_nothing_is_left_of_a_connection_that_never_opened(io: SocketIOServer, client: CableClient) -> None:
    peer = client.socketio()
    handler = peer.socket.hall.handler
    connection = Connection(handler, 999)
    handler.closed(connection, 1006, "")
    assert handler.say_disconnect(connection, None, False) is False


def test_json_is_the_applications_own(app: Flask, io: SocketIOServer, client: CableClient) -> None:
    import datetime

    peer = client.socketio()
    peer.socket.emit("a", datetime.date(2024, 1, 2))
    assert peer.receive() == ["a", app.json.loads(app.json.dumps(datetime.date(2024, 1, 2)))]
    assert json.loads(str(peer.connection.messages[-1])[2:])[0] == "a"


# What is sent to names and groups.


def test_what_is_sent_to_a_name_or_a_group_reaches_its_handler(
    cable: Cable, io: SocketIOServer, client: CableClient
) -> None:
    @io.on("connect")
    def connected(socket: Socket) -> None:
        cable.unique.register("ann", socket)
        cable.group.join("all", socket)

    @io.on("server_message")
    def told(socket: Socket, message: Any) -> None:
        socket.emit("told", message)

    peer = client.socketio()
    assert cable.unique.send_message("ann", {"a": [1]})
    assert cable.group.publish("all", None) == 1
    assert peer.events == [["told", {"a": [1]}], ["told", None]]


def test_no_client_can_say_so(io: SocketIOServer, client: CableClient) -> None:
    called: list[Any] = []
    io.on("server_message", lambda socket, message: called.append(message))
    peer = client.socketio()
    peer.emit("server_message", "forged")
    assert called == []


def test_each_socket_of_a_connection_is_told_or_else_its_class(
    cable: Cable, io: SocketIOServer, client: CableClient
) -> None:
    heard: list[Any] = []

    @cable.connection
    class Mine(Connection):
        def server_message(self, message: Any) -> None:
            heard.append(("class", message))

    io.of("/a").on("connect", lambda socket: None)
    peer = client.socketio()
    other = peer.connection.enter("/a")
    connection = peer.connection.connection
    connection.handle_server_message("1")
    io.on("server_message", lambda socket, message: heard.append((socket.namespace, message)))
    connection.handle_server_message("2")
    io.of("/a").on("server_message", lambda socket, message: heard.append((socket.namespace, message)))
    connection.handle_server_message("3")
    other.disconnect()
    connection.handle_server_message("4")
    assert heard == [("class", 1), ("/", 2), ("/", 3), ("/a", 3), ("/", 4)]


def test_a_handler_of_theirs_that_raises_harms_nobody(
    io: SocketIOServer, client: CableClient, quiet: CableClient
) -> None:
    @io.on("server_message")
    def fail(socket: Socket, message: Any) -> None:
        raise LookupError("lost")

    peer = quiet.socketio()
    peer.connection.connection.handle_server_message("1")
    assert not peer.connection.closed
    assert [type(error) for error in peer.connection.errors] == [LookupError]
