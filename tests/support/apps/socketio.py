"""The application that Socket.IO's stock client is let loose on: a chat, and what else a client may meet.

Works with any number of processes: who has which nickname is known to the cluster. Who you are comes from
the session after `/login/<name>`.
"""

from __future__ import annotations

import os
import re
from typing import Any

from flask import Flask, request, session
from flask.typing import ResponseReturnValue

from flask_cable import Cable
from flask_cable.errors import NameTaken
from flask_cable.socketio import ConnectRefused, Namespace, Socket

PAGE = """<!doctype html>
<title>Socket.IO</title>
<script src="/socket.io.js"></script>
<script>
  const query = new URLSearchParams(location.search)
  const options = { forceNew: true, withCredentials: query.has("credentials") }
  if (query.has("transports")) options.transports = query.get("transports").split(",")
  const socket = io(query.get("server") ?? "", options)
  const heard = []
  const errors = []
  socket.onAny((...event) => heard.push(event.map(plain)))
  socket.on("connect_error", (error) => errors.push(error.message))
  const transport = () => socket.io.engine.transport.name

  function plain(value) {
    return value instanceof ArrayBuffer ? { bytes: [...new Uint8Array(value)] } : value
  }
</script>
"""

cable = Cable()
io = cable.socketio(
    ping_interval=float(os.environ.get("SOCKETIO_PING", "25")),
    recovery_seconds=60,
    max_payload=200_000,
)


# The chat.


@io.on("connect")
def connected(socket: Socket) -> None:
    socket.set("user", socket.session.get("user"))
    if "announce" in socket.auth:
        socket.emit("hello", socket.auth, socket.recovered)


@io.on("nickname")
def nickname(socket: Socket, nick: str) -> str:
    """Take a name: the acknowledgement says whether it is taken."""
    try:
        cable.unique.register(f"nick:{nick}", socket.connection)
    except NameTaken:
        return "taken"
    socket.set("nick", nick)
    socket.broadcast.emit("announcement", f"{nick} connected")
    io.sockets.emit("nicknames", nicknames())
    return "free"


def nicknames() -> list[str]:
    return sorted(one.data["nick"] for one in io.fetch_sockets() if "nick" in one.data)


@io.on("user message")
def user_message(socket: Socket, text: str) -> None:
    socket.broadcast.emit("user message", socket.get("nick"), text)


@io.on("/join")
def join(socket: Socket, room: str) -> bool:
    return socket.join(room)


@io.on("/leave")
def leave(socket: Socket, room: str) -> bool:
    return socket.leave(room)


@io.on("/room")
def to_room(socket: Socket, room: str, text: str) -> None:
    socket.to(room).emit("room message", socket.get("nick"), text)


@io.on("disconnect")
def disconnected(socket: Socket, reason: str) -> None:
    if socket.get("nick"):
        socket.broadcast.emit("announcement", f"{socket.get('nick')} left: {reason}")


# What a client may ask for.


@io.on("message")
def message(socket: Socket, *values: Any) -> None:
    socket.send(*values)


@io.on("echo")
def echo(socket: Socket, *values: Any) -> tuple[Any, ...]:
    return values


@io.on("count to")
def count_to(socket: Socket, number: int) -> None:
    for one in range(number):
        socket.emit("count", one)


@io.on("ask me")
def ask_me(socket: Socket, question: Any, timeout: float) -> None:
    socket.emit(
        "question",
        question,
        ack=lambda *values: socket.emit("answered", *values),
        timeout=timeout,
        unanswered=lambda: socket.emit("unanswered"),
    )


@io.on("send me away")
def send_me_away(socket: Socket, close: bool) -> None:
    socket.disconnect(close)


@io.on("where am i")
def where_am_i(socket: Socket) -> int:
    return os.getpid()


@io.on("who is there")
def who_is_there(socket: Socket) -> list[str]:
    return sorted(one.id for one in io.fetch_sockets())


@io.on("who am i")
def who_am_i(socket: Socket) -> dict[str, Any]:
    return {
        "user": socket.get("user"),
        "rooms": sorted(socket.rooms),
        "agent": socket.request.headers.get("X-Agent"),
    }


@io.on("never")
def never(socket: Socket, ack: Any) -> None:
    """Acknowledges nothing."""


@io.on("fail")
def fail(socket: Socket) -> None:
    raise RuntimeError("broken on purpose")


# Namespaces.


@io.namespace("/guarded")
class Guarded(Namespace):
    """Lets in who has the token."""

    def on_connect(self, socket: Socket) -> None:
        if socket.auth.get("token") != "right":
            raise ConnectRefused("wrong token", {"hint": "it is right"})

    def on_whisper(self, socket: Socket, text: str) -> str:
        self.emit("whispered", text)
        return text.lower()


@io.of("/checked").use
def check(socket: Socket) -> bool:
    return socket.auth.get("token") == "right"


@io.of(re.compile(r"/room-\d+")).on("say")
def say(socket: Socket, text: str) -> None:
    socket.sockets.emit("said", text)


# Over HTTP.


def create_app() -> Flask:
    app = Flask(__name__)
    app.config["SECRET_KEY"] = "conformance"
    app.config.from_prefixed_env("FLASK")
    if "SOCKETIO_FRIENDS" in os.environ:
        app.config["CABLE_ALLOWED_ORIGINS"] = re.compile(os.environ["SOCKETIO_FRIENDS"])
    cable.init_app(app)

    @app.get("/")
    def page() -> str:
        return PAGE

    @app.get("/socket.io.js")
    def script() -> ResponseReturnValue:
        with open(os.environ["SOCKETIO_SCRIPT"], encoding="utf-8") as file:
            return file.read(), {"Content-Type": "text/javascript"}

    @app.get("/login/<name>")
    def login(name: str) -> str:
        session["user"] = name
        return ""

    @app.post("/emit")
    def emit() -> str:
        """Emit from a request: to a room, or to everybody."""
        order: dict[str, Any] = request.get_json()
        (io.to(order["room"]) if "room" in order else io.sockets).emit(*order["event"])
        return ""

    @app.post("/broadcast")
    def broadcast() -> str:
        """Broadcast to a room's stream."""
        order: dict[str, Any] = request.get_json()
        cable.broadcast(io.stream(order["room"]), order["message"])
        return ""

    @app.get("/held")
    def held() -> dict[str, Any]:
        """What the endpoint keeps in this process."""
        runtime = app.extensions["cable"].runtime()
        handler: Any = runtime.mount(next(one for one in cable.routes if one.endpoint == "socketio")).handler
        return {
            "connections": runtime.registry.taken,
            "polls": len(handler.polls),
            "waiting": sum(one is not None and one._poll is not None for one in handler.polls.values()),
            "namespaces": len(handler.halls),
            "streams": [name for name in runtime.hub.streams if name.startswith("/socket.io:")],
            "counts": handler.counts,
        }

    return app
