"""Flask-Cable: the real-time layer for Flask.

What belongs to Flask is loaded when it is first asked for, so that what is below it works without.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import errors, signals
from .core.callbacks import (
    after_command,
    after_subscribe,
    after_unsubscribe,
    before_command,
    before_subscribe,
    before_unsubscribe,
    rescue_from,
)
from .core.connection import Connection
from .endpoints.behaviour import Behaviour, Binary, Close, Text
from .endpoints.channels import Channel, periodically
from .errors import NameTaken
from .publisher import Publisher
from .pubsub import ExternalPubSub
from .streams import JsonCoder, broadcasting_for, stream_key

if TYPE_CHECKING:
    from .broadcasting import Broadcastable
    from .extension import Cable
    from .pages import cable_is_socket, socket, socket_connection_id

__all__ = [
    "Behaviour",
    "Binary",
    "Broadcastable",
    "Cable",
    "Channel",
    "Close",
    "Connection",
    "ExternalPubSub",
    "JsonCoder",
    "NameTaken",
    "Publisher",
    "Text",
    "after_command",
    "after_subscribe",
    "after_unsubscribe",
    "before_command",
    "before_subscribe",
    "before_unsubscribe",
    "broadcasting_for",
    "cable_is_socket",
    "errors",
    "periodically",
    "rescue_from",
    "signals",
    "socket",
    "socket_connection_id",
    "stream_key",
]


_LATE = {
    "Broadcastable": "broadcasting",
    "Cable": "extension",
    "cable_is_socket": "pages",
    "socket": "pages",
    "socket_connection_id": "pages",
}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(import_module(f".{_LATE[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
