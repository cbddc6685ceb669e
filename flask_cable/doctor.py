"""What ``flask cable doctor`` finds: the reasons why a deployment will not carry WebSockets, or not well.

``observe`` looks once at the process, the application and gunicorn's settings; each check judges what was
seen and says it in one ``Finding``. The command runs in a ``flask`` process, so gunicorn's settings are read
from where gunicorn reads them: a command line that is handed in, GUNICORN_CMD_ARGS, its configuration file.
"""

from __future__ import annotations

import contextlib
import io
import os
import platform
import runpy
import shlex
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from inspect import unwrap
from typing import Any, Literal, NamedTuple

from flask import Flask
from flask.json.provider import DefaultJSONProvider
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from .config import Config
from .core.drain import LINGER
from .errors import BusError, ConfigError
from .protocols.engineio import POLLING
from .pubsub import PubSub
from .routes import SocketIORoute
from .runtime import open_bus
from .streams import RESERVED

Level = Literal["ok", "info", "warn", "fail"]

SHORT_NAMES = {
    "GeventWorker": "gevent",
    "GeventPyWSGIWorker": "gevent_pywsgi",
    "gevent_wsgi": "gevent_pywsgi",
    "GeventWebSocketWorker": "gevent-websocket",
    "ThreadWorker": "gthread",
    "SyncWorker": "sync",
}
OURS = ("cable", "cable_socket")
"""Endpoints of the cable's own WebSocket rules."""

GEVENT = ("gevent", "gevent_pywsgi", "gevent-websocket")
"""Workers that patch the standard library."""

BLOCKING = ("psycopg", "psycopg2", "pymysql", "redis", "pymongo", "urllib3", "ssl")
"""Libraries that wait on the network, or keep locks, as they found them when they were imported."""

OPTIONAL = ("gevent", "packaging", "gunicorn", "geventwebsocket", "engineio", "orjson")
VERSIONS = ("Flask-Cable", "Flask", "Werkzeug", "websockets", "gevent", "gunicorn")

SPARE_FILES = 100
"""Open files of a process that are no peers: listeners, logs, database connections."""

LAYERS = 50
"""How deep WSGI middleware may be wrapped; past it somebody wraps himself."""

IMPATIENCE = 6
"""Seconds without a beat after which the stock clients give a connection up."""

TRY_COMMAND = "say how it is served: flask cable doctor --bind-cmd 'gunicorn -k gevent -w 1 app:app'"
PATCH_FIRST = "call gevent.monkey.patch_all() above every other import, or leave it to gunicorn -k gevent"
NGINX = (
    "location {path} {{ proxy_pass http://...; proxy_http_version 1.1; "
    'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; '
    "proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme; }}"
)


class Finding(NamedTuple):
    """What one check saw.

    Attributes:
        level: ``fail`` will not work, ``warn`` works until it does not, ``info`` is for the reader to judge.
        name: what was looked at.
        seen: what is the case.
        remedy: what to do about it; empty when there is nothing to do.
    """

    level: Level
    name: str
    seen: str
    remedy: str = ""


@dataclass(frozen=True)
class Gunicorn:
    """What gunicorn is set to, as far as this application cares.

    Attributes:
        worker: the short name of the worker class: ``gevent``, ``gthread``, ``sync``.
        tls: whether workers speak TLS, where a connection keeps its greenlet or thread.
        patches: whether the configuration file calls ``gevent.monkey.patch_all()``.
        complete: whether the command line was known, which might say otherwise.
    """

    worker: str = "sync"
    workers: int = 1
    threads: int = 1
    preload: bool = False
    max_requests: int = 0
    worker_connections: int = 1000
    timeout: int = 30
    graceful_timeout: int = 30
    tls: bool = False
    patches: bool = False
    complete: bool = True


