"""The transport that owns its socket: RFC 6455 as a server has to speak it, and taking a server's socket."""

from __future__ import annotations

import errno
import io
import logging
import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from transports.test_base import SocketRig, TransportContract
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame as TheirFrame
from websockets.frames import Opcode
from websockets.protocol import SERVER, Protocol

from flask_cable.errors import UnsupportedServer
from flask_cable.protocols.frames import Frame
from flask_cable.transports.base import Limits
from flask_cable.transports.native import (
    TLS_LINGER,
    Codecs,
    LockedNativeTransport,
    NativeTransport,
    find_socket,
    single_text,
    take_over,
)


@pytest.fixture
def rig() -> Iterator[SocketRig]:
    made = SocketRig()
    yield made
    made.end()


class TestNativeTransport(TransportContract):
    @pytest.fixture
    def rig(self) -> Iterator[SocketRig]:
        made = SocketRig()
        yield made
        made.end()


class TestLockedNativeTransport(TransportContract):
    @pytest.fixture
    def rig(self) -> Iterator[SocketRig]:
        made = SocketRig(LockedNativeTransport)
        yield made
        made.end()


class Counted:
    """A lock that knows whether it is held."""

    def __init__(self) -> None:
        self.held = 0
        self.lock = threading.RLock()

    def __enter__(self) -> None:
        self.lock.acquire()
        self.held += 1

    def __exit__(self, *error: object) -> None:
        self.held -= 1
        self.lock.release()


def test_with_threads_everything_happens_under_the_lock() -> None:
    rig = SocketRig(LockedNativeTransport)
    guard, held = Counted(), []
    rig.executor.guard = guard

    class Watchful:
        def __init__(self, sock: Any) -> None:
            self.sock = sock

        def __getattr__(self, name: str) -> Any:
            if name in ("send", "recv", "shutdown", "close"):
                held.append((name, guard.held > 0))
            return getattr(self.sock, name)

        def __hasattr__(self, name: str) -> bool:
            return name != "pending"

    rig.transport._sock = Watchful(rig.near)
    rig.transport.send(Frame(b"x"))
    rig.say("a")
    rig.settle()
    rig.transport.pause()
    rig.transport.resume()
    rig.connection.close()
    rig.settle()
    rig.executor.advance(60)
    assert {name for name, _ in held} >= {"send", "recv", "close"}
    assert all(under for _, under in held)
    rig.end()


# Beginning.


