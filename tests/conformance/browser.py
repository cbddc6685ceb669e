"""A headless Chromium, driven over its DevTools protocol; each page has cookies of its own.

One thread, no sleeping for luck: `Page.until` asks the page again and again until a deadline, and leaves a
screenshot when it gives up. Protocol: https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import json
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from support.parts import chromium
from support.servers import Group
from websockets.sync.client import ClientConnection, connect

DEADLINE = 20.0  # seconds, for each single wait
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-renderer-backgrounding",
    "--disable-sync",
    "--no-proxy-server",
    "--remote-debugging-port=0",
    "--window-size=1000,700",
)


class ProtocolError(Exception):
    """The browser refused a command, or a script in the page failed."""


@contextmanager
def browser(shots: Path) -> Iterator[Browser]:
    """Run a browser; screenshots of what went wrong go to the directory `shots`."""
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as place:
        profile = Path(place)
        with _chromium(profile) as group, _connected(profile, group) as wire:
            yield Browser(wire, shots)


@contextmanager
def _chromium(profile: Path) -> Iterator[Group]:
    command = [chromium(), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    group = Group(command, profile, {**os.environ, "HOME": str(profile)})
    try:
        yield group
    finally:
        group.end()


def _connected(profile: Path, group: Group) -> AbstractContextManager[ClientConnection]:
    port, path = _address(profile, group)
    direct = socket.create_connection(("127.0.0.1", port))  # whatever proxy the environment names
    return connect(f"ws://127.0.0.1:{port}{path}", sock=direct, max_size=None, compression=None)


def _address(profile: Path, group: Group) -> tuple[int, str]:
    """Wait until the browser has written down where it listens."""
    where = profile / "DevToolsActivePort"
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end and group.alive:
        lines = where.read_text().split() if where.exists() else []
        if len(lines) == 2:
            return int(lines[0]), lines[1]
        time.sleep(0.02)
    raise AssertionError(f"Chromium did not start\n{(profile / 'log').read_text()[-4000:]}")


class Browser:
    """One Chromium process with a fresh profile."""

    def __init__(self, wire: ClientConnection, shots: Path) -> None:
        self.shots = shots
        self._wire = wire
        self._ids = 0

    def open(self, url: str) -> Page:
        """Open a page in a browser context of its own: another person's browser."""
        person = self.call("Target.createBrowserContext")["browserContextId"]
        return self.open_tab(person, url)

    def open_tab(self, person: str, url: str) -> Page:
        """Open one more page in a person's browser."""
        target = self.call("Target.createTarget", url="about:blank", browserContextId=person)["targetId"]
        page = Page(self, person, target)
        page.goto(url)
        return page

    def call(self, method: str, session: str | None = None, **params: object) -> Any:
        """Send a command and return its result. Raises: ProtocolError, TimeoutError."""
        self._ids += 1
        command = {"id": self._ids, "method": method, "params": params}
        self._wire.send(json.dumps(command if session is None else {**command, "sessionId": session}))
        while True:
            answer = json.loads(self._wire.recv(timeout=DEADLINE))
            if answer.get("id") != self._ids:
                continue  # an event, or the answer to a command that timed out
            if "error" in answer:
                raise ProtocolError(f"{method}: {answer['error']['message']}")
            return answer["result"]


