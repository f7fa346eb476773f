"""What the recorded apps were made of: orchestrators and activities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from datetime import timedelta
from functools import partial
from typing import Any, cast

from durable.errors import ChildFailed
from durable.model.failure import FailureDetails
from durable.model.retry import RetryOptions

Steps = Generator[Any, Any, Any]


class InvalidOperationException(Exception):
    """What the recorded apps raised; its name is part of what is compared."""

    __module__ = "System"


def hello_sequence(context: Any) -> Steps:
    tokyo = yield context.call_activity("say_hello", "Tokyo")
    seattle = yield context.call_activity("say_hello", "Seattle")
    london = yield context.call_activity("say_hello", "London")
    return [tokyo, seattle, london]


def timer_of(seconds: float, output: str) -> Callable[[Any], Steps]:
    def steps(context: Any) -> Steps:
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=seconds))
        return output

    return steps


def race(seconds: float, activity: str, value: str) -> Callable[[Any], Steps]:
    def steps(context: Any) -> Steps:
        timer = context.create_timer(context.current_utc_datetime + timedelta(seconds=seconds))
        work = context.call_activity(activity, value)
        winner = yield context.task_any([timer, work])
        assert winner is work
        timer.cancel()
        return "activity"

    return steps


def waits_for(event: str) -> Callable[[Any], Steps]:
    def steps(context: Any) -> Steps:
        return (yield context.wait_for_external_event(event))

    return steps


def echo_input(context: Any) -> Any:
    return context.get_input()


def late_wait(context: Any) -> Steps:
    yield context.call_activity("sleep", 2000)
    return (yield context.wait_for_external_event("Approval"))


def wait_event_timeout(context: Any) -> Steps:
    timer = context.create_timer(context.current_utc_datetime + timedelta(seconds=2))
    winner = yield context.task_any([context.wait_for_external_event("go"), timer])
    assert winner is timer
    return "timeout: Event go not received in 00:00:02"


def calls(activity: str) -> Callable[[Any], Steps]:
    def steps(context: Any) -> Steps:
        return (yield context.call_activity(activity, context.get_input()))

    return steps


def calls_with(activity: str, value: Any) -> Callable[[Any], Steps]:
    def steps(context: Any) -> Steps:
        return (yield context.call_activity(activity, value))

    return steps


def parent_default(context: Any) -> Steps:
    return (yield context.call_sub_orchestrator("child", 21))


def parent(context: Any) -> Steps:
    first = yield context.call_sub_orchestrator("child", "auto")
    second = yield context.call_sub_orchestrator(
        "child", "explicit", f"{context.instance_id}-explicit"
    )
    return [first, second]


def tags_status(context: Any) -> Steps:
    context.set_custom_status({"phase": "one"})
    yield context.call_activity("say_hello", "Tokyo")
    context.set_custom_status("phase two")
    yield context.call_activity("say_hello", "Seattle")
    return "ok"


def tags_sub(context: Any) -> Steps:
    call = context.call_sub_orchestrator("child", 5, "tagchild")
    # The Python API gives a child no tags of its own; the engine can.
    call.make_action = partial(call.make_action, tags={"sub": "t"})
    return (yield call)


def parent_child_fails(context: Any) -> Steps:
    child = f"failchild-{context.instance_id}"
    try:
        yield context.call_sub_orchestrator("failing_orch", 1, child)
    except ChildFailed as error:
        return f"caught: {cast(FailureDetails, error.failure).message}"


def parent_of_failing(context: Any) -> Steps:
    return (yield context.call_sub_orchestrator("fail_activity", "kid"))


def failing(text: str) -> Callable[[Any], Any]:
    def raises(context: Any) -> Any:
        raise InvalidOperationException(text)

    return raises


def retries(context: Any) -> Steps:
    options = RetryOptions(1000, 5)
    return (yield context.call_activity_with_retry("flaky", options, context.instance_id))


def again(activity: str, prefix: str = "") -> Callable[[Any], Steps]:
    def steps(context: Any) -> Steps:
        number = context.get_input()
        yield context.call_activity(activity, f"{prefix}{number}" if prefix else number)
        if number == 3:
            return number
        context.continue_as_new(number + 1)

    return steps


def can_events(context: Any) -> Steps:
    number = context.get_input()
    event = yield context.wait_for_external_event("next")
    if number == 3:
        return [number, event]
    context.continue_as_new(number + 1)


def custom_status(context: Any) -> Steps:
    context.set_custom_status({"step": 1})
    yield context.call_activity("hello", "one")
    context.set_custom_status([1, 2, 3])
    yield context.wait_for_external_event("go")
    return "done"


def guid_time(context: Any) -> Steps:
    first, second = context.new_guid(), context.new_guid()
    yield context.call_activity("hello", "x")
    return [context.instance_id, str(first), str(second), str(context.new_guid())]


def fails(prefix: str = "") -> Callable[[Any], Any]:
    def activity(text: str) -> Any:
        raise InvalidOperationException(prefix + text)

    return activity


def flaky(output: Any) -> Callable[[Any], Any]:
    counts: Counter[str] = Counter()

    def activity(key: str) -> Any:
        counts[key] += 1
        if counts[key] < 3:
            raise InvalidOperationException(f"flaky failure {counts[key]}")
        return output

    return activity


def rewindable(*calls: tuple[str, str], joined: bool = False) -> Callable[[Any], Steps]:
    """Two activities, one after the other; the second fails until it is made good."""

    def steps(context: Any) -> Steps:
        found = []
        for name, value in calls:
            found.append((yield context.call_activity(name, value)))
        return "".join(found) if joined else found

    return steps


def rewind_parent(context: Any) -> Steps:
    return (yield context.call_sub_orchestrator("rewindable", None, f"{context.instance_id}-kid"))


def echoes_then_fails(context: Any) -> Steps:
    """A first generation with more rows than the second, which fails."""
    if context.get_input() == 2:
        return (yield context.call_activity("fail_once", "x"))
    for number in range(6):
        yield context.call_activity("echo", number)
    context.continue_as_new(2)


def fails_once(text: str, output: str) -> Callable[[Any], Any]:
    counts: Counter[str] = Counter()

    def activity(key: str) -> Any:
        counts[key] += 1
        if counts[key] == 1:
            raise InvalidOperationException(text)
        return output

    return activity


def hello(name: str) -> str:
    return f"Hello {name}!"