@dataclass(frozen=True)
class Facts:
    """All that the checks look at.

    Attributes:
        gunicorn: its settings; None where none were found.
        trouble: why gunicorn would not start with what was found.
        imported: names of modules in the order in which they were imported, the application's among them.
        installed: which of ``OPTIONAL`` can be imported.
        patched: whether gevent has patched this process.
        open_files: how many files a process may open; None where there is no such limit.
    """

    app: Flask
    gunicorn: Gunicorn | None = None
    trouble: str = ""
    imported: tuple[str, ...] = ()
    installed: frozenset[str] = field(default_factory=frozenset)
    patched: bool = False
    open_files: int | None = None

    @property
    def config(self) -> Config:
        """The checked settings of the application."""
        return Config(self.app.config)


def diagnose(app: Flask, command: str = "") -> list[Finding]:
    """Run every check on an application that is served by ``command``, ``"gunicorn -k gevent app:app"``."""
    facts = observe(app, command)
    checks = CHECKS if facts.gunicorn is None else (*CHECKS, *GUNICORN_CHECKS)
    return [check(facts) for check in checks]


# Looking.


def observe(app: Flask, command: str = "") -> Facts:
    """Look at this process, and then read gunicorn's settings, which may run the user's code."""
    imported, patched = tuple(sys.modules), is_patched()
    installed = frozenset(name for name in OPTIONAL if find_spec(name) is not None)
    gunicorn, trouble = None, ""
    try:
        gunicorn = read_gunicorn(command)
    except UnusableSettings as error:
        trouble = str(error)
    return Facts(app, gunicorn, trouble, imported, installed, patched, _open_files())


def is_patched() -> bool:
    """Whether gevent has patched this process."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("socket"))


def _open_files() -> int | None:
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


class UnusableSettings(Exception):
    """gunicorn would not start with these settings."""


def read_gunicorn(command: str = "") -> Gunicorn | None:
    """Read gunicorn's settings as it does: file, then environment, then command line; None without any.

    Raises:
        UnusableSettings: gunicorn is not installed, or would refuse what was found.
    """
    if not command and "GUNICORN_CMD_ARGS" not in os.environ and not os.path.exists("gunicorn.conf.py"):
        return None
    if find_spec("gunicorn") is None:
        raise UnusableSettings("gunicorn is not installed (pip install 'flask-cable[gevent]')")
    was_patched = is_patched()
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            config = _gunicorn_config(_arguments(command))
    except (Exception, SystemExit) as error:
        why = said.getvalue().strip().rpartition("\n")[2] or f"{type(error).__name__}: {error}"
        raise UnusableSettings(" ".join(why.split())) from error
    return _settings(config, patches=is_patched() and not was_patched, complete=bool(command))


def _arguments(command: str) -> list[str]:
    """What follows ``gunicorn`` in a command line such as ``python -m gunicorn -k gevent app:app``."""
    words = shlex.split(command)
    places = [place for place, word in enumerate(words) if os.path.basename(word) == "gunicorn"]
    if words and not places:
        raise ValueError(f"there is no gunicorn in {command!r}")
    return words[places[0] + 1 :] if places else []


def _gunicorn_config(arguments: list[str]) -> Any:
    from gunicorn.config import Config as GunicornConfig
    from gunicorn.config import get_default_config_file

    config = GunicornConfig(prog="gunicorn")
    parser = config.parser()
    given = vars(parser.parse_args(arguments))
    environment = vars(parser.parse_args(config.get_cmd_args_from_env()))
    location = given["config"] or environment["config"] or get_default_config_file()
    for values in (_run_file(location), environment, given):
        for name, value in values.items():
            if name in config.settings and value is not None:
                config.set(name, value)
    return config


def _run_file(location: str | None) -> Mapping[str, Any]:
    """Run a configuration file, as gunicorn does."""
    if location is None:
        return {}
    if location.startswith("python:"):
        return vars(import_module(location.removeprefix("python:")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # gevent's, when the file patches this process late
        return runpy.run_path(location.removeprefix("file:"))


def _settings(config: Any, patches: bool, complete: bool) -> Gunicorn:
    name = config.worker_class_str.rpartition(".")[2]
    return Gunicorn(
        worker=SHORT_NAMES.get(name, name),
        workers=config.workers,
        threads=config.threads,
        preload=config.preload_app,
        max_requests=config.max_requests,
        worker_connections=config.worker_connections,
        timeout=config.timeout,
        graceful_timeout=config.graceful_timeout,
        tls=bool(config.is_ssl),
        patches=patches,
        complete=complete,
    )


# The server.


def check_versions(facts: Facts) -> Finding:
    """Who is here."""
    here = [f"{name} {found}" for name in VERSIONS if (found := _version(name))]
    return Finding("info", "versions", ", ".join([f"Python {platform.python_version()}", *here]))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def check_worker(facts: Facts) -> Finding:
    """Whether gunicorn's worker class can keep a connection."""
    name, server = "worker class", facts.gunicorn
    if facts.trouble:
        return Finding("fail", name, f"gunicorn's settings are of no use: {facts.trouble}", TRY_COMMAND)
    if server is None:
        seen = "not known: there is no command line, GUNICORN_CMD_ARGS or gunicorn.conf.py"
        return Finding("info", name, seen, TRY_COMMAND)
    if server.worker in GEVENT:
        return _judge_gevent(name, server, facts.installed)
    if server.worker == "gthread":
        counts = f"{_count(server.workers, 'worker')}, {_count(server.threads, 'thread')}"
        return Finding("ok", name, f"gthread, {counts}")
    return _judge_other(name, server)


