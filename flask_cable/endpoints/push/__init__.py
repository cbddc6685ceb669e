"""Sockets of pages, as in Pakyow: a route subscribes the page that it renders, and pushes to pages.

``ledger.py`` is what is kept while a socket is not there, ``streams.py`` who hears what, ``page.py`` one
page's state, ``handler.py`` what pages say; ``pusher.py`` pushes, and ``patterns.py``
and ``lines.py`` are how pushes are addressed.
"""

from .handler import BUILT_IN, PageLimits, PagesHandler, Registered, Renewal, serving
from .ledger import BEGINNING, Ledger, Order, Patience, Place, Record
from .pusher import Pusher

__all__ = [
    "BEGINNING",
    "BUILT_IN",
    "Ledger",
    "Order",
    "PageLimits",
    "PagesHandler",
    "Patience",
    "Place",
    "Pusher",
    "Record",
    "Registered",
    "Renewal",
    "serving",
]
