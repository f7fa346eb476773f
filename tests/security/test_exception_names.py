"""Names of classes on the wire: they choose nothing, import nothing, call nothing."""

from __future__ import annotations

import asyncio
import builtins
import json
import sys
import types
from collections.abc import Generator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, strategies as st

from durable.engine.failures import activity_failed, known_exception
from durable.errors import ActivityFailed, CorruptRecord, EngineBug, Unavailable
from durable.model.events import TaskFailed
from durable.model.failure import FailureDetails
from durable.model.messages import TaskMessage
from durable.model.status import RuntimeStatus
from durable.wire.envelopes import decode_message, encode_message
from durable.wire.payloads import decode
from tests.hub_lab import Lab, in_virtual_time

Steps = Generator[Any, Any, Any]
NAMES = (
    "os.system",
    "builtins.eval",
    "eval",
    "__import__",
    "subprocess.Popen",
    "subprocess.Popen.__init__",
    "__main__.X",
    "antigravity.fly",
    "SystemExit",
    "KeyboardInterrupt",
    "GeneratorExit",
    "BaseException",
    "BaseExceptionGroup",
    "StopIteration",
    "StopAsyncIteration",
    "asyncio.CancelledError",
    "asyncio.exceptions.CancelledError",
    "object",
    "type",
    "int",
    "ValueError.__class__",
    "ValueError.mro",
    "ValueError.__base__",
    "builtins.ValueError.__mro__",
    "builtins.__dict__.ValueError",
    "sys.modules.builtins.ValueError",
    "durable.errors.__builtins__.ValueError",
    "..ValueError",
    ".",
    "",
    "ValueError\0",
    "ValueError()",
    "ValueError, mscorlib, Version=4.0.0.0",
    "a" * 100_000,
    ".".join("a" * 500_000),  # as many modules to look for
    "System.Diagnostics.Process",
    "xml.etree.nowhere.ParseError",
)


class TrapError(Exception):
    """What it costs to be named: nothing may run of it but its class's making."""

    ran: list[str] = []

    def __new__(cls, *args: Any) -> Any:
        cls.ran.append("new")
        return super().__new__(cls, *args)

    def __init__(self, *args: Any) -> None:
        self.ran.append("init")
        super().__init__(*args)

    def __setattr__(self, name: str, value: object) -> None:
        self.ran.append("setattr")


class _Lazy:
    """As Django's and werkzeug's objects are: asked for its class, it loads something."""

    asked: list[str] = []

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        self.asked.append("class")
        return type


@pytest.fixture
def named() -> Iterator[types.ModuleType]:
    """A module that was imported, with things in it that are no exceptions, or strange ones."""

    class Module(types.ModuleType):
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"asked for {name}")

    module: Any = Module("named_on_the_wire")
    module.lazy = _Lazy()
    module.mocked = mock.Mock(spec=type)
    module.TrapError = TrapError
    module.function = asyncio.run
    module.value = ValueError("x")
    sys.modules["named_on_the_wire"] = module
    yield module
    del sys.modules["named_on_the_wire"]
    _Lazy.asked.clear()
    TrapError.ran.clear()


def _failed(name: str) -> ActivityFailed:
    details = FailureDetails(error_type=name, message="m", stack_trace=None, inner=None)
    event = TaskFailed(
        timestamp=datetime(2026, 1, 1, tzinfo=UTC), task_id=3, reason="m", failure=details
    )
    return activity_failed("x", event)


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_hostile_name_is_no_class_and_imports_nothing(name: str) -> None:
    before = set(sys.modules)
    error = _failed(name)
    assert type(error) is ActivityFailed
    assert known_exception(name) is None
    assert error.failure.error_type == name
    assert set(sys.modules) == before


@given(st.one_of(st.text(max_size=30), st.from_regex(r"[a-z_.]{1,30}", fullmatch=True)))
def test_any_name_is_an_exception_class_or_nothing(name: str) -> None:
    before = set(sys.modules)
    found = known_exception(name)
    assert found is None or Exception in found.__mro__
    assert set(sys.modules) == before


def test_every_builtin_by_its_name() -> None:
    for name, value in vars(builtins).items():
        found = known_exception(name)
        catchable = isinstance(value, type) and issubclass(value, Exception)
        ends = name in {"StopIteration", "StopAsyncIteration"}
        assert found is (value if catchable and not ends else None), name


