"""One server under test: started on its processor, awaited, watched, ended."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import time
from collections.abc import Collection
from contextlib import closing
from types import TracebackType

from .errors import Failed
from .peers import Peer
from .places import APPS, LOGS
from .processes import at_home, cpu_seconds, end, in_session, memory_kib, server_cpus

START = 60.0  # seconds to listen
SETTLE = 25.0  # seconds to clear up after its clients
ATTEMPTS = 3
FOREIGN = ("PYTHON", "FLASK", "GUNICORN", "WEB_CONCURRENCY")  # what must not come from outside


class Server:
    """A context manager around a peer's process and its children.

    Args:
        workers: gunicorn's; the others have one.
    """

    def __init__(self, peer: Peer, workers: int = 1) -> None:
        self.peer = peer
        self.port = 0
        self._cpus: Collection[int] = server_cpus(workers)
        self._env = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        self._env |= {"WEB_CONCURRENCY": str(workers), **peer.env}
        self._log = LOGS / f"{peer.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        for _ in range(ATTEMPTS):
            self.port = _free_port()
            self._start()
            if self._listens():
                return self
            self.close()
        raise Failed(f"{self.peer.name} does not start: {self._last_words()}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> None:
        LOGS.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self.peer.command(self.port),
                cwd=APPS,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=at_home(self._cpus),
            )

    def _listens(self) -> bool:
        """Wait until it takes connections; False when it is gone before."""
        deadline = time.monotonic() + START
        while self._process and self._process.poll() is None and time.monotonic() < deadline:
            if _takes_connections(self.port):
                return True
            time.sleep(0.1)
        return False

    def close(self) -> None:
        """End it with all its children."""
        if self._process is not None:
            end(self._process)
            self._process = None

    def cpu(self) -> float:
        """CPU seconds that it has spent."""
        return cpu_seconds(self._pids())

    def memory(self) -> int:
        """KiB that it holds."""
        return memory_kib(self._pids())

    def _pids(self) -> list[int]:
        return in_session(self._process.pid) if self._process else []

    def settle(self) -> None:
        """Wait until it has cleared up after its clients and spends nothing any more."""
        deadline, quiet = time.monotonic() + SETTLE, 0
        while quiet < 2 and time.monotonic() < deadline:
            before = self.cpu()
            time.sleep(0.25)
            quiet = quiet + 1 if self.cpu() - before < 0.02 else 0

    def cookie(self) -> str | None:
        """Log in, where the peer has it, and return the session's cookie."""
        if self.peer.login is None:
            return None
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=START)) as browser:
            browser.request("GET", self.peer.login)
            found = browser.getresponse().getheader("Set-Cookie", "")
        return found.partition(";")[0]

    def _last_words(self) -> str:
        said = self._log.read_text(errors="replace").strip().splitlines()
        return said[-1] if said else "it did not say why"


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _takes_connections(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as sock:
            return bool(sock.getsockname() != sock.getpeername())  # a free port may connect to itself
    except OSError:
        return False
