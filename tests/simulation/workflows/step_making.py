"""Random steps. Each case draws from some kinds only, so that some get many of one kind."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation.workflows.steps import (
    All,
    Ask,
    Call,
    Collect,
    First,
    Locked,
    Manner,
    Mode,
    Never,
    Signal,
    Single,
    Status,
    Step,
    Timer,
)

#: Over what a message holds, and over what a column holds (UTF-16).
LARGE = (46_200, 31_000, 70_000)
ENTITIES = ("counter0", "counter1", "log0")
_KINDS = (
    "call",
    "collect",
    "collect",
    "flaky",
    "hopeless",
    "large",
    "slow",
    "timer",
    "collect",
    "single",
    "child",
    "ask",
    "all",
    "first",
    "signal",
    "locked",
    "status",
    "begin",
)


@dataclass(kw_only=True)
class Place:
    """Where a step would stand."""

    name: str  # of the flow
    depth: int = 0
    in_task: bool = False  # inside a task_all or task_any
    in_lock: bool = False
    events: bool = True  # there is a client who knows the instance
    rewinds: bool = False  # what nobody waits for would be done again


class StepMaker(ABC):
    """Draws steps, for one case."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(f"case {seed}")
        self.seed = seed
        self.left = self.dice.choice((6, 12, 18, 24))  # so many steps in all
        self.names = 0
        wanted = self.dice.randint(2, 7)
        self.kinds = ["call", *self.dice.sample(_KINDS, wanted)]
        self.makers: dict[str, Callable[[Place], Step | None]] = {
            "call": lambda _: Call(),
            "flaky": lambda _: Call(mode=Mode.FLAKY, fails=self.dice.randint(1, 3)),
            "hopeless": lambda place: None if place.in_task else Call(mode=Mode.HOPELESS),
            "large": lambda _: Call(size=self.dice.choice(LARGE)),
            "slow": lambda _: Call(slow=self.dice.choice((0.2, 1.0, 3.0, 8.0))),
            "timer": lambda _: Timer(seconds=self.dice.choice((0.0, 0.4, 2.0, 9.0))),
            "collect": self._collect,
            "single": self._single,
            "child": self._child,
            "ask": self._ask,
            "all": self._all,
            "first": self._first,
            "signal": self._signal,
            "locked": self._locked,
            "status": self._status,
            "begin": self._begin,
        }

    def _size(self) -> int:
        return self.dice.choice((0, 0, 0, 0, 0, 0, 0, *LARGE))

    @abstractmethod
    def _child(self, place: Place) -> Step | None:
        """A sub-orchestration."""

    @abstractmethod
    def _begin(self, place: Place) -> Step | None:
        """An orchestration that an entity starts."""

    def _step(self, place: Place) -> list[Step]:
        """One more step; none when what was drawn can't stand there."""
        step = self.makers[self.dice.choice(self.kinds)](place)
        if step is None:
            return []
        self.left -= 1
        return [step]

    def _tasks(self, place: Place) -> tuple[Step, ...]:
        inner = Place(
            name=place.name,
            depth=place.depth,
            in_task=True,
            in_lock=place.in_lock,
            events=place.events,
            rewinds=place.rewinds,
        )
        found = [each for _ in range(self.dice.choice((2, 3, 5, 9))) for each in self._step(inner)]
        return tuple(found) or (Call(),)

    # The makers: each gives a step, or None where it can't stand.

    def _collect(self, place: Place) -> Step | None:
        if place.in_task or not place.events:
            return None
        return Collect(name=self.dice.choice(("E", "F")))

    def _single(self, place: Place) -> Step | None:
        if not place.events:
            return None
        self.names += 1
        return Single(name=f"S{self.names}")

    def _ask(self, place: Place) -> Step | None:
        if place.in_lock:
            return None
        manner = Manner.SPOIL if not place.in_task and self.dice.random() < 0.2 else Manner.ADD
        return Ask(
            entity=self.dice.choice(ENTITIES),
            amount=self.dice.randint(1, 9),
            manner=manner,
            size=self._size(),
        )

    def _all(self, place: Place) -> Step | None:
        if place.in_task:
            return None
        if self.dice.random() < 0.04:
            # More than one checkpoint holds.
            return All(steps=(Call(),) * self.dice.randint(100, 130))
        steps = self._tasks(place)
        caught = not place.rewinds and self.dice.random() < 0.2
        if caught:
            steps = (*steps, Call(mode=Mode.HOPELESS))
        return All(steps=steps, caught=caught)

    def _first(self, place: Place) -> Step | None:
        if place.in_task or place.rewinds:
            return None
        if self.dice.random() < 0.4:
            return First(steps=(Never(), Timer(seconds=self.dice.choice((0.4, 5.0)))), sure=1)
        return First(steps=self._tasks(place))

    def _signal(self, place: Place) -> Step | None:
        if place.in_task:
            return None
        return Signal(
            entity=self.dice.choice(ENTITIES),
            amount=self.dice.randint(1, 9),
            delay=self.dice.choice((0.0, 0.0, 0.0, 5.0)),
            hops=self.dice.choice((0, 0, 0, 1, 3)),
            size=self._size(),
        )

    def _locked(self, place: Place) -> Step | None:
        if place.in_task or place.in_lock:
            return None
        accounts = self._accounts()
        # What is done again there, by a rewind, has no effects.
        inside = Place(name=place.name, depth=place.depth, in_lock=True, events=place.events)
        steps = tuple(
            each for _ in range(self.dice.choice((0, 1, 2))) for each in self._step(inside)
        )
        deltas = tuple(self.dice.randint(-5, 9) for _ in accounts)
        return Locked(accounts=accounts, deltas=deltas, inside=steps)

    def _accounts(self) -> tuple[int, ...]:
        return tuple(self.dice.sample(range(3), self.dice.randint(1, 3)))

    def _status(self, place: Place) -> Step | None:
        if place.in_task:
            return None
        self.names += 1
        return Status(value=f"status {self.names}")
