"""Every check, in the order in which their findings are told, and ``diagnose``, which runs them."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask

from .access import check_nginx, check_origin, check_proxy, check_secret_key
from .bounds import (
    check_graceful_timeout,
    check_heartbeat,
    check_max_requests,
    check_open_files,
    check_timeout,
    check_worker_connections,
)
from .facts import Facts, observe
from .finding import Finding
from .libraries import check_gevent_websocket, check_json, check_versions
from .patching import check_patching, check_preload
from .rules import check_flask_sock, check_route, check_websocket_rules
from .server import check_executor, check_worker
from .workers import check_long_polling, check_pubsub

Check = Callable[[Facts], Finding]

CHECKS: tuple[Check, ...] = (
    check_versions,
    check_worker,
    check_executor,
    check_patching,
    check_pubsub,
    check_route,
    check_websocket_rules,
    check_flask_sock,
    check_origin,
    check_proxy,
    check_nginx,
    check_secret_key,
    check_heartbeat,
    check_open_files,
    check_gevent_websocket,
    check_json,
)

GUNICORN_CHECKS: tuple[Check, ...] = (
    check_preload,
    check_max_requests,
    check_worker_connections,
    check_timeout,
    check_graceful_timeout,
    check_long_polling,
)
"""Run only where gunicorn's settings were found."""


def diagnose(app: Flask, command: str = "") -> list[Finding]:
    """Run every check on an application that is served by ``command``, ``"gunicorn -k gevent app:app"``."""
    facts = observe(app, command)
    checks = CHECKS if facts.gunicorn is None else (*CHECKS, *GUNICORN_CHECKS)
    return [check(facts) for check in checks]
