"""Critical sections over several entities, messages in any order: excluded, granted, freed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime

from hypothesis import given, settings, strategies as st

from durable.engine.critical_section import CriticalSection
from durable.engine.entity_batch import conclude, plan
from durable.engine.entity_sorter import Labeller
from durable.model.entities import (
    EntityMessage,
    OperationRequest,
    OperationResult,
    Outgoing,
    Response,
    SchedulerState,
)
from durable.model.ids import EntityId

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
ENTITIES = [EntityId("account", key) for key in "abc"]


class Holder:
    """An orchestrator: locks, calls each entity it locked, releases. It may be ended before."""

    def __init__(self, name: str, wanted: Sequence[EntityId]) -> None:
        self.name = name
        self.section = CriticalSection(name, "e")
        self._wanted = wanted
        self._labeller = Labeller()
        self._open = 0
        self.has_ended = False

    def start(self) -> list[Outgoing]:
        return [self._labelled(self.section.ask(self._wanted, f"lock-{self.name}"))]

    def answered(self, answer: Response) -> list[Outgoing]:
        if self.has_ended:
            return []
        if answer.id == self.section.lock_id:
            self.section.grant()
            self._open = len(self.section.entities)
            return [self._call(entity) for entity in self.section.entities]
        self._open -= 1
        return [] if self._open else self.end()

    def end(self) -> list[Outgoing]:
        self.has_ended = True
        return self.section.leave()

    def _call(self, entity: EntityId) -> Outgoing:
        self.section.call(entity)
        request = OperationRequest(
            op="add", id=f"{self.name}-{entity}", parent=self.name, parent_execution="e"
        )
        return self._labelled(Outgoing(target=str(entity), message=request))

    def _labelled(self, outgoing: Outgoing) -> Outgoing:
        request = outgoing.message
        assert isinstance(request, OperationRequest)
        return Outgoing(
            target=outgoing.target, message=self._labeller.label(request, outgoing.target, NOON)
        )


class Hub:
    """Entities and orchestrators, and messages between them that arrive in any order."""

    def __init__(self, holders: list[Holder], chance: random.Random) -> None:
        self._holders = {holder.name: holder for holder in holders}
        self._chance = chance
        self.states = {str(entity): SchedulerState() for entity in ENTITIES}
        self._turns = 0
        self._way = [message for holder in holders for message in holder.start()]

    def run(self, *, ends: bool) -> None:
        while self._way:
            if ends and self._chance.random() < 0.05:
                self._way += self._chance.choice(list(self._holders.values())).end()
            sent = self._way.pop(self._chance.randrange(len(self._way)))
            self._way += self._deliver(sent)
            self._excluded()

    def _deliver(self, sent: Outgoing) -> list[Outgoing]:
        if isinstance(sent.message, Response):
            return self._holders[sent.target].answered(sent.message)
        return self._turn(sent.target, sent.message)

    def _turn(self, target: str, message: EntityMessage) -> list[Outgoing]:
        self._turns += 1
        planned = plan(self.states[target], [message], now=NOON)
        state = planned.state.state
        results: list[OperationResult] = []
        for request in planned.operations:
            assert planned.state.locked_by == request.parent or self._holder(request).has_ended
            state = str(int(state or "0") + 1)
            results.append(OperationResult(state=state))
        conclusion = conclude(
            planned,
            results,
            entity=EntityId.get_entity_id(target),
            execution_id=str(self._turns),
            now=NOON,
        )
        self.states[target] = conclusion.state
        return [each for each in conclusion.sends if isinstance(each, Outgoing)]

    def _holder(self, request: OperationRequest) -> Holder:
        return self._holders[request.parent or ""]

    def _excluded(self) -> None:
        inside = [holder.section for holder in self._holders.values() if holder.section.is_held]
        locked = [entity for section in inside for entity in section.entities]
        assert len(locked) == len(set(locked))


WANTED = st.lists(
    st.lists(st.sampled_from(ENTITIES), min_size=1, max_size=3), min_size=1, max_size=5
)


def holders(wanted: list[list[EntityId]]) -> list[Holder]:
    return [Holder(f"o{number}", each) for number, each in enumerate(wanted)]


@settings(max_examples=40)
@given(WANTED, st.randoms(use_true_random=False))
def test_every_section_is_entered_alone_and_left(
    wanted: list[list[EntityId]], chance: random.Random
) -> None:
    all_holders = holders(wanted)
    hub = Hub(all_holders, chance)
    hub.run(ends=False)
    assert all(holder.has_ended for holder in all_holders)
    assert all(not state.queue and state.locked_by is None for state in hub.states.values())
    calls = sum(len(set(each)) for each in wanted)
    assert sum(int(state.state or "0") for state in hub.states.values()) == calls


@settings(max_examples=40)
@given(WANTED, st.randoms(use_true_random=False))
def test_holders_that_end_at_any_time_leave_no_lock_behind(
    wanted: list[list[EntityId]], chance: random.Random
) -> None:
    all_holders = holders(wanted)
    hub = Hub(all_holders, chance)
    hub.run(ends=True)
    assert all(holder.has_ended for holder in all_holders)
    assert all(not state.queue and state.locked_by is None for state in hub.states.values())
