"""Behaviours under real servers: what a peer on the wire sees, and how the server says that it ended."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from support.parts import require
from support.servers import KINDS, Server
from support.wire import BINARY, PING, PONG, TEXT, Wire, eventually, frame

APP = "support.apps.messengers:create_app()"
LINE = re.compile(r"DISCONNECTED rule=/ws seconds=\d+\.\d+ frames_received=10 frames_sent=6 reason=(.*)")


@pytest.fixture(scope="module", params=["gunicorn-gevent", "gunicorn-gthread", "gunicorn-gevent-websocket"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    require(*KINDS[request.param].parts)
    with Server(request.param, APP) as server:
        yield server


@pytest.fixture
def peer(server: Server) -> Iterator[Wire]:
    with enter(server) as wire:
        yield wire


def enter(server: Server, path: str = "/ws") -> Wire:
    """A peer that was let in, and told by whom."""
    wire = Wire(server.port)
    answer = wire.ask(path, {"Sec-WebSocket-Protocol": None})
    assert answer.status == 101, answer
    assert wire.hear().keys() == {"pid"}
    return wire


def endings(server: Server) -> Any:
    found: Any = server.get("/").json()
    return found["endings"]


def last_ending(server: Server, peer: Wire) -> Any:
    """How this peer's connection ended: the state, and the reason."""
    before = len(endings(server))
    peer.close()
    return eventually(lambda: endings(server)[before:], "terminate is called")[-1]


def test_who_is_refused_gets_an_http_answer(server: Server) -> None:
    for query, status, text in (("refuse=1", 400, "who?"), ("forbidden=1", 403, "not you")):
        with Wire(server.port) as wire:
            answer = wire.ask(f"/ws?{query}", {"Sec-WebSocket-Protocol": None})
            if server.kind != "gunicorn-gevent-websocket":
                assert (answer.status, answer.text) == (status, text)
            elif query == "refuse=1":  # that server has said 101 before anybody was asked
                assert wire.hear_close() == (1008, "not authorized")
            else:
                assert wire.hear_end() == b"\x88\x00"  # that server's own, without a code
    assert server.get("/ws").status == 426


def test_a_ping_is_answered_and_is_no_message(server: Server, peer: Wire) -> None:
    peer.send(PING, b"are you there")
    assert peer.hear_pong() == b"are you there"
    assert last_ending(server, peer) == [0, "('remote', 1006, '')"]


def test_frames_go_both_ways(peer: Wire) -> None:
    peer.send(BINARY, b"\x00\xff")
    heard = peer.hear_frame()
    assert (heard.opcode, heard.payload) == (BINARY, b"\x00\xff")
    peer.say(do="noop")
    peer.say(do="members", group="none")
    assert peer.hear() == {"done": 0}  # and nothing before it


def test_frames_after_a_close_are_not_sent(server: Server, peer: Wire) -> None:
    before = len(endings(server))
    peer.say(do="end", code=4001, reason="enough")
    heard = peer.hear_frame()
    assert (heard.opcode, heard.payload) == (TEXT, b'"before"')
    assert peer.hear_close() == (4001, "enough")
    peer.say_close(4001)
    assert peer.hear_end() == b""
    assert eventually(lambda: endings(server)[before:], "terminate is called") == [[1, "'stop'"]]


def test_the_peers_close_is_the_reason(server: Server, peer: Wire) -> None:
    before = len(endings(server))
    peer.say_close(4321, "mine")
    assert peer.hear_close() == (4321, "mine")
    assert eventually(lambda: endings(server)[before:], "terminate is called") == [
        [0, "('remote', 4321, 'mine')"],
    ]


def test_one_callback_runs_at_a_time_whoever_speaks(server: Server, peer: Wire) -> None:
    with enter(server, "/careful") as careful:
        for number in range(100):
            peer.say(do="publish", group="careful", message=number)
            careful.say(number=number)
        for number in range(200):
            assert careful.hear() == {"count": number + 1, "at once": 1}


def test_a_frame_may_be_so_large_and_no_larger(server: Server, peer: Wire) -> None:
    large = b"x" * 5_000_000
    peer.write(frame(BINARY, large))
    assert peer.hear_frame().payload == large
    before = len(endings(server))
    peer.write_some(frame(BINARY, large + b"x"))
    assert peer.hear_close()[0] == 1009
    ((_, reason),) = eventually(lambda: endings(server)[before:], "terminate is called")
    assert reason.startswith("('error', MalformedMessage('closed with 1009")


def test_an_error_closes_and_leaves_nothing(server: Server, peer: Wire) -> None:
    before = len(endings(server))
    peer.say(do="fail")
    assert peer.hear_close() == (1011, "internal error")
    assert eventually(lambda: endings(server)[before:], "terminate is called") == [
        [0, "('error', LookupError('told to'))"],
    ]
    eventually(lambda: connections(server) == 0, "nobody is left")


def connections(server: Server) -> int:
    found: Any = server.get("/").json()
    return int(found["connections"])


def test_who_is_idle_is_closed_and_who_pings_is_not(server: Server) -> None:
    with enter(server, "/idle") as idle, enter(server, "/idle") as pinging:
        before, began = len(endings(server)), time.monotonic()
        while time.monotonic() < began + 2.5:
            pinging.send(PING, b"x")
            assert pinging.hear_pong() == b"x"
            time.sleep(0.1)
        assert idle.hear_close() == (1000, "")
        assert endings(server)[before:] == [[0, "'timeout'"]]


def test_the_log_counts_frames_and_no_control_frames(server: Server, peer: Wire) -> None:
    before = len(LINE.findall(server.log()))
    for _ in range(5):
        peer.say(do="noop")
        peer.say(do="members", group="none")
        peer.send(PING)
    answers = [peer.hear_frame() for _ in range(10)]
    assert [heard.opcode for heard in answers].count(PONG) == 5
    peer.say_close()
    (reason,) = eventually(lambda: LINE.findall(server.log())[before:], "the log says so")
    assert reason == "('remote', 1000, '')"
    assert "CONNECTED rule=/ws" in server.log()


def test_past_the_cap_it_is_503_and_each_that_goes_makes_room() -> None:
    require(*KINDS["gunicorn-gevent"].parts)
    env = {"FLASK_CABLE_MAX_CONNECTIONS": "3"}
    with Server("gunicorn-gevent", APP, env=env) as server, ExitStack() as stack:
        peers = []
        for count in range(1, 4):
            peers.append(stack.enter_context(enter(server)))
            assert connections(server) == count
        with Wire(server.port) as wire:
            answer = wire.ask("/ws", {"Sec-WebSocket-Protocol": None})
            assert (answer.status, json.loads(answer.text)) == (503, {"error": "full"})
        for count in range(2, -1, -1):
            peers.pop().close()
            eventually(lambda count=count: connections(server) == count, "it makes room")
        assert server.stop() == 0  # with nobody there


@pytest.mark.parametrize("kind", ["gunicorn-gevent", "gunicorn-gthread"])
def test_at_the_end_everybody_is_told_to_reconnect(kind: str) -> None:
    require(*KINDS[kind].parts)
    with Server(kind, APP) as server, ExitStack() as stack:
        peers = [stack.enter_context(enter(server)) for _ in range(3)]
        began = time.monotonic()
        os.kill(server.pid, signal.SIGTERM)
        assert [peer.hear_close() for peer in peers] == [
            (1001, "server shutting down; please reconnect"),
        ] * 3
        for peer in peers:
            peer.say_close(1001)
        eventually(lambda: not server.running, "the server ends")
        assert time.monotonic() - began < 10
