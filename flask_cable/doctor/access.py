"""Checks of who may come, and from where: origins, proxies, the key of sessions."""

from __future__ import annotations

from typing import Any

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from .facts import Facts
from .finding import Finding

LAYERS = 50
"""How deep WSGI middleware may be wrapped; past it somebody wraps himself."""

NGINX = (
    "location {path} {{ proxy_pass http://...; proxy_http_version 1.1; "
    'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; '
    "proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme; }}"
)


def check_origin(facts: Facts) -> Finding:
    """Whether other sites' pages are kept out."""
    name, allowed = "origins", facts.config.allowed_origins
    rules = list(allowed) if isinstance(allowed, (list, tuple, set)) else [allowed]
    if not facts.config.check_origin or "*" in rules:
        key = "CABLE_ALLOWED_ORIGINS has '*'" if facts.config.check_origin else "CABLE_CHECK_ORIGIN is off"
        seen = f"{key}: any site's page may connect with the cookies of who looks at it"
        return Finding("warn", name, seen, "name the sites in CABLE_ALLOWED_ORIGINS, and leave the check on")
    also = ", ".join(str(getattr(rule, "pattern", rule)) for rule in rules)
    return Finding("ok", name, f"the application's own, and {also}" if also else "the application's own")


def check_proxy(facts: Facts) -> Finding:
    """Whether a proxy's word on host and scheme is taken, which the origin check compares with."""
    name, fix = "proxy", _find_proxy_fix(facts.app)
    if fix is None:
        seen = "no ProxyFix: right without a proxy; one that changes host or scheme gets browsers refused"
        return Finding("info", name, seen, "app.wsgi_app = ProxyFix(app.wsgi_app, x_proto=1, x_host=1)")
    seen = f"ProxyFix takes x_for={fix.x_for}, x_proto={fix.x_proto}, x_host={fix.x_host}"
    if not fix.x_proto:
        return Finding("warn", name, f"{seen}: https is not seen, so browsers are refused", "set x_proto=1")
    if not fix.x_host:
        return Finding("ok", name, f"{seen}; the proxy has to pass Host on")
    return Finding("ok", name, f"{seen}; the proxy has to set these headers itself")


def _find_proxy_fix(app: Flask) -> Any:
    layer: Any = app.wsgi_app
    for _ in range(LAYERS):
        if layer is None or isinstance(layer, ProxyFix):
            return layer
        inner = getattr(layer, "__dict__", {})
        layer = inner.get("wsgi_app") or inner.get("app") or inner.get("application")
    return None


def check_nginx(facts: Facts) -> Finding:
    """What a proxy needs, which nobody can see from here."""
    path = facts.config.mount_path
    return Finding("info", "nginx", f"{path} needs its Upgrade headers passed on", NGINX.format(path=path))


def check_secret_key(facts: Facts) -> Finding:
    """Whether there are sessions to take an identity from."""
    if facts.app.secret_key:
        return Finding("ok", "SECRET_KEY", "set")
    seen = "not set: connect() finds an empty session, and cannot know who connects"
    return Finding("warn", "SECRET_KEY", seen, "set it to a long random value, the same in every worker")
