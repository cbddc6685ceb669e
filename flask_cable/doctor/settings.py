"""gunicorn's settings, read from where gunicorn reads them: its file, its environment, a command line.

``observe`` calls it once. It runs the user's configuration file, as gunicorn does, and judges nothing.
"""

from __future__ import annotations

import contextlib
import io
import os
import runpy
import shlex
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from .process import is_patched

SHORT_NAMES = {
    "GeventWorker": "gevent",
    "GeventPyWSGIWorker": "gevent_pywsgi",
    "gevent_wsgi": "gevent_pywsgi",
    "GeventWebSocketWorker": "gevent-websocket",
    "ThreadWorker": "gthread",
    "SyncWorker": "sync",
}

GEVENT = ("gevent", "gevent_pywsgi", "gevent-websocket")
"""Workers that patch the standard library."""


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
