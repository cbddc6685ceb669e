"""One connection to NATS, with nats-py: what the adapter's listener and sender and the store share.

Its methods are called from any thread or greenlet; whatever awaits something does so on a ``NatsThread``.
"""

from __future__ import annotations

import asyncio
import errno
import os
import random
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from ..errors import ConfigError
from .nats_thread import Awaiting, NatsThread

Result = TypeVar("Result")

FILES = {"credentials", "nkey", "ca", "cert", "key"}
"""What a URL's query may name, each a file."""

FAREWELL = 1.0
"""Seconds for saying goodbye."""


def library() -> Any:
    """nats-py. Raises ``ConfigError`` where it is not installed."""
    try:
        import nats.aio.client
        import nats.errors
    except ImportError:
        raise ConfigError("CABLE_URL: NATS needs nats-py: pip install 'Flask-Cable[nats]'") from None
    return nats


class NatsPlan(NamedTuple):
    """Where the servers are, and how they know us.

    Attributes:
        servers: URLs without a login.
        options: of nats-py's ``connect``.
    """

    servers: list[str]
    options: dict[str, Any]


def read_url(url: str) -> NatsPlan:
    """``nats://user:password@a:4222,b:4222?ca=ca.pem``, ``tls://token@host``. Raises ``ConfigError``."""
    library()
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    files = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if unknown := files.keys() - FILES:
        known = ", ".join(sorted(FILES))
        raise ConfigError(f"CABLE_URL: NATS knows no option {', '.join(sorted(unknown))}; there are {known}")
    servers = [f"{parts.scheme}://{_checked(host)}" for host in hosts.split(",")]
    try:
        return NatsPlan(servers, {**_login(login), **_keys(files), **_tls(parts.scheme, files)})
    except OSError as error:
        raise ConfigError(f"CABLE_URL: a file cannot be read: {error}") from None


def _checked(host: str) -> str:
    """A host with or without its port. Raises ``ConfigError``."""
    parts = urlsplit(f"nats://{host}")
    try:
        if parts.hostname and parts.port != 0:
            return host
    except ValueError:
        pass
    raise ConfigError(f"CABLE_URL: {host!r} is no host:port of a NATS server")


def _login(login: str) -> dict[str, Any]:
    user, colon, password = login.partition(":")
    if not user:
        return {}
    return {"user": unquote(user), "password": unquote(password)} if colon else {"token": unquote(user)}


def _keys(files: dict[str, str]) -> dict[str, Any]:
    names = {"credentials": "user_credentials", "nkey": "nkeys_seed"}
    return {names[name]: path for name, path in files.items() if name in names}


def _tls(scheme: str, files: dict[str, str]) -> dict[str, Any]:
    if scheme != "tls" and not files.keys() & {"ca", "cert"}:
        return {}
    context = ssl.create_default_context(cafile=files.get("ca"))
    if "cert" in files:
        context.load_cert_chain(files["cert"], files.get("key"))
    return {"tls": context}


class NatsLine:
    """One connection, which is not mended when it breaks.

    Args:
        changed: called on the thread when the line has ended or the server has complained.

    Attributes:
        client: nats-py's; touched on the thread only.
        complaints: what the server did not like, permissions that are missing for example.
        ended: why the line is broken; None while it is not.
    """

    def __init__(
        self, thread: NatsThread, plan: NatsPlan, timeout: float, changed: Callable[[], object] | None = None
    ) -> None:
        self._thread = thread
        self._plan = plan
        self._changed = changed
        self.timeout = timeout
        self.complaints: list[str] = []
        self.ended: Exception | None = None
        self.client = thread.call(self._connect, timeout + FAREWELL)

    def call(self, coroutine: Awaiting[Result], seconds: float | None = None) -> Result:
        """Await something on the thread."""
        return self._thread.call(coroutine, self.timeout if seconds is None else seconds)

    def post(self, coroutine: Awaiting[object]) -> None:
        """Await something on the thread, and do not wait for it."""
        self._thread.post(coroutine)

    async def flush(self) -> None:
        """Wait until the server has taken all; awaited on the thread.

        nats-py writes a flush's PING at once (2.16: ``Client._send_ping``), while what was said before may
        wait for its flusher: the answer would come too early.
        """
        patience = iter([0] * 10)
        while self.client.is_connected and self.client.pending_data_size:
            await asyncio.sleep(next(patience, 0.001))
        await self.client.flush(self.timeout)

    async def _connect(self) -> Any:
        """Try each server for its share of the time."""
        deadline = time.monotonic() + self.timeout
        servers = random.sample(self._plan.servers, len(self._plan.servers))
        for number, server in enumerate(servers):
            seconds = (deadline - time.monotonic()) / (len(servers) - number)
            try:
                return await self._connect_to(server, seconds)
            except Exception as error:
                if number == len(servers) - 1:
                    raise ConnectionError(self._reason(error)) from error
                self.complaints.clear()
        raise ConnectionError("the URL names no server")

    def _reason(self, error: Exception) -> str:
        """Why there is no connection; a server may hang up before its complaint has been read."""
        reason = "; ".join(self.complaints[-1:]) or str(error) or "no answer in time"
        if os.strerror(errno.ECONNRESET) in reason:
            return f"the server hung up during the login, as for a wrong password ({reason})"
        return reason

    async def _connect_to(self, server: str, seconds: float) -> Any:
        client = library().aio.client.Client()
        try:
            connecting = client.connect(
                server,
                name="flask-cable",
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=seconds,
                error_cb=self._complain,
                closed_cb=self._end,
                **self._plan.options,
            )
            await asyncio.wait_for(connecting, seconds)
        except BaseException:
            with suppress(Exception):
                await asyncio.wait_for(client.close(), FAREWELL)
            raise
        return client

    async def _complain(self, error: Exception) -> None:
        self.complaints.append(str(error))
        del self.complaints[:-100]
        self._tell()

    async def _end(self) -> None:
        self.ended = ConnectionError("; ".join(self.complaints[-1:]) or "the server closed the connection")
        self._tell()

    def _tell(self) -> None:
        if self._changed is not None:
            self._changed()

    def close(self) -> None:
        """Say goodbye, if the server listens."""
        with suppress(Exception):
            self._thread.call(self.client.close, FAREWELL)
