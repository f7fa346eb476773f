"""What a random case is made of: what befalls instances and entities, and what clients do."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from tests.simulation.workflows.steps import Begin, Child, Flow, Step


class End(enum.StrEnum):
    """What becomes of a run."""

    BY_ITSELF = "by itself"
    TERMINATED = "terminated"  # while it waits for what never comes
    CUT_SHORT = "cut short"  # terminated at any moment: it may have ended
    REWOUND = "rewound"
    REPLACED = "replaced"  # by the next run, while it waits for what never comes


class Next(enum.StrEnum):
    """What its client does with the ended run before the next one, or at last."""

    NOTHING = "nothing"
    PURGE = "purge"


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One start of an instance.

    Attributes:
        flow: what it does.
        end: what becomes of it.
        then: what comes after its end.
        delay: it is scheduled, so many seconds ahead.
        suspended: the client lets it stand still for a while.
        pauses: the client's pauses before what it does, in seconds, as often as needed.
        size: so many characters go along with each event.
    """

    flow: Flow
    end: End = End.BY_ITSELF
    then: Next = Next.NOTHING
    delay: float = 0.0
    suspended: bool = False
    pauses: tuple[float, ...] = (0.0,)
    size: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Story:
    """What befalls one instance id: its runs, one after the other."""

    instance_id: str
    runs: tuple[Run, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What a client tells an entity."""

    entity: str
    token: str
    amount: int
    pause: float = 0.0
    delay: float = 0.0
    size: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """All that happens in one hub.

    Attributes:
        seed: what it was made from.
        stories: what befalls instances.
        told: what a client tells entities.
        looks: the entities that a client looks at.
        cleans: a client cleans up after entities so often, while all this goes on.
    """

    seed: int
    stories: tuple[Story, ...]
    told: tuple[Told, ...] = ()
    looks: tuple[str, ...] = ()
    cleans: int = 0


def steps_of(case: Case) -> Iterator[Step]:
    """All steps of a case, those of children included."""
    for story in case.stories:
        for run in story.runs:
            yield from _deep(run.flow)


def _deep(flow: Flow) -> Iterator[Step]:
    for step in flow.steps:
        yield step
        if isinstance(step, Child | Begin):
            yield from _deep(step.flow)
