"""Sockets of pages on real servers: in one process, and spread over workers behind Redis and PostgreSQL."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from servers.pages import PageAtServer, Visitor
from support.backends import Backend
from support.parts import require
from support.servers import KINDS, Server
from support.wire import Wire, eventually

from flask_cable import Publisher

APP = "support.apps.pages:create_app()"
ALONE = ["gunicorn-gevent", "gunicorn-gthread", "pywsgi", "werkzeug"]


@pytest.fixture(scope="module", params=ALONE)
def lone_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One process, with the store in it."""
    require(*KINDS[request.param].parts)
    with Server(request.param, APP) as server:
        yield server


@pytest.fixture(scope="module", params=["redis", "postgres", "nats"])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """What is between two workers."""
    require("gunicorn", "gevent")
    with Backend(request.param) as backend:
        yield backend


@pytest.fixture(scope="module")
def workers(backend: Backend) -> Iterator[Server]:
    """Two of them."""
    env = {"FLASK_CABLE_URL": backend.url}
    with Server("gunicorn-gevent", APP, args=("-w", "2"), env=env) as server:
        yield server


def leave_and_come_back(visitor: Visitor) -> None:
    """Be away while something is pushed: nothing is lost, and nothing comes twice."""
    page = visitor.load("a").connect().ready()
    visitor.push(1, "a")
    assert [*page.hear_payloads(1), *page.leave()] == [1]
    visitor.push(2, "a")
    visitor.push(3, "*")
    assert page.connect().hear_payloads(2) == [2, 3]
    page.vanish()


class TestAlone:
    """Every server that can carry a cable, with the store in its process."""

    @pytest.fixture
    def server(self, lone_server: Server) -> Server:
        return lone_server

    @pytest.fixture
    def visitor(self, server: Server) -> Visitor:
        return Visitor(server.port)

    def test_what_is_pushed_before_the_socket_connects_is_not_lost(self, visitor: Visitor) -> None:
        page, other = visitor.load("early", "b"), visitor.load("late")
        for n in range(3):
            visitor.push(n, "early")
        visitor.push("to many", "e*", "b")
        page.connect()
        assert page.hear_payloads(4) == [0, 1, 2, "to many"]
        visitor.push("live", "b")
        assert page.hear() == {"payload": "live", "channel": "b"}
        other.connect().ready()  # and nothing came before
        page.vanish()
        other.vanish()

    def test_two_pages_hear_and_one_that_has_not_subscribed_does_not(self, visitor: Visitor) -> None:
        pages = [visitor.load(stream).connect().ready() for stream in ("two", "two", "other")]
        visitor.push({"text": "漢字"}, "two")
        assert [page.hear() for page in pages[:2]] == [{"payload": {"text": "漢字"}, "channel": "two"}] * 2
        pages[2].ready()
        for page in pages:
            page.vanish()

    def test_orders_of_later_requests_take_effect_at_once(self, visitor: Visitor) -> None:
        page = visitor.load("a").connect().ready()
        for n in range(10):
            page.order("subscribe", "b")
            visitor.push(n, "b")
            page.order("unsubscribe", "b")
            visitor.push("not to be heard", "b")
        assert page.hear_payloads(10) == list(range(10))
        page.ready()
        page.vanish()

    def test_a_called_route_answers_as_over_http(self, visitor: Visitor) -> None:
        page = visitor.load("a").connect()
        reply = page.ask("call-route", uri="/greet/Ann?times=2")
        assert (reply["status"], reply["body"]) == visitor.request("GET", "/greet/Ann?times=2")
        assert json.loads(reply["body"])["visitor"]
        assert page.ask("call-route", uri="/nowhere")["status"] == 404
        assert page.ask("fail") == {"status": 500, "error": "failed"}
        page.vanish()

    def test_a_page_that_comes_back_missed_nothing(self, visitor: Visitor) -> None:
        leave_and_come_back(visitor)

    def test_a_wrong_id_is_deaf(self, visitor: Visitor) -> None:
        page = PageAtServer(visitor, "0" * 64).connect()
        assert page.hear() == {"type": "expired"}
        assert page.ask("ping")["body"] == "pong"
        page.vanish()

    def test_what_is_no_handshake_is_answered_with_an_error(self, server: Server) -> None:
        for headers, status in (
            ({"Sec-WebSocket-Key": "short"}, 400),
            ({"Sec-WebSocket-Key": None}, 400),
            ({"Sec-WebSocket-Version": "12"}, 426),
            ({"Origin": "http://evil.example"}, 403),
        ):
            with Wire(server.port) as wire:
                assert wire.ask("/cable/socket", headers).status == status

    def test_who_came_is_gone_when_they_have_left(self, visitor: Visitor) -> None:
        page = visitor.load("gone").connect().ready()
        page.vanish()

        def is_gone() -> bool:
            seen = json.loads(visitor.request("GET", "/insight")[1])
            visits = [event for event, id in seen["visits"] if id == page.id]
            return visits == ["join", "leave"] and "gone" not in seen["streams"] and not seen["pages"]

        eventually(is_gone, "the page is gone")


