"""A browser, as far as a page's socket is concerned: it loads a page, connects, and makes requests."""

from __future__ import annotations

import http.client
import json
import re
from typing import Any

from support.wire import Wire

MARK = re.compile(r'<body data-socket-connection-id="([0-9a-f]{64})" class="page">')


class Visitor:
    """Somebody with cookies of their own, at a server of this machine."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookie = ""

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
        """Make a request on a connection of its own, so that any worker may answer it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            fields = {"Connection": "close", "Cookie": self.cookie, **headers}
            if body is not None:
                fields["Content-Type"] = "application/json"
            connection.request(method, path, body and json.dumps(body), fields)
            response = connection.getresponse()
            cookie = response.headers.get("Set-Cookie")
            if cookie is not None:
                self.cookie = cookie.partition(";")[0]
            return response.status, response.read().decode()
        finally:
            connection.close()

    def load(self, *streams: str) -> PageAtServer:
        """Load a page that hears these streams; its socket has not connected yet."""
        query = "&".join(f"hear={stream}" for stream in streams)
        status, html = self.request("GET", f"/?{query}")
        assert status == 200, html
        (id,) = MARK.findall(html)
        return PageAtServer(self, id)

    def push(self, message: Any, *streams: str) -> None:
        """Push by a request."""
        assert self.request("POST", "/push", {"message": message, "streams": streams})[0] == 204


class PageAtServer:
    """One page, and its socket when it has one."""

    def __init__(self, visitor: Visitor, id: str) -> None:
        self.visitor = visitor
        self.id = id
        self.wire: Wire | None = None

    def connect(self) -> PageAtServer:
        """Open the socket; it may be told that it is expired later."""
        if self.wire is not None:
            self.wire.close()
        self.wire = Wire(self.visitor.port)
        answer = self.wire.ask(
            f"/cable/socket?socket_connection_id={self.id}",
            {"Cookie": self.visitor.cookie, "Sec-WebSocket-Protocol": None},
        )
        assert answer.status == 101, answer
        return self

    def ready(self) -> PageAtServer:
        """Wait until the server has looked the page up: from then on nothing is missed."""
        assert self.ask("double", number=1)["body"] == 2
        return self

    def hear(self) -> Any:
        """Wait for the next message."""
        assert self.wire is not None
        return self.wire.hear()

    def hear_payloads(self, count: int) -> list[Any]:
        """Wait for so many pushes."""
        return [self.hear()["payload"] for _ in range(count)]

    def ask(self, action: str, **fields: Any) -> Any:
        """Have a message handled, and wait for the reply, which is the next message."""
        assert self.wire is not None
        self.wire.say(action=action, id="x", **fields)
        reply = self.hear()
        assert reply.pop("id", None) == "x", reply
        return reply

    def order(self, what: str, stream: str) -> None:
        """Subscribe or unsubscribe by a request of this page."""
        headers = {"X-Socket-Connection-Id": self.id}
        assert self.visitor.request("POST", f"/{what}/{stream}", **headers)[0] == 204

    def leave(self) -> list[Any]:
        """Close the socket in good order; returns the pushes that came before the server had closed, too."""
        assert self.wire is not None
        self.wire.say_close()
        left = []
        while (heard := self.wire.hear_frame()).opcode != 8:
            if heard.opcode == 1:
                left.append(json.loads(heard.payload)["payload"])
        self.wire.close()
        return left

    def vanish(self) -> None:
        """Be gone without a word."""
        assert self.wire is not None
        self.wire.reset()
