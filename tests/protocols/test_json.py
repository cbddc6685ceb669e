"""JSON: the application's provider decides, and orjson changes nothing but the time it takes.

``fast`` and ``slow`` are one application's JSON with and without orjson. What they say may differ in spelling
(``1e16`` and ``1e+16``), never in what a peer reads.
"""

from __future__ import annotations

import json
import math
import random
import uuid
from collections import OrderedDict, defaultdict, namedtuple
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import pytest
from flask import Flask
from flask.json.provider import DefaultJSONProvider, JSONProvider
from markupsafe import Markup
from support.parts import require

from flask_cable.errors import EncodeError
from flask_cable.protocols import json as ours
from flask_cable.protocols.json import Json, enum_aware
from flask_cable.runtime import json_of

Point = namedtuple("Point", "x y")
NOON = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))


class Colour(Enum):
    RED = "red"
    NOTHING = None
    PAIR = (1, 2)
    WHEN = date(2026, 1, 2)
    DEEP = Decimal("1.50")


class Level(IntEnum):
    LOW = 1
    HUGE = 2**70


class Word(str, Enum):
    YES = "yes"


class Half(float, Enum):
    ONE = 0.5


class Labelled(str, Enum):
    """Its members are one text and have another for their value."""

    _value_: str

    def __new__(cls, shown: str, value: str) -> Labelled:
        member = str.__new__(cls, shown)
        member._value_ = value
        return member

    ONE = ("shown", "value")


class Bits(Flag):
    A = 1
    B = 2


@dataclass
class Person:
    name: str
    born: date
    tags: list[str] = field(default_factory=list)
    friend: Person | None = None


class Html:
    def __html__(self) -> str:
        return "<b>\u00e9</b>"


class Text(str):
    def __str__(self) -> str:
        return "not this"


class Number(int):
    pass


class Weight(float):
    pass


class Moment(datetime):
    pass


class Ident(uuid.UUID):
    pass


def application(**settings: Any) -> Flask:
    app = Flask("shop")
    for name, value in settings.items():
        setattr(app.json, name, value)
    return app


def without_orjson(make: Callable[[], Json]) -> Json:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ours, "orjson", None)
        return make()


@pytest.fixture(scope="module")
def orjson() -> None:
    require("orjson")


@pytest.fixture(scope="module")
def both(orjson: None) -> list[Json]:
    """Return one application's JSON with orjson, and without it."""
    app = application()
    return [json_of(app), without_orjson(lambda: json_of(app))]


def read(encoded: bytes) -> Any:
    """Read strictly, and let nothing that compares equal (1, 1.0, True) pass for the other."""

    def refuse(word: str) -> Any:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(encoded, parse_constant=refuse)


def result(codec: Json, value: Any) -> str:
    """Return what a peer reads, spelled one way, or that there is none."""
    try:
        return json.dumps(read(codec.encode(value)))
    except EncodeError:
        return "EncodeError"


# Both ways agree.

