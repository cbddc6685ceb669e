"""The commands of the Action Cable protocol, carried out on channels.

What a peer gets wrong is counted, logged once per peer and survived; what must be answered is answered:
a subscription that cannot be is rejected, or the stock client would ask again for ever.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from ...core.connection import Connection
from ...core.handler import Handler
from ...core.hub import Encode
from ...errors import (
    AlreadySubscribed,
    CommandError,
    MalformedMessage,
    TooMany,
    UnknownAction,
    UnknownChannel,
    UnknownCommand,
    UnknownSubscription,
)
from ...protocols.actioncable import (
    REPLIES,
    UNSUPPORTED,
    WELCOME,
    ActionCable,
    Command,
    negotiate,
    wants_reply,
)
from ...protocols.frames import DROP_OLDEST, KEEP_LATEST, Frame, Lane
from ...signals import (
    broadcasting,
    command_failed,
    rejected,
    subscribed,
    subscription_rejected,
    unsubscribed,
)
from ...streams import Coder
from .channel import DISCONNECT, Channel, Translate

logger = logging.getLogger("flask_cable")

Channels = Mapping[str, type[Channel]]
Resolved = tuple[str, type[Channel], Mapping[str, Any]]

SHARED = 512
"""Identifiers up to this length are remembered, so that peers who use the same one share it."""

_REASONS: dict[type[Exception], str] = {
    MalformedMessage: "malformed",
    UnknownAction: "unknown_action",
    UnknownSubscription: "unknown_subscription",
}


class ChannelLimits(NamedTuple):
    """Bounds of what one peer may ask for: counts, and bytes of an identifier."""

    subscriptions: int = 1000
    streams: int = 1000
    identifier: int = 4096


class ChannelsHandler(Handler):
    """Serves all connections of the cable's route; a connection's ``state`` is identifier -> channel."""

    def __init__(
        self,
        channels: Channels,
        protocol: ActionCable,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.channels = channels
        self.protocol = protocol
        self.limits = ChannelLimits()
        self._encoders: dict[str, Callable[[Any, bytes], Frame]] = {
            DISCONNECT: protocol.message,
            DROP_OLDEST: partial(_laned, protocol, DROP_OLDEST),
            KEEP_LATEST: partial(_laned, protocol, KEEP_LATEST),
        }
        self._translating: dict[tuple[str, Translate], Encode] = {}
        # Peers of one stream mostly share an identifier; they share its text and its params, too.
        self._resolved: dict[str, Resolved] = {}

    # What connections call.

    def opened(self, connection: Connection) -> None:
        connection.send(WELCOME)

    def received(self, connection: Connection, message: str | bytes) -> None:
        command = None
        try:
            command = self.protocol.parse(message)
            if connection.hooks:
                self._execute_between_hooks(connection, command)
            else:
                self._execute(connection, command)
        except Exception as error:
            self._answer(connection, error)
            self._say_why(connection, command, _reason(error))

    def closed(self, connection: Connection, code: int, reason: str) -> None:
        for channel in list(self.subscriptions(connection).values()):
            self._end(channel)
        connection.state = None

    def encode(self, data: Any) -> Frame:
        return Frame(self.protocol.json.encode(data))

    def say_disconnect(self, connection: Connection, reason: str | None, reconnect: bool) -> bool:
        connection.send(self.protocol.disconnect(reason, reconnect))
        return True

    def turn_away(self, connection: Connection) -> None:
        connection.disconnect("unauthorized", reconnect=False)
        self.tell(rejected, connection=connection)

    # Commands.

    def _execute_between_hooks(self, connection: Connection, command: Command) -> None:
        """Execute, unless a hook stops it."""
        if not connection.run_hooks("before_command"):
            return self._say_why(connection, command, "halted")
        self._execute(connection, command)
        try:
            connection.run_hooks("after_command")
        except Exception as error:  # after the reply, of which there is one
            self._answer(connection, error)

    def _execute(self, connection: Connection, command: Command) -> None:
        if command.name == "message":
            self._perform(connection, command)
        elif command.name == "subscribe":
            self._subscribe(connection, command.identifier)
        elif command.name == "unsubscribe":
            self._unsubscribe(connection, command.identifier)

    def _subscribe(self, connection: Connection, identifier: str) -> None:
        known = self.subscriptions(connection).get(identifier)
        if known is not None:
            self._subscribe_again(connection, known)
            return
        try:
            self._check_limits(connection, identifier)
            identifier, channel_class, params = self._resolve(identifier)
        except CommandError:
            self._reject(connection, identifier)
            raise
        self.add_subscription(connection, channel_class(connection, identifier, params))

    def _check_limits(self, connection: Connection, identifier: str) -> None:
        size = len(identifier.encode(errors="surrogatepass"))
        if size > self.limits.identifier:
            raise TooMany(f"CABLE_MAX_IDENTIFIER_BYTES: an identifier of {size}")
        if len(self.subscriptions(connection)) >= self.limits.subscriptions:
            raise TooMany(f"CABLE_MAX_SUBSCRIPTIONS: {self.limits.subscriptions} are open")

    def _subscribe_again(self, connection: Connection, channel: Channel) -> None:
        """The stock client repeats itself until confirmed; AnyCable's takes a second one for an error."""
        handshake: Any = connection.handshake
        if channel.confirmed and handshake is not None and UNSUPPORTED in handshake.offered:
            connection.send(self.protocol.confirm(channel.identifier))
        elif channel.confirmed:
            raise AlreadySubscribed(f"{channel.identifier} is subscribed already")

    def _resolve_now(self, identifier: str) -> Resolved:
        params = self.protocol.params(identifier)
        name = params.get("channel")
        channel_class = self.channels.get(name) if isinstance(name, str) else None
        if channel_class is None:
            raise UnknownChannel(f"no channel is registered as {name!r}")
        return identifier, channel_class, MappingProxyType(params)

    def _resolve(self, identifier: str) -> Resolved:
        """An identifier's text, class and params; shared between peers where nobody could change them."""
        found = self._resolved.get(identifier)
        if found is None:
            found = self._resolve_now(identifier)
            if len(identifier) <= SHARED and not any(isinstance(v, (dict, list)) for v in found[2].values()):
                if len(self._resolved) >= 1024:
                    self._resolved.clear()
                self._resolved[identifier] = found
        return found

    def add_subscription(self, connection: Connection, channel: Channel) -> None:
        """Subscribe a channel, which its connection keeps unless it is rejected or fails.

        Raises:
            AlreadySubscribed: the connection has one with the same identifier.
        """
        if connection.state is None:
            connection.state = {}
        if channel.identifier in connection.state:
            raise AlreadySubscribed(f"{channel.identifier} is subscribed already")
        connection.state[channel.identifier] = channel
        accepted = False
        try:
            accepted = channel.subscribe()
        except Exception as error:
            if not channel.rescue(error):
                raise
        finally:
            if not accepted:
                self._reject(connection, channel.identifier)

    def _reject(self, connection: Connection, identifier: str) -> None:
        self.subscriptions(connection).pop(identifier, None)
        connection.send(self.protocol.reject(identifier))
        self.tell(subscription_rejected, connection=connection, identifier=identifier)

    def _unsubscribe(self, connection: Connection, identifier: str) -> None:
        channel = self.subscriptions(connection).pop(identifier, None)
        if channel is None:
            raise UnknownSubscription(f"not subscribed: {identifier}")
        self._end(channel)

    def _end(self, channel: Channel) -> None:
        channel.unsubscribe()
        self.tell(unsubscribed, channel=channel)

    def _perform(self, connection: Connection, command: Command) -> None:
        channel = (connection.state or {}).get(command.identifier)
        if channel is None:
            raise UnknownSubscription(f"not subscribed: {command.identifier}")
        data = self.protocol.action_data(command.data)
        method, args = channel.prepare_action(_action(data), data)
        if command.id is not None and self._is_to_reply(connection, command):
            self.run_in(channel, self._reply, connection, command, partial(method, *args))
        else:
            self.run_in(channel, method, *args)

    # Replies, where the subprotocol has them.

    def _is_to_reply(self, connection: Connection, command: Command) -> bool:
        handshake: Any = connection.handshake
        if command.id is None or handshake is None:
            return False
        return wants_reply(command) and negotiate(handshake.offered) == REPLIES

    def _reply(self, connection: Connection, command: Command, action: Callable[[], object]) -> None:
        """Reply with what an action returns; a peer learns that it failed, and not of what."""
        try:
            body = self.protocol.json.encode(action())
        except BaseException:
            self._say_why(connection, command, "failed")
            raise
        connection.send(self.protocol.reply(command.identifier, command.id, body))

    def _say_why(self, connection: Connection, command: Command | None, error: str) -> None:
        """Tell a peer that waits for a reply why there is none."""
        if command is not None and self._is_to_reply(connection, command):
            connection.send(self.protocol.failure(command.identifier, command.id, error))

    def run_in(self, channel: Channel, function: Callable[..., object], *args: Any) -> None:
        """Run user code of a subscription: errors go to its rescuers, a ``reject()`` ends it."""
        try:
            function(*args)
        except BaseException as error:  # gevent.Timeout and exit() too: what comes after must run
            self._failed_in(channel, error)
        if channel.rejected and channel.is_subscribed:
            channel.end_subscription()
            self._reject(channel.connection, channel.identifier)

    # Errors.

    def _failed_in(self, channel: Channel, error: BaseException) -> None:
        try:
            rescued = channel.rescue(error) or channel.connection.rescue(error)
        except BaseException as worse:
            error, rescued = worse, False
        if not rescued:
            self.failed(channel.connection, error)

    def _answer(self, connection: Connection, error: Exception) -> None:
        """A command was not carried out: it is counted, and the connection lives on."""
        if connection.rescue(error):
            return
        if not isinstance(error, CommandError):
            return self.failed(connection, error)
        self.counts[_kind(error)] += 1
        self.tell(command_failed, connection=connection, error=error)
        if not connection.complained:
            connection.complained = True
            connection.logger.warning("%s (said once per connection)", error)

    # What channels call.

    def subscriptions(self, connection: Connection) -> dict[str, Channel]:
        """The connection's channels by identifier."""
        found: dict[str, Channel] | None = connection.state
        return {} if found is None else found

    def join(self, stream: str, channel: Channel, on_live: Any) -> bool:
        """Let a channel's peer hear a stream, one frame for all who share its identifier."""
        encode, key = self._encoding(channel, stream)
        return self.hub.join(stream, channel.connection, encode, key, on_live)

    def leave(self, stream: str, channel: Channel) -> bool:
        """Undo ``join``."""
        return self.hub.leave(stream, channel.connection, *self._encoding(channel, stream))

    def _encoding(self, channel: Channel, stream: str) -> tuple[Encode, Any]:
        key = channel.identifier if channel.overflow == DISCONNECT else (channel.identifier, stream)
        encode, translate = self._encoders[channel.overflow], channel.translate
        if translate is Channel.translate:
            return encode, key
        return self._translating.setdefault(
            (channel.overflow, translate), _Translator(translate, encode)
        ), key

    def confirm(self, channel: Channel) -> None:
        """Every stream of a channel is live, and ``subscribed`` has run."""
        channel.connection.send(self.protocol.confirm(channel.identifier))
        self.tell(subscribed, channel=channel)

    def transmit(self, channel: Channel, data: Any) -> bool:
        """Send data to one subscription."""
        body = self.protocol.json.encode(data)
        if channel.overflow == DISCONNECT:
            return channel.connection.send(self.protocol.message(channel.identifier, body))
        return channel.connection.send(self._encoders[channel.overflow]((channel.identifier, ""), body))

    def broadcast(
        self, stream: str, data: Any, coder: Coder | None = None, exclude: Connection | Channel | None = None
    ) -> None:
        """Broadcast to a stream everywhere. Raises ``EncodeError``, and then nothing is sent."""
        text = self.protocol.json.encode(data).decode() if coder is None else coder.encode(data)
        connection = exclude.connection if isinstance(exclude, Channel) else exclude
        self.tell(broadcasting, stream=stream, text=text)
        self.hub.broadcast(stream, text, connection, raw=coder is not None)


