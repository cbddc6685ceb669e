"""What can be seen of this process: whether gevent has patched it, and how many files it may open."""

from __future__ import annotations

import sys


def is_patched() -> bool:
    """Whether gevent has patched this process."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("socket"))


def open_files() -> int | None:
    """How many files this process may open; None where there is no such limit."""
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft
