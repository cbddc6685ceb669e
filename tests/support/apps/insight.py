"""What a server process tells about itself, so that a test sees what is left over."""

from __future__ import annotations

import os
from typing import Any

from flask import current_app

from flask_cable import Cable


def insight(cable: Cable) -> dict[str, Any]:
    """Return the live connections, the streams that somebody hears and the open file descriptors."""
    state = current_app.extensions["cable"]
    return {
        "connections": len(cable.connections),
        "streams": sorted(state.runtime().hub.streams),
        "descriptors": len(os.listdir("/dev/fd")),
    }


def resident() -> int:
    """Return this process's memory in bytes (Linux)."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
