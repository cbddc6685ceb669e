"""Raw sockets under real servers, over TCP: events, functions, streams, bounds, and nothing left behind."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from support.backends import Backend
from support.parts import require
from support.servers import KINDS, Server
from support.wire import BINARY, CLOSE, PING, PONG, TEXT, Closed, Ended, Wire, eventually

APP = "support.apps.raw:create_app()"
SERVERS = ["gunicorn-gevent", "gunicorn-gthread", "werkzeug", "gunicorn-gevent-websocket"]
TROUBLE = ("Traceback", "CRITICAL", "ERROR")


class Peer(Wire):
    """A peer that says and hears plain messages."""

    def put(self, message: str | bytes) -> None:
        is_text = isinstance(message, str)
        self.send(TEXT if is_text else BINARY, message.encode() if is_text else message)

    def take(self) -> str | bytes:
        """Wait for the next message. Raises: Closed."""
        while True:
            heard = self.hear_frame()
            if heard.opcode == PING:
                self.send(PONG, heard.payload)
            elif heard.opcode == CLOSE:
                self.say_close()
                raise Closed(int.from_bytes(heard.payload[:2], "big"), heard.payload[2:].decode())
            else:
                return heard.payload.decode() if heard.opcode == TEXT else heard.payload

    def put_json(self, value: Any) -> None:
        self.put(json.dumps(value))

    def take_json(self) -> Any:
        return json.loads(self.take())

    def ends_with(self) -> tuple[int, str]:
        """Wait for the close frame, and answer it."""
        code, reason = self.hear_close()
        self.say_close()
        return code, reason


def connect(server: Server, path: str, **options: Any) -> Peer:
    headers = {"Sec-WebSocket-Protocol": None, **options.pop("headers", {})}
    peer = Peer(server.port, **options)
    answer = peer.ask(path, headers)
    assert answer.status == 101, answer
    return peer


def stats(server: Server) -> Any:
    return server.get("/stats").json()


def at_rest(server: Server) -> bool:
    now = stats(server)
    return (now["connections"], now["functions"], now["events"]) == (0, 0, [])


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    require(*KINDS[request.param].parts)
    env = {"RAW_CABLE_OUTBOX_BYTES": "200000", "RAW_CABLE_INBOX_MESSAGES": "50"}
    with Server(request.param, APP, env=env) as started:
        yield started


@pytest.fixture(autouse=True)
def clean(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test nothing is open on the server that they share."""
    yield
    if "server" in request.fixturenames:
        server = request.getfixturevalue("server")
        eventually(lambda: at_rest(server), "nothing is left")


def is_upgraded(server: Server) -> bool:
    """Whether the server answers handshakes by itself, before anybody could refuse."""
    return server.kind == "gunicorn-gevent-websocket"


# Events.


def test_five_peers_and_what_they_say(server: Server) -> None:
    before = len(stats(server)["closings"])
    with ExitStack() as stack:
        peers = [stack.enter_context(connect(server, "/events")) for _ in range(5)]
        ids = [peer.take_json()["opened"] for peer in peers]
        assert ids == sorted(set(ids))
        assert stats(server)["events"] == ids
        for count in range(3):
            for peer in peers:
                peer.put_json({"a msg": True})
                assert peer.take_json() == {"got": {"a msg": True}, "count": count}
        assert server.get("/").text == "ready"
        assert server.get("/events").status == 426
        assert server.get("/nowhere").status == 404
        for peer in peers:
            peer.say_close(1001, "leaving")
            assert peer.hear_close()[0] == 1001
    eventually(lambda: len(stats(server)["closings"]) == before + 5, "each close handler has run")
    assert sorted(stats(server)["closings"][before:]) == [[id, 1001, "leaving"] for id in ids]


def test_a_malformed_message_has_its_handler_or_the_connection_ends(server: Server) -> None:
    with connect(server, "/events") as peer:
        peer.take()
        peer.put('["this is not a json"')
        answer = peer.take_json()
        assert answer["message"] == '["this is not a json"'
        assert answer["error"]
        peer.put_json([1])
        assert peer.take_json()["got"] == [1]
    with connect(server, "/strict") as peer:
        peer.put("{")
        assert peer.ends_with() == (1007, "malformed message")


