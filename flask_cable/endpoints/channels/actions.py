"""Which methods of a channel a peer may call: an allow list made once per class, never a look-up by name."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from types import FunctionType

from ...core.callbacks import marks_of

Actions = dict[str, bool]
"""Action name -> whether it takes the message's data."""


def collect_actions(cls: type, base: type, taken: Collection[object] = ()) -> Actions:
    """The public methods that ``cls`` has below ``base``.

    Not among them: names that ``base`` has, so hooks and framework methods even when overridden; names
    with a leading underscore; properties, class and static methods; the names in ``taken``, which are
    hooks, error handlers and periodic timers.
    """
    actions: Actions = {}
    for owner in reversed(cls.__mro__[: cls.__mro__.index(base)]):
        for name, value in vars(owner).items():
            if not name.startswith("_") and not hasattr(base, name):
                actions.pop(name, None)
                if isinstance(value, FunctionType) and name not in taken and not marks_of(value):
                    actions[name] = _takes_data(value)
    return actions


def _takes_data(method: FunctionType) -> bool:
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = list(inspect.signature(method).parameters.values())[1:]
    return any(p.kind in positional or p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters)
