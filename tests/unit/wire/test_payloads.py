from __future__ import annotations

import enum
import json
import typing
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, NewType, NotRequired, TypedDict
from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from durable.errors import NotSerializable
from durable.wire.payloads import (
    decode,
    decode_annotated,
    decode_input,
    encode,
    encode_input,
    first_element,
)

MOMENT = datetime(2024, 2, 29, 12, 30, 15, 250000, tzinfo=UTC)
GUID = UUID("a5b06ea6-1041-5f2e-b65a-9b6fcffbff95")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1


class Word(enum.StrEnum):
    YES = "yes"


@dataclass
class Item:
    name: str
    when: datetime | None = None
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Order:
    id: UUID
    items: list[Item]
    total: Decimal
    colour: Colour = Colour.RED
    kind: ClassVar[str] = "order"
    computed: int = field(init=False, default=7)


@dataclass
class Unresolvable:
    value: "Missing"  # type: ignore[name-defined]  # noqa: F821, UP037 - that is the test


@dataclass
class Picky:
    value: int
    extra: InitVar[int]


class Point(NamedTuple):
    x: float
    y: float = 0.0


class Person:
    """As azure-functions-durable's users write them."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Person) and other.name == self.name

    __hash__ = None  # type: ignore[assignment]

    @staticmethod
    def to_json(obj: Person) -> object:
        return {"name": obj.name}

    @staticmethod
    def from_json(data: dict[str, str]) -> Person:
        return Person(data["name"])


class Model:
    """Looks as pydantic's models do."""

    def __init__(self, **values: object) -> None:
        self.values = values

    def model_dump_json(self) -> str:
        return json.dumps(self.values)

    @classmethod
    def model_validate(cls, value: object) -> Model:
        if not isinstance(value, dict) or "n" not in value:
            raise ValueError("n is missing")
        return cls(**value)


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Speaks(typing.Protocol):
    def speak(self) -> str: ...


UserId = NewType("UserId", int)


def written(value: object) -> str:
    return encode(value, what="the value")


# Writing


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (5, "5"),
        (1.5, "1.5"),
        ("Tokyo é \u2028 \ud800", '"Tokyo é \\u2028 \\ud800"'),
        (["a", 1, None], '["a",1,null]'),
        ((1, 2), "[1,2]"),
        (Point(1.0), "[1.0,0.0]"),
        ({"a": {"b": [1]}}, '{"a":{"b":[1]}}'),
        (OrderedDict(a=1), '{"a":1}'),
        (MappingProxyType({"a": (1,)}), '{"a":[1]}'),
        ({Word.YES: 1}, '{"yes":1}'),
        ({3, 1, 2}, "[1,2,3]"),
        (frozenset({"b", "a"}), '["a","b"]'),
        (Colour.BLUE, '"blue"'),
        (Level.LOW, "1"),
        (Word.YES, '"yes"'),
        (MOMENT, '"2024-02-29T12:30:15.250000+00:00"'),
        (date(2024, 2, 29), '"2024-02-29"'),
        (time(12, 30), '"12:30:00"'),
        (timedelta(days=1, hours=2, seconds=3.5), '"P1DT2H0M3.5S"'),
        (GUID, '"a5b06ea6-1041-5f2e-b65a-9b6fcffbff95"'),
        (Decimal("1.10"), '"1.10"'),
        (b"\x00\xff", '"AP8="'),
        (bytearray(b"a"), '"YQ=="'),
        (type("Text", (str,), {})("a"), '"a"'),
        (type("Number", (float,), {})(2.5), "2.5"),
        (Item("a", MOMENT, ["x"]),
         '{"name":"a","when":"2024-02-29T12:30:15.250000+00:00","tags":["x"]}'),
        (Model(n=1), '{"n":1}'),
    ],
    ids=lambda value: None if isinstance(value, str) else type(value).__name__,
)  # fmt: skip
def test_values_are_written_as_json(value: object, text: str) -> None:
    assert written(value) == text


def test_a_class_with_to_json_is_written_in_1_7s_envelope() -> None:
    assert written([Person("Ann")]) == (
        f'[{{"__class__":"Person","__module__":"{Person.__module__}","__data__":{{"name":"Ann"}}}}]'
    )


