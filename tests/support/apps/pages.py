"""Pages with sockets: what they hear is in their address, and other requests push, subscribe and unsubscribe.

``/?hear=news&hear=sports`` is a page. Settings come from the environment, as ``FLASK_CABLE_...``. With
``SWITCH_INTERVAL=1e-6`` threads take turns so often that what may come between two steps does.
"""

from __future__ import annotations

import os
import secrets
import sys
from typing import Any

from flask import Flask, jsonify, request, session
from flask.typing import ResponseReturnValue

from flask_cable import Cable, cable_is_socket, socket

cable = Cable()
visits: list[tuple[str, str | None]] = []

PAGE = """<!doctype html>
<html lang="en">
<head><title>how a <body> begins</title></head>
<body class="page">Hello</body>
</html>"""


@cable.handler("double")
def double(message: dict[str, Any], session: Any, response: dict[str, Any]) -> int:
    return int(message["number"]) * 2


@cable.handler("fail")
def fail(message: dict[str, Any], session: Any, response: dict[str, Any]) -> None:
    raise RuntimeError("broken on purpose")


@cable.on("join")
def joined(connection: Any) -> None:
    visits.append(("join", socket.connection_id))


@cable.on("leave")
def left(connection: Any) -> None:
    visits.append(("leave", socket.connection_id))


def home() -> str:
    session["visitor"] = session.get("visitor") or secrets.token_hex(4)
    socket.subscribe(request.args.getlist("hear") or ["news"])
    return PAGE


def push() -> ResponseReturnValue:
    given = request.get_json()
    cable.push(given["message"], *given["streams"])
    return "", 204


def subscribe(stream: str) -> ResponseReturnValue:
    socket.subscribe(stream)
    return "", 204


def unsubscribe(stream: str) -> ResponseReturnValue:
    socket.unsubscribe(stream)
    return "", 204


def greet(name: str) -> ResponseReturnValue:
    return jsonify(hello=name, visitor=session.get("visitor"), times=request.args.get("times", 1))


def insight() -> ResponseReturnValue:
    """What this process has of pages."""
    pages = cable._state().pages
    return jsonify(
        pid=os.getpid(),
        is_socket=cable_is_socket(),
        visits=visits,
        streams=sorted(pages.streams._streams),
        pages=sum(len(one.hearings) for one in pages.streams._alone.values()),
    )


def create_app() -> Flask:
    """Return the application."""
    sys.setswitchinterval(float(os.environ.get("SWITCH_INTERVAL", sys.getswitchinterval())))
    app = Flask(__name__)
    app.config["SECRET_KEY"] = "pages"
    app.config.from_prefixed_env()
    app.add_url_rule("/", view_func=home)
    app.add_url_rule("/push", view_func=push, methods=["POST"])
    app.add_url_rule("/subscribe/<stream>", view_func=subscribe, methods=["POST"])
    app.add_url_rule("/unsubscribe/<stream>", view_func=unsubscribe, methods=["POST"])
    app.add_url_rule("/greet/<name>", view_func=greet)
    app.add_url_rule("/insight", view_func=insight)
    cable.init_app(app)
    return app
