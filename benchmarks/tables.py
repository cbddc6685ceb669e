"""Medians and tables in Markdown; knows nothing of how the records came about."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .measuring import Record

NOTHING = "-"


@dataclass(frozen=True)
class Column:
    """One column: a value's name in the records, and how it is shown.

    Attributes:
        floor: show it as a multiple of this peer's.
        spread: show the smallest and the largest with the median.
    """

    head: str
    value: str
    digits: int = 1
    floor: str | None = None
    spread: bool = False


@dataclass(frozen=True)
class Table:
    """One table: a row per peer, or per case of one peer.

    Attributes:
        first: the head of the column that names the row.
        descending: whether more is better in the first column, by which peers are ranked.
    """

    scenario: str
    first: str
    columns: tuple[Column, ...]
    descending: bool = False

    def render(self, records: Sequence[Record]) -> str:
        """Return the table, or nothing when nothing was measured."""
        found = [record for record in records if record.scenario == self.scenario]
        if not found:
            return ""
        lines = [_line([self.first, *(column.head for column in self.columns)])]
        lines.append(_line(["---", *("---:" for _ in self.columns)]))
        lines += [_line([name, *self._cells(rows, found)]) for name, rows in self._rows(found)]
        return "\n".join(lines)

    def _rows(self, found: Sequence[Record]) -> list[tuple[str, list[Record]]]:
        """Group by peer, best first; or by case."""
        named: dict[str, list[Record]] = {}
        for record in found:
            named.setdefault(record.case or record.peer, []).append(record)
        if found[0].case:
            return sorted(named.items(), key=lambda row: _number_of(row[0]))
        value = self.columns[0].value
        return sorted(named.items(), key=lambda row: median(row[1], value) or 0, reverse=self.descending)

    def _cells(self, rows: Sequence[Record], found: Sequence[Record]) -> Iterable[str]:
        for column in self.columns:
            if column.floor is None:
                yield shown(values_of(rows, column.value), column.digits, column.spread)
            else:
                yield _ratio(rows, [one for one in found if one.peer == column.floor], column)


def _number_of(case: str) -> int:
    """The number that a case begins with; cases without one stay as they came."""
    digits = case.split()[0].replace(",", "")
    return int(digits) if digits.isdigit() else 0


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _ratio(rows: Sequence[Record], floor: Sequence[Record], column: Column) -> str:
    ours, theirs = median(rows, column.value), median(floor, column.value)
    return f"{ours / theirs:.2f}" if ours is not None and theirs else NOTHING


def values_of(records: Iterable[Record], value: str) -> list[float]:
    """Collect one value of all records that have it."""
    return [record.values[value] for record in records if value in record.values]


def median(records: Iterable[Record], value: str) -> float | None:
    """Return the median of one value; None when no record has it."""
    found = values_of(records, value)
    return statistics.median(found) if found else None


def shown(values: Sequence[float], digits: int, spread: bool) -> str:
    """Show the median, and the range where it is wanted and there is one."""
    if not values:
        return NOTHING
    text = _number(statistics.median(values), digits)
    if spread and len(values) > 1:
        text += f" ({_number(min(values), digits)} to {_number(max(values), digits)})"
    return text


def _number(value: float, digits: int) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.{digits}f}"
