"""Checks of URL rules: whether a WebSocket reaches the function that wants it."""

from __future__ import annotations

from collections.abc import Iterable
from inspect import unwrap
from typing import Any

from flask import Flask
from werkzeug.exceptions import HTTPException

from .facts import Facts
from .finding import Finding

OURS = ("cable", "cable_socket")
"""Endpoints of the cable's own WebSocket rules."""


def check_route(facts: Facts) -> Finding:
    """Whether requests for the cable's path reach the cable."""
    name, path = "route", facts.config.mount_path
    remedy = "remove the other rule, or set CABLE_MOUNT_PATH to a path of its own"
    taker = _endpoint_at(facts.app, path, websocket=True)
    if taker != "cable":
        seen = f"WebSockets to {path} reach {_described(facts.app, taker)}"
        return Finding("fail", name, seen, remedy)
    taker = _endpoint_at(facts.app, path, websocket=False)
    if taker != "cable_http":
        seen = f"plain HTTP to {path} reaches {_described(facts.app, taker)}, a rule without websocket=True"
        return Finding("warn", name, seen, remedy)
    return Finding("ok", name, path)


def _endpoint_at(app: Flask, path: str, websocket: bool) -> str:
    routes = app.url_map.bind(app.config.get("SERVER_NAME") or "localhost")
    try:
        endpoint, _ = routes.match(path, "GET", websocket=websocket)
    except HTTPException as error:
        return f"nothing ({error.code} {error.name})"
    return str(endpoint)


def _described(app: Flask, endpoint: str) -> str:
    function = app.view_functions.get(endpoint)
    return endpoint if function is None else f"{endpoint!r} ({function.__module__}.{function.__qualname__})"


def check_websocket_rules(facts: Facts) -> Finding:
    """Whether functions that want a WebSocket have a rule that lets one through."""
    name = "websocket=True"
    plain = [(rule, function) for rule, function in _rules(facts.app) if not rule.websocket]
    deaf = [rule for rule, function in plain if _reads_websocket(function)]
    if deaf:
        seen = f"{_paths(deaf)}: reads environ['wsgi.websocket'], but its rule lets no upgrade through"
        return Finding("warn", name, seen, "register it with @app.route(..., websocket=True)")
    others = [rule for rule, _ in _rules(facts.app) if rule.websocket and rule.endpoint not in OURS]
    return Finding("ok", name, f"besides the cable: {_paths(others)}" if others else "the cable's rules only")


def check_flask_sock(facts: Facts) -> Finding:
    """Whether flask-sock's routes write by themselves."""
    name = "flask-sock"
    routes = [(rule, function) for rule, function in _rules(facts.app) if _is_flask_sock(function)]
    loose = [rule for rule, function in routes if not _calls_serve(function)]
    if not loose:
        return Finding("ok", name, "no route that writes by itself")
    seen = f"{_paths(loose)}: simple-websocket loses bytes under gevent when a peer reads slowly"
    return Finding("warn", name, seen, "hand its object to cable.serve(ws), or write a channel")


def _rules(app: Flask) -> Iterable[tuple[Any, Any]]:
    return [(rule, app.view_functions.get(rule.endpoint)) for rule in app.url_map.iter_rules()]


def _paths(rules: Iterable[Any]) -> str:
    return ", ".join(sorted(rule.rule for rule in rules))


def _reads_websocket(function: Any) -> bool:
    return "wsgi.websocket" in getattr(_code(function), "co_consts", ())


def _is_flask_sock(function: Any) -> bool:
    return bool(getattr(function, "__globals__", {}).get("__name__") == "flask_sock")


def _calls_serve(function: Any) -> bool:
    return "serve" in getattr(_code(function), "co_names", ())


def _code(function: Any) -> Any:
    return getattr(unwrap(function), "__code__", None) if callable(function) else None
