"""How an execution and a payload are measured, and what is said when they are too large."""

from __future__ import annotations

from typing import Any

import pytest

from durable.engine.limits import (
    DEFAULT_MAX_EVENTS,
    EVENT_BYTES,
    ExecutionLimits,
    Extent,
    check_payload,
    ends,
    extent_after,
    history_excess,
    oversize,
    payload_excess,
    weight,
)
from durable.engine.turn import Draft
from durable.errors import HistoryTooLarge, PayloadTooLarge
from durable.model import events as e
from durable.model.failure import FailureDetails
from durable.model.status import RuntimeStatus
from durable.model.times import NO_TIME

LIMITS = ExecutionLimits(events=100, size=100_000, payload=1_000)
LARGE = "x" * 1_001


def draft(*events: e.HistoryEvent, fed: int = 1, is_new: bool = False) -> Draft:
    opening, closing = (
        e.OrchestratorStarted(timestamp=NO_TIME),
        e.OrchestratorCompleted(timestamp=NO_TIME),
    )
    return Draft(
        execution_id="x1",
        first_execution_id="x1",
        is_new_execution=is_new,
        carried=0,
        events=[opening, *events, closing],
        identities=(),
        fed=fed,
    )


def raised(text: str = "1") -> e.EventRaised:
    return e.EventRaised(timestamp=NO_TIME, name="go", input=text)


def completed(status: RuntimeStatus, result: str | None = None) -> e.ExecutionCompleted:
    return e.ExecutionCompleted(timestamp=NO_TIME, event_id=0, status=status, result=result)


def test_an_event_weighs_its_texts_and_what_it_takes_itself() -> None:
    assert weight(e.OrchestratorStarted(timestamp=NO_TIME)) == EVENT_BYTES
    assert weight(raised("x" * 70)) == EVENT_BYTES + 70
    cause = FailureDetails(error_type="E", message="four", stack_trace="stack")
    failure = FailureDetails(error_type="E", message="abc", inner=cause)
    failed = e.TaskFailed(timestamp=NO_TIME, task_id=0, reason="abc", failure=failure)
    assert weight(failed) == EVENT_BYTES + 3 + 3 + 4 + 5


def test_a_new_execution_begins_with_nothing() -> None:
    before = Extent(events=90, size=90_000)
    assert extent_after(draft(raised()), before) == Extent(events=93, size=90_000 + 1501)
    assert extent_after(draft(raised(), is_new=True), before) == Extent(events=3, size=1501)
    assert before.share_of(LIMITS) == 0.9
    assert Extent(events=10, size=95_000).share_of(LIMITS) == 0.95


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (Extent(events=97, size=0), None),
        (Extent(events=98, size=0), "would have 101 events; at most 100 are allowed (maxHistoryE"),
        (Extent(events=0, size=98_499), None),
        (Extent(events=0, size=98_500), "100,001 bytes; at most 100,000 are allowed (maxHistoryB"),
    ],
)
def test_a_history_may_reach_its_limit_and_not_pass_it(before: Extent, said: str | None) -> None:
    made = draft(raised())
    found = history_excess(made, extent_after(made, before), LIMITS, "i1")
    assert (found is None) == (said is None)
    if found is not None:
        assert isinstance(found, HistoryTooLarge)
        assert said is not None
        assert said in str(found)
        assert "instance 'i1'" in str(found)
        assert "continue_as_new" in str(found)


@pytest.mark.parametrize("status", [RuntimeStatus.COMPLETED, RuntimeStatus.CONTINUED_AS_NEW])
def test_an_end_is_never_too_much(status: RuntimeStatus) -> None:
    made = draft(raised(), completed(status))
    assert ends(made)
    assert history_excess(made, Extent(events=101, size=0), LIMITS, "i1") is None
    assert not ends(draft(raised()))


DECISIONS: list[tuple[Any, str]] = [
    (
        e.TaskScheduled(timestamp=NO_TIME, event_id=0, name="a", input=LARGE),
        "The input of activity 'a' has 1,001 bytes",
    ),
    (
        e.SubOrchestrationCreated(
            timestamp=NO_TIME, event_id=0, name="o", instance_id="c", input=LARGE
        ),
        "The input of orchestrator 'o' has 1,001",
    ),
    (
        e.EventSent(timestamp=NO_TIME, event_id=0, instance_id="i2", name="n", input=LARGE),
        "What is sent to instance 'i2' has 1,001",
    ),
    (completed(RuntimeStatus.COMPLETED, LARGE), "The output of the orchestrator has 1,001"),
    (completed(RuntimeStatus.CONTINUED_AS_NEW, LARGE), "The next input of the orchestrator has"),
    (
        e.ExecutionStarted(
            timestamp=NO_TIME,
            instance=e.InstanceRef(instance_id="i1", execution_id="x1"),
            name="o",
            input=LARGE,
        ),
        "The input of orchestrator 'o' has 1,001",
    ),
]


@pytest.mark.parametrize(("event", "said"), DECISIONS)
def test_what_is_decided_has_a_limit(event: e.HistoryEvent, said: str) -> None:
    found = payload_excess(draft(raised(LARGE), event, fed=2), LIMITS.payload)
    assert isinstance(found, PayloadTooLarge)
    assert str(found).startswith(said)
    assert "at most 1,000 are allowed (maxPayloadBytes in host.json)" in str(found)
    assert LARGE not in str(found)


def test_what_arrived_was_read_and_so_can_be_written() -> None:
    timer = e.TimerCreated(timestamp=NO_TIME, event_id=0, fire_at=NO_TIME)
    assert payload_excess(draft(raised(LARGE), timer, fed=2), LIMITS.payload) is None
    # A decision of a kind that only .NET makes has no name of its own.
    odd = payload_excess(draft(raised(LARGE), fed=1), LIMITS.payload)
    assert str(odd).startswith("The data of a decision has 1,001 bytes")


def test_a_text_is_measured_in_utf_8() -> None:
    assert oversize(None, 10) is None
    assert oversize("x" * 10, 10) is None
    assert oversize("x" * 11, 10) == 11
    assert oversize("ä" * 5, 10) is None
    assert oversize("ä" * 6, 10) == 12
    assert oversize("\ud800" * 4, 10) == 12
    check_payload("x" * 10, 10, "it")
    with pytest.raises(PayloadTooLarge, match=r"^It has 11 bytes as JSON; at most 10 are"):
        check_payload("x" * 11, 10, "it")


def test_a_fan_out_of_all_actions_that_an_execution_may_ask_for_fits() -> None:
    decided = 100_000 + 2 * (100_000 / 97)
    answered = 100_000 + 2 * (100_000 / 97)
    assert decided + answered < DEFAULT_MAX_EVENTS
