"""A page, as far as its socket is concerned: what it was pushed, what it asks, and its requests."""

from __future__ import annotations

import json
import re
from itertools import count
from typing import TYPE_CHECKING, Any

from werkzeug.test import TestResponse

from ..pages import ID_HEADER
from ..streams import stream_key
from ..transports.loopback import LoopbackTransport
from .failures import listed
from .peer import CablePeer

if TYPE_CHECKING:
    from .client import CableClient

_MARK = re.compile(r'data-socket-connection-id="([0-9a-f]+)"')


class CablePage(CablePeer):
    """A page whose socket has connected.

    Attributes:
        id: its ``socket_connection_id``.
    """

    def __init__(
        self, client: CableClient, transport: LoopbackTransport, response: TestResponse, id: str
    ) -> None:
        super().__init__(client, transport, response)
        self.id = id
        self._ids = count(1)

    # What it was sent.

    @property
    def received(self) -> list[Any]:
        """All that was received, decoded."""
        return [json.loads(message) for message in self.messages]

    @property
    def pushes(self) -> list[dict[str, Any]]:
        """What it was pushed: ``{"payload": ..., "channel": ...}`` each."""
        return [one for one in self.received if "payload" in one]

    @property
    def payloads(self) -> list[Any]:
        """The payloads of what it was pushed."""
        return [push["payload"] for push in self.pushes]

    @property
    def expired(self) -> bool:
        """Whether it was told that nobody knows it (any more)."""
        return {"type": "expired"} in self.received

    @property
    def streams(self) -> tuple[str, ...]:
        """What it hears."""
        return tuple(self.connection.state.hearings)

    # What it says.

    def ask(self, action: str, **fields: Any) -> dict[str, Any]:
        """Have a message handled, and return the reply."""
        id = f"test-{next(self._ids)}"
        self.send_json({**fields, "action": action, "id": id})
        replies = [one for one in self.received if one.get("id") == id]
        if not replies:
            raise AssertionError(f"{action!r} was not replied to; received: {listed(self.received)}")
        return dict(replies[0])

    def call(self, uri: str, method: str = "get", input: Any = None, **fields: Any) -> dict[str, Any]:
        """Call a route over the socket; returns ``{"id", "status", "headers", "body"}``."""
        return self.ask("call-route", uri=uri, method=method, input=input, **fields)

    def open(self, uri: str, **options: Any) -> TestResponse:
        """Make an ordinary request that comes from this page; ``options`` are those of Flask's client."""
        headers = {**options.pop("headers", {}), ID_HEADER: self.id}
        response = self.client.http.open(uri, headers=headers, **options)
        self.client.settle()
        return response

    def reconnect(self, **options: Any) -> CablePage:
        """Connect once more, as a page does whose socket was lost."""
        return self.client.page(self.id, **options)

    # Expectations.

    def assert_hears(self, *streams: Any) -> None:
        """Expect that the page hears these streams."""
        absent = [stream for stream in map(stream_key, streams) if stream not in self.streams]
        if absent:
            raise AssertionError(f"the page does not hear {absent}, but: {listed(self.streams)}")

    def assert_hears_not(self, *streams: Any) -> None:
        """Expect that the page hears none of these streams."""
        heard = [stream for stream in map(stream_key, streams) if stream in self.streams]
        if heard:
            raise AssertionError(f"the page hears {heard}")

    def assert_pushed(self, payload: Any, channel: Any = None) -> None:
        """Expect that the page was pushed this, by this stream or by any."""
        name = None if channel is None else stream_key(channel)
        if not any(one["payload"] == payload and name in (None, one["channel"]) for one in self.pushes):
            where = "" if name is None else f" by {name!r}"
            raise AssertionError(f"not pushed{where}: {payload!r}\npushed: {listed(self.pushes)}")


def id_of(page: TestResponse) -> str:
    """The id that a page bears. Raises ``AssertionError`` when there is none."""
    found = _MARK.search(page.get_data(as_text=True))
    if found is None:
        shown = page.get_data(as_text=True)[:500]
        raise AssertionError(f"this page bears no data-socket-connection-id: {page.status}, {shown!r}")
    return found[1]
