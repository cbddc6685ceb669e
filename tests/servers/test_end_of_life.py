"""The end of a server: every peer is told, every hook runs once, and the process does not linger."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import ExitStack
from typing import Any

import pytest
from support.parts import require
from support.servers import KINDS, Server
from support.wire import Ended, Wire, eventually, join

APP = "support.apps.load:create_app()"
CHANNEL = json.dumps({"channel": "LoadChannel"})
RESTART = {"type": "disconnect", "reason": "server_restart", "reconnect": True}

PATIENT = ("--graceful-timeout", "25")
ENDS = [
    ("gunicorn-gevent", signal.SIGTERM),
    ("gunicorn-gevent", signal.SIGINT),
    ("gunicorn-gthread", signal.SIGTERM),
    ("gunicorn-gthread", signal.SIGINT),
    ("gunicorn-gevent-pywsgi", signal.SIGTERM),
    ("gunicorn-gevent-websocket", signal.SIGTERM),
    ("pywsgi", signal.SIGINT),
    ("werkzeug", signal.SIGINT),
]


def peers(stack: ExitStack, server: Server, count: int) -> list[Wire]:
    found = [stack.enter_context(join(server.port, f"/cable?name=peer{n}")) for n in range(count)]
    for peer in found:
        peer.subscribe(CHANNEL)
    return found


def come_back(stack: ExitStack, server: Server, name: str) -> Wire | None:
    """A welcomed peer, or None while the old worker answers, which takes nobody any more."""
    wire = stack.enter_context(Wire(server.port))
    answer = wire.ask(f"/cable?name={name}")
    if answer.status == 503:
        return None
    assert (answer.status, wire.hear()) == (101, {"type": "welcome"})
    return wire


def worker_of(server: Server) -> Any:
    held: Any = server.get("/held").json()
    return held["pid"]


def is_told(peer: Wire) -> bool:
    """Whether the peer hears that the server restarts, then close 1012, then the end of the line."""
    while (heard := peer.hear()) != RESTART:
        assert heard.get("identifier") == CHANNEL, heard
    return peer.hear_close() == (1012, "")


@pytest.mark.parametrize(("kind", "signal_number"), ENDS)
def test_every_peer_is_told_and_the_process_ends_soon(kind: str, signal_number: signal.Signals) -> None:
    require(*KINDS[kind].parts)
    with (
        Server(kind, APP, args=PATIENT if kind.startswith("gunicorn") else ()) as server,
        ExitStack() as stack,
    ):
        told = peers(stack, server, 20)
        begun = time.monotonic()
        os.kill(server.pid, signal_number)
        assert all(is_told(peer) for peer in told)
        for peer in told:
            peer.say_close(1012)
            peer.hear_end()
        eventually(lambda: not server.running, "the process ends")
        assert time.monotonic() - begun < 10, "it must not wait for gunicorn's graceful timeout"


def test_hooks_run_once_each(tmp_path: Any) -> None:
    require("gunicorn", "gevent")
    record = tmp_path / "seen"
    with Server("gunicorn-gevent", f"support.apps.last_words:create_app({str(record)!r})") as server:
        with ExitStack() as stack:
            told = peers(stack, server, 5)
            os.kill(server.pid, signal.SIGTERM)
            assert all(is_told(peer) for peer in told)
        eventually(lambda: not server.running, "the process ends")
    lines = sorted(record.read_text().split("\n")[:-1])
    assert lines == sorted(f"{what} peer{n}" for n in range(5) for what in ("disconnected", "unsubscribed"))


def test_a_reload_moves_peers_to_the_new_worker() -> None:
    require("gunicorn", "gevent")
    with Server("gunicorn-gevent", APP, args=PATIENT) as server, ExitStack() as stack:
        told = peers(stack, server, 10)
        old = worker_of(server)
        os.kill(server.pid, signal.SIGHUP)
        assert all(is_told(peer) for peer in told)
        eventually(lambda: worker_of(server) != old, "the new worker answers")
        for number in range(10):
            peer = eventually(
                lambda name=f"peer{number}": come_back(stack, server, name), "a peer comes back"
            )
            peer.subscribe(CHANNEL)
            peer.perform(CHANNEL, "echo", text="hi")
            assert peer.hear_message(CHANNEL)["text"] == "hi"


def test_max_requests_leaves_no_request_waiting() -> None:
    """The worker that has served its number tells its peers at once, so that its successor can begin."""
    require("gunicorn", "gevent")
    with (
        Server("gunicorn-gevent", APP, args=(*PATIENT, "--max-requests", "15")) as server,
        ExitStack() as stack,
    ):
        told = peers(stack, server, 3)
        slowest = 0.0
        for _ in range(15):
            begun = time.monotonic()
            assert server.get("/").status == 200
            slowest = max(slowest, time.monotonic() - begun)
        assert all(is_told(peer) for peer in told)
        assert slowest < 9, f"a request waited {slowest:.1f} s"


def test_no_newcomers_while_it_drains() -> None:
    """A peer that comes in the last moments is answered 503 with Retry-After, or finds nobody listening."""
    require("gunicorn")
    env = {"LOAD_CABLE_DRAIN_SECONDS": "3"}
    with Server("gunicorn-gthread", APP, args=PATIENT, env=env) as server, ExitStack() as stack:
        told = peers(stack, server, 20)
        os.kill(server.pid, signal.SIGTERM)
        assert is_told(told[0])
        with ExitStack() as late:
            try:
                answer = late.enter_context(Wire(server.port)).ask()
            except (ConnectionError, Ended):
                return
        assert (answer.status, "retry-after" in answer.headers) == (503, True)
