"""Raw sockets: handlers of events (Kelp::Module::WebSocket), or a plain function for each connection."""

from .events import EVENTS, Events
from .functions import FunctionHandler
from .handler import EventsHandler

__all__ = ["EVENTS", "Events", "EventsHandler", "FunctionHandler"]
