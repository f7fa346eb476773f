"""Clients of the hub that don't give up: over HTTP, and in this process.

A call that got no answer may have happened or not. It is made again until one is accepted; what
may have happened twice bears a number of its own each time, so that the checks can tell.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

import aiohttp

import durable as df
from durable.model.status import InstanceRow, RuntimeStatus
from tests.acceptance.local_host import Answer, Browser, LocalHost

_TIMEOUT_SECONDS = 90.0
_PAUSE_SECONDS = (0.2, 1.0)


class NoAnswer(Exception):
    """The call may have happened or not."""


class Refused(Exception):
    """An answer that can't be: it says that something was lost, or done twice."""


UNKNOWN = (aiohttp.ClientError, OSError, df.Unavailable, df.Throttled, NoAnswer)


@dataclass(slots=True)
class Sent:
    """What was sent to one receiver: accepted for sure, and perhaps."""

    told: set[str] = field(default_factory=set)
    maybe: set[str] = field(default_factory=set)


class Driver:
    """Makes calls through any of the hosts, or in process."""

    def __init__(
        self, hosts: Sequence[LocalHost], browser: Browser, client: df.Client, chance: Random
    ) -> None:
        self._hosts = hosts
        self._browser = browser
        self.client = client
        self.hub = client.hub
        self._chance = chance
        #: How often what was called, and how often no answer came.
        self.calls: Counter[str] = Counter()
        self.unanswered: Counter[str] = Counter()

    async def start(self, name: str, instance_id: str, given: object, delay: float = 0.0) -> None:
        """Start an instance. Whether an earlier try did is looked up before the next."""

        async def attempt(number: int) -> None:
            if number > 1 and await self.hub.instances.read(instance_id) is not None:
                return
            if delay or self._in_process():
                due = datetime.now(UTC) + timedelta(seconds=delay) if delay else None
                try:
                    await self.client.start_new(
                        name, instance_id, client_input=given, scheduled_start_time=due
                    )
                except df.InstanceExists as error:
                    self._unless_retried(number, error)
                return
            answer = await self._http("POST", f"orchestrators/{name}/{instance_id}", given)
            if answer.status == 409:
                self._unless_retried(number, answer.text)
            else:
                _expect(answer, 202)

        await self._insist(f"start {name}", attempt)

    async def raise_event(self, instance_id: str, number: int, sent: Sent) -> None:
        """Send event `told` with a number, and the number of the try."""

        async def attempt(tries: int) -> None:
            said = f"{number}.{tries}"
            data = {"number": number, "try": said}
            sent.maybe.add(said)
            if self._in_process():
                try:
                    await self.client.raise_event(instance_id, "told", data)
                except df.InstanceFinished as error:
                    self._unless_retried(tries, error)
                    return
            else:
                answer = await self._http("POST", f"instances/{instance_id}/raiseEvent/told", data)
                if answer.status == 410:
                    self._unless_retried(tries, answer.text)
                    return
                _expect(answer, 202)
            sent.told.add(said)

        await self._insist("raise", attempt)

    async def finish(self, instance_id: str) -> None:
        """Send event `finish`, whose copies do no harm."""

        async def attempt(tries: int) -> None:
            if self._in_process():
                await self.client.raise_event(instance_id, "finish", "finished")
            else:
                path = f"instances/{instance_id}/raiseEvent/finish"
                _expect(await self._http("POST", path, "finished"), 202)

        await self._insist("raise", attempt)

    async def signal(self, counter: str, name: str, sent: Sent) -> None:
        """Tell a counter a name; each try has one of its own."""

        async def attempt(tries: int) -> None:
            said = f"{name}.{tries}"
            sent.maybe.add(said)
            if self._in_process():
                await self.client.signal_entity(df.EntityId("counter", counter), "add", said)
            else:
                answer = await self._http("POST", f"entities/counter/{counter}?op=add", said)
                _expect(answer, 202)
            sent.told.add(said)

        await self._insist("signal", attempt)

    async def tell(
        self, verb: str, instance_id: str, reached: Callable[[InstanceRow], bool]
    ) -> None:
        """Terminate, suspend, resume or rewind; `reached`: an earlier try did it."""
        in_process = {
            "terminate": self.client.terminate,
            "suspend": self.client.suspend,
            "resume": self.client.resume,
            "rewind": self.client.rewind,
        }

        async def attempt(tries: int) -> None:
            why: object
            if self._in_process():
                try:
                    await in_process[verb](instance_id, "soak")
                except df.InstanceError as error:
                    why = error
                else:
                    return
            else:
                answer = await self._http("POST", f"instances/{instance_id}/{verb}?reason=soak")
                if answer.status == 202:
                    return
                if answer.status not in {409, 410, 500}:
                    _expect(answer, 202)
                why = answer.text
            row = await self.hub.instances.read(instance_id)
            if row is None or not reached(row):
                raise NoAnswer(str(why))

        await self._insist(verb, attempt)

    async def purge(self, instance_id: str) -> None:
        """Remove an instance that has ended."""

        async def attempt(tries: int) -> None:
            if self._in_process():
                try:
                    found = (
                        await self.client.purge_instance_history(instance_id)
                    ).instances_deleted
                except df.InstanceError as error:
                    raise NoAnswer(str(error)) from None  # changed by others: a late message
                if not found:
                    self._unless_retried(tries, "purged nothing")
                return
            answer = await self._http("DELETE", f"instances/{instance_id}")
            if answer.status == 412:
                raise NoAnswer(answer.text)
            if answer.status == 404:
                self._unless_retried(tries, "purged nothing")
            else:
                _expect(answer, 200)

        await self._insist("purge", attempt)

    async def restart(self, instance_id: str) -> None:
        """Start an ended instance once more under its own id."""
        before = (await self.row(instance_id)).execution_id

        async def attempt(tries: int) -> None:
            if tries > 1 and (await self.row(instance_id)).execution_id != before:
                return
            if self._in_process():
                await self.client.restart(instance_id, restart_with_new_instance_id=False)
            else:
                path = f"instances/{instance_id}/restart?restartWithNewInstanceId=false"
                _expect(await self._http("POST", path), 202)

        await self._insist("restart", attempt)

    async def row(self, instance_id: str) -> InstanceRow:
        """The row of an instance that must be there."""
        while True:
            try:
                row = await self.hub.instances.read(instance_id)
            except UNKNOWN:
                await asyncio.sleep(self._chance.uniform(*_PAUSE_SECONDS))
                continue
            if row is None:
                raise Refused(f"{instance_id} has no row though its start was accepted")
            return row

    async def output(self, row: InstanceRow) -> object:
        """What it came to, decoded."""
        while True:
            try:
                texts = await self.hub.instances.texts(row)
            except UNKNOWN:
                await asyncio.sleep(self._chance.uniform(*_PAUSE_SECONDS))
                continue
            return json.loads(texts.output) if texts.output else None

    async def until(
        self, instance_id: str, fits: Callable[[InstanceRow], bool], *, longest_pause: float = 3.0
    ) -> InstanceRow:
        """Its row, once it fits; looked at ever more rarely."""
        pause = 0.3
        while not fits(row := await self.row(instance_id)):
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, longest_pause)
        return row

    async def _insist(self, what: str, attempt: Callable[[int], Awaitable[None]]) -> None:
        for number in itertools.count(1):
            self.calls[what.split()[0]] += 1
            try:
                async with asyncio.timeout(_TIMEOUT_SECONDS):
                    await attempt(number)
            except UNKNOWN:
                self.unanswered[what.split()[0]] += 1
                await asyncio.sleep(self._chance.uniform(*_PAUSE_SECONDS))
            else:
                return

    async def _http(self, method: str, path: str, data: object = None) -> Answer:
        host = self._chance.choice(self._hosts)
        body = {} if method == "DELETE" else {"json": data}
        answer = await self._browser.call(method, f"{host.api}/{path}", **body)
        if answer.status in {500, 503} and "/suspend" not in path and "/resume" not in path:
            raise NoAnswer(answer.text)
        return answer

    def _in_process(self) -> bool:
        return self._chance.random() < 0.5

    @staticmethod
    def _unless_retried(tries: int, why: object) -> None:
        if tries == 1:
            raise Refused(str(why))


def _expect(answer: Answer, status: int) -> None:
    if answer.status != status:
        raise Refused(f"HTTP {answer.status}, not {status}: {answer.text[:300]}")


def has_ended(row: InstanceRow) -> bool:
    """Whether the instance is finished."""
    return row.status is not None and row.status.is_terminal


def shows(*statuses: RuntimeStatus) -> Callable[[InstanceRow], bool]:
    """Whether its status is one of these."""
    return lambda row: row.status in statuses
