"""Processes on their own processor: where they run, what they have spent, what they hold.

Linux only: sessions, CPU clocks and proportional set sizes come from its /proc and its clocks.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
CPU_CLOCK = 2  # CPUCLOCK_SCHED: what the scheduler gave a process, in nanoseconds


def server_cpus(workers: int = 1) -> set[int]:
    """The processors for a server: one for each worker where there are enough, else the first."""
    cpus = sorted(os.sched_getaffinity(0))
    return set(cpus[:workers]) if len(cpus) > workers else set(cpus[:1])


def generator_cpus() -> set[int]:
    """The processor for the load generator: the last."""
    return {max(os.sched_getaffinity(0))}


def descriptors() -> int:
    """How many files a process may open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def at_home(cpus: Collection[int]) -> Callable[[], None]:
    """What a child does first: stay on its processors, and open as many files as it may."""

    def settle_down() -> None:
        os.sched_setaffinity(0, cpus)
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    return settle_down


def in_session(leader: int) -> list[int]:
    """The processes of a session, by the pid of its leader."""
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit() and _session(entry) == leader]


def _session(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[3])
    except OSError:
        return -1


def cpu_seconds(pids: Collection[int]) -> float:
    """What processes have spent, in user and kernel mode, finished threads included.

    The clock's number is made of the pid as clock_getcpuclockid(3) makes it.
    """
    spent = 0.0
    for pid in pids:
        with suppress(OSError):
            spent += time.clock_gettime((~pid << 3) | CPU_CLOCK)
    return spent


def memory_kib(pids: Collection[int]) -> int:
    """The proportional set size of processes: what they share is divided among them."""
    return sum(_pss(pid) for pid in pids)


def _pss(pid: int) -> int:
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads its own session, and all of that session: first asked, then killed."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(OSError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        if not in_session(process.pid):
            return
