"""The stock socket.io-client in headless Chromium: pages of the same and of other origins."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from conformance.browser import Browser, Page
from support.parts import CONFORMANCE
from support.servers import Server

pytestmark = pytest.mark.needs("gunicorn", "gevent", "chromium", "node_modules")

APP = "support.apps.socketio:create_app()"
SCRIPT = CONFORMANCE / "node_modules" / "socket.io-client" / "dist" / "socket.io.js"
ENV = {"SOCKETIO_SCRIPT": str(SCRIPT)}

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server("gunicorn-gevent", APP, env=ENV) as running:
        yield running


@pytest.fixture
def open_page(browser: Browser, server: Server, opened: list[Page]) -> Open:
    """Opens the page in a browser of its own; afterwards no script may have failed."""

    def open_page(host: str = "127.0.0.1", of: Server = server, **query: str) -> Page:
        page = browser.open(f"http://{host}:{of.port}/?{urlencode(query)}")
        opened.append(page)
        return page

    return open_page


def ask(page: Page, event: str, *values: Any) -> Any:
    """Emit an event and return what acknowledges it."""
    return page.evaluate(f"socket.emitWithAck({json.dumps(event)}, ...{json.dumps(values)})")


def heard(page: Page, event: str) -> Any:
    """What the page heard, without the place in the log that comes last."""
    found = page.evaluate(f"heard.filter((event) => event[0] === {json.dumps(event)})")
    return [event[1:-1] for event in found]


def test_a_page_connects_and_changes_to_a_websocket(open_page: Open) -> None:
    page = open_page()
    page.until("socket.connected")
    page.until("transport() === 'websocket'")
    assert ask(page, "echo", {"a": [1, None, "\u4e2d\U0001f600"]}) == {"a": [1, None, "\u4e2d\U0001f600"]}


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_page_may_use_one_transport_alone(open_page: Open, transport: str) -> None:
    page = open_page(transports=transport)
    page.until("socket.connected")
    assert page.evaluate("transport()") == transport
    assert ask(page, "echo", 7) == 7


@pytest.mark.parametrize("transport", ["polling,websocket", "websocket", "polling"])
def test_binary_values(open_page: Open, transport: str) -> None:
    page = open_page(transports=transport)
    page.until("socket.connected")
    page.evaluate("void socket.emit('message', new Uint8Array([1, 2, 255]), new Blob(['ab']))")
    page.until("heard.some((event) => event[0] === 'message')")
    assert heard(page, "message") == [[{"bytes": [1, 2, 255]}, {"bytes": [97, 98]}]]


def test_people_chat(open_page: Open) -> None:
    ann, bob = open_page(), open_page(transports="websocket")
    for page in (ann, bob):
        page.until("socket.connected")
    assert ask(ann, "nickname", "Ann") == "free"
    assert ask(bob, "nickname", "Ann") == "taken"
    assert ask(bob, "nickname", "Bob") == "free"
    ann.until("heard.some((event) => event[0] === 'announcement')")
    assert heard(ann, "announcement") == [["Bob connected"]]
    bob.evaluate("void socket.emit('user message', 'hello, <b>Ann</b>')")
    ann.until("heard.some((event) => event[0] === 'user message')")
    assert heard(ann, "user message") == [["Bob", "hello, <b>Ann</b>"]]
    assert heard(bob, "user message") == []
    bob.evaluate("void socket.disconnect()")
    ann.until("heard.filter((event) => event[0] === 'announcement').length === 2")
    assert heard(ann, "announcement")[1] == ["Bob left: client namespace disconnect"]


def test_a_page_is_known_by_its_session(open_page: Open) -> None:
    page = open_page()
    page.evaluate("fetch('/login/ann').then((response) => response.ok)")
    page.reload()
    page.until("socket.connected")
    assert ask(page, "who am i")["user"] == "ann"


def test_a_page_that_lost_the_network_comes_back_and_has_missed_nothing(
    open_page: Open, server: Server
) -> None:
    page = open_page()
    page.until("socket.connected && transport() === 'websocket'")
    server.post("/emit", {"event": ["heard", 0]})
    page.until("heard.some((event) => event[0] === 'heard')")
    page.evaluate("void socket.io.engine.close()")
    page.until("!socket.connected")
    for number in (1, 2):
        server.post("/emit", {"event": ["heard", number]})
    page.until("socket.connected")
    assert page.evaluate("socket.recovered") is True
    page.until("heard.filter((event) => event[0] === 'heard').length === 3")
    assert heard(page, "heard") == [[0], [1], [2]]


# Pages of another origin: to a browser, localhost is one.


@pytest.fixture(scope="module")
def friendly() -> Iterator[Server]:
    """A server that one other origin may connect to."""
    with Server("gunicorn-gevent", APP, env={**ENV, "SOCKETIO_FRIENDS": r"http://localhost:\d+"}) as running:
        yield running


@pytest.mark.parametrize("transport", ["polling,websocket", "websocket", "polling"])
@pytest.mark.parametrize("credentials", [{}, {"credentials": ""}])
def test_a_page_of_an_origin_that_is_named_may(
    open_page: Open, friendly: Server, transport: str, credentials: dict[str, str]
) -> None:
    page = open_page("localhost", friendly, server=friendly.url, transports=transport, **credentials)
    page.until("socket.connected")
    assert ask(page, "echo", 7) == 7


@pytest.mark.parametrize("transport", ["polling,websocket", "websocket"])
def test_a_page_of_another_origin_may_not(open_page: Open, server: Server, transport: str) -> None:
    page = open_page("localhost", server, server=server.url, transports=transport)
    page.until("errors.length")
    assert page.evaluate("socket.connected") is False
