"""A route of any style: registered with applications and blueprints, letting in and refusing by HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Blueprint, Flask, Request, jsonify, url_for
from support.apps.echo import EchoHandler, EchoRoute

from flask_cable import Cable, Connection, signals
from flask_cable.protocols.opening import Refusal
from flask_cable.routes import plain
from flask_cable.testing import CableClient, HandshakeRefused
from flask_cable.transports.loopback import KEY, LoopbackTransport


class Peer:
    """A WebSocket without a network."""

    transport: LoopbackTransport

    def accepted(self, transport: LoopbackTransport) -> None:
        self.transport = transport


def make_app(cable: Cable, **config: Any) -> Flask:
    app = Flask("shop")
    app.config.update(CABLE_EXECUTOR="manual", SECRET_KEY="x", **config)
    cable.init_app(app)
    return app


def connect(app: Flask, path: str, **environ: Any) -> tuple[Peer, Any]:
    """Open a WebSocket; returns the peer and the HTTP answer."""
    peer = Peer()
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Origin": "http://localhost",
    }
    answer = app.test_client().get(path, headers=headers, environ_overrides={KEY: peer, **environ})
    return peer, answer


def test_peers_of_a_route_are_its_handlers() -> None:
    cable = Cable()
    cable.add_route(EchoRoute("/echo/<int:room>", "echo"))
    app = make_app(cable)
    peer, answer = connect(app, "/echo/7")
    peer.transport.say("hello")
    assert answer.status_code == 101
    assert peer.transport.sent == ["{'room': 7}", "hello"]
    assert [type(one.handler) for one in app.extensions["cable"].runtime().registry.values()] == [EchoHandler]
    peer.transport.hang_up()
    assert app.extensions["cable"].runtime().registry.taken == 0


def test_a_handler_is_made_once_in_each_application() -> None:
    cable, route = Cable(), EchoRoute("/echo", "echo")
    cable.add_route(route)
    for app in (make_app(cable), make_app(cable)):
        for _ in range(3):
            assert connect(app, "/echo")[1].status_code == 101
    assert route.made == 2


def test_a_route_may_be_added_after_the_application() -> None:
    cable = Cable()
    app = make_app(cable)
    cable.add_route(EchoRoute("/late", "late"))
    assert connect(app, "/late")[1].status_code == 101


def test_a_route_may_belong_to_a_blueprint() -> None:
    cable, blueprint = Cable(), Blueprint("live", "live", url_prefix="/live")
    cable.add_route(EchoRoute("/echo/<room>", "echo", blueprint=blueprint))
    app = make_app(cable)
    app.register_blueprint(blueprint)
    assert connect(app, "/live/echo/a")[1].status_code == 101
    with app.test_request_context():
        assert url_for("live.echo", room="a") == "ws://localhost/live/echo/a"


def test_plain_http_is_told_to_upgrade() -> None:
    cable = Cable()
    cable.add_route(EchoRoute("/echo", "echo"))
    assert make_app(cable).test_client().get("/echo").status_code == 426


def test_whom_the_connection_class_refuses_gets_a_403() -> None:
    cable = Cable()
    told: list[Connection] = []
    cable.add_route(EchoRoute("/echo", "echo"))
    cable.identify(lambda: None)
    app = make_app(cable)
    with signals.rejected.connected_to(lambda sender, connection: told.append(connection), sender=app):
        assert connect(app, "/echo")[1].status_code == 403
    assert len(told) == 1
    assert app.extensions["cable"].runtime().registry.taken == 0


def test_what_connect_raises_is_flasks_to_answer() -> None:
    cable = Cable()
    cable.add_route(EchoRoute("/echo", "echo"))
    cable.connection(type("Mine", (Connection,), {"connect": lambda self: {}["lost"]}))
    app = make_app(cable)
    app.register_error_handler(KeyError, lambda error: ("sorry", 418))
    assert connect(app, "/echo")[1].status_code == 418
    assert app.extensions["cable"].runtime().registry.taken == 0


def test_a_style_may_refuse_with_any_response() -> None:
    class Closed(EchoRoute):
        def admit(self, connection: Connection, request: Request) -> Any:
            return jsonify(error="closed"), 451

        def refused(self, refusal: Refusal, request: Request) -> Any:
            return {"wrong": refusal.status}, refusal.status

    cable = Cable()
    cable.add_route(Closed("/closed", "closed"))
    app = make_app(cable)
    answer = connect(app, "/closed")[1]
    assert (answer.status_code, answer.json) == (451, {"error": "closed"})
    assert app.test_client().get("/closed").json == {"wrong": 426}


def test_decorators_wrap_websockets_and_not_plain_http() -> None:
    def say(word: str) -> Any:
        def decorate(view: Any) -> Any:
            def decorated(**arguments: Any) -> Any:
                log.append(word)
                return view(**arguments)

            return decorated

        return decorate

    cable, log = Cable(), []
    cable.add_route(EchoRoute("/echo/<int:room>", "echo", decorators=[say("inner"), say("outer")]))
    app = make_app(cable)
    assert connect(app, "/echo/7")[0].transport.sent == ["{'room': 7}"]
    app.test_client().get("/echo/7")
    assert log == ["outer", "inner"]


def test_a_foreign_origin_is_refused_on_every_route() -> None:
    cable = Cable()
    cable.add_route(EchoRoute("/echo", "echo"))
    assert connect(make_app(cable), "/echo", HTTP_ORIGIN="http://evil.example")[1].status_code == 403


def test_a_peer_that_was_let_in_before_a_drain_and_begins_after_it_is_told() -> None:
    cable = Cable()
    cable.add_route(EchoRoute("/echo", "echo"))
    app = make_app(cable)
    runtime = app.extensions["cable"].runtime()
    connection = Connection(runtime.mount(cable.routes[0]).handler, 1)
    transport = LoopbackTransport(connection)
    connection.attach(transport)
    runtime.drain.start(0)
    runtime.admission.begin(connection)
    assert transport.closed_with is not None
    assert transport.closed_with[0] == 1012
    assert runtime.registry.taken == 0


@pytest.mark.parametrize(("status", "name"), [(426, "Upgrade"), (503, "Retry-After")])
def test_a_plain_refusal_says_what_to_do(status: int, name: str) -> None:
    assert name in plain(Refusal(status, "no")).headers


def test_channels_live_beside_routes_of_other_styles() -> None:
    cable = Cable()
    cable.add_route(EchoRoute("/echo", "echo"))
    app = make_app(cable)
    client = CableClient(app)
    client.connect()
    connect(app, "/echo")
    assert sorted(type(one.handler).__name__ for one in cable.connections.values()) == [
        "ChannelsHandler",
        "EchoHandler",
    ]
    with pytest.raises(HandshakeRefused):
        CableClient(app).connect(headers={"Origin": "http://evil.example"})
