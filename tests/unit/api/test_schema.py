from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from durable.api import schema
from durable.client.json_text import dump
from durable.errors import InvalidName
from durable.hub.instances import InstanceTexts
from durable.model.status import InstanceRow, RuntimeStatus


def test_status_payload() -> None:
    row = InstanceRow(
        instance_id="i",
        execution_id="e",
        name="o",
        custom_status='"half"',
        created_time=datetime(2024, 1, 2, 3, 4, 5, 999_999, tzinfo=UTC),
        last_updated_time=datetime(999, 1, 1, tzinfo=UTC),
        status=RuntimeStatus.RUNNING,
    )
    texts = InstanceTexts(input='{"a": 1.0}', output="no json")
    assert dump(schema.status_payload(row, texts)) == (
        '{"name":"o","instanceId":"i","runtimeStatus":"Running","input":{"a":1.0},'
        '"customStatus":"half","output":"no json","createdTime":"2024-01-02T03:04:05Z",'
        '"lastUpdatedTime":"0999-01-01T00:00:00Z"}'
    )
    assert list(schema.status_payload(row, texts, []))[-1] == "historyEvents"


def test_of_a_row_that_holds_little_the_rest_is_null() -> None:
    row = InstanceRow(instance_id="i", execution_id=None)
    payload = json.loads(dump(schema.status_payload(row, InstanceTexts(input=None, output=None))))
    assert [value for value in payload.values() if value is not None] == ["i"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("true", True), ("TRUE", True), (" False ", False), ("1", None), ("no", None), ("", None)],
)
def test_flags(text: str, expected: bool | None) -> None:
    for default in (True, False):
        found = schema.flag({"x": text}, "x", default=default)
        assert found is (default if expected is None else expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("15", 15), ("0.5", 0.5), ("-1", -1), ("abc", None), ("", None), ("nan", None), ("inf", None)],
)
def test_numbers(text: str, expected: float | None) -> None:
    assert schema.number({"x": text}, "x") == expected


def test_page_sizes() -> None:
    assert schema.page_size({}, 100) == 100
    assert schema.page_size({"top": "x"}, 100) == 100
    assert schema.page_size({"top": "0"}, 100) == 0
    with pytest.raises(InvalidName, match="top is -1"):
        schema.page_size({"top": "-1"}, 100)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-02T03:04:05Z", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2024-01-02T03:04:05.1234567Z", datetime(2024, 1, 2, 3, 4, 5, 123_456, tzinfo=UTC)),
        ("2024-01-02T03:04:05+02:00", datetime(2024, 1, 2, 1, 4, 5, tzinfo=UTC)),
        ("2024-01-02T03:04:05 02:00", datetime(2024, 1, 2, 1, 4, 5, tzinfo=UTC)),
        ("2024-01-02 03:04:05", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2024-01-02", datetime(2024, 1, 2, tzinfo=UTC)),
        ("01/02/2024 03:04:05", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("rubbish", None),
        ("", None),
        ("0001-01-01T00:00:00+02:00", None),
    ],
)
def test_moments(text: str, expected: datetime | None) -> None:
    assert schema.moment({"x": text}, "x") == expected


def test_statuses_by_name_and_number_unknown_ones_left_out() -> None:
    found = schema.statuses({"runtimeStatus": "Failed, 5,completed,Bogus,,99"})
    assert found == (RuntimeStatus.FAILED, RuntimeStatus.TERMINATED)
    assert schema.statuses({}) == ()


def test_errors_name_kind_and_text_and_keep_the_stack() -> None:
    try:
        raise InvalidName("why")
    except InvalidName as error:
        answer = schema.error_response(400, "what", error)
    assert json.loads(answer.body) == {
        "Message": "what",
        "ExceptionMessage": "why",
        "ExceptionType": "durable.errors.InvalidName",
        "StackTrace": None,
    }
