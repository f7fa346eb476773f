"""Exceptions as data, and back: what crosses a process when an activity or a child fails."""

from __future__ import annotations

import builtins
import re
import sys
import traceback
from functools import lru_cache
from types import TracebackType
from typing import TypeGuard, TypeVar

from durable.errors import ActivityFailed, ChildFailed, EntityFailed, TaskFailed
from durable.model import events
from durable.model.failure import FailureDetails

Kind = TypeVar("Kind", bound=TaskFailed)

#: A traceback is kept from its end: where the error was raised says most.
MAX_TRACEBACK = 16 * 1024
#: An error's text is kept from its beginning: one of megabytes holds data, and fails nothing twice.
MAX_MESSAGE = 256 * 1024
MAX_CAUSES = 8
#: A class's full name is shorter. Each of a name's parts is looked up, whoever wrote it.
_MAX_CLASS_NAME = 1024

# Thrown into an orchestrator, or through the task it awaits, they would not be failures but ends:
# Python makes a RuntimeError of them, which nobody can catch as what failed.
_END_GENERATORS = (StopIteration, StopAsyncIteration)

# How an orchestrator sees failures that durable itself reports: without their type's name.
_OURS = "durable.errors."
_RAISED_HERE = (ActivityFailed, ChildFailed, EntityFailed)
# The original's Reason: "Activity function 'x' failed: Text", and from a Python worker
# "Activity function 'x' failed:  Type: text" (recorded.md section 1).
_REASON = re.compile(r"(?:Activity|Orchestrator) function '[^']*' failed:\s*(.*)", re.DOTALL)
_TYPED = re.compile(r"([A-Za-z_][\w.]*): (.*)", re.DOTALL)


def details_of(error: BaseException) -> FailureDetails:
    """`error` as data, with the chain of its causes."""
    return _details(error, MAX_CAUSES)


def _details(error: BaseException, left: int) -> FailureDetails:
    return FailureDetails(
        error_type=type_name(error),
        message=message_of(error),
        stack_trace=_trace(error),
        inner=_inner(error, left - 1) if left > 1 else None,
    )


def _inner(error: BaseException, left: int) -> FailureDetails | None:
    if isinstance(error, TaskFailed) and isinstance(error.failure, FailureDetails):
        return _cut(error.failure, left)
    cause = error.__cause__
    if cause is None and not error.__suppress_context__:
        cause = error.__context__
    return None if cause is None else _details(cause, left)


def _cut(failure: FailureDetails, left: int) -> FailureDetails:
    """`failure` with at most `left` links: retold at every level, a chain would only grow."""
    return FailureDetails(
        error_type=failure.error_type,
        message=failure.message,
        stack_trace=failure.stack_trace,
        inner=_cut(failure.inner, left - 1) if failure.inner is not None and left > 1 else None,
        is_non_retriable=failure.is_non_retriable,
        properties=failure.properties,
    )


def type_name(error: BaseException) -> str:
    """``module.QualName``; builtins without the module."""
    own: type[BaseException] = type(error)
    # A made class is also what was raised there; first comes what failed here (`_as_both`).
    kind = next((each for each in own.__mro__ if each in _RAISED_HERE), own)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )


def message_of(error: BaseException) -> str:
    """The exception's own text; its type's name when it has none or cannot tell it."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - a user's __str__ may do anything; the failure still counts
        text = ""
    text = _clean(text)
    if len(text) > MAX_MESSAGE:
        return text[:MAX_MESSAGE] + " ..."
    return text or type_name(error)


def _clean(text: str) -> str:
    # Lone surrogates cannot be stored as UTF-8.
    return text.encode("utf-8", "replace").decode()


def _trace(error: BaseException) -> str | None:
    frames = _users_part(error.__traceback__)
    text = _clean("".join(traceback.format_tb(frames)))
    if len(text) > MAX_TRACEBACK:
        return "...\n" + text[-MAX_TRACEBACK:].partition("\n")[2]
    return text or None


def _users_part(trace: TracebackType | None) -> TracebackType | None:
    """Without the frames of durable that lead to the user's code."""
    while trace is not None and is_ours(trace.tb_frame.f_globals):
        trace = trace.tb_next
    return trace


def is_ours(module_globals: dict[str, object]) -> bool:
    """Whether a frame with these globals runs durable's own code."""
    name = module_globals.get("__name__")
    return isinstance(name, str) and name.partition(".")[0] == "durable"


