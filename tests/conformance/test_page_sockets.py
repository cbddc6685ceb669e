"""Sockets of pages in headless Chromium, through cable.js: a page hears what its route has chosen."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from conformance.browser import Browser, Page
from support.backends import Backend
from support.servers import Server

pytestmark = pytest.mark.needs("gunicorn", "gevent", "chromium")

CONNECTED = "told.includes('connected')"
ID = "document.body.dataset.socketConnectionId"

Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server("gunicorn-gevent", "support.apps.newsroom:create_app()") as running:
        yield running
        assert "Traceback (most recent call last)" not in running.log(), running.log()


@pytest.fixture
def visit(browser: Browser, server: Server, opened: list[Page]) -> Visit:
    """Opens a page that hears streams, in a new person's browser or a tab of theirs."""

    def visit(*streams: str, person: str | None = None, **query: str) -> Page:
        url = f"{server.url}/?{urlencode([*(('hear', name) for name in streams), *query.items()])}"
        page = browser.open(url) if person is None else browser.open_tab(person, url)
        opened.append(page)
        if "late" not in query:
            page.until(CONNECTED)
        return page

    return visit


def push(server: Server, message: Any, *streams: str) -> None:
    assert server.post("/push", {"message": message, "streams": streams}).status == 204


def until_heard(page: Page, *pushes: list[Any]) -> None:
    page.until(f"JSON.stringify(heard) == {json.dumps(json.dumps(pushes, separators=(',', ':')))}")


def test_what_was_pushed_before_the_socket_connected_is_heard(server: Server, visit: Visit) -> None:
    page = visit("news", push="from the route", late="1")
    push(server, "meanwhile", "news")
    page.evaluate("begin()")
    until_heard(page, ["news", "from the route"], ["news", "meanwhile"])
    push(server, {"any": ["thing", None]}, "news")
    until_heard(page, ["news", "from the route"], ["news", "meanwhile"], ["news", {"any": ["thing", None]}])


def test_each_page_hears_what_is_its_own(server: Server, visit: Visit) -> None:
    ann = visit("news", "sports")
    tab, bob = visit("news", person=ann.person), visit("sports")
    assert len({page.evaluate(ID) for page in (ann, tab, bob)}) == 3
    push(server, 1, "news")
    push(server, 2, "sports")
    push(server, 3, "*")
    for page, pushes in (
        (ann, [["news", 1], ["sports", 2]]),
        (tab, [["news", 1]]),
        (bob, [["sports", 2]]),
    ):
        page.until(f"heard.length == {len(pushes) + 1}")
        assert page.evaluate("heard.slice(0, -1)") == pushes
        assert page.evaluate("heard.at(-1)[1]") == 3


def test_patterns_and_listening_no_more(server: Server, visit: Visit) -> None:
    page = visit("room:1", "room:2", "news")
    page.evaluate(
        "window.rooms = []; window.off = socket.on('room:*', (text, room) => rooms.push([room, text]))"
    )
    for number, stream in enumerate(("room:1", "news", "room:2")):
        push(server, number, stream)
    page.until("heard.length == 3")
    page.evaluate("off()")
    push(server, 3, "room:1")
    page.until("heard.length == 4")
    assert page.evaluate("rooms") == [["room:1", 0], ["room:2", 2]]


def test_unsubscribing_takes_effect_at_once(server: Server, visit: Visit) -> None:
    page = visit("news", "sports")
    headers = f"{{'X-Socket-Connection-Id': {ID}}}"
    leave = f"fetch('/leave/news', {{method: 'POST', headers: {headers}}})"
    assert page.evaluate(f"{leave}.then(({{status}}) => status)") == 204
    push(server, "secret", "news")
    push(server, "score", "sports")
    until_heard(page, ["sports", "score"])


def test_a_reloaded_page_is_another_one(server: Server, visit: Visit) -> None:
    page = visit("news")
    before = page.evaluate(ID)
    page.reload()
    page.until(CONNECTED)
    assert page.evaluate(ID) not in (before, None)
    push(server, "once", "news")
    until_heard(page, ["news", "once"])


def test_a_lost_connection_comes_back_and_has_missed_nothing(server: Server, visit: Visit) -> None:
    page = visit("news")
    push(server, 1, "news")
    until_heard(page, ["news", 1])
    page.evaluate("socket.drop()")
    push(server, 2, "news")
    page.until("told.join() == 'connected,disconnected,connected'")
    push(server, 3, "news")
    until_heard(page, ["news", 1], ["news", 2], ["news", 3])


