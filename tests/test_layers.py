"""The first law: who may import whom. The two tables are the architecture; changing one is a decision.

Every import counts, at the top of a file, inside a function or for type checkers only.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = "flask_cable"

# What a module may import of ours. A name covers the modules below it; the longest name that covers a module
# is its row. `*` stands for one name, and for the same name on both sides: a style imports itself, no other.
OURS: dict[str, set[str]] = {
    "errors": set(),
    "signals": {"errors"},
    "streams": {"errors"},
    "protocols": {"protocols", "errors", "streams"},
    "core": {"core", "errors", "signals", "streams", "protocols.frames"},
    "pubsub": {"pubsub", "errors", "signals"},
    "executors": {"core.executor", "errors", "fibers"},
    "fibers": {"core.executor"},
    "publisher": {
        *("core.hub", "core.names", "core.registry", "errors", "pubsub", "streams"),
        "endpoints.push",
        "endpoints.socketio",  # what emits from outside is encoded outside
    },
    "transports": {"transports", "core", "protocols", "errors"},
    "endpoints": set(),
    "endpoints.*": {"endpoints.*", "core", "protocols", "errors", "signals", "streams"},
}

# The Flask edge may import everything above and itself; nothing above imports it.
EDGE = {
    "__init__",
    "admission",
    "extension",
    "remote",
    "routes",
    "runtime",
    "upgrade",
    "handshake",
    "late",
    "origin",
    "lifespan",
    "doctor",
    "sockets",
    "socketio",
    "config",
    "assets",
    "health",
    "keys",
    "templating",
    "turbo",
    "signed_streams",
    "broadcasting",
    "pages",
    "marking",
    "calls",
    "cli",
    "testing",
    "pytest_plugin",
}

# What a module may import of others, beside the standard library.
FLASK = {"flask", "werkzeug", "jinja2", "markupsafe", "click"}
OTHERS: dict[str, set[str]] = {
    "signals": {"blinker"},
    "protocols": {"msgpack", "orjson", "websockets"},
    "executors": {"gevent", "greenlet"},
    "pubsub.redis": {"redis"},
    "pubsub.redis_store": {"redis"},
    "pubsub.postgres_connection": {"psycopg"},
    "pubsub.nats_line": {"nats"},
    "pubsub.resp": {"hiredis"},
    "transports.native": {"gevent", "websockets"},
    "transports.simple_websocket": {"simple_websocket"},
    "transports.gevent_websocket": {"geventwebsocket"},
    **dict.fromkeys(EDGE, FLASK),
    "broadcasting": FLASK | {"sqlalchemy"},
    "doctor": FLASK | {"gevent", "gunicorn"},
    "pytest_plugin": FLASK | {"pytest"},
}

# The three doors to the world: nobody else waits, reads a clock, opens a socket or starts anything.
DOORS = {"transports", "executors", "fibers", "pubsub"}
WORLD = {
    "_thread",
    "asyncio",
    "concurrent",
    "multiprocessing",
    "sched",
    "select",
    "selectors",
    "signal",
    "socket",
    "socketserver",
    "ssl",
    "subprocess",
    "threading",
    "time",
}
AJAR: dict[str, set[str]] = {"runtime": {"threading"}}  # a lock, before there is an executor to ask for one

# What else of the standard library a layer does without.
WITHOUT: dict[str, set[str]] = {"protocols": {"logging"}}

# Third parties that nothing below the edge needs in order to be imported: optional, or imported late.
OPTIONAL = (
    *("flask", "werkzeug", "jinja2", "markupsafe", "click", "itsdangerous", "sqlalchemy"),
    *("gevent", "greenlet", "gunicorn", "geventwebsocket", "simple_websocket", "wsproto", "orjson", "pytest"),
    *("redis", "hiredis", "psycopg", "nats"),
)


@dataclass(frozen=True)
class Import:
    """One imported module, by its whole name, and where."""

    name: str
    line: int


def modules(package: Path) -> dict[str, Path]:
    """Return every module of the package; names lack the package's own: `core.hub`, `__init__`."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(parts if len(parts) == 1 or parts[-1] != "__init__" else parts[:-1])] = path
    return found