def activity_failed(name: str, event: events.TaskFailed) -> ActivityFailed:
    """What to raise where activity `name` is waited for."""
    failure = _recorded(event.reason, event.details, event.failure)
    message = f"Activity function '{name}' failed: {_shown(failure)}"
    return _make(ActivityFailed, failure, message, name, event.task_id)


def child_failed(name: str, event: events.SubOrchestrationFailed) -> ChildFailed:
    """What to raise where child orchestration `name` is waited for."""
    failure = _recorded(event.reason, event.details, event.failure)
    message = f"Orchestrator function '{name}' failed: {_shown(failure)}"
    return _make(ChildFailed, failure, message, name, event.task_id)


def entity_failed(
    entity: str, operation: str, failure: FailureDetails, task_id: int
) -> EntityFailed:
    """What to raise where `operation` of `entity` is waited for."""
    message = f"Operation '{operation}' of entity '{entity}' failed: {_shown(failure)}"
    return _make(EntityFailed, failure, message, entity, task_id)


def _shown(failure: FailureDetails) -> str:
    if failure.error_type.startswith(_OURS) or failure.error_type == "Exception":
        return failure.message
    if failure.message == failure.error_type:
        return failure.message
    return str(failure)


def _recorded(
    reason: str | None, details: str | None, failure: FailureDetails | None
) -> FailureDetails:
    """The failure as recorded; read from .NET's texts when there is no structure."""
    if failure is not None:
        return failure
    text = reason or "no reason was recorded"
    told = _REASON.fullmatch(text)
    if told is not None:
        text = told[1] or text
    typed = _TYPED.fullmatch(text)
    if typed is not None and typed[1].endswith(("Error", "Exception")):
        return FailureDetails(error_type=typed[1], message=typed[2], stack_trace=details)
    return FailureDetails(error_type="Exception", message=text, stack_trace=details)


def _make(kind: type[Kind], failure: FailureDetails, message: str, name: str, task_id: int) -> Kind:
    original = known_exception(failure.error_type)
    made: Kind | None = None
    if original is not None and not issubclass(kind, original):
        made = _as_both(kind, original, message)
    if made is None:
        return kind(message, name=name, task_id=task_id, failure=failure)
    # Around a __setattr__ of the user's class, and what OSError does in its __init__.
    vars(BaseException)["args"].__set__(made, (message,))
    made.__dict__.update(name=name, task_id=task_id, failure=failure)
    return made


def _as_both(kind: type[Kind], original: type[Exception], message: str) -> Kind | None:
    """An exception that is both `kind` and `original`; None where Python can't make one.

    The original's __new__ and __init__ don't run: they might do anything with what the wire says.
    """
    try:
        both = _both(kind, original)  # type: ignore[arg-type]  # classes are hashable
        # Exceptions with a layout of their own (OSError) insist on their builtin base's __new__.
        base = next(b for b in both.__mro__ if b.__module__ == "builtins")
        made: object = base.__new__(both, message)
    except Exception:  # noqa: BLE001 - layout conflicts, metaclasses and __init_subclass__ may object
        return None
    return made if isinstance(made, kind) else None


@lru_cache(maxsize=1024)
def _both(kind: type[TaskFailed], original: type[Exception]) -> type:
    return type(kind.__name__, (kind, original), {"__module__": kind.__module__})


def known_exception(name: str) -> type[Exception] | None:
    """The Exception class of that name among builtins and modules that are imported already.

    Nothing is imported, and no module's or class's own __getattr__ is asked.
    """
    if len(name) > _MAX_CLASS_NAME:
        return None
    parts = name.split(".")
    if len(parts) == 1:
        return _exception_in(vars(builtins), parts)
    for cut in range(len(parts) - 1, 0, -1):
        module = sys.modules.get(".".join(parts[:cut]))
        if module is None:
            continue
        try:
            # object's own: a lazy module would load itself when asked.
            found = object.__getattribute__(module, "__dict__")
        except AttributeError:
            continue
        return _exception_in(found, parts[cut:])
    return None


def _exception_in(namespace: object, path: list[str]) -> type[Exception] | None:
    for part in path[:-1]:
        inner = namespace.get(part) if isinstance(namespace, dict) else None
        if not _is_class(inner):
            return None
        namespace = dict(vars(inner))
    found = namespace.get(path[-1]) if isinstance(namespace, dict) else None
    if not _is_class(found) or not issubclass(found, Exception):
        return None
    return None if issubclass(found, _END_GENERATORS) else found


def _is_class(value: object) -> TypeGuard[type]:
    # By its own type: isinstance would ask what only stands for a class (a mock, a lazy object) for
    # its `__class__`, somebody's code, and believe the answer.
    return issubclass(type(value), type)
