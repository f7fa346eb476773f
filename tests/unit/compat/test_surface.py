"""Every public member of azure-functions-durable 1.7's classes is here, or is listed with a reason.

`surface_1_7.json` was made from the installed 1.7.0 by reflection: class, member, and what it is.
"""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import durable as df
from durable.authoring.history_items import HistoryEvent, HistoryEventType
from durable.engine import tasks
from durable.engine.agenda import Agenda
from durable.testing import completed_task

SURFACE: Mapping[str, Mapping[str, str]] = json.loads(
    (Path(__file__).parent / "surface_1_7.json").read_text(encoding="utf-8")
)
_WIRE = "part of the 1.x wire between SDK and Durable extension; there is no extension"
_INNER = "how 1.7's replay finishes tasks; ours has its own, and set_value for both"
_AGENTS = "OpenAI Agents are no part of durable"
_MADE_BY_CONTEXT = "a context makes tasks, users' tests make durable.testing.completed_task(...)"

#: Classes that are missing as a whole.
ABSENT = {
    "DurableHttpRequest": "call_http makes it; nothing an app calls takes or gives one",
}
#: Members that are missing or different, and why.
DELIBERATE: dict[tuple[str, str], str] = {
    ("DurableOrchestrationContext", "__init__"): _WIRE,
    ("DurableEntityContext", "__init__"): _WIRE,
    ("DurableOrchestrationContext", "current_utc_datetime"): (
        "set by the engine alone: replay would not set it again; a mock takes it"
    ),
    ("DurableOrchestrationClient", "__init__"): "made from a hub, not from the extension's binding",
    ("DFApp", "durable_openai_agent_orchestrator"): _AGENTS,
    ("Blueprint", "durable_openai_agent_orchestrator"): _AGENTS,
    ("Orchestrator", "handle"): _WIRE,
    ("Entity", "handle"): _WIRE,
    ("HistoryEvent", "__init__"): "made of a typed row",
    ("HistoryEvent", "is_processed"): "1.7's replay notes there what it has seen; ours needs none",
    ("LongTimerTask", "get_next_timer_task"): _INNER,
    ("LongTimerTask", "add_new_child"): _INNER,
    ("LongTimerTask", "children"): "the parts of a long timer are the engine's",
    ("LongTimerTask", "pending_tasks"): "the parts of a long timer are the engine's",
    ("LongTimerTask", "completed_tasks"): "the parts of a long timer are the engine's",
    ("LongTimerTask", "try_set_value"): _INNER,
    ("RetryAbleTask", "children"): "attempts are made one by one, and the engine's",
    ("RetryAbleTask", "pending_tasks"): "attempts are made one by one, and the engine's",
    ("RetryAbleTask", "completed_tasks"): "attempts are made one by one, and the engine's",
    ("RetryAbleTask", "try_set_value"): _INNER,
    **{(each, "try_set_value"): _INNER for each in ("CompoundTask", "WhenAllTask", "WhenAnyTask")},
    **{
        (each, member): reason
        for each in tasks.__all__
        if each != "TaskState"
        for member, reason in {
            "__init__": _MADE_BY_CONTEXT,
            "action_repr": _WIRE,
            "is_played": "a row is replayed or not, which context.is_replaying tells",
            "set_is_played": _INNER,
            "change_state": _INNER,
            "propagate": _INNER,
        }.items()
    },
}


def find_class(name: str) -> type | None:
    places: tuple[Any, ...] = (df, tasks)
    extra = {"HistoryEvent": HistoryEvent, "HistoryEventType": HistoryEventType}
    found = extra.get(name) or next(
        (getattr(place, name) for place in places if hasattr(place, name)), None
    )
    return found if isinstance(found, type) else None


def an_instance(name: str) -> object:
    """One to look for attributes in, of the classes that have attributes."""
    agenda = Agenda()
    made: dict[str, Callable[[], object]] = {
        "TaskBase": completed_task,
        "AtomicTask": lambda: tasks.TimerTask(agenda, datetime(2024, 1, 1, tzinfo=UTC)),
        "TimerTask": lambda: tasks.TimerTask(agenda, datetime(2024, 1, 1, tzinfo=UTC)),
        "LongTimerTask": lambda: tasks.LongTimerTask(agenda, datetime(2024, 1, 1, tzinfo=UTC)),
        "CompoundTask": lambda: tasks.WhenAllTask([]),
        "WhenAllTask": lambda: tasks.WhenAllTask([]),
        "WhenAnyTask": lambda: tasks.WhenAnyTask([]),
        "RetryAbleTask": lambda: tasks.RetryAbleTask(agenda, df.RetryOptions(1, 1), completed_task),
        "EntityId": lambda: df.EntityId("n", "k"),
        "DurableOrchestrationStatus": df.DurableOrchestrationStatus,
        "HistoryEvent": lambda: None,
    }
    return made[name]()


