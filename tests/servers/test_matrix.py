"""Every server that can carry a cable, over TCP: whole messages, slow readers, clean ends, nothing left over.

Each test runs on each server. A server is started with its first test and lives until the module's end; its
two slow readers pause while other tests, also of other servers, run.
"""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import zlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from servers.http2 import ask_http_2
from servers.rigs import APP, CASES, ECHO, NEWS, POURED, Rig, intact
from support.apps import matrix
from support.parts import require
from support.servers import KINDS, Server
from support.wire import CLOSE, PING, Closed, Wire, eventually, join

SIZES = {"1 B": 1, "64 KiB": 2**16, "1 MiB": 2**20, "20 MiB": 20 * 2**20}


@pytest.fixture(scope="module")
def rigs() -> Iterator[dict[str, Rig]]:
    """The servers that run, by the name of their case."""
    running: dict[str, Rig] = {}
    yield running
    for rig in running.values():
        rig.close()


@pytest.fixture(params=CASES)
def rig(request: pytest.FixtureRequest, rigs: dict[str, Rig]) -> Rig:
    """One server of the matrix."""
    case = CASES[request.param]
    case.require()
    if request.param not in rigs:
        certificate = request.getfixturevalue("certificate") if case.tls else None
        rigs[request.param] = Rig(case, certificate)
    return rigs[request.param]


def random_text(size: int) -> str:
    """Return `size` random characters."""
    return base64.b64encode(os.urandom(size))[:size].decode()


def test_messages_of_every_size_come_back(rig: Rig) -> None:
    with rig.join(ECHO) as wire:
        for what, size in SIZES.items():
            body = random_text(size)
            wire.perform(ECHO, "echo", body=body)
            echoed = wire.hear_message(ECHO)["body"]
            assert digest(echoed) == digest(body), what


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_messages_of_every_size_come_back_when_they_come_in_pieces(rig: Rig) -> None:
    """A frame's header may be torn, and several frames may come as one."""
    with rig.join(ECHO) as wire:
        sent = [random_text(size) for size in (1, 100, 200, 70_000)]
        pieces: list[bytes] = []
        wire.write = pieces.append  # type: ignore[method-assign]
        for body in sent:
            wire.perform(ECHO, "echo", body=body)
        del wire.write
        stream = b"".join(pieces)
        for start in range(0, 2000, 7):
            wire.write(stream[start : start + 7])
        wire.write(stream[2000 - 2000 % 7 + (7 if 2000 % 7 else 0) :])
        assert [wire.hear_message(ECHO)["body"] for _ in sent] == sent


def test_a_handshake_as_a_browser_sends_it(rig: Rig) -> None:
    browser = {
        "Connection": "keep-alive, Upgrade",
        "Upgrade": "WebSocket",
        "Cookie": "session=none; other=1",
        "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
        "Sec-WebSocket-Protocol": "actioncable-v1-json, actioncable-unsupported",
    }
    with Wire(rig.server.port, tls=rig.case.tls) as wire:
        answer = wire.ask(rig.case.path, browser)
        assert answer.status == 101
        if rig.case.path != "/gevent":  # gevent-websocket offers an application's protocol at one path only
            assert answer.headers["sec-websocket-protocol"] == "actioncable-v1-json"
        assert wire.hear() == {"type": "welcome"}
        wire.subscribe(ECHO)
        if rig.case.path == "/sock":  # simple-websocket always accepts compression
            squeeze(wire)
        else:
            assert "sec-websocket-extensions" not in answer.headers
        wire.perform(ECHO, "echo", body="as a browser")
        assert wire.hear_message(ECHO) == {"body": "as a browser"}


def test_a_page_of_another_site_gets_no_cable(rig: Rig) -> None:
    """Where the handshake is over before the cable is asked, only a close frame is left to refuse with."""
    with Wire(rig.server.port, tls=rig.case.tls) as wire:
        answer = wire.ask(rig.case.path, {"Origin": "https://evil.example"})
        assert answer.status == (403 if rig.case.ours else 101)
        if not rig.case.ours:
            with pytest.raises(Closed) as refused:
                wire.hear()
            assert refused.value.args[0] == 1008


def squeeze(wire: Wire) -> None:
    """Compress what is sent from now on (RFC 7692 7.2.1)."""
    deflate = zlib.compressobj(wbits=-15)
    send = wire.send

    def send_squeezed(opcode: int, payload: bytes = b"") -> None:
        data = deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH)
        send(opcode, data[:-4], rsv=4)

    wire.send = send_squeezed  # type: ignore[assignment, method-assign]


def test_a_ping_is_answered_with_its_payload(rig: Rig) -> None:
    with rig.join() as wire:
        for payload in (b"", b"are you there?", bytes(range(125))):
            wire.send(PING, payload)
            assert wire.hear_pong() == payload


@pytest.mark.parametrize("native", [False, True], ids=["threads", "native threads"])
def test_four_broadcast_at_once_and_every_frame_is_whole(rig: Rig, native: bool) -> None:
    with rig.join(NEWS) as wire:
        body = {"writers": 4, "count": 250, "size": 4096, "native": native}
        assert rig.server.post("/broadcast", body).status == 204
        heard = defaultdict(list)
        for _ in range(1000):
            message = intact(wire.hear_message(NEWS))
            heard[message["writer"]].append(message["number"])
        assert heard == {writer: list(range(250)) for writer in range(4)}


