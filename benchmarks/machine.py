"""What the figures were measured on and with: the machine, and the versions of everything."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from .peers import Peer
from .places import NODE, ROOT, VENVS
from .processes import descriptors, generator_cpus, server_cpus

TICKS = os.sysconf("SC_CLK_TCK")


def describe() -> str:
    """Say in a line what machine this is."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cpus = len(os.sched_getaffinity(0))
    kernel = platform.release().split("-")[0]
    return f"{_model()}, {cpus} processors, {memory:.0f} GiB; Linux {kernel}"


def arrangement() -> str:
    """Say where the processes run."""
    server, generator = min(server_cpus()), min(generator_cpus())
    return f"server on processor {server}, load generator on {generator}, {descriptors():,} files per process"


def _model() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def load() -> float:
    """How many processes wanted a processor in the last minute."""
    return os.getloadavg()[0]


def stolen() -> float:
    """Seconds that the host took from this machine's processors since it started."""
    return int(Path("/proc/stat").read_text().split()[8]) / TICKS


def versions(peers: Iterable[Peer]) -> dict[str, str]:
    """What was measured, and in which version: of each peer, as ``gunicorn 23.0, gevent 24.1``."""
    return {peer.name: ", ".join(_of(peer)) for peer in peers}


def ourselves() -> str:
    """The version of Flask-Cable, with the commit where there is one."""
    found = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    commit = _said(["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=8"])
    return f"Flask-Cable {found[1] if found else ''}{f' ({commit})' if commit else ''}"


def _of(peer: Peer) -> list[str]:
    if peer.venv is not None:
        installed = _installed(peer.venv)
        return [f"{name} {installed.get(name, '?')}" for name in peer.packages] + [_python()]
    return [line for package in peer.packages for line in _elsewhere(package)] or _compiler()


def _python() -> str:
    return f"Python {platform.python_version()}"


def _compiler() -> list[str]:
    return [_said(["cc", "--version"]).partition("\n")[0]]


def _installed(venv: str) -> dict[str, str]:
    listed = _said([str(VENVS / venv / "bin" / "python"), "-m", "pip", "list", "--format=json"])
    return {entry["name"].lower(): entry["version"] for entry in json.loads(listed or "[]")}


def _elsewhere(package: str) -> list[str]:
    name, _, system = package.partition("/")
    if system == "node":
        manifest = json.loads((NODE / "node_modules" / name / "package.json").read_text())
        return [f"{name} {manifest['version']}", f"node {_said(['node', '--version']).lstrip('v')}"]
    gem = f"puts Gem.loaded_specs['{name}']&.version || Gem::Specification.find_by_name('{name}').version"
    return [f"{name} {_said(['ruby', '-e', gem])}", _said(["ruby", "--version"])]


def _said(command: Sequence[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