def test_the_answer_to_the_handshake_comes_first() -> None:
    rig = SocketRig(head=b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    rig.transport.send(Frame(b"x"))
    assert rig.peer.sock.recv(100) == b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x01x"
    rig.end()


def test_a_server_that_has_answered_is_not_answered_again(rig: SocketRig) -> None:
    with pytest.raises(BlockingIOError):
        rig.peer.sock.recv(1)


def test_the_socket_does_not_block_and_sends_small_frames_at_once() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with socket.create_connection(listener.getsockname()) as far, listener:
        near, _ = listener.accept()
        rig = SocketRig(wrap=lambda unix: near)
        assert near.gettimeout() == 0
        assert near.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            assert near.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000
        far.close()
        rig.executor.turn()
        assert rig.executor.watched == 0
        rig.end()


# Frames of a peer.


def raw(opcode: int, data: bytes = b"", fin: bool = True, masked: bool = True, bits: int = 0) -> bytes:
    """Return a frame, right or wrong, with a mask of zeros."""
    size = len(data)
    length = bytes([size]) if size < 126 else bytes([126]) + size.to_bytes(2, "big")
    length = bytes([length[0] | 0x80 * masked]) + length[1:]
    return bytes([0x80 * fin | bits | opcode]) + length + bytes(4) * masked + data


def test_fragments_are_one_message(rig: SocketRig) -> None:
    rig.peer.send(raw(1, b"a", fin=False) + raw(0, b"b", fin=False) + raw(0, b"c"))
    rig.peer.send(raw(2, b"\xff", fin=False) + raw(0, b"", fin=False) + raw(0, b"\xfe"))
    rig.settle()
    assert rig.received == ["abc", b"\xff\xfe"]


def test_control_frames_may_come_between_fragments(rig: SocketRig) -> None:
    rig.peer.send(raw(1, b"a", fin=False) + raw(9, b"ping") + raw(10, b"pong") + raw(0, b"b"))
    rig.settle()
    assert (rig.received, rig.peer.pongs) == (["ab"], [b"ping"])


def test_the_connection_is_told_of_pings_and_not_of_pongs(rig: SocketRig) -> None:
    told: list[str] = []
    rig.connection.handler.pinged = lambda connection: told.append("ping")  # type: ignore[method-assign]
    rig.peer.send(raw(9, b"a") + raw(10, b"b") + raw(9, b"") + raw(1, b"c"))
    rig.settle()
    assert (told, rig.received) == (["ping", "ping"], ["c"])


def test_a_character_may_be_split_between_fragments(rig: SocketRig) -> None:
    smile = "\U0001f600".encode()
    rig.peer.send(raw(1, smile[:1], fin=False) + raw(0, smile[1:3], fin=False) + raw(0, smile[3:]))
    rig.settle()
    assert rig.received == ["\U0001f600"]


def test_bytes_may_come_one_by_one(rig: SocketRig) -> None:
    frames = raw(1, b"hello") + raw(2, b"x" * 200) + raw(9, b"p") + raw(1, b"a", fin=False) + raw(0, b"b")
    for number in range(len(frames)):
        rig.peer.send(frames[number : number + 1])
        rig.executor.turn()
    rig.settle()
    assert (rig.received, rig.peer.pongs) == (["hello", b"x" * 200, "ab"], [b"p"])


def test_many_frames_may_come_at_once(rig: SocketRig) -> None:
    rig.peer.send(b"".join(raw(1, b"%d" % number) for number in range(1000)))
    rig.settle()
    assert rig.received == [str(number) for number in range(1000)]


BAD = {
    "not masked": (raw(1, b"x", masked=False), 1002),
    "reserved bit": (raw(1, b"x", bits=0x40), 1002),
    "other reserved bit": (raw(1, b"x", bits=0x10), 1002),
    "unknown opcode": (raw(3, b"x"), 1002),
    "unknown control opcode": (raw(11, b"x"), 1002),
    "continuation of nothing": (raw(0, b"x"), 1002),
    "message within a message": (raw(1, b"a", fin=False) + raw(1, b"b"), 1002),
    "fragmented ping": (raw(9, b"x", fin=False), 1002),
    "large ping": (raw(9, b"x" * 126), 1002),
    "close of one byte": (raw(8, b"x"), 1002),
    "close with a reserved code": (raw(8, (1005).to_bytes(2, "big")), 1002),
    "close with bad text": (raw(8, (1000).to_bytes(2, "big") + b"\xff"), 1007),
    "bad text": (raw(1, b"\xff"), 1007),
    "bad text in fragments": (raw(1, b"a", fin=False) + raw(0, b"\xe9"), 1007),
    "text that ends too early": (raw(1, "\U0001f600".encode()[:3]), 1007),
    "surrogate": (raw(1, b"\xed\xa0\x80"), 1007),
    "large message": (raw(1, b"x" * 1001), 1009),
    "large message in fragments": (raw(1, b"x" * 600, fin=False) + raw(0, b"x" * 401), 1009),
    "announcement of a large message": (bytes([0x82, 0xFF]) + (2**40).to_bytes(8, "big"), 1009),
}


@pytest.mark.parametrize("name", BAD)
def test_what_breaks_the_protocol_ends_it_with_a_code(name: str) -> None:
    data, code = BAD[name]
    rig = SocketRig(limits=Limits(message=1000))
    violations: list[int] = []
    rig.connection.handler.violated = lambda _, code, reason: violations.append(code)  # type: ignore[method-assign]
    rig.peer.send(raw(1, b"good") + data)
    rig.settle()
    assert rig.received == ["good"]
    assert rig.closed_with is not None
    assert rig.closed_with[0] == code
    assert [closed for closed, _ in rig.closes] == violations == [code]
    rig.executor.advance(60)
    assert (rig.executor.watched, rig.peer.read(), rig.peer.ended) == (0, False, True)
    rig.end()


def test_a_message_of_the_largest_size_is_taken() -> None:
    rig = SocketRig(limits=Limits(message=1000))
    rig.say("x" * 1000)
    rig.peer.send(raw(1, b"x" * 500, fin=False) + raw(0, b"x" * 500))
    rig.settle()
    assert rig.received == ["x" * 1000] * 2
    rig.end()


# Parsers are lent.


def test_an_idle_connection_has_no_parser(rig: SocketRig) -> None:
    assert rig.transport._codec is None
    rig.peer.send(raw(1, b"a") + raw(9, b""))
    rig.settle()
    assert rig.transport._codec is None
    assert len(rig.codecs._idle) == 1


def test_one_message_alone_needs_no_parser(rig: SocketRig) -> None:
    for size in (0, 1, 125, 126, 999):
        rig.say("a" * size)
        rig.settle()
    assert [len(text) for text in rig.received] == [0, 1, 125, 126, 999]
    assert rig.codecs._idle == []


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535])
def test_one_message_alone_is_told_from_all_else(size: int) -> None:
    text = raw(1, b"x" * size)
    assert single_text(text, 2**20) == "x" * size
    assert single_text(text, size) == "x" * size
    different = [text[:-1], text + b"\x81", b"\x01" + text[1:], b"\x82" + text[1:], b"\xc1" + text[1:]]
    different.append(bytes((text[0], text[1] & 0x7F)) + text[2:])
    assert [single_text(one, 2**20) for one in different] == [None] * len(different)
    assert size == 0 or single_text(text, size - 1) is None


