"""Drives the load generator, `native/generator.c`: one process with all the clients of one server."""

from __future__ import annotations

import json
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from types import TracebackType

from .errors import Failed
from .parts import compiled
from .processes import at_home, end, generator_cpus
from .protocols import BROADCAST, ECHO, Layout, Payload, short_text
from .server import Server

Values = dict[str, float]

CONCURRENCY = 100
"""Connections that are being made at the same time."""

NO_TAKEOVER = "client_no_context_takeover; server_no_context_takeover"
DEFLATE = f"Sec-WebSocket-Extensions: permessage-deflate; {NO_TAKEOVER}"
ANSWER = 300.0  # seconds for a command
LOOK = 0.25  # seconds between two looks while a command runs


class Generator:
    """The clients; a context manager.

    Args:
        layout: how they are spread over streams.
        payload: what is broadcast; the usual short text unless given.
        compressed: whether they ask for permessage-deflate.
        patience: seconds that a broadcast may take to reach everybody.
    """

    def __init__(
        self,
        server: Server,
        layout: Layout | None = None,
        payload: Payload | None = None,
        compressed: bool = False,
        patience: float = 30,
    ) -> None:
        self.server = server
        self._layout = layout or Layout()
        self._payload = payload or short_text(BROADCAST)
        self._compressed = compressed
        self._patience = patience
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Generator:
        cookie = self.server.cookie()
        self._process = subprocess.Popen(
            [str(compiled("generator")), "127.0.0.1", str(self.server.port), self.server.peer.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=at_home(generator_cpus()),
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        for line in self._preparation(cookie):
            self._ask(line)
        self.publish(self._payload)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            end(self._process)

    def _preparation(self, cookie: str | None) -> Iterator[str]:
        speech, layout = self.server.peer.speech, self._layout
        ours = [f"Cookie: {cookie}" if cookie else "", DEFLATE if self._compressed else ""]
        yield from (f"header {header}" for header in (*speech.headers, *ours) if header)
        yield from (f"step {expect}\t{say}" for expect, say in speech.opening(layout))
        if speech.answer is not None:
            yield "answer " + "\t".join(speech.answer)
        yield f"layout {layout.streams} {layout.identifiers}"
        yield f"patience {self._patience}"
        yield "message echo " + speech.message("echo", short_text(ECHO), layout)

    def publish(self, payload: Payload) -> None:
        """Broadcast this from now on."""
        self._ask("message broadcast " + self.server.peer.speech.message("broadcast", payload, self._layout))

    def connect(self, count: int) -> Values:
        """Open connections until ``count`` are subscribed.

        Raises:
            Failed: the server does not take so many.
        """
        values = self._ask(f"connect {count} {CONCURRENCY}")
        if values["ready"] < count:
            raise Failed(f"only {values['ready']:,} of {count:,} clients could connect")
        return values

    def broadcast(
        self, seconds: float, least: int = 3, most: int = 100_000, meanwhile: Callable[[], None] | None = None
    ) -> Values:
        """Broadcast, one after the other, each when everybody has heard the last."""
        return self._ask(f"broadcast {seconds} {least} {most}", meanwhile)

    def echo(self, clients: int, seconds: float) -> Values:
        """Let clients talk to the server, each when it has its answer."""
        return self._ask(f"echo {clients} {seconds}")

    def idle(self, seconds: float) -> Values:
        """Do nothing but answer pings."""
        return self._ask(f"idle {seconds}")

    def stall(self, count: int) -> Values:
        """Let the last ``count`` connections read no more."""
        return self._ask(f"stall {count}")

    def stalled(self) -> Values:
        """Look what has become of those."""
        return self._ask("stalled")

    def small_buffers(self) -> None:
        """Give connections that are made from now on the smallest receive buffer."""
        self._ask("rcvbuf 4096")

    def _ask(self, command: str, meanwhile: Callable[[], None] | None = None) -> Values:
        try:
            self._stdin.write(command.encode() + b"\n")
            self._stdin.flush()
        except OSError as error:
            raise Failed("the load generator is gone") from error
        self._await_answer(meanwhile)
        line = self._stdout.readline()
        if not line:
            raise Failed("the load generator is gone")
        answer: Values = json.loads(line)
        if "error" in answer:
            raise Failed(f"the load generator does not understand {command[:60]!r}")
        return answer

    def _await_answer(self, meanwhile: Callable[[], None] | None) -> None:
        deadline = time.monotonic() + ANSWER
        while not select.select([self._stdout], [], [], LOOK)[0]:
            if time.monotonic() > deadline:
                raise Failed(f"the load generator has not answered within {ANSWER:.0f} seconds")
            if meanwhile is not None:
                meanwhile()
