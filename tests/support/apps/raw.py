"""Raw sockets of every kind: events in JSON, functions, streams, middleware; and a look at what is left."""

from __future__ import annotations

import gc
import logging
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, g, has_app_context, request
from flask.typing import ResponseReturnValue

from flask_cable import Cable, Connection
from flask_cable.errors import EncodeError
from support.apps.insight import insight

cable = Cable()
events = cable.websocket("/events", serializer="json", subprotocols=["news.v2", "news.v1"])
closings: list[tuple[int, int, str]] = []
ended: list[str] = []


@events.on("open")
def opened(connection: Connection, environ: dict[str, Any]) -> None:
    connection.data["count"] = 0
    if environ["QUERY_STRING"] == "fail":
        raise LookupError("told to fail")
    connection.send({"opened": connection.id, "subprotocol": connection.subprotocol})


@events.on("message")
def received(connection: Connection, message: Any) -> None:
    ask = message if isinstance(message, dict) else {}
    if ask.get("do") == "fail":
        raise LookupError("told to fail")
    if ask.get("do") == "close":
        connection.close(ask["code"], ask["reason"])
    elif ask.get("do") == "misspeak":
        try:
            connection.send(object())
        except EncodeError as error:
            connection.send({"error": str(error)})
    elif ask.get("do") == "stream":
        connection.stream_from(ask["stream"])
        connection.send({"streaming": ask["stream"]})
    else:
        connection.send({"got": message, "count": connection.data["count"]})
        connection.data["count"] += 1


@events.on("malformed_message")
def malformed(connection: Connection, raw: Any, error: Exception) -> None:
    connection.send({"error": str(error), "message": raw})


@events.on("close")
def closed(connection: Connection, code: int, reason: str) -> None:
    closings.append((connection.id, code, reason))
    if reason == "fail":
        raise LookupError("told to fail")


@events.on("error")
def refused(refusal: Any) -> ResponseReturnValue:
    return {"refused": refusal.text}, refusal.status, {"X-Refused": "yes"}


@cable.websocket("/strict", serializer="json")
def strict(connection: Connection) -> None:
    """Answers nothing; what is no JSON ends it."""
    for _ in connection:
        pass


@cable.websocket("/echo")
@cable.websocket("/echo/<name>", max_message_bytes=1000)
def echo(connection: Connection, name: str = "") -> None:
    for message in connection:
        connection.send(f"{name}: {message}" if name else message)
    ended.append("echo")


@cable.websocket("/once")
def once(connection: Connection) -> None:
    message = connection.receive(timeout=5)
    if message == "fail":
        raise LookupError("told to fail")
    connection.send(f"last words: {message}")


@cable.websocket("/pour/<int:count>/<int:size>")
def pour(connection: Connection, count: int, size: int) -> None:
    """Sends more than may wait for a peer; and waits for it by itself."""
    for number in range(count):
        if not connection.send(f"{number}:".ljust(size, "x")):
            break
    ended.append("pour")


@cable.websocket("/slow")
def slow(connection: Connection) -> None:
    """Takes nothing until it is told to by ``/go``."""
    while not go.wait(0.01):
        if connection.closed:
            break
    for message in connection:
        connection.send(str(len(message)))


@cable.websocket("/contexts")
def contexts(connection: Connection) -> None:
    for _ in connection:
        connection.send(f"{has_app_context()} {'seen' in g}")
        g.seen = True


def gate(app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Middleware that wants a token, says who it is, and adds a header."""

    def guarded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("HTTP_X_TOKEN") != "t":
            start_response("401 Unauthorized", [("Content-Length", "8")])
            return [b"no token"]
        environ["REMOTE_USER"] = "ann"
        return app(
            environ,
            lambda status, headers, *more: start_response(status, [*headers, ("X-Gate", "open")], *more),
        )

    return guarded


guarded = cable.websocket("/guarded", middleware=[gate])
guarded.on("open", lambda connection, environ: connection.send(f"hello {environ['REMOTE_USER']}"))

go = threading.Event()


def create_app() -> Flask:
    """Return the application."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    app = Flask(__name__)
    app.config["SECRET_KEY"] = "raw"
    app.config.from_prefixed_env("RAW")
    app.add_url_rule("/", view_func=lambda: "ready", endpoint="home")
    app.add_url_rule("/stats", view_func=stats)
    app.add_url_rule("/go", view_func=let_go, methods=["POST"])
    app.add_url_rule("/broadcast/<stream>", view_func=broadcast, methods=["POST"])
    cable.init_app(app)
    return app


def broadcast(stream: str) -> ResponseReturnValue:
    """Broadcast the body, which is JSON."""
    cable.broadcast(stream, request.get_json())
    return "", 204


def let_go() -> ResponseReturnValue:
    """Let the slow go on."""
    go.set()
    return "", 204


def stats() -> ResponseReturnValue:
    """Tell what is open, what runs, and how connections have ended."""
    gc.collect()
    executor = cable._runtime().executor
    return {
        **insight(cable),
        "pid": os.getpid(),
        "events": sorted(events.connections),
        "closings": closings,
        "ended": ended,
        "functions": executor.spawned,
        "watched": executor.watched,
        "threads": threading.active_count(),
    }