PLAIN: list[Any] = [
    *(None, True, False, 0, 1, -1, 2**31, -(2**63), 2**63 - 1, 2**64 - 1, 2**64, -(2**63) - 1, 10**40),
    *(0.0, -0.0, 1.0, 1.5, 1e15, 1e16, 1e17, 1e22, 1e-5, 1e-7, 5e-324, 1.7976931348623157e308, 0.1 + 0.2),
    *(
        "",
        "text",
        "null",
        '"',
        "\\",
        "/",
        "</script>",
        "\x00\x1f\x7f",
        "\u2028\u2029",
        "\u00e9\u4e2d\U0001f600",
    ),
    *("\ud800", "a\udfffb", "\ufffe\uffff", "x" * 70_000),
    *([], {}, (), [[]], {"": {}}, [None], {"a": None}, [1, "1", 1.0, True], {"null": "null"}),
]
FLASKS: list[Any] = [
    *(NOON, NOON.replace(tzinfo=None), NOON.date(), date.min, date.max, datetime.min, Moment(2026, 1, 2, 3)),
    *(uuid.UUID(int=1), uuid.uuid5(uuid.NAMESPACE_DNS, "x"), Ident(int=2)),
    *(Decimal("1.50"), Decimal("-0"), Decimal("1E+30"), Decimal("NaN"), Decimal("Infinity")),
    *(Html(), Markup("<i>"), Person("A", date(2026, 1, 2)), Person("B", NOON, ["t"], Person("C", date.min))),
]
ENUMS: list[Any] = [
    *Colour,
    *Level,
    *Word,
    *Half,
    *Labelled,
    *(Bits.A, Bits.A | Bits.B, HTTPStatus.NOT_FOUND, {"state": Colour.RED}, [Level.LOW]),
]
SUBCLASSES: list[Any] = [
    *(Text("this"), Number(7), Number(2**65), Weight(1.5), Point(1, 2), {"p": Point(1, NOON)}),
    *(OrderedDict(b=1, a=2), defaultdict(int, {"a": 1}), {Text("key"): 1}, type("L", (list,), {})([1])),
]
KEYS: list[Any] = [
    *({1: "a"}, {2: "b", 1: "a"}, {1.5: 1}, {True: 1}, {None: 1}, {"b": 1, "a": {"d": 1, "c": 2}}),
    *({"\u00e9": 1, "z": 2, "\U0001f600": 3, "\uffff": 4}, {10: 1, 9: 2}, {-1: 1}, {2**70: 1}, {"\ud800": 1}),
    *({Level.LOW: 1}, {Word.YES: 1}, {1: "a", "b": 2}, {(1, 2): 3}, {NOON: 1}, {uuid.UUID(int=1): 1}),
    *({b"a": 1}, {Colour.RED: 1}, {math.nan: 1}, {math.inf: 1}),
]
NONE: list[Any] = [
    *(
        math.nan,
        math.inf,
        -math.inf,
        [1.0, math.nan],
        {"a": {"b": math.inf}},
        Weight("nan"),
        ["null", math.nan],
    ),
    *({1, 2}, frozenset(), object(), object, b"bytes", bytearray(b"x"), memoryview(b"x"), 1j, range(3)),
    *(time(12), timedelta(1), MappingProxyType({}), iter([]), (x for x in ()), print, Ellipsis, Exception()),
]


@pytest.mark.parametrize("values", [PLAIN, FLASKS, ENUMS, SUBCLASSES, KEYS, NONE])
def test_both_ways_agree(both: list[Json], values: list[Any]) -> None:
    fast, slow = both
    for value in values:
        for wrapped in (value, [value], {"a": [value, "text"]}):
            assert result(fast, wrapped) == result(slow, wrapped), repr(value)


def made_up(luck: random.Random, depth: int = 0) -> Any:
    """Make a value of anything that is listed above, inside lists and objects."""
    kind = luck.randrange(8)
    if kind == 0 and depth < 4:
        return [made_up(luck, depth + 1) for _ in range(luck.randrange(4))]
    if kind == 1 and depth < 4:
        return {luck.choice(("a", "b", "null", "\u00e9", 1)): made_up(luck, depth + 1) for _ in range(3)}
    if kind == 2:
        return luck.choice(
            (luck.getrandbits(luck.randrange(1, 80)), luck.uniform(-1e20, 1e20), luck.random())
        )
    if kind == 3:
        return "".join(chr(luck.randrange(0x110000)) for _ in range(luck.randrange(6)))
    return luck.choice(luck.choice((PLAIN[:-10], FLASKS, ENUMS, SUBCLASSES)))


def test_both_ways_agree_on_what_nobody_thought_of(both: list[Json]) -> None:
    fast, slow = both
    luck = random.Random(20261121)
    for _ in range(500):
        value = made_up(luck)
        assert result(fast, value) == result(slow, value), repr(value)


def test_both_ways_agree_when_nothing_is_sorted(orjson: None) -> None:
    app = application(sort_keys=False)
    fast, slow = json_of(app), without_orjson(lambda: json_of(app))
    for value in ({"b": 1, "a": {"d": 1, "c": 2}}, {2: 1, 1: 2}, {1: "a", "b": 2}):
        assert fast.encode(value) == slow.encode(value)
        assert list(read(fast.encode(value))) == [str(key) for key in value]


def test_both_ways_agree_on_depth(both: list[Json]) -> None:
    for depth in (100, 254, 255, 300):
        nested: Any = []
        for _ in range(depth):
            nested = [nested]
        assert len({result(codec, nested) for codec in both}) == 1, depth


