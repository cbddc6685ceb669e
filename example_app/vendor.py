"""Serves turbo-rails' JavaScript, where npm has brought it."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response, abort, current_app, send_file

HERE = Path(__file__).resolve().parent
FILE = "turbo.js"
PACKAGE = HERE.parent / "tests/conformance/node_modules/@hotwired/turbo-rails/app/assets/javascripts"
PLACES = (PACKAGE / FILE, HERE / "static/vendor" / FILE)

vendor = Blueprint("vendor", __name__)


@vendor.get(f"/vendor/{FILE}")
def turbo() -> Response:
    path = turbo_script()
    return send_file(path, mimetype="text/javascript") if path is not None else abort(404)


def turbo_script() -> Path | None:
    """Where turbo-rails' JavaScript is, if it is wanted and anywhere; our own client does as well."""
    if not current_app.config["EXAMPLE_TURBO"]:
        return None
    return next((place for place in PLACES if place.is_file()), None)
