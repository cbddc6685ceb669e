"""Routes: where each style of server code meets a URL. A style's file has its ``Route`` and nothing else."""

from .base import TOO_MANY, Route, plain
from .behaviour import BehaviourRoute
from .channels import ChannelsRoute
from .events import EventsRoute
from .push import PagesRoute
from .socketio import SocketIORoute

__all__ = [
    "TOO_MANY",
    "BehaviourRoute",
    "ChannelsRoute",
    "EventsRoute",
    "PagesRoute",
    "Route",
    "SocketIORoute",
    "plain",
]
