"""No network: what is sent is kept, and what a peer would say is handed in."""

from collections.abc import Callable

import pytest
from core.test_handler import RecordingHandler
from transports.test_base import Message, Rig, TransportContract

from flask_cable.core.connection import Connection
from flask_cable.protocols.frames import BINARY, Burst, Frame
from flask_cable.transports.loopback import LoopbackTransport


class LoopbackRig(Rig):
    """Nothing to wait for."""

    def __init__(self) -> None:
        self.handler = RecordingHandler()
        self.connection = Connection(self.handler, 1)
        self.transport: LoopbackTransport = LoopbackTransport(self.connection)
        self.connection.attach(self.transport)

    def say(self, *messages: Message) -> None:
        self.transport.say(*messages)

    def hang_up(self, code: int, reason: str) -> None:
        self.transport.hang_up(code, reason)

    def vanish(self) -> None:
        self.transport.hang_up(1006)

    @property
    def heard(self) -> list[Message]:
        return self.transport.sent

    @property
    def closed_with(self) -> tuple[int, str] | None:
        return self.transport.closed_with

    def until(self, condition: Callable[[], object]) -> None:
        assert condition()


class TestLoopbackTransport(TransportContract):
    @pytest.fixture
    def rig(self) -> LoopbackRig:
        return LoopbackRig()


def test_text_is_kept_as_text_and_binary_as_bytes() -> None:
    rig = LoopbackRig()
    rig.transport.send(Frame("\u00e9".encode()))
    rig.transport.send(Frame(b"\xff", BINARY))
    assert rig.transport.sent == ["\u00e9", b"\xff"]


def test_it_says_whether_quiet_was_asked_for() -> None:
    transport = LoopbackRig().transport
    assert not transport.paused
    transport.pause()
    assert transport.paused
    transport.resume()
    assert not transport.paused


def test_the_headers_of_the_answer_are_kept() -> None:
    connection = Connection(RecordingHandler())
    assert LoopbackTransport(connection).headers == []
    assert LoopbackTransport(connection, [("A", "b")]).headers == [("A", "b")]


def test_whoever_closes_first_is_remembered() -> None:
    rig = LoopbackRig()
    rig.transport.hang_up(4000, "mine")
    rig.transport.close(1000, "yours")
    assert rig.transport.closed_with == (4000, "mine")


def test_frames_in_one_piece_are_kept_one_by_one() -> None:
    transport = LoopbackTransport(Connection(RecordingHandler(), 1))
    transport.send(Burst((Frame(b"head"), Frame(b"\x01", BINARY))))
    assert transport.sent == ["head", b"\x01"]
