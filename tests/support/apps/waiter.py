"""A gevent process that waits for a server that hangs; started by `pubsub.networked_store`.

`python -m support.apps.waiter URL PREFIX MODULE` says `ready` once it is connected, waits for a line, and
prints how often a greenlet worked while calls over an old connection and over a new one failed. The module is
imported before gevent patches, as `gunicorn --preload` does.
"""

import json
import sys
import warnings
from importlib import import_module

import_module(sys.argv[3])

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # gevent's, about ssl that was imported before
    from gevent import monkey

    monkey.patch_all()

import gevent  # noqa: E402

from flask_cable.errors import BusError  # noqa: E402
from flask_cable.pubsub import BusOptions, Store, open_pubsub  # noqa: E402


def main(url: str, prefix: str) -> None:
    """Count what somebody else does meanwhile."""
    store = open_pubsub(url, BusOptions(prefix=prefix, timeout=1.0)).store
    store.put("k", "text", 60)
    print("ready", flush=True)
    sys.stdin.readline()
    ticks = [ticks_during(store)]
    store.stop()
    ticks.append(ticks_during(store))
    print(json.dumps(ticks))


def ticks_during(store: Store) -> int:
    """Return how often a greenlet that wakes every 10 ms woke during one call that fails."""
    ticks: list[int] = []
    ticker = gevent.spawn(tick, ticks)
    try:
        store.get("k")
    except BusError:
        return len(ticks)
    finally:
        ticker.kill()
    raise SystemExit("the server answered")


def tick(ticks: list[int]) -> None:
    """Work a little, again and again."""
    while True:
        gevent.sleep(0.01)
        ticks.append(1)


if __name__ == "__main__":
    main(*sys.argv[1:3])
