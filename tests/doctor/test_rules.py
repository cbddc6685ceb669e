"""URL rules: the cable's, those that shadow it, and other people's WebSockets."""

from __future__ import annotations

from typing import Any

import pytest
from doctor.conftest import application, found
from flask import Flask

from flask_cable import Cable
from flask_cable.doctor.rules import check_flask_sock, check_route, check_websocket_rules


def mine() -> str:
    return "mine"


def test_the_route_is_the_cables() -> None:
    assert found(check_route) == "ok: /cable"
    app = application(CABLE_MOUNT_PATH="/live")
    app.add_url_rule("/cable", "mine", mine)
    assert found(check_route, app) == "ok: /live"


def shadowed(rule: str, **options: Any) -> Flask:
    """Return an application that had a rule before it had a cable."""
    app = Flask("shop")
    app.secret_key = "secret"
    app.add_url_rule(rule, "mine", mine, **options)
    Cable(app)
    return app


def test_a_rule_that_shadows_the_cable_fails() -> None:
    said = found(check_route, shadowed("/cable", websocket=True))
    assert said.startswith("fail: WebSockets to /cable reach 'mine' (")
    assert said.endswith("mine) -> remove the other rule, or set CABLE_MOUNT_PATH to a path of its own")


def test_a_rule_for_plain_http_on_the_path_is_told() -> None:
    said = found(check_route, shadowed("/cable"))
    assert said.startswith("warn: plain HTTP to /cable reaches 'mine'")
    assert "without websocket=True" in said


def test_a_rule_that_takes_everything_else_is_no_matter() -> None:
    assert found(check_route, shadowed("/<path:anything>", websocket=True)) == "ok: /cable"
    assert found(check_route, shadowed("/cable/<int:number>", websocket=True)) == "ok: /cable"


def test_a_route_that_is_gone_fails() -> None:
    app = application()
    app.config["CABLE_MOUNT_PATH"] = "/moved"
    assert found(check_route, app).startswith("fail: WebSockets to /moved reach nothing (404 Not Found)")


def test_a_server_name_changes_nothing() -> None:
    assert found(check_route, application(SERVER_NAME="shop.test")) == "ok: /cable"


def test_functions_that_want_a_websocket_need_a_rule_for_one() -> None:
    def reads() -> str:
        from flask import request

        return str(request.environ.get("wsgi.websocket"))

    app = application()
    assert found(check_websocket_rules, app) == "ok: the cable's rules only"
    app.add_url_rule("/a", "a", mine)
    app.add_url_rule("/b", "b", reads, websocket=True)
    assert found(check_websocket_rules, app) == "ok: besides the cable: /b"
    app.add_url_rule("/c", "c", reads)
    assert found(check_websocket_rules, app) == (
        "warn: /c: reads environ['wsgi.websocket'], but its rule lets no upgrade through "
        "-> register it with @app.route(..., websocket=True)"
    )


def test_rules_without_functions_and_odd_functions_are_no_matter() -> None:
    class Page:
        def __call__(self) -> str:
            return "page"

    app = application()
    app.add_url_rule("/nobody", "nobody")
    app.add_url_rule("/page", "page", Page())
    app.add_url_rule("/builtin", "builtin", print)
    assert found(check_websocket_rules, app).startswith("ok: ")
    assert found(check_flask_sock, app).startswith("ok: ")


@pytest.mark.needs("flask_sock")
def test_flask_socks_routes_are_better_served_by_the_cable() -> None:
    from flask_sock import Sock

    app = application()
    cable: Cable = app.extensions["cable"].cable
    sock = Sock(app)
    assert found(check_flask_sock, app) == "ok: no route that writes by itself"

    @sock.route("/served")
    def served(ws: Any) -> str:
        return cable.serve(ws)

    assert found(check_flask_sock, app) == "ok: no route that writes by itself"

    @sock.route("/loose")
    def loose(ws: Any) -> None:
        ws.send("hello")

    assert found(check_flask_sock, app).startswith("warn: /loose: simple-websocket loses bytes under gevent")
    assert found(check_websocket_rules, app) == "ok: besides the cable: /loose, /served"
