"""Checks of gevent's patching: whether it comes before the imports that care."""

from __future__ import annotations

from .facts import Facts
from .finding import Finding
from .settings import GEVENT, Gunicorn

BLOCKING = ("psycopg", "psycopg2", "pymysql", "redis", "pymongo", "urllib3", "ssl")
"""Libraries that wait on the network, or keep locks, as they found them when they were imported."""

PATCH_FIRST = "call gevent.monkey.patch_all() above every other import, or leave it to gunicorn -k gevent"


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


def _blocking_libraries(facts: Facts, before: str = "") -> list[str]:
    """Those that the application imported, and not Flask's command line before it."""
    names = facts.imported
    start = names.index(facts.app.import_name) if facts.app.import_name in names else 0
    end = names.index(before) if before in names else len(names)
    return [name for name in BLOCKING if name in names[start:end]]
