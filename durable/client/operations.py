"""The part of a client that needs nothing but its hub: ending, holding and purging instances."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

from durable.client import asking, operating
from durable.client.status import OrchestrationRuntimeStatus, PurgeHistoryResult
from durable.errors import InstanceFinished, InvalidName
from durable.hub.taskhub import TaskHub


class Operations(ABC):
    """What an operator asks of a task hub.

    Args:
        hub: the task hub.
    """

    def __init__(self, hub: TaskHub) -> None:
        self.hub = hub

    @abstractmethod
    async def prepare(self) -> None:
        """Create what the hub lacks. Every call does it first."""

    async def terminate(
        self, instance_id: str, reason: str | None = None, *, recursive: bool = False
    ) -> None:
        """End an instance; one that has ended stays as it is.

        `recursive`: its children, too, and theirs. A child that begins at this moment may be
        missed: call it again once the instance has ended.

        Raises:
            InstanceNotFound: no such instance.
        """
        asking.instance(instance_id)
        asking.optional(reason, "reason")
        await self.prepare()
        with suppress(InstanceFinished):
            await operating.terminate(self.hub, instance_id, reason)
        if recursive:
            await operating.terminate_children(self.hub, instance_id, reason)

    async def suspend(self, instance_id: str, reason: str | None = None) -> None:
        """Let an instance stand still until it is resumed; one that has ended stays as it is.

        Events and results that arrive meanwhile are kept for it.

        Raises:
            InstanceNotFound: no such instance.
            InstanceError: it is suspended already.
        """
        asking.instance(instance_id)
        asking.optional(reason, "reason")
        await self.prepare()
        with suppress(InstanceFinished):
            await operating.suspend(self.hub, instance_id, reason)

    async def resume(self, instance_id: str, reason: str | None = None) -> None:
        """Let a suspended instance go on; one that has ended stays as it is.

        Raises:
            InstanceNotFound: no such instance.
            InstanceError: it is not suspended.
        """
        asking.instance(instance_id)
        asking.optional(reason, "reason")
        await self.prepare()
        with suppress(InstanceFinished):
            await operating.resume(self.hub, instance_id, reason)

    async def purge_instance_history(
        self, instance_id: str, *, recursive: bool = False
    ) -> PurgeHistoryResult:
        """Remove a finished instance with its history and payloads; says how many (0 or 1).

        An entity never ends: it is removed as it is, with its state and what waits in it.
        `recursive`: its children are removed with it, and theirs.

        Raises:
            InstanceError: it, or one of the children, has not ended: terminate it first.
        """
        asking.instance(instance_id)
        await self.prepare()
        if recursive:
            return PurgeHistoryResult(await operating.purge_family(self.hub, instance_id))
        return PurgeHistoryResult(await operating.purge_one(self.hub, instance_id))

    async def purge_instance_history_by(
        self,
        created_time_from: datetime | None = None,
        created_time_to: datetime | None = None,
        runtime_status: Iterable[OrchestrationRuntimeStatus] | None = None,
        *,
        force: bool = False,
    ) -> PurgeHistoryResult:
        """Remove the finished instances that were created in that time. Naive times are UTC.

        One whose row or sentinel is damaged stays as it is, and is logged.

        Args:
            created_time_from: created then or later; must be given, as in 1.7.
            created_time_to: created then or earlier; now, when it is left out.
            runtime_status: only those with one of these.
            force: those that have not ended, too, entities included. Their work in flight is
                lost.

        Raises:
            InvalidName: no `created_time_from` (a ValueError, as in 1.7).
        """
        created_from = asking.moment(created_time_from, "created_time_from")
        if created_from is None:
            raise InvalidName("created_time_from must be given: it bounds what is removed.")
        created_to = asking.moment(created_time_to, "created_time_to")
        wanted = asking.statuses(runtime_status)
        await self.prepare()
        removed = await operating.purge_many(
            self.hub,
            created_from=created_from,
            created_to=created_to,
            statuses=wanted,
            force=force,
        )
        return PurgeHistoryResult(removed)
