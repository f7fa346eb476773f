"""Random cases: stories, and the flows in them."""

from __future__ import annotations

from tests.simulation.workflows.plan import Case, End, Next, Run, Story, Told
from tests.simulation.workflows.step_making import ENTITIES, Place, StepMaker
from tests.simulation.workflows.steps import (
    All,
    Begin,
    Call,
    Child,
    Fail,
    Flow,
    Locked,
    Mode,
    Never,
    Step,
    Timer,
)


def make_case(seed: int) -> Case:
    """The case of a seed."""
    return _Maker(seed).case()


class _Maker(StepMaker):
    def case(self) -> Case:
        stories = [self._story(f"i{n}") for n in range(self.dice.choice((1, 1, 2, 2, 3, 4)))]
        return Case(
            seed=self.seed,
            stories=tuple(stories),
            told=self._told(),
            cleans=self.dice.choice((0, 0, 0, 2)),
            looks=tuple(self.dice.choices(("counter0", "counter1"), k=self.dice.choice((0, 0, 3)))),
        )

    def _told(self) -> tuple[Told, ...]:
        if self.dice.random() < 0.6:
            return ()
        return tuple(
            Told(
                entity=self.dice.choice(ENTITIES),
                token=f"client.{number}",
                amount=self.dice.randint(1, 9),
                pause=self.dice.choice((0.0, 0.1, 2.0)),
                delay=self.dice.choice((0.0, 0.0, 0.0, 7.0)),
                size=self._size(),
            )
            for number in range(self.dice.randint(1, 6))
        )

    def _story(self, instance_id: str) -> Story:
        count = self.dice.choice((1, 1, 1, 2, 3))
        runs = [
            self._run(f"{instance_id}r{number}", is_last=number == count - 1)
            for number in range(count)
        ]
        return Story(instance_id=instance_id, runs=tuple(runs))

    def _run(self, name: str, *, is_last: bool) -> Run:
        ends = [End.BY_ITSELF] * 5 + [End.TERMINATED, End.CUT_SHORT, End.REWOUND]
        if not is_last:
            ends += [End.REPLACED] * 2
        end = self.dice.choice(ends)
        return Run(
            flow=self._flow(
                name, end=end, events=end is not End.REWOUND, rewinds=end is End.REWOUND
            ),
            end=end,
            then=Next.PURGE
            if end is not End.REPLACED and self.dice.random() < 0.25
            else Next.NOTHING,
            delay=self.dice.choice((0.0, 0.0, 0.0, 0.0, 6.0)),
            suspended=end in (End.BY_ITSELF, End.TERMINATED) and self.dice.random() < 0.2,
            pauses=tuple(self.dice.choice((0.0, 0.1, 0.7, 3.0)) for _ in range(4)),
            size=self._size(),
        )

    def _flow(
        self, name: str, *, end: End, events: bool = True, depth: int = 0, rewinds: bool = False
    ) -> Flow:
        place = Place(name=name, events=events, depth=depth, rewinds=rewinds)
        bodies = [self._body(place) for _ in range(self.dice.choice((1, 1, 1, 2, 3)))]
        last = self._last(place, end)
        bodies[-1] = (*bodies[-1], *last)
        if len(bodies) > 1 and "locked" in self.kinds and self.dice.random() < 0.3:
            bodies[0] = (*bodies[0], self._turning_over())
        return Flow(
            name=name,
            bodies=tuple(bodies),
            is_async=self.dice.random() < 0.4,
            padding=self._size(),
        )

    def _last(self, place: Place, end: End) -> tuple[Step, ...]:
        match end:
            case End.TERMINATED | End.REPLACED:
                return (self._waiting(place),)
            case End.REWOUND:
                return self._fixable(place)
            case _:
                return (Fail(),) if self.dice.random() < 0.15 else ()

    def _waiting(self, place: Place) -> Step:
        """What waits for ever, perhaps with locks in its hands."""
        if "locked" in self.kinds and self.dice.random() < 0.6:
            accounts = self._accounts()
            return Locked(accounts=accounts, deltas=(0,) * len(accounts), inside=(Never(),))
        return Never()

    def _turning_over(self) -> Step:
        accounts = self._accounts()
        return Locked(accounts=accounts, deltas=(1,) * len(accounts), turns_over=True)

    def _fixable(self, place: Place) -> tuple[Step, ...]:
        """What fails until it is fixed, and what comes after."""
        broken: Step = Call(mode=Mode.FIXABLE, retried=self.dice.random() < 0.3)
        if self.dice.random() < 0.3:
            broken = All(steps=(Call(), broken, Timer(seconds=0.4)))
        if place.depth < 2 and self.dice.random() < 0.4:
            self.names += 1
            inner = Flow(name=f"{place.name}-w{self.names}", bodies=((Call(), broken),))
            broken = Child(flow=inner, own_id=self.dice.random() < 0.5)
        return (broken, Call()) if self.dice.random() < 0.7 else (broken,)

    def _body(self, place: Place) -> tuple[Step, ...]:
        found = []
        for _ in range(self.dice.choice((1, 2, 2, 3, 5))):
            if self.left > 0:
                found += self._step(place)
        return tuple(found)

    def _child(self, place: Place) -> Step | None:
        if place.depth >= 2 or place.in_lock:
            return None
        self.names += 1
        name = f"{place.name}-c{self.names}"
        own_id = self.dice.random() < 0.6
        attempts = self.dice.choice((1, 1, 1, 3))
        caught = not place.in_task and attempts == 1 and self.dice.random() < 0.2
        flow = self._flow(
            name,
            end=End.CUT_SHORT,
            events=place.events and own_id and attempts == 1,
            depth=place.depth + 1,
            rewinds=place.rewinds,
        )
        body: list[Step] = [step for step in flow.bodies[-1] if not isinstance(step, Fail)]
        doomed = caught and own_id and place.events and self.dice.random() < 0.6
        if caught:
            body.append(Never() if doomed else Fail())
        bodies = [*flow.bodies[:-1], tuple(body)]
        if attempts > 1:
            bodies[0] = (Call(mode=Mode.ONCE, fails=self.dice.randint(0, 2)), *bodies[0])
        flow = Flow(name=name, bodies=tuple(bodies), is_async=flow.is_async, padding=flow.padding)
        return Child(flow=flow, own_id=own_id, attempts=attempts, caught=caught, doomed=doomed)

    def _begin(self, place: Place) -> Step | None:
        if place.in_task or place.depth >= 2:
            return None
        self.names += 1
        return Begin(
            flow=self._flow(f"{place.name}-b{self.names}", end=End.CUT_SHORT, events=False, depth=2)
        )
