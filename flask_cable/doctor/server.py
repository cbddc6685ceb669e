"""Checks of the server: whether its worker class keeps a connection, and the executor fits it."""

from __future__ import annotations

from .facts import Facts
from .finding import Finding, Level
from .settings import GEVENT, Gunicorn

TRY_COMMAND = "say how it is served: flask cable doctor --bind-cmd 'gunicorn -k gevent -w 1 app:app'"


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