def test_a_server_that_forgot_the_page_says_so(server: Server, visit: Visit) -> None:
    page = visit("news")
    server.restart(kill=True)
    page.until("told.includes('expired')")
    page.reload()
    page.until(CONNECTED)
    push(server, "again", "news")
    until_heard(page, ["news", "again"])


def test_a_page_has_one_socket_the_newest(server: Server, visit: Visit) -> None:
    """Two tabs with one id: the elder is told to stay away, and they do not fight."""
    elder = visit("news")
    younger = visit("news", person=elder.person, late="1")
    younger.evaluate(f"document.body.dataset.socketConnectionId = {json.dumps(elder.evaluate(ID))}")
    younger.evaluate("begin()")
    younger.until(CONNECTED)
    elder.until("told.join() == 'connected,disconnected'")
    push(server, 1, "news")
    until_heard(younger, ["news", 1])
    assert elder.evaluate("[heard.length, told.length]") == [0, 2]


def test_a_page_without_a_socket_is_told_so_too(visit: Visit) -> None:
    page = visit()
    page.until("told.includes('expired')")


def test_a_page_that_cannot_be_known_is_loaded_again_once(visit: Visit) -> None:
    """As the guide has it: one whose browser keeps no cookies would be loaded again for ever."""
    page = visit(careful="1", late="1")
    page.until("window.loads == 1")
    page.evaluate("begin()")
    page.until("window.loads == 2")
    page.evaluate("begin()")
    page.until("told.includes('expired')")
    page.evaluate("socket.drop()")
    page.until("told.filter((one) => one == 'expired').length == 2")
    assert page.evaluate("loads") == 2


@pytest.mark.needs("node_modules")
def test_turbo_drive_brings_a_page_with_a_socket_of_its_own(server: Server, visit: Visit) -> None:
    page = visit("news", turbo="1")
    before = page.evaluate(ID)
    page.evaluate("window.isSame = true; void Turbo.visit('/?hear=sports&turbo=1')")
    page.until("location.search.includes('sports') && told.join() == 'connected,disconnected,connected'")
    assert page.evaluate("isSame")
    assert page.evaluate(ID) != before
    push(server, 1, "news")
    push(server, 2, "sports")
    until_heard(page, ["sports", 2])


def test_messages_are_replied_to(visit: Visit) -> None:
    page = visit("news")
    assert page.evaluate("socket.send('add', {numbers: [40, 2]}).then(({sum, name}) => [sum, name])") == [
        42,
        "ann",
    ]
    assert page.evaluate("socket.send('no such').catch(({code}) => code)") == "unknown_action"
    many = "Promise.all(Array.from({length: 50}, (_, n) => socket.send('add', {numbers: [n]})))"
    assert page.evaluate(f"{many}.then((all) => all.map(({{sum}}) => sum))") == list(range(50))


CALLS = (
    ("/greet/ann", {}, {}),
    ("/greet/%E6%BC%A2?a=1&a=2", {}, {}),
    ("/greet/nobody", {}, {}),
    ("/no/such/page", {}, {}),
    ("/greet/bob", {"method": "post", "input": {"text": "hi"}}, {"json": {"text": "hi"}}),
    (
        "/greet/bob",
        {"method": "post", "input": {"text": "ü &"}, "encoding": "form"},
        {"form": {"text": "ü &"}},
    ),
    ("/greet/bob", {"method": "delete"}, {}),
)


@pytest.mark.parametrize(("uri", "options", "sent"), CALLS)
def test_a_called_route_answers_as_over_http(visit: Visit, uri: str, options: Any, sent: Any) -> None:
    page = visit("news", late="1")
    init = {"method": options.get("method", "get").upper()}
    if "json" in sent:
        init = {**init, "headers": {"Content-Type": "application/json"}, "body": json.dumps(sent["json"])}
    fetch = f"fetch({json.dumps(uri)}, {json.dumps(init)})"
    if "form" in sent:
        form = f"new URLSearchParams({json.dumps(sent['form'])})"
        fetch = f"fetch({json.dumps(uri)}, {{method: 'POST', body: {form}}})"
    wanted = page.evaluate(
        f"{fetch}.then(async (r) => [r.status, r.headers.get('content-type'), await r.text()])"
    )
    call = f"socket.call({json.dumps(uri)}, {json.dumps(options)})"
    found = page.evaluate(
        f"{call}.then(({{status, headers, body}}) => [status, headers['Content-Type'], body])"
    )
    assert found == wanted


