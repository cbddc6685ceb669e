"""The JavaScript client over HTTP: what it is served as, and for how long it is kept."""

import hashlib
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import flask_cable
from flask_cable import Cable
from flask_cable.assets import load_script, script_path

FILE = Path(flask_cable.__file__).parent / "static" / "cable.js"
VERSION = hashlib.sha256(FILE.read_bytes()).hexdigest()[:16]


@pytest.fixture
def client() -> FlaskClient:
    app = Flask("shop")
    Cable(app)
    return app.test_client()


def test_it_is_the_file_and_named_for_what_is_in_it() -> None:
    assert load_script() == (FILE.read_bytes(), VERSION)


def test_it_is_below_the_cable() -> None:
    assert script_path("/cable") == "/cable/cable.js"
    assert script_path("/live/cable/") == "/live/cable/cable.js"
    assert script_path("/") == "/cable.js"
    app = Flask("shop")
    app.config["CABLE_MOUNT_PATH"] = "/live"
    Cable(app)
    assert app.test_client().get("/live/cable.js").data == FILE.read_bytes()
    assert app.test_client().get("/cable/cable.js").status_code == 404


def test_it_is_javascript_and_nothing_else(client: FlaskClient) -> None:
    answer = client.get("/cable/cable.js")
    assert answer.status_code == 200
    assert answer.data == FILE.read_bytes()
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in answer.headers
    assert "Vary" not in answer.headers
    assert client.post("/cable/cable.js").status_code == 405
    assert client.head("/cable/cable.js").data == b""


def kept(answer: TestResponse) -> str:
    return answer.headers["Cache-Control"]


def test_a_version_is_kept_for_good(client: FlaskClient) -> None:
    assert kept(client.get(f"/cable/cable.js?v={VERSION}")) == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("query", ["", "?v=", "?v=0123456789abcdef", "?w=1"])
def test_another_version_or_none_is_asked_about_each_time(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/cable/cable.js{query}")
    assert answer.data == FILE.read_bytes()
    assert kept(answer) == "no-cache"


def test_who_has_it_is_told_so_in_few_words(client: FlaskClient) -> None:
    etag = client.get("/cable/cable.js").headers["ETag"]
    for query in ("", f"?v={VERSION}"):
        answer = client.get(f"/cable/cable.js{query}", headers={"If-None-Match": etag})
        assert (answer.status_code, answer.data) == (304, b"")
        assert answer.headers["ETag"] == etag
        assert "Cache-Control" in answer.headers
    other = client.get("/cable/cable.js", headers={"If-None-Match": '"other"'})
    assert (other.status_code, other.data) == (200, FILE.read_bytes())
