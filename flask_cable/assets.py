"""The JavaScript client as the browser gets it: below the cable's path, cached by a hash of its content."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from flask import Flask, Response, current_app, request

if TYPE_CHECKING:
    from .runtime import CableState

A_YEAR = 31_536_000  # seconds


class Script(NamedTuple):
    """A file, and a name for what is in it."""

    body: bytes
    version: str


def load_script() -> Script:
    """Read ``cable.js``."""
    body = (files(__package__) / "static" / "cable.js").read_bytes()
    return Script(body, hashlib.sha256(body).hexdigest()[:16])


def script_path(mount_path: str) -> str:
    """The path of ``cable.js``, from that of the cable's route."""
    return f"{mount_path.rstrip('/')}/cable.js"


def add_script(app: Flask, mount_path: str) -> None:
    """Register the URL rule of ``cable.js``."""
    app.add_url_rule(script_path(mount_path), "cable_script", script)


def script() -> Response:
    """The client. With ``?v=`` its version it never changes; without, it is asked about each time."""
    state: CableState = current_app.extensions["cable"]
    body, version = state.script
    response = Response(body, mimetype="text/javascript")
    response.set_etag(version)
    response.headers["X-Content-Type-Options"] = "nosniff"
    if request.args.get("v") == version:
        response.headers["Cache-Control"] = f"public, max-age={A_YEAR}, immutable"
    else:
        response.headers["Cache-Control"] = "no-cache"
    response.make_conditional(request)
    return response
