"""Handshakes: accepted, refused, given up; and when a peer begins."""

from __future__ import annotations

import logging
import socket
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask, abort, after_this_request, has_request_context, request, session
from support.shop import Shop, connecting, nobody_is_left
from transports.test_base import ReadyExecutor, WebSocketPeer

from flask_cable import Connection, signals
from flask_cable.core.executor import ManualExecutor
from flask_cable.protocols.opening import Refusal
from flask_cable.pubsub import MemoryPubSub
from flask_cable.routes import plain
from flask_cable.transports.native import NativeTransport

# Accepting.


def test_a_peer_is_accepted_welcomed_and_known() -> None:
    shop = Shop()
    peer = shop.client.connect()
    assert peer.transmissions == [{"type": "welcome"}]
    assert peer.subprotocol == "flask-cable-v1-json"
    assert dict(shop.cable.connections) == {1: peer.connection}
    peer.close()
    assert nobody_is_left(shop)


def test_the_answer_is_a_101_with_what_after_request_adds() -> None:
    def accept(connection: Connection) -> None:
        @after_this_request
        def add(response: Any) -> Any:
            response.set_cookie("seen", "1")
            return response

    _, peer = connecting(accept)
    headers = dict(peer._transport.headers)
    assert headers["Upgrade"] == "websocket"
    assert headers["Sec-WebSocket-Accept"]
    assert headers["Set-Cookie"].startswith("seen=1")
    assert "Content-Type" not in headers


def test_connect_has_the_request_and_the_session() -> None:
    seen: list[Any] = []
    shop = Shop(
        type("Mine", (Connection,), {"connect": lambda self: seen.append((request.path, dict(session)))})
    )
    with shop.client.http.session_transaction() as stored:
        stored["user"] = 7
    peer = shop.client.connect(query_string={"token": "x"})
    assert seen == [("/cable", {"user": 7})]
    assert not has_request_context()
    assert peer.connection.session == {"user": 7}
    assert peer.connection.request.args["token"] == "x"


def test_an_unknown_subprotocol_is_accepted_without_one() -> None:
    shop = Shop()
    assert shop.client.connect(subprotocols=["graphql-ws"]).subprotocol is None
    assert shop.client.connect(subprotocols=[]).subprotocol is None


