"""Testing without a server: connect, subscribe, perform, send, and look at what the peer was sent.

A handshake goes through the real WSGI application, and everything that a call causes has happened when
it returns: work runs at once and time moves only by ``advance_time``. Used by applications' tests;
``pytest_plugin.py`` makes fixtures of it.
"""

from .client import SAME_ORIGIN, CableClient
from .connection import CableConnection, CableSubscription
from .failures import HandshakeRefused
from .page import CablePage
from .peer import CablePeer
from .socketio import Event, SocketIOConnection, SocketIOPeer
from .turbo import TurboElement, elements_of

__all__ = [
    "SAME_ORIGIN",
    "CableClient",
    "CableConnection",
    "CablePage",
    "CablePeer",
    "CableSubscription",
    "Event",
    "HandshakeRefused",
    "SocketIOConnection",
    "SocketIOPeer",
    "TurboElement",
    "elements_of",
]