class _Translator:
    """Encodes what a channel translates; a message is translated once, however its peers name it."""

    __slots__ = ("_encode", "_last", "_translate")

    def __init__(self, translate: Translate, encode: Callable[[Any, bytes], Frame]) -> None:
        self._translate = translate
        self._encode = encode
        self._last: tuple[bytes | None, bytes | None] = (None, None)

    def __call__(self, key: Any, body: bytes) -> Frame | None:
        known, translated = self._last
        if known is not body:
            translated = self._translated(body)
            self._last = body, translated
        return None if translated is None else self._encode(key, translated)

    def _translated(self, body: bytes) -> bytes | None:
        try:
            return self._translate(body)
        except Exception:  # others hear the stream, too
            logger.exception("a broadcast could not be translated")
            return None


def _laned(protocol: ActionCable, policy: str, key: tuple[str, str], body: bytes) -> Frame:
    frame = protocol.message(key[0], body)
    frame.lane = Lane(policy, key)
    return frame


def _action(data: Mapping[str, Any]) -> str:
    action = data.get("action")
    if action is None or action == "":
        return "receive"
    if not isinstance(action, str):
        raise MalformedMessage("an action is named by a string")
    return action


def _kind(error: CommandError) -> str:
    return {MalformedMessage: "malformed", UnknownCommand: "unknown_command"}.get(
        type(error), type(error).__name__
    )


def _reason(error: Exception) -> str:
    """What a peer is told of an error, where it is told at all."""
    return _REASONS.get(type(error), "failed")