def difference(kind: type, name: str, member: str, told: str) -> str | None:
    """What a caller written for 1.7 would trip over; None for nothing."""
    if told == "attribute":
        return None if hasattr(an_instance(name), member) else "is missing"
    if not hasattr(kind, member):
        return "is missing"
    found = inspect.getattr_static(kind, member)
    if told.startswith("property"):
        if callable(found):
            return "is no property"
        settable = not isinstance(found, property) or found.fset is not None
        return "cannot be set" if told.endswith("settable") and not settable else None
    if told == "value":
        return None
    how, _, signature = told.rpartition("(")
    how = how.strip()
    is_async = inspect.iscoroutinefunction(found)
    if is_async is not (how == "async"):
        return f"is {'' if is_async else 'not '}async"
    if how in {"classmethod", "staticmethod"} and type(found).__name__ != how:
        return f"is no {how}"
    function = found.__func__ if isinstance(found, classmethod | staticmethod) else found
    return signature_difference(function, f"({signature}", bound=how != "staticmethod")


def signature_difference(function: Any, told: str, *, bound: bool) -> str | None:
    """Parameters of 1.7 must be here in the same order, by the same names, no less optional."""
    ours = list(inspect.signature(function).parameters.values())[1 if bound else 0 :]
    parsed = ast.parse(f"def f{told}: ...").body[0]
    assert isinstance(parsed, ast.FunctionDef)
    theirs = [each.arg for each in parsed.args.args]
    needed = len(theirs) - len(parsed.args.defaults)
    named = [each.name for each in ours if each.kind is each.POSITIONAL_OR_KEYWORD]
    if named[: len(theirs)] != theirs:
        return f"takes {named} instead of {theirs}"
    if parsed.args.kwarg and not any(each.kind is each.VAR_KEYWORD for each in ours):
        return "takes no other keywords"
    for number, each in enumerate(ours):
        is_needed = each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD
        if is_needed and number >= needed:
            return f"needs {each.name}"
    return None


def differences(name: str) -> dict[tuple[str, str], str]:
    kind = find_class(name)
    assert kind is not None, f"durable has no {name}"
    found = {
        (name, member): difference(kind, name, member, told)
        for member, told in SURFACE[name].items()
    }
    return {at: text for at, text in found.items() if text is not None}


@pytest.mark.parametrize("name", [name for name in SURFACE if name not in ABSENT])
def test_a_class_has_what_it_has_in_1_7(name: str) -> None:
    found = differences(name)
    listed = {at for at in DELIBERATE if at[0] == name}
    assert {at: text for at, text in found.items() if at not in listed} == {}
    # What is listed as different really is; a reason that no longer holds must go.
    assert listed - set(found) == set()


@pytest.mark.parametrize("name", ABSENT)
def test_a_class_that_is_listed_as_absent_is(name: str) -> None:
    assert find_class(name) is None


def test_defaults_are_1_7s() -> None:
    for name, members in SURFACE.items():
        kind = find_class(name)
        for member, told in members.items():
            if kind is None or (name, member) in DELIBERATE or "=" not in told:
                continue
            parsed = ast.parse(f"def f({told.partition('(')[2]}: ...").body[0]
            assert isinstance(parsed, ast.FunctionDef)
            ours = inspect.signature(getattr(kind, member)).parameters
            defaults = parsed.args.defaults
            for argument, default in zip(parsed.args.args[-len(defaults) :], defaults, strict=True):
                if isinstance(default, ast.Constant):
                    assert ours[argument.arg].default == default.value, (name, member)


def test_numbers_and_names_of_enumerations_are_1_7s() -> None:
    assert {each.name: each.value for each in tasks.TaskState} == {
        "RUNNING": 0,
        "SUCCEEDED": 1,
        "FAILED": 2,
    }
    assert all(each.name == each.value for each in df.OrchestrationRuntimeStatus)
    assert HistoryEventType.EXECUTION_RESUMED.value == 20
    assert [int(each) for each in HistoryEventType] == list(range(22))