class Broken:
    @staticmethod
    def to_json(obj: object) -> object:
        raise RuntimeError("in to_json")


class Later:
    def __await__(self) -> Iterator[None]:
        return iter(())


class Deep:
    @staticmethod
    def to_json(obj: object) -> object:
        return [object()]


@pytest.mark.parametrize(
    ("value", "path", "told"),
    [
        (object(), "$", "type object"),
        ([Later()], "$[0]", "a Later is not JSON: wait for it, with 'yield' or 'await'"),
        ({"items": [1, {"when": object()}]}, "$.items[1].when", "type object"),
        ({"a": {1: 2}}, "$.a", "keys must be str, not int (1)"),
        (float("nan"), "$", "nan"),
        ([float("inf")], "$[0]", "inf"),
        (Decimal("NaN"), "$", "NaN"),
        ((1, complex(1)), "$[1]", "type complex"),
        (Item, "$", "type type"),
        (Broken(), "$", "Broken.to_json raised RuntimeError: in to_json"),
        ({"x": Deep()}, "$.x.__data__[0]", "type object"),
        (Item("a", tags=[object()]), "$.tags[0]", "type object"),  # type: ignore[list-item]
        ({"s": {(1, object())}}, "$.s[0][1]", "type object"),
    ],
    ids=["object", "awaitable", "nested", "key", "nan", "inf", "decimal", "complex", "class",
         "raises", "deep", "dataclass", "set"],
)  # fmt: skip
def test_what_has_no_place_in_json_is_told_with_type_and_path(
    value: object, path: str, told: str
) -> None:
    with pytest.raises(NotSerializable) as caught:
        encode(value, what="the input of activity 'x'")
    assert caught.value.path == path
    assert str(caught.value).startswith("The input of activity 'x' cannot be written as JSON: at ")
    assert told in str(caught.value)


def test_a_value_that_holds_itself_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(NotSerializable, match="holds itself"):
        written(loop)


def test_an_integer_beyond_pythons_own_limit_is_refused() -> None:
    with pytest.raises(NotSerializable, match="digits"):
        written(10**5000)


# Reading without a type


@pytest.mark.parametrize("text", ["null", "5", "[1,2]", '{"a":"b"}', '"x"', "true", "NaN"])
def test_without_a_type_a_value_is_what_json_says(text: str) -> None:
    assert repr(decode(text)) == repr(json.loads(text))


def test_no_text_is_none() -> None:
    assert decode(None) is None
    assert decode(None, int) is None
    assert decode_input(None, int) is None


@pytest.mark.parametrize("text", ["{", "", "[1,]", "[" * 200_000])
def test_text_that_is_not_json_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match="A payload is") as caught:
        decode(text)
    assert not hasattr(caught.value, "doc")


def envelope(name: str = "Person") -> str:
    return json.dumps(
        {"__class__": name, "__module__": Person.__module__, "__data__": {"name": "Ann"}}
    )


def test_an_envelope_becomes_an_object_only_of_a_class_the_reader_knows() -> None:
    known = {f"{Person.__module__}.Person": Person}
    assert decode(envelope()) == {"name": "Ann"}
    assert decode(envelope(), known=known) == Person("Ann")
    assert decode(f"[{envelope()}]", known=known) == [Person("Ann")]
    assert decode(envelope("Other"), known=known) == {"name": "Ann"}
    assert decode(envelope(), Person) == Person("Ann")
    assert decode(envelope(), Person, known=known) == Person("Ann")
    assert decode('{"__class__":"Person"}', known=known) == {"__class__": "Person"}


def test_a_from_json_that_raises_is_told() -> None:
    with pytest.raises(ValueError, match=r"At \$: no Person can be made .*KeyError"):
        decode("{}", Person)


# Reading with a type


