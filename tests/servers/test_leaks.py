"""Connections that come, subscribe and leave by every exit, and leave nothing behind.

Bounded: `ROUNDS` rounds of `PEERS` connections. CABLE_TEST_SOAK=1 makes it 200 rounds of 200, for which
`make test` is too impatient: `pytest -o faulthandler_timeout=3600 tests/servers/test_leaks.py`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from support.parts import require
from support.servers import KINDS, Server
from support.wire import Closed, Ended, Wire, eventually, join

APP = "support.apps.load:create_app()"
SOAK = bool(os.environ.get("CABLE_TEST_SOAK"))
ROUNDS, PEERS = (200, 200) if SOAK else (24, 40)
WARM_UP = 8
ENV = {
    "LOAD_CABLE_STALE_AFTER": "8" if SOAK else "3",  # the peers answer pings only while they are read
    "LOAD_CABLE_CLOSE_TIMEOUT": "1.0",
    "LOAD_CABLE_MAX_CONNECTIONS": "1000",
}
IDENTIFIER = json.dumps({"channel": "LoadChannel"})
GROWTH = 6_000  # KiB: what an allocator may keep of it all; a leak of 1 KiB a connection would be seen


@pytest.fixture(params=["gunicorn-gevent", "gunicorn-gthread"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    require(*KINDS[request.param].parts)
    with Server(request.param, APP, env=ENV) as started:
        yield started


def held(server: Server) -> Any:
    return server.get("/held").json()


def failing(place: str) -> str:
    return json.dumps({"channel": "LoadChannel", "fail": place})


Exit = Callable[[Server, ExitStack], None]


def peers(server: Server, stack: ExitStack, identifier: str = IDENTIFIER, query: str = "") -> list[Wire]:
    found = [stack.enter_context(join(server.port, f"/cable?name=peer{query}")) for _ in range(PEERS)]
    for peer in found:
        peer.say(command="subscribe", identifier=identifier)
    for peer in found:
        assert peer.hear()["identifier"] == identifier
    return found


def close_frame(server: Server, stack: ExitStack) -> None:
    for peer in peers(server, stack):
        peer.say_close()
        peer.hear_end()


def reset(server: Server, stack: ExitStack) -> None:
    for peer in peers(server, stack):
        peer.reset()


def end_of_stream(server: Server, stack: ExitStack) -> None:
    for peer in peers(server, stack):
        peer.end()
        peer.hear_end()


def silence(server: Server, stack: ExitStack) -> None:
    """Half-open: the peers stay and answer nothing, until the server has given up on them."""
    peers(server, stack)
    eventually(lambda: held(server)["connections"] == 0, "the silent ones are found", 30)


def unsubscribe(server: Server, stack: ExitStack) -> None:
    for peer in peers(server, stack):
        peer.say(command="unsubscribe", identifier=IDENTIFIER)
        peer.say_close()
        peer.hear_end()


def server_close(server: Server, stack: ExitStack) -> None:
    for peer in peers(server, stack):
        peer.perform(IDENTIFIER, "break_off")
        with suppress(Closed, Ended):
            while True:
                peer.hear()


def protocol_error(server: Server, stack: ExitStack) -> None:
    for peer in peers(server, stack):
        peer.write(b"\xff" * 20)
        peer.hear_end()


def error_in_unsubscribed(server: Server, stack: ExitStack) -> None:
    for peer in peers(server, stack, failing("unsubscribed")):
        peer.reset()


def error_in_subscribed(server: Server, stack: ExitStack) -> None:
    for peer in peers(server, stack, failing("subscribed")):
        peer.reset()


def error_in_a_timer(server: Server, stack: ExitStack) -> None:
    for peer in peers(server, stack, failing("tick")):
        peer.reset()


def error_in_disconnected(server: Server, stack: ExitStack) -> None:
    for peer in peers(server, stack, query="&fail=disconnected"):
        peer.reset()


def error_in_connect(server: Server, stack: ExitStack) -> None:
    for _ in range(PEERS):
        peer = stack.enter_context(Wire(server.port))
        assert peer.ask("/cable?fail=connect").status == 101
        assert peer.hear_close()[0] == 1011


def refused(server: Server, stack: ExitStack) -> None:
    for _ in range(PEERS):
        peer = stack.enter_context(Wire(server.port))
        assert peer.ask(headers={"Origin": "http://elsewhere.example"}).status == 403


def half_a_handshake(server: Server, stack: ExitStack) -> None:
    for _ in range(PEERS):
        peer = stack.enter_context(Wire(server.port))
        peer.write(peer.request()[:60])
        peer.reset()


def killed(server: Server, stack: ExitStack) -> None:
    """A whole process of peers ends with kill -9."""
    child = subprocess.Popen(
        [sys.executable, "-c", MANY, str(server.port), str(PEERS)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        os.kill(child.pid, signal.SIGKILL)


MANY = f"""
import sys
from support.wire import join
peers = [join(int(sys.argv[1])) for _ in range(int(sys.argv[2]))]
for peer in peers:
    peer.subscribe({IDENTIFIER!r})
print("ready", flush=True)
sys.stdin.read() if sys.stdin else None
import signal
signal.pause()
"""

EXITS: list[Exit] = [
    close_frame,
    reset,
    end_of_stream,
    silence,
    unsubscribe,
    server_close,
    protocol_error,
    error_in_unsubscribed,
    error_in_subscribed,
    error_in_a_timer,
    error_in_disconnected,
    error_in_connect,
    refused,
    half_a_handshake,
    killed,
]


def rounds(server: Server, count: int) -> Any:
    """So many rounds, each by the next exit; returns what is held once all are gone."""
    for number in range(count):
        with ExitStack() as stack:
            EXITS[number % len(EXITS)](server, stack)
    eventually(lambda: held(server)["taken"] == 0, "every place is free", 30)
    eventually(lambda: held(server)["watched"] == 0, "every socket is closed", 30)
    return held(server)


def test_nothing_is_left_behind(server: Server) -> None:
    rounds(server, max(WARM_UP, len(EXITS)))
    before = rounds(server, WARM_UP)
    after = rounds(server, ROUNDS)
    assert after["streams"] == []
    assert after["fds"] <= before["fds"]
    assert after["threads"] <= max(before["threads"], 42), (
        "gunicorn's 8, our 32, the reactor and the main one"
    )
    assert after["greenlets"] <= max(before["greenlets"], 110), "a hundred wait for work"
    assert after["rss_kib"] - before["rss_kib"] < GROWTH, (before, after)