def imports(source: str, package: str, known: set[str]) -> Iterator[Import]:
    """Yield what the source imports. `package` is its own, dotted; `known` are the modules that exist."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute("." * node.level + (node.module or ""), package)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield Import(inner if inner in known else base, node.lineno)
        elif isinstance(node, ast.Call) and (name := imported_by_call(node)):
            yield Import(absolute(name, package), node.lineno)


def imported_by_call(node: ast.Call) -> str | None:
    """Return what `import_module("name")` and `__import__("name")` import."""
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if called in {"import_module", "__import__"} and node.args and isinstance(node.args[0], ast.Constant):
        return str(node.args[0].value)
    return None


def absolute(name: str, package: str) -> str:
    """Resolve `..core.hub` as seen from a module of the package."""
    stripped = name.lstrip(".")
    level = len(name) - len(stripped)
    if not level:
        return name
    parents = package.split(".")[: len(package.split(".")) - level + 1]
    return ".".join([*parents, stripped] if stripped else parents)


def row(module: str, table: dict[str, set[str]]) -> str | None:
    """Return the longest name in the table that covers the module, its `*` filled in by nothing."""
    names = [name for name in table if covers(name, module)]
    return max(names, key=lambda name: name.count("."), default=None)


def covers(name: str, module: str) -> bool:
    pattern, parts = name.split("."), module.split(".")
    return len(pattern) <= len(parts) and all(a in ("*", b) for a, b in zip(pattern, parts, strict=False))


def may_import_ours(module: str, target: str) -> bool:
    """Say whether the module may import another module of the package."""
    if is_edge(module):
        return True
    name = row(module, OURS)
    if name is None:
        return False
    style = module.split(".")[name.split(".").index("*")] if "*" in name else "*"
    return any(covers(allowed.replace("*", style), target) for allowed in OURS[name])


def is_edge(module: str) -> bool:
    """Say whether a module is at the Flask edge; what is below a package there is, too."""
    return any(covers(name, module) for name in EDGE)


def may_import_others(module: str, target: str) -> bool:
    """Say whether the module may import something that is not ours."""
    top = target.partition(".")[0]
    if top in WORLD:
        return module.partition(".")[0] in DOORS or top in AJAR.get(module, ())
    if top in sys.stdlib_module_names:
        return top not in WITHOUT.get(row(module, WITHOUT) or "", ())
    return top == "_typeshed" or any(top in OTHERS[name] for name in OTHERS if covers(name, module))


def offences(module: str, source: str, known: set[str]) -> list[str]:
    """List the imports that the tables do not allow, as `core.hub:7 imports flask`."""
    whole = {PACKAGE} | {f"{PACKAGE}.{name}" for name in known}
    is_package = any(name.startswith(f"{module}.") for name in known)
    package = f"{PACKAGE}.{module}" if is_package else f"{PACKAGE}.{module}".rpartition(".")[0]
    found = []
    for each in imports(source, package, whole):
        top, _, inner = each.name.partition(".")
        allowed = may_import_ours(module, inner or "__init__") if top == PACKAGE else None
        if not (may_import_others(module, each.name) if allowed is None else allowed):
            found.append(f"{module}:{each.line} imports {each.name}")
    return found


def test_imports_point_down() -> None:
    known = modules(ROOT / PACKAGE)
    found = [
        line
        for module, path in known.items()
        for line in offences(module, path.read_text("utf-8"), set(known))
    ]
    assert not found, "\n".join(found)


def test_every_module_has_a_row() -> None:
    strays = [name for name in modules(ROOT / PACKAGE) if not is_edge(name) and row(name, OURS) is None]
    assert not strays, f"give these a row: {strays}"


def test_below_the_edge_nothing_needs_flask_or_gevent() -> None:
    below = [f"{PACKAGE}.{name}" for name in modules(ROOT / PACKAGE) if not is_edge(name)]
    program = (
        "import importlib, sys\n"
        f"sys.modules.update(dict.fromkeys({OPTIONAL!r}))\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        f"for name in {below!r}: importlib.import_module(name)\n"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr


# The law itself can fail.

KNOWN = {
    "__init__",
    *("errors", "signals", "streams", "extension", "executors"),
    *("protocols", "protocols.frames", "protocols.json", "core", "core.hub", "core.executor"),
    *("pubsub", "pubsub.memory", "transports", "transports.base", "transports.native"),
    *("endpoints", "endpoints.channels", "endpoints.channels.streams", "endpoints.events"),
}


def allowed(module: str, source: str) -> bool:
    return not offences(module, source, KNOWN)


def test_an_arrow_up_is_found_wherever_it_hides() -> None:
    for source in (
        "import flask_cable.core.hub",
        "from flask_cable.core.hub import Hub",
        "from flask_cable.core import hub",
        "from ..core import hub",
        "from ..core.hub import Hub",
        "def late():\n    from ..core.hub import Hub",
        "if TYPE_CHECKING:\n    from ..core.hub import Hub",
        "import importlib\nimportlib.import_module('flask_cable.core.hub')",
        "from importlib import import_module\nimport_module('..core.hub', __package__)",
        "from .. import Cable",
        "from flask_cable import Cable",
        "from ..extension import Cable",
    ):
        assert not allowed("protocols.json", source), source
    assert offences("protocols.json", "import json\nfrom ..core import hub", KNOWN) == [
        "protocols.json:2 imports flask_cable.core.hub"
    ]


def test_an_arrow_down_is_fine() -> None:
    assert allowed(
        "core.hub", "from .. import errors\nfrom ..protocols.frames import Frame\nfrom . import executor"
    )
    assert allowed("core", "from .hub import Hub")
    assert allowed("executors", "import time, threading\nfrom .core.executor import Executor\nimport gevent")
    assert allowed("transports.native", "import socket\nfrom . import base\nfrom ..core.hub import Hub")
    assert allowed(
        "extension", "import flask\nfrom . import core, endpoints\nfrom .endpoints.channels import x"
    )
    assert allowed("__init__", "from .errors import CableError\nfrom .extension import Cable")


def test_a_row_ends_where_it_says() -> None:
    assert not allowed("core.hub", "from ..protocols import json")
    assert not allowed("executors", "from .core.hub import Hub")
    assert not allowed("pubsub.memory", "from ..core.hub import Hub")
    assert not allowed("somewhere.new", "from ..errors import CableError")


def test_styles_never_import_each_other() -> None:
    assert allowed("endpoints.channels.streams", "from . import actions\nfrom ..channels import streams")
    assert not allowed("endpoints.channels.streams", "from .. import events")
    assert not allowed("endpoints.events", "from .channels.streams import Streams")
    assert not allowed("endpoints", "from . import events")


def test_other_peoples_libraries_stay_where_they_belong() -> None:
    assert not allowed("core.hub", "import flask")
    assert not allowed("core.hub", "def late():\n    import gevent.lock")
    assert not allowed("endpoints.events", "from werkzeug.wrappers import Request")
    assert not allowed("errors", "import blinker")
    assert not allowed("transports.base", "import simple_websocket")
    assert not allowed("extension", "import pytest")
    assert allowed("pytest_plugin", "import pytest")
    assert allowed("signals", "from blinker import Namespace")
    assert allowed("transports.simple_websocket", "import simple_websocket")


def test_only_three_doors_lead_to_the_world() -> None:
    for source in ("import time", "from socket import socket", "import threading", "import selectors as s"):
        assert allowed("transports.native", source)
        assert allowed("executors", source)
        assert allowed("pubsub.memory", source)
        assert not allowed("core.hub", source)
        assert not allowed("endpoints.events", source)
        assert not allowed("protocols.json", source)
        assert not allowed("extension", source)
    assert allowed("core.hub", "import logging, json, itertools")
    assert not allowed("protocols.json", "import logging")