# As Flask has it.


@pytest.fixture(scope="module", params=["with orjson", "without"])
def codec(request: pytest.FixtureRequest) -> Json:
    """Return the JSON of a plain application."""
    if request.param == "without":
        return without_orjson(lambda: json_of(application()))
    require("orjson")
    return json_of(application())


def test_values_are_as_flask_has_them(codec: Json) -> None:
    flasks = application().json
    for value in (*PLAIN, *FLASKS, *SUBCLASSES):
        assert read(codec.encode(value)) == flasks.loads(flasks.dumps(value)), repr(value)


def test_what_this_means(codec: Json) -> None:
    assert read(codec.encode(NOON)) == "Sat, 21 Nov 2026 10:00:00 GMT"
    assert read(codec.encode(date(2026, 11, 21))) == "Sat, 21 Nov 2026 00:00:00 GMT"
    assert read(codec.encode(uuid.UUID(int=1))) == "00000000-0000-0000-0000-000000000001"
    assert read(codec.encode(Decimal("1.50"))) == "1.50"
    assert read(codec.encode(Html())) == "<b>\u00e9</b>"
    assert read(codec.encode(Person("A", date(2026, 1, 2)))) == {
        "name": "A",
        "born": "Fri, 02 Jan 2026 00:00:00 GMT",
        "tags": [],
        "friend": None,
    }


def test_an_enum_is_its_value(codec: Json) -> None:
    for member, expected in (
        (Colour.RED, "red"),
        (Colour.NOTHING, None),
        (Colour.PAIR, [1, 2]),
        (Colour.WHEN, "Fri, 02 Jan 2026 00:00:00 GMT"),
        (Colour.DEEP, "1.50"),
        (Level.LOW, 1),
        (Level.HUGE, 2**70),
        (Word.YES, "yes"),
        (Half.ONE, 0.5),
        (Bits.A | Bits.B, 3),
        (HTTPStatus.NOT_FOUND, 404),
    ):
        assert read(codec.encode(member)) == expected, member


def test_text_is_utf_8_without_spaces_and_sorted(codec: Json) -> None:
    encoded = codec.encode({"b": [1, {"x": "\u00e9"}], "a": 2})
    assert encoded.isascii() or encoded.decode("utf-8")
    assert b" " not in encoded
    assert encoded.startswith(b'{"a":2,"b":[1,{"x":')


def test_large_numbers_keep_every_digit(codec: Json) -> None:
    for number in (2**63, 2**64 - 1, 2**64, -(2**64), 10**100):
        assert codec.encode(number) == str(number).encode()


def test_a_lone_surrogate_is_escaped(codec: Json) -> None:
    assert codec.encode("\ud800") == b'"\\ud800"'


# What has no JSON.


def test_what_cannot_be_sent_is_named(codec: Json) -> None:
    for value, hint in (
        ({1, 2}, "a set cannot be sent as JSON: .*set"),
        (object(), "a object cannot be sent as JSON: .*object"),
        ({"when": time(12)}, "a dict cannot be sent as JSON: .*time"),
        ([b"x"], "a list cannot be sent as JSON: .*bytes"),
        (math.nan, "a float cannot be sent as JSON: .*float"),
        ([-math.inf], "a list cannot be sent as JSON: .*float"),
    ):
        with pytest.raises(EncodeError, match=hint):
            codec.encode(value)


def test_what_holds_itself_cannot_be_sent(codec: Json) -> None:
    knot: list[Any] = []
    knot.append(knot)
    with pytest.raises(EncodeError, match="a list cannot be sent"):
        codec.encode(knot)


def test_what_is_nested_too_deep_cannot_be_sent(codec: Json) -> None:
    deep: Any = []
    for _ in range(10_000):
        deep = [deep]
    with pytest.raises(EncodeError, match="a list cannot be sent"):
        codec.encode(deep)


def test_an_encode_error_is_a_type_error_too(codec: Json) -> None:
    with pytest.raises(TypeError):
        codec.encode({1, 2})


def test_an_error_inside_a_value_is_its_own(codec: Json) -> None:
    class Broken:
        def __html__(self) -> str:
            raise LookupError("its own")

    with pytest.raises(LookupError, match="its own"):
        codec.encode([Broken()])