def test_what_cannot_be_sent_is_an_error_to_the_handler(server: Server) -> None:
    with connect(server, "/events") as peer:
        peer.take()
        peer.put_json({"do": "misspeak"})
        assert "a object cannot be sent" in peer.take_json()["error"]
        peer.put_json(1)
        assert peer.take_json()["got"] == 1


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (4001, "enough")])
def test_the_server_closes(server: Server, code: int, reason: str) -> None:
    with connect(server, "/events") as peer:
        peer.take()
        peer.put_json({"do": "close", "code": code, "reason": reason})
        peer.put_json("ignored")
        assert peer.ends_with() == (code, reason)


def test_handlers_that_raise_end_their_connection_and_leave_nothing(server: Server) -> None:
    before = stats(server)
    for _ in range(20):
        with connect(server, "/events?fail") as peer:
            assert peer.ends_with() == (1011, "internal error")
        with connect(server, "/events") as peer:
            peer.take()
            peer.put_json({"do": "stream", "stream": "news"})
            peer.take()
            peer.put_json({"do": "fail"})
            assert peer.ends_with() == (1011, "internal error")
        with connect(server, "/events") as peer:  # its close handler raises
            peer.take()
            peer.put_json({"do": "stream", "stream": "news"})
            peer.take()
            peer.say_close(1000, "fail")
            peer.hear_close()
        with connect(server, "/once") as peer:
            peer.put("fail")
            assert peer.ends_with() == (1011, "internal error")
    eventually(lambda: at_rest(server), "nothing is open")
    after = stats(server)
    assert after["streams"] == before["streams"]
    eventually(lambda: stats(server)["watched"] == before["watched"], "every socket is closed")
    codes = [code for _, code, _ in after["closings"][len(before["closings"]) :]]
    assert sorted(codes) == [1000] * 20 + [1011] * 40


def test_peers_that_vanish_are_told_of_once(server: Server) -> None:
    before = len(stats(server)["closings"])
    peers = [connect(server, "/events") for _ in range(2)]
    for peer in peers:
        peer.take()
    peers[0].reset()
    peers[1].close()
    eventually(lambda: len(stats(server)["closings"]) == before + 2, "both have been told of")
    assert [code for _, code, _ in stats(server)["closings"][before:]] == [1006, 1006]


@pytest.mark.parametrize(
    ("offered", "chosen"), [("news.v1, news.v2", "news.v2"), ("news.v1", "news.v1"), ("news.v3", None)]
)
def test_a_subprotocol_is_chosen(server: Server, offered: str, chosen: str | None) -> None:
    if is_upgraded(server) and chosen == "news.v1":
        chosen = None  # that server asks which one is wanted most, and knows no other
    with Peer(server.port) as peer:
        answer = peer.ask("/events", {"Sec-WebSocket-Protocol": offered})
        assert answer.headers.get("sec-websocket-protocol") == chosen
        assert peer.take_json()["subprotocol"] == chosen


def test_a_refusal_is_the_applications_own(server: Server) -> None:
    if is_upgraded(server):
        pytest.skip("there the handshake is answered already")
    with Peer(server.port) as peer:
        answer = peer.ask("/events", {"Origin": "https://evil.example"})
        assert (answer.status, answer.headers["x-refused"]) == (403, "yes")
        assert "origin" in json.loads(answer.text)["refused"]


def test_middleware_lets_in_and_keeps_out(server: Server) -> None:
    with connect(server, "/guarded", headers={"X-Token": "t"}) as peer:
        assert peer.take() == "hello ann"
    if not is_upgraded(server):
        with Peer(server.port) as peer:
            answer = peer.ask("/guarded")
            assert (answer.status, answer.text) == (401, "no token")
        with Peer(server.port) as peer:
            answer = peer.ask("/guarded", {"X-Token": "t", "Sec-WebSocket-Protocol": None})
            assert answer.headers["x-gate"] == "open"


# Streams.


