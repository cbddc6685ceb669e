"""The exception tree: what its drawing promises holds."""

import inspect

from flask_cable import errors

CLASSES = [each for _, each in inspect.getmembers(errors, inspect.isclass)]


def drawn() -> dict[str, str]:
    """Read the drawing: the name of each error, and of the one above it."""
    above, found = {0: "Exception"}, {}
    for line in str(errors.__doc__).splitlines()[2:]:
        name = line.lstrip("│├└─ ").split(" ")[0]
        if name:
            depth = line.index(name) // 4
            above[depth + 1], found[name] = name, above[depth]
    return found


def test_the_drawing_is_the_tree() -> None:
    assert drawn() == {each.__name__: each.__bases__[0].__name__ for each in CLASSES}


def test_every_error_says_what_it_is() -> None:
    assert [each.__name__ for each in CLASSES if not each.__doc__] == []


def test_there_is_one_root() -> None:
    assert [each for each in CLASSES if not issubclass(each, errors.CableError)] == []


def test_some_are_what_python_would_have_raised() -> None:
    assert issubclass(errors.NotReady, RuntimeError)
    assert issubclass(errors.EncodeError, TypeError)
    assert issubclass(errors.ReadOnlySession, TypeError)
    assert issubclass(errors.AckTimeout, TimeoutError)


def test_a_refusal_has_its_text_and_data() -> None:
    refused = errors.ConnectRefused("not today", {"until": "noon"})
    assert (str(refused), refused.data) == ("not today", {"until": "noon"})
    assert (str(errors.ConnectRefused()), errors.ConnectRefused().data) == ("not authorized", None)
