"""Peers that vanish or fall silent are found; those that answer stay, however long they say nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.parts import require
from support.servers import KINDS, Server
from support.wire import PING, PONG, TEXT, Wire, eventually, join

APP = "support.apps.load:create_app()"
CHANNEL = json.dumps({"channel": "LoadChannel"})


@pytest.fixture(params=["gunicorn-gevent", "gunicorn-gthread"])
def kind(request: pytest.FixtureRequest) -> str:
    require(*KINDS[request.param].parts)
    return str(request.param)


def held(server: Server) -> Any:
    return server.get("/held").json()


def pings(peer: Wire, count: int) -> Iterator[None]:
    """Answer so many probes, and yield after each."""
    while count:
        heard = peer.hear_frame()
        if heard.opcode == PING:
            peer.send(PONG, heard.payload)
            count -= 1
            yield
        else:
            assert heard.opcode == TEXT, heard


def test_one_who_answers_no_probe_is_gone(kind: str) -> None:
    """A half-open connection looks just so to the server: bytes go out, and nothing ever comes back."""
    env = {"LOAD_CABLE_STALE_AFTER": "1.0"}
    with (
        Server(kind, APP, env=env) as server,
        join(server.port, "/cable?name=alive") as alive,
        join(server.port, "/cable?name=silent") as silent,
    ):
        silent.subscribe(CHANNEL)
        for _ in pings(alive, 8):  # nearly three times the limit
            pass
        eventually(lambda: held(server)["connections"] == 1, "the silent one is gone")
        assert held(server)["counts"] == {"stale": 1}
        assert "disconnected silent" in str(server.get("/seen").json())
        alive.subscribe(CHANNEL)


def test_idle_peers_may_be_told_to_go(kind: str) -> None:
    env = {"LOAD_CABLE_IDLE_TIMEOUT": "0.6", "LOAD_CABLE_PING_INTERVAL": "0.2"}
    with Server(kind, APP, env=env) as server, join(server.port, "/cable?name=idle") as idle:
        assert idle.hear() == {"type": "disconnect", "reason": "idle_timeout", "reconnect": True}
        assert idle.hear_close()[0] == 1000