def test_one_message_that_is_no_text_is_for_the_parser() -> None:
    assert single_text(raw(1, b"\xff\xfe"), 100) is None
    assert [single_text(b"\x81"[:n], 100) for n in range(2)] == [None, None]


def test_connections_share_parsers() -> None:
    codecs = Codecs(1000)
    rigs = [SocketRig(codecs=codecs) for _ in range(5)]
    for number, rig in enumerate(rigs * 3):
        rig.peer.send(raw(1, b"%d" % number) + raw(9, b""))
        rig.settle()
    assert [rig.received for rig in rigs] == [[str(n), str(n + 5), str(n + 10)] for n in range(5)]
    assert len(codecs._idle) == 1
    for rig in rigs:
        rig.end()


def test_who_is_in_the_middle_keeps_his(rig: SocketRig) -> None:
    for half in (raw(1, b"a", fin=False), raw(1, b"abc")[:3], raw(1, b"abc")[:-1]):
        other = SocketRig(codecs=rig.codecs)
        other.peer.send(half)
        other.settle()
        assert other.transport._codec is not None
        rig.say("from another")
        rig.settle()
        assert rig.received[-1] == "from another"
        other.peer.send(raw(0, b"b") if half[0] == 1 else raw(1, b"abc")[len(half) :])
        other.settle()
        assert other.received == ["ab" if half[0] == 1 else "abc"]
        other.end()


def test_a_parser_that_has_seen_an_end_is_not_lent_again() -> None:
    codecs = Codecs(1000)
    codec = codecs.lend()
    assert codecs.take_back(codec)
    assert codecs.lend() is codec
    codec.receive_data(raw(8))
    codec.events_received()
    assert not codecs.take_back(codec)
    assert codecs.lend() is not codec


def test_only_so_many_parsers_are_kept() -> None:
    codecs = Codecs(1000)
    for codec in [codecs.lend() for _ in range(150)]:
        assert codecs.take_back(codec)
    assert len(codecs._idle) == 100


# Compression.


