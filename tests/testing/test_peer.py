"""A peer's side of a WebSocket on a route of any style."""

from __future__ import annotations

import pytest
from flask import Flask, abort
from support.apps.echo import EchoRoute

from flask_cable import Binary, Cable, Close, Text
from flask_cable.testing import CableClient, HandshakeRefused


@pytest.fixture
def client():
    app, cable = Flask("shop"), Cable()
    app.config["SECRET_KEY"] = "x"
    cable.add_route(EchoRoute("/echo/<int:number>", "echo"))
    cable.init_app(app)
    with CableClient(app) as client:
        yield client


@pytest.fixture
def peer(client):
    peer = client.websocket("/echo/7")
    assert peer.receive() == "{'number': 7}"
    return peer


def test_text_and_binary_go_both_ways(peer):
    peer.send("hello", b"\x00\xff", "")
    assert [peer.receive(), peer.receive(), peer.receive()] == ["hello", b"\x00\xff", ""]
    assert peer.messages == ["{'number': 7}", "hello", b"\x00\xff", ""]


def test_json(peer):
    peer.send_json({"a": [True, None]})
    assert peer.unread == ['{"a": [true, null]}']
    assert peer.receive_json() == {"a": [True, None]}
    assert peer.unread == []


def test_what_was_not_received_says_what_was(peer):
    peer.send("hello")
    peer.receive()
    with pytest.raises(AssertionError, match=r"(?s)nothing more .*the connection is open.*'hello'"):
        peer.receive()
    peer.connection.close(4000, "enough")
    with pytest.raises(AssertionError, match=r"closed with \(4000, 'enough'\)\."):
        peer.receive()


def test_the_server_closes(peer):
    assert (peer.closed, peer.closed_with) == (False, None)
    peer.connection.close(4000, "enough")
    assert (peer.closed, peer.closed_with) == (True, (4000, "enough"))
    with pytest.raises(AssertionError, match="cannot send: the connection was closed"):
        peer.send("hello")


@pytest.mark.parametrize("code", [1000, 1006])
def test_the_peer_closes(client, peer, code):
    peer.close(code, "bye")
    assert peer.closed_with == (code, "bye")
    assert peer.connection.closed
    assert client.app.extensions["cable"].runtime().registry.taken == 0


def test_an_error_at_the_server_is_raised_by_the_call_that_caused_it(peer):
    peer.connection.handler.received = lambda connection, message: {}["lost"]
    with pytest.raises(KeyError, match="lost"):
        peer.send("hello")


def test_errors_are_listed(client, peer):
    client.raise_server_exceptions = False
    error = KeyError("lost")
    peer.connection.handler.failed(peer.connection, error)
    assert peer.errors == [error]


def test_a_refusal_is_an_http_answer(client):
    client.app.before_request(lambda: abort(401, "who are you?"))
    with pytest.raises(HandshakeRefused, match="who are you") as refused:
        client.websocket("/echo/7")
    assert (refused.value.status, refused.value.rejected) == (401, False)
    client.assert_reject_connection("/echo/7", status=401)


def test_the_handshake_is_a_pages_own_unless_it_is_said_otherwise(client, peer):
    assert not peer.rejected
    assert peer.status == peer.response.status_code == 101
    assert peer.subprotocol is None
    other = client.websocket(
        "/echo/8", headers={"X-Token": "t"}, query_string={"a": "1"}, subprotocols=["soap"]
    )
    assert other.connection.request.headers["X-Token"] == "t"
    assert other.connection.request.args["a"] == "1"
    assert other.connection.handshake.offered == ("soap",)
    assert "CablePeer to <Connection 2>" in repr(other)
    with pytest.raises(HandshakeRefused, match="origin may not"):
        client.websocket("/echo/9", origin="https://evil.example")


def test_messages_may_be_a_behaviours_frames(peer):
    peer.send(Text("hello"), Binary(b"\x00"))
    assert [peer.receive_frame(), peer.receive_frame()] == [Text("hello"), Binary(b"\x00")]
    with pytest.raises(AssertionError, match="nothing more was received"):
        peer.receive_frame()
    peer.send("last")
    peer.connection.close(4000, "enough")
    assert [peer.receive_frame() for _ in range(3)] == [Text("last"), *[Close(4000, "enough")] * 2]
