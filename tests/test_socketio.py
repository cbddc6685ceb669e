"""What an application imports for Socket.IO is what it meets."""

from __future__ import annotations

from typing import Any

from flask import Flask

from flask_cable import Cable, socketio
from flask_cable.errors import CableError
from flask_cable.testing import CableClient


def test_what_an_application_meets_is_what_it_imports() -> None:
    app = Flask("chat")
    app.config["SECRET_KEY"] = "for tests only"
    io = Cable(app).socketio()
    met: list[Any] = []

    @io.namespace("/admin")
    class Admin(socketio.Namespace):
        def on_connect(self, socket: socketio.Socket) -> None:
            met.append(socket)
            raise socketio.ConnectRefused("no")

    with CableClient(app) as client:
        assert client.socketio(namespace="/admin").refusal == {"message": "no"}
        client.socketio()
        assert isinstance(io.fetch_sockets()[0], socketio.RemoteSocket)
    assert isinstance(met[0], socketio.Socket)
    assert isinstance(io, socketio.SocketIOServer)
    assert isinstance(io.settings, socketio.Settings)
    assert isinstance(io.to("lobby"), socketio.Emitter)
    assert issubclass(socketio.AckTimeout, CableError)


def test_everything_that_is_offered_is_there() -> None:
    assert [name for name in socketio.__all__ if not hasattr(socketio, name)] == []
