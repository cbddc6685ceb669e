"""A TCP proxy that goes wrong on demand: it forwards, freezes without a word, or cuts."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Proxy:
    """Forwards a port of its own to another of this machine; a context manager."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._guard = threading.Lock()
        self._flows: list[_Flow] = []
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *error: object) -> None:
        self._closed = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    @property
    def flows(self) -> int:
        """How many connections are forwarded."""
        return sum(not flow.frozen and not flow.over for flow in self._flows)

    def freeze(self) -> None:
        """Forward nothing more on the connections of now, and do not close them; new ones are fine."""
        with self._guard:
            for flow in self._flows:
                flow.frozen = True

    def cut(self) -> None:
        """Close the connections of now."""
        with self._guard:
            for flow in self._flows:
                flow.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                near, _ = self._listener.accept()
            except OSError:
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()
                continue
            with self._guard:
                self._flows.append(_Flow(near, far))


class _Flow:
    """One connection through the proxy."""

    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self.frozen = self.over = False
        self._socks = (near, far)
        for sock in self._socks:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self.frozen:
                    return
                sink.sendall(data)
        if not self.frozen:
            self.close()

    def close(self) -> None:
        self.over = True
        for sock in self._socks:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