def _judge_gevent(name: str, server: Gunicorn, installed: frozenset[str]) -> Finding:
    seen = f"{server.worker}, {_count(server.workers, 'worker')}"
    missing = [module for module in ("gevent", "packaging") if module not in installed]
    if missing:
        seen = f"{seen}, but not installed: {', '.join(missing)}"
        return Finding("fail", name, seen, "pip install 'gunicorn[gevent]'")
    if server.worker == "gevent-websocket":
        seen = f"{seen}: it upgrades before the application can refuse"
        return Finding("warn", name, seen, "use -k gevent")
    return Finding("ok", name, seen)


def _judge_other(name: str, server: Gunicorn) -> Finding:
    remedy = "use -k gevent (pip install 'flask-cable[gevent]'), or --threads 8"
    if server.worker != "sync":
        return Finding("warn", name, f"{server.worker}, which is not known here", remedy)
    if not server.complete:
        return Finding("warn", name, "sync, unless the command line says otherwise", TRY_COMMAND)
    return Finding("fail", name, "sync serves one request at a time: every WebSocket gets a 501", remedy)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def check_executor(facts: Facts) -> Finding:
    """Whether CABLE_EXECUTOR fits the worker class."""
    name, executor = "executor", facts.config.executor
    seen, remedy = f"CABLE_EXECUTOR = {executor!r}", "leave it at 'auto' outside tests"
    if executor == "manual":
        return Finding("fail", name, f"{seen}: nothing runs until a test says so", remedy)
    if facts.gunicorn is None or executor == "auto":
        return Finding("ok", name, seen)
    needs_gevent, has_gevent = executor == "gevent", facts.gunicorn.worker in GEVENT
    if needs_gevent == has_gevent:
        return Finding("ok", name, seen)
    level: Level = "fail" if needs_gevent else "warn"
    return Finding(level, name, f"{seen} under a {facts.gunicorn.worker} worker", remedy)


def check_patching(facts: Facts) -> Finding:
    """Whether gevent patched this process before anything was imported that cares."""
    name = "monkey patching"
    if not facts.patched:
        return Finding("ok", name, "the application leaves it to its server")
    early = _blocking_libraries(facts, before="gevent.monkey")
    if early:
        return Finding("fail", name, f"imported before gevent patched: {', '.join(early)}", PATCH_FIRST)
    if facts.gunicorn is not None and facts.gunicorn.worker not in GEVENT:
        seen = f"the application patches, but the worker class is {facts.gunicorn.worker}"
        return Finding("warn", name, seen, "use -k gevent, or do not patch")
    return Finding("ok", name, "the application patches first")


