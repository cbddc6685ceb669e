"""A sound deployment, what a check says of it, and a place without anybody's settings."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flask import Flask

from flask_cable import Cable
from flask_cable.doctor import Facts, Finding, Gunicorn
from flask_cable.doctor.facts import OPTIONAL

EVERYTHING = frozenset(OPTIONAL) - {"engineio"}


def application(**config: Any) -> Flask:
    app = Flask("shop")
    app.config.update({"SECRET_KEY": "secret", **config})
    Cable(app)
    return app


def facts(app: Flask | None = None, config: dict[str, Any] | None = None, **seen: Any) -> Facts:
    """Return what is seen of a sound deployment, but for what is said otherwise."""
    sound: dict[str, Any] = {"gunicorn": Gunicorn("gevent"), "installed": EVERYTHING, "open_files": 20_000}
    return Facts(app or application(**(config or {})), **{**sound, **seen})


def found(check: Callable[[Facts], Finding], *args: Any, **seen: Any) -> str:
    """Return what a check says, as ``"warn: seen -> remedy"``."""
    level, _, said, remedy = check(facts(*args, **seen))
    return f"{level}: {said}" + (f" -> {remedy}" if remedy else "")


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Look at nobody's real settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GUNICORN_CMD_ARGS", raising=False)
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)
    return tmp_path


def patching(monkeypatch: pytest.MonkeyPatch, patched: bool) -> ModuleType:
    monkey = ModuleType("gevent.monkey")
    vars(monkey).update(patched=patched, is_module_patched=lambda name: vars(monkey)["patched"])
    monkeypatch.setitem(sys.modules, "gevent.monkey", monkey)
    return monkey
