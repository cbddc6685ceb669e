"""What a message to a name or a group costs, beside a plain broadcast: `python -m benchmarks.names --help`.

Peers are connections whose transport only counts, so that what is measured is the way to them and no socket.
With `--url` they are in another process, and the server that both share is on the way, too.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

if __name__ == "__main__" and "threads" not in sys.argv:
    from gevent import monkey

    monkey.patch_all()

from flask import Flask

from flask_cable import Behaviour, Cable, Connection, Text
from flask_cable.transports.loopback import LoopbackTransport

MESSAGE = {"from": 7, "text": "x" * 100}
PATIENCE = 60.0
Row = tuple[str, float]


class Counting(LoopbackTransport):
    """Counts what is sent."""

    __slots__ = ()
    heard = 0

    def send(self, frame: Any) -> bool:
        Counting.heard += 1
        return True


class Member(Behaviour):
    """Hands its server messages on to its peer."""

    def handle_server_message(self, state: Any, connection: Connection, message: Any) -> Any:
        return state, [Text(message["text"])]


class House:
    """One process: an application, and what is measured in it."""

    def __init__(self, url: str | None, executor: str) -> None:
        self.cable, self.app = Cable(), Flask("benchmark")
        self.app.config.update(
            CABLE_URL=url,
            CABLE_EXECUTOR=executor,
            CABLE_GROUPS_PER_CONNECTION=100_000,
            CABLE_SERVER_MESSAGES=1_000_000,
        )
        self.cable.behaviour("/ws")(Member)
        self.cable.init_app(self.app)
        self.runtime = self.app.extensions["cable"].runtime()

    def join(self, number: int) -> Connection:
        """A connection with a name, in a group, on a stream; and everybody is in a group and on a stream."""
        connection = Connection(
            self.runtime.mount(self.cable.routes[0]).handler, self.runtime.registry.next_id()
        )
        connection.attach(Counting(connection))
        self.runtime.registry.add(connection)
        connection.handle_open()
        self.cable.unique.register(f"name {number}", connection)
        self.cable.group.join("everybody", connection)
        connection.stream_from(f"stream {number}")
        connection.stream_from("everybody")
        return connection


def settled(count: int) -> None:
    """Wait until so many frames were sent in this process."""
    end = time.monotonic() + PATIENCE
    while Counting.heard < count:
        assert time.monotonic() < end, f"{Counting.heard} of {count} came"
        time.sleep(0.001)


def measured(send: Callable[[], object], messages: int, wait: Callable[[int], None], each: int = 1) -> float:
    """Deliveries in a second; whoever sends waits for them after every 500 messages."""
    began, sent = time.perf_counter(), 0
    while sent < messages:
        for _ in range(min(500, messages - sent)):
            send()
            sent += 1
        wait(sent * each)
    return messages * each / (time.perf_counter() - began)


def here(executor: str, messages: int, crowd: int) -> list[Row]:
    """One process, with memory."""
    house = House(None, executor)
    cable = house.cable
    for number in range(crowd):
        house.join(number)
    many = max(1, messages // crowd)
    return [
        ("send_message to a name", fresh(lambda: cable.unique.send_message("name 7", MESSAGE), messages)),
        ("broadcast to a stream of one", fresh(lambda: cable.broadcast("stream 7", MESSAGE), messages)),
        (
            f"publish to a group of {crowd}",
            fresh(lambda: cable.group.publish("everybody", MESSAGE), many, crowd),
        ),
        (
            f"broadcast to a stream of {crowd}",
            fresh(lambda: cable.broadcast("everybody", MESSAGE), many, crowd),
        ),
    ]


def fresh(send: Callable[[], object], messages: int, each: int = 1) -> float:
    Counting.heard = 0
    return measured(send, messages, settled, each)


def there(url: str, executor: str, messages: int) -> list[Row]:
    """Two processes, with the server that they share."""
    other = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.names", "--serve", "--url", url, "--executor", executor],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    said: Any = other.stdin
    heard: Any = other.stdout
    heard.readline()

    def wait(count: int) -> None:
        said.write(f"{count}\n")
        said.flush()
        heard.readline()

    def reset(send: Callable[[], object]) -> float:
        wait(-1)
        return measured(send, messages, wait)

    house = House(url, executor)
    cable = house.cable
    try:
        return [
            ("send_message to a name there", reset(lambda: cable.unique.send_message("name 0", MESSAGE))),
            ("publish to a group of one there", reset(lambda: cable.group.publish("everybody", MESSAGE))),
            ("broadcast to a stream of one there", reset(lambda: cable.broadcast("stream 0", MESSAGE))),
            *own(house),
        ]
    finally:
        other.terminate()
        other.wait(10)


def own(house: House) -> list[Row]:
    """What it takes to be named, in calls per second."""
    connection = house.join(1000)
    unique, group, count = house.cable.unique, house.cable.group, 1000
    began = time.perf_counter()
    for _ in range(count):
        unique.unregister("name 1000", connection)
        unique.register("name 1000", connection)
    middle = time.perf_counter()
    for number in range(count):
        group.join(f"group {number}", connection)
    return [
        ("unregister and register", count / (middle - began)),
        ("join a new group", count / (time.perf_counter() - middle)),
    ]


def serve(url: str, executor: str) -> None:
    """Be the other process: one peer, and an answer when it has heard enough."""
    House(url, executor).join(0)
    print("ready", flush=True)
    for line in sys.stdin:
        if int(line) < 0:
            Counting.heard = 0
        else:
            settled(int(line))
        print("done", flush=True)


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.names")
    parser.add_argument("--url", help="a pub/sub server, such as redis://localhost/0; by default none")
    parser.add_argument("--executor", choices=("gevent", "threads"), default="gevent")
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--crowd", type=int, default=1000)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        return serve(asked.url, asked.executor)
    rows = here(asked.executor, asked.messages, asked.crowd)
    if asked.url:
        rows += there(asked.url, asked.executor, asked.messages // 4)
    print("| what | a second | us each |\n|---|---|---|")
    for what, rate in rows:
        print(f"| {what} | {rate:,.0f} | {1e6 / rate:,.1f} |")
    sys.stdout.flush()
    os._exit(0)  # there are no peers to say goodbye to


if __name__ == "__main__":
    main()
