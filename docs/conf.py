"""Sphinx: sphinx-build -W -b html docs docs/_build/html"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

Row = Sequence[str]
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from flask_cable.config import KEYS, Key  # noqa: E402

project = "Flask-Cable"
copyright = "Flask-Cable contributors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "separated"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = "Flask-Cable"
html_copy_source = False


class CableKeys(SphinxDirective):
    """``{cable-keys}``: the table of all settings, made from the code that checks them."""

    def run(self) -> list[nodes.Node]:
        head = ("key", "default", "meaning", "has to be")
        return self.parse_text_to_nodes(table(head, (key_row(name, key) for name, key in KEYS.items())))


def key_row(name: str, key: Key) -> Row:
    return f"`{name}`", f"`{key.default!r}`", key.meaning, key.form


class CableSignals(SphinxDirective):
    """``{cable-signals}``: the table of all signals, made from their docstrings."""

    def run(self) -> list[nodes.Node]:
        documented = ModuleAnalyzer.for_module("flask_cable.signals").find_attr_docs()
        rows = (signal_row(name, " ".join(lines)) for (_, name), lines in documented.items())
        return self.parse_text_to_nodes(table(("signal", "when", "carries"), rows))


def signal_row(name: str, text: str) -> Row:
    when, _, carries = text.strip().rstrip(".").rpartition(": ")
    return f"`{name}`", when.replace("``", "`"), carries.replace("``", "`")


def table(head: Row, rows: Iterable[Row]) -> str:
    """A table in Markdown."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)) + "\n"


def keep_drawings(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Show what a module's docstring draws, the tree of errors, as it is."""
    drawn = next((at for at, line in enumerate(lines) if line.startswith(" ")), None)
    if what == "module" and drawn is not None:
        lines[drawn:drawn] = ["::", ""]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("cable-keys", CableKeys)
    app.add_directive("cable-signals", CableSignals)
    app.connect("autodoc-process-docstring", keep_drawings)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
