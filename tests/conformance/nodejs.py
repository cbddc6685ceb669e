"""Plays a scenario of a Node.js script against a server process, and does for it what only a test can.

A script without arguments lists its scenarios; with one it plays it and ends with 0. On standard output it
may ask, `{"ask": "restart"}`, and waits for a line in answer. Anything else it says is shown when it fails.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.servers import Server

HERE = Path(__file__).resolve().parent
DEADLINE = 60.0  # seconds, for a whole scenario; each of its waits has a shorter one


def scenarios(script: str) -> list[str]:
    """Return the names of a script's scenarios."""
    listed = subprocess.run(["node", HERE / script], stdout=subprocess.PIPE, timeout=DEADLINE, check=True)
    return listed.stdout.decode().split()


def play(script: str, scenario: str, server: Server) -> None:
    """Play one scenario; if it fails, fail the test with everything known. Threads may play at once."""
    before = len(server.log())
    with _started(script, scenario, server) as node:
        said = list(_talk(node, server))
        status = node.wait(DEADLINE)
    if status != 0:
        log = server.log()[before:]
        told = [f"{scenario}: status {status}\n", *said, "--- the server's log ---\n", log[-8000:]]
        pytest.fail("".join(told), pytrace=False)


def surprises(log: str) -> int:
    """Count the tracebacks in a server's log that nobody meant."""
    return log.count("Traceback (most recent call last)") - log.count("RuntimeError: broken on purpose")


@contextmanager
def _started(script: str, scenario: str, server: Server) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        ["node", HERE / script, scenario],
        env={**os.environ, "CABLE_TEST_SERVER": server.url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as node:
        deadline = threading.Timer(DEADLINE, node.kill)
        deadline.start()
        try:
            yield node
        finally:
            deadline.cancel()
            node.kill()


def _talk(node: subprocess.Popen[str], server: Server) -> Iterator[str]:
    """Grant wishes until the process has said everything; yield the other lines."""
    assert node.stdout is not None
    assert node.stdin is not None
    for line in node.stdout:
        if not line.startswith('{"ask"'):
            yield line
            continue
        server.restart(kill=json.loads(line)["ask"] == "crash")
        node.stdin.write("done\n")
        node.stdin.flush()
