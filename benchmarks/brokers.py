"""The servers between processes, Redis, PostgreSQL and NATS: started on the generator's processor, ended."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType

from .errors import Failed, Missing
from .processes import at_home, cpu_seconds, end, generator_cpus, in_session

START = 30.0  # seconds to take connections
POSTGRES = Path("/usr/lib/postgresql")


class Broker:
    """A context manager around one of them; ``url`` is what CABLE_URL has to be."""

    def __init__(self, kind: str) -> None:
        self._command, self._url = KINDS[kind]
        self._home = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def __enter__(self) -> Broker:
        self._home = Path(tempfile.mkdtemp(prefix="broker-"))
        try:
            port = _free_port()
            self.url = self._url.format(port)
            self._start(self._command(self._home, port), port)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self, command: Sequence[str], port: int) -> None:
        home = at_home(generator_cpus())
        self._process = subprocess.Popen(
            command,
            cwd=self._home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=home,
        )
        deadline = time.monotonic() + START
        while not _takes_connections(port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"{command[0]} does not start")
            time.sleep(0.05)
        time.sleep(1.0)  # PostgreSQL takes connections a moment before it answers

    def cpu(self) -> float:
        """CPU seconds that it has spent; PostgreSQL's children have sessions of their own."""
        return cpu_seconds(in_session(self._process.pid)) if self._process else 0.0

    def close(self) -> None:
        """End it, and delete what it kept."""
        if self._process is not None:
            end(self._process)
            self._process = None
        shutil.rmtree(self._home, ignore_errors=True)


def _redis(home: Path, port: int) -> Sequence[str]:
    return [_program("redis-server"), "--bind", "127.0.0.1", "--port", str(port), "--save", ""]


def _nats(home: Path, port: int) -> Sequence[str]:
    return [_program("nats-server"), "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(home)]


def _postgres(home: Path, port: int) -> Sequence[str]:
    """PostgreSQL runs as nobody where it would be root's, which it refuses to be."""
    found = sorted(POSTGRES.glob("*/bin/initdb"), reverse=True)
    if not found:
        raise Missing("PostgreSQL's server is not installed")
    programs, other = found[0].parent, []
    if os.geteuid() == 0:
        other = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        os.chown(home, pwd.getpwnam("nobody").pw_uid, -1)
    data = str(home / "data")
    initdb = [
        *other,
        str(programs / "initdb"),
        "-D",
        data,
        "-A",
        "trust",
        "-U",
        "cable",
        "-E",
        "UTF8",
        "--no-locale",
    ]
    subprocess.run(initdb, check=True, capture_output=True, timeout=60, cwd=home)
    options = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={home}"]
    return [*other, str(programs / "postgres"), "-D", data, "-p", str(port), *options]


KINDS: dict[str, tuple[Callable[[Path, int], Sequence[str]], str]] = {
    "redis": (_redis, "redis://127.0.0.1:{}/0"),
    "postgres": (_postgres, "postgresql://cable@127.0.0.1:{}/postgres"),
    "nats": (_nats, "nats://127.0.0.1:{}"),
}


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not installed")
    return found


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _takes_connections(port: int) -> bool:
    try:
        with closing(socket.create_connection(("127.0.0.1", port), 1)):
            return True
    except OSError:
        return False
