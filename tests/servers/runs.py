"""Runs that are too long for every day: a large crowd, and outages watched from all sides.

    PYTHONPATH=.:tests python -m servers.runs crowd --backend redis
    PYTHONPATH=.:tests python -m servers.runs faults --backend redis

Both print a table; the second one is in docs/fault-runs.md.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from servers.cluster import Cluster
from support.backends import KINDS, Backend
from support.crowd import Crowd, Refused
from support.proxy import Proxy

PACE = 0.02
"""Seconds between two broadcasts of a fault run."""


def crowd(backend: str, peers: int, broadcasts: int, kind: str) -> str:
    """Let everybody hear everything, and say how long it took."""
    with Cluster(backend, kind) as cluster:
        begun = time.monotonic()
        with Crowd(cluster.ports, peers) as crowd:
            crowd.subscribe(120)
            joined = time.monotonic()
            for number in range(broadcasts):
                assert cluster.publish(number).status == 200
                crowd.read()
            crowd.listen(
                lambda: all(len(p.numbers) >= broadcasts for p in crowd.peers), "all have heard", 120
            )
            heard = time.monotonic()
            crowd.listen(lambda: time.monotonic() > heard + 1, "nothing more comes")
            wrong = sum(peer.numbers != list(range(broadcasts)) for peer in crowd.peers)
    messages = peers * broadcasts
    return (
        f"| {backend} | {peers} | {broadcasts} | {messages} | {wrong} | {joined - begun:.1f} s | "
        f"{heard - joined:.1f} s |"
    )


CROWD_HEAD = (
    "| backend | peers | broadcasts | messages | peers that missed one, heard one twice or out of order | "
    "to join | to hear all |\n|---|---|---|---|---|---|---|"
)


# Outages.


@dataclass
class Fault:
    """What is done to the backend, and how it is undone."""

    does: Callable[[Backend, Proxy], None]
    undoes: Callable[[Backend, Proxy], None]
    seconds: float


def _nothing(backend: Backend, proxy: Proxy) -> None:
    """It undoes itself: a new connection is good."""


FAULTS = {
    "killed, back after 3 s": Fault(lambda b, p: b.kill(), lambda b, p: _start(b), 3.0),
    "restarted at once": Fault(lambda b, p: b.kill(), lambda b, p: _start(b), 0.0),
    "hangs for 12 s": Fault(lambda b, p: b.hang(), lambda b, p: b.go_on(), 12.0),
    "connections cut": Fault(lambda b, p: p.cut(), _nothing, 0.0),
    "connections silent": Fault(lambda b, p: p.freeze(), _nothing, 0.0),
}


def _start(backend: Backend) -> None:
    backend.start()


@dataclass
class Notes:
    """What was seen in one run; times are seconds since the epoch."""

    accepted: dict[int, float] = field(default_factory=dict)
    refused: dict[int, float] = field(default_factory=dict)
    slowest_refusal: float = 0.0
    slowest_page: float = 0.0
    over: bool = False

    def publish(self, cluster: Cluster) -> None:
        """Broadcast at a steady pace until it is over; every page has to be served."""
        number = 0
        while not self.over:
            begun = time.time()
            answer = cluster.publish(number)
            took = time.time() - begun
            if answer.status == 200:
                self.accepted[number] = begun
            else:
                self.refused[number] = begun
                self.slowest_refusal = max(self.slowest_refusal, took)
            number += 1
            time.sleep(max(0.0, PACE - took))

    def browse(self, cluster: Cluster) -> None:
        """Ask for pages that have nothing to do with the cable."""
        while not self.over:
            for server in cluster.servers:
                begun = time.time()
                assert server.get("/").status == 200
                self.slowest_page = max(self.slowest_page, time.time() - begun)
            time.sleep(0.05)


def fault(backend: str, name: str, peers: int, **settings: object) -> str:
    """Do one fault in the middle of a run, and say what it did."""
    plan = FAULTS[name]
    with ExitStack() as stack:
        cluster = Cluster(backend, **settings)
        proxy = stack.enter_context(Proxy(cluster.backend.port))
        cluster.through(proxy.port)
        stack.enter_context(cluster)
        crowd = stack.enter_context(Crowd(cluster.ports, peers))
        crowd.subscribe(60)
        notes = Notes()
        threads = [threading.Thread(target=work, args=(cluster,)) for work in (notes.publish, notes.browse)]
        for thread in threads:
            thread.start()
        try:
            _read_for(crowd, 2.0)
            done = time.time()
            plan.does(cluster.backend, proxy)
            _read_for(crowd, plan.seconds)
            undone = time.time()
            plan.undoes(cluster.backend, proxy)
            ends = done if plan.seconds == 0 else undone
            _follow(crowd, cluster, peers, ends)
        finally:
            notes.over = True
            for thread in threads:
                thread.join(60)
        _read_for(crowd, 1.0)
        return _row(backend, name, done, ends, crowd, cluster, notes)


def _read_for(crowd: Crowd, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        crowd.read(0.02)


def _follow(crowd: Crowd, cluster: Cluster, peers: int, since: float) -> None:
    """Do what clients do who are told to reconnect, until all have and the workers have noted the end."""
    back: set[int] = set()
    end = time.monotonic() + 40
    while time.monotonic() < end:
        crowd.read(0.02)
        told = [peer for peer in crowd.peers if peer.told and peer.user not in back]
        for peer in told:
            try:
                fresh = crowd.join(peer.user)
            except Refused:  # this worker is not back yet; a client tries again
                break
            crowd.listen(lambda fresh=fresh: fresh.welcomed, "a peer is welcomed")
            fresh.subscribe()
            back.add(peer.user)
        restored = sum(what == "restored" for _, _, what, _ in cluster.journal())
        if restored >= 4 and len(back) >= peers:
            break
    crowd.listen(lambda: all(peer.confirmed for peer in crowd.peers), "all are confirmed", 30)
    _read_for(crowd, 1.0)


HEAD = (
    "| backend | fault | broadcasts refused, slowest | accepted, but not heard by all | "
    "of those who missed some, told | outage noticed after | heard again after | all told after | "
    "slowest page |\n|---|---|---|---|---|---|---|---|---|"
)


def _row(
    backend: str, name: str, done: float, ends: float, crowd: Crowd, cluster: Cluster, notes: Notes
) -> str:
    firsts = [peer for peer in crowd.peers if peer.told] or crowd.peers
    journal = cluster.journal()
    lost = [at - done for at, _, what, _ in journal if what == "lost"]
    restored = [at - ends for at, _, what, _ in journal if what == "restored"]
    missing = [_missed(peer.numbers, peer.told, notes.accepted) for peer in firsts]
    missed = set().union(*missing)
    losers = [peer for peer, numbers in zip(firsts, missing, strict=True) if numbers]
    told = [peer.told[0][0] - ends for peer in firsts if peer.told]
    return (
        f"| {backend} | {name} | {len(notes.refused)} of {len(notes.refused) + len(notes.accepted)}, "
        f"{notes.slowest_refusal:.2f} s | {len(missed)} | "
        f"{sum(bool(peer.told) for peer in losers)} of {len(losers)} | {_span(lost)} | {_span(restored)} | "
        f"{_span(told)} | {notes.slowest_page * 1000:.0f} ms |"
    )


def _missed(
    numbers: Sequence[int], told: Sequence[tuple[float, str]], accepted: dict[int, float]
) -> set[int]:
    """What was accepted while a peer was there, and was not heard by it."""
    until = told[0][0] if told else float("inf")
    heard = set(numbers)
    return {number for number, at in accepted.items() if at < until - 0.05 and number not in heard}


def _span(seconds: Sequence[float]) -> str:
    return f"{min(seconds):.1f} to {max(seconds):.1f} s" if seconds else "-"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    words.add_argument("run", choices=("crowd", "faults"))
    words.add_argument("--backend", choices=KINDS, action="append")
    words.add_argument("--kind", default="gunicorn-gevent")
    words.add_argument("--peers", type=int)
    words.add_argument("--broadcasts", type=int, default=200)
    words.add_argument("--fault", choices=FAULTS, action="append")
    options = words.parse_args()
    if options.run == "crowd":
        print(CROWD_HEAD, flush=True)
        for backend in options.backend or ["redis"]:
            print(crowd(backend, options.peers or 2000, options.broadcasts, options.kind), flush=True)
        return
    print(HEAD, flush=True)
    for backend in options.backend or ["redis"]:
        for name in options.fault or FAULTS:
            print(fault(backend, name, options.peers or 300, CABLE_BUS_TIMEOUT=5), flush=True)


if __name__ == "__main__":
    main()
