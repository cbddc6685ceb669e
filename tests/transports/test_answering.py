"""An answer on a socket of its own: written whole, however slowly it is read, and then the line ends."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from transports.test_base import ReadyExecutor

from flask_cable.core.executor import Job
from flask_cable.transports.answering import LINGER, Answering


class Request:
    """A request that waits for its answer, and the peer that sent it."""

    def __init__(self) -> None:
        self.executor = ReadyExecutor()
        self.near, self.peer = socket.socketpair()
        self.near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.peer.setblocking(False)
        self.gone: list[str] = []
        self.answering = Answering(self.near, self.executor, lambda: self.gone.append("gone"))

    def read(self) -> bytes | None:
        """What the peer has read; None when there is nothing yet."""
        try:
            return self.peer.recv(2**20)
        except BlockingIOError:
            return None

    def read_all(self) -> bytes:
        found = b""
        while True:
            while self.executor.turn():
                pass
            data = self.read()
            if not data:
                return found
            found += data

    @property
    def is_over(self) -> bool:
        return self.near.fileno() == -1 and not self.executor.watches


@pytest.fixture
def request_() -> Iterator[Request]:
    made = Request()
    yield made
    made.near.close()
    made.peer.close()


def test_an_answer_is_written_and_the_line_ends(request_: Request) -> None:
    request_.answering.answer(b"HTTP/1.1 200 OK\r\n\r\n4a")
    assert request_.read_all() == b"HTTP/1.1 200 OK\r\n\r\n4a"
    assert request_.read() == b""
    request_.peer.close()
    request_.executor.turn()
    assert request_.is_over
    assert request_.gone == []


def test_a_large_answer_is_written_as_it_is_read(request_: Request) -> None:
    body = bytes(range(256)) * 4000
    request_.answering.answer(body)
    assert request_.executor.watched == 1
    assert request_.read_all() == body
    request_.peer.close()
    request_.executor.turn()
    assert request_.is_over


def test_a_peer_that_hangs_up_first_is_missed(request_: Request) -> None:
    request_.peer.close()
    request_.executor.turn()
    assert request_.gone == ["gone"]
    assert request_.is_over
    request_.answering.answer(b"late")
    assert request_.gone == ["gone"]


class Elsewhere(ReadyExecutor):
    """Is asked by another thread than its own, which is as fast as can be."""

    def watch(self, sock: Any, function: Job, write: bool = False) -> Any:
        watch = super().watch(sock, function, write)
        if not self._running:
            self.turn()
        return watch


def test_a_peer_that_is_gone_already_is_missed_too() -> None:
    executor, gone = Elsewhere(), list[str]()
    near, peer = socket.socketpair()
    peer.close()
    Answering(near, executor, lambda: gone.append("gone"))
    executor.turn()
    assert gone == ["gone"]
    assert near.fileno() == -1


def test_what_a_peer_says_meanwhile_is_of_no_use(request_: Request) -> None:
    request_.peer.send(b"GET / HTTP/1.1\r\n\r\n")
    request_.executor.turn()
    assert request_.gone == []
    request_.answering.answer(b"answer")
    assert request_.read_all() == b"answer"


def test_a_peer_that_does_not_read_is_left(request_: Request) -> None:
    request_.answering.answer(bytes(1_000_000))
    request_.executor.advance(LINGER + 0.1)
    assert request_.is_over


def test_a_peer_that_does_not_hang_up_is_left(request_: Request) -> None:
    request_.answering.answer(b"answer")
    assert request_.read_all() == b"answer"
    request_.executor.advance(LINGER + 0.1)
    assert request_.is_over


def test_a_peer_that_goes_while_it_is_answered_is_left(request_: Request) -> None:
    request_.answering.answer(bytes(1_000_000))
    request_.peer.close()
    request_.executor.turn()
    assert request_.is_over
    assert request_.gone == []


def test_a_line_that_is_reset_is_an_end_too(request_: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    class Reset:
        fileno = request_.near.fileno

        def recv(self, size: int) -> bytes:
            raise ConnectionResetError

        def close(self) -> None:
            request_.near.close()

    request_.answering._sock = Reset()
    request_.peer.send(b"x")
    request_.executor.turn()
    assert request_.gone == ["gone"]
