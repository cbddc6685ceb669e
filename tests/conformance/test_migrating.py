"""The guide for those who come from Flask-SocketIO: what each row of its table says is done here."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, has_app_context, request, session
from flask.json.provider import DefaultJSONProvider

from flask_cable import Cable, Connection, Publisher
from flask_cable.endpoints.socketio import SocketIOServer
from flask_cable.errors import ConfigError, ReadOnlySession
from flask_cable.socketio import ConnectRefused, Namespace, Socket
from flask_cable.testing import CableClient

GUIDE = Path(__file__).parents[2] / "docs" / "migrating-from-flask-socketio.md"


def rows() -> list[str]:
    """What the table's first column says, without its marks."""
    table = GUIDE.read_text(encoding="utf-8").split("|---|---|\n")[1].split("\n\n")[0]
    return [line.split(" | ")[0].removeprefix("| ").replace("`", "") for line in table.splitlines()]


SHOWN: set[str] = set()

Test = Callable[..., None]


def row(*names: str) -> Callable[[Test], Test]:
    """Say which rows a test shows."""

    def decorate(test: Test) -> Test:
        SHOWN.update(names)
        return test

    return decorate


@pytest.fixture
def app() -> Flask:
    app = Flask("chat")
    app.config.update(SECRET_KEY="for tests only", TESTING=True)
    app.add_url_rule("/login/<name>", "login", lambda name: session.update(user=name) or "")
    return app


@pytest.fixture
def cable() -> Cable:
    return Cable()


@pytest.fixture
def io(cable: Cable) -> SocketIOServer:
    return cable.socketio()


@pytest.fixture
def client(app: Flask, cable: Cable, io: SocketIOServer) -> Iterator[CableClient]:
    cable.init_app(app)
    with CableClient(app) as client:
        yield client


def test_every_row_is_shown() -> None:
    assert sorted(rows()) == sorted(SHOWN)


@row("SocketIO(app), init_app", "socketio.run(app)")
def test_the_extension_serves_with_the_application(client: CableClient) -> None:
    assert client.socketio().connected
    assert type(client.app).run is Flask.run
    assert type(client.app.wsgi_app).__module__.startswith("flask_cable")


@row(
    '@socketio.on("x"), @socketio.event, on_event("x", f)',
    "def f(data)",
    '@socketio.on("x", namespace="/n")',
    '@socketio.on("*")',
    "a handler's return value",
)
def test_handlers(io: SocketIOServer, client: CableClient) -> None:
    @io.on("x")
    def f(socket: Socket, data: Any) -> Any:
        return data

    io.on("y", lambda socket, data: ("two", data))
    io.of("/n").on("x")(lambda socket: None)
    io.on("*")(lambda socket, event, *values: [event, *values])
    peer = client.socketio()
    assert [peer.call("x", 1), peer.call("y", 2), peer.call("z", 3)] == [1, ("two", 2), ["z", 3]]
    assert client.socketio(namespace="/n").call("x") is None


@row(
    '@socketio.on("message"), @socketio.on("json")',
    "send(a), send(a, json=True)",
    'emit("x", a)',
    'emit("x", (a, b))',
    "emit(..., callback=f)",
)
def test_messages(io: SocketIOServer, client: CableClient) -> None:
    answers: list[Any] = []

    @io.on("message")
    def message(socket: Socket, data: Any) -> None:
        socket.send(data)
        socket.emit("x", data)
        socket.emit("pair", 1, 2)
        socket.emit("one", (1, 2), ack=answers.append)

    peer = client.socketio()
    peer.emit("message", {"any": "JSON"})
    assert peer.events == [
        ["message", {"any": "JSON"}],
        ["x", {"any": "JSON"}],
        ["pair", 1, 2],
        ["one", [1, 2]],
    ]
    peer.events[-1].acknowledge("seen")
    assert answers == ["seen"]


