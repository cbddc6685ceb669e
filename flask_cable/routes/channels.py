"""The cable's own route: channels over the Action Cable protocol."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Request, request
from flask.typing import ResponseReturnValue

from ..core.connection import Connection
from ..core.heartbeat import Heartbeat
from ..endpoints.channels import ChannelLimits, ChannelsHandler
from ..protocols.actioncable import V1_JSON, ActionCable, negotiate
from ..protocols.opening import Refusal
from ..signed_streams import BUILT_IN
from .base import Route

if TYPE_CHECKING:
    from ..runtime import Runtime


class ChannelsRoute(Route):
    """Where @rails/actioncable and its kin connect: ``CABLE_MOUNT_PATH``."""

    subprotocols = (V1_JSON,)

    def make_handler(self, runtime: Runtime) -> ChannelsHandler:
        config = runtime.config
        protocol = ActionCable(runtime.json)
        beats = Heartbeat(runtime.executor, config.ping_interval, protocol.ping)
        watches = [beats, *runtime.watches(config.idle_timeout)]
        channels = ChainMap(runtime.cable.channels, dict(BUILT_IN))
        handler = ChannelsHandler(channels, protocol, watches=watches, **runtime.resources())
        handler.limits = ChannelLimits(
            config.max_subscriptions, config.max_streams, config.max_identifier_bytes
        )
        return handler

    def subprotocol(self, offered: Iterable[str]) -> str | None:
        return negotiate(offered)

    def admit(self, connection: Connection, request: Request) -> ResponseReturnValue | None:
        """Let everybody in: who is refused is told so in the protocol's words, and stays away.

        Whom ``connect`` failed for is closed with 1011 (see ``Runtime.begin``).
        """
        try:
            connection.open()
        except Exception as error:
            connection.handler.failed(connection, error)
            connection.is_rejected = True
            connection.close(1011, "internal error")
        return None

    def view_http(self, **arguments: object) -> ResponseReturnValue:
        text = "This address speaks WebSocket; use a client such as @rails/actioncable."
        return self.refused(Refusal(426, text), request)
