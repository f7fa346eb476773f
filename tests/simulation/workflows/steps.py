"""The steps that an orchestrator interprets, and flows of them, which are its input as JSON.

What a step does is in `interpreter`, what must come of it in `model`.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


class Mode(enum.StrEnum):
    """What an activity does."""

    OK = "ok"
    FLAKY = "flaky"  # it fails so often, and then it doesn't; it is tried again
    ONCE = "once"  # the same, and nobody tries it again but who tries the whole instance
    HOPELESS = "hopeless"  # it always fails, and the orchestrator catches that
    FIXABLE = "fixable"  # it fails until somebody fixes it, and nobody catches that


class Manner(enum.StrEnum):
    """How an entity is asked."""

    ADD = "add"
    SPOIL = "spoil"  # it fails: neither its state nor what it signals may be seen


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """An activity.

    `slow`: how many seconds it takes. `size`: so many characters go there and come back. `retried`:
    it is tried twice, though it is fixed only after that.
    """

    mode: Mode = Mode.OK
    fails: int = 0
    slow: float = 0.0
    size: int = 0
    retried: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Timer:
    """Wait."""

    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Collect:
    """The next event of a name, one of a numbered series."""

    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Single:
    """An event of a name that is used once."""

    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Never:
    """An event that nobody sends."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Child:
    """A sub-orchestration.

    `attempts`: it is tried so often. `caught`: it fails for good. `doomed`: a client terminates it.
    """

    flow: Flow
    own_id: bool = False
    attempts: int = 1
    caught: bool = False
    doomed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """An operation of an entity, and its answer. `size`: so many characters go along."""

    entity: str
    amount: int = 1
    manner: Manner = Manner.ADD
    size: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class All:
    """All of these at once. `caught`: one of them fails for good."""

    steps: tuple[Step, ...]
    caught: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class First:
    """The first of these. `sure`: which it is when nothing is late; -1: nobody can say."""

    steps: tuple[Step, ...]
    sure: int = -1


@dataclass(frozen=True, kw_only=True, slots=True)
class Signal:
    """An operation of an entity that nobody waits for. `hops`: handed on by so many others."""

    entity: str
    amount: int = 1
    delay: float = 0.0
    hops: int = 0
    size: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Locked:
    """Each account read and written, with the others locked. Between the two come `inside`.

    `fails`: it raises inside. `turns_over`: it continues as new inside.
    """

    accounts: tuple[int, ...]
    deltas: tuple[int, ...]
    inside: tuple[Step, ...] = ()
    fails: bool = False
    turns_over: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """The custom status."""

    value: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Begin:
    """An orchestration that an entity starts, and nobody waits for."""

    flow: Flow


@dataclass(frozen=True, kw_only=True, slots=True)
class Fail:
    """The orchestrator raises."""


Step = (
    Call
    | Timer
    | Collect
    | Single
    | Never
    | Child
    | Ask
    | All
    | First
    | Signal
    | Locked
    | Status
    | Begin
    | Fail
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow:
    """What one instance does: a body of steps for each of its generations.

    Attributes:
        name: unique in the case; what the steps do is known by it.
        bodies: steps, by generation.
        is_async: interpreted by an ``async def``.
        padding: so many characters go along in its inputs, and in its output.
    """

    name: str
    bodies: tuple[tuple[Step, ...], ...]
    is_async: bool = False
    padding: int = 0

    @property
    def steps(self) -> Iterator[Step]:
        """All steps, whatever their depth, without those of other instances."""
        for body in self.bodies:
            yield from _walk(body)


def _walk(steps: tuple[Step, ...]) -> Iterator[Step]:
    for step in steps:
        yield step
        if isinstance(step, All | First):
            yield from _walk(step.steps)
        elif isinstance(step, Locked):
            yield from _walk(step.inside)


#: Step and flow classes by the names that JSON has for them.
_KINDS: Mapping[str, type[Any]] = {
    each.__name__: each
    for each in (
        Call,
        Timer,
        Collect,
        Single,
        Never,
        Child,
        Ask,
        All,
        First,
        Signal,
        Locked,
        Status,
        Begin,
        Fail,
        Flow,
    )
}


def to_json(value: object) -> Any:
    """Steps and flows as JSON values. What is a default is left out."""
    if isinstance(value, tuple):
        return [to_json(each) for each in value]
    if not dataclasses.is_dataclass(value):
        return value
    found: dict[str, Any] = {"kind": type(value).__name__}
    for field in dataclasses.fields(value):
        content = getattr(value, field.name)
        if content != field.default:
            found[field.name] = to_json(content)
    return found


def from_json(value: Any) -> Any:
    """What `to_json` made."""
    if isinstance(value, list):
        return tuple(from_json(each) for each in value)
    if not isinstance(value, dict):
        return value
    kind = _KINDS[value["kind"]]
    return kind(**{name: from_json(each) for name, each in value.items() if name != "kind"})
