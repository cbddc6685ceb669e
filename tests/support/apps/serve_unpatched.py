"""Serves an application with gevent.pywsgi in a process that nobody has patched; for `support.servers`."""

import argparse
from importlib import import_module

from gevent.pywsgi import WSGIServer


def main() -> None:
    """Serve until SIGTERM."""
    words = argparse.ArgumentParser()
    words.add_argument("app", help="module:factory()")
    words.add_argument("--port", type=int, required=True)
    options = words.parse_args()
    module, _, factory = options.app.removesuffix("()").partition(":")
    app = getattr(import_module(module), factory)()
    WSGIServer(("127.0.0.1", options.port), app).serve_forever()


if __name__ == "__main__":
    main()