def test_messages_are_compressed_both_ways_where_that_was_agreed_on() -> None:
    rig = SocketRig(codecs=Codecs(100_000, inflating=True))
    rig.peer.codec.extensions = [PerMessageDeflate(True, True, 15, 15)]
    for number in range(3):
        rig.transport.send(Frame(b"%d" % number * 10_000))
        rig.say(f"{number}" * 10_000)
        rig.settle()
    assert rig.heard == rig.received == [f"{number}" * 10_000 for number in range(3)]
    rig.peer.send(raw(1, b"plain"))
    rig.settle()
    assert rig.received[-1] == "plain"
    rig.end()


def test_a_bomb_is_refused() -> None:
    rig = SocketRig(limits=Limits(message=1000), codecs=Codecs(1000, inflating=True))
    rig.peer.codec.extensions = [PerMessageDeflate(True, True, 15, 15)]
    rig.say("x" * 1_000_000)
    rig.settle()
    assert rig.closed_with is not None
    assert (rig.closed_with[0], rig.received) == (1009, [])
    rig.end()


# Ending.


def test_a_close_is_answered_and_the_line_is_closed(rig: SocketRig) -> None:
    rig.hang_up(4000, "bye")
    rig.settle()
    assert (rig.closed_with, rig.closes, rig.peer.ended) == ((4000, "bye"), [(4000, "bye")], True)
    rig.vanish()
    rig.settle()
    assert rig.executor.watched == 0


def test_a_close_without_a_code_is_1005(rig: SocketRig) -> None:
    rig.peer.send(raw(8))
    rig.settle()
    assert rig.closes == [(1005, "")]


def test_what_comes_after_a_close_is_not_read(rig: SocketRig) -> None:
    rig.peer.send(raw(1, b"a") + raw(8, (1000).to_bytes(2, "big")) + raw(1, b"b"))
    rig.settle()
    assert (rig.received, rig.closes) == (["a"], [(1000, "")])


def test_what_was_said_before_our_close_arrived_is_ignored(rig: SocketRig) -> None:
    rig.connection.close(4000, "bye")
    rig.say("crossing")
    rig.settle()
    assert (rig.received, rig.closes) == ([], [(4000, "bye")])


def test_a_peer_that_answers_our_close_is_let_go(rig: SocketRig) -> None:
    rig.connection.close(4000, "bye")
    rig.settle()
    assert rig.peer.ended
    rig.vanish()
    rig.settle()
    assert (rig.executor.watched, rig.transport._sock) == (0, None)


def test_a_peer_that_does_not_answer_our_close_is_left() -> None:
    rig = SocketRig(limits=Limits(close_timeout=7))
    rig.connection.close()
    rig.executor.advance(6.9)
    assert rig.transport._sock is not None
    rig.executor.advance(0.1)
    assert (rig.transport._sock, rig.executor.watched) == (None, 0)
    assert rig.closes == [(1000, "")]
    rig.end()


def test_a_peer_that_lingers_after_its_close_is_left() -> None:
    rig = SocketRig(limits=Limits(close_timeout=7))
    rig.hang_up(1000, "")
    rig.settle()
    assert rig.executor.watched > 0
    rig.executor.advance(7)
    assert rig.executor.watched == 0
    rig.end()


def test_a_pause_does_not_keep_a_close_from_ending(rig: SocketRig) -> None:
    rig.transport.pause()
    assert rig.executor.watched == 0
    rig.connection.close()
    rig.settle()
    assert rig.closed_with == (1000, "")


def test_a_signal_without_bytes_is_no_matter(rig: SocketRig) -> None:
    rig.transport._readable()
    assert rig.closes == []


def test_a_line_that_breaks_is_missed(rig: SocketRig) -> None:
    class Broken:
        fileno = rig.near.fileno

        def recv(self, size: int) -> bytes:
            raise ConnectionResetError

        def close(self) -> None: ...

    rig.transport._sock = Broken()
    rig.transport._readable()
    assert rig.closes == [(1006, "")]


def test_while_it_is_paused_nothing_is_read(rig: SocketRig) -> None:
    rig.transport.pause()
    rig.say("a")
    rig.settle()
    assert rig.received == []
    rig.transport.resume()
    rig.settle()
    assert rig.received == ["a"]


