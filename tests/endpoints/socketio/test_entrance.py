"""Coming into a namespace: asked, let in, welcomed before anything else is said, or refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
from endpoints.socketio.conftest import Process, SharedBus
from flask import Flask

from flask_cable import Cable, Connection
from flask_cable.endpoints.socketio import Namespace, Socket, SocketIOServer
from flask_cable.errors import ConnectRefused
from flask_cable.protocols.socketio import CONNECT, CONNECT_ERROR, Packet
from flask_cable.testing import CableClient

# Let in.


def test_a_client_enters_several_namespaces(io: SocketIOServer, client: CableClient) -> None:
    io.of("/a")
    main = client.socketio(auth={"token": "x"})
    inside = main.connection.enter("/a", {"token": "y"})
    assert (main.socket.auth, inside.socket.auth) == ({"token": "x"}, {"token": "y"})
    assert main.connection.messages[1:] == [f'40{{"sid":"{main.sid}"}}', f'40/a,{{"sid":"{inside.sid}"}}']
    assert client.socketio().socket.auth == {}


def test_names_of_sockets_cannot_be_guessed(client: CableClient) -> None:
    sids = {client.socketio().sid for _ in range(20)}
    assert len(sids) == 20
    assert {len(str(sid)) for sid in sids} == {24}


def test_the_welcome_comes_before_what_the_handler_says(io: SocketIOServer, client: CableClient) -> None:
    @io.on("connect")
    def connected(socket: Socket) -> None:
        assert socket.connected
        socket.join("lobby")
        socket.emit("one")
        io.emit("two")
        io.to("lobby").emit("three")
        socket.broadcast.emit("others only")
        socket.emit("four", ack=lambda value: socket.emit("five", value))

    peer = client.socketio()
    assert peer.connection.messages[1].startswith("40")  # type: ignore[arg-type]
    assert peer.events == [["one"], ["two"], ["three"], ["four"]]
    peer.events[-1].acknowledge(7)
    assert peer.events[-1] == ["five", 7]


def test_a_handler_gets_the_requests_environ(io: SocketIOServer, client: CableClient) -> None:
    seen: list[Any] = []
    io.on("connect", lambda socket, environ: seen.append(environ["QUERY_STRING"]))
    client.socketio(query_string={"a": "1"})
    assert seen == ["a=1&EIO=4&transport=websocket"]


def test_a_client_comes_back_to_a_namespace_that_it_left(client: CableClient) -> None:
    first = client.socketio()
    first.disconnect()
    second = first.connection.enter("/")
    assert second.connected
    assert second.sid != first.sid


def test_namespaces_of_one_client_are_bounded(cable: Cable, app: Flask) -> None:
    io = cable.socketio("/few", max_namespaces=2)
    for name in ("/a", "/b"):
        io.of(name)
    with CableClient(app) as client:
        peer = client.socketio(io.path)
        peer.connection.enter("/a")
        assert peer.connection.enter("/b").refusal == {"message": "too many namespaces"}
        peer = client.socketio(io.path)
        for _ in range(5):
            peer.connection.enter("/a").disconnect()
        assert peer.connected
        assert peer.socket.hall.handler.counts["too_many_namespaces"] == 1


def test_who_was_in_many_namespaces_may_enter_more(cable: Cable, app: Flask) -> None:
    io = cable.socketio("/few", max_namespaces=3)
    io.of(re.compile(r"/room-\d"))
    with CableClient(app) as client:
        connection = client.socketio(io.path).connection
        for number in range(8):
            entered = connection.enter(f"/room-{number}")
            assert entered.connected, number
            if number % 2:
                entered.disconnect()
            else:
                entered.socket.disconnect()
        assert len(connection.connection.state.sockets) == 3
        connection.enter("/room-7")
        connection.enter("/room-8")
        assert connection.enter("/room-9").refusal == {"message": "too many namespaces"}


# Refused.


def test_a_handler_refuses(io: SocketIOServer, client: CableClient) -> None:
    log: list[str] = []
    io.on("disconnect", lambda socket: log.append("left"))

    @io.on("connect")
    def connected(socket: Socket) -> Any:
        socket.join("lobby")
        socket.emit("never heard")
        if socket.auth.get("how") == "false":
            return False
        if socket.auth.get("how") == "silent":
            raise ConnectRefused
        if socket.auth.get("how") == "unauthorized":
            socket.connection.reject_unauthorized_connection()
        raise ConnectRefused("not today", {"until": "noon"})

    for how, refusal in (
        ("false", {"message": "not authorized"}),
        ("silent", {"message": "not authorized"}),
        ("unauthorized", {"message": "the connection is not authorized"}),
        ("raise", {"message": "not today", "data": {"until": "noon"}}),
    ):
        peer = client.socketio(auth={"how": how})
        assert peer.refusal == refusal
        assert peer.events == []
        assert len(peer.connection.messages) == 2
        assert not peer.connection.closed
    assert io.fetch_sockets() == []
    assert log == []


def test_those_who_are_asked_first_refuse(io: SocketIOServer, client: CableClient) -> None:
    log: list[str] = []

    @io.use
    def first(socket: Socket) -> None:
        log.append("first")

    @io.use
    def second(socket: Socket) -> Any:
        log.append("second")
        if socket.auth.get("token") != "right":
            raise ConnectRefused("wrong token", 401)

    io.on("connect", lambda socket: log.append("connected"))
    assert client.socketio(auth={"token": "wrong"}).refusal == {"message": "wrong token", "data": 401}
    assert log == ["first", "second"]
    assert client.socketio(auth={"token": "right"}).connected
    assert log == ["first", "second", "first", "second", "connected"]


def test_a_namespace_asks_for_itself(io: SocketIOServer, client: CableClient) -> None:
    io.of("/admin").use(lambda socket: socket.session.get("admin", False))
    peer = client.socketio()
    assert peer.connection.enter("/admin").refusal == {"message": "not authorized"}
    assert peer.connected


def test_one_who_was_refused_may_ask_again(io: SocketIOServer, client: CableClient) -> None:
    io.use(lambda socket: bool(socket.auth))
    peer = client.socketio()
    assert peer.refusal
    assert peer.connection.enter("/", {"token": 1}).connected


def test_a_refusal_does_not_touch_those_who_came_in_meanwhile(bus: SharedBus) -> None:
    process = Process(bus)
    process.io.of("/other")
    other = process.connect("/other")

    @process.io.use
    def check(socket: Socket) -> bool:
        if socket.connection is other.connection:
            return True
        process.handler.entrance.connect(other.connection, Packet(CONNECT))
        return False

    assert process.connect().packets[-1].kind == CONNECT_ERROR
    process.io.emit("news")
    assert other.events == [["news"]]


def test_a_handler_that_fails_refuses(
    app: Flask, io: SocketIOServer, caplog: pytest.LogCaptureFixture
) -> None:
    io.on("connect", lambda socket: {}["lost"])
    with CableClient(app, raise_server_exceptions=False) as client:
        peer = client.socketio()
        assert peer.refusal == {"message": "internal error"}
        assert [type(error) for error in peer.connection.errors] == [KeyError]
    assert "unhandled KeyError" in caplog.text


def test_a_reason_without_a_json_form_is_the_handlers_error(app: Flask, io: SocketIOServer) -> None:
    @io.on("connect")
    def connected(socket: Socket) -> None:
        raise ConnectRefused("no", object())

    with CableClient(app, raise_server_exceptions=False) as client:
        peer = client.socketio()
        assert not peer.connected
        assert len(peer.connection.errors) == 1


def test_a_handler_may_disconnect(io: SocketIOServer, client: CableClient) -> None:
    log: list[str] = []
    io.on("disconnect", lambda socket, reason: log.append(reason))
    io.on("connect", lambda socket: socket.disconnect())
    peer = client.socketio()
    assert not peer.connected
    assert log == ["server namespace disconnect"]
    assert io.fetch_sockets() == []
    peer.connection.send('42["a"]')
    assert not peer.connection.closed


def test_a_handler_may_close(io: SocketIOServer, client: CableClient) -> None:
    io.on("connect", lambda socket: socket.close())
    peer = client.socketio()
    assert peer.connection.closed_with == (1000, "forced server close")
    assert client._runtime().registry.taken == 0


def test_the_connection_class_refuses_by_http(cable: Cable, io: SocketIOServer, client: CableClient) -> None:
    cable.identify(lambda: None)
    response = client.http.get("/socket.io/?EIO=4&transport=polling")
    assert (response.status_code, response.json) == (403, {"code": 4, "message": "Forbidden"})


# A stream that is not live at once.


class SlowBus(SharedBus):
    """Confirms subscriptions when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.unconfirmed: list[Any] = []

    def subscribe(self, stream: str, callback: Any, on_live: Any = None) -> int:
        if on_live is not None:
            self.unconfirmed.append(on_live)
        return super().subscribe(stream, callback)

    def confirm(self) -> None:
        while self.unconfirmed:
            self.unconfirmed.pop(0)()


