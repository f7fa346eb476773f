"""Timer functions: six-field cron expressions (NCRONTAB) or fixed intervals, one run at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol

from azure.functions.timer import TimerRequest
from croniter import croniter

from durable.clock import Clock
from durable.errors import BadConfig
from durable.host.index import IndexedFunction
from durable.host.report import failure_text
from durable.hostjson import parse_time_span, resolve

log = logging.getLogger("durable.host.timers")

_FIELDS_WITHOUT_SECONDS = 5
#: A run that begins later than this after its time is told so.
_PAST_DUE_SECONDS = 1.0

Handler = Callable[[TimerRequest], Awaitable[object]]


class Schedule(Protocol):
    """When a timer is due."""

    def after(self, moment: datetime) -> datetime:
        """The first time later than `moment`."""
        ...


class CronSchedule:
    """``{second} {minute} {hour} {day} {month} {day-of-week}``, in UTC."""

    def __init__(self, expression: str) -> None:
        self._expression = expression

    def after(self, moment: datetime) -> datetime:
        found = croniter(self._expression, moment, second_at_beginning=True).get_next(datetime)
        if not isinstance(found, datetime):
            raise BadConfig(f"Schedule {self._expression!r} has no next time.")
        return found


class IntervalSchedule:
    """Every so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._every = timedelta(seconds=seconds)

    def after(self, moment: datetime) -> datetime:
        return moment + self._every


def parse_schedule(text: str) -> Schedule:
    """`text` as the host reads a timer's schedule.

    Raises:
        BadConfig: it is neither a cron expression nor a time span.
    """
    span = parse_time_span(text)
    if span:
        return IntervalSchedule(span)
    fields = text.split()
    if len(fields) == _FIELDS_WITHOUT_SECONDS:
        fields = ["0", *fields]
    expression = " ".join(fields)
    if croniter.is_valid(expression, second_at_beginning=True):
        return CronSchedule(expression)
    raise BadConfig(
        f"Schedule {text!r} is not understood. It must be "
        '"{second} {minute} {hour} {day} {month} {day-of-week}", such as "0 */5 * * * *", or a '
        'time span, such as "00:05:00".'
    )


class TimerLoop:
    """Runs one timer function when it is due."""

    def __init__(
        self,
        function: IndexedFunction,
        handler: Handler,
        clock: Clock,
        environ: Mapping[str, str],
    ) -> None:
        text = resolve(str(function.trigger["schedule"]), environ, f"Function {function.name!r}")
        self.name = function.name
        self.schedule = parse_schedule(text)
        self._handler = handler
        self._clock = clock
        self._on_startup = bool(function.trigger.get("runOnStartup"))
        self._stopping = False
        self._pause: asyncio.Timeout | None = None
        self._last = datetime.min.replace(tzinfo=UTC)

    async def run(self) -> None:
        """Run the function when due until `stop`; a run under way is finished."""
        if self._on_startup and not self._stopping:
            await self._fire(late=False)
        while not self._stopping:
            due = self.schedule.after(self._clock.now())
            await self._wait_until(due)
            if not self._stopping:
                late = (self._clock.now() - due).total_seconds()
                await self._fire(late=late > _PAST_DUE_SECONDS)

    def stop(self) -> None:
        """Begin no more runs."""
        self._stopping = True
        if self._pause is not None:
            self._pause.reschedule(asyncio.get_running_loop().time())

    async def _wait_until(self, due: datetime) -> None:
        try:
            async with asyncio.timeout(None) as self._pause:
                while not self._stopping:
                    left = (due - self._clock.now()).total_seconds()
                    if left <= 0:
                        return
                    await self._clock.sleep(left)
        except TimeoutError:
            log.debug("timer %s ends", self.name)
        finally:
            self._pause = None

    async def _fire(self, *, late: bool) -> None:
        now = self._clock.now()
        request = TimerRequest(
            past_due=late,
            schedule_status={
                "Last": self._last.isoformat(),
                "Next": self.schedule.after(now).isoformat(),
                "LastUpdated": self._last.isoformat(),
            },
            schedule={"AdjustForDST": True},
        )
        self._last = now
        try:
            await self._handler(request)
        except Exception as error:  # noqa: BLE001 - a failed run is told; the next one comes
            log.error("%s failed: %s", self.name, failure_text(error))  # noqa: TRY400 - in the text