@pytest.mark.parametrize(
    ("text", "expected", "value"),
    [
        ("5", int, 5),
        ("5", float, 5.0),
        ("5.5", float, 5.5),
        ('"a"', str, "a"),
        ("true", bool, True),
        ("null", type(None), None),
        ("[1]", list, [1]),
        ("[1]", tuple, (1,)),
        ("[1]", set, {1}),
        ("[1]", frozenset, frozenset({1})),
        ('{"a":1}', dict, {"a": 1}),
        ("[1]", list[int], [1]),
        ("[1]", Sequence[float], [1.0]),
        ("[1,1]", set[int], {1}),
        ("[1,1]", frozenset[int], frozenset({1})),
        ('[1,"a"]', tuple[int, str], (1, "a")),
        ("[1,2]", tuple[int, ...], (1, 2)),
        ("[]", typing.List, []),  # noqa: UP006 - users write it
        ("[]", typing.Tuple, ()),  # noqa: UP006 - users write it
        ("{}", typing.Dict, {}),  # noqa: UP006 - users write it
        ('{"a":"red"}', dict[str, Colour], {"a": Colour.RED}),
        ('{"1":2}', Mapping[int, int], {1: 2}),
        (f'{{"{GUID}":1}}', dict[UUID, int], {GUID: 1}),
        ("5", Any, 5),
        ("5", object, 5),
        ("5", "a text", 5),
        ("5", typing.TypeVar("T"), 5),
        ("5", complex, 5),
        ("5", type[int], 5),
        ("5", Speaks, 5),
        ("5", int | None, 5),
        ("null", int | None, None),
        ('"x"', int | str, "x"),
        ('"2024-02-29"', int | date, date(2024, 2, 29)),
        ('{"name":"a"}', Order | Item, Item("a")),
        ('"b"', Literal["a", "b"], "b"),
        ("5", Annotated[int, "x"], 5),
        ("5", UserId, 5),
        ('{"title":"t"}', Movie, {"title": "t"}),
        ('"red"', Colour, Colour.RED),
        ("1", Level, Level.LOW),
        ('"yes"', Word, Word.YES),
        ('"2024-02-29T12:30:15.25Z"', datetime, MOMENT),
        ('"12:30"', time, time(12, 30)),
        ('"-P1DT1.5S"', timedelta, -timedelta(days=1, seconds=1.5)),
        ('"P2D"', timedelta, timedelta(days=2)),
        (f'"{GUID}"', UUID, GUID),
        ('"1.10"', Decimal, Decimal("1.10")),
        ("1.1", Decimal, Decimal("1.1")),
        ('"AP8="', bytes, b"\x00\xff"),
        ("[1,2]", Point, Point(1.0, 2.0)),
        ("[1]", Point, Point(1.0)),
        ('{"name":"a","tags":["x"],"unknown":1}', Item, Item("a", tags=["x"])),
    ],
    ids=str,
)
def test_values_are_read_as_the_type_that_is_expected(
    text: str, expected: object, value: object
) -> None:
    got = decode(text, expected)
    assert got == value
    assert type(got) is type(value)


def test_a_nested_dataclass_comes_back_as_it_went() -> None:
    order = Order(id=GUID, items=[Item("a", MOMENT)], total=Decimal("9.90"), colour=Colour.BLUE)
    assert decode(written(order), Order) == order
    assert decode(written([order]), list[Order]) == [order]


def test_a_pydantic_model_validates_itself() -> None:
    model = decode('{"n":1}', Model)
    assert isinstance(model, Model)
    assert model.values == {"n": 1}
    with pytest.raises(ValueError, match="n is missing"):
        decode("{}", Model)


def test_a_dataclass_whose_annotations_cannot_be_resolved_takes_values_as_they_are() -> None:
    assert decode('{"value":[1]}', Unresolvable) == Unresolvable([1])


