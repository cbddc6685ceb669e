"""Hooks and error handlers that classes declare: which run, in what order, and which answer."""

from typing import Any

import pytest

from flask_cable.core import callbacks
from flask_cable.core.callbacks import (
    HookDecorator,
    after_command,
    before_command,
    collect,
    collect_hooks,
    mark,
    marks_of,
    rescue,
    rescue_from,
    run_hooks,
)

KINDS = ("before_command", "after_command")


class Owner:
    """What Connection and Channel do with callbacks."""

    hook_kinds = KINDS
    hooks: Any = {}
    rescues: Any = ()
    before_command = HookDecorator(before_command)
    rescue_from = HookDecorator(rescue_from)

    def __init_subclass__(cls) -> None:
        collect(cls)

    def __init__(self) -> None:
        self.log: list[Any] = []


Owner.__module__ = "flask_cable.core.owner"  # inside a class's body, our own bases only mark


def ran(owner: Owner, kind: str = "before_command") -> list[Any]:
    run_hooks(owner, kind)
    return owner.log


# Hooks.


def test_a_decorated_method_runs() -> None:
    class Mine(Owner):
        @before_command
        def first(self) -> None:
            self.log.append("first")

        @before_command
        def second(self) -> None:
            self.log.append("second")

        @after_command
        def last(self) -> None:
            self.log.append("last")

    assert ran(Mine()) == ["first", "second"]
    assert ran(Mine(), "after_command") == ["last"]


def test_a_method_with_the_kinds_own_name_runs_too() -> None:
    class Mine(Owner):
        def after_command(self) -> None:
            self.log.append("named")

    assert ran(Mine(), "after_command") == ["named"]


def test_a_bases_hooks_run_first() -> None:
    class Base(Owner):
        @before_command
        def base(self) -> None:
            self.log.append("base")

    class Mine(Base):
        @before_command
        def mine(self) -> None:
            self.log.append("mine")

    assert ran(Mine()) == ["base", "mine"]
    assert ran(Base()) == ["base"]


def test_an_overridden_hook_runs_once_and_in_its_place() -> None:
    class Base(Owner):
        @before_command
        def check(self) -> None:
            self.log.append("base")

        @before_command
        def other(self) -> None:
            self.log.append("other")

    class Plain(Base):
        def check(self) -> None:
            self.log.append("mine")

    class Decorated(Base):
        @before_command
        def check(self) -> None:
            self.log.append("mine")

    assert ran(Plain()) == ["mine", "other"]
    assert ran(Decorated()) == ["mine", "other"]


def test_one_method_may_be_hooks_of_two_kinds() -> None:
    class Mine(Owner):
        @before_command
        @after_command
        def both(self) -> None:
            self.log.append("both")

    mine = Mine()
    assert ran(mine) == ["both"]
    assert ran(mine, "after_command") == ["both", "both"]


def test_hooks_of_two_bases_run_in_the_order_of_inheritance() -> None:
    class Left(Owner):
        @before_command
        def left(self) -> None:
            self.log.append("left")

    class Right(Owner):
        @before_command
        def right(self) -> None:
            self.log.append("right")

    class Mine(Left, Right):
        pass

    assert ran(Mine()) == ["right", "left"]


def test_only_false_stops_and_skips_the_rest() -> None:
    for value, expected in ((False, False), (None, True), (0, True), ("", True)):

        class Mine(Owner):
            answer = value

            @before_command
            def first(self) -> Any:
                return self.answer

            @before_command
            def second(self) -> None:
                self.log.append("second")

        mine = Mine()
        assert run_hooks(mine, "before_command") is expected
        assert mine.log == (["second"] if expected else [])


def test_without_hooks_everything_goes_on() -> None:
    assert run_hooks(Owner(), "before_command")
    assert collect_hooks(Owner, KINDS) == {}


def test_a_hook_may_be_declared_on_the_class_inside_and_afterwards() -> None:
    class Mine(Owner):
        @Owner.before_command
        def inside(self) -> None:
            self.log.append("inside")

    @Mine.before_command
    def afterwards(self: Mine) -> None:
        self.log.append("afterwards")

    class Sub(Mine):
        pass

    assert ran(Mine()) == ["inside", "afterwards"]
    assert ran(Owner()) == []


