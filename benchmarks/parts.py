"""What peers need besides themselves: compiled programs, virtualenvs, node's modules, Ruby's gems.

Each part is made on first use and kept. Whoever cannot have a part gets ``Missing`` with the reason; Ruby and
its gems are looked for and never installed.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from .errors import Missing
from .places import BUILD, NATIVE, NODE, REQUIREMENTS, ROOT, VENVS

PATIENCE = 600  # seconds for one installation
PIP = ("-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--upgrade", "-r")
CC = ("cc", "-O3", "-Wall", "-Wextra", "-o")


@cache
def compiled(name: str) -> Path:
    """Return a program of ``native/``, compiled when it is older than its source."""
    source, program = NATIVE / f"{name}.c", BUILD / name
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        _command("cc")
        BUILD.mkdir(exist_ok=True)
        _run([*CC, str(program), str(source)], f"cc cannot compile {source.name}")
    return program


@cache
def venv(name: str) -> Path:
    """Return a virtualenv's ``bin``, with what ``requirements/<name>.txt`` lists installed in it."""
    requirements, home = REQUIREMENTS / f"{name}.txt", VENVS / name
    stamp, wanted = home / "stamp", _digest(requirements, ROOT / "pyproject.toml")
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing {requirements.name} ...", file=sys.stderr)
        _run([sys.executable, "-m", "venv", "--clear", str(home)], "no virtualenv can be made")
        _run(
            [str(home / "bin" / "python"), *PIP, str(requirements)], f"pip cannot install {requirements.name}"
        )
        stamp.write_text(wanted)
    return home / "bin"


@cache
def node_modules() -> Path:
    """Return the folder of the peers on node, with its modules installed."""
    _command("node")
    stamp, wanted = NODE / "node_modules" / ".stamp", _digest(NODE / "package-lock.json")
    if not stamp.exists() or stamp.read_text() != wanted:
        _command("npm")
        install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        _run(install, "npm cannot install package-lock.json", NODE)
        stamp.write_text(wanted)
    return NODE


@cache
def action_cable() -> None:
    """Look for puma and Action Cable."""
    for command in ("ruby", "puma"):
        _command(command)
    _run(["ruby", "-e", 'require "action_cable"'], "Ruby's actioncable is not installed")


def _command(name: str) -> None:
    if shutil.which(name) is None:
        raise Missing(f"{name} is not installed")


def _digest(*paths: Path) -> str:
    read = b"".join(path.read_bytes() for path in paths)
    return hashlib.sha256(sys.version.encode() + read).hexdigest()


def _run(command: Sequence[str], complaint: str, folder: Path = ROOT) -> None:
    """Run a command; ``Missing`` with its last line when it fails."""
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired as error:
        raise Missing(f"{complaint} within {PATIENCE} seconds") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["it did not say why"]
        raise Missing(f"{complaint}: {said[-1]}")
