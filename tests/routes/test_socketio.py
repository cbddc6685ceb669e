"""Where Socket.IO's clients connect: handshakes, requests that are wrong, other pages, and the upgrade."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from flask_cable import Cable, Connection, signals
from flask_cable.endpoints.socketio import SocketIOServer
from flask_cable.testing import CableClient, HandshakeRefused
from flask_cable.transports.loopback import KEY, LoopbackTransport

PATH = "/socket.io/"
JSON = "application/json"


@pytest.fixture
def app() -> Flask:
    app = Flask("chat")
    app.config.update(SECRET_KEY="for tests only", TESTING=True, CABLE_ALLOWED_ORIGINS=["http://page.test"])
    return app


@pytest.fixture
def cable(app: Flask) -> Cable:
    return Cable(app)


@pytest.fixture
def io(cable: Cable) -> SocketIOServer:
    return cable.socketio(max_payload=1000)


@pytest.fixture
def client(app: Flask, io: SocketIOServer) -> Iterator[CableClient]:
    with CableClient(app) as client:
        yield client


class Poller:
    """A client that polls, request by request."""

    def __init__(self, client: CableClient, **headers: str) -> None:
        self.client = client
        self.headers = headers
        self.sid: str | None = None
        response = self.get()
        assert response.status_code == 200, response.data
        first, *_ = response.text.split("\x1e")
        self.opening = json.loads(first[1:])
        self.sid = self.opening["sid"]

    def _query(self, **more: Any) -> dict[str, Any]:
        sid = {} if self.sid is None else {"sid": self.sid}
        return {"EIO": "4", "transport": "polling", **sid, **more}

    def get(self, **query: Any) -> TestResponse:
        response = self.client.http.get(PATH, query_string=self._query(**query), headers=self.headers)
        self.client.settle()
        return response

    def post(self, body: str | bytes, **options: Any) -> TestResponse:
        response = self.client.http.post(
            PATH, query_string=self._query(), data=body, headers=self.headers, **options
        )
        self.client.settle()
        return response

    def heard(self) -> list[str]:
        return self.get().text.split("\x1e")

    def websocket(self) -> Any:
        """Open a WebSocket that wants to take over; returns the peer's side, or raises."""
        path = f"{PATH}?EIO=4&transport=websocket&sid={self.sid}"
        return self.client.websocket(path, origin=None)


# By long polling.


def test_a_client_polls(io: SocketIOServer, client: CableClient) -> None:
    io.on("ask", lambda socket, value: value)
    poller = Poller(client)
    assert {**poller.opening, "sid": ""} == {
        "sid": "",
        "upgrades": ["websocket"],
        "pingInterval": 25000,
        "pingTimeout": 20000,
        "maxPayload": 1000,
    }
    posted = poller.post('40{"token":"x"}')
    assert (posted.status_code, posted.text) == (200, "ok")
    (welcome,) = poller.heard()
    assert welcome.startswith('40{"sid":')
    poller.post('420["ask",7]\x1e421["ask",8]')
    assert poller.heard() == ["430[7]", "431[8]"]
    assert poller.heard() == ["6"]


def test_answers_are_text_that_nobody_keeps(client: CableClient) -> None:
    poller = Poller(client)
    for response in (poller.get(), poller.post("40")):
        assert response.content_type.startswith("text/plain")
        assert response.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in response.headers


def test_binary_values_travel_as_base64(io: SocketIOServer, client: CableClient) -> None:
    io.on("upload", lambda socket, data: socket.emit("back", data[::-1]))
    poller = Poller(client)
    poller.post("40")
    poller.post('451-["upload",{"_placeholder":true,"num":0}]\x1ebAQID')
    assert poller.heard()[1:] == ['451-["back",{"_placeholder":true,"num":0}]', "bAwIB"]


def test_a_path_may_lack_its_slash(client: CableClient) -> None:
    response = client.http.get("/socket.io?EIO=4&transport=polling")
    assert response.status_code == 200
    assert response.text.startswith("0{")


def test_pings_come_by_get(client: CableClient) -> None:
    poller = Poller(client)
    poller.post("40")
    poller.get()
    client.advance_time(25)
    assert poller.heard() == ["2"]
    poller.post("3")
    client.advance_time(25)
    assert poller.heard() == ["2"]
    client.advance_time(25)
    response = poller.get()
    assert (response.status_code, response.json) == (400, {"code": 1, "message": "Session ID unknown"})


