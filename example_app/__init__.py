"""A chat on Flask-Cable: sign in with a name, choose a room, talk; a board, a sketch, a dashboard for all.

    gunicorn -k gevent "example_app:create_app()"

Settings come from the environment: `SECRET_KEY`, and any Flask or Flask-Cable key with the prefix `FLASK_`
(`FLASK_CABLE_URL`, `FLASK_SESSION_COOKIE_SECURE`). Several workers need `SECRET_KEY`, or each signs cookies
with a key of its own, and `FLASK_CABLE_URL`, or a room ends at the worker's edge.

The notice board is a SQLite file in `instance/`, or where `FLASK_SQLALCHEMY_DATABASE_URI` says. Its page has
Turbo where npm has brought it, unless `FLASK_EXAMPLE_TURBO` is `false`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, g

from . import board, dashboard, pages, sketch, vendor
from . import robots as robots  # which registers its behaviour
from .channels import cable

CONTENT_SECURITY_POLICY = (
    "default-src 'self'",
    "script-src 'self' 'nonce-{nonce}'",
    "connect-src 'self' ws: wss:",  # in some browsers 'self' means http only
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "object-src 'none'",
)
SECURITY_HEADERS = {
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the application; `config` wins over the environment."""
    app = Flask(__name__)
    configure(app, config or {})
    cable.init_app(app)
    app.register_blueprint(pages.pages)
    app.register_blueprint(vendor.vendor)
    app.register_blueprint(sketch.sketch)
    app.register_blueprint(dashboard.dashboard)
    app.jinja_env.globals["csp_nonce"] = csp_nonce
    board.init_app(app)
    app.after_request(add_security_headers)
    return app


def configure(app: Flask, config: Mapping[str, Any]) -> None:
    app.config.from_mapping(
        SECRET_KEY=os.environ.get("SECRET_KEY"),
        EXAMPLE_TURBO=True,
        SESSION_COOKIE_NAME="example_chat",
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=16 * 1024,
    )
    app.config.from_prefixed_env()
    app.config.from_mapping(config)
    if not app.config["SECRET_KEY"]:
        app.config["SECRET_KEY"] = secrets.token_hex(32)
        app.logger.warning(
            "SECRET_KEY is not set: everybody is signed out when this process ends, "
            "and several workers cannot share one session. Set SECRET_KEY in the environment."
        )


def add_security_headers(response: Response) -> Response:
    policy = "; ".join(CONTENT_SECURITY_POLICY).format(nonce=csp_nonce())
    for name, value in {"Content-Security-Policy": policy, **SECURITY_HEADERS}.items():
        response.headers.setdefault(name, value)
    if "style_nonce" in g:
        response.headers["Content-Security-Policy"] += f"; style-src 'self' 'nonce-{g.style_nonce}'"
    return response


def csp_nonce() -> str:
    """What an inline script of this page has to bear in order to run."""
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(16)
    return str(g.csp_nonce)
