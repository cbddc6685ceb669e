"""Checks of what is installed: versions, what breaks others, what makes JSON fast."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from flask.json.provider import DefaultJSONProvider

from .facts import Facts
from .finding import Finding

VERSIONS = ("Flask-Cable", "Flask", "Werkzeug", "websockets", "gevent", "gunicorn")


def check_versions(facts: Facts) -> Finding:
    """Who is here."""
    here = [f"{name} {found}" for name in VERSIONS if (found := _version(name))]
    return Finding("info", "versions", ", ".join([f"Python {platform.python_version()}", *here]))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def check_gevent_websocket(facts: Facts) -> Finding:
    """Whether gevent-websocket, by being there, breaks Flask-SocketIO."""
    name = "gevent-websocket"
    if not facts.installed >= {"geventwebsocket", "engineio"}:
        return Finding("ok", name, "installed" if "geventwebsocket" in facts.installed else "not installed")
    seen = "installed beside python-engineio, which then answers 500 under -k gevent"
    return Finding("warn", name, seen, "pip uninstall gevent-websocket")


def check_json(facts: Facts) -> Finding:
    """Whether JSON is encoded fast."""
    provider = facts.app.json
    if not isinstance(provider, DefaultJSONProvider) or type(provider).dumps is not DefaultJSONProvider.dumps:
        return Finding("info", "JSON", f"{type(provider).__qualname__}, the application's own provider")
    if provider.default is not DefaultJSONProvider.default:
        return Finding("info", "JSON", "Flask's provider with a default of its own, so without orjson")
    if "orjson" in facts.installed:
        return Finding("ok", "JSON", "Flask's provider, with orjson where that changes nothing")
    return Finding("info", "JSON", "Flask's provider, without orjson", "pip install 'flask-cable[fast]'")
