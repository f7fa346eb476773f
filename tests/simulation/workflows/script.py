"""One story, told by its client.

What the client cannot know after a failure (has the first try arrived?) it either finds out, or it
is more careful later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

from durable.client.core import Client
from durable.client.status import DurableOrchestrationStatus, OrchestrationRuntimeStatus
from durable.errors import (
    InstanceError,
    InstanceExists,
    InstanceFinished,
    InstanceNotFound,
)
from tests.simulation.workflows.clients import Clients, Ended, NotYet, Stuck
from tests.simulation.workflows.events import Event, events_of, fixable_in
from tests.simulation.workflows.interpreter import first_input, name_of
from tests.simulation.workflows.model import REASON
from tests.simulation.workflows.plan import End, Next, Run, Story

_TERMINAL = {Ended.Completed, Ended.Failed, Ended.Terminated}


async def tell_story(clients: Clients, story: Story) -> None:
    """All that befalls one instance id, act by act."""
    await _Teller(clients, story).tell()


class _Teller:
    """One story, act by act."""

    def __init__(self, clients: Clients, story: Story) -> None:
        self.clients = clients
        self.clock = clients.world.clock
        self.story = story
        self.id = story.instance_id
        self.unsure = False
        self.number = 0
        self.pauses: Iterator[float] = iter(())

    async def tell(self) -> None:
        for number, planned in enumerate(self.story.runs):
            if self.unsure:
                # What was said twice may still be under way: nobody who knows that would start
                # another instance under this id.
                self.clients.done["skip a run"] += 1
                return
            self.number = number
            run = await self._see_through(planned)
            self.clients.performed[self.id].append(run)

    async def _see_through(self, run: Run) -> Run:
        """One run to its end; as it came about."""
        self.pauses = iter(run.pauses * 50)
        await self._start(run)
        events = events_of(run.flow)
        when = len(events) // 2 if run.suspended else -1
        holds = False
        for index in range(len(events) + 1):
            if index == when:
                await self._suspend()
                holds = True
            if holds and (index == len(events) or events[index].target):
                await self._resume()  # children are begun by those that go on
                holds = False
            if index < len(events):
                await self._pause()
                await self._send(events[index], run.size)
        return await self._finish(run)

    async def _finish(self, run: Run) -> Run:
        match run.end:
            case End.REPLACED:
                await self._until_waiting(self.id, run.flow.name)
                if not self.unsure:
                    return run
                run = replace(run, end=End.TERMINATED)
                await self._terminate(self.id)
            case End.TERMINATED:
                await self._until_waiting(self.id, run.flow.name)
                await self._terminate(self.id)
            case End.CUT_SHORT:
                await self._pause()
                await self._terminate(self.id)
            case End.REWOUND:
                await self._until(_TERMINAL)
                await self._rewind(run)
            case End.BY_ITSELF:
                pass
        await self._until(_TERMINAL)
        if run.then is Next.PURGE:
            return await self._purge(run)
        return run

    async def _pause(self) -> None:
        await self.clock.sleep(next(self.pauses, 0.1))

    async def _start(self, run: Run) -> None:
        number = self.number
        override = True if number and self.story.runs[number - 1].end is End.REPLACED else None

        async def start(client: Client, tries: int) -> None:
            if tries > 1 and await self._is_started(client, number):
                return
            due = self.clock.now() + timedelta(seconds=run.delay) if run.delay else None
            try:
                await client.start_new(
                    name_of(run.flow),
                    self.id,
                    first_input(run.flow, number),
                    scheduled_start_time=due,
                    override_running=override,
                )
            except InstanceExists:
                if tries == 1 or not await self._is_started(client, number):
                    raise

        await self.clients.insist("start", start)
        if override:
            # Until the start has arrived, events are the replaced instance's.
            await self._until(_TERMINAL, lambda found: found.runtime_status is not Ended.Pending)

    async def _is_started(self, client: Client, number: int) -> bool:
        """Whether an earlier try was accepted. A generation later the input still says so."""
        found = await client.get_status(self.id)
        return bool(found) and found.input_["run"] == number

    async def _send(self, event: Event, size: int) -> None:
        if event.name:
            await self._raise(event, size)
            return
        await self._until_waiting(event.target, event.target)
        await self._terminate(event.target)

    async def _raise(self, event: Event, size: int) -> None:
        data = {"run": self.number, "n": event.number, "text": "e" * size}

        async def send(client: Client, tries: int) -> None:
            try:
                await client.raise_event(event.target or self.id, event.name, data)
            except InstanceNotFound:
                if not event.target:
                    raise
                raise NotYet from None  # the child is still to come
            except InstanceFinished:
                if not (tries > 1 or self.unsure or event.is_idle):
                    raise

        if await self.clients.insist("event", send) > 1:
            self.unsure = True

    async def _suspend(self) -> None:
        await self._pause()

        async def suspend(client: Client, tries: int) -> None:
            try:
                await client.suspend(self.id, "hold")
            except InstanceError:
                if tries == 1:
                    raise

        if await self.clients.insist("suspend", suspend) > 1:
            self.unsure = True
        await self._until({*_TERMINAL, Ended.Suspended})

    async def _resume(self) -> None:
        await self._pause()

        async def resume(client: Client, tries: int) -> None:
            try:
                await client.resume(self.id, "go on")
            except InstanceError:
                if tries == 1 and not self.unsure:
                    raise

        if await self.clients.insist("resume", resume) > 1:
            self.unsure = True

    async def _terminate(self, instance_id: str) -> None:
        async def terminate(client: Client, _: int) -> None:
            await client.terminate(instance_id, REASON)

        if await self.clients.insist("terminate", terminate) > 1:
            self.unsure = True

    async def _rewind(self, run: Run) -> None:
        self.clients.app.fixed.update(fixable_in(run.flow))

        async def rewind(client: Client, tries: int) -> None:
            try:
                await client.rewind(self.id, "again")
            except InstanceError:
                if tries == 1:
                    raise

        await self.clients.insist("rewind", rewind)
        while (await self.clients.status(self.id)).runtime_status is Ended.Failed:
            await self.clients.insist("rewind", rewind)  # the first try left it as it was
            await self.clock.sleep(1.0)

    async def _purge(self, run: Run) -> Run:
        if self.unsure:
            self.clients.done["skip a purge"] += 1
            return replace(run, then=Next.NOTHING)

        async def purge(client: Client, _: int) -> None:
            try:
                await client.purge_instance_history(self.id)
            except InstanceError:
                raise NotYet from None  # others changed it meanwhile

        await self.clients.insist("purge", purge)
        return run

    async def _until_waiting(self, instance_id: str, name: str) -> None:
        """Until it has done all that comes before its last wait.

        One that stands still shows its custom status, too, but holds back what it decided.
        """
        wanted = f"waiting {name}"
        await self._until(
            _TERMINAL,
            lambda found: found.custom_status == wanted and found.runtime_status is Ended.Running,
            instance_id,
        )

    async def _until(
        self,
        statuses: set[OrchestrationRuntimeStatus],
        or_so: Callable[[DurableOrchestrationStatus], bool] = lambda found: False,
        instance_id: str = "",
    ) -> None:
        looked_at = instance_id or self.id
        deadline = self.clock.monotonic() + self.clients.patience_seconds
        pause = 0.3
        while self.clock.monotonic() < deadline:
            found = await self.clients.status(looked_at)
            if found.runtime_status in statuses or or_so(found):
                return
            if self.unsure and found.runtime_status is Ended.Suspended:
                await self._resume()  # a suspension that was said twice came late
            await self.clock.sleep(pause)
            pause = min(pause * 1.5, 5.0)
        found = await self.clients.status(looked_at)
        raise Stuck(f"{looked_at} is {found.runtime_status} for ever")