def test_what_is_declared_afterwards_holds_for_subclasses() -> None:
    class Mine(Owner):
        pass

    @Mine.before_command
    def early(self: Mine) -> None:
        self.log.append("early")

    class Sub(Mine):
        @before_command
        def own(self) -> None:
            self.log.append("own")

    assert ran(Sub()) == ["early", "own"]


def test_what_is_declared_later_reaches_subclasses_that_exist_already() -> None:
    class Mine(Owner):
        pass

    class Sub(Mine):
        @before_command
        def own(self) -> None:
            self.log.append("own")

    class SubSub(Sub):
        pass

    @Mine.before_command
    def late(self: Mine) -> None:
        self.log.append("late")

    assert ran(SubSub()) == ["late", "own"]
    assert ran(Owner()) == []


def test_the_decorators_keep_the_function() -> None:
    def function() -> None: ...

    assert before_command(function) is function
    assert rescue_from(ValueError)(function) is function
    assert marks_of(function) == [("before_command", None), ("rescue_from", (ValueError,))]
    assert marks_of(7) == marks_of(print) == []


def test_every_kind_has_a_decorator_that_says_what_it_is() -> None:
    for kind in (
        *("before_command", "after_command", "before_subscribe", "after_subscribe"),
        *("before_unsubscribe", "after_unsubscribe"),
    ):
        decorator = getattr(callbacks, kind)
        assert decorator.__name__ == kind
        assert kind.replace("_", " ") in decorator.__doc__


def test_only_functions_are_decorated() -> None:
    with pytest.raises(TypeError, match="before_command decorates a function, not a int"):
        before_command(7)
    with pytest.raises(TypeError, match="not a str"):
        mark("name", "x")  # type: ignore[type-var]


# Error handlers.


def test_the_handler_that_was_declared_last_wins() -> None:
    class Mine(Owner):
        @rescue_from(Exception)
        def general(self, error: Exception) -> None:
            self.log.append(("general", error))

        @rescue_from(ValueError, KeyError)
        def special(self, error: Exception) -> None:
            self.log.append(("special", error))

    mine, value, lookup = Mine(), ValueError(), LookupError()
    assert rescue(mine, value)
    assert rescue(mine, lookup)
    assert mine.log == [("special", value), ("general", lookup)]
    assert not rescue(mine, KeyboardInterrupt())


def test_a_subclasss_handler_wins_over_its_bases() -> None:
    class Base(Owner):
        @rescue_from(ValueError)
        def base(self, error: Exception) -> None:
            self.log.append("base")

    class Mine(Base):
        @rescue_from(Exception)
        def mine(self, error: Exception) -> None:
            self.log.append("mine")

    mine = Mine()
    assert rescue(mine, ValueError())
    assert mine.log == ["mine"]


def test_an_overridden_handler_answers() -> None:
    class Base(Owner):
        @rescue_from(ValueError)
        def answer(self, error: Exception) -> None:
            self.log.append("base")

    class Mine(Base):
        def answer(self, error: Exception) -> None:
            self.log.append("mine")

    mine = Mine()
    assert rescue(mine, ValueError())
    assert mine.log == ["mine"]


def test_a_handler_may_be_declared_on_the_class_afterwards() -> None:
    class Mine(Owner):
        pass

    @Mine.rescue_from(ValueError)
    def answer(self: Mine, error: Exception) -> None:
        self.log.append(error)

    mine, error = Mine(), ValueError()
    assert rescue(mine, error)
    assert mine.log == [error]
    assert not rescue(Owner(), error)


def test_a_handler_declared_afterwards_holds_for_subclasses() -> None:
    class Mine(Owner):
        pass

    @Mine.rescue_from(ValueError)
    def answer(self: Mine, error: Exception) -> None:
        self.log.append("rescued")

    class Sub(Mine):
        pass

    sub = Sub()
    assert rescue(sub, ValueError())
    assert sub.log == ["rescued"]


def test_what_a_handler_raises_is_raised_on() -> None:
    class Mine(Owner):
        @rescue_from(ValueError)
        def answer(self, error: Exception) -> None:
            raise LookupError("again") from error

    with pytest.raises(LookupError, match="again"):
        rescue(Mine(), ValueError())


def test_a_handler_is_for_classes_of_errors() -> None:
    for wrong in ((), (int,), (ValueError(),), (ValueError, "x"), (lambda: None,)):
        with pytest.raises(TypeError, match=r"@rescue_from\(ValueError\)"):
            rescue_from(*wrong)