def test_half_a_message_is_not_received_when_the_peer_goes(rig: SocketRig) -> None:
    rig.peer.send(raw(1, b"a", fin=False) + raw(0, b"b")[:3])
    rig.executor.turn()
    rig.vanish()
    rig.settle()
    assert (rig.received, rig.closes) == ([], [(1006, "")])


def test_a_bug_in_reading_ends_the_connection_and_is_logged(
    rig: SocketRig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: Protocol, data: bytes) -> None:
        raise LookupError("bug")

    monkeypatch.setattr(Protocol, "receive_data", fail)
    rig.peer.send(raw(2, b"a"))
    rig.executor.turn()
    assert rig.closes == [(1006, "")]
    assert (rig.executor.watched, caplog.records[-1].levelno) == (0, logging.ERROR)


# Signs of life.


def test_a_peer_that_gives_no_sign_of_life_is_gone(rig: SocketRig) -> None:
    for _ in range(3):
        rig.transport.probe(3)
    assert rig.closes == []
    rig.transport.probe(3)
    assert rig.closes == [(1006, "")]
    assert rig.handler.counts == {"stale": 1}


def test_any_answer_is_a_sign_of_life(rig: SocketRig) -> None:
    for sign in (b"", raw(10), raw(1, b"message")):
        for _ in range(3):
            rig.transport.probe(3)
        rig.peer.send(sign)
        rig.settle()  # and the peer answers pings
    assert rig.closes == []


def test_who_is_not_listened_to_is_not_missed(rig: SocketRig) -> None:
    rig.transport.pause()
    for _ in range(10):
        rig.transport.probe(3)
    assert rig.closes == []


def test_who_is_gone_is_not_probed(rig: SocketRig) -> None:
    rig.vanish()
    rig.settle()
    rig.transport.probe(3)
    assert rig.closes == [(1006, "")]


# TLS, where a socket cannot be taken.


