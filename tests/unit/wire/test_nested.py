from __future__ import annotations

import pytest
from hypothesis import given

from durable.errors import CorruptRecord, EngineBug, InvalidName
from durable.model.events import InstanceRef, ParentInstance, TraceContext
from durable.model.failure import FailureDetails
from durable.model.status import RuntimeStatus
from durable.wire.fields import Fields
from durable.wire.nested import (
    PROPERTIES_TYPE,
    TAGS_TYPE,
    describe,
    read_failure,
    read_instance,
    read_parent,
    read_status,
    read_tags,
    read_trace,
    status_number,
    to_object,
)
from tests.unit.wire.conftest import FAILURE

REF = InstanceRef(instance_id="i", execution_id="e")


def chain(length: int) -> FailureDetails:
    failure = FailureDetails(error_type="E0", message="root")
    for number in range(1, length):
        failure = FailureDetails(error_type=f"E{number}", message="m", inner=failure)
    return failure


def length_of(failure: FailureDetails | None) -> int:
    length = 0
    while failure is not None:
        length, failure = length + 1, failure.inner
    return length


def test_types_are_named_in_messages() -> None:
    parent = ParentInstance(name="P", instance=REF, task_id=2, version="")
    assert list(to_object(parent, typed=True).items()) == [
        ("$type", "DurableTask.Core.ParentInstance"),
        ("Name", "P"),
        (
            "OrchestrationInstance",
            {
                "$type": "DurableTask.Core.OrchestrationInstance",
                "InstanceId": "i",
                "ExecutionId": "e",
            },
        ),
        ("TaskScheduleId", 2),
        ("Version", ""),
    ]
    trace = to_object(TraceContext(trace_parent="00-1-2-01"), typed=True)
    assert trace["$type"] == "DurableTask.Core.Tracing.DistributedTraceContext"
    assert to_object({"k": "v"}, typed=True) == {"$type": TAGS_TYPE, "k": "v"}


def test_types_are_not_named_in_rows() -> None:
    parent = ParentInstance(name="P", instance=REF, task_id=2)
    for value in (parent, TraceContext(), {"k": "v"}, chain(2)):
        assert "$type" not in str(to_object(value, typed=False))


def test_a_tag_cannot_be_named_like_the_type() -> None:
    with pytest.raises(InvalidName, match=r"\$type"):
        to_object({"$type": "x"}, typed=False)


@given(FAILURE)
def test_failures_come_back(failure: FailureDetails) -> None:
    for typed in (True, False):
        assert read_failure(Fields(to_object(failure, typed=typed), "It")) == failure


def test_properties_of_failures_are_values() -> None:
    failure = FailureDetails(
        error_type="E", message="m", properties={"$type": "1", "a": '{"x":[1]}', "b": "null"}
    )
    made = to_object(failure, typed=True)
    assert made["Properties"] == {"$type": PROPERTIES_TYPE, "a": {"x": [1]}, "b": None}
    again = read_failure(Fields(made, "It"))
    assert again is not None
    assert again.properties == {"a": '{"x":[1]}', "b": "null"}


def test_a_property_that_is_no_json_is_our_bug() -> None:
    with pytest.raises(EngineBug, match="property 'a' of a failure is not JSON"):
        to_object(FailureDetails(error_type="E", message="m", properties={"a": "x"}), typed=True)


def test_long_chains_of_causes_are_cut_when_written() -> None:
    made = to_object(chain(5000), typed=True)
    again = read_failure(Fields(made, "It"))
    assert length_of(again) == 100
    assert again is not None
    assert again.error_type == "E4999"


def test_longer_chains_are_corrupt() -> None:
    values: dict[str, object] = {}
    for _ in range(100):
        values = {"InnerFailure": values}
    with pytest.raises(CorruptRecord, match="at most 100 causes"):
        read_failure(Fields(values, "It"))


def test_a_failure_without_texts_reads_as_empty() -> None:
    failure = read_failure(Fields({"ErrorType": None}, "It"))
    assert failure == FailureDetails(error_type="", message="")


def test_what_is_absent_reads_as_none() -> None:
    assert read_parent(None) is None
    assert read_trace(None) is None
    assert read_tags(None) is None
    assert read_failure(None) is None


def test_a_tag_without_value_reads_as_empty() -> None:
    assert read_tags(Fields({"$type": "whatever", "a": None, "b": "c"}, "It")) == {
        "a": "",
        "b": "c",
    }


def test_an_instance_needs_an_id() -> None:
    with pytest.raises(CorruptRecord, match=r"It\.InstanceId should be a text"):
        read_instance(Fields({"ExecutionId": "e"}, "It"))


def test_statuses_are_read_by_number_and_name() -> None:
    assert [status_number(status) for status in RuntimeStatus] == [0, 1, 2, 3, 4, 5, 6, 7]
    for status in RuntimeStatus:
        for value in (status.value, status_number(status)):
            assert read_status(Fields({"x": value}, "It"), "x") is status


@pytest.mark.parametrize("value", ["running", 8, -1, True, None, 1.0, []])
def test_other_statuses_are_corrupt(value: object) -> None:
    with pytest.raises(CorruptRecord, match="name or number of a status"):
        read_status(Fields({"x": value}, "It"), "x")


def test_describe_shows_names_and_nothing_else() -> None:
    assert describe("x" * 100) == repr("x" * 80)
    assert describe({"secret": 1}) == "an object"
