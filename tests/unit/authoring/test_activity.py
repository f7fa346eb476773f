from __future__ import annotations

from dataclasses import dataclass

import pytest

from durable.authoring.activity import ActivityCodec, encode_argument
from durable.authoring.definitions import ActivityDefinition
from durable.authoring.registry import Registry
from durable.errors import NotSerializable


@dataclass
class Order:
    id: int


def hello(city: str) -> str:
    return city


def ship(order: Order) -> Order:
    return order


def codec(function: object, input_name: str) -> ActivityCodec:
    definition = ActivityDefinition(name="a", function=function, input_name=input_name)  # type: ignore[arg-type]
    return ActivityCodec(definition, Registry())


@pytest.mark.parametrize(
    ("value", "text"),
    [("Tokyo", '["Tokyo"]'), (None, "[null]"), ([1], "[[1]]"), (Order(5), '[{"id":5}]')],
    ids=repr,
)
def test_an_argument_is_an_array_of_one(value: object, text: str) -> None:
    assert encode_argument("a", value) == text


def test_an_argument_that_is_not_json_is_told_with_the_activity() -> None:
    with pytest.raises(NotSerializable, match=r"The input of activity 'a' .* at \$\.x, "):
        encode_argument("a", {"x": object()})


@pytest.mark.parametrize(
    ("text", "value"),
    [('["Tokyo"]', "Tokyo"), ("[null]", None), ("[]", None), (None, None), ("[5]", 5),
     ('"Tokyo"', "Tokyo")],
)  # fmt: skip
def test_an_argument_is_read_leniently(text: str | None, value: object) -> None:
    assert codec(hello, "city").argument(text) == value


def test_an_argument_becomes_what_is_annotated() -> None:
    assert codec(ship, "order").argument('[{"id":5}]') == Order(5)
    assert codec(ship, "order").argument('["{\\"id\\":5}"]') == Order(5)  # as the 1.x worker sends
    with pytest.raises(ValueError, match=r"\$\.id: nothing there"):
        codec(ship, "order").argument("[{}]")


def test_a_result_is_written_bare() -> None:
    assert codec(hello, "city").encode_result("Hello Tokyo!") == '"Hello Tokyo!"'
    assert codec(hello, "city").encode_result(None) == "null"
    with pytest.raises(NotSerializable, match="The result of activity 'a'"):
        codec(hello, "city").encode_result(object())