def test_a_client_ends_by_post(client: CableClient) -> None:
    poller = Poller(client)
    assert poller.post("1").text == "ok"
    assert poller.get().status_code == 400
    assert client._runtime().registry.taken == 0


def test_the_server_ends_by_get(io: SocketIOServer, client: CableClient) -> None:
    poller = Poller(client)
    poller.post("40")
    poller.get()
    io.disconnect_sockets(close=True)
    assert poller.heard() == ["41", "1"]
    assert poller.get().status_code == 400


def test_what_is_malformed_ends_the_session(client: CableClient) -> None:
    for body in ("abc", "", "4a\x1e", b"\xff", "b!"):
        poller = Poller(client)
        response = poller.post(body)
        assert (response.status_code, response.json) == (400, {"code": 3, "message": "Bad request"})
        assert poller.get().status_code == 400


def test_a_body_has_a_limit(client: CableClient) -> None:
    poller = Poller(client)
    poller.post("40")
    for options in ({}, {"environ_overrides": {"wsgi.input_terminated": True, "CONTENT_LENGTH": ""}}):
        response = poller.post('42["' + "x" * 1000 + '"]', **options)
        assert (response.status_code, response.json) == (413, {"code": 3, "message": "Bad request"})
    assert poller.post('42["' + "x" * 994 + '"]').status_code == 200


def test_nothing_of_flask_is_pending_while_a_get_waits(app: Flask, client: CableClient) -> None:
    log: list[str] = []
    app.teardown_request(lambda error: log.append("teardown"))

    class Waiting:
        def wait(self, timeout: float) -> None:
            log.append("wait")

    poller = Poller(client)
    log.clear()
    client._runtime().executor.event = Waiting  # type: ignore[assignment]
    assert poller.get().text == "6"
    assert log == ["teardown", "wait"]


# What is wrong with a request.


def wrong(client: CableClient, method: str = "GET", **query: str) -> tuple[int, Any, str]:
    response = client.http.open(PATH, method=method, query_string=query)
    return response.status_code, response.json, response.content_type


def test_what_is_wrong_is_said_in_engine_ios_words(client: CableClient) -> None:
    right = {"EIO": "4", "transport": "polling"}
    for method, query, code, message in (
        ("GET", {}, 0, "Transport unknown"),
        ("GET", {"EIO": "4"}, 0, "Transport unknown"),
        ("GET", {"EIO": "4", "transport": "flash"}, 0, "Transport unknown"),
        ("GET", {"transport": "polling"}, 5, "Unsupported protocol version"),
        ("GET", {"transport": "polling", "EIO": "3"}, 5, "Unsupported protocol version"),
        ("GET", {"transport": "polling", "EIO": "abc"}, 5, "Unsupported protocol version"),
        ("GET", {**right, "transport": "websocket"}, 3, "Bad request"),
        ("GET", {**right, "sid": "unknown"}, 1, "Session ID unknown"),
        ("GET", {**right, "sid": ""}, 1, "Session ID unknown"),
        ("POST", {**right, "sid": "unknown"}, 1, "Session ID unknown"),
        ("POST", right, 2, "Bad handshake method"),
        ("PUT", right, 2, "Bad handshake method"),
        ("DELETE", {**right, "sid": "unknown"}, 2, "Bad handshake method"),
    ):
        assert wrong(client, method, **query) == (400, {"code": code, "message": message}, JSON), query
    assert client.http.head(PATH, query_string=right).status_code == 400
    assert client._runtime().registry.taken == 0


def test_a_second_get_ends_the_session(client: CableClient) -> None:
    poller = Poller(client)
    handler: Any = next(iter(client._runtime().registry.values())).handler
    waiting = handler.polls[poller.sid].poll(30)
    assert poller.get().status_code == 400
    assert waiting.wait() == b"1"
    assert poller.get().json == {"code": 1, "message": "Session ID unknown"}


def test_who_is_refused_is_forbidden(cable: Cable, client: CableClient) -> None:
    told: list[Any] = []
    cable.identify(lambda: None)

    def watch(sender: Flask, connection: Connection) -> None:
        told.append(connection)

    with signals.rejected.connected_to(watch, sender=client.app):
        query = {"EIO": "4", "transport": "polling"}
        assert wrong(client, **query) == (403, {"code": 4, "message": "Forbidden"}, JSON)
        with pytest.raises(HandshakeRefused) as caught:
            client.socketio()
    assert caught.value.response.json == {"code": 4, "message": "Forbidden"}
    assert len(told) == 2
    assert client._runtime().registry.taken == 0


