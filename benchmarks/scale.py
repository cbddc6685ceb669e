"""How much is measured: everything, or a taste of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """How long and how large.

    Attributes:
        rounds: how often everything is measured, each round with all peers in turn.
        seconds: for one measurement.
        minutes: past them nothing new is begun.
        subscribers: of the one stream.
        reach: connections that one broadcast is to reach.
        clients: of the closed loop.
        readers: in the scenarios with one thousand subscribers.
        to_stall: broadcasts of the slow reader's scenario, enough to overflow its buffers.
    """

    rounds: int = 3
    seconds: float = 2.5
    minutes: float = 45
    subscribers: int = 5000
    reach: int = 10_000
    clients: int = 100
    readers: int = 1000
    to_stall: int = 1500
    connections: tuple[int, ...] = (100, 1000, 5000, 10_000)
    streams: tuple[int, ...] = (1, 100, 10_000)
    identifiers: tuple[int, ...] = (1, 10, 1000)
    sizes: tuple[int, ...] = (100, 1024, 16 * 1024, 64 * 1024)
    workers: tuple[int, ...] = (1, 2)


FULL = Scale()
QUICK = Scale(
    rounds=1,
    seconds=0.8,
    minutes=3.4,
    subscribers=1000,
    reach=2000,
    readers=200,
    connections=(100, 1000),
    streams=(1, 1000),
    identifiers=(1, 100),
    sizes=(100, 16 * 1024),
)