def test_what_only_looks_like_a_class_is_not_asked(named: types.ModuleType) -> None:
    for name in ("lazy", "mocked", "function", "value", "nothing", "lazy.X", "mocked.X"):
        assert known_exception(f"named_on_the_wire.{name}") is None
    assert not _Lazy.asked


def test_a_users_class_is_caught_by_but_never_called(named: types.ModuleType) -> None:
    TrapError.__module__ = "named_on_the_wire"
    error = _failed("named_on_the_wire.TrapError")
    assert isinstance(error, TrapError)
    assert isinstance(error, ActivityFailed)
    assert (str(error), error.task_id) == ("m", 3) or "failed" in str(error)
    assert not TrapError.ran


TYPES: tuple[object, ...] = (
    "os.system",
    "System.Diagnostics.Process, System",
    "builtins.eval",
    "",
    "x" * 10_000,
    7,
    {},
)


@pytest.mark.parametrize("kind", TYPES, ids=range(len(TYPES)))
@in_virtual_time
async def test_type_members_of_a_message_choose_nothing(kind: object) -> None:
    lab = Lab()
    whole = json.loads(encode_message(lab.raised("E", 1)))
    before = set(sys.modules)

    def walk(found: Any) -> None:
        if isinstance(found, dict):
            members = list(found.values())
            found["$type"] = kind
            for member in members:
                walk(member)

    event_type = whole["TaskMessage"]["Event"]["$type"]
    walk(whole)
    # The event's own is looked up in a table of events' names; the others are not read at all.
    with pytest.raises(CorruptRecord, match=r"\$type"):
        decode_message(json.dumps(whole))
    whole["TaskMessage"]["Event"]["$type"] = event_type
    assert decode_message(json.dumps(whole)) == lab.raised("E", 1)
    assert set(sys.modules) == before


@pytest.mark.parametrize("module", ["os", "subprocess", "builtins", "durable.errors", "nowhere"])
def test_an_envelope_of_an_unknown_class_gives_its_data(module: str) -> None:
    before = set(sys.modules)
    for name in ("system", "Popen", "eval", "CorruptRecord", "__import__"):
        text = json.dumps({"__class__": name, "__module__": module, "__data__": "ls"})
        assert decode(text) == "ls"
    assert set(sys.modules) == before


def failing(context: Any) -> Steps:
    yield context.call_activity("echo", 1)
    raise AssertionError("the activity's failure was thrown in")


@pytest.mark.parametrize(
    "name",
    [
        "SystemExit",
        "KeyboardInterrupt",
        "GeneratorExit",
        "StopIteration",
        "StopAsyncIteration",
        "asyncio.CancelledError",
        "durable.errors.Unavailable",
        "durable.errors.Throttled",
        "durable.errors.NonDeterminismError",
        "durable.errors.VersionMismatch",
        "durable.errors.UnknownFunction",
        "durable.errors.EngineBug",
        "durable.errors.PreconditionFailed",
        "durable.errors.CorruptRecord",
        "TimeoutError",
        "MemoryError",
        "RecursionError",
    ],
)
@in_virtual_time
async def test_a_named_class_ends_only_the_instance_as_any_failure_does(name: str) -> None:
    """Neither the process, nor a retry of the engine's own, nor a wait for other code."""
    lab = Lab(failing)
    actor = await lab.actor()
    await lab.start("failing")
    await actor.deliver()
    [work] = await lab.account.queues.get(lab.hub.names.work_items, count=1, lease_seconds=60)
    asked = decode_message(work.text)
    details = FailureDetails(error_type=name, message="m", stack_trace=None, inner=None)
    event = TaskFailed(timestamp=lab.clock.now(), task_id=0, reason="m", failure=details)
    assert isinstance(asked, TaskMessage)
    await lab.put(replace(asked, event=event))
    began = lab.clock.monotonic()
    await lab.account.queues.delete(lab.hub.names.work_items, work.id, work.pop_receipt)
    await actor.drain()
    row = await lab.row()
    assert row.status is RuntimeStatus.FAILED
    assert "thrown in" not in (row.output or "")
    assert lab.clock.monotonic() - began < 60
    assert not await lab.quarantined()
    assert not [each for each in actor.refused if isinstance(each, Unavailable | EngineBug)]
