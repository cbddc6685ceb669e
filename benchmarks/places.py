"""Where things are, and where what the benchmarks make is put."""

from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
APPS = HERE / "apps"
NODE = APPS / "node"
NATIVE = HERE / "native"
REQUIREMENTS = HERE / "requirements"
PAGE = ROOT / "docs" / "benchmarks.md"

BUILD = HERE / ".build"
LOGS = BUILD / "logs"
VENVS = HERE / ".venvs"
RESULTS = HERE / "results"