def _blocking_libraries(facts: Facts, before: str = "") -> list[str]:
    """Those that the application imported, and not Flask's command line before it."""
    names = facts.imported
    start = names.index(facts.app.import_name) if facts.app.import_name in names else 0
    end = names.index(before) if before in names else len(names)
    return [name for name in BLOCKING if name in names[start:end]]


def check_pubsub(facts: Facts) -> Finding:
    """Whether a broadcast reaches every worker."""
    name = "pub/sub"
    try:
        bus = open_bus(facts.app.extensions["cable"].cable, facts.config)
    except ConfigError as error:
        return Finding("fail", name, "no adapter", str(error))
    if bus.is_shared:
        return _ask(name, bus)
    if facts.gunicorn is None:
        return Finding("info", name, "memory:// reaches one process only", "serve with one worker: -w 1")
    if facts.gunicorn.workers == 1:
        return Finding("ok", name, "memory://, and one worker")
    seen = f"memory:// with {facts.gunicorn.workers} workers: a broadcast reaches the peers of one only"
    remedy = "run one worker (-w 1 under gevent carries thousands), or set a CABLE_URL that all of them share"
    return Finding("fail", name, seen, remedy)


def _ask(name: str, bus: PubSub) -> Finding:
    """Whether the server between the workers answers."""
    try:
        bus.publish(f"{RESERVED}doctor", "")
    except BusError as error:
        remedy = "start it, or correct CABLE_URL; until it answers, handshakes get 503 and broadcasts fail"
        return Finding("warn", name, f"{bus.name}: {error}", remedy)
    finally:
        bus.stop()
    return Finding("ok", name, f"{bus.name} answers")


# Further settings of gunicorn.


def check_preload(facts: Facts) -> Finding:
    """Whether the application is imported before the gevent worker patches."""
    name, server = "--preload", facts.gunicorn or Gunicorn()
    if not server.preload:
        return Finding("ok", name, "off")
    if server.worker not in GEVENT or server.patches or facts.patched:
        return Finding("ok", name, "on; what belongs to one process is made after the fork")
    early = _blocking_libraries(facts)
    late = f"waits of {', '.join(early)}" if early else "locks that are made by then"
    seen = f"on: the application is imported before the gevent worker patches; {late} block every peer"
    remedy = "drop --preload, or call gevent.monkey.patch_all() at the top of gunicorn.conf.py"
    return Finding("fail" if early else "warn", name, seen, remedy)


def check_max_requests(facts: Facts) -> Finding:
    """Whether workers are restarted under their peers' feet."""
    name, server = "--max-requests", facts.gunicorn or Gunicorn()
    if not server.max_requests:
        return Finding("ok", name, "off")
    if server.worker in ("gevent_pywsgi", "gevent-websocket"):
        return Finding("info", name, f"{server.max_requests}, which {server.worker} ignores")
    seen = f"{server.max_requests}: a worker that has served as many ends, and sends its peers away"
    remedy = "set it to 0, or high and with --max-requests-jitter; peers reconnect and subscribe again"
    return Finding("warn", name, seen, remedy)


def check_worker_connections(facts: Facts) -> Finding:
    """Whether peers use up what gunicorn needs for plain HTTP."""
    name, server, most = "worker connections", facts.gunicorn or Gunicorn(), facts.config.max_connections
    if not server.tls:
        seen = f"{server.worker_connections} at a time; the cable's open WebSockets are none of them"
        return Finding("ok", name, seen)
    option, places = "--worker-connections", server.worker_connections
    if server.worker == "gthread":
        option, places = "--threads", server.threads
    if places > most:
        return Finding("ok", name, f"{option} {places}, above CABLE_MAX_CONNECTIONS = {most}")
    seen = f"with TLS in the worker a WebSocket keeps one of {option} {places}; without any left HTTP hangs"
    remedy = f"let a proxy end TLS, or set CABLE_MAX_CONNECTIONS below {places} (it is {most})"
    return Finding("warn", name, seen, remedy)


