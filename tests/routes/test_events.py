"""A raw endpoint among an application's URLs: who is let in, what refusals say, middleware, options."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from flask import Blueprint, Flask, Response, abort, g, jsonify, request, session, url_for
from support.parts import require

from flask_cable import Cable, Connection, signals
from flask_cable.errors import ConfigError
from flask_cable.protocols.opening import Refusal
from flask_cable.testing import CableClient, CablePeer, HandshakeRefused

Environ = dict[str, Any]
Start = Callable[..., Any]
App = Callable[[Environ, Start], Iterable[bytes]]


@pytest.fixture
def cable() -> Cable:
    return Cable()


@pytest.fixture
def app(cable: Cable) -> Flask:
    app = Flask("shop")
    app.config["SECRET_KEY"] = "for tests only"
    cable.init_app(app)
    return app


@pytest.fixture
def client(app: Flask) -> Iterator[CableClient]:
    with CableClient(app) as client:
        yield client


def echo(connection: Connection, message: Any) -> None:
    connection.send(message)


def echoes(peer: CablePeer) -> bool:
    peer.send("hello")
    return peer.receive() == "hello"


def taken(client: CableClient) -> int:
    """How many places of connections are taken."""
    runtime = client.app.extensions["cable"].runtime()
    return int(runtime.registry.taken)


# Where it is.


def test_it_may_be_made_before_and_after_the_application() -> None:
    cable = Cable()
    cable.websocket("/early").on("message", echo)
    app = Flask("shop")
    cable.init_app(app)
    cable.websocket("/late").on("message", echo)
    with CableClient(app) as client:
        assert echoes(client.websocket("/early"))
        assert echoes(client.websocket("/late"))


def test_it_has_a_name_for_url_for(cable: Cable, app: Flask) -> None:
    cable.websocket("/ws/<room>")
    cable.websocket("/a.b")
    cable.websocket("/named", endpoint="live")
    with app.test_request_context():
        assert url_for("websocket:/ws/<room>", room="x") == "ws://localhost/ws/x"
        assert url_for("websocket:/a_b") == "ws://localhost/a.b"
        assert url_for("live") == "ws://localhost/named"


def test_several_live_beside_each_other_and_beside_routes(cable: Cable, client: CableClient) -> None:
    client.app.add_url_rule("/", view_func=lambda: "home", endpoint="home")
    cable.websocket("/one").on("message", lambda connection, message: connection.send("one"))
    cable.websocket("/two").on("message", lambda connection, message: connection.send("two"))
    cable.websocket("/three")(lambda connection: connection.send("three"))
    peers = [client.websocket("/one"), client.websocket("/two"), client.websocket("/three"), client.connect()]
    for peer in peers[:2]:
        peer.send("a")
    assert [peer.messages for peer in peers[:3]] == [["one"], ["two"], ["three"]]
    assert peers[3].welcomed  # type: ignore[attr-defined]
    assert client.http.get("/").text == "home"


def test_a_blueprint_may_have_it(cable: Cable) -> None:
    blueprint = Blueprint("live", "live", url_prefix="/live")
    ws = cable.websocket("/ws/<int:number>", blueprint=blueprint, endpoint="ws")
    ws.on("open", lambda connection, environ: connection.send(str(connection.request.view_args)))
    app = Flask("shop")
    cable.init_app(app)
    app.register_blueprint(blueprint)
    with CableClient(app) as client:
        assert client.websocket("/live/ws/7").messages == ["{'number': 7}"]
        with app.test_request_context():
            assert url_for("live.ws", number=7) == "ws://localhost/live/ws/7"


def test_two_applications_have_connections_of_their_own(cable: Cable) -> None:
    ws = cable.websocket("/ws")
    apps = [Flask("one"), Flask("two")]
    for app in apps:
        cable.init_app(app)
    clients = [CableClient(app) for app in apps]
    for client in (*clients, clients[1]):
        client.websocket("/ws")
    found = []
    for app in apps:
        with app.app_context():
            found.append(list(ws.connections))
    assert found == [[1], [1, 2]]


# Who is let in.


def test_before_request_has_its_say(cable: Cable, client: CableClient) -> None:
    cable.websocket("/ws")
    client.app.before_request(lambda: abort(401, "who are you?"))
    with pytest.raises(HandshakeRefused, match="who are you"):
        client.websocket("/ws")
    assert taken(client) == 0


def test_so_has_the_connection_class(cable: Cable, client: CableClient) -> None:
    ws = cable.websocket("/ws")
    cable.identify(lambda: request.args.get("name"))
    rejected: list[Connection] = []
    with signals.rejected.connected_to(lambda sender, connection: rejected.append(connection), client.app):
        with pytest.raises(HandshakeRefused, match="not authorized") as refused:
            client.websocket("/ws")
        assert refused.value.status == 403
        peer = client.websocket("/ws?name=ann")
    assert len(rejected) == 1
    assert peer.connection.identifiers == {"<lambda>": "ann"}
    assert list(ws.connections.values()) == [peer.connection]


def test_a_page_of_another_site_is_kept_out(cable: Cable, client: CableClient) -> None:
    cable.websocket("/ws")
    client.assert_reject_connection("/ws", status=403, origin="https://evil.example")
    client.assert_reject_connection("/ws", status=403, origin=None)


# What refusals say.


REFUSED = [
    ({"headers": {"Upgrade": ""}}, 426),
    ({"headers": {"Sec-WebSocket-Key": "short"}}, 400),
    ({"headers": {"Sec-WebSocket-Version": "8"}}, 426),
    ({"origin": "https://evil.example"}, 403),
]


@pytest.mark.parametrize(("options", "status"), REFUSED)
def test_a_failed_handshake_has_a_plain_answer(
    cable: Cable, client: CableClient, options: dict[str, Any], status: int
) -> None:
    cable.websocket("/ws")
    with pytest.raises(HandshakeRefused) as refused:
        client.websocket("/ws", **options)
    assert refused.value.status == status
    assert refused.value.response.mimetype == "text/plain"


@pytest.mark.parametrize(("options", "status"), REFUSED)
def test_or_any_response_that_its_handler_makes(
    cable: Cable, client: CableClient, options: dict[str, Any], status: int
) -> None:
    ws = cable.websocket("/ws")
    seen: list[Refusal] = []

    @ws.on("error")
    def failed(refusal: Refusal) -> Any:
        seen.append(refusal)
        return jsonify(wrong=refusal.text, path=request.path), 418, {"X-Error": "yes"}

    with pytest.raises(HandshakeRefused) as refused:
        client.websocket("/ws", **options)
    answer = refused.value.response
    assert (answer.status_code, answer.headers["X-Error"]) == (418, "yes")
    assert answer.json == {"wrong": seen[0].text, "path": "/ws"}
    assert seen[0].status == status


def test_identity_is_refused_by_it_too(cable: Cable, client: CableClient) -> None:
    ws = cable.websocket("/ws")
    cable.identify(lambda: None)
    ws.on("error", lambda refusal: (f"sorry: {refusal.status}", 403))
    with pytest.raises(HandshakeRefused, match="sorry: 403"):
        client.websocket("/ws")


def test_a_server_that_cannot_is_told_by_it_too(cable: Cable, client: CableClient) -> None:
    ws = cable.websocket("/ws")
    ws.on("error", lambda refusal: (f"our own {refusal.status}", 500))
    headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
    environ = {"gunicorn.socket": object(), "wsgi.multithread": False, "SERVER_PROTOCOL": "HTTP/1.1"}
    answer = client.http.get("/ws", headers=headers, environ_overrides=environ)
    assert (answer.status_code, answer.text) == (500, "our own 501")


def test_its_answer_may_come_piece_by_piece(cable: Cable, client: CableClient) -> None:
    ws = cable.websocket("/ws")
    ws.on("error", lambda refusal: Response(iter(["one ", "two"]), 503))
    answer = client.http.get("/ws")
    assert (answer.status_code, answer.text) == (503, "one two")


def test_none_leaves_the_plain_answer(cable: Cable, client: CableClient) -> None:
    cable.websocket("/ws").on("error", lambda refusal: None)
    assert client.http.get("/ws").status_code == 426


def test_one_that_raises_is_flasks_to_answer(cable: Cable, client: CableClient) -> None:
    cable.websocket("/ws").on("error", lambda refusal: {}["lost"])
    client.app.register_error_handler(KeyError, lambda error: ("sorry", 500))
    answer = client.http.get("/ws")
    assert (answer.status_code, answer.text) == (500, "sorry")


# Middleware.


class Stamp:
    """Middleware that leaves its name on the request and on the answer."""

    def __init__(self, app: App, name: str) -> None:
        self.app = app
        self.name = name

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        environ["stamps"] = environ.get("stamps", "") + self.name

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            return start_response(status, [*headers, ("X-Stamp", self.name)], *more)

        return self.app(environ, start)


def stamp(name: str) -> Callable[[App], App]:
    return lambda app: Stamp(app, name)


def test_middleware_is_around_the_endpoint_the_first_outermost(cable: Cable, client: CableClient) -> None:
    ws = cable.websocket("/ws", middleware=[stamp("a"), stamp("b")])
    ws.on("open", lambda connection, environ: connection.send(environ["stamps"]))
    ws.on("message", echo)
    peer = client.websocket("/ws")
    assert peer.receive() == "ab"
    assert peer.response.headers.getlist("X-Stamp") == ["b", "a"]
    assert peer.response.headers["Sec-WebSocket-Accept"]
    assert echoes(peer)
    answer = client.http.get("/ws")
    assert (answer.status_code, answer.headers.getlist("X-Stamp")) == (426, ["b", "a"])
    assert answer.headers["Sec-WebSocket-Version"] == "13"


def test_it_is_made_once(cable: Cable, client: CableClient) -> None:
    made: list[App] = []
    cable.websocket("/ws", middleware=[lambda app: made.append(app) or app])  # type: ignore[func-returns-value]
    for _ in range(3):
        client.websocket("/ws")
        client.http.get("/ws")
    assert len(made) == 1


def test_it_may_answer_by_itself(cable: Cable, client: CableClient) -> None:
    def gate(app: App) -> App:
        def guarded(environ: Environ, start_response: Start) -> Iterable[bytes]:
            if environ.get("HTTP_X_TOKEN") == "t":
                return app(environ, start_response)
            start_response("401 Unauthorized", [("WWW-Authenticate", "Token")])
            return [b"no ", b"token"]

        return guarded

    cable.websocket("/ws", middleware=[gate]).on("message", echo)
    with pytest.raises(HandshakeRefused, match="no token") as refused:
        client.websocket("/ws")
    assert (refused.value.status, refused.value.response.headers["WWW-Authenticate"]) == (401, "Token")
    assert echoes(client.websocket("/ws", headers={"X-Token": "t"}))


def test_it_may_take_an_acceptance_back_and_then_nothing_is_left(cable: Cable, client: CableClient) -> None:
    def instead(app: App) -> App:
        def answer(environ: Environ, start_response: Start) -> Iterable[bytes]:
            app(environ, lambda *args: print)
            start_response("418 I'm a teapot", [])
            return [b"tea"]

        return answer

    opened: list[Any] = []
    ws = cable.websocket("/ws", middleware=[instead])
    ws.on("open", lambda connection, environ: opened.append(connection))
    with pytest.raises(HandshakeRefused, match="tea"):
        client.websocket("/ws")
    assert (opened, taken(client)) == ([], 0)


def test_one_that_raises_is_flasks_to_answer_and_leaves_nothing(cable: Cable, client: CableClient) -> None:
    def fail(app: App) -> App:
        def call(environ: Environ, start_response: Start) -> Iterable[bytes]:
            app(environ, start_response)
            raise LookupError("lost")

        return call

    cable.websocket("/ws", middleware=[fail])
    client.app.register_error_handler(LookupError, lambda error: ("sorry", 500))
    with pytest.raises(HandshakeRefused, match="sorry"):
        client.websocket("/ws")
    assert taken(client) == 0


def test_one_that_is_a_generator_works_and_what_it_returns_is_closed(
    cable: Cable, client: CableClient
) -> None:
    closed: list[str] = []

    def lazy(app: App) -> App:
        def call(environ: Environ, start_response: Start) -> Iterator[bytes]:
            try:
                yield from app(environ, start_response)
                yield b""
            finally:
                closed.append(environ["PATH_INFO"])

        return call

    cable.websocket("/ws", middleware=[lazy]).on("message", echo)
    assert echoes(client.websocket("/ws"))
    assert closed == ["/ws"]
    assert client.http.get("/ws").status_code == 426
    assert closed == ["/ws", "/ws"]


def test_what_it_does_to_the_request_is_seen(cable: Cable, client: CableClient) -> None:
    def login(app: App) -> App:
        return lambda environ, start_response: app({**environ, "REMOTE_USER": "ann"}, start_response)

    def elsewhere(app: App) -> App:
        def call(environ: Environ, start_response: Start) -> Iterable[bytes]:
            environ["HTTP_HOST"] = "proxied.example"
            return app(environ, start_response)

        return call

    seen: list[Any] = []

    @cable.connection
    class Mine(Connection):
        def connect(self) -> None:
            seen.append((request.remote_user, self.request.remote_user, self.request.view_args))

    ws = cable.websocket("/ws/<int:number>", middleware=[login, elsewhere])
    ws.on("open", lambda connection, environ: seen.append((environ["REMOTE_USER"], connection.request.host)))
    client.websocket("/ws/7", origin="http://proxied.example")
    assert seen == [("ann", "ann", {"number": 7}), ("ann", "proxied.example")]


def test_flasks_own_work_goes_on_around_it(cable: Cable, client: CableClient) -> None:
    """A session that is written in ``connect`` is saved, and ``after_request`` adds to the 101."""

    @cable.connection
    class Mine(Connection):
        def connect(self) -> None:
            session["seen"] = g.before

    @client.app.before_request
    def before() -> None:
        g.before = "yes"

    @client.app.after_request
    def after(response: Response) -> Response:
        response.headers["X-After"] = "yes"
        return response

    cable.websocket("/ws", middleware=[stamp("a")])
    peer = client.websocket("/ws")
    assert (peer.response.headers["X-After"], peer.response.headers["X-Stamp"]) == ("yes", "a")
    with client.http.session_transaction() as kept:
        assert kept["seen"] == "yes"


# Options.


def test_subprotocols_are_chosen_in_our_order(cable: Cable, client: CableClient) -> None:
    cable.websocket("/ws", subprotocols=["v2", "v1"])
    cable.websocket("/none")
    for offered, chosen in ((["v1", "v2"], "v2"), (["v1"], "v1"), (["v3"], None), ([], None)):
        assert client.websocket("/ws", subprotocols=offered).subprotocol == chosen
    assert client.websocket("/none", subprotocols=["v1"]).subprotocol is None


def test_the_chosen_subprotocol_is_known(cable: Cable, client: CableClient) -> None:
    ws = cable.websocket("/ws", subprotocols=["v1"])
    ws.on("open", lambda connection, environ: connection.send(str(connection.subprotocol)))
    assert client.websocket("/ws", subprotocols=["v1"]).messages == ["v1"]
    assert client.websocket("/ws").messages == ["None"]


def test_the_largest_message_may_be_set(cable: Cable, client: CableClient) -> None:
    routes = [cable.websocket("/ws"), cable.websocket("/large", max_message_bytes=2**24)]
    runtime = client.app.extensions["cable"].runtime()
    assert [runtime.mount(route).limits.message for route in routes] == [2**20, 2**24]


def test_the_idle_timeout_is_the_settings_or_its_own() -> None:
    cable, app = Cable(), Flask("shop")
    app.config["CABLE_IDLE_TIMEOUT"] = 10.0
    cable.init_app(app)
    cable.websocket("/ws")
    cable.websocket("/patient", idle_timeout=100)
    with CableClient(app) as client:
        peers = [client.websocket("/ws"), client.websocket("/patient")]
        client.advance_time(20)
        assert [peer.closed for peer in peers] == [True, False]
        client.advance_time(150)
        assert peers[1].closed_with == (1001, "idle_timeout")


@pytest.mark.parametrize(
    "options",
    [
        {"subprotocols": "v1"},
        {"idle_timeout": 0},
        {"idle_timeout": -1},
        {"idle_timeout": float("nan")},
        {"idle_timeout": "10"},
        {"max_message_bytes": 0},
        {"max_message_bytes": 1e6},
    ],
    ids=str,
)
def test_wrong_options_are_told_at_once(cable: Cable, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options)).replace("max_message_", "")):
        cable.websocket("/ws", **options)


# Serializers.


def test_a_serializer_may_be_registered_by_name_later(cable: Cable, client: CableClient) -> None:
    for path, name in (("/class", "shout"), ("/object", "whisper"), ("/made", "made")):
        cable.websocket(path, serializer=name).on("message", echo)

    @cable.serializer("shout")
    class Shout:
        def encode(self, value: str) -> str:
            return value.upper()

        def decode(self, message: str) -> str:
            return message

    class Whisper(Shout):
        def encode(self, value: str) -> str:
            return value.lower()

    whisper = Whisper()
    assert cable.serializer("whisper", whisper) is whisper
    cable.serializer("made")(lambda: Shout())
    peers = [client.websocket(path) for path in ("/class", "/object", "/made")]
    for peer in peers:
        peer.send("Hi")
    assert [peer.messages for peer in peers] == [["HI"], ["hi"], ["HI"]]


def test_an_application_may_have_json_its_own_way(cable: Cable, client: CableClient) -> None:
    class Spaced:
        def encode(self, value: Any) -> str:
            return client.app.json.dumps(value, indent=1)

        def decode(self, message: str) -> Any:
            return client.app.json.loads(message)

    cable.serializer("json", Spaced)
    cable.websocket("/ws", serializer="json").on("message", echo)
    peer = client.websocket("/ws")
    peer.send("[1]")
    assert peer.messages == ["[\n 1\n]"]


def test_msgpack_has_what_the_applications_json_has_for_values(cable: Cable, client: CableClient) -> None:
    require("msgpack")
    import uuid

    import msgpack

    cable.websocket("/ws", serializer="msgpack").on(
        "message", lambda connection, message: connection.send({"got": message, "id": uuid.UUID(int=7)})
    )
    peer = client.websocket("/ws")
    peer.send(msgpack.packb([b"\xff", True]))
    assert msgpack.unpackb(peer.receive()) == {"got": [b"\xff", True], "id": str(uuid.UUID(int=7))}
    peer.send("text")
    assert peer.closed_with == (1007, "malformed message")


def test_a_name_that_nobody_registered_says_so(cable: Cable, client: CableClient) -> None:
    cable.websocket("/ws", serializer="yaml")
    client.app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(ConfigError, match="serializer 'yaml' needs `encode` and `decode`"):
        client.websocket("/ws")
    assert taken(client) == 0


def test_what_is_no_serializer_is_not_registered(cable: Cable) -> None:
    with pytest.raises(ConfigError, match="'yaml' needs `encode` and `decode`"):
        cable.serializer("yaml", {"encode": 1})
