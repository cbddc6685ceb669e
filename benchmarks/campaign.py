"""A run: which jobs there are, and their rounds, in which all take turns."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from .buses import WAYS, buses
from .errors import Failed, Missing
from .growth import GROWTH
from .measuring import Note, Record
from .peers import CABLE, Peer
from .scale import Scale
from .slow_reader import slow_reader
from .visit import SCENARIOS, Visit

Play = Callable[[], Iterable[Record | Note]]

ALONE = {"slow-reader": slow_reader, **GROWTH}
"""Scenarios of Flask-Cable alone."""

EVERYTHING = (*SCENARIOS, "buses", *ALONE)


@dataclass(frozen=True)
class Job:
    """One start of one server, or a few of the same."""

    peer: Peer
    scenario: str
    play: Play


@dataclass
class Outcome:
    """What a run has found."""

    records: list[Record] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    rounds: int = 0
    interrupted: bool = False

    def note(self, note: Note) -> None:
        """Keep a note, once however often it comes."""
        if note not in self.notes:
            self.notes.append(note)
            print(f"  {note.peer}, {note.scenario}: {note.reason}", file=sys.stderr)


def jobs(peers: Sequence[Peer], wanted: Collection[str], scale: Scale) -> list[Job]:
    """List what is to be done in each round."""
    shared = [name for name in SCENARIOS if name in wanted]
    planned = [Job(peer, ", ".join(shared), _visit(peer, scale, shared)) for peer in peers if shared]
    if "buses" in wanted:
        planned += [Job(peer, "buses", _buses(peer, scale)) for peer in peers if peer.name in WAYS]
    for peer in (peer for peer in peers if peer.name == CABLE.name):
        planned += [Job(peer, name, _alone(name, peer, scale)) for name in ALONE if name in wanted]
    return planned


def _visit(peer: Peer, scale: Scale, wanted: Sequence[str]) -> Play:
    return lambda: Visit(peer, scale, wanted)


def _buses(peer: Peer, scale: Scale) -> Play:
    return lambda: buses(peer, scale)


def _alone(name: str, peer: Peer, scale: Scale) -> Play:
    return lambda: ALONE[name](peer, scale)


def run(planned: Sequence[Job], scale: Scale) -> Outcome:
    """Play all jobs in rounds, every other one backwards. Ctrl-C ends it with what there is."""
    outcome = Outcome()
    able = [job for job in planned if _is_able(job, outcome)]
    deadline = time.monotonic() + scale.minutes * 60
    try:
        for number in range(scale.rounds):
            outcome.rounds = number + 1
            for job in able if number % 2 == 0 else able[::-1]:
                _take_turn(job, outcome, deadline)
    except KeyboardInterrupt:
        outcome.interrupted = True
    return outcome


def _take_turn(job: Job, outcome: Outcome, deadline: float) -> None:
    if time.monotonic() > deadline:
        outcome.note(Note(job.peer.name, job.scenario, f"left out of round {outcome.rounds}: time was up"))
        return
    print(f"round {outcome.rounds}: {job.peer.name}: {job.scenario}", file=sys.stderr)
    outcome.records += _play(job, outcome)


def _is_able(job: Job, outcome: Outcome) -> bool:
    """Prepare what a job's peer needs."""
    try:
        job.peer.command(0)
    except Missing as missing:
        outcome.note(Note(job.peer.name, "everything", str(missing)))
        return False
    return True


def _play(job: Job, outcome: Outcome) -> Iterator[Record]:
    try:
        for found in job.play():
            if isinstance(found, Note):
                outcome.note(found)
            else:
                yield found
    except (Failed, OSError) as error:
        outcome.note(Note(job.peer.name, job.scenario, str(error)))