def check_timeout(facts: Facts) -> Finding:
    """Whether --timeout ends idle connections."""
    server = facts.gunicorn or Gunicorn()
    if server.worker == "sync":
        return Finding("info", "--timeout", f"{server.timeout} s; ends a sync worker that is busy for longer")
    return Finding("ok", "--timeout", f"{server.timeout} s; ends no WebSocket under {server.worker}")


def check_graceful_timeout(facts: Facts) -> Finding:
    """Whether a worker that is to end has the time to tell its peers."""
    name, server, needed = "--graceful-timeout", facts.gunicorn or Gunicorn(), facts.config.drain_seconds
    seen = f"{server.graceful_timeout} s, for CABLE_DRAIN_SECONDS = {needed:g}"
    if server.graceful_timeout > needed + LINGER:
        return Finding("ok", name, seen)
    remedy = f"set it above {needed + LINGER:g}, or CABLE_DRAIN_SECONDS lower"
    return Finding("warn", name, f"{seen}: peers may be cut off before they are told to come back", remedy)


def check_long_polling(facts: Facts) -> Finding:
    """Whether the requests of a Socket.IO client that polls reach the worker that knows it."""
    name, server = "long polling", facts.gunicorn or Gunicorn()
    routes = [one for one in facts.app.extensions["cable"].cable.routes if isinstance(one, SocketIORoute)]
    polled = ", ".join(one.io.path for one in routes if POLLING in one.io.settings.transports)
    if not polled:
        return Finding("ok", name, "nobody polls")
    if server.workers == 1:
        return Finding("ok", name, f"{polled}: one worker, which knows all who poll")
    seen = f"{polled}: {server.workers} workers, and a request of a client that polls may reach any of them"
    remedy = (
        "give transports=['websocket'] to server and client, or let a proxy be sticky to one-worker servers"
    )
    return Finding("warn", name, seen, remedy)


# Routes.


def check_route(facts: Facts) -> Finding:
    """Whether requests for the cable's path reach the cable."""
    name, path = "route", facts.config.mount_path
    remedy = "remove the other rule, or set CABLE_MOUNT_PATH to a path of its own"
    taker = _endpoint_at(facts.app, path, websocket=True)
    if taker != "cable":
        seen = f"WebSockets to {path} reach {_described(facts.app, taker)}"
        return Finding("fail", name, seen, remedy)
    taker = _endpoint_at(facts.app, path, websocket=False)
    if taker != "cable_http":
        seen = f"plain HTTP to {path} reaches {_described(facts.app, taker)}, a rule without websocket=True"
        return Finding("warn", name, seen, remedy)
    return Finding("ok", name, path)


def _endpoint_at(app: Flask, path: str, websocket: bool) -> str:
    routes = app.url_map.bind(app.config.get("SERVER_NAME") or "localhost")
    try:
        endpoint, _ = routes.match(path, "GET", websocket=websocket)
    except HTTPException as error:
        return f"nothing ({error.code} {error.name})"
    return str(endpoint)


def _described(app: Flask, endpoint: str) -> str:
    function = app.view_functions.get(endpoint)
    return endpoint if function is None else f"{endpoint!r} ({function.__module__}.{function.__qualname__})"


def check_websocket_rules(facts: Facts) -> Finding:
    """Whether functions that want a WebSocket have a rule that lets one through."""
    name = "websocket=True"
    plain = [(rule, function) for rule, function in _rules(facts.app) if not rule.websocket]
    deaf = [rule for rule, function in plain if _reads_websocket(function)]
    if deaf:
        seen = f"{_paths(deaf)}: reads environ['wsgi.websocket'], but its rule lets no upgrade through"
        return Finding("warn", name, seen, "register it with @app.route(..., websocket=True)")
    others = [rule for rule, _ in _rules(facts.app) if rule.websocket and rule.endpoint not in OURS]
    return Finding("ok", name, f"besides the cable: {_paths(others)}" if others else "the cable's rules only")


