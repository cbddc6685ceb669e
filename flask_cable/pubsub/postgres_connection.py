"""A connection to PostgreSQL on which nothing waits for longer than it may, with psycopg's libpq.

Used by the PostgreSQL adapter and its store. libpq is asked what to wait for and never waits itself, so that
gevent, whenever it has patched, lets others work meanwhile. Knows nothing of streams, names and texts.
"""

from __future__ import annotations

import select
import socket
import time
from typing import Any

from ..errors import ConfigError
from .lending import Refused, is_ready

Row = tuple[bytes | None, ...]

NO_TABLE = "42P01"

OURS = {"application_name": "flask-cable", "keepalives_idle": 30, "keepalives_interval": 10}
"""What holds unless the URL says otherwise."""

SETTINGS = (
    "SET client_min_messages = warning; SET bytea_output = hex; SET client_encoding = 'UTF8'; "
    "SET default_transaction_isolation = 'read committed'; "
    # What is lost with a crashed server is of no use to anybody, so that no commit has to wait for a disk.
    "SET synchronous_commit = off; SET statement_timeout = %d"
)


def library() -> Any:
    """psycopg. Raises ``ConfigError`` where it, or its libpq, is not installed."""
    try:
        import psycopg
    except ImportError as error:
        remedy = "pip install 'Flask-Cable[postgres]'"
        raise ConfigError(f"CABLE_URL: PostgreSQL needs psycopg 3 and libpq: {remedy} ({error})") from None
    return psycopg


def check_url(url: str) -> None:
    """Let libpq read a URL, without connecting. Raises ``ConfigError``."""
    psycopg = library()
    try:
        psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise ConfigError(f"CABLE_URL: {_line(str(error).replace(url, '...'))}") from None


class PostgresError(Refused):
    """The server's refusal of a script, none of which has happened.

    Attributes:
        state: its SQLSTATE, five characters.
    """

    def __init__(self, message: str, state: str = "") -> None:
        super().__init__(message)
        self.state = state


class PostgresConnection:
    """One session; used by one thread at a time.

    Raises:
        OSError: the server cannot be reached, or not in time; the connection is then of no use any more.
        PostgresError: the server will not have it; the connection is as good as before.
    """

    def __init__(self, url: str, timeout: float, deadline: float | None = None) -> None:
        """Connect.

        Args:
            url: as libpq takes it, ``postgresql://`` or ``key=value``.
            timeout: seconds after which the server gives up a statement of ours.
            deadline: of ``time.monotonic()``, for the connecting; ``timeout`` from now when left out.
        """
        self._timeout = timeout
        self._psycopg = library()
        deadline = deadline or time.monotonic() + timeout
        self._pg = _connect(url, deadline)
        self._pg.nonblocking = 1
        self.run(SETTINGS % round(timeout * 1000), deadline)

    def fileno(self) -> int:
        """The socket, to be polled."""
        return int(self._pg.socket)

    def close(self) -> None:
        """Give the connection back; harmless at any time."""
        self._pg.finish()

    @property
    def is_stale(self) -> bool:
        """Whether an idle connection has something to say, which is goodbye."""
        return self._pg.status != self._psycopg.pq.ConnStatus.OK or is_ready(self.fileno(), select.POLLIN, 0)

    @property
    def encoding(self) -> str:
        """What the database can write: ``UTF8`` is everything but NUL."""
        return (self._pg.parameter_status(b"server_encoding") or b"").decode()

    def run(self, script: str, deadline: float | None = None, making: str | None = None) -> list[Row]:
        """Run statements, separated by semicolons, as one transaction; returns the last one's rows.

        Args:
            deadline: of ``time.monotonic()``; the timeout from now when left out.
            making: what makes the tables when there are none.
        """
        deadline = deadline or time.monotonic() + self._timeout
        try:
            return self._run(script, deadline)
        except PostgresError as error:
            if making is None or error.state != NO_TABLE:
                raise
        self._run(making, deadline)
        return self._run(script, deadline)

    def _run(self, script: str, deadline: float) -> list[Row]:
        try:
            self._send(script, deadline)
            return self._answer(deadline)
        except self._psycopg.Error as error:
            raise ConnectionError(_line(str(error))) from error

    def _send(self, script: str, deadline: float) -> None:
        self._pg.send_query(script.encode())
        while self._pg.flush():
            self._wait(select.POLLIN | select.POLLOUT, deadline)
            self._pg.consume_input()

    def _answer(self, deadline: float) -> list[Row]:
        rows: list[Row] = []
        error: PostgresError | None = None
        while (result := self._next_result(deadline)) is not None:
            error = error or _error_of(result)
            rows = _rows_of(result)
        if error is not None:
            raise error
        return rows

    def _next_result(self, deadline: float) -> Any:
        while self._pg.is_busy():
            self._wait(select.POLLIN, deadline)
            self._pg.consume_input()
        return self._pg.get_result()

    def _wait(self, events: int, deadline: float) -> None:
        if not is_ready(self.fileno(), events, deadline - time.monotonic()):
            raise TimeoutError(f"PostgreSQL did not answer within {self._timeout:g} s")

    def notifications(self) -> list[tuple[str, bytes]]:
        """Read what is there, without waiting: ``(name, payload)`` of each notification so far."""
        try:
            self._pg.consume_input()
        except self._psycopg.Error as error:
            raise ConnectionError(_line(str(error))) from error
        found = []
        while (notify := self._pg.notifies()) is not None:
            found.append((notify.relname.decode(), notify.extra))
        return found