class Tls:
    """A socket that holds bytes back, as TLS does, and tells no event about them."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.held = b""
        self.closed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sock, name)

    def pending(self) -> int:
        return len(self.held)

    def recv(self, size: int) -> bytes:
        data = self.held or self.sock.recv(size)
        self.held = data[10:]
        return data[:10]

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def tls() -> Iterator[SocketRig]:
    made = SocketRig(wrap=Tls)
    yield made
    made.end()


def test_what_tls_holds_back_is_read(tls: SocketRig) -> None:
    tls.say("x" * 100)
    tls.executor.turn()
    assert tls.received == ["x" * 100]


def test_a_tls_line_stays_for_a_moment_and_is_shut_down_not_closed(tls: SocketRig) -> None:
    sock = tls.transport._sock
    tls.connection.close(4000, "bye")
    tls.settle()
    assert (tls.closed_with, tls.peer.ended) == ((4000, "bye"), False)
    tls.executor.advance(TLS_LINGER)
    tls.settle()
    assert (tls.peer.ended, sock.closed, tls.transport._sock) == (True, False, None)


def test_a_tls_line_that_is_gone_already_is_no_matter(tls: SocketRig) -> None:
    tls.near.close()
    tls.transport._reading = None
    tls.executor.watches.clear()
    tls.transport._lost()
    assert tls.closes == [(1006, "")]


def test_who_holds_is_let_go_when_the_peer_is_gone(tls: SocketRig) -> None:
    log: list[str] = []

    class Event:
        def set(self) -> None:
            log.append("set")

        def clear(self) -> None: ...

        def wait(self, timeout: float | None = None) -> bool:
            log.append("wait")
            tls.transport._lost()
            return True

    tls.executor.event = Event  # type: ignore[method-assign]
    tls.transport.hold()
    assert log == ["wait", "set"]
    tls.transport.hold()
    assert log == ["wait", "set"]


def test_nobody_is_held_where_the_socket_is_ours(rig: SocketRig) -> None:
    rig.executor.event = None  # type: ignore[method-assign, assignment]
    rig.transport.hold()
    assert not rig.closes


# Taking a server's socket.


def environ(**changes: Any) -> dict[str, Any]:
    return {"SERVER_PROTOCOL": "HTTP/1.1", "wsgi.multithread": True, **changes}


def test_each_servers_socket_is_found() -> None:
    with socket.socket() as sock:
        for key in ("gunicorn.socket", "gunicorn.sock", "werkzeug.socket"):
            assert find_socket(environ(**{key: sock})) is sock
        buffered = SimpleNamespace(rfile=SimpleNamespace(raw=SimpleNamespace(_sock=sock)))
        assert find_socket(environ(**{"wsgi.input": buffered})) is sock
        assert find_socket(environ(**{"wsgi.input": buffered.rfile})) is sock


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"SERVER_PROTOCOL": "HTTP/2.0", "gunicorn.socket": object()}, "came as HTTP/2.0"),
        ({"SERVER_PROTOCOL": "HTTP/1.0", "gunicorn.socket": object()}, "proxy_http_version 1.1"),
        ({"SERVER_PROTOCOL": None}, "needs HTTP/1.1"),
        ({"gunicorn.socket": object(), "wsgi.multithread": False}, "-k gevent"),
        ({}, "This server gives no access to its socket"),
        ({"SERVER_SOFTWARE": "Waitress"}, "Waitress gives no access.*gunicorn -k gevent"),
        ({"wsgi.input": io.BytesIO()}, "no access"),
        ({"wsgi.input": SimpleNamespace(raw=SimpleNamespace(_sock=object()))}, "no access"),
    ],
)
def test_a_server_that_cannot_carry_it_is_told_what_to_do(changes: dict[str, Any], hint: str) -> None:
    with pytest.raises(UnsupportedServer, match=hint):
        find_socket(environ(**changes))


def test_a_socket_is_taken_out_of_the_servers_hands() -> None:
    server, far = socket.socketpair()
    with server, far:
        number = server.fileno()
        taken = take_over(server)
        assert taken.fileno() == number != server.fileno()
        taken.sendall(b"ours")
        assert far.recv(100) == b"ours"
        assert server.recv(100) == b""  # its peer has hung up
        with pytest.raises(BrokenPipeError):
            server.sendall(b"what a server still says")
        server.close()
        taken.sendall(b"still ours")
        assert far.recv(100) == b"still ours"
        taken.close()


def test_a_servers_shutdown_does_not_reach_the_peer() -> None:
    server, far = socket.socketpair()
    with server, far:
        taken = take_over(server)
        server.shutdown(socket.SHUT_RDWR)
        taken.sendall(b"ours")
        assert far.recv(100) == b"ours"
        taken.close()


def test_one_servers_end_is_not_anothers() -> None:
    pairs = [socket.socketpair() for _ in range(2)]
    taken = [take_over(server) for server, _ in pairs]
    first, second = (server for server, _ in pairs)
    first.shutdown(socket.SHUT_RDWR)
    first.close()
    assert second.fileno() > 0
    assert second.recv(100) == b""
    for sock in (*taken, second, *(far for _, far in pairs)):
        sock.close()


def test_a_server_keeps_its_socket_when_the_process_has_too_many_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(fd: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    server, far = socket.socketpair()
    with server, far:
        monkeypatch.setattr("flask_cable.transports.native.os.dup", full)
        with pytest.raises(OSError, match="Too many"):
            take_over(server)
        server.sendall(b"HTTP/1.1 500")
        assert far.recv(100) == b"HTTP/1.1 500"


def test_a_tls_socket_is_left_where_it_is() -> None:
    with socket.socket() as sock:
        tls = Tls(sock)
        assert take_over(tls) is tls


def test_our_frames_are_what_another_server_would_send() -> None:
    theirs = Protocol(SERVER)
    theirs.send_text(b"hello")
    assert (
        theirs.data_to_send()
        == [Frame(b"hello").wire]
        == [TheirFrame(Opcode.TEXT, b"hello").serialize(mask=False)]
    )
    assert NativeTransport.__slots__
