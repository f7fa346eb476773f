"""What one checkpoint has no room to send waits in the entity's state, in order."""

from __future__ import annotations

from datetime import UTC, datetime

from durable.engine.entity_batch import (
    BatchLimits,
    Conclusion,
    conclude,
    is_forgettable,
    plan,
    sends_of,
)
from durable.model.entities import (
    Continue,
    OperationRequest,
    OperationResult,
    OrchestrationStart,
    Outgoing,
    Response,
    SchedulerState,
    Signal,
)
from durable.model.failure import FailureDetails
from durable.model.ids import EntityId

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
SELF, OTHER = EntityId("counter", "a"), EntityId("counter", "b")
LIMITS = BatchLimits(sends=3)
CALL = OperationRequest(op="add", id="c1", parent="caller", parent_execution="x")
SIGNAL = OperationRequest(op="add", id="s1", is_signal=True)
BROKEN = FailureDetails(error_type="ValueError", message="no")


def result(count: int, *, size: int = 1) -> OperationResult:
    effects = tuple(Signal(target=OTHER, op=f"op{n}", input="x" * size) for n in range(count))
    return OperationResult(state="1", result="2", effects=effects)


def turn(
    state: SchedulerState,
    arrived: list[OperationRequest],
    results: list[OperationResult],
    limits: BatchLimits = LIMITS,
) -> Conclusion:
    planned = plan(state, arrived, now=NOON, limits=limits)
    return conclude(planned, results, entity=SELF, execution_id="e", now=NOON, limits=limits)


def sent(conclusion: Conclusion) -> list[str]:
    names: list[str] = []
    for send in conclusion.sends:
        match send:
            case Outgoing(message=OperationRequest() as request):
                names.append(str(request.op))
            case Outgoing(message=message):
                names.append(type(message).__name__)
            case OrchestrationStart():
                names.append(send.name)
    return names


def test_what_fits_leaves_at_once() -> None:
    concluded = turn(SchedulerState(), [SIGNAL], [result(3)])
    assert sent(concluded) == ["op0", "op1", "op2"]
    assert concluded.state.outbox == ()


def test_what_does_not_fit_leaves_with_the_next_turns_in_order() -> None:
    concluded = turn(SchedulerState(), [CALL], [result(7)])
    seen = [sent(concluded)]
    while concluded.state.outbox:
        assert not is_forgettable(concluded.state, now=NOON)
        concluded = turn(concluded.state, [], [])
        seen.append(sent(concluded))
    assert seen == [
        ["op0", "op1", "op2", "Continue"],
        ["op3", "op4", "op5", "Continue"],
        ["op6", "Response"],
    ]
    assert concluded.state.state == "1"


def test_the_outbox_goes_before_what_is_new() -> None:
    first = turn(SchedulerState(), [SIGNAL], [result(4)])
    concluded = turn(first.state, [SIGNAL], [result(1)])
    assert sent(concluded) == ["op3", "op0"]


def test_long_texts_fill_a_checkpoint_too() -> None:
    limits = BatchLimits(characters=10_000)
    concluded = turn(SchedulerState(), [SIGNAL], [result(4, size=5_000)], limits)
    assert sent(concluded) == ["op0", "Continue"]
    assert len(concluded.state.outbox) == 3
    # One that is larger than all the room there is leaves alone.
    limits = BatchLimits(characters=100)
    concluded = turn(SchedulerState(), [CALL], [result(0)], limits)
    assert sent(concluded) == ["Response"]


def test_every_kind_of_text_counts() -> None:
    failed = OperationResult(state=None, failure=FailureDetails(error_type="E", message="x" * 900))
    started = OperationResult(
        state=None, effects=(OrchestrationStart(name="o", input="x" * 900),) * 2
    )
    limits = BatchLimits(characters=2_500)
    second = OperationRequest(op="b", id="s2", is_signal=True)
    concluded = turn(SchedulerState(), [CALL, second], [failed, started], limits)
    assert sent(concluded) == ["Response", "Continue"]
    assert len(concluded.state.outbox) == 2


def test_how_many_messages_come_of_an_operation() -> None:
    assert sends_of(CALL, result(2)) == 3
    assert sends_of(SIGNAL, result(2)) == 2
    assert sends_of(CALL, OperationResult(state=None, failure=BROKEN, effects=())) == 1
    assert sends_of(OperationRequest(op="x", id="c"), result(1)) == 1  # a client's: nobody waits


def test_a_turn_with_work_left_over_and_a_full_outbox_wakes_itself_once() -> None:
    planned = plan(SchedulerState(), [CALL, SIGNAL], now=NOON, limits=LIMITS)
    concluded = conclude(
        planned, [result(5)], entity=SELF, execution_id="e", now=NOON, limits=LIMITS
    )
    assert [type(s.message) for s in concluded.sends if isinstance(s, Outgoing)].count(
        Continue
    ) == 1
    assert concluded.state.queue == (SIGNAL,)
    assert isinstance(concluded.state.outbox[-1], Outgoing)
    assert isinstance(concluded.state.outbox[-1].message, Response)
