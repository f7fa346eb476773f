"""What a flow needs of its client: events in time, and that what is broken gets fixed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tests.simulation.workflows.steps import Call, Child, Collect, Flow, Mode, Single


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """An event to send: to which child (or the instance itself), by what name, which one.

    Without a name: the child is terminated, once it waits. `is_idle`: the instance may end without
    it.
    """

    target: str
    name: str
    number: int
    is_idle: bool


def events_of(flow: Flow, target: str = "") -> list[Event]:
    """The events that a flow and its children wait for."""
    found: list[Event] = []
    counts: Counter[str] = Counter()
    for step in flow.steps:
        match step:
            case Collect(name=name):
                found.append(Event(target=target, name=name, number=counts[name], is_idle=False))
                counts[name] += 1
            case Single(name=name):
                found.append(Event(target=target, name=name, number=0, is_idle=True))
            case Child(flow=inner, own_id=True):
                found += events_of(inner, inner.name)
                if step.doomed:
                    found.append(Event(target=inner.name, name="", number=0, is_idle=False))
            case _:
                pass
    return found


def fixable_in(flow: Flow) -> set[str]:
    """The keys of the activities that only a fix lets succeed."""
    found: set[str] = set()
    for generation, body in enumerate(flow.bodies):
        for number, step in enumerate(body):
            found |= _fixable(step, f"{flow.name}.g{generation}.{number}")
    return found


def _fixable(step: object, key: str) -> set[str]:
    match step:
        case Call(mode=Mode.FIXABLE):
            return {key}
        case Child(flow=flow):
            return fixable_in(flow)
        case _:
            steps = getattr(step, "steps", ())
            return {each for n, inner in enumerate(steps) for each in _fixable(inner, f"{key}.{n}")}
