"""A peer's side of one connection, and of one subscription: what it sends, and what it was sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from werkzeug.test import TestResponse

from ..endpoints.channels import Channel
from ..streams import stream_key
from ..transports.loopback import LoopbackTransport
from .failures import listed
from .peer import CablePeer
from .turbo import sources_of

if TYPE_CHECKING:
    from .client import CableClient


class CableConnection(CablePeer):
    """A peer's side of one connection of the cable's own route."""

    def __init__(self, client: CableClient, transport: LoopbackTransport, response: TestResponse) -> None:
        super().__init__(client, transport, response)
        self._frames: list[Any] = []

    @property
    def frames(self) -> list[Any]:
        """All that was received, decoded."""
        sent = self._transport.sent
        self._frames += [json.loads(text) for text in sent[len(self._frames) :]]
        return list(self._frames)

    @property
    def transmissions(self) -> list[Any]:
        """All that was received but pings, decoded."""
        return [frame for frame in self.frames if _type_of(frame) != "ping"]

    @property
    def welcomed(self) -> bool:
        """Whether the connection was accepted."""
        return any(_type_of(frame) == "welcome" for frame in self.frames)

    @property
    def rejected(self) -> bool:
        """Whether ``connect`` refused."""
        return (self.disconnect_message or {}).get("reason") == "unauthorized"

    @property
    def disconnect_message(self) -> dict[str, Any] | None:
        """``{"type": "disconnect", "reason": ..., "reconnect": ...}``, once the server has said so."""
        return next((frame for frame in self.frames if _type_of(frame) == "disconnect"), None)

    def subscribe(self, channel: str | type[Channel], /, **params: Any) -> CableSubscription:
        """Subscribe to a channel: its class, or the name it is registered under."""
        self._assert_open()
        name = channel if isinstance(channel, str) else channel.registered_as or channel.__name__
        identifier = self.client._handler().protocol.json.encode({"channel": name, **params}).decode()
        return CableSubscription(self, identifier)

    def subscribe_page(self, html: str) -> list[CableSubscription]:
        """Subscribe to all that a page's stream sources name, as Turbo's JavaScript or ours would."""
        return [self.subscribe(params.pop("channel"), **params) for params in sources_of(html)]

    def send_raw(self, *messages: str | bytes) -> None:
        """Send messages as they are; several arrive together."""
        self._transport.say(*messages)
        self.client.settle()

    def _command(self, name: str, identifier: str, **fields: Any) -> None:
        self.send_raw(json.dumps({"command": name, "identifier": identifier, **fields}))


class CableSubscription:
    """A peer's side of one subscription.

    Attributes:
        connection: the ``CableConnection`` that it belongs to.
        identifier: its name, as it was sent.
        channel: the server's ``Channel``; None where there is none because the subscription was rejected.
    """

    def __init__(self, connection: CableConnection, identifier: str) -> None:
        self.connection = connection
        self.identifier = identifier
        self._start = len(connection.frames)
        connection._command("subscribe", identifier)
        self.channel: Any = self._current()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.identifier}>"

    @property
    def transmissions(self) -> list[Any]:
        """The payloads that this subscription has received."""
        return [frame["message"] for frame in self._frames() if "message" in frame]

    @property
    def confirmed(self) -> bool:
        """Whether the server has confirmed the subscription, and not rejected it since."""
        return self._verdict() == "confirm_subscription"

    @property
    def rejected(self) -> bool:
        """Whether the server has rejected the subscription."""
        return self._verdict() == "reject_subscription"

    @property
    def streams(self) -> tuple[str, ...]:
        """The names of the streams that the channel hears."""
        return self.channel.streams if self.channel is not None else ()

    def perform(self, action: str, **data: Any) -> None:
        """Call an action of the channel; one that it does not have is in ``connection.errors``."""
        self.send({"action": action, **data})

    def call(self, action: str, **data: Any) -> Any:
        """Call an action and wait for the reply, as Flask-Cable's own client does: what the action returns.

        Raises:
            AssertionError: the reply is an error, or there is none.
        """
        number = len(self.connection.frames)
        self._message({"action": action, **data}, id=number)
        reply = next((f for f in self._frames() if f.get("type") == "reply" and f["id"] == number), None)
        if reply is None or "error" in reply:
            raise AssertionError(f"{action!r} was replied to with {reply}; errors: {self.connection.errors}")
        return reply["data"]

    def send(self, data: Mapping[str, Any]) -> None:
        """Send data that names no action: the channel's ``receive`` gets it."""
        self._message(data)

    def _message(self, data: Mapping[str, Any], **fields: Any) -> None:
        self._assert_subscribed()
        text = self.connection.client._handler().protocol.json.encode(dict(data)).decode()
        self.connection._command("message", self.identifier, data=text, **fields)

    def unsubscribe(self) -> None:
        """End the subscription."""
        self._assert_subscribed()
        self.connection._command("unsubscribe", self.identifier)

    def assert_has_stream(self, stream: Any) -> None:
        """Expect that the channel hears a stream, as by ``stream_from``."""
        if stream_key(stream) not in self.streams:
            raise AssertionError(f"no stream {stream_key(stream)!r}, but: {listed(self.streams)}")

    def assert_has_stream_for(self, target: Any) -> None:
        """Expect that the channel hears a target's stream, as by ``stream_for``."""
        self.assert_has_stream(self._stream_for(target))

    def assert_has_no_stream(self, stream: Any) -> None:
        """Expect that the channel does not hear a stream."""
        if stream_key(stream) in self.streams:
            raise AssertionError(f"there is a stream {stream_key(stream)!r}")

    def assert_has_no_stream_for(self, target: Any) -> None:
        """Expect that the channel does not hear a target's stream."""
        self.assert_has_no_stream(self._stream_for(target))

    def assert_no_streams(self) -> None:
        """Expect that the channel hears nothing."""
        if self.streams:
            raise AssertionError(f"expected no streams, but there are: {listed(self.streams)}")

    def _stream_for(self, target: Any) -> str:
        if self.channel is None:
            raise AssertionError(f"the subscription was rejected, so it has no streams: {self.identifier}")
        return cast(str, self.channel.broadcasting_for(target))

    def _frames(self) -> list[dict[str, Any]]:
        frames = self.connection.frames[self._start :]
        return [f for f in frames if isinstance(f, dict) and f.get("identifier") == self.identifier]

    def _verdict(self) -> str | None:
        return next((frame["type"] for frame in reversed(self._frames()) if "type" in frame), None)

    def _current(self) -> Channel | None:
        connection = self.connection.connection
        return self.connection.client._handler().subscriptions(connection).get(self.identifier)

    def _assert_subscribed(self) -> None:
        self.connection._assert_open()
        if self._current() is None:
            raise AssertionError(f"not subscribed{' (rejected)' if self.rejected else ''}: {self.identifier}")


def _type_of(frame: Any) -> Any:
    return frame.get("type") if isinstance(frame, dict) else None