def test_who_leaves_while_threads_push_neither_loses_nor_repeats_anything() -> None:
    require("gunicorn")
    with Server("gunicorn-gthread", APP, env={"SWITCH_INTERVAL": "1e-6"}) as server:
        visitor = Visitor(server.port)
        for _ in range(150):
            leave_and_come_back(visitor)


class TestTogether:
    """Two workers, and a server between them."""

    @pytest.fixture
    def server(self, workers: Server) -> Server:
        return workers

    @pytest.fixture
    def visitor(self, server: Server) -> Visitor:
        return Visitor(server.port)

    def test_pages_of_all_workers_hear_what_any_worker_pushes(
        self, visitor: Visitor, backend: Backend
    ) -> None:
        pages: list[PageAtServer] = []
        pids: set[int] = set()
        with ThreadPoolExecutor(10) as browsers:
            while len(pids) < 2:  # one who comes alone may find the same worker awake each time
                assert len(pages) < 200, "one worker takes them all"
                burst = list(browsers.map(PageAtServer.connect, [visitor.load("all") for _ in range(10)]))
                pids.update(json.loads(p.ask("call-route", uri="/insight")["body"])["pid"] for p in burst)
                pages += burst
        for n in range(8):
            visitor.push(n, "all")
        visitor.push(8, "a*", "all")
        with Publisher(backend.url) as publisher:
            publisher.push(9, "all")
        for page in pages:
            assert sorted(page.hear_payloads(10)) == list(range(10))
        for page in pages:
            page.vanish()

    def test_what_is_pushed_before_the_socket_connects_is_not_lost(self, visitor: Visitor) -> None:
        pages = [visitor.load("early") for _ in range(6)]
        for n in range(5):
            visitor.push(n, "early")
        for page in pages:
            page.connect()
            assert page.hear_payloads(5) == list(range(5))
            page.vanish()

    def test_orders_reach_a_page_wherever_it_is(self, visitor: Visitor) -> None:
        pages = [visitor.load(f"a{n}").connect().ready() for n in range(4)]
        for n, page in enumerate(pages):
            page.order("unsubscribe", f"a{n}")
            page.order("subscribe", "b")
            visitor.push("not to be heard", f"a{n}")
            visitor.push(page.id, "b")
            assert page.hear_payloads(1) == [page.id]
            page.order("unsubscribe", "b")
            page.ready()
        for page in pages:
            page.vanish()

    def test_pages_that_come_and_go_hear_everything_once_and_in_order(self, visitor: Visitor) -> None:
        numbers = list(range(120))
        pages = [visitor.load("count").connect() for _ in range(4)]
        pushing = threading.Thread(target=lambda: [Visitor(visitor.port).push(n, "count") for n in numbers])
        pushing.start()
        heard: list[list[int]] = [[] for _ in pages]
        while min(map(len, heard)) < len(numbers):
            for page, found in zip(pages, heard, strict=True):
                if len(found) < len(numbers):
                    found += page.hear_payloads(min(7, len(numbers) - len(found)))
                    found += page.leave()
                    page.connect()
        pushing.join()
        assert heard == [numbers] * len(pages)
        for page in pages:
            page.ready()
            page.vanish()

    @pytest.mark.parametrize("kill", [False, True])
    def test_a_restarted_server_knows_its_pages(self, server: Server, visitor: Visitor, kill: bool) -> None:
        page, unborn = visitor.load("a").connect().ready(), visitor.load("a")
        page.order("subscribe", "b")
        page.order("unsubscribe", "a")
        page.ready()
        server.restart(kill=kill)
        visitor.push("not to be heard", "a")
        visitor.push(1, "b")
        page.connect()
        if kill:
            page.ready()  # it hears on from when it is back
        else:
            assert page.hear_payloads(1) == [1]
        visitor.push(2, "b")
        assert page.hear_payloads(1) == [2]
        assert unborn.connect().hear_payloads(1) == ["not to be heard"]
        page.vanish()
        unborn.vanish()
