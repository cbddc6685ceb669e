"""A response whose body is not there yet: it is waited for once Flask is done with the request.

No context, session or database connection is pending meanwhile. The server's greenlet or thread waits,
or nobody at all, where the socket can be had and threads are few.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from flask import Response

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Fields = list[tuple[str, str]]


class Body(Protocol):
    """What a response waits for."""

    def is_there(self) -> bool:
        """Whether nobody has to wait."""

    def wait(self) -> bytes:
        """Wait for it."""

    def cancel(self) -> None:
        """Nobody wants it any more."""


Detach = Callable[[Environ, bytes], bool]


class LateResponse(Response):
    """``after_request`` functions see it as any response, with its headers, and without its body.

    Args:
        late: the body.
        detach: takes the socket from the server, if that can be, and answers there with the given head
            and the body, when it is there; False where it cannot be.
    """

    def __init__(self, late: Body, detach: Detach | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._late = late
        self._detach = detach

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return Late(self, environ, start_response)

    def fields(self, *more: tuple[str, str]) -> Fields:
        """The headers, but for what depends on the body."""
        return [(name, value) for name, value in self.headers if name.lower() != "content-length"] + list(
            more
        )

    def answer(self, start_response: StartResponse) -> bytes:
        """Wait, and answer as any response."""
        body = self._late.wait()
        start_response(self.status, self.fields(("Content-Length", str(len(body)))))
        return body

    def detach(self, environ: Environ, start_response: StartResponse) -> bool:
        """Let the answer find its way without the server; False when that cannot be."""
        if self._detach is None or self._late.is_there():
            return False
        fields = self.fields(("Connection", "close"))
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
        if not self._detach(environ, f"HTTP/1.1 {self.status}\r\n{lines}".encode("latin-1")):
            return False
        start_response(self.status, fields)
        return True

    def cancel(self) -> None:
        """Nobody wants the answer any more."""
        self._late.cancel()


class Late:
    """What the server iterates over; WSGI lets an application answer with the first step (PEP 3333)."""

    def __init__(self, response: LateResponse, environ: Environ, start_response: StartResponse) -> None:
        self._response: LateResponse | None = response
        self._environ = environ
        self._start_response = start_response

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        response, self._response = self._response, None
        if response is None or response.detach(self._environ, self._start_response):
            raise StopIteration
        return response.answer(self._start_response)

    def close(self) -> None:
        """The server is done, perhaps before it began."""
        response, self._response = self._response, None
        if response is not None:
            response.cancel()
