"""The load application, whose hooks write to a file what they saw: it outlives the process."""

from __future__ import annotations

from pathlib import Path

from flask import Flask

from . import load


def create_app(record: str) -> Flask:
    app = load.create_app()

    load.seen = Record(Path(record))
    return app


class Record(list[str]):
    """A list that is written down as it grows."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def append(self, line: str) -> None:
        with self._file.open("a") as record:
            record.write(line + "\n")