def test_what_connect_raises_is_flasks_to_answer(cable: Cable, client: CableClient) -> None:
    cable.connection(type("Mine", (Connection,), {"connect": lambda self: {}["lost"]}))
    client.app.config["PROPAGATE_EXCEPTIONS"] = False
    assert client.http.get(f"{PATH}?EIO=4&transport=polling").status_code == 500
    assert client._runtime().registry.taken == 0


def test_who_is_closed_before_it_begins_is_told_so(cable: Cable, client: CableClient) -> None:
    cable.connection(type("Mine", (Connection,), {"connect": lambda self: self.close(1008, "no")}))
    response = client.http.get(f"{PATH}?EIO=4&transport=polling")
    assert (response.status_code, response.text) == (200, "1")
    assert client._runtime().registry.taken == 0


def test_one_too_many_is_told_to_come_back(client: CableClient) -> None:
    client._runtime().config.max_connections = 1
    Poller(client)
    response = client.http.get(f"{PATH}?EIO=4&transport=polling")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    with pytest.raises(HandshakeRefused) as caught:
        client.socketio()
    assert caught.value.response.status_code == 503


def test_transports_may_be_left_out(app: Flask, cable: Cable) -> None:
    cable.socketio("/ws", transports=["websocket"])
    cable.socketio("/poll", transports=["polling"])
    with CableClient(app) as client:
        response = client.http.get("/ws/?EIO=4&transport=polling")
        assert response.json == {"code": 0, "message": "Transport unknown"}
        assert client.socketio("/ws").connected
        opening = client.http.get("/poll/?EIO=4&transport=polling").text
        assert json.loads(opening[1:])["upgrades"] == []
        with pytest.raises(HandshakeRefused):
            client.socketio("/poll")


def test_a_server_of_one_request_at_a_time_cannot_poll(app: Flask) -> None:
    app.config["CABLE_EXECUTOR"] = "threads"
    Cable(app).socketio()
    response = app.test_client().get(f"{PATH}?EIO=4&transport=polling")
    assert response.status_code == 501
    response = app.test_client().get(
        f"{PATH}?EIO=4&transport=polling", environ_overrides={"wsgi.multithread": True}
    )
    assert json.loads(response.text[1:])["upgrades"] == []  # there is no socket to take
    app.extensions["cable"].runtime().executor.stop()


# Pages of other origins.


def test_a_page_that_may_connect_may_read(client: CableClient) -> None:
    poller = Poller(client, Origin="http://page.test")
    for response in (poller.get(), poller.post("40"), poller.post("abc"), poller.get()):
        assert response.headers["Access-Control-Allow-Origin"] == "http://page.test"
        assert response.headers["Access-Control-Allow-Credentials"] == "true"
        assert "Origin" in response.headers["Vary"]


def test_a_page_that_may_not_connect_may_not_even_ask(client: CableClient) -> None:
    sid = Poller(client).sid
    for method, query in (("GET", {}), ("GET", {"sid": sid}), ("POST", {"sid": sid}), ("OPTIONS", {})):
        response = client.http.open(
            PATH,
            method=method,
            query_string={"EIO": "4", "transport": "polling", **query},
            headers={"Origin": "http://evil.test"},
        )
        assert (response.status_code, response.json) == (403, {"code": 4, "message": "Forbidden"})
        assert "Access-Control-Allow-Origin" not in response.headers
    assert client._runtime().registry.taken == 1


