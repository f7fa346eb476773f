from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from durable.errors import CorruptRecord
from durable.model.times import NO_TIME
from durable.wire.fields import ColumnFields, Fields, as_object, kind_of
from tests.conformance.conformance import covers

MOMENT = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)


def nested_list(depth: int) -> list[object]:
    made: list[object] = []
    for _ in range(depth):
        made = [made]
    return made


def test_json_values() -> None:
    fields = Fields(
        {
            "$type": "T",
            "text": "x",
            "int": -5,
            "long": 2**40,
            "flag": True,
            "time": "2024-01-02T03:04:05Z",
            "object": {"a": 1},
            "list": ["a", "b"],
        },
        "It",
    )
    assert fields.text("text") == fields.required_text("text") == "x"
    assert fields.integer("int") == -5
    assert fields.integer("long", bits=64) == 2**40
    assert fields.flag("flag")
    assert fields.moment("time") == MOMENT
    assert fields.required("object").integer("a") == 1
    assert fields.required("object").path("a") == "It.object.a"
    assert fields.texts("list") == ("a", "b")
    assert fields.json_text("object") == '{"a":1}'
    assert fields.value("int") == -5
    assert "$type" not in fields.names()


def test_what_is_absent() -> None:
    fields = Fields({}, "It")
    assert fields.text("x") is None
    assert fields.optional_integer("x") is None
    assert fields.optional_flag("x") is None
    assert not fields.flag("x")
    assert fields.optional_moment("x") is None
    assert fields.nested("x") is None
    assert fields.json_text("x") is None
    assert fields.texts("x") == ()


@pytest.mark.parametrize(
    ("read", "wanted"),
    [
        (lambda it: it.required_text("x"), "a text"),
        (lambda it: it.integer("x"), "an integer"),
        (lambda it: it.moment("x"), "a time"),
        (lambda it: it.required("x"), "an object"),
    ],
)
@pytest.mark.parametrize("kind", [Fields, ColumnFields])
def test_what_must_not_be_absent(
    kind: type[Fields], read: Callable[[Fields], object], wanted: str
) -> None:
    with pytest.raises(CorruptRecord, match=rf"^It\.x should be {wanted}, found nothing\.$"):
        read(kind({}, "It"))


@pytest.mark.parametrize(
    ("value", "read", "message"),
    [
        (1, lambda it: it.text("x"), "It.x should be a text or null, found an integer."),
        ("1", lambda it: it.integer("x"), "It.x should be an integer of 32 bits, found a text."),
        (True, lambda it: it.integer("x"), "an integer of 32 bits, found a boolean."),
        (1.0, lambda it: it.integer("x"), "an integer of 32 bits, found a fraction."),
        (2**31, lambda it: it.integer("x"), "an integer of 32 bits, found an integer."),
        (-(2**31) - 1, lambda it: it.integer("x"), "an integer of 32 bits"),
        (2**63, lambda it: it.integer("x", bits=64), "an integer of 64 bits"),
        (0, lambda it: it.flag("x"), "true or false, found an integer."),
        ("noon", lambda it: it.moment("x"), "a time (not a time like 2024"),
        ([], lambda it: it.moment("x"), "a text or null, found an array."),
        ([], lambda it: it.nested("x"), "an object, found an array."),
        ({}, lambda it: it.texts("x"), "a JSON array of texts, found an object."),
        (["a", 1], lambda it: it.texts("x"), "a JSON array of texts, found an array."),
        (nested_list(100_000), lambda it: it.json_text("x"), "It.x is nested too deeply."),
    ],
)
def test_what_a_json_field_must_be(
    value: object, read: Callable[[Fields], object], message: str
) -> None:
    with pytest.raises(CorruptRecord) as caught:
        read(Fields({"x": value}, "It"))
    assert message in str(caught.value)


@covers("dtfx-8.5-13")
def test_columns() -> None:
    fields = ColumnFields(
        {"time": MOMENT, "none": "null", "empty": "", "object": '{"a":1}', "list": '["a"]'}, "Row"
    )
    assert fields.moment("time") == MOMENT
    assert fields.nested("none") is None
    assert fields.nested("empty") is None
    assert fields.required("object").integer("a") == 1
    assert fields.texts("list") == ("a",)
    assert fields.texts("empty") == ()
    assert fields.json_text("object") == '{"a":1}'


def test_the_earliest_column_time_is_no_time() -> None:
    fields = ColumnFields({"x": datetime(1601, 1, 1, tzinfo=UTC)}, "Row")
    assert fields.moment("x") == NO_TIME


@pytest.mark.parametrize("value", ["2024-01-02T03:04:05Z", MOMENT.replace(tzinfo=None), 5])
def test_what_a_column_time_must_be(value: str | datetime | int) -> None:
    with pytest.raises(CorruptRecord, match=r"Row\.x should be a time in UTC"):
        ColumnFields({"x": value}, "Row").optional_moment("x")


@pytest.mark.parametrize("text", ["{", "5", "[]", '"x"'])
def test_what_an_object_column_must_be(text: str) -> None:
    with pytest.raises(CorruptRecord, match=r"^Row\.x "):
        ColumnFields({"x": text}, "Row").nested("x")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "nothing"),
        (True, "a boolean"),
        (1, "an integer"),
        (1.5, "a fraction"),
        ("x", "a text"),
        ([], "an array"),
        ({}, "an object"),
        (MOMENT, "a time"),
        (b"", "something else"),
    ],
)
def test_kinds_tell_no_values(value: object, kind: str) -> None:
    assert kind_of(value) == kind


def test_as_object() -> None:
    assert as_object({"a": 1}, "It") == {"a": 1}
    with pytest.raises(CorruptRecord, match="It should be an object, found something else"):
        as_object(timedelta(), "It")


def test_nothing_is_read_that_a_fuller_stack_could_not_write() -> None:
    deep: object = 1
    for level in range(127):
        deep = {"a": [], "b": deep} if level % 2 else [deep]
    assert Fields({"x": deep}, "It").json_text("x")
    with pytest.raises(CorruptRecord, match=r"It\.x is nested too deeply\."):
        Fields({"x": [deep]}, "It").json_text("x")