@pytest.mark.parametrize(
    ("code", "reason"), [(1000, ""), (1001, "leaving"), (3000, "bye"), (4999, "x" * 123)]
)
def test_a_peer_closes(rig: Rig, code: int, reason: str) -> None:
    before = rig.closings()
    with rig.join() as wire:
        wire.say_close(code, reason)
        assert wire.hear_close()[0] == code
        assert wire.hear_end() == b"" or rig.case.tail
    eventually(lambda: (rig.closings() - before)[code, reason] == 1, "the application hears code and reason")


def test_a_peer_closes_without_a_code(rig: Rig) -> None:
    with rig.join() as wire:
        wire.send(CLOSE)
        assert wire.hear_close()[0] in (1000, 1005)
        assert wire.hear_end() == b"" or rig.case.tail


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "restart"), (1012, ""), (4000, "é" * 61)])
def test_the_server_closes(rig: Rig, code: int, reason: str) -> None:
    with rig.join(ECHO) as wire:
        wire.perform(ECHO, "echo", body="first")
        wire.perform(ECHO, "goodbye", code=code, reason=reason)
        assert wire.hear_message(ECHO) == {"body": "first"}
        assert wire.hear_close() == (code, reason)
        wire.say_close(code)
        assert wire.hear_end() == b"" or rig.case.tail


def test_a_peer_vanishes(rig: Rig) -> None:
    before = rig.closings()
    rig.join().close()
    rig.join().reset()
    eventually(lambda: (rig.closings() - before)[1006, ""] == 2, "the application hears of both")


@pytest.mark.parametrize("name", POURED)
def test_a_reader_that_pauses_gets_every_byte(rig: Rig, name: str) -> None:
    rig.read_paused(name)


def test_plain_http_is_served_meanwhile(rig: Rig) -> None:
    with rig.join(NEWS):
        for _ in range(10):
            assert rig.server.get("/").text == "ready"


@pytest.mark.parametrize("rig", [name for name, case in CASES.items() if case.ours], indirect=True)
def test_an_http_1_0_request_gets_a_plain_answer(rig: Rig) -> None:
    with Wire(rig.server.port, tls=rig.case.tls) as wire:
        answer = wire.ask(rig.case.path, version="HTTP/1.0")
        assert 400 <= answer.status < 600


# Stands last: it counts what all the others have left.
def test_nothing_is_left_over_and_the_log_is_clean(rig: Rig) -> None:
    for name in list(rig.paused):
        rig.read_paused(name)
    eventually(lambda: not rig.left_over(), f"all is as it was, not {rig.left_over()}")
    assert rig.trouble() == []


# Other ways to start them.


@pytest.mark.parametrize("kind", ["gunicorn-gevent", "gunicorn-gthread"])
@pytest.mark.parametrize("args", [("--preload",), ("--workers", "2", "--preload")], ids=" ".join)
def test_a_process_that_was_forked_late_makes_everything_anew(kind: str, args: tuple[str, ...]) -> None:
    require(*KINDS[kind].parts)
    with Server(kind, APP, args=args) as server, ExitStack() as stack:
        wires = [stack.enter_context(join(server.port, "/cable", ECHO)) for _ in range(8)]
        for number, wire in enumerate(wires):
            wire.perform(ECHO, "echo", body=number)
        assert [wire.hear_message(ECHO)["body"] for wire in wires] == list(range(8))
        assert "Traceback" not in server.log()


# Servers that cannot.


@pytest.mark.needs("gunicorn")
def test_the_sync_worker_says_what_to_do() -> None:
    with Server("gunicorn-sync", APP) as server:
        with Wire(server.port) as wire:
            answer = wire.ask()
        assert answer.status == 501
        assert "gevent" in answer.text
        assert "--threads" in answer.text
        assert server.get("/").status == 200
        assert "Traceback" not in server.log()


def test_http_2_gets_a_plain_answer_and_http_1_1_beside_it_a_cable(certificate: tuple[Path, Path]) -> None:
    """Over HTTP/2 the socket belongs to all streams of the connection, so it must not be taken."""
    require("gunicorn", "gevent", "h2")
    files = dict(zip(("certfile", "keyfile"), certificate, strict=True))
    for kind in ("gunicorn-gevent", "gunicorn-gthread"):
        with Server(kind, APP, args=("--http-protocols", "h2,h1"), **files) as server:
            with join(server.port, "/cable", ECHO, tls=True) as wire:
                plain, home, again = ask_http_2(server.port, "/cable", "/", "/cable")
                assert (plain.status, again.status) == (426, 426)
                assert "WebSocket" in plain.text
                assert (home.status, home.text) == (200, "ready")
                wire.perform(ECHO, "echo", body="beside it")
                assert wire.hear_message(ECHO) == {"body": "beside it"}
            assert "Traceback" not in server.log()


def test_an_upgrade_that_calls_itself_http_2_is_refused() -> None:
    """gunicorn puts the shared socket into environ for these, too."""
    environ = {
        "SERVER_PROTOCOL": "HTTP/2.0",
        "gunicorn.socket": socket.socket,  # nothing that could be taken
        "wsgi.multithread": True,
    }
    asked = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    answer = matrix.create_app().test_client().get("/cable", headers=asked, environ_overrides=environ)
    assert answer.status_code == 501
    assert "HTTP/1.1" in answer.text
