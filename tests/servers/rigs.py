"""The servers of the matrix, and what is measured on each before and after: `CASES` and `Rig`."""

from __future__ import annotations

import hashlib
import re
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.parts import require
from support.servers import KINDS, Kind, Server
from support.wire import Wire, eventually, join

APP = "support.apps.matrix:create_app()"
ECHO = '{"channel":"EchoChannel"}'
NEWS = '{"channel":"NewsChannel"}'
PAUSE = 3.0  # seconds in which two peers do not read
POURED = {"many": (3000, 4096), "large": (20, 10**6)}  # to each of them: messages, bytes
TROUBLE = re.compile(r"Traceback|\bERROR\b|\bCRITICAL\b|\w(Error|Exception)\b|\[error\]", re.IGNORECASE)
REFUSED = "A WebSocket needs HTTP/1.1"  # what a server's log may say: some tests ask for it

KINDS.setdefault("pywsgi-unpatched", Kind("support.apps.serve_unpatched", ("gevent",)))


@dataclass(frozen=True)
class Case:
    """One way to serve a cable."""

    kind: str
    path: str = "/cable"
    tls: bool = False
    args: tuple[str, ...] = ()
    ours: bool = True
    """Whether the cable itself answers the handshake; elsewhere the server or flask-sock has done so."""
    tail: bool = False
    """Whether an HTTP answer follows the close frame, where nobody reads it."""

    def require(self) -> None:
        """Skip the test where something is not installed."""
        extra = [("flask_sock", self.path == "/sock"), ("openssl", self.tls)]
        require(*KINDS[self.kind].parts, *(part for part, needed in extra if needed))


CASES = {
    "gunicorn gevent": Case("gunicorn-gevent"),
    "gunicorn gthread": Case("gunicorn-gthread"),
    "gunicorn gevent_pywsgi": Case("gunicorn-gevent-pywsgi"),
    "gunicorn GeventWebSocketWorker": Case("gunicorn-gevent-websocket", ours=False),
    "gunicorn GeventWebSocketWorker, its object": Case("gunicorn-gevent-websocket", "/gevent", ours=False),
    "gunicorn gevent, TLS": Case("gunicorn-gevent", tls=True),
    "gunicorn gthread, TLS": Case("gunicorn-gthread", tls=True),
    "gevent.pywsgi": Case("pywsgi"),
    "gevent.pywsgi, unpatched": Case("pywsgi-unpatched"),
    "gevent.pywsgi, WebSocketHandler": Case("pywsgi-websocket-handler", ours=False),
    "flask run": Case("werkzeug"),
    "flask run --debug": Case("werkzeug", args=("--debug", "--debugger")),
    "flask-sock, gunicorn gevent": Case("gunicorn-gevent", "/sock", ours=False),
    "flask-sock, gunicorn gthread": Case("gunicorn-gthread", "/sock", ours=False),
    "flask-sock, flask run": Case("werkzeug", "/sock", ours=False, tail=True),
}


class Rig:
    """A running server, and two peers that were poured on and do not read for a while.

    Attributes:
        before: what the server had open when nobody was there.
        paused: the two peers, by what they are sent.
    """

    def __init__(self, case: Case, certificate: tuple[Path, Path] | None) -> None:
        self.case = case
        files = dict(zip(("certfile", "keyfile"), certificate or (), strict=False))
        self.server = Server(case.kind, APP, args=case.args, **files)
        self.paused: dict[str, Wire] = {}
        self.server.start()
        try:
            self._warm_up()
            self.before = self.stats()
            self._pour()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the peers and the server."""
        for wire in self.paused.values():
            wire.close()
        self.server.close()

    def join(self, *identifiers: str, receive_buffer: int = 0) -> Wire:
        """Return a peer that was welcomed, with these subscriptions."""
        case = self.case
        return join(self.server.port, case.path, *identifiers, tls=case.tls, receive_buffer=receive_buffer)

    def stats(self) -> dict[str, Any]:
        """Ask the server what it has open, and how connections have ended so far."""
        answer = self.server.get("/stats")
        assert answer.status == 200, answer
        stats: dict[str, Any] = answer.json()
        return stats

    def closings(self) -> Counter[tuple[int, str]]:
        """Count the ends of connections, by code and reason, as the application was told."""
        return Counter((code, reason) for code, reason in self.stats()["closings"])

    def trouble(self) -> list[str]:
        """List the lines of the log that tell of an error."""
        return [
            line for line in self.server.log().splitlines() if TROUBLE.search(line) and REFUSED not in line
        ]

    def read_paused(self, name: str) -> None:
        """When the pause is over, let one peer read; every byte has to be right."""
        time.sleep(max(0.0, self._resumes - time.monotonic()))
        count, _ = POURED[name]
        with self.paused.pop(name) as wire:
            for number in range(count):
                assert intact(wire.hear_message(ECHO))["number"] == number
            self._echo(wire)

    def left_over(self) -> str:
        """Compare what is open now with what was before anybody came; nothing is the empty string."""
        now, was = self.stats(), self.before
        more = now["descriptors"] - was["descriptors"]
        found = [f"{more} descriptors more"] if more > 0 else []
        return ", ".join(
            found + [f"{key} {now[key]}" for key in ("connections", "streams") if now[key] != was[key]]
        )

    def _warm_up(self) -> None:
        """Whatever the first connection makes for all is made."""
        with self.join(ECHO) as wire:
            self._echo(wire)
        eventually(lambda: self.stats()["connections"] == 0, "the first connection is gone")

    def _echo(self, wire: Wire) -> None:
        wire.perform(ECHO, "echo", body="still there")
        assert wire.hear_message(ECHO) == {"body": "still there"}

    def _pour(self) -> None:
        for name, (count, size) in POURED.items():
            self.paused[name] = wire = self.join(ECHO, receive_buffer=2**16)
            wire.perform(ECHO, "pour", count=count, size=size)
        self._resumes = time.monotonic() + PAUSE


def intact(message: dict[str, Any]) -> dict[str, Any]:
    """Check a parcel's digest, and return the parcel."""
    assert hashlib.sha256(message["body"].encode()).hexdigest() == message["digest"]
    return message