def check_flask_sock(facts: Facts) -> Finding:
    """Whether flask-sock's routes write by themselves."""
    name = "flask-sock"
    routes = [(rule, function) for rule, function in _rules(facts.app) if _is_flask_sock(function)]
    loose = [rule for rule, function in routes if not _calls_serve(function)]
    if not loose:
        return Finding("ok", name, "no route that writes by itself")
    seen = f"{_paths(loose)}: simple-websocket loses bytes under gevent when a peer reads slowly"
    return Finding("warn", name, seen, "hand its object to cable.serve(ws), or write a channel")


def _rules(app: Flask) -> Iterable[tuple[Any, Any]]:
    return [(rule, app.view_functions.get(rule.endpoint)) for rule in app.url_map.iter_rules()]


def _paths(rules: Iterable[Any]) -> str:
    return ", ".join(sorted(rule.rule for rule in rules))


def _reads_websocket(function: Any) -> bool:
    return "wsgi.websocket" in getattr(_code(function), "co_consts", ())


def _is_flask_sock(function: Any) -> bool:
    return bool(getattr(function, "__globals__", {}).get("__name__") == "flask_sock")


def _calls_serve(function: Any) -> bool:
    return "serve" in getattr(_code(function), "co_names", ())


def _code(function: Any) -> Any:
    return getattr(unwrap(function), "__code__", None) if callable(function) else None


# Who may come, and from where.


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


# Bounds and libraries.


def check_heartbeat(facts: Facts) -> Finding:
    """Whether beats come often enough for the stock clients."""
    seconds = facts.config.ping_interval
    seen = f"a beat every {seconds:g} s"
    if seconds < IMPATIENCE:
        return Finding("ok", "heartbeat", seen)
    late = f"{seen}, but stock clients give up after {IMPATIENCE} s"
    return Finding("warn", "heartbeat", late, "leave CABLE_PING_INTERVAL at 3")


def check_open_files(facts: Facts) -> Finding:
    """Whether the process may open as many sockets as it is told to accept."""
    name, most, limit = "open files", facts.config.max_connections, facts.open_files
    if limit is None:
        return Finding("ok", name, "no limit seen")
    if limit >= most + SPARE_FILES:
        return Finding("ok", name, f"{limit} per process, for CABLE_MAX_CONNECTIONS = {most}")
    seen = f"{limit} per process, seen from here, are not enough for CABLE_MAX_CONNECTIONS = {most}"
    remedy = f"ulimit -n {most + SPARE_FILES} (systemd: LimitNOFILE=), or lower CABLE_MAX_CONNECTIONS"
    return Finding("warn", name, seen, remedy)


def check_gevent_websocket(facts: Facts) -> Finding:
    """Whether gevent-websocket, by being there, breaks Flask-SocketIO."""
    name = "gevent-websocket"
    if not facts.installed >= {"geventwebsocket", "engineio"}:
        return Finding("ok", name, "installed" if "geventwebsocket" in facts.installed else "not installed")
    seen = "installed beside python-engineio, which then answers 500 under -k gevent"
    return Finding("warn", name, seen, "pip uninstall gevent-websocket")


def check_json(facts: Facts) -> Finding:
    """Whether JSON is encoded fast."""
    provider = facts.app.json
    if not isinstance(provider, DefaultJSONProvider) or type(provider).dumps is not DefaultJSONProvider.dumps:
        return Finding("info", "JSON", f"{type(provider).__qualname__}, the application's own provider")
    if provider.default is not DefaultJSONProvider.default:
        return Finding("info", "JSON", "Flask's provider with a default of its own, so without orjson")
    if "orjson" in facts.installed:
        return Finding("ok", "JSON", "Flask's provider, with orjson where that changes nothing")
    return Finding("info", "JSON", "Flask's provider, without orjson", "pip install 'flask-cable[fast]'")


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
