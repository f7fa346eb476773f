"""The one orchestrator of random cases, which interprets steps: as a generator, and async."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from typing import Any

from durable.errors import EntityFailed, TaskFailed
from durable.model.ids import EntityId
from durable.model.retry import RetryOptions
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
    Mode,
    Never,
    Signal,
    Single,
    Status,
    Step,
    Timer,
    from_json,
    to_json,
)

Steps = Generator[Any, Any, Any]

OPENING_BALANCE = 100
#: More attempts than any activity fails.
ATTEMPTS = 5
TWICE = 2


def entity_id(name: str) -> EntityId:
    """``counter0`` is the counter with key 0."""
    return EntityId(name.rstrip("0123456789"), f"k{name[-1]}")


def account_id(number: int) -> EntityId:
    return EntityId("account", f"n{number}")


def first_input(flow: Flow, run: int) -> dict[str, Any]:
    """What an instance is started with."""
    return {
        "flow": to_json(flow),
        "run": run,
        "generation": 0,
        "results": [],
        "events": {},
        "padding": "p" * flow.padding,
    }


def name_of(flow: Flow) -> str:
    """The orchestrator that interprets the flow."""
    return "interpret_async" if flow.is_async else "interpret"


def interpret(context: Any) -> Steps:
    return (yield from Interpreter(context).run())


async def interpret_async(context: Any) -> Any:
    """The same, each task awaited."""
    steps = Interpreter(context).run()
    try:
        task = next(steps)
        while True:
            try:
                value = await task
            except Exception as error:
                task = steps.throw(error)
            else:
                task = steps.send(value)
    except StopIteration as end:
        return end.value


class Interpreter:
    """One generation of one instance."""

    def __init__(self, context: Any) -> None:
        self.context = context
        self.given = context.get_input()
        self.flow: Flow = from_json(self.given["flow"])
        self.results: list[Any] = self.given["results"]
        self.events: dict[str, list[int]] = self.given["events"]

    def run(self) -> Steps:
        generation = self.given["generation"]
        body = self.flow.bodies[generation]
        yield from self._all_of(body, f"{self.flow.name}.g{generation}")
        if generation + 1 < len(self.flow.bodies):
            if not self.context.will_continue_as_new:
                self._turn_over()
            return None
        return {
            "results": self.results,
            "events": self.events,
            "padding": self.given["padding"],
        }

    def _turn_over(self) -> None:
        self.context.continue_as_new(
            {
                **self.given,
                "generation": self.given["generation"] + 1,
                "results": self.results,
                "events": self.events,
            }
        )

    def _all_of(self, steps: tuple[Step, ...], prefix: str) -> Steps:
        for number, step in enumerate(steps):
            value = yield from self._step(step, f"{prefix}.{number}")
            if value is not None:
                self.results.append(value)

    def _step(self, step: Step, key: str) -> Steps:
        match step:
            case Signal() | Begin() | Status() | Fail():
                return self._at_once(step, key)
            case Collect(name=name):
                return (yield from self._collect(name))
            case Never():
                self.context.set_custom_status(f"waiting {self.flow.name}")
                yield self._task(step, key)
            case Locked():
                return (yield from self._locked(step, key))
            case First():
                return (yield from self._first(step, key))
            case _:
                return (yield from self._wait(step, key))

    def _wait(self, step: Step, key: str) -> Steps:
        try:
            value = yield self._task(step, key)
        except TaskFailed as error:
            if not _is_caught(step):
                raise
            return ["spoilt" if isinstance(error, EntityFailed) else "caught", key]
        return self._taken(step, value, key)

    def _at_once(self, step: Signal | Begin | Status | Fail, key: str) -> None:
        match step:
            case Signal():
                due = None
                if step.delay:
                    due = self.context.current_utc_datetime + timedelta(seconds=step.delay)
                told = {"token": key, "amount": step.amount, "text": "t" * step.size}
                target, op = entity_id(step.entity), "add"
                if step.hops:
                    told |= {"entity": step.entity, "hops": step.hops}
                    target, op = entity_id("relay0"), "pass_on"
                self.context.signal_entity(target, op, told, scheduled_time=due)
            case Begin(flow=flow):
                begun = {
                    "name": name_of(flow),
                    "input": first_input(flow, self.given["run"]),
                    "id": flow.name,
                }
                self.context.signal_entity(entity_id("relay1"), "begin", begun)
            case Status(value=value):
                self.context.set_custom_status(value)
            case Fail():
                raise RuntimeError(f"failed at {key}")

    def _task(self, step: Step, key: str) -> Any:
        context = self.context
        match step:
            case Call():
                value = {
                    "key": key,
                    "mode": step.mode,
                    "fails": step.fails,
                    "slow": step.slow,
                    "text": "t" * step.size,
                }
                if step.retried or step.mode == Mode.FLAKY:
                    attempts = TWICE if step.retried else ATTEMPTS
                    return context.call_activity_with_retry(
                        "work", RetryOptions(1_000, attempts), value
                    )
                return context.call_activity("work", value)
            case Timer(seconds=seconds):
                return context.create_timer(
                    context.current_utc_datetime + timedelta(seconds=seconds)
                )
            case Single(name=name):
                return context.wait_for_external_event(name)
            case Never():
                return context.wait_for_external_event("never")
            case Ask():
                asked = {"token": key, "amount": step.amount, "text": "t" * step.size}
                return context.call_entity(entity_id(step.entity), step.manner, asked)
            case Child(flow=flow):
                own_id = flow.name if step.own_id else None
                arguments = (first_input(flow, self.given["run"]), own_id)
                if step.attempts > 1:
                    options = RetryOptions(1_000, step.attempts)
                    return context.call_sub_orchestrator_with_retry(
                        name_of(flow), options, *arguments
                    )
                return context.call_sub_orchestrator(name_of(flow), *arguments)
            case All(steps=steps):
                return context.task_all(
                    [self._task(each, f"{key}.{n}") for n, each in enumerate(steps)]
                )
            case _:
                raise AssertionError(f"{step} is no task")

    def _taken(self, step: Step, value: Any, key: str) -> Any:
        """What is kept of a task's result."""
        match step:
            case Call(size=size):
                assert value == key + "t" * size
                return key
            case Timer():
                return "fired"
            case Single():
                return value["n"]
            case All(steps=steps):
                return [self._taken(each, value[n], f"{key}.{n}") for n, each in enumerate(steps)]
            case _:
                return value

    def _collect(self, name: str) -> Steps:
        """The next event of this run that was not there before: a client may have said it twice."""
        got = self.events.setdefault(name, [])
        while True:
            event = yield self.context.wait_for_external_event(name)
            if event["run"] == self.given["run"] and event["n"] not in got:
                got.append(event["n"])
                return None

    def _first(self, step: First, key: str) -> Steps:
        tasks = [self._task(each, f"{key}.{n}") for n, each in enumerate(step.steps)]
        winner = yield self.context.task_any(tasks)
        for each, task in zip(step.steps, tasks, strict=True):
            if isinstance(each, Timer) and not task.is_completed:
                task.cancel()
        return tasks.index(winner)

    def _locked(self, step: Locked, key: str) -> Steps:
        context = self.context
        accounts = [account_id(number) for number in step.accounts]
        with (yield context.lock_entities(accounts)):
            had = yield context.task_all([context.call_entity(each, "read") for each in accounts])
            yield from self._all_of(step.inside, key)
            writes = [
                context.call_entity(each, "write", balance + delta)
                for each, balance, delta in zip(accounts, had, step.deltas, strict=True)
            ]
            yield context.task_all(writes)
            if step.fails:
                raise RuntimeError(f"failed at {key}")
            if step.turns_over:
                self.results.append("locked")
                self._turn_over()
                return None
        return "locked"


def _is_caught(step: Step) -> bool:
    match step:
        case Call(mode=mode):
            return mode == Mode.HOPELESS
        case Child(caught=caught) | All(caught=caught):
            return caught
        case Ask(manner=manner):
            return manner != "add"
        case _:
            return False
