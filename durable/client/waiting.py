"""Waiting until an instance is as one wants it, by looking at its row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from durable.client import asking, operating
from durable.errors import InstanceNotFound, UsageError, WaitTimeout
from durable.hub.taskhub import TaskHub
from durable.model.status import InstanceRow, RuntimeStatus
from durable.together import first_to_end

#: Looking at a row more often than this tells nothing new.
_SHORTEST_INTERVAL = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """For whom, how long, and how often to look; both in seconds."""

    instance_id: str
    timeout: float
    interval: float


def wait_of(instance_id: object, timeout: object, interval: object) -> Wait:
    """A caller's wait.

    Raises:
        InvalidName: no instance can have that id.
        UsageError: one can't wait so long.
    """
    return Wait(
        instance_id=asking.instance(instance_id),
        timeout=asking.span(timeout, "timeout"),
        interval=asking.span(interval, "interval"),
    )


async def row_when(
    hub: TaskHub, wait: Wait, fits: Callable[[InstanceRow | None], bool]
) -> tuple[InstanceRow | None, bool]:
    """The row when it was looked at last, and whether it fitted. It is looked at once at least."""
    clock = hub.clock
    end = clock.monotonic() + wait.timeout
    with hub.changes.watch(wait.instance_id) as change:
        while True:
            change.clear()
            row = await hub.instances.read(wait.instance_id)
            if fits(row):
                return row, True
            left = end - clock.monotonic()
            if left <= 0:
                return row, False
            # An engine in this process tells of a change sooner.
            pause = min(left, max(wait.interval, _SHORTEST_INTERVAL))
            await first_to_end(clock.sleep(pause), change.wait())


async def completion(hub: TaskHub, wait: Wait) -> InstanceRow:
    """The row of an instance once it has ended.

    Raises:
        InstanceNotFound: there is none, or it was purged meanwhile.
        WaitTimeout: it had not ended in time.
    """
    return await _wanted(hub, wait, operating.has_ended, "ended")


async def beginning(hub: TaskHub, wait: Wait) -> InstanceRow:
    """The row of an instance once it is no longer Pending.

    Raises:
        InstanceNotFound: there is none, or it was purged meanwhile.
        WaitTimeout: it had not begun in time.
    """
    return await _wanted(hub, wait, _has_begun, "begun")


def check_wait(timeout: float, interval: float) -> None:
    """Nothing, when one can wait so.

    Raises:
        UsageError: `interval` is longer than `timeout` (both in seconds).
    """
    if interval > timeout:
        raise UsageError(
            f"Total timeout {timeout:g} should be bigger than retry timeout {interval:g} (seconds)."
        )


def _has_begun(row: InstanceRow) -> bool:
    return row.status is not RuntimeStatus.PENDING


async def _wanted(
    hub: TaskHub, wait: Wait, fits: Callable[[InstanceRow], bool], participle: str
) -> InstanceRow:
    row, fitted = await row_when(hub, wait, lambda found: found is None or fits(found))
    if row is None:
        raise InstanceNotFound(
            f"No instance with ID '{wait.instance_id}' found.", instance_id=wait.instance_id
        )
    if not fitted:
        raise WaitTimeout(
            f"Instance {wait.instance_id!r} has not {participle} within {wait.timeout:g} s "
            f"(it is {row.status or 'of unknown status'}). Nothing was done to it: wait again, or "
            "give a longer timeout.",
            instance_id=wait.instance_id,
        )
    return row