@row(
    '@socketio.on("connect") def f(auth)',
    'return False, raise ConnectionRefusedError("no", data)',
    '@socketio.on("disconnect") def f(reason)',
)
def test_coming_and_going(io: SocketIOServer, client: CableClient) -> None:
    reasons: list[str] = []

    @io.on("connect")
    def connected(socket: Socket) -> Any:
        if socket.auth.get("token") == "none":
            return False
        if socket.auth.get("token") == "wrong":
            raise ConnectRefused("no", {"why": "wrong"})

    @io.on("disconnect")
    def disconnected(socket: Socket, reason: str) -> None:
        reasons.append(reason)

    assert client.socketio(auth={"token": "none"}).refusal == {"message": "not authorized"}
    assert client.socketio(auth={"token": "wrong"}).refusal == {"message": "no", "data": {"why": "wrong"}}
    client.socketio(auth={"token": "right"}).disconnect()
    assert reasons == ["client namespace disconnect"]


@row('class N(Namespace), on_namespace(N("/n"))')
def test_classes(io: SocketIOServer, client: CableClient) -> None:
    class N(Namespace):
        def on_x(self, socket: Socket, value: int) -> int:
            return value + 1

    io.add_namespace(N("/n"))
    assert client.socketio(namespace="/n").call("x", 1) == 2


@row(
    "request.sid",
    "request.namespace",
    "request.args, .headers, .cookies",
    'session["k"] (a copy of its own)',
    "manage_session",
    "current_user of Flask-Login",
)
def test_who_it_is(cable: Cable, io: SocketIOServer, client: CableClient) -> None:
    cable.connection(
        type(
            "Mine",
            (Connection,),
            {
                "identified_by": "current_user",
                "connect": lambda self: self.set_identifier("current_user", session.get("user")),
            },
        )
    )

    @io.of("/n").on("who")
    def who(socket: Socket) -> Any:
        socket.set("k", "v")
        with pytest.raises(ReadOnlySession):
            socket.session["k"] = 1
        with socket.request_context():
            assert request.args["room"] == "lobby"
        found = (
            socket.request.args["room"],
            socket.request.headers["X-Agent"],
            "session" in socket.request.cookies,
        )
        return [
            socket.id,
            socket.namespace,
            *found,
            socket.session["user"],
            socket.get("k"),
            socket.current_user,
        ]

    client.http.get("/login/ann")
    peer = client.socketio(namespace="/n", query_string={"room": "lobby"}, headers={"X-Agent": "tests"})
    assert peer.call("who") == [peer.sid, "/n", "lobby", "tests", True, "ann", "v", "ann"]


@row(
    'emit("x", a, broadcast=True), socketio.emit("x", a)',
    "emit(..., broadcast=True, include_self=False)",
    "emit(..., to=room)",
    "emit(..., to=room, include_self=False)",
    "emit(..., to=sid), to=[a, b]",
    "emit(..., skip_sid=sid)",
    'emit(..., namespace="/n")',
    "join_room(r), leave_room(r), rooms()",
    "close_room(r)",
    "disconnect(), disconnect(sid)",
)
def test_whom_it_reaches(io: SocketIOServer, client: CableClient) -> None:
    io.of("/n")
    ann, bob, cid, other = *(client.socketio() for _ in range(3)), client.socketio(namespace="/n")
    for one in (ann, bob):
        one.socket.join("room")
    assert ann.socket.rooms == {ann.sid, "room"}
    io.emit("all", 1)
    ann.socket.broadcast.emit("others", 1)
    io.to("room").emit("room", 1)
    ann.socket.to("room").emit("room but me", 1)
    io.to(cid.sid).emit("one", 1)
    io.to("room", cid.sid).emit("both", 1)
    io.except_(ann.sid).emit("but one", 1)
    io.of("/n").emit("there", 1)
    names = [[event[0] for event in one.events] for one in (ann, bob, cid, other)]
    assert names == [
        ["all", "room", "both"],
        ["all", "others", "room", "room but me", "both", "but one"],
        ["all", "others", "one", "both", "but one"],
        ["there"],
    ]
    assert ann.socket.leave("room")
    io.to("room").sockets_leave("room")
    assert bob.socket.rooms == {bob.sid}
    ann.socket.disconnect()
    io.to(bob.sid).disconnect_sockets()
    assert [one.connected for one in (ann, bob, cid)] == [False, False, True]


