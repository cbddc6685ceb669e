"""Namespaces: by name, by class, by pattern; and speaking to those who are in one."""

import re
from typing import Any

import pytest

from flask_cable.endpoints.socketio import Namespace, SocketIOServer
from flask_cable.endpoints.socketio.namespace import Namespaces
from flask_cable.errors import ConfigError, NotReady
from flask_cable.testing import CableClient


def nobody(name: str) -> Any:
    raise AssertionError(name)


# Registering.


def test_a_namespace_is_the_same_at_each_mention(io: SocketIOServer) -> None:
    assert io.of("/admin") is io.of("/admin")
    assert io.of("/") is io
    assert io.of(re.compile("/x")) is io.of(re.compile("/x"))


def test_names_that_no_client_can_say_are_errors(io: SocketIOServer) -> None:
    for name in ("", "admin", "/a,b", "/a\x1eb", "/a\n", None, 7):
        with pytest.raises(ConfigError, match="a namespace is called"):
            io.of(name)  # type: ignore[arg-type]


def test_a_decorator_gives_the_function_back(io: SocketIOServer) -> None:
    def joined(socket: Any) -> None: ...

    assert io.on("joined")(joined) is joined
    assert io.on("joined", joined) is joined
    assert io.use(joined) is joined
    with pytest.raises(ConfigError, match="takes a function"):
        io.use(7)  # type: ignore[type-var]


def test_a_class_handles_by_its_methods(io: SocketIOServer, client: CableClient) -> None:
    seen: list[Any] = []

    @io.namespace("/admin")
    class Admin(Namespace):
        def on_connect(self, socket: Any, environ: Any) -> None:
            seen.append(("connect", environ["PATH_INFO"]))

        def on_add(self, socket: Any, one: int, two: int) -> int:
            return one + two

        def on_disconnect(self, socket: Any, reason: str) -> None:
            seen.append(reason)

        def helper(self) -> None:
            raise AssertionError

    peer = client.socketio(namespace="/admin")
    assert peer.call("add", 1, 2) == 3
    peer.emit("helper")
    peer.disconnect()
    assert seen == [("connect", "/socket.io/"), "client namespace disconnect"]


def test_a_class_may_inherit_and_speak(io: SocketIOServer, client: CableClient) -> None:
    class Base(Namespace):
        def on_hello(self, socket: Any) -> str:
            return "base"

    class Chat(Base):
        def on_say(self, socket: Any, text: str) -> None:
            self.emit("said", text)

    io.add_namespace(Chat("/chat"))
    peer = client.socketio(namespace="/chat")
    assert peer.call("hello") == "base"
    peer.emit("say", "x")
    assert peer.receive() == ["said", "x"]


def test_a_namespace_is_registered_once(io: SocketIOServer) -> None:
    io.of("/a").on("x", print)
    with pytest.raises(ConfigError, match="already"):
        io.add_namespace(Namespace("/a"))
    io.of("/b")  # only mentioned
    assert io.add_namespace(Namespace("/b")) is io.of("/b")


def test_a_namespace_of_no_cable_cannot_speak() -> None:
    with pytest.raises(NotReady, match="belongs to no cable"):
        Namespace("/a").emit("x")


# Finding.


def test_a_client_finds_what_is_there() -> None:
    main = Namespace()
    namespaces = Namespaces(main)
    assert namespaces.find("/") is main
    assert namespaces.find("/a") is None
    a = namespaces.named("/a", nobody)
    assert namespaces.find("/a") is a


def test_a_pattern_serves_all_names_that_match_as_a_whole() -> None:
    namespaces = Namespaces(Namespace())
    rooms = namespaces.named(re.compile(r"/room-\d+"), nobody)
    assert namespaces.find("/room-7") is rooms
    assert namespaces.find("/room-7x") is None
    assert namespaces.find("/room-") is None
    assert namespaces.find("x/room-7") is None


def test_a_name_goes_before_a_pattern_if_it_is_used() -> None:
    namespaces = Namespaces(Namespace())
    rooms = namespaces.named(re.compile(r"/room-.*"), nobody)
    mentioned = namespaces.named("/room-1", nobody)
    assert namespaces.find("/room-1") is rooms
    mentioned.on("x", print)
    assert namespaces.find("/room-1") is mentioned
    assert namespaces.find("/room-2") is rooms


def test_sockets_of_a_pattern_are_told_apart(io: SocketIOServer, client: CableClient) -> None:
    rooms = io.of(re.compile(r"/room-\d+"))

    @rooms.on("say")
    def say(socket: Any, text: str) -> None:
        socket.sockets.emit("said", text)

    one, two, other = (client.socketio(namespace=f"/room-{number}") for number in (1, 1, 2))
    one.emit("say", "hi")
    assert [peer.events for peer in (one, two, other)] == [[["said", "hi"]], [["said", "hi"]], []]
    io.sockets_of("/room-2").emit("knock")
    assert other.events == [["knock"]]
    assert one.unread == [["said", "hi"]]
    with pytest.raises(NotReady, match="speak to one of them"):
        rooms.emit("x")


def test_an_unknown_namespace_is_refused(client: CableClient) -> None:
    peer = client.socketio(namespace="/nowhere")
    assert peer.refusal == {"message": "Invalid namespace"}
    assert peer.connection.messages[-1] == '44/nowhere,{"message":"Invalid namespace"}'
    assert not peer.connection.closed
    assert peer.connection.enter("/").connected


# Speaking.


def test_everybody_in_a_namespace_is_spoken_to(io: SocketIOServer, client: CableClient) -> None:
    io.of("/a")
    main, inside = client.socketio(), client.socketio(namespace="/a")
    io.emit("one", 1)
    io.of("/a").send("two")
    assert main.events == [["one", 1]]
    assert inside.events == [["message", "two"]]


def test_steps_lead_to_whom_they_say(io: SocketIOServer, client: CableClient) -> None:
    peers = {name: client.socketio() for name in "abc"}
    for name, peer in peers.items():
        assert peer.socket.join(name, "all")
    io.to("a").emit("e", 1)
    io.in_("a", "b").emit("e", 2)
    io.except_("a").emit("e", 3)
    io.to("all").except_("b", "c").emit("e", 4)
    io.volatile.emit("e", 5)
    io.to(peers["c"].sid).emit("e", 6)
    io.sockets.in_("nobody").emit("e", 7)
    heard = {name: [event[1] for event in peer.events] for name, peer in peers.items()}
    assert heard == {"a": [1, 2, 4, 5], "b": [2, 3, 5], "c": [3, 5, 6]}


def test_everybody_may_be_moved_and_fetched(io: SocketIOServer, client: CableClient) -> None:
    one, two = client.socketio(), client.socketio()
    io.sockets_join("lobby")
    assert {socket.id for socket in io.to("lobby").fetch_sockets()} == {one.sid, two.sid}
    io.sockets_leave("lobby")
    assert io.to("lobby").fetch_sockets() == []
    assert len(io.fetch_sockets()) == 2
    io.disconnect_sockets()
    assert (one.disconnected, two.disconnected) == (True, True)
    assert io.fetch_sockets() == []
