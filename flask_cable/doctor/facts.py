"""What the checks look at: the application, the process and gunicorn's settings, seen once."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from importlib.util import find_spec

from flask import Flask

from ..config import Config
from .process import is_patched, open_files
from .settings import Gunicorn, UnusableSettings, read_gunicorn

OPTIONAL = ("gevent", "packaging", "gunicorn", "geventwebsocket", "engineio", "orjson")


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


def observe(app: Flask, command: str = "") -> Facts:
    """Look at this process, and then read gunicorn's settings, which may run the user's code."""
    imported, patched = tuple(sys.modules), is_patched()
    installed = frozenset(name for name in OPTIONAL if find_spec(name) is not None)
    gunicorn, trouble = None, ""
    try:
        gunicorn = read_gunicorn(command)
    except UnusableSettings as error:
        trouble = str(error)
    return Facts(app, gunicorn, trouble, imported, installed, patched, open_files())