def test_compression_is_agreed_on_only_where_it_is_switched_on() -> None:
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
    for switched, headers, expected in (
        (False, offer, None),
        (True, {}, None),
        (True, {"Sec-WebSocket-Extensions": "x-unknown"}, None),
        (True, offer, "permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
    ):
        answer = Shop(CABLE_COMPRESSION=switched).client.connect(headers=headers).response
        assert answer.headers.get("Sec-WebSocket-Extensions") == expected


# Refusing.


def test_who_is_unauthorized_is_told_and_closed() -> None:
    rejected: list[Connection] = []
    with signals.rejected.connected_to(lambda app, connection: rejected.append(connection)):
        shop, peer = connecting(lambda connection: connection.reject_unauthorized_connection())
    assert peer.transmissions == [{"type": "disconnect", "reason": "unauthorized", "reconnect": False}]
    assert peer.closed_with == (1000, "")
    assert rejected == [peer.connection]
    assert nobody_is_left(shop)


def test_a_watcher_of_refusals_that_raises_keeps_no_peer_from_hearing() -> None:
    def fail(sender: Flask, **moment: Any) -> None:
        raise LookupError("a watcher")

    with signals.rejected.connected_to(fail):
        shop, peer = connecting(lambda connection: connection.reject_unauthorized_connection())
    assert peer.rejected
    assert nobody_is_left(shop)


def test_a_connect_that_fails_is_no_silent_zombie(caplog: pytest.LogCaptureFixture) -> None:
    for error in (LookupError("no such user"), RuntimeError()):

        def fail(connection: Connection, error: Exception = error) -> None:
            raise error

        shop, peer = connecting(fail)
        assert (peer.transmissions, peer.closed_with) == ([], (1011, "internal error"))
        assert nobody_is_left(shop)
        assert shop.runtime.handler.counts["failed"] == 1
    assert caplog.records[0].getMessage() == "connection 1: unhandled LookupError"


def test_an_abort_in_connect_is_such_a_failure() -> None:
    shop, peer = connecting(lambda connection: abort(403))
    assert peer.closed_with == (1011, "internal error")
    assert nobody_is_left(shop)


def test_what_connect_sent_goes_out_before_the_refusal() -> None:
    def refuse(connection: Connection) -> None:
        connection.transmit("sorry")
        connection.reject_unauthorized_connection()

    _, peer = connecting(refuse)
    assert [frame if isinstance(frame, str) else frame["type"] for frame in peer.transmissions] == [
        "sorry",
        "disconnect",
    ]


@pytest.mark.parametrize("ending", ["close", "disconnect"])
def test_a_connect_that_ends_the_connection_leaves_nothing_behind(ending: str) -> None:
    shop, peer = connecting(lambda connection: getattr(connection, ending)())
    assert peer.closed_with == (1000, "")
    assert {"type": "welcome"} not in peer.transmissions
    assert nobody_is_left(shop)


def test_a_remote_disconnect_finds_a_handshake_that_goes_on_and_leaves_nothing_behind() -> None:
    shop: Shop

    def connect(connection: Any) -> None:
        connection.user = 7
        shop.cable.remote_connections.where(user=7).disconnect(reconnect=False)

    kind = type("Mine", (Connection,), {"connect": connect, "identified_by": ("user",)})
    shop = Shop(kind)
    peer = shop.client.connect()
    assert peer.disconnect_message == {"type": "disconnect", "reason": "remote", "reconnect": False}
    assert not peer.welcomed
    assert nobody_is_left(shop)


def test_other_origins_are_refused_and_the_log_says_why(caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop()
    refused = shop.refused(origin="https://evil.test")
    assert (refused.status, refused.body) == (403, "This origin may not connect.\n")
    assert "CABLE_ALLOWED_ORIGINS = ['https://evil.test']" in caplog.records[-1].getMessage()
    assert shop.refused(origin=None).status == 403
    assert "no Origin header" in caplog.records[-1].getMessage()


def test_the_origin_is_not_looked_at_when_that_is_switched_off() -> None:
    client = Shop(CABLE_CHECK_ORIGIN=False).client
    assert client.connect(origin=None).welcomed
    assert client.connect(origin="https://evil.test").welcomed


def test_named_origins_are_accepted() -> None:
    client = Shop(CABLE_ALLOWED_ORIGINS=["https://app.test"]).client
    assert client.connect(origin="https://app.test").welcomed


def test_too_many_are_told_to_come_back_later(caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop(CABLE_MAX_CONNECTIONS=2)
    first, _ = shop.client.connect(), shop.client.connect()
    refused = shop.refused()
    assert (refused.status, refused.response.headers["Retry-After"]) == (503, "5")
    assert "CABLE_MAX_CONNECTIONS = 2" in caplog.records[-1].getMessage()
    first.close()
    assert shop.client.connect().welcomed


def test_handshakes_that_go_on_count_too() -> None:
    shop = Shop(CABLE_MAX_CONNECTIONS=1)
    outcome: list[int] = []

    class Mine(Connection):
        def connect(self) -> None:
            outcome.append(shop.refused().status)

    shop.cable.connection(Mine)
    assert shop.client.connect().welcomed
    assert outcome == [503]


def test_a_process_that_ends_takes_nobody() -> None:
    shop = Shop()
    shop.runtime.drain.start(0)
    refused = shop.refused()
    assert (refused.status, refused.response.headers["Retry-After"]) == (503, "5")


def test_bad_handshakes_are_refused_with_their_status() -> None:
    shop = Shop()
    for headers, status in (
        ({"Sec-WebSocket-Version": "8"}, 426),
        ({"Sec-WebSocket-Key": "short"}, 400),
        ({"Sec-WebSocket-Key": ""}, 400),
    ):
        refused = shop.refused(headers=headers)
        assert refused.status == status
        assert refused.response.mimetype == "text/plain"
    assert refused.response.status_code == 400


def test_a_server_without_a_socket_is_told_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Origin": "http://localhost",
    }
    response = Shop().app.test_client().get("/cable", headers=headers)
    assert response.status_code == 501
    assert "gunicorn -k gevent" in response.text
    assert caplog.records[-1].levelno == logging.ERROR


def test_a_refusal_is_plain_text_with_the_headers_of_its_status() -> None:
    for status, expected in (
        (426, {"Upgrade": "websocket", "Sec-WebSocket-Version": "13"}),
        (503, {"Retry-After": "5"}),
    ):
        response = plain(Refusal(status, "text"))
        assert (response.status_code, response.mimetype, response.get_data()) == (
            status,
            "text/plain",
            b"text\n",
        )
        assert {name: response.headers[name] for name in expected} == expected
    assert "Retry-After" not in plain(Refusal(400, "text")).headers


def upgraded(shop: Shop, origin: str = "http://localhost") -> WebSocketPeer:
    """Connect through a server that has said 101 already, as gevent-websocket's does."""
    shop.runtime.executor = ReadyExecutor()
    shop.runtime.handler.executor = shop.runtime.executor
    near, far = socket.socketpair()
    peer = WebSocketPeer(far)
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Origin": origin, "Sec-WebSocket-Key": "x"}
    ready = SimpleNamespace(handler=SimpleNamespace(socket=near))
    shop.app.test_client().get("/cable", headers=headers, environ_overrides={"wsgi.websocket": ready}).close()
    while shop.runtime.executor.turn() | peer.turn():
        pass
    let_go(shop)
    near.close()
    far.close()
    return peer


def let_go(shop: Shop) -> None:
    """Leave no socket open."""
    shop.cable.restart()
    assert isinstance(shop.runtime.executor, ManualExecutor)
    shop.runtime.executor.advance(3600)


def test_a_server_that_has_said_101_already_is_not_asked_for_a_good_handshake() -> None:
    assert upgraded(Shop()).heard == ['{"type":"welcome"}']


def test_where_no_http_answer_is_possible_a_refusal_is_a_close() -> None:
    peer = upgraded(Shop(), "https://evil.test")
    assert (peer.heard, peer.closed_with) == ([], (1008, "This origin may not connect."))
    shop = Shop(CABLE_MAX_CONNECTIONS=1)
    shop.client.connect()
    peer = upgraded(shop)
    assert (peer.heard, peer.closed_with) == ([], (1013, "Too many connections; come back later."))


class Tls:
    """A socket that cannot be taken, whose peer is gone at once."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sock, name)

    def pending(self) -> int:
        return 0


def test_where_the_socket_cannot_be_taken_the_server_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[bool] = []
    monkeypatch.setattr(NativeTransport, "hold", lambda self: held.append(True))
    shop = Shop()
    shop.runtime.executor = ReadyExecutor()
    shop.runtime.handler.executor = shop.runtime.executor
    near, far = socket.socketpair()
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Origin": "http://localhost",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    with near, far:
        overrides = {"gunicorn.socket": Tls(near), "wsgi.multithread": True}
        response = shop.app.test_client().get("/cable", headers=headers, environ_overrides=overrides)
        assert (response.status_code, held) == (101, [True])
        assert far.recv(100).startswith(b"HTTP/1.1 101 ")
        let_go(shop)


def test_an_answer_that_is_replaced_gives_its_place_back() -> None:
    shop = Shop()
    shop.app.after_request(lambda response: shop.app.make_response(("not you", 403)))
    assert shop.refused().status == 403
    assert nobody_is_left(shop)


def test_an_exit_in_connect_gives_its_place_back() -> None:
    with pytest.raises(SystemExit):
        connecting(lambda connection: exit(1))


# The pub/sub adapter's word.


class Mute(MemoryPubSub):
    """An adapter that does not confirm."""

    def subscribe(self, stream: str, callback: Any, on_live: Any = None) -> int:
        self.confirm = on_live
        return super().subscribe(stream, callback)


def mute_shop(monkeypatch: pytest.MonkeyPatch, **config: Any) -> Shop:
    monkeypatch.setattr("flask_cable.runtime.open_pubsub", lambda url, options: Mute())
    return Shop(**config)


def test_nobody_is_welcomed_before_a_remote_disconnect_can_reach_him(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = mute_shop(monkeypatch)
    peer = shop.client.connect()
    assert peer.transmissions == []
    shop.runtime.hub.bus.confirm()  # type: ignore[attr-defined]
    assert peer.welcomed
    shop.client.advance_time(60)
    assert not peer.closed


def test_who_waits_too_long_for_the_adapter_is_told_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = mute_shop(monkeypatch, CABLE_HANDSHAKE_TIMEOUT=4)
    peer = shop.client.connect()
    shop.client.advance_time(3.9)
    assert not peer.closed
    shop.client.advance_time(0.1)
    assert peer.closed_with == (1013, "the pub/sub adapter did not answer in time")
    assert nobody_is_left(shop)
    shop.runtime.hub.bus.confirm()  # type: ignore[attr-defined]
    assert not peer.welcomed


def test_several_workers_that_do_not_hear_each_other_are_warned_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shop = Shop()
    for several in (False, True, True):
        with shop.app.test_request_context("/cable", environ_overrides={"wsgi.multiprocess": several}):
            shop.runtime.admission.answer(shop.cable.channels_route, request, session)
        assert ("CABLE_URL" in caplog.text) == several
    assert caplog.text.count("several workers") == 1
