"""An object of simple-websocket that somebody else opened: nothing through it is cut short or mixed.

Its reader is a thread, so this rig has real threads, and every wait has a deadline.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from core.test_handler import RecordingHandler
from transports.test_base import TransportContract, WebSocketPeer, WireRig

from flask_cable.core.connection import Connection
from flask_cable.errors import UnsupportedServer
from flask_cable.executors import ThreadExecutor
from flask_cable.protocols.frames import Frame
from flask_cable.transports.base import Limits
from flask_cable.transports.simple_websocket import SimpleWebSocketTransport

pytestmark = pytest.mark.needs("simple_websocket")

DEADLINE = 5.0
HANDSHAKE = {
    "REQUEST_METHOD": "GET",
    "PATH_INFO": "/ws",
    "QUERY_STRING": "",
    "HTTP_HOST": "shop.test",
    "HTTP_UPGRADE": "websocket",
    "HTTP_CONNECTION": "Upgrade",
    "HTTP_SEC_WEBSOCKET_VERSION": "13",
    "HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ==",
}


def opened(near: socket.socket, far: socket.socket, handshake: dict[str, str], **options: Any) -> Any:
    """Return what flask-sock hands to a route, its handshake done."""
    from simple_websocket import Server

    ws = Server({**HANDSHAKE, **handshake, "werkzeug.socket": near}, **options)
    far.settimeout(DEADLINE)
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += far.recv(1)
    assert answer.startswith(b"HTTP/1.1 101")
    return ws


class ThreadRig(WireRig):
    """A route's thread that runs the transport until the peer is gone."""

    def __init__(
        self,
        limits: Limits | None = None,
        buffer: int = 0,
        handshake: dict[str, str] | None = None,
        **options: Any,
    ) -> None:
        self.executor = ThreadExecutor(4)
        self.handler = RecordingHandler(self.executor)
        self.near, far = socket.socketpair()
        if buffer:
            self.near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        self.ws = opened(self.near, far, handshake or {}, **options)
        self.peer = WebSocketPeer(far)
        self.reading = True
        self.connection = Connection(self.handler, 1)
        transport = SimpleWebSocketTransport(self.connection, self.ws, self.executor, limits or Limits())
        self.transport: SimpleWebSocketTransport = transport
        self.connection.attach(transport)
        self.route = threading.Thread(target=transport.run, args=(self.connection.handle_open,), daemon=True)
        self.route.start()

    def until(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"
            if not self.reading or not self.peer.turn():
                time.sleep(0.001)

    def end(self) -> None:
        self.connection.close()
        self.reading = True
        self.until(lambda: not self.route.is_alive() or self.peer.ended)
        self.peer.sock.close()
        self.until(lambda: not self.route.is_alive())
        self.ws.thread.join(DEADLINE)
        self.executor.stop()
        self.near.close()


@pytest.fixture
def rig() -> Iterator[ThreadRig]:
    made = ThreadRig()
    yield made
    made.end()


class TestSimpleWebSocketTransport(TransportContract):
    @pytest.fixture
    def rig(self) -> Iterator[ThreadRig]:
        made = ThreadRig()
        yield made
        made.end()


def test_what_a_slow_peer_gets_is_whole() -> None:
    """simple-websocket by itself drops what a short write left over."""
    rig = ThreadRig(buffer=4096, limits=Limits(outbox=2**24))
    messages = [f"{number}:" + "x" * 50_000 for number in range(20)]
    for message in messages:
        assert rig.transport.send(Frame(message.encode()))
    rig.until(lambda: len(rig.heard) == len(messages))
    assert rig.heard == messages
    rig.end()


def test_what_several_threads_send_is_not_mixed(rig: ThreadRig) -> None:
    def send(name: str) -> None:
        for number in range(100):
            rig.transport.send(Frame(f"{name}:{number}:".encode() + name.encode() * 500))

    threads = [threading.Thread(target=send, args=(name,), daemon=True) for name in "abcd"]
    for thread in threads:
        thread.start()
    rig.until(lambda: len(rig.heard) == 400)
    for thread in threads:
        thread.join(DEADLINE)
    for name in "abcd":
        mine = [str(text) for text in rig.heard if str(text).startswith(name)]
        assert mine == [f"{name}:{number}:" + name * 500 for number in range(100)]


def test_pings_are_answered_between_our_frames(rig: ThreadRig) -> None:
    for number in range(10):
        rig.peer.codec.send_ping(b"%d" % number)
        rig.peer.send()
        rig.transport.send(Frame(b"x" * 10_000))
    rig.until(lambda: len(rig.peer.pongs) == 10 and len(rig.heard) == 10)
    assert rig.peer.pongs == [b"%d" % number for number in range(10)]


def test_who_does_not_read_is_told_to_come_back() -> None:
    rig = ThreadRig(buffer=4096, limits=Limits(outbox=5000))
    rig.reading = False
    while rig.transport.send(Frame(b"x" * 1000)):
        pass
    rig.until(lambda: rig.closes)
    assert rig.handler.counts == {"too_slow": 1}
    rig.reading = True
    rig.until(lambda: rig.closed_with is not None)
    assert rig.heard[-1] == "disconnect too_slow True"
    rig.end()


def test_a_message_that_is_too_large_ends_it() -> None:
    rig = ThreadRig(limits=Limits(message=1000))
    rig.say("x" * 1000)
    rig.until(lambda: rig.received)
    rig.say("x" * 1001)
    try:
        rig.until(lambda: rig.closes and rig.closed_with is not None)
        assert rig.closed_with is not None
        assert (rig.closed_with[0], rig.closes[0][0]) == (1009, 1009)
        assert rig.received == ["x" * 1000]
    finally:
        rig.end()


def test_the_routes_own_limit_holds() -> None:
    rig = ThreadRig(max_message_size=10)
    assert rig.ws.max_message_size == 10
    rig.end()


def test_the_route_returns_when_what_was_sent_is_written() -> None:
    rig = ThreadRig(buffer=4096)
    rig.reading = False
    large = "x" * 200_000
    rig.transport.send(Frame(large.encode()))
    rig.connection.close(4000, "bye")
    assert rig.route.is_alive()
    rig.reading = True
    rig.until(lambda: not rig.route.is_alive())
    rig.until(lambda: rig.closed_with is not None)
    assert (rig.heard, rig.closed_with) == ([large], (4000, "bye"))
    rig.end()


def test_the_route_does_not_wait_for_ever() -> None:
    rig = ThreadRig(buffer=4096, limits=Limits(close_timeout=0.1))
    rig.reading = False
    rig.transport.send(Frame(b"x" * 200_000))
    rig.connection.close()
    rig.until(lambda: not rig.route.is_alive())
    rig.end()


def test_while_it_is_paused_messages_wait(rig: ThreadRig) -> None:
    rig.say("first")
    rig.until(lambda: rig.received)
    rig.transport.pause()
    rig.say("second", "third", "fourth")
    rig.peer.codec.send_ping(b"p")
    rig.peer.send()
    rig.until(lambda: rig.peer.pongs)  # so all of them have been read
    assert "third" not in rig.received  # one may have been under way
    rig.transport.resume()
    rig.until(lambda: len(rig.received) == 4)
    assert rig.received == ["first", "second", "third", "fourth"]


def test_compressed_messages_are_read_and_ours_need_not_be_compressed() -> None:
    from websockets.extensions.permessage_deflate import PerMessageDeflate

    rig = ThreadRig(handshake={"HTTP_SEC_WEBSOCKET_EXTENSIONS": "permessage-deflate"})
    rig.peer.codec.extensions = [PerMessageDeflate(False, False, 15, 15)]
    for number in range(3):
        rig.say(f"{number}" * 10_000)
        rig.transport.send(Frame(f"{number}".encode() * 10_000))
    rig.until(lambda: len(rig.received) == len(rig.heard) == 3)
    assert rig.received == rig.heard == [f"{number}" * 10_000 for number in range(3)]
    rig.end()


def test_tls_is_refused_with_the_remedy() -> None:
    ws = SimpleNamespace(sock=SimpleNamespace(pending=lambda: 0))
    with pytest.raises(UnsupportedServer, match="Let a proxy end TLS, or use the cable's own route"):
        SimpleWebSocketTransport(Connection(RecordingHandler()), ws, ThreadExecutor(), Limits())


def test_nothing_of_it_is_left(rig: ThreadRig) -> None:
    rig.hang_up(1000, "")
    rig.until(lambda: not rig.route.is_alive())
    rig.until(lambda: rig.executor.watched == 0)
    rig.until(lambda: rig.transport._sock is None)