def test_the_welcome_waits_until_nothing_is_missed() -> None:
    bus = SlowBus()
    process = Process(bus)
    process.io.on("connect", lambda socket: socket.emit("hello"))
    one, two = process.connect(), process.connect()
    process.io.emit("early")
    assert [wire.packets for wire in (one, two)] == [[], []]
    bus.confirm()
    assert one.events == two.events == [["hello"], ["early"]]
    assert process.connect().sid


def test_one_who_left_meanwhile_is_not_welcomed() -> None:
    bus = SlowBus()
    process = Process(bus)
    gone, refused = process.connect(), process.connect()
    refused.socket.disconnect()
    gone.hang_up()
    bus.confirm()
    assert gone.packets == refused.packets == []
    assert process.handler.halls == {}


def test_who_is_never_welcomed_is_closed() -> None:
    process = Process(SlowBus())
    wire = process.connect()
    process.executor.advance(46)
    assert wire.transport.closed_with is not None


def test_a_class_refuses_too(io: SocketIOServer, client: CableClient) -> None:
    class Admin(Namespace):
        def on_connect(self, socket: Socket) -> bool:
            return False

    io.add_namespace(Admin("/admin"))
    assert client.socketio(namespace="/admin").refusal == {"message": "not authorized"}


def test_a_connections_own_hooks_do_not_surround_an_entrance(
    cable: Cable, io: SocketIOServer, client: CableClient
) -> None:
    @cable.connection
    class Closed(Connection):
        def before_command(self) -> bool:
            return False

    assert client.socketio().connected