@row('socketio.call("x", a, to=sid, timeout=5)')
def test_questions(io: SocketIOServer, client: CableClient, monkeypatch: pytest.MonkeyPatch) -> None:
    peer = client.socketio()

    class Waiting:
        def set(self) -> None: ...

        def wait(self, timeout: float) -> None:
            peer.receive().acknowledge(timeout)

    monkeypatch.setattr(peer.socket.hall.executor, "event", Waiting)
    assert peer.socket.call("x", 1, timeout=5) == 5
    io.on("ask", lambda socket: socket.call("x"))
    with pytest.raises(RuntimeError, match="would wait for itself"):
        peer.emit("ask")


@row("@socketio.on_error, on_error_default")
def test_errors(cable: Cable, io: SocketIOServer, client: CableClient) -> None:
    class Mine(Connection):
        @Connection.rescue_from(KeyError)
        def answer(self, error: KeyError) -> None:
            self.transmit("sorry")

    cable.connection(Mine)
    io.on("x", lambda socket: {}["lost"])
    peer = client.socketio()
    peer.emit("x")
    assert peer.events == [["message", "sorry"]]


@row("socketio.start_background_task, sleep")
def test_work_of_your_own(io: SocketIOServer, client: CableClient) -> None:
    peer = client.socketio()
    assert not has_app_context()
    thread = threading.Thread(target=io.emit, args=("x", 1))
    thread.start()
    thread.join()
    client.settle()
    assert peer.events == [["x", 1]]


@row('SocketIO(message_queue="redis://")', "SocketIO(message_queue=url) in a job, write only")
def test_through_a_server(app: Flask, cable: Cable, io: SocketIOServer) -> None:
    app.config["CABLE_URL"] = "redis://localhost:1"
    cable.init_app(app)
    assert Publisher("redis://localhost:1").socketio().to("room").emit
    with pytest.raises(ConfigError):
        Publisher("memory://")


@row(
    "cors_allowed_origins=[...]",
    "ping_interval, ping_timeout",
    "max_http_buffer_size",
    "async_mode, monkey_patch",
    'path="socket.io"',
    'transports=["websocket"]',
    "json=",
)
def test_settings(app: Flask, cable: Cable) -> None:
    class Shouting(DefaultJSONProvider):
        def dumps(self, obj: Any, **options: Any) -> str:
            return super().dumps(obj, **options).upper()

    app.json = Shouting(app)
    app.config["CABLE_ALLOWED_ORIGINS"] = ["https://page.test"]
    cable.socketio("/socket.io", ping_interval=7, ping_timeout=3, max_payload=1000, transports=["websocket"])
    cable.init_app(app)
    with CableClient(app) as client:
        peer = client.socketio(headers={"Origin": "https://page.test"})
        opening = {**peer.connection.opening, "sid": ""}
        assert opening == {
            "sid": "",
            "upgrades": [],
            "pingInterval": 7000,
            "pingTimeout": 3000,
            "maxPayload": 1000,
        }
        peer.socket.emit("x", "loud")
        assert peer.connection.messages[-1] == '42["X", "LOUD"]'
        assert client.http.get("/socket.io/?EIO=4&transport=polling").status_code == 400


@row("logger=, engineio_logger=")
def test_what_is_logged(io: SocketIOServer, client: CableClient, caplog: pytest.LogCaptureFixture) -> None:
    client.socketio().connection.send("garbage")
    assert [record.name for record in caplog.records if "closed for" in record.message] == ["flask_cable"]


@row("socketio.test_client(app)", "test_client.get_received()")
def test_the_test_client(io: SocketIOServer, client: CableClient) -> None:
    peer = client.socketio()
    io.emit("x", 1)
    assert peer.events == [["x", 1]]
    assert peer.receive() == ["x", 1]


def test_the_example_at_the_top(app: Flask) -> None:
    """Its right-hand side runs."""
    block = re.search(r"```python\n(.*?)\nsocketio.run", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    code = [line.partition(" # ")[2] for line in block[1].splitlines()[1:]]
    made = {"Cable": Cable, "app": app}
    exec("\n".join(code), made)
    with CableClient(app) as client:
        peer = client.socketio()
        peer.emit("joined", {"room": "lobby", "nick": "ann"})
        assert peer.events == [["status", "ann"]]
        assert peer.socket.get("nick") == "ann"
