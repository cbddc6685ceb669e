"""Hooks that classes declare: ``@before_command``, ``@rescue_from(ValueError)`` and their like.

A decorator marks a function; a class collects the marks of its bases and its own when it is made.
Methods are kept by name, so that a subclass may override them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])
Hook = str | Callable[..., Any]
Hooks = dict[str, tuple[Hook, ...]]
Rescue = tuple[tuple[type[BaseException], ...], Hook]

_MARK = "__cable_marks__"


def marks_of(function: Any) -> list[tuple[str, Any]]:
    """The ``(kind, detail)`` marks that decorators left on ``function``."""
    found: list[tuple[str, Any]] = getattr(function, "__dict__", {}).get(_MARK, [])
    return found


def mark(function: Function, kind: str, detail: Any = None) -> Function:
    """Leave a mark for the class that ``function`` is defined in."""
    if not callable(function):
        raise TypeError(f"{kind} decorates a function, not a {type(function).__name__}")
    function.__dict__.setdefault(_MARK, []).append((kind, detail))
    return function


def marker(kind: str) -> Callable[[Function], Function]:
    """Make the plain decorator for one kind of hook."""

    def decorate(function: Function) -> Function:
        return mark(function, kind)

    decorate.__name__ = kind
    decorate.__doc__ = f"Run the decorated method {kind.replace('_', ' ')}."
    return decorate


before_command = marker("before_command")
after_command = marker("after_command")
before_subscribe = marker("before_subscribe")
after_subscribe = marker("after_subscribe")
before_unsubscribe = marker("before_unsubscribe")
after_unsubscribe = marker("after_unsubscribe")


def rescue_from(*errors: type[BaseException]) -> Callable[[Function], Function]:
    """Let the decorated method answer these errors: ``method(self, error)``.

    The handler that was declared last wins; a subclass's wins over its bases'.
    """
    if not errors or not all(isinstance(one, type) and issubclass(one, BaseException) for one in errors):
        raise TypeError("rescue_from takes the classes of the errors: @rescue_from(ValueError)")

    def decorate(function: Function) -> Function:
        return mark(function, "rescue_from", errors)

    return decorate


class HookDecorator:
    """``SomeClass.before_command``: declares a hook inside a class's body, or later on that class."""

    def __init__(self, decorator: Callable[..., Any]) -> None:
        self._decorator = decorator
        self.__doc__ = decorator.__doc__

    def __get__(self, instance: object, owner: type) -> Callable[..., Any]:
        if self._decorator is rescue_from:
            return lambda *errors: _registering(owner, rescue_from(*errors))
        return _registering(owner, self._decorator)


def _registering(owner: Any, decorate: Callable[[Function], Function]) -> Callable[[Function], Function]:
    def register(function: Function) -> Function:
        decorate(function)
        if not owner.__module__.startswith(__name__.partition(".")[0] + "."):  # our own bases only mark
            _add(owner, function, *marks_of(function)[-1])
        return function

    return register


def _add(owner: Any, function: Callable[..., Any], kind: str, detail: Any) -> None:
    owner.declared_later = [*vars(owner).get("declared_later", ()), (function, kind, detail)]
    _collect_again(owner)


def _collect_again(cls: Any) -> None:
    collect(cls)
    for heir in cls.__subclasses__():
        _collect_again(heir)


def collect(cls: Any) -> None:
    """Set ``cls.hooks``, of its ``hook_kinds``, and ``cls.rescues``."""
    cls.hooks = collect_hooks(cls, cls.hook_kinds)
    cls.rescues = collect_rescues(cls)


def collect_hooks(cls: type, kinds: Iterable[str]) -> Hooks:
    """The hooks of ``cls`` by kind, bases first; a method that bears a kind's name is one too."""
    hooks: dict[str, list[Hook]] = {kind: [] for kind in kinds}
    for hook, kind, _ in _marked(cls, frozenset(hooks)):
        if kind in hooks and hook not in hooks[kind]:
            hooks[kind].append(hook)
    return {kind: tuple(found) for kind, found in hooks.items() if found}


def collect_rescues(cls: type) -> tuple[Rescue, ...]:
    """The error handlers of ``cls``, bases first, in the order of declaration."""
    return tuple((detail, hook) for hook, kind, detail in _marked(cls, frozenset()) if kind == "rescue_from")


def _marked(cls: type, kinds: frozenset[str]) -> list[tuple[Hook, str, Any]]:
    found: list[tuple[Hook, str, Any]] = []
    for base in reversed(cls.__mro__):
        for name, value in vars(base).items():
            found += [(name, kind, detail) for kind, detail in marks_of(value)]
            if name in kinds and callable(value) and not marks_of(value):
                found.append((name, name, None))
        found += vars(base).get("declared_later", ())
    return found


def run_hooks(owner: Any, kind: str) -> bool:
    """Run the hooks of one kind; False as soon as one returns False, which skips the rest."""
    return all(hook() is not False for hook in hooks_of(owner, kind))


def hooks_of(owner: Any, kind: str) -> list[Callable[..., Any]]:
    """The hooks of one kind, ready to be called."""
    return [_bound(owner, hook) for hook in owner.hooks.get(kind, ())]


def rescue(owner: Any, error: BaseException) -> bool:
    """Let the best handler of ``owner`` answer ``error``; False when there is none."""
    for errors, hook in reversed(owner.rescues):
        if isinstance(error, errors):
            _bound(owner, hook)(error)
            return True
    return False


def _bound(owner: Any, hook: Hook) -> Callable[..., Any]:
    return getattr(owner, hook) if isinstance(hook, str) else partial(hook, owner)