@pytest.mark.parametrize(
    ("text", "expected", "error", "told"),
    [
        ('"x"', int, TypeError, "At $: int expected, but found a text."),
        ("true", int, TypeError, "int expected, but found a boolean"),
        ("1", str, TypeError, "found a number"),
        ("1.5", int, TypeError, "found a number"),
        ("{}", list, TypeError, "found an object"),
        ("[]", dict, TypeError, "found a list"),
        ("null", str, TypeError, "found null"),
        ("1", type(None), TypeError, "NoneType expected"),
        ("1", set[int], TypeError, "set[int] expected"),
        ("1", tuple[int], TypeError, "tuple[int] expected"),
        ("[1]", tuple[int, int], ValueError, "found 1 item"),
        ("[[]]", set, ValueError, "no set can be made"),
        ("[]", dict[str, int], TypeError, "dict[str, int] expected"),
        ('{"a":1}', dict[int, int], ValueError, "no int can be made"),
        (
            '{"items":[{"when":5}]}',
            dict[str, list[Item]],
            ValueError,
            "At $.items[0].name: nothing",
        ),
        ('[{"name":"a","when":"never"}]', list[Item], TypeError, "At $[0].when: "),
        ('{"a":[1,"x"]}', dict[str, list[int]], TypeError, "At $.a[1]: int expected"),
        ('"purple"', Colour, ValueError, "no Colour can be made"),
        ('"x"', datetime, ValueError, "no datetime can be made"),
        ("5", datetime, TypeError, "datetime expected, but found a number"),
        ('"x"', Decimal, ValueError, "no Decimal can be made"),
        ('"x"', timedelta, ValueError, "ISO 8601"),
        ('"P9999999999D"', timedelta, ValueError, "out of range"),
        ('"c"', Literal["a", "b"], TypeError, "expected"),
        ("[]", int | str, TypeError, "int | str expected"),
        ("[]", Item, TypeError, "Item expected, but found a list"),
        ("{}", Point, TypeError, "Point expected, but found an object"),
        ("[]", Point, ValueError, "no Point can be made"),
        ("[]", Movie, TypeError, "Movie expected"),
        ('{"value":1}', Picky, ValueError, "no Picky can be made"),
        ("1" + "0" * 400, float, ValueError, "no float can be made"),
    ],
    ids=str,
)
def test_a_value_of_another_type_is_told_with_its_path(
    text: str, expected: object, error: type[Exception], told: str
) -> None:
    with pytest.raises(error) as caught:
        decode(text, expected)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1", str), ("1", list[int]), ("1", set[int]), ('"x"', tuple[int]), ("[]", dict[str, int]),
     ("1", Movie), ("[]", int | str), ("1", Literal["a"]), ("1", type(None)), ("1", set)],
    ids=str,
)  # fmt: skip
def test_lenient_reading_leaves_jsons_own_types_as_they_are(text: str, expected: object) -> None:
    assert decode(text, expected, lenient=True) == json.loads(text)


def test_lenient_reading_still_makes_what_is_expected() -> None:
    assert decode('[{"name":5}]', list[Item], lenient=True) == [Item(5)]  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        decode("5", datetime, lenient=True)


def test_python_3_12s_type_aliases_are_looked_through() -> None:
    alias = type("TypeAliasType", (), {"__value__": list[Colour]})()
    assert decode('["red"]', alias) == [Colour.RED]


# Inputs, results, arguments


def input_written(value: object) -> str:
    return encode_input(value, what="the input")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"24"', 24),
        ('"null"', None),
        ('"\\"Tokyo\\""', "Tokyo"),
        ('"{\\"name\\":\\"a\\"}"', {"name": "a"}),
        ('"Tokyo"', "Tokyo"),  # what .NET starts with: no JSON inside
        ('""', ""),
        ("24", 24),
        ('{"name":"a"}', {"name": "a"}),
        ("null", None),
        ('"\\u00324"', "24"),
        (' "\\u0022Tokyo\\""', '"Tokyo"'),
    ],
)
def test_an_input_is_what_1_x_made_of_it_unless_it_is_marked_as_encoded_once(
    text: str, value: object
) -> None:
    assert decode_input(text) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("24", '"\\u00324"'),
        ('"a"', '"\\u0022a\\""'),
        (" null", '"\\u0020null"'),
        ("NaN", '"\\u004eaN"'),
        (Decimal("1.10"), '"\\u0031.10"'),
        ("Tokyo", '"Tokyo"'),
        ("", '""'),
        ("[" * 200_000, f'"{"[" * 200_000}"'),
        (24, "24"),
        ({"a": "24"}, '{"a":"24"}'),
    ],
    ids=lambda value: str(value)[:20],
)
def test_only_a_text_of_json_is_marked_as_encoded_once(value: object, text: str) -> None:
    assert input_written(value) == text
    assert decode(text) == decode(written(value))


