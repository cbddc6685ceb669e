"""Makes `docs/benchmarks.md` of what was measured and of `page.md`, which says what each figure means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from string import Template

from .measuring import Note, Record
from .peers import CABLE, FLOOR
from .places import HERE
from .processes import server_cpus
from .runs import Circumstances, Run
from .scale import Scale
from .tables import Column, Table, median

FULL_RUN = "% a full run"
"""The page's last line after a full run: a partial run does not overwrite it."""

IDLE = 0.7  # processors that may be busy with something else

BUSY = Column("generator busy", "generator_busy", 2)
CPU = Column("CPU s per million", "cpu_per_million", 2, spread=True)
LAST = (Column("the last: p50 ms", "whole_p50_ms"), Column("p99 ms", "whole_p99_ms"))
ANY = (Column("any: p50 ms", "each_p50_ms"), Column("p99 ms", "each_p99_ms"))
MISSING = Column("missing", "missing", 0)
PER_BROADCAST = Column("CPU µs per broadcast", "cpu_us_per_broadcast", 0)
BYTES = Column("bytes per message", "bytes", 0)
MEMORY = Column("KiB per connection", "kib", spread=True)
ECHOES = (Column("per second", "per_second", 0, spread=True), Column("CPU µs", "cpu_us", spread=True))

TABLES = {
    "broadcast": Table(
        "broadcast",
        "server",
        (CPU, Column("times the floor", "cpu_per_million", floor=FLOOR.name), *LAST, BUSY),
    ),
    "echo": Table(
        "echo",
        "server",
        (*ECHOES, Column("p50 ms", "p50_ms", 2), Column("p99 ms", "p99_ms", 2), BUSY),
        descending=True,
    ),
    "memory": Table("memory", "server", (MEMORY,)),
    "connection": Table(
        "connection",
        "server",
        (Column("CPU ms", "cpu_ms", 3, spread=True), Column("per second", "per_second", 0), BUSY),
    ),
    "reach_table": Table("reach", "server", (*LAST, *ANY, CPU, MISSING, BUSY)),
    "buses": Table(
        "buses",
        "server, bus",
        (
            Column("100 hear: CPU µs per delivery", "cpu_us", 2, spread=True),
            Column("p50 ms", "p50_ms", 2),
            Column("p99 ms", "p99_ms", 2),
            Column("1 hears: CPU µs", "one_cpu_us", 0, spread=True),
            Column("p50 ms", "one_p50_ms", 2),
            Column("p99 ms", "one_p99_ms", 2),
            Column("the bus's own CPU µs", "one_broker_us", 0),
            MISSING,
        ),
    ),
    "slow_reader": Table(
        "slow-reader",
        "a slow reader",
        (
            *ANY,
            CPU,
            Column("growth MiB", "growth_mib", 2),
            Column("ended by the server", "ended", 0),
            MISSING,
        ),
    ),
    "connections": Table("connections", "subscribers", (CPU, *LAST, BUSY)),
    "streams": Table(
        "streams", "streams", (CPU, PER_BROADCAST, Column("deliveries per second", "per_second", 0))
    ),
    "identifiers": Table("identifiers", "identifiers", (CPU, PER_BROADCAST, *LAST)),
    "sizes": Table("sizes", "text", (CPU, *LAST, BYTES)),
    "workers": Table("workers", "workers", (*ECHOES, Column("base MiB", "base_mib"), MEMORY)),
    "compression": Table("compression", "permessage-deflate", (CPU, PER_BROADCAST, BYTES)),
}
"""By their names in `page.md`."""


def render(run: Run) -> str:
    """Return the page, without the sections for which nothing was measured."""
    outcome = run.outcome
    values = {name: table.render(outcome.records) for name, table in TABLES.items()}
    values["generator"] = "\n".join(_ceilings(outcome.records))
    values["notes"] = "\n".join(_notes(outcome.notes))
    values["setting"] = "\n".join(_setting(run.circumstances, outcome.rounds))
    values["kind"] = _kind(run) + _warning(run.circumstances.load)
    text = Template(_without_empty(values)).substitute(values, **_numbers(run.scale))
    return f"{text}\n{FULL_RUN}\n" if run.full else text


