"""The command line: `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Container
from pathlib import Path

from . import machine
from .campaign import ALONE, EVERYTHING, jobs, run
from .errors import Missing
from .page import FULL_RUN, render
from .parts import compiled
from .peers import PEERS
from .places import PAGE, RESULTS
from .runs import Circumstances, Run, load
from .scale import FULL, QUICK
from .visit import SCENARIOS


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Compare Flask-Cable with its rivals, and write docs/benchmarks.md.",
    )
    parser.add_argument(
        "--quick", action="store_true", help="a taste: one round, smaller crowds, under 4 minutes"
    )
    parser.add_argument("--peers", type=_names(PEERS), help=f"some of {', '.join(PEERS)}", metavar="A,B")
    parser.add_argument(
        "--scenario",
        type=_names(EVERYTHING),
        help=f"some of {', '.join(SCENARIOS)}; of some buses; of flask-cable alone {', '.join(ALONE)}",
        metavar="A,B",
    )
    parser.add_argument("--page", type=Path, help="where the page goes, whatever is there", metavar="FILE")
    parser.add_argument(
        "--again", type=Path, help="only the page, of an earlier run's results", metavar="FILE"
    )
    return parser.parse_args()


def _names(known: Container[str]) -> Callable[[str], list[str]]:
    """Make what reads a list of names."""

    def names(text: str) -> list[str]:
        found = [name for name in text.split(",") if name]
        unknown = [name for name in found if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"there is no {', '.join(unknown)}")
        return found

    return names


def main() -> int:
    """Do what the command line asks for."""
    asked = arguments()
    if asked.again is not None:
        return publish(load(asked.again), asked.page)
    if sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
        print("The benchmarks need Linux and two processors: one for the server, one for its clients.")
        return 1
    try:
        compiled("generator")
    except Missing as missing:
        print(f"The load generator is in C, and {missing}.")
        return 1
    return publish(measured(asked), asked.page)


def measured(asked: argparse.Namespace) -> Run:
    """Measure what is asked for, and keep it."""
    scale = QUICK if asked.quick else FULL
    peers = [PEERS[name] for name in asked.peers or PEERS]
    begin, busy, stolen = time.time(), machine.load(), machine.stolen()
    outcome = run(jobs(peers, asked.scenario or EVERYTHING, scale), scale)
    there = {record.peer for record in outcome.records}
    circumstances = Circumstances(
        date=time.strftime("%Y-%m-%d"),
        machine=machine.describe(),
        arrangement=machine.arrangement(),
        ourselves=machine.ourselves(),
        versions=machine.versions(peer for peer in peers if peer.name in there),
        load=busy,
        stolen=machine.stolen() - stolen,
        minutes=(time.time() - begin) / 60,
    )
    full = not (asked.quick or asked.peers or asked.scenario or outcome.interrupted)
    made = Run(outcome, scale, circumstances, full)
    RESULTS.mkdir(exist_ok=True)
    kept = RESULTS / time.strftime("%Y%m%d-%H%M%S.json")
    made.save(kept)
    print(f"all measurements are in {kept}", file=sys.stderr)
    return made


def publish(made: Run, wanted: Path | None) -> int:
    """Print the page and write it: not over the page of a full run, unless this is one or it is asked for."""
    path, text = wanted or PAGE, render(made)
    if not made.full and wanted is None and PAGE.exists() and FULL_RUN in PAGE.read_text():
        path = RESULTS / "partial.md"
    path.write_text(text)
    print(text)
    print(f"written to {path}", file=sys.stderr)
    return 0 if made.outcome.records else 1


if __name__ == "__main__":
    sys.exit(main())
