"""What a call to a store costs, and how quick its server's pub/sub is: `python -m benchmarks.stores URL...`

Each server is asked by one thread, one call after the other, and by thirty-two at once. `--gevent` does the
same with greenlets. The servers are yours; what is written has a prefix of its own, and expires.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator

if __name__ == "__main__" and "--gevent" in sys.argv:
    from gevent import monkey

    monkey.patch_all()

from flask_cable.pubsub import BusOptions, NetworkPubSub, Store, open_pubsub

LEASE = 600.0
CROWD = 32
Call = Callable[[int], object]


def calls(store: Store) -> Iterator[tuple[str, Call]]:
    """Yield what is asked of a store; each call gets a number that no other one has."""
    yield "beat", lambda n: store.beat("node", LEASE)
    yield "claim a name", lambda n: store.claim(f"name {n}", "node:1")
    yield "claim a name that is taken", lambda n: store.claim("name 0", "node:2")
    yield "owner", lambda n: store.owner("name 0")
    yield "release", lambda n: store.release(f"name {n}", "node:1")
    yield "set_count", lambda n: store.set_count(f"team {n % 100}", "node", n + 1)
    yield "counts", lambda n: store.counts("team 0")
    yield "put", lambda n: store.put(f"text {n}", "x" * 200, LEASE)
    yield "take", lambda n: store.take(f"text {n}")
    yield "append to one of 100 logs", lambda n: store.append(f"log {n % 100}", "x" * 200, 100, LEASE)
    yield "last 21 lines, and 20 since", lambda n: store.since("log 0", store.last("log 0", 21)[0].offset)


def alone(call: Call, count: int) -> float:
    """Return the microseconds of one call of many."""
    begun = time.perf_counter()
    for number in range(count):
        call(number)
    return (time.perf_counter() - begun) / count * 1e6


def together(call: Call, count: int) -> float:
    """Return how many calls a second a crowd makes."""

    def some(first: int) -> None:
        for number in range(first, count, CROWD):
            call(number)

    threads = [threading.Thread(target=some, args=(first,)) for first in range(CROWD)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return count / (time.perf_counter() - begun)


def measure_store(store: Store, count: int) -> None:
    """Print a row for each call."""
    print(f"| {'call':28} | µs, alone | per second, {CROWD} at once |")
    print(f"|{'-' * 30}|----------:|-----------------------:|")
    store.beat("node", LEASE)
    for name, call in calls(store):
        first = alone(call, count)
        if name == "take":  # what was put is gone
            for number in range(count):
                store.put(f"text {number}", "x" * 200, LEASE)
        print(f"| {name:28} | {first:9.0f} | {together(call, count):22.0f} |")


def measure_messages(bus: NetworkPubSub, count: int) -> None:
    """Print how long a message takes to come back, and how many do in a second."""
    live, heard = threading.Event(), threading.Semaphore(0)
    bus.subscribe("news", lambda message: heard.release(), live.set)
    live.wait(10)

    def there_and_back(number: int) -> None:
        bus.publish("news", "x" * 200)
        heard.acquire()

    print(f"there and back: {alone(there_and_back, count):.0f} µs alone")
    begun = time.perf_counter()
    for _ in range(count * 10):
        while bus._outgoing.waiting > 5000:
            time.sleep(0.001)
        bus.post("news", "x" * 200)
    for _ in range(count * 10):
        heard.acquire()
    print(f"published and heard: {count * 10 / (time.perf_counter() - begun):.0f} per second")


def measure_streams(bus: NetworkPubSub, counts: list[int]) -> None:
    """Print how long it takes to hear so many streams more."""
    for count in counts:
        left = threading.Semaphore(0)
        begun = time.perf_counter()
        numbers = [bus.subscribe(f"stream {n}", str, left.release) for n in range(count)]
        for _ in numbers:
            left.acquire()
        print(f"{count} streams are heard after {time.perf_counter() - begun:.2f} s")
        for number in numbers:
            bus.unsubscribe(number)


def main() -> None:
    """Measure each server that is named."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("url", nargs="+")
    words.add_argument("--count", type=int, default=2000, help="calls of each kind")
    words.add_argument("--streams", type=int, nargs="*", default=[1000, 10_000])
    words.add_argument("--gevent", action="store_true")
    said = words.parse_args()
    for url in said.url:
        bus = open_pubsub(url, BusOptions(prefix=f"bench-{secrets.token_hex(4)}:"))
        assert isinstance(bus, NetworkPubSub)
        print(f"\n## {bus.name}\n")
        measure_store(bus.store, said.count)
        print()
        measure_messages(bus, said.count)
        measure_streams(bus, said.streams)
        bus.stop()


if __name__ == "__main__":
    main()
