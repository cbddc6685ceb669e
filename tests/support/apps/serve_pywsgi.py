"""Serves an application with gevent.pywsgi, patched; started by `support.servers`."""

from gevent import monkey

monkey.patch_all()

import argparse  # noqa: E402
from importlib import import_module  # noqa: E402
from typing import Any  # noqa: E402

from gevent.pywsgi import WSGIServer  # noqa: E402


def main() -> None:
    """Serve until SIGTERM."""
    options = parser().parse_args()
    extra = {"handler_class": websocket_handler()} if options.websocket_handler else {}
    if options.certfile:
        extra.update(certfile=options.certfile, keyfile=options.keyfile)
    WSGIServer(("127.0.0.1", options.port), load(options.app), **extra).serve_forever()


def parser() -> argparse.ArgumentParser:
    """Return the command line's description."""
    words = argparse.ArgumentParser()
    words.add_argument("app", help="module:name or module:factory()")
    words.add_argument("--port", type=int, required=True)
    words.add_argument("--certfile")
    words.add_argument("--keyfile")
    words.add_argument("--websocket-handler", action="store_true")
    return words


def websocket_handler() -> Any:
    """Return gevent-websocket's handler class."""
    return import_module("geventwebsocket.handler").WebSocketHandler


def load(app: str) -> Any:
    """Return the application that `module:name` or `module:factory()` names."""
    module, _, name = app.partition(":")
    found = getattr(import_module(module), name.removesuffix("()"))
    return found() if name.endswith("()") else found


if __name__ == "__main__":
    main()
