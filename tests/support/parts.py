"""Parts of the tests' world that a machine may lack: servers, libraries, Node.js, a browser.

A test that needs one says so, `@pytest.mark.needs("chromium")` or `require("chromium")`, and is skipped
without it; the reason says how to get it. CABLE_TEST_REQUIRE makes that a failure: `all`, or `node,orjson`.
"""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

CONFORMANCE = Path(__file__).parents[1] / "conformance"
NODE_MODULES = CONFORMANCE / "node_modules"


@dataclass(frozen=True)
class Part:
    """One thing a test may need, and the way to get it."""

    present: Callable[[], bool]
    how: str


def chromium() -> str:
    """Return where Chromium is, or should be."""
    return os.environ.get("CABLE_TEST_CHROMIUM", "/usr/bin/chromium")


def postgres() -> Path | None:
    """Return the folder of PostgreSQL's own programs; Debian keeps them out of the PATH."""
    found = shutil.which("postgres")
    known = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in known if (folder / "initdb").exists()), None)


def module(name: str, extra: str = "tests") -> Part:
    return Part(lambda: find_spec(name) is not None, f"pip install -e '.[{extra}]'")


def program(name: str, how: str) -> Part:
    return Part(lambda: shutil.which(name) is not None, how)


def node_modules_installed() -> bool:
    """Say whether every package that package.json names is there."""
    wanted = json.loads((CONFORMANCE / "package.json").read_text("utf-8"))["dependencies"]
    return all((NODE_MODULES / name / "package.json").is_file() for name in wanted)


PARTS = {
    "gevent": module("gevent"),
    "gunicorn": module("gunicorn"),
    "gevent_websocket": module("geventwebsocket"),
    "simple_websocket": module("simple_websocket"),
    "flask_sock": module("flask_sock"),
    "flask_sqlalchemy": module("flask_sqlalchemy"),
    "h2": module("h2"),
    "msgpack": module("msgpack"),
    "orjson": module("orjson"),
    "node": program("node", "install Node.js 18 or newer"),
    "node_modules": Part(node_modules_installed, "run npm ci in tests/conformance"),
    "typescript": Part(lambda: (NODE_MODULES / "typescript").is_dir(), "run npm ci in tests/conformance"),
    "redis": module("redis"),
    "hiredis": module("hiredis"),
    "redis_server": program("redis-server", "install Redis or Valkey"),
    "psycopg": module("psycopg"),
    "nats": module("nats"),
    "openssl": program("openssl", "install OpenSSL's command line tool"),
    "nats_server": program("nats-server", "install nats-server"),
    "postgres": Part(lambda: postgres() is not None, "install PostgreSQL's server"),
    "chromium": Part(
        lambda: shutil.which(chromium()) is not None,
        "install Chromium, or say where it is with CABLE_TEST_CHROMIUM",
    ),
}


def required() -> frozenset[str]:
    """Return the parts that CABLE_TEST_REQUIRE names. Raises: pytest.UsageError."""
    named = {name.strip() for name in os.environ.get("CABLE_TEST_REQUIRE", "").split(",")} - {""}
    if "all" in named:
        return frozenset(PARTS)
    if unknown := named - set(PARTS):
        raise pytest.UsageError(f"CABLE_TEST_REQUIRE: no part is called {', '.join(sorted(unknown))}")
    return frozenset(named)


def require(*names: str) -> None:
    """Skip the calling test, or module, unless all these parts are present; fail it where they must be."""
    absent = [name for name in names if not PARTS[name].present()]
    if not absent:
        return
    reason = "; ".join(f"{name} is missing: {PARTS[name].how}" for name in absent)
    if required().intersection(absent):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason, allow_module_level=True)


def require_marked(item: pytest.Item) -> None:
    """Require what the item's `needs` markers name."""
    for marker in item.iter_markers("needs"):
        require(*marker.args)
