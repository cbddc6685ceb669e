"""Jinja helpers: where a page's client finds the cable."""

from __future__ import annotations

from flask import current_app, has_request_context, request
from markupsafe import Markup


def cable_url() -> str:
    """The path of the cable's route, below the application's root."""
    path: str = current_app.config["CABLE_MOUNT_PATH"]
    root = request.script_root if has_request_context() else ""
    return f"{root}{path}"


def cable_meta_tag() -> Markup:
    """``<meta name="action-cable-url" ...>``, which @rails/actioncable reads."""
    return Markup('<meta name="action-cable-url" content="{}">').format(cable_url())
