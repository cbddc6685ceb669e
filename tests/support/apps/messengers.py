"""Messengers: peers that are told by commands to have names, to be in groups, and to message each other.

A behaviour at `/ws`, whose state is how many commands it has done: each is answered by one text frame of
JSON, and a server message is one, too. `/idle` is the same with less patience; `/careful` counts.
`GET /` tells the process and what it has open.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from typing import Any

from flask import Flask, request
from flask.typing import ResponseReturnValue

from flask_cable import Behaviour, Binary, Cable, Close, Connection, NameTaken, Text
from flask_cable.core.handler import Handler
from flask_cable.errors import BusError
from support.apps.insight import insight

cable = Cable()
endings: list[Any] = []
crowd: list[Crowded] = []


class Crowded(Connection):
    """One without a peer, that counts its server messages."""

    heard = 0

    def __init__(self, handler: Handler, id: int) -> None:
        super().__init__(handler, id)
        self.state = 0

    def handle_server_message(self, text: str) -> bool:
        self.heard += 1
        return True


@cable.behaviour("/idle", endpoint="idle", idle_timeout=1.0)
@cable.behaviour("/ws")
class Messenger(Behaviour):
    """Does as it is told."""

    def connect(self, request: Any) -> Any:
        return ("who?", 400) if "refuse" in request.args else None

    def too_many_connections(self, request: Any) -> Any:
        return {"error": "full"}

    def init(self, connection: Connection) -> Any:
        return 0, [said({"pid": os.getpid()})]

    def handle_client_message(self, state: int, connection: Connection, frame: Any) -> Any:
        if isinstance(frame, Binary):
            return state, [frame]
        command = json.loads(frame.data)
        done = COMMANDS[command.pop("do")](connection, **command)
        return state + 1, done if isinstance(done, list) else [said({"done": done})]

    def handle_server_message(self, state: int, connection: Connection, message: Any) -> Any:
        if isinstance(message, dict) and "race" in message:
            return state, [said({"won": has_got(connection, message["race"])})]
        return state, [said({"heard": message})]

    def terminate(self, state: int, connection: Connection, reason: Any) -> None:
        endings.append([state, repr(reason)])


@cable.behaviour("/careful", endpoint="careful")
class Careful(Behaviour):
    """Counts frames and server messages, slowly, and how many callbacks are at work at a time."""

    def init(self, connection: Connection) -> Any:
        cable.group.join("careful", connection)
        connection.data.update(now=0, most=0)
        return 0, [said({"pid": os.getpid()})]

    def handle_client_message(self, state: int, connection: Connection, frame: Any) -> Any:
        return self.count(state, connection.data)

    def handle_server_message(self, state: int, connection: Connection, message: Any) -> Any:
        return self.count(state, connection.data)

    def count(self, state: int, data: dict[str, int]) -> Any:
        data["now"] += 1
        data["most"] = max(data["most"], data["now"])
        time.sleep(0.001)
        data["now"] -= 1
        return state + 1, [said({"count": state + 1, "at once": data["most"]})]


def said(value: Any) -> Text:
    return Text(json.dumps(value))


def has_got(connection: Connection, name: str, scope: str | None = None) -> bool:
    """Whether a connection gets a name."""
    try:
        return cable.unique.register(name, connection, scope)
    except NameTaken:
        return False


def place(connection: Connection, name: str, scope: str | None = None) -> Any:
    found = cable.unique.whereis(name, scope)
    return None if found is None else [found.node, found.id]


def publish_safely(connection: Connection, group: str, message: Any) -> int | None:
    try:
        return cable.group.publish(group, message)
    except BusError:
        return None


def send_safely(connection: Connection, to: str, message: Any) -> bool | None:
    try:
        return cable.unique.send_message(to, message)
    except BusError:
        return None


def fail(connection: Connection) -> Any:
    raise LookupError("told to")


def end(connection: Connection, code: int, reason: str) -> Any:
    return [said("before"), Close(code, reason), said("after")]


def join_many(connection: Connection, count: int) -> None:
    """Be in so many groups."""
    for number in range(count):
        cable.group.join(f"one {number}", connection)


def publish_many(connection: Connection, count: int) -> int:
    """Publish into each of those groups, and sum up how many are in them."""
    return sum(cable.group.publish(f"one {number}", number) for number in range(count))


def gather(connection: Connection, count: int) -> None:
    """Let so many connections without peers be in one group."""
    for _ in range(count):
        registry = cable._runtime().registry
        one = Crowded(connection.handler, registry.next_id())
        crowd.append(one)
        registry.add(one)
        cable.group.join("crowd", one)


COMMANDS: dict[str, Callable[..., Any]] = {
    "register": has_got,
    "unregister": lambda connection, name: cable.unique.unregister(name, connection),
    "send": lambda connection, to, message: cable.unique.send_message(to, message),
    "where": place,
    "join": lambda connection, group: cable.group.join(group, connection),
    "leave": lambda connection, group: cable.group.leave(group, connection),
    "members": lambda connection, group: cable.group.members(group),
    "publish": lambda connection, group, message: cable.group.publish(group, message),
    "publish_others": lambda connection, group, message: cable.group.publish(group, message, connection),
    "publish_safely": publish_safely,
    "send_safely": send_safely,
    "noop": lambda connection: [],
    "fail": fail,
    "end": end,
    "join_many": join_many,
    "publish_many": publish_many,
    "gather": gather,
    "crowd_heard": lambda connection: sum(one.heard for one in crowd),
}


def create_app() -> Flask:
    """Return the application; `FLASK_CABLE_...` in the environment sets `CABLE_...` keys."""
    app = Flask(__name__)
    app.config["SECRET_KEY"] = "messengers"
    app.config.from_prefixed_env()
    logging.basicConfig(level=logging.INFO)
    app.add_url_rule("/", view_func=stats)
    app.before_request(check)
    cable.init_app(app)
    return app


def check() -> Any:
    return ("not you", 403) if "forbidden" in request.args else None


def stats() -> ResponseReturnValue:
    """Tell which process this is, what is open, and how connections have ended."""
    return {**insight(cable), "pid": os.getpid(), "endings": endings}
