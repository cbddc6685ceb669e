"""Python programs in processes of their own, for what a process that runs tests cannot show."""

from __future__ import annotations

import subprocess
import sys


def run(program: str, *, warnings: str = "error") -> subprocess.CompletedProcess[str]:
    """Run a program that finds the modules that this process finds, and nothing else of its environment."""
    return subprocess.run(
        [sys.executable, "-W", warnings, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
    )