# The application's own provider.


class Shouting(DefaultJSONProvider):
    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return super().dumps(obj, **kwargs).upper()


class Counting(JSONProvider):
    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return f'"{len(obj)}"'

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return ["read", s]


class Timed(DefaultJSONProvider):
    @staticmethod
    def default(o: Any) -> Any:  # type: ignore[override]
        return o.isoformat() if isinstance(o, datetime) else DefaultJSONProvider.default(o)


class Lenient(DefaultJSONProvider):
    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return super().loads(str(s).replace("'", '"'), **kwargs)


def of(provider: type[JSONProvider]) -> Json:
    app = Flask("shop")
    app.json = provider(app)
    return json_of(app)


def test_a_provider_that_encodes_by_itself_does() -> None:
    assert of(Shouting).encode({"a": "b"}) == b'{"A": "B"}'
    assert of(Counting).encode([1, 2]) == b'"2"'
    assert of(Counting).decode("x") == ["read", "x"]


def test_a_providers_default_is_used_for_what_has_no_json() -> None:
    for codec in (of(Timed), without_orjson(lambda: of(Timed))):
        assert read(codec.encode([NOON])) == [NOON.isoformat()]
        assert read(codec.encode([date(2026, 1, 2), uuid.UUID(int=1), Colour.RED])) == [
            "Fri, 02 Jan 2026 00:00:00 GMT",
            "00000000-0000-0000-0000-000000000001",
            "red",
        ]
        with pytest.raises(EncodeError):
            codec.encode(math.nan)


def test_a_default_that_is_set_on_the_provider_is_used() -> None:
    app = application(default=lambda value: f"<{type(value).__name__}>")
    assert read(json_of(app).encode([{1}, NOON, Colour.RED])) == ["<set>", "<datetime>", "red"]


def test_a_provider_that_decodes_by_itself_does() -> None:
    assert of(Lenient).decode("{'a': 1}") == {"a": 1}
    assert read(of(Lenient).encode(NOON)) == "Sat, 21 Nov 2026 10:00:00 GMT"


def test_dumps_that_is_set_on_the_provider_is_used() -> None:
    app = application(dumps=lambda value, **options: '"mine"')
    assert json_of(app).encode([1]) == b'"mine"'


def test_a_provider_that_does_not_escape_is_honoured() -> None:
    codec = without_orjson(lambda: json_of(application(ensure_ascii=False)))
    assert codec.encode("\u00e9") == b'"\xc3\xa9"'
    with pytest.raises(EncodeError, match="a str cannot be sent"):
        codec.encode("\ud800")


# Reading.


def test_text_is_decoded(codec: Json) -> None:
    for text in ('{"a":[1,2.5,null,true]}', "null", '"\\ud800"', "7", ' {"a" : 1 } ', '"\u00e9"', "1e400"):
        assert codec.decode(text) == json.loads(text)


def test_what_is_no_json_is_a_value_error(codec: Json) -> None:
    for text in (
        "",
        "{",
        "nothing",
        "{'a':1}",
        "[1,]",
        "\x00",
        "9" * 10_000,
        "[" * 100_000,
        '{"a":' * 100_000,
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - json says it in many ways
            codec.decode(text)


# By itself, without an application.


def test_without_a_provider_it_is_the_standard_librarys() -> None:
    codec = Json()
    assert codec.encode({"b": [1, None], "a": "\u00e9"}) == b'{"b":[1,null],"a":"\\u00e9"}'
    assert codec.decode("[1]") == [1]
    for value in (NOON, math.nan):
        with pytest.raises(EncodeError):
            codec.encode(value)


def test_a_default_learns_about_enums() -> None:
    default = enum_aware(lambda value: f"<{value}>")
    assert default(Colour.RED) == "red"
    assert default(7) == "<7>"


def test_what_orjson_does_is_seldom_done_twice(orjson: None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def dumps(value: Any) -> str:
        asked.append(value)
        return json.dumps(value, default=str)

    codec = Json(dumps, default=str)
    for value in ({"a": [1, "x", True]}, NOON, "text"):
        codec.encode(value)
    assert asked == []
    for value in ({1: 2}, None, "null"):
        codec.encode(value)
    assert asked == [{1: 2}, None, "null"]