def literal(text: bytes) -> str:
    """Bytes as they can stand in a script, whatever they are."""
    return f"decode('{text.hex()}', 'hex')"


def content(value: bytes | None) -> bytes:
    """The bytes in a column of that type, as the server writes them: ``\\x616263``."""
    return bytes.fromhex((value or b"\\x")[2:].decode())


def _line(message: str) -> str:
    """A message of several lines as one."""
    return " ".join(message.split())


def _error_of(result: Any) -> PostgresError | None:
    pq = library().pq
    if result.status not in (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE):
        return None
    state = result.error_field(pq.DiagnosticField.SQLSTATE) or b""
    message = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or result.error_message
    return PostgresError(_line(message.decode("utf-8", "replace")), state.decode())


def _rows_of(result: Any) -> list[Row]:
    columns = range(result.nfields)
    return [tuple(result.get_value(row, column) for column in columns) for row in range(result.ntuples)]


# Connecting.


def _connect(url: str, deadline: float) -> Any:
    """Try every address of every host, each for its share of the time that is left."""
    tries = _conninfos(url)
    for number, conninfo in enumerate(tries):
        now = time.monotonic()
        try:
            return _connect_to(conninfo, now + (deadline - now) / (len(tries) - number))
        except OSError:
            if number == len(tries) - 1:
                raise
    raise ConnectionError("the URL names no host")


def _connect_to(conninfo: str, deadline: float) -> Any:
    pq = library().pq
    pg = pq.PGconn.connect_start(conninfo.encode())
    try:
        while (status := _poll_status(pg)) != pq.PollingStatus.OK:
            events = select.POLLIN if status == pq.PollingStatus.READING else select.POLLOUT
            if not is_ready(pg.socket, events, deadline - time.monotonic()):
                raise TimeoutError("PostgreSQL does not take the connection in time")
    except BaseException:
        pg.finish()
        raise
    return pg


def _poll_status(pg: Any) -> int:
    pq = library().pq
    failed = pg.status == pq.ConnStatus.BAD
    status: int = pq.PollingStatus.FAILED if failed else pg.connect_poll()
    if status == pq.PollingStatus.FAILED:
        raise ConnectionError(_line(pg.error_message.decode("utf-8", "replace")))
    return status


def _conninfos(url: str) -> list[str]:
    """One for each address. libpq would look hosts up itself, and nobody would work meanwhile."""
    conninfo = library().conninfo
    given: dict[str, Any] = {**OURS, **conninfo.conninfo_to_dict(url)}
    if not given.get("host") or given.get("hostaddr"):
        return [conninfo.make_conninfo("", **given)]
    hosts = str(given["host"]).split(",")
    ports = str(given.get("port") or "").split(",")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    return [
        conninfo.make_conninfo("", **{**given, "host": host, "port": port or None, **address})
        for host, port in zip(hosts, ports, strict=False)
        for address in _addresses(host)
    ]


def _addresses(host: str) -> list[dict[str, str]]:
    if host[:1] in ("/", "@"):
        return [{}]
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [{"hostaddr": address} for address in dict.fromkeys(str(each[4][0]) for each in found)]
