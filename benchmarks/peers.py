"""The servers that are compared, each set up as its own documentation says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from . import parts
from .protocols import ActionCable, Raw, SocketIO, Speech

Command = Callable[[int], list[str]]


@dataclass(frozen=True)
class Peer:
    """A server under test.

    Attributes:
        command: makes the command line for a port; it prepares what the server needs, or raises ``Missing``.
        path: where its WebSocket is.
        packages: what its virtualenv's versions are told of; a name with a slash is not Python's.
        venv: the virtualenv that has them.
        login: a path that is asked for a session cookie before the clients come.
        slow: whether a broadcast to thousands takes it seconds; it is asked for fewer.
    """

    name: str
    command: Command
    speech: Speech
    path: str
    venv: str | None = None
    packages: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    login: str | None = None
    slow: bool = False


def _gunicorn(venv: str, app: str) -> Command:
    def command(port: int) -> list[str]:
        program = str(parts.venv(venv) / "gunicorn")
        return [program, "-c", "gunicorn_settings.py", "-b", f"127.0.0.1:{port}", app]

    return command


def _python(venv: str, script: str) -> Command:
    return lambda port: [str(parts.venv(venv) / "python"), script, str(port)]


def _uvicorn(port: int) -> list[str]:
    options = ["--host", "127.0.0.1", "--port", str(port), "--backlog", "4096", "--log-level", "error"]
    return [str(parts.venv("asyncio") / "uvicorn"), *options, "channels_app:application"]


def _node(script: str) -> Command:
    return lambda port: ["node", str(parts.node_modules() / script), str(port)]


def _floor(port: int) -> list[str]:
    return [str(parts.compiled("floor")), str(port)]


def _puma(port: int) -> list[str]:
    parts.action_cable()
    bind = f"tcp://127.0.0.1:{port}?backlog=4096"
    return ["puma", "-b", bind, "-t", "5:5", "-w", "0", "-e", "production", "-q", "actioncable.ru"]


def _flask_cable(name: str, venv: str, packages: tuple[str, ...]) -> Peer:
    command = _gunicorn(venv, "flask_cable_app:app")
    return Peer(name, command, ActionCable(), "/cable", venv, packages, login="/login")


GUNICORN = ("gunicorn", "gevent", "flask")
SOCKET_IO_PATH = "/socket.io/?EIO=4&transport=websocket"

FLOOR = Peer("c-epoll", _floor, Raw(), "/ws")
CABLE = _flask_cable("flask-cable", "cable", (*GUNICORN, "websockets", "orjson"))

PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        FLOOR,
        CABLE,
        _flask_cable("flask-cable-no-orjson", "cable-plain", (*GUNICORN, "websockets")),
        Peer(
            "flask-floor",
            _gunicorn("cable", "flask_floor_app:app"),
            Raw(),
            "/ws",
            "cable",
            (*GUNICORN, "websockets"),
            login="/login",
        ),
        Peer("picows", _python("asyncio", "picows_server.py"), Raw(), "/ws", "asyncio", ("picows", "uvloop")),
        Peer(
            "websockets", _python("asyncio", "websockets_server.py"), Raw(), "/ws", "asyncio", ("websockets",)
        ),
        Peer("node-ws", _node("ws_server.js"), Raw(), "/ws", packages=("ws/node",)),
        Peer(
            "flask-sock",
            _gunicorn("flask", "flask_sock_app:app"),
            Raw(),
            "/ws",
            "flask",
            (*GUNICORN, "flask-sock", "simple-websocket"),
        ),
        Peer(
            "flask-socketio",
            _gunicorn("flask", "flask_socketio_app:app"),
            SocketIO(),
            SOCKET_IO_PATH,
            "flask",
            (*GUNICORN, "flask-socketio", "python-socketio"),
        ),
        Peer(
            "flask-cable-socketio",
            _gunicorn("cable", "flask_cable_socketio_app:app"),
            SocketIO(),
            SOCKET_IO_PATH,
            "cable",
            (*GUNICORN, "orjson"),
        ),
        Peer(
            "node-socketio",
            _node("socketio_server.js"),
            SocketIO(),
            SOCKET_IO_PATH,
            packages=("socket.io/node",),
        ),
        Peer("channels", _uvicorn, Raw(), "/ws", "asyncio", ("django", "channels", "uvicorn"), slow=True),
        Peer("action-cable", _puma, ActionCable(), "/cable", packages=("actioncable/ruby",)),
    )
}