def test_a_broadcast_reaches_those_who_stream_it(server: Server) -> None:
    with ExitStack() as stack:
        peers = [stack.enter_context(connect(server, "/events")) for _ in range(3)]
        for peer in peers:
            peer.take()
            peer.put_json({"do": "stream", "stream": "news"})
            assert peer.take_json() == {"streaming": "news"}
        for number in range(50):
            server.post("/broadcast/news", {"number": number})
        for peer in peers:
            assert [peer.take_json()["number"] for _ in range(50)] == list(range(50))


# Functions.


def test_a_function_echoes_text_and_binary_of_every_size(server: Server) -> None:
    with connect(server, "/echo") as peer:
        for message in ("", "hällo", b"", os.urandom(100), "x" * 70_000, os.urandom(900_000)):
            peer.put(message)
            assert peer.take() == message
        for number in range(200):
            peer.put(str(number))
        assert [peer.take() for _ in range(200)] == [str(number) for number in range(200)]


def test_a_rules_arguments_are_the_functions(server: Server) -> None:
    with connect(server, "/echo/ann") as peer:
        peer.put("hi")
        assert peer.take() == "ann: hi"
        peer.put("x" * 1001)  # this endpoint's largest message is 1000
        assert peer.ends_with()[0] == 1009


def test_when_a_function_returns_the_connection_is_closed(server: Server) -> None:
    with connect(server, "/once") as peer:
        peer.put("bye")
        assert peer.take() == "last words: bye"
        assert peer.ends_with() == (1000, "")


def test_a_function_ends_when_its_peer_is_gone(server: Server) -> None:
    before = stats(server)["ended"].count("echo")
    peers = [connect(server, "/echo") for _ in range(2)]
    for peer in peers:
        peer.put("a")
        assert peer.take() == "a"
    peers[0].reset()
    with peers[1] as peer:
        peer.say_close()
        peer.hear_close()
    eventually(lambda: stats(server)["ended"].count("echo") == before + 2, "both functions have ended")


def test_each_message_has_an_application_context_of_its_own(server: Server) -> None:
    with connect(server, "/contexts") as peer:
        for _ in range(5):
            peer.put("a")
            assert peer.take() == "True False"


def test_a_function_waits_for_a_peer_that_reads_slowly(server: Server) -> None:
    """It sends 20 MB, a hundred times what may wait for a peer; none of it is lost."""
    with connect(server, "/pour/200/100000", receive_buffer=2**16) as peer:
        time.sleep(0.5)  # not to prove anything: let it run into the limit
        for number in range(200):
            message = peer.take()
            assert isinstance(message, str)
            assert (message[:4].partition(":")[0], len(message)) == (str(number), 100_000)
        assert peer.ends_with() == (1000, "")


def test_it_waits_no_longer_than_the_peer_is_there(server: Server) -> None:
    before = stats(server)["ended"].count("pour")
    peer = connect(server, "/pour/200/100000", receive_buffer=2**16)
    eventually(lambda: stats(server)["functions"] == 1, "it sends")
    peer.reset()
    eventually(lambda: stats(server)["ended"].count("pour") == before + 1, "it has ended")


def test_a_peer_of_a_slow_function_is_not_read_for_a_while(server: Server) -> None:
    """Fifty messages may wait; TCP holds back the rest, and all of it arrives in the end."""
    count, size = 400, 50_000
    with connect(server, "/slow") as peer, ThreadPoolExecutor(1) as pool:

        def pour() -> None:
            for _ in range(count):
                peer.put("x" * size)

        pouring = pool.submit(pour)
        time.sleep(0.5)  # not to prove anything: let it run into the limit
        assert not pouring.done()
        server.post("/go")
        assert [peer.take() for _ in range(count)] == [str(size)] * count
        pouring.result(20)


