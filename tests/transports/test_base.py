"""The contract of a transport, run on each of them over a rig; and how one is chosen.

A rig is a connection, its transport and a peer. Those with a socket use ``ReadyExecutor``, whose sockets are
looked at when the test says so, and ``WebSocketPeer``, whose parser is not ours.
"""

from __future__ import annotations

import select
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from core.test_handler import RecordingHandler
from websockets.frames import Opcode
from websockets.protocol import CLIENT, Protocol

from flask_cable.core.connection import Connection
from flask_cable.core.executor import Executor, Job, ManualExecutor
from flask_cable.protocols.frames import BINARY, TEXT, Frame
from flask_cable.transports import find_socket, is_upgraded, open_loopback, open_native
from flask_cable.transports.base import Limits, Transport, clipped
from flask_cable.transports.native import Codecs, LockedNativeTransport, NativeTransport

Message = str | bytes


class ReadyExecutor(ManualExecutor):
    """Watches sockets, and calls back only in ``turn``."""

    def __init__(self) -> None:
        super().__init__()
        self.watches: list[tuple[int, Job, bool]] = []

    def watch(self, sock: Any, function: Job, write: bool = False) -> Any:
        watch = (sock.fileno(), function, write)
        self.watches.append(watch)
        self.watched += 1
        return watch

    def unwatch(self, watch: Any) -> None:
        self.watches.remove(watch)
        self.watched -= 1

    def turn(self) -> bool:
        """Call those whose sockets are ready now; False when there are none."""
        ready = [watch for watch in self.watches if _is_ready(*watch)]
        for watch in ready:
            if watch in self.watches:
                watch[1]()
        return bool(ready)


def _is_ready(fileno: int, function: Job, write: bool) -> bool:
    poll = select.poll()
    poll.register(fileno, select.POLLOUT if write else select.POLLIN)
    return bool(poll.poll(0))


