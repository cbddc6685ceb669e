"""Behaviours at a URL: ``connect`` decides, decorators and ``before_request`` run, past the cap it is 503."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from flask import Blueprint, Flask, abort, g, jsonify, redirect, request, session, url_for

from flask_cable import Behaviour, Cable, Close, Connection, NameTaken, Text
from flask_cable.errors import ConfigError
from flask_cable.testing import CableClient, CablePeer, HandshakeRefused


class Echo(Behaviour):
    """Tells what it was let in with, and sends back what it gets."""

    def connect(self, request: Any, room: str) -> Any:
        if "name" not in request.args:
            return "who?", 400
        g.cable_connection.data["name"] = request.args["name"]
        return None

    def init(self, connection: Connection) -> Any:
        return connection.data["name"], [Text(f"{connection.data['name']} in {room_of(connection)}")]

    def handle_client_message(self, state: Any, connection: Connection, frame: Any) -> Any:
        return state, [frame]


def room_of(connection: Connection) -> str:
    return str(connection.request.view_args["room"])


def make_app(cable: Cable, **config: Any) -> Flask:
    app = Flask("shop")
    app.config.update(SECRET_KEY="x", **config)
    cable.init_app(app)
    return app


def served(behaviour_class: type[Behaviour], rule: str = "/ws/<room>", **options: Any) -> CableClient:
    cable = Cable()
    cable.behaviour(rule, **options)(behaviour_class)
    return CableClient(make_app(cable))


def refusal(client: CableClient, path: str, **options: Any) -> HandshakeRefused:
    with pytest.raises(HandshakeRefused) as caught:
        client.websocket(path, **options)
    return caught.value


# Who is let in.


def test_connect_gets_the_request_and_the_rules_arguments() -> None:
    peer = served(Echo).websocket("/ws/lobby?name=ann")
    assert peer.receive() == "ann in lobby"
    peer.send("hello")
    assert peer.receive() == "hello"


def test_connect_may_refuse_with_any_response() -> None:
    answers: dict[str, Callable[[], Any]] = {
        "text": lambda: "no",
        "tuple": lambda: ("no", 402, {"X-Why": "money"}),
        "dict": lambda: {"error": "no"},
        "json": lambda: (jsonify(error="no"), 451),
        "redirect": lambda: redirect("/login"),
        "abort": lambda: abort(410),
    }

    class Refusing(Behaviour):
        def connect(self, request: Any, how: str) -> Any:
            return answers[how]()

    client = served(Refusing, "/ws/<how>")
    found = {how: refusal(client, f"/ws/{how}") for how in answers}
    assert [one.status for one in found.values()] == [200, 402, 200, 451, 302, 410]
    assert found["tuple"].response.headers["X-Why"] == "money"
    assert found["dict"].response.json == found["json"].response.json == {"error": "no"}
    assert found["redirect"].response.location == "/login"
    assert client._runtime().registry.taken == 0


def test_what_connect_raises_is_flasks_to_answer() -> None:
    class Failing(Behaviour):
        def connect(self, request: Any) -> Any:
            raise LookupError("lost")

    client = served(Failing, "/ws")
    client.app.register_error_handler(LookupError, lambda error: ("sorry", 418))
    assert refusal(client, "/ws").status == 418
    assert client._runtime().registry.taken == 0


def test_functions_before_the_request_run_and_may_refuse() -> None:
    client = served(Echo)

    @client.app.before_request
    def check() -> Any:
        return ("forbidden", 403) if request.args.get("name") == "eve" else None

    assert refusal(client, "/ws/lobby?name=eve").status == 403
    assert client.websocket("/ws/lobby?name=ann").receive() == "ann in lobby"


def login_required(view: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(view)
    def decorated(*args: Any, **arguments: Any) -> Any:
        return view(*args, **arguments) if "user" in session else redirect("/login")

    return decorated


def test_decorators_run() -> None:
    class Guarded(Echo):
        decorators = [login_required]

    class GuardedConnect(Behaviour):
        @login_required
        def connect(self, request: Any, room: str) -> Any:
            return None

    for behaviour_class in (Guarded, GuardedConnect):
        client = served(behaviour_class)
        assert refusal(client, "/ws/lobby?name=ann").status == 302
        with client.http.session_transaction() as stored:
            stored["user"] = 7
        assert not client.websocket("/ws/lobby?name=ann").closed


def test_the_connection_class_decides_first() -> None:
    cable = Cable()

    @cable.identify
    def user() -> Any:
        return request.args.get("user")

    @cable.behaviour("/ws")
    class Named(Behaviour):
        def init(self, connection: Any) -> Any:
            return None, [Text(connection.identifiers["user"])]

    client = CableClient(make_app(cable))
    assert refusal(client, "/ws").status == 403
    assert client.websocket("/ws?user=ann").receive() == "ann"


def test_a_foreign_origin_is_refused() -> None:
    assert refusal(served(Echo), "/ws/a?name=ann", origin="http://evil.example").status == 403


# How many are let in.


def test_past_the_cap_it_is_503_until_somebody_goes() -> None:
    class Full(Behaviour):
        def too_many_connections(self, request: Any) -> Any:
            return {"error": "full", "path": request.path}

    class Busy(Behaviour):
        def too_many_connections(self, request: Any) -> Any:
            return "later", 429

    cable = Cable()
    cable.behaviour("/plain")(Behaviour)
    cable.behaviour("/full")(Full)
    cable.behaviour("/busy")(Busy)
    client = CableClient(make_app(cable, CABLE_MAX_CONNECTIONS=3))
    peers = []
    for count in range(1, 4):
        peers.append(client.websocket("/plain"))
        assert len(cable.connections) == count
    plain, full, busy = (refusal(client, path) for path in ("/plain", "/full", "/busy"))
    assert (plain.status, plain.body) == (503, "Too many connections; come back later.\n")
    assert (full.status, full.response.json) == (503, {"error": "full", "path": "/full"})
    assert full.response.headers["Retry-After"] == "5"
    assert (busy.status, busy.body) == (429, "later")
    for count in range(2, -1, -1):
        peers.pop().close()
        assert len(cable.connections) == count
    assert not client.websocket("/full").closed


def test_other_refusals_are_not_too_many() -> None:
    class Full(Behaviour):
        def too_many_connections(self, request: Any) -> Any:
            raise AssertionError("there are none")

    client = served(Full, "/ws")
    assert client.http.get("/ws").status_code == 426
    client._runtime().drain.start(0)
    assert refusal(client, "/ws").status == 503


# Registering.


def test_it_is_for_behaviours() -> None:
    for wrong in (object, Echo(), lambda: None):
        with pytest.raises(ConfigError, match="subclass of Behaviour"):
            Cable().behaviour("/ws")(wrong)  # type: ignore[type-var]


def test_it_has_an_endpoint_of_its_name_or_of_ones_choice() -> None:
    class RoomEcho(Echo):
        """Its name has two words."""

    cable, blueprint = Cable(), Blueprint("live", "live", url_prefix="/live")
    assert cable.behaviour("/ws/<room>")(RoomEcho) is RoomEcho
    cable.behaviour("/other/<room>", endpoint="other")(RoomEcho)
    cable.behaviour("/in/<room>", blueprint=blueprint)(RoomEcho)
    app = make_app(cable)
    app.register_blueprint(blueprint)
    with app.test_request_context():
        assert url_for("room_echo", room="a") == "ws://localhost/ws/a"
        assert url_for("other", room="a") == "ws://localhost/other/a"
        assert url_for("live.room_echo", room="a") == "ws://localhost/live/in/a"
    assert CableClient(app).websocket("/live/in/a?name=ann").receive() == "ann in a"


def test_one_object_serves_all_peers_of_a_process_and_no_other_application() -> None:
    made: list[Any] = []

    class Counted(Behaviour):
        def __init__(self) -> None:
            made.append(self)

    cable = Cable()
    cable.behaviour("/ws")(Counted)
    for app in (make_app(cable), make_app(cable)):
        client = CableClient(app)
        for _ in range(3):
            client.websocket("/ws")
        client.close()
    assert len(made) == 2


def test_limits_are_each_behaviours_own() -> None:
    cable = Cable()
    cable.behaviour("/short", idle_timeout=10, max_frame_bytes=100, endpoint="short")(Behaviour)
    cable.behaviour("/long", idle_timeout=None, endpoint="long")(Behaviour)
    cable.behaviour("/usual", endpoint="usual")(Behaviour)
    client = CableClient(make_app(cable))
    short, long, usual = (client.websocket(path) for path in ("/short", "/long", "/usual"))
    client.advance_time(16)
    assert (short.closed, long.closed, usual.closed) == (True, False, False)
    client.advance_time(90)
    assert (long.closed, usual.closed_with) == (False, (1000, ""))
    sizes = [client._runtime().mount(route).limits.message for route in cable.routes]
    assert sizes == [100, 5_000_000, 5_000_000]


@pytest.mark.parametrize(
    "bounds", [{"idle_timeout": 0}, {"idle_timeout": -1}, {"max_frame_bytes": 0}], ids=str
)
def test_a_bound_that_is_none_is_told_at_once(bounds: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="above zero"):
        Cable().behaviour("/ws", **bounds)(Behaviour)


# Names and groups, for connections of any style.


def test_ten_peers_message_each_other_by_name() -> None:
    cable = Cable()

    @cable.behaviour("/ws/<int:number>")
    class Messenger(Behaviour):
        def init(self, connection: Connection) -> Any:
            number = connection.request.view_args["number"]
            cable.unique.register(f"peer {number}", connection)
            cable.group.join("all", connection)
            return number, []

        def handle_client_message(self, state: Any, connection: Connection, frame: Any) -> Any:
            to, _, text = frame.data.partition(" ")
            sent = cable.unique.send_message(f"peer {to}", {"from": state, "text": text})
            return state, [] if sent else [Text("nobody")]

        def handle_server_message(self, state: Any, connection: Connection, message: Any) -> Any:
            if message == "close":
                return state, [Text("bye"), Close(4000)]
            return state, [Text(f"{message['from']}: {message['text']}")]

    client = CableClient(make_app(cable))
    peers = [client.websocket(f"/ws/{number}") for number in range(10)]
    for peer in peers:
        for number in range(10):
            peer.send(f"{number} hi")
    assert [peer.messages for peer in peers] == [[f"{number}: hi" for number in range(10)]] * 10
    peers[0].send("10 hi")
    assert peers[0].messages[-1] == "nobody"
    assert cable.group.publish("all", "close", exclude=peers[0].connection) == 9
    assert [peer.closed_with for peer in peers] == [None, *[(4000, "")] * 9]
    assert (cable.group.members("all"), cable.unique.whereis("peer 3")) == (1, None)


def test_a_connection_of_any_style_may_be_named() -> None:
    cable, heard = Cable(), []

    @cable.connection
    class Mine(Connection):
        def server_message(self, message: Any) -> None:
            heard.append(message)
            self.transmit({"told": message})

    client = CableClient(make_app(cable))
    peer = client.connect()
    cable.unique.register("ann", peer.connection)
    assert cable.unique.send_message("ann", {"a": 1})
    assert heard == [{"a": 1}]
    assert peer.transmissions[-1] == {"told": {"a": 1}}


def test_a_name_that_is_taken_may_be_told_to_the_peer() -> None:
    cable = Cable()

    @cable.behaviour("/ws")
    class Single(Behaviour):
        def init(self, connection: Connection) -> Any:
            try:
                cable.unique.register("the one", connection)
            except NameTaken:
                return None, [Close(4009, "taken")]
            return None, []

    client = CableClient(make_app(cable))
    first: CablePeer = client.websocket("/ws")
    second = client.websocket("/ws")
    assert (first.closed, second.closed_with) == (False, (4009, "taken"))
    first.close()
    assert not client.websocket("/ws").closed