def test_a_type_that_is_expected_chooses_among_the_two_readings_of_an_input() -> None:
    text = json.dumps(json.dumps({"name": "a"}))
    assert decode_input(text, str) == '{"name": "a"}'
    assert decode_input(text, Item) == Item("a")
    assert decode_input('"24"', int | str) == 24
    assert decode_input("24", int) == 24
    assert decode_input('"1.5"', Decimal) == Decimal("1.5")
    assert decode_input(input_written("24"), str) == "24"
    with pytest.raises(TypeError, match="found a text"):
        decode_input('"x"', int)
    with pytest.raises(TypeError, match="found a text"):
        decode_input('"[]"', int)


def test_an_annotation_takes_the_inner_reading_even_when_it_does_not_hold_as_in_1_x() -> None:
    assert decode_input('"x"', int, lenient=True) == "x"
    assert decode_input('"24"', str, lenient=True) == 24
    assert decode_input('"\\"Tokyo\\""', str, lenient=True) == "Tokyo"
    assert decode_input(input_written("24"), str, lenient=True) == "24"
    assert decode_input('"2024-02-29"', date, lenient=True) == date(2024, 2, 29)
    with pytest.raises(ValueError, match="no date can be made"):
        decode_input('"5"', date, lenient=True)


def test_an_envelope_in_a_doubly_encoded_input_is_opened() -> None:
    known = {f"{Person.__module__}.Person": Person}
    assert decode_input(json.dumps(envelope()), Person) == Person("Ann")
    assert decode_input(json.dumps(envelope()), known=known) == Person("Ann")
    broken = json.dumps(envelope().replace("name", "nome"))
    with pytest.raises(ValueError, match="no Person can be made"):
        decode_input(broken, known=known)


def test_an_annotation_that_does_not_hold_changes_nothing() -> None:
    known: dict[str, type] = {}
    assert decode_annotated('"red"', annotated=Colour, known=known) is Colour.RED
    assert decode_annotated('"purple"', annotated=Colour, known=known) == "purple"
    assert decode_annotated("5", annotated=Item, known=known) == 5
    assert decode_annotated(None, annotated=Item, known=known) is None
    with pytest.raises(ValueError, match="not JSON"):
        decode_annotated("{", annotated=Item, known=known)


@pytest.mark.parametrize(
    ("text", "first"),
    [('["Tokyo"]', '"Tokyo"'), ("[null]", "null"), ("[]", None), ('{"a":1}', '{"a":1}'),
     (None, None), ('[[1,2],"more"]', "[1,2]"), ('["24"]', '"24"'), ("5", "5"),
     ('["\\u00324"]', '"\\u00324"'), (' [ "\\u0022a\\"" ]', '"\\u0022a\\""')],
)  # fmt: skip
def test_the_first_element_of_an_argument_list(text: str | None, first: str | None) -> None:
    assert first_element(text) == first


# Round trips


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)  # fmt: skip


@given(json_values)
def test_json_values_come_back_as_they_went_and_the_text_can_be_stored(value: object) -> None:
    text = written(value)
    assert decode(text) == value
    text.encode()


@given(json_values | json_values.map(json.dumps))
def test_inputs_come_back_as_they_went_texts_of_json_too(value: object) -> None:
    text = input_written(value)
    assert decode_input(text) == value
    assert decode_input(first_element(f"[{text}]")) == value


@given(json_values)
def test_doubly_encoded_inputs_are_read(value: object) -> None:
    assert decode_input(written(written(value))) == value


@given(st.timedeltas())
def test_durations_come_back_as_they_went(value: timedelta) -> None:
    assert decode(written(value), timedelta) == value


@given(
    st.one_of(
        st.datetimes(timezones=st.just(UTC)),
        st.binary(),
        st.decimals(allow_nan=False, allow_infinity=False),
        st.uuids(),
        st.times(),
        st.dates(),
    )
)
def test_other_types_come_back_as_they_went(value: object) -> None:
    assert decode(written(value), type(value)) == value