class WebSocketPeer:
    """The other end of a socket.

    Attributes:
        heard: whole messages.
        pongs: payloads of pongs.
        closed_with: the code and reason that came in a close frame.
        ended: whether there is nothing more to come.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.codec = Protocol(CLIENT, max_size=None)
        self.heard: list[Message] = []
        self.pongs: list[bytes] = []
        self.ended = False
        self._unsent = b""
        self._parts: list[bytes] = []

    @property
    def closed_with(self) -> tuple[int, str] | None:
        close = self.codec.close_rcvd
        return None if close is None else (close.code, close.reason)

    def say(self, *messages: Message) -> None:
        for message in messages:
            if isinstance(message, str):
                self.codec.send_text(message.encode())
            else:
                self.codec.send_binary(message)
        self.send()

    def send(self, data: bytes = b"") -> bool:
        """Write what is to be written, as far as the socket takes it; True when some of it went."""
        self._unsent += b"".join(self.codec.data_to_send()) + data
        try:
            sent = self.sock.send(self._unsent) if self._unsent else 0
        except OSError:
            return False
        self._unsent = self._unsent[sent:]
        return sent > 0

    def read(self, size: int = 2**20) -> bool:
        """Read what there is; True when there was something."""
        if self.ended:
            return False
        try:
            data = self.sock.recv(size)
        except BlockingIOError:
            return False
        except ConnectionError:
            data = b""
        if data:
            self.codec.receive_data(data)
        else:
            self.ended = True
        for frame in self.codec.events_received():
            self._take(frame)
        assert self.codec.parser_exc is None
        return True

    def _take(self, frame: Any) -> None:
        if frame.opcode is Opcode.PONG:
            self.pongs.append(bytes(frame.data))
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._parts.append(bytes(frame.data))
        if frame.fin:
            whole, self._parts = b"".join(self._parts), []
            self.heard.append(whole.decode() if self._is_text else whole)

    def turn(self) -> bool:
        """Read and write once."""
        read = self.read()
        return self.send() or read

    def hang_up(self, code: int = 1000, reason: str = "") -> None:
        self.codec.send_close(code, reason)
        self.send()

    def vanish(self) -> None:
        self.sock.close()
        self.ended = True


class Rig(ABC):
    """A connection, its transport and a peer."""

    connection: Connection
    transport: Transport
    handler: RecordingHandler

    @abstractmethod
    def say(self, *messages: Message) -> None:
        """The peer sends messages."""

    @abstractmethod
    def hang_up(self, code: int, reason: str) -> None:
        """The peer closes."""

    @abstractmethod
    def vanish(self) -> None:
        """The peer is gone without a word."""

    @property
    @abstractmethod
    def heard(self) -> list[Message]:
        """The messages that reached the peer."""

    @property
    @abstractmethod
    def closed_with(self) -> tuple[int, str] | None:
        """The close that reached the peer."""

    @abstractmethod
    def until(self, condition: Callable[[], object]) -> None:
        """Let things happen until a condition holds."""

    @property
    def received(self) -> list[Message]:
        """What reached the application."""
        return [call[1] for call in self.handler.calls if call[0] == "received"]

    @property
    def closes(self) -> list[tuple[int, str]]:
        """The ends that the application was told of."""
        return [call[1:] for call in self.handler.calls if call[0] == "closed"]


class WireRig(Rig):
    """A rig whose peer is at the other end of a socket."""

    peer: WebSocketPeer

    def say(self, *messages: Message) -> None:
        self.peer.say(*messages)

    def hang_up(self, code: int, reason: str) -> None:
        self.peer.hang_up(code, reason)

    def vanish(self) -> None:
        self.peer.vanish()

    @property
    def heard(self) -> list[Message]:
        return self.peer.heard

    @property
    def closed_with(self) -> tuple[int, str] | None:
        return self.peer.closed_with


class SocketRig(WireRig):
    """A native transport over a pair of sockets; nothing happens between two turns."""

    def __init__(
        self,
        kind: type[NativeTransport] = NativeTransport,
        limits: Limits | None = None,
        head: bytes = b"",
        codecs: Codecs | None = None,
        wrap: Callable[[socket.socket], Any] = lambda sock: sock,
    ) -> None:
        self.executor = ReadyExecutor()
        self.handler = RecordingHandler(self.executor)
        self.limits = limits or Limits()
        self.codecs = codecs or Codecs(self.limits.message)
        self.near, far = socket.socketpair()
        self.peer = WebSocketPeer(far)
        self.connection = Connection(self.handler, 1)
        transport = kind(self.connection, wrap(self.near), self.executor, self.codecs, self.limits)
        self.transport: NativeTransport = transport
        transport.start(head)
        self.connection.attach(transport)
        self.connection.handle_open()

    def until(self, condition: Callable[[], object]) -> None:
        while not condition():
            assert self.turn(), "nothing more will happen"

    def settle(self) -> None:
        """Let everything happen."""
        while self.turn():
            pass

    def turn(self) -> bool:
        ours = self.executor.turn()
        return self.peer.turn() or ours

    def end(self) -> None:
        """Leave nothing open."""
        self.connection.close()
        self.executor.advance(3600)
        self.peer.sock.close()
        self.near.close()


TEXTS = ("", "a", "\u00e9\u4e2d\U0001f600", "x" * 125, "x" * 126, "x" * 65535, "x" * 65536, '{"a":"\\u0000"}')


class TransportContract:
    """What every transport promises."""

    def test_messages_are_received_whole_and_in_order(self, rig: Rig) -> None:
        messages: list[Message] = [*TEXTS, b"", b"\x00\xff", bytes(range(256)) * 1000, "last"]
        rig.say(*messages)
        rig.until(lambda: len(rig.received) == len(messages))
        assert rig.received == messages

    def test_messages_are_sent_whole_and_in_order(self, rig: Rig) -> None:
        for text in TEXTS:
            assert rig.transport.send(Frame(text.encode(), TEXT))
        assert rig.transport.send(Frame(b"\x00\xff" * 1000, BINARY))
        rig.until(lambda: len(rig.heard) == len(TEXTS) + 1)
        assert rig.heard == [*TEXTS, b"\x00\xff" * 1000]

    def test_a_large_message_goes_through_both_ways(self, rig: Rig) -> None:
        large = bytes(range(256)) * 3000
        rig.say(large)
        rig.transport.send(Frame(large, BINARY))
        rig.until(lambda: rig.received and rig.heard)
        assert (rig.received, rig.heard) == ([large], [large])

    def test_many_messages_are_not_mixed(self, rig: Rig) -> None:
        for number in range(300):
            rig.transport.send(Frame(b"%d:" % number + b"x" * number))
        rig.until(lambda: len(rig.heard) == 300)
        assert rig.heard == [f"{number}:" + "x" * number for number in range(300)]

    def test_a_close_reaches_the_peer_after_what_was_sent(self, rig: Rig) -> None:
        rig.transport.send(Frame(b"goodbye"))
        rig.connection.close(4001, "enough")
        rig.until(lambda: rig.closed_with is not None)
        assert (rig.heard, rig.closed_with) == (["goodbye"], (4001, "enough"))
        rig.until(lambda: rig.closes)
        assert rig.closes == [(4001, "enough")]

    def test_closing_again_is_harmless(self, rig: Rig) -> None:
        rig.connection.close(4001, "first")
        rig.transport.close(4002, "second")
        rig.until(lambda: rig.closed_with is not None)
        assert rig.closed_with == (4001, "first")
        rig.until(lambda: rig.closes)
        assert rig.closes == [(4001, "first")]

    def test_after_a_close_nothing_is_sent(self, rig: Rig) -> None:
        rig.transport.close(1000, "")
        assert not rig.transport.send(Frame(b"late"))
        rig.until(lambda: rig.closed_with is not None)
        assert rig.heard == []

    def test_the_peer_may_close(self, rig: Rig) -> None:
        rig.say("last words")
        rig.hang_up(4003, "tired")
        rig.until(lambda: rig.closes)
        assert (rig.received, rig.closes) == (["last words"], [(4003, "tired")])
        assert not rig.connection.transmit("late")

    def test_a_peer_that_vanishes_is_missed_once(self, rig: Rig) -> None:
        rig.say("last words")
        rig.until(lambda: rig.received)
        rig.vanish()
        rig.until(lambda: rig.closes)
        assert rig.closes == [(1006, "")]
        rig.transport.close(1000, "")
        assert rig.closes == [(1006, "")]

    def test_a_peer_may_be_left_alone_and_heard_again(self, rig: Rig) -> None:
        rig.transport.pause()
        rig.transport.pause()
        rig.transport.resume()
        rig.transport.resume()
        rig.say("a")
        rig.until(lambda: rig.received)
        assert rig.received == ["a"]

    def test_a_probe_disturbs_nobody(self, rig: Rig) -> None:
        rig.transport.probe(3)
        rig.say("a")
        rig.transport.send(Frame(b"b"))
        rig.until(lambda: rig.received and rig.heard)
        assert (rig.received, rig.heard) == (["a"], ["b"])


# What all share.


def test_a_transport_has_to_keep_the_whole_promise() -> None:
    with pytest.raises(TypeError, match=r"abstract methods.*close.*pause.*resume.*send"):
        Transport(None)  # type: ignore[abstract, arg-type]


def test_most_hold_nobody_and_need_no_probes() -> None:
    class Least(Transport):
        def send(self, frame: Frame) -> bool:
            return True

        def close(self, code: int, reason: str) -> None: ...

        def pause(self) -> None: ...

        def resume(self) -> None: ...

    least = Least(Connection(RecordingHandler()))
    least.hold()
    least.probe(3)


def test_a_reason_fits_into_a_control_frame() -> None:
    for reason, expected in (
        ("", ""),
        ("x" * 123, "x" * 123),
        ("x" * 124, "x" * 123),
        ("\u00e9" * 61 + "x", "\u00e9" * 61 + "x"),
        ("\u00e9" * 62, "\u00e9" * 61),
        ("\U0001f600" * 31, "\U0001f600" * 30),
    ):
        assert clipped(reason) == expected


# Choosing one.


def environ(**changes: Any) -> dict[str, Any]:
    return {"SERVER_PROTOCOL": "HTTP/1.1", "wsgi.multithread": True, **changes}


def test_the_environ_tells_which_socket_there_is() -> None:
    sock, upgraded = object(), SimpleNamespace(handler=SimpleNamespace(socket="beneath"))
    assert find_socket(environ(**{"gunicorn.socket": sock})) is sock
    assert find_socket(environ(**{"wsgi.websocket": upgraded, "gunicorn.socket": sock})) == "beneath"
    assert find_socket(environ(**{"flask_cable.loopback": object(), "gunicorn.socket": sock})) is None


def test_only_a_server_that_answered_already_has_upgraded() -> None:
    assert is_upgraded({"wsgi.websocket": object()})
    assert not is_upgraded({"wsgi.websocket": None})
    assert not is_upgraded({})


def test_a_test_client_is_handed_its_transport() -> None:
    handler, order = RecordingHandler(), []
    connection = Connection(handler)
    acceptance = SimpleNamespace(accepted=lambda transport: order.append(transport))
    open_loopback(
        {"flask_cable.loopback": acceptance}, connection, [("A", "b")], lambda: order.append("begin")
    )
    assert order == [connection.transport, "begin"]
    assert order[0].headers == [("A", "b")]


@pytest.mark.parametrize("threaded", [False, True])
def test_a_socket_is_taken_and_answered_before_anything_begins(threaded: bool) -> None:
    executor = ReadyExecutor()
    executor.threaded = threaded
    near, far = socket.socketpair()
    began: list[Any] = []
    connection = Connection(RecordingHandler(executor))
    resources: tuple[Executor, Codecs, Limits] = (executor, Codecs(100), Limits())
    with near, far:
        transport = open_native(
            near, connection, b"HEAD", lambda: began.append((far.recv(10), connection.transport)), resources
        )
        assert began == [(b"HEAD", transport)]
        assert type(transport) is (LockedNativeTransport if threaded else NativeTransport)
        connection.close()
        executor.advance(60)
    assert executor.watched == 0
