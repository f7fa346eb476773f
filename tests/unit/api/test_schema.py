from __future__ import annotations

import json
from datetime import UTC, datetime

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