def test_a_page_elsewhere_that_does_not_say_so_is_found_out(client: CableClient) -> None:
    response = client.http.get(f"{PATH}?EIO=4&transport=polling", headers={"Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 403


def test_a_preflight_is_answered(client: CableClient) -> None:
    headers = {"Origin": "http://page.test", "Access-Control-Request-Headers": "x-token"}
    response = client.http.options(PATH, headers=headers)
    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Methods"] == "GET, POST"
    assert response.headers["Access-Control-Allow-Headers"] == "x-token"


# By WebSocket.


def test_a_websocket_needs_the_same_arguments(client: CableClient) -> None:
    for query, code in (
        ("", 0),
        ("?EIO=4", 0),
        ("?EIO=3&transport=websocket", 5),
        ("?transport=websocket", 5),
        ("?EIO=4&transport=polling", 3),
        ("?EIO=4&transport=websocket&sid=unknown", 1),
    ):
        with pytest.raises(HandshakeRefused) as caught:
            client.websocket(PATH + query)
        assert caught.value.response.status_code == 400
        assert caught.value.response.json["code"] == code


def test_a_websocket_of_another_origin_is_refused(client: CableClient) -> None:
    for origin in ("http://evil.test", None):
        with pytest.raises(HandshakeRefused) as caught:
            client.socketio(origin=origin)
        assert caught.value.response.status_code == 403
    assert client.socketio(origin="http://page.test").connected


def test_a_socket_comes_and_goes(client: CableClient) -> None:
    peer = client.socketio()
    assert peer.connection.opening["upgrades"] == []
    peer.close()
    assert client._runtime().registry.taken == 0


# From the one to the other.


def test_a_client_changes_to_a_websocket(io: SocketIOServer, client: CableClient) -> None:
    io.on("ask", lambda socket, value: value)
    poller = Poller(client)
    poller.post("40")
    websocket = poller.websocket()
    websocket.send("2probe")
    assert websocket.receive() == "3probe"
    assert poller.heard()[0].startswith('40{"sid":')
    assert poller.heard() == ["6"]
    io.emit("waits")
    websocket.send("5", '420["ask",7]')
    io.emit("after")
    assert websocket.messages == ["3probe", '42["waits"]', "430[7]", '42["after"]']
    assert client._runtime().registry.taken == 1


def test_after_the_change_nothing_else_is_answered(client: CableClient) -> None:
    poller = Poller(client)
    websocket = poller.websocket()
    websocket.send("2probe", "5")
    for response in (poller.get(), poller.post("4x")):
        assert (response.status_code, response.json) == (400, {"code": 3, "message": "Bad request"})
    second = poller.websocket()
    assert second.closed_with == (1008, "This connection has its WebSocket.")
    websocket.send("40")
    assert websocket.receive() == "3probe"
    assert str(websocket.receive()).startswith("40{")


def test_a_session_that_is_over_is_unknown(client: CableClient) -> None:
    poller = Poller(client)
    websocket = poller.websocket()
    websocket.send("2probe", "5")
    websocket.close(1001)
    assert poller.get().json == {"code": 1, "message": "Session ID unknown"}
    handler: Any = client._runtime().mount(client.app.extensions["cable"].cable.routes[0]).handler
    assert handler.polls == {}


def test_who_changes_knows_the_sid_and_needs_no_origin(client: CableClient) -> None:
    poller = Poller(client)
    path = f"{PATH}?EIO=4&transport=websocket&sid={poller.sid}"
    with pytest.raises(HandshakeRefused) as caught:
        client.websocket(path, origin="http://evil.test")
    assert caught.value.response.status_code == 403
    assert client.websocket(path, origin="http://page.test").status == 101


def test_a_change_takes_no_second_place(client: CableClient) -> None:
    client._runtime().config.max_connections = 1
    poller = Poller(client)
    websocket = poller.websocket()
    websocket.send("2probe", "5", "40")
    assert str(websocket.messages[-1]).startswith("40{")


def test_a_handshake_that_is_none_is_a_bad_request(client: CableClient) -> None:
    poller = Poller(client)
    with pytest.raises(HandshakeRefused) as caught:
        client.websocket(
            f"{PATH}?EIO=4&transport=websocket&sid={poller.sid}", headers={"Sec-WebSocket-Version": "7"}
        )
    assert caught.value.response.json == {"code": 3, "message": "Bad request"}


def test_a_server_without_sockets_refuses_a_websocket(app: Flask, io: SocketIOServer) -> None:
    app.config["CABLE_EXECUTOR"] = "manual"
    headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
    for sid in ("", "&sid=x"):
        response = app.test_client().get(f"{PATH}?EIO=4&transport=websocket{sid}", headers=headers)
        assert (response.status_code, response.json) == (501, {"code": 3, "message": "Bad request"})


def test_where_the_server_has_said_101_a_refusal_is_a_close(app: Flask, io: SocketIOServer) -> None:
    app.config.update(CABLE_EXECUTOR="manual", CABLE_CHECK_ORIGIN=False)

    class Peer:
        transport: LoopbackTransport

        def accepted(self, transport: LoopbackTransport) -> None:
            self.transport = transport

    peer = Peer()
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    environ = {KEY: peer, "wsgi.websocket": object()}
    client = app.test_client()
    client.get(f"{PATH}?EIO=3&transport=websocket", headers=headers, environ_overrides=environ)
    assert peer.transport.closed_with == (1008, "Unsupported protocol version")
    client.get(f"{PATH}?EIO=4&transport=websocket&sid=x", headers=headers, environ_overrides=environ)
    assert peer.transport.closed_with == (1008, "Session ID unknown")
