"""gevent-websocket: a server that has answered the handshake before the application runs.

Its object is asked for the socket and left alone: it would limit no frame size, could send no close code
and unmasks in Python. What it did by then cannot be undone, so a refusal is a close frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KEY = "wsgi.websocket"


def find_socket(environ: Mapping[str, Any]) -> Any:
    """The socket beneath ``environ["wsgi.websocket"]``."""
    return environ[KEY].handler.socket