def test_many_functions_wait_at_once_and_keep_nobody_from_working(server: Server) -> None:
    """More than there are workers for short work under threads, which is 32."""
    with ExitStack() as stack:
        echoes = [stack.enter_context(connect(server, "/echo")) for _ in range(60)]
        peer = stack.enter_context(connect(server, "/events"))
        peer.take()
        peer.put_json(1)
        assert peer.take_json()["got"] == 1
        eventually(lambda: stats(server)["functions"] == 60, "each has its function")
        for number, echo in enumerate(echoes):
            echo.put(str(number))
        assert [echo.take() for echo in echoes] == [str(number) for number in range(60)]


# Stands last: what handlers raise on purpose is in the log, and nothing else.
def test_the_log_tells_of_nothing_but_what_was_asked_for(server: Server) -> None:
    eventually(lambda: at_rest(server), "nothing is left")
    tracebacks = server.log().split("Traceback (most recent call last):")[1:]
    assert [text for text in tracebacks if "told to fail" not in text] == []


# Limits, the end of a process, and several of them.


@pytest.mark.parametrize("kind", ["gunicorn-gevent", "gunicorn-gthread", "gunicorn-gevent-websocket"])
def test_one_function_too_many_is_refused(kind: str) -> None:
    require(*KINDS[kind].parts)
    with Server(kind, APP, env={"RAW_CABLE_MAX_FUNCTIONS": "2"}) as server, ExitStack() as stack:
        for _ in range(2):
            peer = stack.enter_context(connect(server, "/echo"))
            peer.put("a")
            assert peer.take() == "a"
        third = stack.enter_context(Peer(server.port))
        answer = third.ask("/echo", {"Sec-WebSocket-Protocol": None})
        if is_upgraded(server):
            assert third.ends_with()[0] == 1013
        else:
            assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        with connect(server, "/events") as events:
            assert events.take_json()["opened"]
        peer.say_close()
        peer.hear_close()
        eventually(lambda: stats(server)["functions"] == 1, "one place is free")
        with connect(server, "/echo") as again:
            again.put("b")
            assert again.take() == "b"


@pytest.mark.parametrize("kind", ["gunicorn-gevent", "gunicorn-gthread"])
def test_at_the_end_of_a_process_functions_come_to_theirs(kind: str) -> None:
    require(*KINDS[kind].parts)
    with Server(kind, APP) as server, ExitStack() as stack:
        peers = [stack.enter_context(connect(server, path)) for path in ("/echo", "/events") * 3]
        for peer in peers[1::2]:
            peer.take()
        eventually(lambda: stats(server)["functions"] == 3, "they run")
        with ThreadPoolExecutor(1) as pool:
            stopping = pool.submit(server.stop)
            assert {peer.ends_with() for peer in peers} == {(1012, "server_restart")}
            assert stopping.result(20) == 0


@pytest.mark.parametrize("backend", ["redis"])
@pytest.mark.parametrize("kind", ["gunicorn-gevent", "gunicorn-gthread"])
def test_nothing_is_lost_between_stream_from_and_a_live_stream(kind: str, backend: str) -> None:
    """Who has been told that it streams hears whatever any process broadcasts from then on."""
    require(*KINDS[kind].parts)
    with Backend(backend) as between, ExitStack() as stack:
        env = {"RAW_CABLE_URL": between.url}
        servers = [stack.enter_context(Server(kind, APP, env=env)) for _ in range(2)]
        peers = [stack.enter_context(connect(server, "/events")) for server in servers]
        for peer in peers:
            peer.take()
        for number in range(40):
            hearer, other = peers[number % 2], servers[(number + 1) % 2]
            hearer.put_json({"do": "stream", "stream": f"stream-{number}"})
            assert hearer.take_json() == {"streaming": f"stream-{number}"}
            assert other.post(f"/broadcast/stream-{number}", {"number": number}).status == 204
            assert hearer.take_json() == {"number": number}


def test_a_process_that_ends_while_nobody_reads_ends() -> None:
    """A function that waits for a peer which does not read is no reason to stay."""
    with Server("gunicorn-gthread", APP) as server:
        peer = connect(server, "/pour/200/100000", receive_buffer=2**16)
        eventually(lambda: stats(server)["functions"] == 1, "it sends")
        assert server.stop(20) == 0
        with peer, suppress(Ended, ConnectionError):
            while True:
                peer.hear_frame()