def _without_empty(values: dict[str, str]) -> str:
    """The page's template without the sections that have an empty table or list."""
    sections = re.split(r"^(?=## )", (HERE / "page.md").read_text(), flags=re.MULTILINE)
    empty = [f"${name}\n" for name, value in values.items() if not value]
    return "".join(section for section in sections if not any(name in section for name in empty))


def _numbers(scale: Scale) -> dict[str, str]:
    names = ("subscribers", "clients", "reach", "readers", "to_stall")
    numbers = {name: f"{getattr(scale, name):,}" for name in names}
    placement = _placement(scale.workers[-1])
    return {**numbers, "spread": f"{scale.streams[-1]:,}", "floor": FLOOR.name, "placement": placement}


def _placement(workers: int) -> str:
    if len(server_cpus(workers)) == workers:
        return "Each worker had its own processor."
    return "The workers shared one processor, so this shows what a second one costs, not what it brings."


def _rounds(count: int) -> str:
    return "one round" if count == 1 else f"{count} rounds"


def _kind(run: Run) -> str:
    rounds = _rounds(run.outcome.rounds)
    if run.full:
        return f"Medians of {rounds}, in which all servers take turns; the range is in brackets."
    return (
        ":::{note}\n"
        f"The figures of a partial run: {rounds}, {run.scale.seconds:g} seconds for each measurement.\n"
        "They show that the benchmarks run, and little else.\n"
        ":::"
    )


def _warning(load: float) -> str:
    if load < IDLE:
        return ""
    return (
        "\n\n:::{warning}\n"
        f"The machine was busy with other work: a load of {load:.1f} before the run began.\n"
        "Milliseconds and rates mean nothing then, and CPU seconds are too high.\n"
        ":::"
    )


def _ceilings(records: Sequence[Record]) -> Iterable[str]:
    """Say what the load generator could take at most, as the trivial server shows."""
    for scenario, what in (("broadcast", "deliveries"), ("echo", "echoes")):
        floor, ours = (_of(records, peer, scenario) for peer in (FLOOR.name, CABLE.name))
        if floor:
            yield _ceiling(what, floor, ours)


def _of(records: Sequence[Record], peer: str, scenario: str) -> list[Record]:
    return [record for record in records if (record.peer, record.scenario) == (peer, scenario)]


def _ceiling(what: str, floor: Sequence[Record], ours: Sequence[Record]) -> str:
    cost, busy, served = (
        median(floor, name) or 0 for name in ("generator_us", "generator_busy", "server_busy")
    )
    rate, most = median(ours, "per_second"), 1e6 / cost
    asked = f" `{CABLE.name}` asked for {rate / most:.0%} of that." if rate else ""
    return (
        f"- {what}: {cost:.2f} µs of the generator for each, so {most:,.0f} per second at most. "
        f"With `{FLOOR.name}` the generator was busy {busy:.0%} of the time, the server {served:.0%}.{asked}"
    )


def _notes(notes: Sequence[Note]) -> list[str]:
    return [f"- `{note.peer}`, {note.scenario}: {note.reason}" for note in notes]


def _setting(found: Circumstances, rounds: int) -> list[str]:
    return [
        f"- {found.date}; {_rounds(rounds)} in {found.minutes:.0f} minutes",
        f"- {found.ourselves}",
        f"- {found.machine}",
        f"- {found.arrangement}",
        f"- load before it began: {found.load:.1f}; the host took {found.stolen:.1f} CPU seconds meanwhile",
        *(f"- `{name}`: {version}" for name, version in found.versions.items()),
    ]
