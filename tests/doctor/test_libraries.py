"""What is installed: versions, gevent-websocket beside python-engineio, orjson."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest
from doctor.conftest import application, found
from flask.json.provider import DefaultJSONProvider, JSONProvider

from flask_cable.doctor import libraries
from flask_cable.doctor.libraries import check_gevent_websocket, check_json, check_versions


def test_versions_name_who_is_here() -> None:
    said = found(check_versions)
    assert said.startswith(f"info: Python {sys.version_info.major}.{sys.version_info.minor}.")
    assert "Flask 3" in said
    assert "websockets " in said


def test_a_package_that_is_missing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "VERSIONS", ("no-such-package",))
    assert re.fullmatch(r"info: Python [\w.+]+", found(check_versions))


def test_gevent_websocket_and_engineio_do_not_go_together() -> None:
    for installed, expected in (
        (frozenset(), "ok: not installed"),
        ({"engineio"}, "ok: not installed"),
        ({"geventwebsocket"}, "ok: installed"),
        ({"geventwebsocket", "engineio"}, "warn: installed beside python-engineio, which then answers 500"),
    ):
        assert found(check_gevent_websocket, installed=frozenset(installed)).startswith(expected)


def test_json_is_fast_where_the_provider_is_flasks() -> None:
    class Own(JSONProvider):
        def dumps(self, obj: Any, **kwargs: Any) -> str:
            return "{}"

        def loads(self, s: str | bytes, **kwargs: Any) -> Any:
            return {}

    class Shouting(DefaultJSONProvider):
        def dumps(self, obj: Any, **kwargs: Any) -> str:
            return super().dumps(obj, **kwargs).upper()

    assert found(check_json) == "ok: Flask's provider, with orjson where that changes nothing"
    assert found(check_json, installed=frozenset()) == (
        "info: Flask's provider, without orjson -> pip install 'flask-cable[fast]'"
    )
    for provider in (Own, Shouting):
        app = application()
        app.json = provider(app)
        assert found(check_json, app).endswith(f"{provider.__name__}, the application's own provider")
    app = application()
    app.json.default = str  # type: ignore[attr-defined]
    assert found(check_json, app) == "info: Flask's provider with a default of its own, so without orjson"
