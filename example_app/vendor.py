"""Serves the browser's half of Action Cable: the stock @rails/actioncable where it is, else our small one."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Flask, Response, abort, current_app, send_file

HERE = Path(__file__).resolve().parent
FILE = "actioncable.esm.js"
PACKAGE = HERE.parent / "tests/conformance/node_modules/@rails/actioncable/app/assets/javascripts"
PLACES = (PACKAGE / FILE, HERE / "static/vendor" / FILE, HERE / "static/cable-lite.js")

vendor = Blueprint("vendor", __name__)


TURBO_FILE = "turbo.js"
TURBO_PACKAGE = HERE.parent / "tests/conformance/node_modules/@hotwired/turbo-rails/app/assets/javascripts"
TURBO_PLACES = (TURBO_PACKAGE / TURBO_FILE, HERE / "static/vendor" / TURBO_FILE)


@vendor.get(f"/vendor/{TURBO_FILE}")
def turbo() -> Response:
    path = turbo_script()
    return send_file(path, mimetype="text/javascript") if path is not None else abort(404)


def turbo_script() -> Path | None:
    """Where turbo-rails' JavaScript is, if it is wanted and anywhere; our own client does as well."""
    if not current_app.config["EXAMPLE_TURBO"]:
        return None
    return next((place for place in TURBO_PLACES if place.is_file()), None)


@vendor.get(f"/vendor/{FILE}")
@vendor.get(f"/static/vendor/{FILE}")
def actioncable() -> Response:
    named = named_client(current_app)
    path = named or next(place for place in PLACES if place.is_file())
    return send_file(path, mimetype="text/javascript")


def named_client(app: Flask) -> Path | None:
    """Where the configuration says the client is: `EXAMPLE_ACTIONCABLE`, its folder or the file itself."""
    setting = app.config["EXAMPLE_ACTIONCABLE"]
    if not setting:
        return None
    path = Path(setting).resolve()
    return path / FILE if path.is_dir() else path


def check_named_client(app: Flask) -> None:
    path = named_client(app)
    if path is not None and not path.is_file():
        raise FileNotFoundError(
            f"EXAMPLE_ACTIONCABLE names {path}, which does not exist. Name the folder that holds {FILE}: "
            "app/assets/javascripts of the npm package @rails/actioncable."
        )
