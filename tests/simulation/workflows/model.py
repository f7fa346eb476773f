"""What must come of a case, worked out in memory, without an engine.

Most outcomes are exact. Where a script races (a termination that comes at any moment, the first of
two activities) there is a range: so often at least, so often at most.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.workflows.plan import Case, End, Next, Run, Story
from tests.simulation.workflows.steps import (
    All,
    Ask,
    Begin,
    Call,
    Child,
    Collect,
    Fail,
    First,
    Flow,
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

REASON = "enough"
_MANY = 1000


@dataclass(frozen=True, slots=True)
class OneOf:
    """Any of these is right."""

    values: tuple[Any, ...]


@dataclass(kw_only=True, slots=True)
class Between:
    """How much of something there must and may be."""

    least: int = 0
    most: int = 0

    def add(self, amount: int, *, certain: bool) -> None:
        self.most += max(amount, 0)
        self.least += min(amount, 0)
        if certain:
            self.least, self.most = self.least + max(amount, 0), self.most + min(amount, 0)

    def holds(self, found: int) -> bool:
        return self.least <= found <= self.most


@dataclass(kw_only=True, slots=True)
class Ending:
    """One way an instance may end."""

    status: str
    output: Any = None
    custom: str | None = None


@dataclass(kw_only=True, slots=True)
class Wanted:
    """How an instance must end: one of `endings`; `certain`: and it must be there."""

    endings: list[Ending]
    certain: bool = True


@dataclass(kw_only=True)
class Expected:
    """What must be there at the end.

    Attributes:
        instances: by id.
        gone: the ids that were purged.
        activities: how often each was asked for at most; and at least, when it counts.
        sums, tokens, accounts: what the entities hold, by entity.
    """

    instances: dict[str, Wanted] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    activities: dict[str, Between] = field(default_factory=dict)
    sums: dict[str, Between] = field(default_factory=dict)
    tokens: dict[tuple[str, str], Between] = field(default_factory=dict)
    accounts: dict[int, Between] = field(default_factory=dict)


class _Ended(Exception):
    """The instance goes no further."""

    def __init__(self, status: str, output: Any) -> None:
        super().__init__(status)
        self.status = status
        self.output = output


def predict(case: Case) -> Expected:
    """What must come of it, if nothing is lost and nothing is done twice."""
    expected = Expected()
    for story in case.stories:
        _tell(story, expected)
    for told in case.told:
        _told(expected, told.entity, told.token, told.amount, certain=True)
    return expected


def _tell(story: Story, expected: Expected) -> None:
    for run in story.runs:
        wanted = _run(run, expected)
        expected.gone.discard(story.instance_id)
        if run.then is Next.PURGE:
            expected.gone.add(story.instance_id)
            expected.instances.pop(story.instance_id, None)
        else:
            expected.instances[story.instance_id] = wanted


def _run(run: Run, expected: Expected) -> Wanted:
    certain = run.end is not End.CUT_SHORT
    player = _Player(expected, certain=certain, rewound=run.end is End.REWOUND)
    endings = [player.play(run.flow)]
    if not certain:
        endings.append(Ending(status="Terminated", output=REASON, custom="?"))
    return Wanted(endings=endings)


def _told(expected: Expected, entity: str, token: str, amount: int, *, certain: bool) -> None:
    if entity.startswith("log"):
        expected.tokens.setdefault((entity, token), Between()).add(1, certain=certain)
    else:
        expected.sums.setdefault(entity, Between()).add(amount, certain=certain)


class _Player:
    """Plays the flows of one run."""

    def __init__(self, expected: Expected, *, certain: bool, rewound: bool) -> None:
        self.expected = expected
        self.certain = certain
        self.rewound = rewound
        self.is_left = False  # nobody waits for what is called here
        self.custom: str | None = None

    def play(self, flow: Flow) -> Ending:
        results: list[Any] = []
        events: Counter[str] = Counter()
        status, output = "Completed", None
        try:
            for generation, body in enumerate(flow.bodies):
                self._body(flow, body, f"{flow.name}.g{generation}", results, events)
        except _Ended as end:
            status, output = end.status, end.output
        else:
            output = {"results": results, "events": dict(events), "padding": "p" * flow.padding}
        return Ending(status=status, output=output, custom=self.custom)

    def _body(
        self,
        flow: Flow,
        steps: tuple[Step, ...],
        prefix: str,
        results: list[Any],
        events: Counter[str],
    ) -> None:
        for number, step in enumerate(steps):
            key = f"{prefix}.{number}"
            match step:
                case Collect(name=name):
                    events[name] += 1
                case Never():
                    self.custom = f"waiting {flow.name}"
                    raise _Ended("Terminated", REASON)
                case Status(value=value):
                    self.custom = value
                case Fail():
                    raise _Ended("Failed", f"failed at {key}")
                case Signal():
                    self._told(step.entity, key, step.amount)
                case Begin(flow=begun):
                    self._other(begun, begun.name)
                case Locked():
                    self._body(flow, step.inside, key, results, events)
                    results.append(self._locked(step, key))
                case _:
                    results.append(self._task(step, key))

    def _locked(self, step: Locked, key: str) -> str:
        for number, delta in zip(step.accounts, step.deltas, strict=True):
            self.expected.accounts.setdefault(number, Between()).add(delta, certain=self.certain)
        if step.fails:
            raise _Ended("Failed", f"failed at {key}")
        return "locked"

    def _task(self, step: Step, key: str) -> Any:
        match step:
            case Call():
                return self._call(step, key)
            case Timer():
                return "fired"
            case Single():
                return 0
            case Ask(manner=Manner.SPOIL):
                return ["spoilt", key]
            case Ask():
                self._told(step.entity, key, step.amount)
                return key
            case Child():
                return self._child(step, key)
            case All():
                values = self._tasks(step.steps, key, is_left=step.caught)
                return ["caught", key] if step.caught else values
            case First():
                self._tasks(step.steps, key, is_left=True)
                return OneOf(tuple(range(len(step.steps)))) if step.sure < 0 else step.sure
            case _:
                return None

    def _tasks(self, steps: tuple[Step, ...], key: str, *, is_left: bool) -> list[Any]:
        self.is_left = is_left
        values = [self._task(each, f"{key}.{n}") for n, each in enumerate(steps)]
        self.is_left = False
        return values

    def _call(self, step: Call, key: str) -> Any:
        runs = self.expected.activities.setdefault(key, Between())
        if self.rewound:
            runs.most += _MANY  # what was decided after the failure is decided again
        match step.mode:
            case Mode.OK | Mode.HOPELESS:
                runs.add(1, certain=self.certain)
            case Mode.FLAKY | Mode.ONCE:
                runs.add(1, certain=self.certain)
                runs.add(step.fails, certain=self.certain and not self.is_left)
            case Mode.FIXABLE:
                runs.add(3 if step.retried else 2, certain=self.certain)
        return ["caught", key] if step.mode is Mode.HOPELESS else key

    def _child(self, step: Child, key: str) -> Any:
        # One that nobody waits for is not tried again when its parent has ended.
        is_sure = step.attempts == 1 or (self.certain and not self.is_left)
        ending = self._other(step.flow, step.flow.name if step.own_id else None, is_sure=is_sure)
        if ending.status == "Completed":
            return ending.output
        if step.caught:
            return ["caught", key]
        raise _Ended("Failed", ending.output)

    def _other(self, flow: Flow, instance_id: str | None, *, is_sure: bool = True) -> Ending:
        player = _Player(self.expected, certain=self.certain and is_sure, rewound=self.rewound)
        ending = player.play(flow)
        if instance_id is not None:
            endings = [ending]
            if not is_sure:
                endings.append(Ending(status="Failed", output=f"is {Mode.ONCE}", custom="?"))
            wanted = Wanted(endings=endings, certain=self.certain)
            self.expected.instances[instance_id] = wanted
        return ending

    def _told(self, entity: str, token: str, amount: int) -> None:
        _told(self.expected, entity, token, amount, certain=self.certain)


def matches(wanted: Any, found: Any) -> bool:
    """Whether an output is one of those that are right."""
    if isinstance(wanted, OneOf):
        return any(matches(each, found) for each in wanted.values)
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(wanted) == len(found)
            and all(matches(one, other) for one, other in zip(wanted, found, strict=True))
        )
    if isinstance(wanted, dict) and "events" in wanted:
        return (
            isinstance(found, dict)
            and wanted["padding"] == found["padding"]
            and matches(wanted["results"], found["results"])
            and _all_there(wanted["events"], found["events"])
        )
    return bool(wanted == found)


def _all_there(wanted: dict[str, int], found: dict[str, list[int]]) -> bool:
    return wanted.keys() == found.keys() and all(
        sorted(found[name]) == list(range(count)) for name, count in wanted.items()
    )
