"""Socket.IO over TCP, byte by byte: polls that hold no thread, the upgrade, and peers that do wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.backends import Backend
from support.parts import require
from support.servers import KINDS, Server
from support.wire import BINARY, CLOSE, TEXT, Answer, Wire, eventually

from flask_cable import Publisher

APP = "support.apps.socketio:create_app()"
PATH = "/socket.io/?EIO=4&transport="
FEW_THREADS = ("--threads", "3")
NO_WEBSOCKET: Mapping[str, str | None] = {
    "Upgrade": None,
    "Connection": None,
    "Sec-WebSocket-Key": None,
    "Sec-WebSocket-Version": None,
    "Sec-WebSocket-Protocol": None,
}


def start(kind: str, *args: str, **options: Any) -> Server:
    require(*KINDS[kind].parts)
    return Server(kind, APP, args=args, **options)


@pytest.fixture(scope="module", params=["gunicorn-gevent", "gunicorn-gthread"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    few = FEW_THREADS if request.param == "gunicorn-gthread" else ()
    with start(request.param, *few) as running:
        yield running


class Polling:
    """A peer that polls, and ends with its context; each request goes over a connection of its own."""

    def __init__(self, server: Server, tls: bool = False) -> None:
        self.server = server
        self.tls = tls
        self.sid = ""
        self.sid = json.loads(self.get().text.split("\x1e")[0][1:])["sid"]

    def __enter__(self) -> Polling:
        self.enter()
        return self

    def __exit__(self, *error: object) -> None:
        self.post("1")

    def path(self, transport: str = "polling") -> str:
        return f"{PATH}{transport}{f'&sid={self.sid}' if self.sid else ''}"

    def wire(self) -> Wire:
        return Wire(self.server.port, tls=self.tls)

    def get(self) -> Answer:
        with self.wire() as wire:
            return wire.ask(self.path(), NO_WEBSOCKET)

    def start_get(self) -> Wire:
        """Send a GET, whose answer is to be awaited."""
        wire = self.wire()
        wire.write(wire.request(self.path(), NO_WEBSOCKET))
        return wire

    def post(self, body: str) -> Answer:
        with self.wire() as wire:
            data = body.encode()
            headers = {**NO_WEBSOCKET, "Content-Length": str(len(data)), "Content-Type": "text/plain"}
            wire.write(wire.request(self.path(), headers, method="POST") + data)
            return wire.answer()

    def enter(self) -> None:
        assert self.post("40").text == "ok"
        assert self.get().text.startswith("40{")

    def heard(self) -> str:
        return self.get().text


def websocket(server: Server, path: str = f"{PATH}websocket", tls: bool = False) -> Wire:
    wire = Wire(server.port, tls=tls)
    answer = wire.ask(path, {"Sec-WebSocket-Protocol": None})
    assert answer.status == 101, answer
    return wire


def hear(wire: Wire) -> str:
    """The next text, pings aside."""
    while True:
        heard = wire.hear_frame()
        assert heard.opcode == TEXT, heard
        text = heard.payload.decode()
        if text != "2":
            return text


def enter(server: Server) -> Wire:
    """A WebSocket in the main namespace."""
    wire = websocket(server)
    assert hear(wire).startswith("0{")
    wire.send(TEXT, b"40")
    assert hear(wire).startswith("40{")
    return wire


def alive(wire: Wire) -> bool:
    wire.send(TEXT, b'427["echo","alive"]')
    return hear(wire) == '437["alive"]'


def held(server: Server, what: str) -> Any:
    """What the endpoint keeps."""
    found: Any = server.get("/held").json()
    return found[what]


# Polling.


@pytest.mark.parametrize(
    "kind", ["gunicorn-gevent-pywsgi", "pywsgi", "werkzeug", "gunicorn-gevent-websocket"]
)
def test_every_server_polls_and_changes(kind: str) -> None:
    with start(kind) as server:
        poll_and_change(server)


def test_a_peer_polls_and_changes(server: Server) -> None:
    poll_and_change(server)


@pytest.mark.parametrize("kind", ["gunicorn-gevent", "gunicorn-gthread"])
def test_a_peer_polls_and_changes_over_tls(kind: str, certificate: tuple[Path, Path]) -> None:
    with start(kind, certfile=certificate[0], keyfile=certificate[1]) as server:
        poll_and_change(server, tls=True)


def poll_and_change(server: Server, tls: bool = False) -> None:
    with Polling(server, tls) as peer:
        _poll_and_change(peer, server, tls)
    eventually(lambda: held(server, "connections") == 0, "it is gone")


def _poll_and_change(peer: Polling, server: Server, tls: bool) -> None:
    with peer.start_get() as waiting:
        assert peer.post('420["echo","\u4e2d"]').text == "ok"
        assert waiting.answer().text == '430["\u4e2d"]'
    with peer.start_get() as waiting, websocket(server, peer.path("websocket"), tls) as wire:
        wire.send(TEXT, b"2probe")
        assert wire.hear_frame().payload == b"3probe"
        assert waiting.answer().text == "6"
        wire.send(TEXT, b"5")
        wire.send(TEXT, b'421["echo","there"]')
        assert hear(wire) == '431["there"]'
        assert peer.get().status == 400


def test_a_poll_keeps_its_line_where_it_need_not_wait(server: Server) -> None:
    with Polling(server) as peer, peer.wire() as wire:
        for number in range(5):
            server.post("/emit", {"event": ["number", number]})
            answer = wire.ask(peer.path(), {**NO_WEBSOCKET, "Connection": "keep-alive"})
            assert answer.text.startswith(f'42["number",{number},')


def test_polls_hold_no_thread(server: Server) -> None:
    with ExitStack() as stack:
        peers = [stack.enter_context(Polling(server)) for _ in range(30)]
        waiting = [stack.enter_context(peer.start_get()) for peer in peers]
        eventually(lambda: held(server, "waiting") == 30, "all wait")
        server.post("/emit", {"event": ["hello", 1]})
        for wire in waiting:
            assert '42["hello",1' in wire.answer().text
    eventually(lambda: held(server, "polls") == 0, "all are gone")


def test_a_poll_that_hangs_up_is_forgotten_where_that_is_seen() -> None:
    with start("gunicorn-gthread", *FEW_THREADS) as server, Polling(server) as peer:
        wire = peer.start_get()
        eventually(lambda: held(server, "waiting") == 1, "it waits")
        wire.reset()
        eventually(lambda: held(server, "waiting") == 0, "it is missed")
        peer.post('42["message","still there?"]')
        assert "still there?" in peer.heard()


def test_a_long_answer_is_read_little_by_little(server: Server) -> None:
    with Polling(server) as peer, peer.start_get() as waiting:
        text = "x" * 150_000
        peer.post(f'42["message","{text}"]')
        assert waiting.answer().text.startswith(f'42["message","{text}"')


def test_a_peer_that_never_asks_is_bounded(server: Server) -> None:
    with Polling(server) as peer:
        before = held(server, "counts").get("too_slow", 0)
        for _ in range(8):
            server.post("/emit", {"event": ["flood", "x" * 150_000]})
        assert held(server, "counts")["too_slow"] == before + 1
        assert peer.heard().endswith("1")
        assert peer.get().status == 400


def test_a_server_of_one_request_at_a_time_says_so() -> None:
    with start("gunicorn-sync") as server:
        answer = server.get(f"{PATH}polling")
        assert answer.status == 501
        assert "--threads" in server.log()


# What is wrong.

WRONG: tuple[tuple[int, bytes], ...] = (
    *((TEXT, text) for text in (b"", b"7", b"abc", b"2", b"4", b"4abc", b"42{}", b"42[", b'42["connect"]')),
    *(
        (TEXT, text)
        for text in (b'450-["a"]', b'4599-["a"]', b"40", b'42/nowhere,["a"]', b'44{"message":"x"}')
    ),
    *((TEXT, b"42" + b"[" * 50_000), (BINARY, b"an attachment of nothing"), (BINARY, b"")),
)


def test_malformed_messages_end_their_connection_and_no_other(server: Server) -> None:
    with enter(server) as bystander:
        for opcode, payload in WRONG:
            with enter(server) as wire:
                wire.send(opcode, payload)
                assert wire.hear_close() == (1007, "parse error"), payload
        assert alive(bystander)
    assert "Traceback" not in server.log()


def test_a_lie_about_attachments_ends_the_connection(server: Server) -> None:
    for messages in (
        [(TEXT, b'451-["a"]'), (TEXT, b'42["b"]')],
        [(TEXT, b'451-["a",{"_placeholder":true,"num":7}]'), (BINARY, b"x")],
        [(TEXT, b'453-["a"]'), (BINARY, b"x" * 90_000), (BINARY, b"x" * 90_000), (BINARY, b"x" * 90_000)],
    ):
        with enter(server) as wire:
            for opcode, payload in messages:
                wire.send(opcode, payload)
            assert wire.hear_close()[0] == 1007


def test_a_message_that_is_too_large_ends_the_connection(server: Server) -> None:
    with enter(server) as bystander, enter(server) as wire:
        wire.send(TEXT, b'42["' + b"x" * 250_000 + b'"]')
        assert wire.hear_close()[0] == 1009
        assert alive(bystander)
    with Polling(server) as peer:
        assert peer.post('42["' + "x" * 250_000 + '"]').status == 413
        peer.post('420["echo",1]')
        assert peer.heard() == "430[1]"


def test_requests_that_are_wrong_are_answered_in_engine_ios_words(server: Server) -> None:
    for path, status, code in (
        ("/socket.io/", 400, 0),
        ("/socket.io/?EIO=3&transport=polling", 400, 5),
        (f"{PATH}polling&sid=unknown", 400, 1),
        (f"{PATH}flash", 400, 0),
    ):
        answer = server.get(path)
        assert (answer.status, answer.json()["code"]) == (status, code)  # type: ignore[index]
    with Wire(server.port) as wire:
        answer = wire.ask(f"{PATH}websocket&sid=unknown", {"Sec-WebSocket-Protocol": None})
        assert (answer.status, json.loads(answer.text)["code"]) == (400, 1)


def test_a_post_that_is_malformed_ends_the_session(server: Server) -> None:
    for body in ("abc", "4a\x1e", "b!"):
        peer = Polling(server)
        assert peer.post(body).status == 400
        assert peer.get().status == 400


def test_a_second_websocket_is_closed(server: Server) -> None:
    peer = Polling(server)
    with websocket(server, peer.path("websocket")) as first:
        first.send(TEXT, b"2probe")
        assert first.hear_frame().payload == b"3probe"
        with websocket(server, peer.path("websocket")) as second:
            second.send(TEXT, b"2probe")
            assert second.hear_close()[0] == 1002
        first.send(TEXT, b"5")
        first.send(TEXT, b"40")
        assert hear(first).startswith("40{")
        with websocket(server, peer.path("websocket")) as third:
            assert third.hear_frame().opcode == CLOSE


def test_two_gets_at_a_time_end_the_session(server: Server) -> None:
    with enter(server) as bystander:
        peer = Polling(server)
        with peer.start_get() as first:
            eventually(lambda: held(server, "waiting") == 1, "it waits")
            assert peer.get().status == 400
            assert first.answer().text == "1"
        assert json.loads(peer.get().text)["code"] == 1
        assert alive(bystander)


def test_a_flood_of_messages_ends_the_session(server: Server) -> None:
    with enter(server) as bystander, Polling(server) as peer:
        before = held(server, "counts").get("too_fast", 0)
        for _ in range(4):
            peer.post("\x1e".join(['42["message"]'] * 2000))
        eventually(lambda: peer.get().status == 400, "it is over")
        assert held(server, "counts")["too_fast"] == before + 1
        assert alive(bystander)


# An upgrade that comes to nothing.


def probe(wire: Wire) -> None:
    wire.send(TEXT, b"2probe")
    assert wire.hear_frame().payload == b"3probe"


def probe_and(end: Callable[[Wire], object]) -> Callable[[Wire], object]:
    def play(wire: Wire) -> None:
        probe(wire)
        end(wire)

    return play


def say(payload: bytes, opcode: int, code: int) -> Callable[[Wire], object]:
    """Say what is no upgrade, and be closed for it."""

    def play(wire: Wire) -> None:
        wire.send(opcode, payload)
        assert wire.hear_close()[0] == code

    return play


NO_UPGRADES: dict[str, Callable[[Wire], object]] = {
    "nonsense": say(b"garbage", TEXT, 1002),
    "binary": say(b"2probe", BINARY, 1002),
    "no probe": say(b"5", TEXT, 1002),
    "a message": say(b'42["message"]', TEXT, 1002),
    "too large": say(b"2" * 250_000, TEXT, 1009),
    "no UTF-8": say(b"\xff", TEXT, 1007),
    "closes": lambda wire: wire.say_close(),
    "vanishes": lambda wire: wire.reset(),
    "probes and closes": probe_and(lambda wire: wire.say_close()),
    "probes and vanishes": probe_and(lambda wire: wire.reset()),
    "probes and talks": probe_and(say(b'42["message"]', TEXT, 1002)),
}


def test_an_upgrade_that_comes_to_nothing_is_no_loss(server: Server) -> None:
    with Polling(server) as peer:
        for number, (name, play) in enumerate(NO_UPGRADES.items()):
            with websocket(server, peer.path("websocket")) as wire:
                play(wire)
            peer.post(f'421["echo",{number}]')
            heard = eventually(lambda: [text for text in [peer.heard()] if text != "6"], name)
            assert heard == [f"431[{number}]"], name
        with websocket(server, peer.path("websocket")) as wire:
            probe(wire)
            wire.send(TEXT, b"5")
            assert alive(wire)
    assert "Traceback" not in server.log()


def test_one_that_ends_in_the_middle_of_an_upgrade_is_gone(server: Server) -> None:
    eventually(lambda: held(server, "connections") == 0, "nobody is there")
    peer = Polling(server)
    with websocket(server, peer.path("websocket")) as wire:
        probe(wire)
        assert peer.post("1").text == "ok"
        eventually(lambda: held(server, "connections") == held(server, "polls") == 0, "it is gone")
        wire.send(TEXT, b"5")
        assert wire.hear_close()[0] == 1000


def test_order_is_kept_through_an_upgrade(server: Server) -> None:
    number, heard = 3000, list[str]()
    with Polling(server) as peer:
        peer.post(f'42["count to",{number}]')
        while len(heard) < 100:
            heard += peer.heard().split("\x1e")
        with websocket(server, peer.path("websocket")) as wire:
            probe(wire)
            peer.post(f'42["count to",{number}]')
            heard += peer.heard().split("\x1e")
            wire.send(TEXT, b"5")
            wire.send(TEXT, b'421["echo"]')
            while not heard[-1].startswith("431"):
                heard.append(hear(wire))
    counted = [int(text.split(",")[1]) for text in heard if text.startswith('42["count"')]
    assert counted == [*range(number), *range(number)]


# Nothing is left.


def ends() -> dict[str, Callable[[Wire], object]]:
    return {
        "says so": lambda wire: wire.send(TEXT, b"1"),
        "closes": lambda wire: wire.say_close(),
        "hangs up": lambda wire: wire.close(),
        "vanishes": lambda wire: wire.reset(),
        "leaves": lambda wire: (wire.send(TEXT, b"41"), wire.say_close()),
    }


def test_nothing_is_left_of_one_who_is_gone(server: Server) -> None:
    eventually(lambda: held(server, "connections") == 0, "nobody is there")
    for end in ends().values():
        with enter(server) as wire:
            wire.send(TEXT, b'42["/join","lobby"]')
            assert alive(wire)
            end(wire)
    eventually(lambda: not held(server, "connections") and not held(server, "streams"), "all are gone")
    assert (held(server, "namespaces"), held(server, "polls")) == (0, 0)


# Two workers.


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    with Backend("redis") as running:
        yield running


@pytest.fixture(scope="module", params=["gunicorn-gevent", "gunicorn-gthread"])
def cluster(request: pytest.FixtureRequest, backend: Backend) -> Iterator[Server]:
    with start(request.param, "-w", "2", env={"FLASK_CABLE_URL": backend.url}) as running:
        yield running


def ask(wire: Wire, event: str, *values: Any) -> Any:
    wire.send(TEXT, f"4299{json.dumps([event, *values])}".encode())
    while not (text := hear(wire)).startswith("4399"):
        pass
    return json.loads(text[4:])[0]


@pytest.fixture
def spread(cluster: Server) -> Iterator[list[Wire]]:
    """Peers of both workers."""
    with ExitStack() as stack:
        wires: list[Wire] = []
        workers: set[Any] = set()
        while len(workers) < 2 or len(wires) < 4:
            assert len(wires) < 500, "one worker takes them all"
            wires.append(stack.enter_context(enter(cluster)))
            workers.add(ask(wires[-1], "where am i"))
        yield wires


def test_two_workers_serve_one_another(cluster: Server, spread: list[Wire], backend: Backend) -> None:
    for wire in spread[::2]:
        assert ask(wire, "/join", "lobby") is True
    with Publisher(backend.url) as publisher:
        io = publisher.socketio(recovery_seconds=60)
        io.to("lobby").emit("news", 1)
        publisher.broadcast(io.stream("lobby"), {"plain": True})
        io.emit("last")
        for number, wire in enumerate(spread):
            expected = (
                ['42["news",1,', '42["message",{"plain":true}', '42["last",']
                if number % 2 == 0
                else ['42["last",']
            )
            assert [hear(wire).startswith(text) for text in expected] == [True] * len(expected)
        eventually(lambda: len(ask(spread[0], "who is there")) == len(spread), "all are known")
        io.disconnect_sockets()
        assert [hear(wire) for wire in spread] == ["41"] * len(spread)


def test_who_has_joined_a_room_misses_nothing_that_others_emit(cluster: Server, backend: Backend) -> None:
    with Publisher(backend.url) as publisher, enter(cluster) as wire:
        io = publisher.socketio(recovery_seconds=60)
        io.emit("connected")
        hear(wire)
        for number in range(50):
            assert ask(wire, "/join", f"room {number}") is True
            io.to(f"room {number}").emit("news", number)
            assert hear(wire).startswith(f'42["news",{number},')


def test_a_poll_that_meets_another_worker_is_told_to_connect_anew(cluster: Server) -> None:
    peer = Polling(cluster)
    answers = eventually(
        lambda: [answer for answer in (peer.post("3") for _ in range(10)) if answer.status != 200],
        "another worker is met",
    )
    assert json.loads(answers[0].text) == {"code": 1, "message": "Session ID unknown"}
    assert any(peer.post("3").status == 200 for _ in range(500)), "and the session lives on where it is"