def test_a_called_route_may_subscribe_the_page(server: Server, visit: Visit) -> None:
    page = visit("news")
    assert page.evaluate("socket.call('/follow/sports').then(({body}) => JSON.parse(body))") == {
        "is_socket": True
    }
    push(server, "score", "sports")
    until_heard(page, ["sports", "score"])


@pytest.mark.parametrize("mount", ["/live/", "/"])
def test_an_application_below_a_prefix_with_the_cable_elsewhere(browser: Browser, mount: str) -> None:
    env = {"SCRIPT_NAME": "/shop", "FLASK_CABLE_MOUNT_PATH": mount}
    app = "support.apps.newsroom:create_app()"
    with Server("gunicorn-gevent", app, env=env, ready="/shop/greet/nobody") as server:
        page = browser.open(f"{server.url}/shop/news?hear=news")
        page.until(CONNECTED)
        assert server.post("/shop/push", {"message": 1, "streams": ["news"]}).status == 204
        until_heard(page, ["news", 1])
        assert page.evaluate("socket.call('/shop/greet/ann').then(({status}) => status)") == 200
        scripts = "[...document.scripts].map(({src}) => src && new URL(src).pathname).join('')"
        assert page.evaluate(scripts) == f"/shop{mount}cable.js"
        assert page.errors() == []
        page.close()


# Several workers, and a server between them that outlives them.


@pytest.fixture(scope="module")
def workers() -> Iterator[Server]:
    """Two workers behind Redis."""
    with Backend("redis") as backend:
        env = {"FLASK_CABLE_URL": backend.url}
        app = "support.apps.newsroom:create_app()"
        with Server("gunicorn-gevent", app, args=("-w", "2"), env=env) as running:
            yield running


@pytest.fixture
def visit_workers(browser: Browser, workers: Server) -> Iterator[Visit]:
    """Opens a page at one of the workers."""
    opened: list[Page] = []

    def visit(*streams: str) -> Page:
        page = browser.open(f"{workers.url}/?{urlencode([('hear', name) for name in streams])}")
        opened.append(page)
        page.until(CONNECTED)
        return page

    yield visit
    for page in opened:
        page.close()


@pytest.mark.needs("redis", "redis_server")
@pytest.mark.parametrize("kill", [False, True])
def test_a_restarted_server_knows_its_pages(workers: Server, visit_workers: Visit, kill: bool) -> None:
    pages = [visit_workers("news", f"own:{n}") for n in range(3)]
    push(workers, 1, "news")
    for page in pages:
        until_heard(page, ["news", 1])
    workers.restart(kill=kill)
    for n, page in enumerate(pages):
        page.until("told.join() == 'connected,disconnected,connected'", 20)
        assert page.evaluate("socket.send('ping').then(({body}) => body)") == "pong"
        push(workers, 2, "news")
        push(workers, 3, f"own:{n}")
        page.until("heard.some(([stream, number]) => number == 3)")
        assert page.evaluate("heard.slice(0, 2)") == [["news", 1], ["news", 2]]
        assert "expired" not in page.evaluate("told")


FIRST_MESSAGE = """new Promise((resolve) => {
    const origin = location.origin.replace("http", "ws")
    const other = new WebSocket(`${origin}/cable/socket?socket_connection_id=${"%s"}`)
    other.onmessage = ({data}) => { resolve(data); other.close() }
    other.onopen = () => other.send('{"action": "ping", "id": 1}')
})"""


def test_the_id_of_a_page_that_is_no_more_goes_deaf(browser: Browser) -> None:
    env = {"FLASK_CABLE_SOCKET_RESUME_SECONDS": "0"}
    with Server("gunicorn-gevent", "support.apps.newsroom:create_app()", env=env) as server:
        page = browser.open(f"{server.url}/?hear=news")
        page.until(CONNECTED)
        before = page.evaluate(ID)
        page.reload()
        page.until(CONNECTED)
        page.until(f"{FIRST_MESSAGE % before}.then((data) => data.includes('expired'))")
        push(server, "once", "news")
        until_heard(page, ["news", "once"])
        page.close()
