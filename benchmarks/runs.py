"""What a run leaves: all that the page is made of, kept as JSON so that the page can be made again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from .campaign import Outcome
from .measuring import Note, Record
from .scale import Scale


@dataclass(frozen=True)
class Circumstances:
    """Under which the figures were made."""

    date: str
    machine: str
    arrangement: str
    ourselves: str
    versions: dict[str, str]
    load: float
    stolen: float
    minutes: float


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        full: whether everything was asked for, and nothing interrupted it.
    """

    outcome: Outcome
    scale: Scale
    circumstances: Circumstances
    full: bool

    def save(self, path: Path) -> None:
        """Write it all to a file."""
        path.write_text(json.dumps(asdict(self), indent=1))


def load(path: Path) -> Run:
    """Read what ``save`` has written."""
    found = json.loads(path.read_text())
    outcome = found["outcome"]
    outcome["records"] = [Record(*record) for record in outcome["records"]]
    outcome["notes"] = [Note(*note) for note in outcome["notes"]]
    return Run(
        Outcome(**outcome), Scale(**found["scale"]), Circumstances(**found["circumstances"]), found["full"]
    )
