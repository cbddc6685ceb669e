"""cable.js in headless Chromium: loading it, stream sources with and without Turbo, sleep, the network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from conformance.browser import Browser, Page
from support.servers import Server
from support.wire import eventually

from flask_cable.turbo import turbo_stream

pytestmark = pytest.mark.needs("gunicorn", "gevent", "chromium")

HEARS = "document.querySelector('#source').hasAttribute('connected')"
DEAF = f"!{HEARS}"
NOTES = "#notes li"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    env = {"FLASK_CABLE_PING_INTERVAL": "0.2"}
    with Server("gunicorn-gevent", "support.apps.cablejs:create_app()", env=env) as running:
        yield running


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """A page that hears the board; afterwards no script may have failed, and nothing was blocked."""
    page = browser.open(server.url)
    page.until(HEARS)
    yield page
    errors = page.errors()
    page.close()
    assert errors == []


def tell(server: Server, *elements: Any) -> None:
    assert server.post("/broadcast", [str(one) for one in elements]).status == 204


# Loading.


def test_a_page_and_its_modules_share_one_copy(page: Page, server: Server) -> None:
    src = page.evaluate("document.querySelector('script[src*=\"cable.js\"]').getAttribute('src')")
    assert page.evaluate(f"import({src!r}).then((found) => found.consumer === cable.consumer)")
    loaded = "performance.getEntriesByType('resource').filter(({name}) => name.includes('cable.js')).length"
    assert page.evaluate(loaded) == 1


def test_it_is_kept(page: Page) -> None:
    page.reload()
    entry = (
        "performance.getEntriesByType('resource').find(({name}) => name.includes('cable.js')).transferSize"
    )
    assert page.evaluate(entry) == 0


def test_an_action_is_awaited(page: Page) -> None:
    script = """new Promise((resolve, reject) => {
        const math = cable.consumer.subscriptions.create("MathChannel", {
            connected() { this.perform("add", { numbers: [40, 2] }).then(resolve, reject) },
        })
    })"""
    assert page.evaluate(script) == 42


# Streams.


def test_every_action_is_carried_out_without_turbo(page: Page, server: Server) -> None:
    tell(
        server,
        turbo_stream.append("notes", "last"),
        turbo_stream.prepend("notes", "first"),
        turbo_stream.update(targets=".odd", content="2 < 3"),
        turbo_stream.before("note_1", "before"),
        turbo_stream.after("note_1", "after"),
    )
    page.until("document.querySelector('#notes').textContent == 'firstbeforeoneafter2 < 3last'")
    tell(
        server,
        "<turbo-stream action='replace' target='note_1'><template><li>new</li></template></turbo-stream>",
    )
    page.until_texts(NOTES, ["new", "2 < 3"])
    tell(server, turbo_stream.remove(targets="#notes li"), turbo_stream.remove("nobody"))
    page.until_texts(NOTES, [])


def test_several_targets_get_a_copy_each(page: Page, server: Server) -> None:
    tell(
        server,
        "<turbo-stream action='append' targets='#notes li'><template><b>!</b></template></turbo-stream>",
    )
    page.until_texts(NOTES, ["one!", "two!"])


def test_what_is_appended_again_moves(page: Page, server: Server) -> None:
    item = "<li id='note_1'>one, again</li>"
    tell(server, f"<turbo-stream action='append' target='notes'><template>{item}</template></turbo-stream>")
    page.until_texts(NOTES, ["two", "one, again"])
    tell(server, f"<turbo-stream action='prepend' target='notes'><template>{item}</template></turbo-stream>")
    page.until_texts(NOTES, ["one, again", "two"])


def test_rows_of_a_table_and_several_elements_in_one_message(page: Page, server: Server) -> None:
    row = (
        "<turbo-stream action='append' target='rows'><template><tr><td>{}</td></tr></template></turbo-stream>"
    )
    tell(server, row.format(1) + "\n" + row.format(2))
    page.until_texts("#rows tr td", ["1", "2"])


def test_scripts_are_not_run_and_oddities_are_survived(page: Page, server: Server) -> None:
    script = "<script>window.wasRun = true</script><img src=x onerror='window.wasRun = true'>"
    page.evaluate(
        "document.addEventListener('securitypolicyviolation', (e) => e.stopImmediatePropagation(), true)"
    )
    tell(
        server,
        f"<turbo-stream action='append' target='notes'><template><li>{script}</li></template></turbo-stream>",
        "<turbo-stream action='append' target='notes'></turbo-stream>",
        "<turbo-stream action='nonsense' target='notes'><template>x</template></turbo-stream>",
        "<turbo-stream action='constructor' target='notes'></turbo-stream>",
        "<turbo-stream target='notes'></turbo-stream>",
        "<turbo-stream action='remove'></turbo-stream>",
        "no element at all",
        "",
        turbo_stream.append("notes", "end"),
    )
    page.until("document.querySelector('#notes').textContent.endsWith('end')")
    assert page.evaluate("window.wasRun") is None
    page.evaluate("window.uncaught.length = 0")  # the picture was blocked


def test_a_message_of_the_broadcasts_own_kind_is_html_here(page: Page, server: Server) -> None:
    message = {"action": "append", "target": "notes", "content": "<li>three</li>"}
    assert server.post("/broadcast", [message]).status == 204
    page.until_texts(NOTES, ["one", "two", "three"])


def test_a_refresh_loads_the_page_again(page: Page, server: Server) -> None:
    page.evaluate("sessionStorage.loaded = 1")
    page.until("sessionStorage.loaded == 1")
    tell(server, turbo_stream.refresh())
    page.until(f"window.loaded == 2 && {HEARS}")


def test_an_element_that_is_gone_hears_no_more(page: Page, server: Server) -> None:
    element = "window.element = document.querySelector('#source')"
    page.evaluate(f"{element}; element.remove(); element.hasAttribute('connected')")
    assert page.evaluate("element.hasAttribute('connected')") is False
    eventually(lambda: subscriptions(server) == [], "nothing is subscribed to")
    page.evaluate("document.body.append(element)")
    page.until(HEARS)
    tell(server, turbo_stream.update("notes", "heard"))
    page.until("document.querySelector('#notes').textContent == 'heard'")


def test_an_element_that_changes_hears_something_else(page: Page, server: Server) -> None:
    page.evaluate("document.querySelector('#source').setAttribute('signed-stream-name', 'forged')")
    eventually(lambda: subscriptions(server) == [], "a forged name is rejected")
    assert page.evaluate(DEAF)


def test_its_attributes_are_the_channels_parameters(page: Page, server: Server) -> None:
    (identifier,) = subscriptions(server)
    assert json.loads(identifier).keys() == {"channel", "signed_stream_name", "page_size"}


def subscriptions(server: Server) -> list[str]:
    found = server.get("/count").json()
    assert isinstance(found, dict)
    return [identifier for state in found["subscriptions"] for identifier in state]


@pytest.mark.needs("node_modules")
def test_turbo_carries_them_out_where_it_is(browser: Browser, server: Server) -> None:
    page = browser.open(f"{server.url}/?turbo")
    page.until(f"{HEARS} && !!window.Turbo")
    page.evaluate("window.seen = []")
    page.evaluate(
        "addEventListener('turbo:before-stream-render', ({target}) => void seen.push(target.action))"
    )
    tell(server, turbo_stream.append("notes", "three"), turbo_stream.remove("note_1"))
    page.until("seen.join() == 'append,remove' && document.querySelector('#notes').textContent == 'twothree'")
    page.close()


# Sleep and the network.

PATIENT = "Math.random = () => 1000"  # so that no retry is due within the time of a test


COUNT_BEATS = """(() => {
    window.beats = 0
    const heard = cable.consumer.heard
    cable.consumer.heard = function (frame) {
        window.beats += frame.type === "ping"
        heard.call(this, frame)
    }
})()"""


def test_a_page_that_slept_is_back_at_once(browser: Browser, page: Page, server: Server) -> None:
    awake = browser.open(server.url)  # tells how long the other one sleeps
    awake.until(HEARS)
    awake.evaluate(COUNT_BEATS)
    page.evaluate(PATIENT)
    page.freeze()  # this browser closes the sockets of such a page, but not before a second or so has passed
    awake.until("beats >= 10")
    page.thaw()
    eventually(lambda: len(subscriptions(server)) == 2 and page.evaluate(HEARS), "it is back")
    tell(server, turbo_stream.update("notes", "awake"))
    page.until("document.querySelector('#notes').textContent == 'awake'")
    awake.close()


def test_a_page_that_slept_through_a_restart_comes_back(page: Page, server: Server) -> None:
    page.freeze()
    server.restart(kill=True)
    page.thaw()
    eventually(lambda: len(subscriptions(server)) == 1, "the new process knows the page")
    tell(server, turbo_stream.update("notes", "awake"))
    page.until("document.querySelector('#notes').textContent == 'awake'")


def test_online_again_it_is_back_at_once(page: Page, server: Server) -> None:
    page.evaluate(PATIENT)
    page.go_offline()
    page.until("!navigator.onLine")
    page.evaluate("cable.consumer.drop()")  # to cut an open socket is beyond this browser's powers
    page.until(DEAF)
    page.go_offline(False)
    page.until(HEARS)
    tell(server, turbo_stream.update("notes", "online"))
    page.until("document.querySelector('#notes').textContent == 'online'")


def test_a_silent_server_is_left(page: Page, server: Server) -> None:
    before = connections(server)
    page.evaluate("Object.assign(cable.consumer, { patience: 80, grace: 20 })")  # ms; a beat is 200
    eventually(lambda: connections(server) not in (before, []), "another connection")
    page.evaluate("Object.assign(cable.consumer, { patience: 6000 })")
    page.until(HEARS)


def connections(server: Server) -> list[int]:
    found = server.get("/count").json()
    assert isinstance(found, dict)
    return found["connections"]
