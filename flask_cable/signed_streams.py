"""Channels that anybody may subscribe to, since a peer needs a stream's name signed by the application.

``Turbo::StreamsChannel`` is what Turbo's ``<turbo-cable-stream-source>`` subscribes to, ``$pubsub`` what
AnyCable's clients do. Every cable has both; ``routes/channels.py`` adds them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from flask import current_app

from .endpoints.channels import Channel
from .errors import BadSignature
from .protocols.turbo import as_html

logger = logging.getLogger("flask_cable")


class SignedStreamsChannel(Channel):
    """Streams from the stream whose signed name is the parameter ``signed_stream_name``."""

    @property
    def verified_stream_name(self) -> str:
        """The stream's name.

        Raises:
            BadSignature: this application did not sign it.
        """
        name = current_app.extensions["cable"].verifier.verified(self.params.get("signed_stream_name"))
        if not isinstance(name, str) or not name.strip():
            raise BadSignature(
                "signed_stream_name is none that this application signed: forged, or of another secret"
            )
        return name

    def subscribed(self) -> None:
        self.stream_from(self.verified_stream_name)


class StreamsChannel(SignedStreamsChannel):
    """Turbo's: messages arrive as the HTML of ``<turbo-stream>`` elements.

    Subclass it to ask more of a peer than the name, and register the subclass as ``Turbo::StreamsChannel``
    or under a name of its own: ``turbo_stream_from(board, channel=BoardChannel)``.
    """

    @staticmethod
    def translate(body: bytes) -> bytes | None:
        try:
            return as_html(body)
        except ValueError as error:
            logger.warning("no Turbo Stream: %s", error)
            return None


StreamsChannel.registered_as = "Turbo::StreamsChannel"
SignedStreamsChannel.registered_as = "$pubsub"

BUILT_IN: Mapping[str, type[Channel]] = MappingProxyType(
    {"Turbo::StreamsChannel": StreamsChannel, "$pubsub": SignedStreamsChannel}
)
"""What a peer may subscribe to in every application; a channel registered under the same name comes first."""


def registered_name(channel: Any) -> str:
    """What a page calls a channel: its registered name, or the name itself."""
    return channel if isinstance(channel, str) else channel.registered_as or channel.__name__
