"""gevent-websocket's object: only its socket is used, and the handshake is not answered twice."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from core.test_handler import RecordingHandler
from transports.test_base import ReadyExecutor, SocketRig, TransportContract, WebSocketPeer

from flask_cable.core.connection import Connection
from flask_cable.transports import Codecs, Limits, find_socket, is_upgraded, open_native

pytestmark = pytest.mark.needs("gevent_websocket")


def upgraded(sock: socket.socket) -> dict[str, Any]:
    """Return the environ that gevent-websocket makes after its own 101."""
    from geventwebsocket.websocket import Stream, WebSocket

    rfile = sock.makefile("rb", -1)
    handler = SimpleNamespace(socket=sock, rfile=rfile, logger=logging.getLogger(__name__))
    environ: dict[str, Any] = {"SERVER_PROTOCOL": "HTTP/1.1"}
    environ["wsgi.websocket"] = WebSocket(environ, Stream(handler), handler)
    return environ


class UpgradedRig(SocketRig):
    """As a socket of any server, but taken from gevent-websocket."""

    def __init__(self) -> None:
        self.executor = ReadyExecutor()
        self.handler = RecordingHandler(self.executor)
        self.near, far = socket.socketpair()
        self.peer = WebSocketPeer(far)
        self.environ = upgraded(self.near)
        self.connection = Connection(self.handler, 1)
        resources = (self.executor, Codecs(2**20), Limits())
        sock = find_socket(self.environ)
        self.transport = open_native(sock, self.connection, b"", self.connection.handle_open, resources)

    def end(self) -> None:
        self.environ["wsgi.websocket"].handler.rfile.close()
        super().end()


@pytest.fixture
def rig() -> Iterator[UpgradedRig]:
    made = UpgradedRig()
    yield made
    made.end()


class TestUpgradedSocket(TransportContract):
    @pytest.fixture
    def rig(self) -> Iterator[UpgradedRig]:
        made = UpgradedRig()
        yield made
        made.end()


def test_it_has_upgraded_already(rig: UpgradedRig) -> None:
    assert is_upgraded(rig.environ)
    with pytest.raises(BlockingIOError):
        rig.peer.sock.recv(1)


def test_what_it_says_at_its_own_end_does_not_reach_the_peer(rig: UpgradedRig) -> None:
    rig.environ["wsgi.websocket"].close()
    rig.connection.transmit("ours")
    rig.settle()
    assert (rig.heard, rig.closed_with) == (['"ours"'], None)


def test_the_key_may_be_there_without_an_object() -> None:
    assert not is_upgraded({"wsgi.websocket": None})
