"""What ``cable.socketio()`` returns: paths, names, and speaking in the right application."""

from __future__ import annotations

import pytest
from flask import Flask

from flask_cable import Cable
from flask_cable.endpoints.socketio import Namespace, Settings, SocketIOServer
from flask_cable.errors import ConfigError, NotReady
from flask_cable.testing import CableClient


def test_a_path_is_a_path() -> None:
    for path in ("/socket.io", "/socket.io/", "/a/b-c", "/x"):
        assert SocketIOServer(path, Settings()).path == path.rstrip("/")
    for path in ("", "/", "socket.io", "/<room>", "/a b", "/a,b", "/a:b", None, 7, "/a\n"):
        with pytest.raises(ConfigError, match="a path such as"):
            SocketIOServer(path, Settings())  # type: ignore[arg-type]


def test_routes_have_names() -> None:
    for path, endpoint in (
        ("/socket.io", "socketio"),
        ("/chat/socket.io", "socketio_chat_socket_io"),
        ("/x", "socketio_x"),
    ):
        assert SocketIOServer(path, Settings()).endpoint == endpoint


def test_rooms_have_streams() -> None:
    io = SocketIOServer("/socket.io", Settings())

    class Post:
        id = 7

    assert io.stream() == "/socket.io:/"
    assert io.stream("lobby") == "/socket.io:/,lobby"
    assert io.stream(Post(), namespace="/admin") == "/socket.io:/admin,Post:7"


def test_a_server_of_no_cable_cannot_speak() -> None:
    io = SocketIOServer("/socket.io", Settings())
    for namespace in (io, io.of("/a")):
        with pytest.raises(NotReady, match="belongs to no cable"):
            namespace.emit("x")


def test_several_endpoints_are_apart(app: Flask, cable: Cable) -> None:
    one, two = cable.socketio("/one"), cable.socketio("/two")
    with CableClient(app) as client:
        here, there = client.socketio("/one"), client.socketio("/two")
        one.emit("x")
        two.emit("y")
        assert (here.events, there.events) == ([["x"]], [["y"]])


def test_several_applications_are_apart() -> None:
    cable = Cable()
    io = cable.socketio()
    apps = [Flask(name) for name in ("one", "two")]
    for app in apps:
        app.config["SECRET_KEY"] = "x"
        cable.init_app(app)
    with CableClient(apps[0]) as first, CableClient(apps[1]) as second:
        here, there = first.socketio(), second.socketio()
        with apps[0].app_context():
            io.emit("x")
        with pytest.raises(NotReady, match="several applications"):
            io.emit("y")
        assert (here.events, there.events) == ([["x"]], [])


def test_a_class_is_given_back(io: SocketIOServer) -> None:
    class Admin(Namespace):
        pass

    assert io.namespace("/admin")(Admin) is Admin
    assert isinstance(io.of("/admin"), Admin)
    with pytest.raises(ConfigError, match="a namespace is called"):
        io.namespace("admin")(Admin)


def test_the_server_is_the_main_namespace(io: SocketIOServer, client: CableClient) -> None:
    peer = client.socketio()
    io.emit("a")
    io.of("/").emit("b")
    io.sockets.emit("c")
    io.sockets_of("/").emit("d")
    assert peer.events == [["a"], ["b"], ["c"], ["d"]]
    assert repr(io) == "<SocketIOServer />"