class Page:
    """One tab."""

    def __init__(self, browser: Browser, person: str, target: str) -> None:
        self.browser = browser
        self.person = person
        self._target = target
        self._session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._call("Page.enable")
        self._call("Emulation.setFocusEmulationEnabled", enabled=True)
        self._call("Page.addScriptToEvaluateOnNewDocument", source=REMEMBER_ERRORS)

    def goto(self, url: str) -> None:
        """Go to `url` and wait until it is loaded."""
        answer = self._call("Page.navigate", url=url)
        if "errorText" in answer:
            raise ProtocolError(f"{url}: {answer['errorText']}")
        self.until("document.readyState == 'complete'")

    def reload(self) -> None:
        """Load the page again; returns when the new one is loaded."""
        self.evaluate("window.isOld = true")
        self._call("Page.reload")
        self.until("!window.isOld && document.readyState == 'complete'")

    def freeze(self) -> None:
        """Let the page sleep, as a tab that nobody has looked at for long."""
        self.evaluate(
            "window.isFrozen = false; addEventListener('freeze', () => window.isFrozen = true, true)"
        )
        self._call("Emulation.setFocusEmulationEnabled", enabled=False)  # what is seen does not sleep
        self._call("Page.setWebLifecycleState", state="frozen")
        self.until("isFrozen")

    def thaw(self) -> None:
        """Wake it up, and look at it."""
        self._call("Page.setWebLifecycleState", state="active")
        self._call("Emulation.setFocusEmulationEnabled", enabled=True)

    def go_offline(self, offline: bool = True) -> None:
        """Take the network away, or give it back; sockets that are open stay so."""
        speed = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self._call("Network.emulateNetworkConditions", offline=offline, **speed)

    def close(self) -> None:
        """Close the tab."""
        self.browser.call("Target.closeTarget", targetId=self._target)

    def evaluate(self, script: str) -> Any:
        """Return what a script is, or resolves with. Raises: ProtocolError."""
        answer = self._call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise ProtocolError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def until(self, script: str, deadline: float = DEADLINE) -> Any:
        """Return the script's first true value. Raises: AssertionError, after a screenshot."""
        end = time.monotonic() + deadline
        while time.monotonic() < end:
            with suppress(ProtocolError):  # a page that is just changing
                if value := self.evaluate(script):
                    return value
            time.sleep(0.02)
        raise AssertionError(f"not within {deadline} s: {script}\n{self._state()}")

    def click(self, selector: str) -> None:
        """Click where the element is, with the mouse."""
        x, y = self.until(CENTRE % json.dumps(selector))
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def drag(self, selector: str, right: int) -> None:
        """Press the mouse where the element is, move it so many pixels to the right, and let go."""
        x, y = self.until(CENTRE % json.dumps(selector))
        for kind, moved in (("mousePressed", 0), ("mouseMoved", right), ("mouseReleased", right)):
            self._call("Input.dispatchMouseEvent", type=kind, x=x + moved, y=y, button="left", buttons=1)

    def enter(self, selector: str, text: str) -> None:
        """Click into a field, type `text` and press Enter."""
        self.click(selector)
        self._call("Input.insertText", text=text)
        for kind in ("keyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, key="Enter", text="\r", windowsVirtualKeyCode=13)

    def texts(self, selector: str) -> list[str]:
        """Return the text of each element that matches."""
        found: list[str] = self.evaluate(texts_script(selector))
        return found

    def until_texts(self, selector: str, wanted: list[str], deadline: float = DEADLINE) -> None:
        """Wait until the matching elements say exactly this."""
        found, expected = texts_script(selector), json.dumps(wanted)
        self.until(f"JSON.stringify({found}) == JSON.stringify({expected})", deadline)

    def errors(self) -> list[str]:
        """Return the errors that no script of the page caught."""
        found: list[str] = self.evaluate("window.uncaught")
        return found

    def _call(self, method: str, **params: object) -> Any:
        return self.browser.call(method, self._session, **params)

    def _state(self) -> str:
        """What there is to see: the page's text, its errors, and where the screenshot is."""
        self.browser.shots.mkdir(parents=True, exist_ok=True)
        shot = self.browser.shots / f"{len(list(self.browser.shots.iterdir()))}.png"
        shot.write_bytes(base64.b64decode(self._call("Page.captureScreenshot")["data"]))
        seen = self.evaluate("[location.href, document.body.innerText, ...window.uncaught].join('\\n')")
        return f"{seen}\n--- screenshot: {shot}"


REMEMBER_ERRORS = """
window.uncaught = []
addEventListener("error", (event) => uncaught.push(event.message))
addEventListener("unhandledrejection", (event) => uncaught.push(String(event.reason)))
addEventListener("securitypolicyviolation", (event) => uncaught.push(`blocked: ${event.blockedURI}`))
"""

CENTRE = """(() => {
    const box = document.querySelector(%s)
    box.scrollIntoView({ block: "center", behavior: "instant" })
    const { x, y, width, height } = box.getBoundingClientRect()
    return width && height && [x + width / 2, y + height / 2]
})()"""


def texts_script(selector: str) -> str:
    """Return a script for the texts of the elements that match."""
    return f"Array.from(document.querySelectorAll({json.dumps(selector)}), (one) => one.textContent.trim())"
