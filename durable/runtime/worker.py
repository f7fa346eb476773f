"""A process without a Functions host: reads the hub's queues itself, and runs the sweeper.

It reads the control queues that it owns, as the original's workers do, and the work-item queue,
which has no owner. Ownership shares the work out; exclusion rests on ETags as everywhere, so a
message of a queue that was lost meanwhile is finished all the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from durable.clock import Clock
from durable.errors import StorageError
from durable.hub.taskhub import TaskHub
from durable.runtime.delivery import Lease
from durable.runtime.engine import Engine
from durable.runtime.own_lease import HeldMessage
from durable.runtime.polling import QueueReader, Room
from durable.runtime.telling import told
from durable.runtime.worker_settings import WorkerSettings
from durable.storage.values import QueueMessage
from durable.together import first_of

log = logging.getLogger("durable.worker")

_LONGEST_RETRY_SECONDS = 60
#: Waits double, as the original's; those for activities less, since others put large fan-outs there
#: without being able to tell.
_GROWTH, _GROWTH_OF_WORK = 2.0, 1.25
#: A worker without the first control queue sweeps as rarely as this, should nobody of ours own it.
_ROUNDS_OF_OTHERS = 10
#: After the drain: the partition rows are written, what was let go ends.
_LAST_SECONDS = 10.0


class Partitions(Protocol):
    """Which control queues this process owns; see `durable.runtime.partitions`."""

    @property
    def owned(self) -> frozenset[str]: ...

    def owns(self, queue: str) -> bool:
        """Whether the queue is this process's to read."""
        ...

    async def wait_changed(self, known: frozenset[str] | None = None) -> None:
        """Return when `owned` differs from `known`."""
        ...

    async def run(self) -> None:
        """Claim, renew and share until `release`."""
        ...

    async def release(self) -> None:
        """Give back what is owned, each queue as soon as it is drained."""
        ...


class Worker:
    """Serves one hub in this process; what its messages cause runs inside it (a `Scope`).

    Args:
        engine: what deals with the messages.
        hub: the task hub.
        clock: the process's clock.
        partitions: which control queues are its own; asks `drained` before it gives one away.
        settings: how it reads.
        free_slots: how many more activities may run in the process, those in place counted.
    """

    def __init__(
        self,
        engine: Engine,
        hub: TaskHub,
        clock: Clock,
        partitions: Partitions,
        settings: WorkerSettings | None = None,
        *,
        free_slots: Callable[[], int] | None = None,
    ) -> None:
        self._engine = engine
        self._hub = hub
        self._clock = clock
        self._partitions = partitions
        self._settings = settings or WorkerSettings()
        self._control_room = Room(self._settings.control_limit)
        self._activity_room = Room(engine.settings.max_concurrent_activities, free_slots)
        self._readers: dict[str, QueueReader] = {}
        #: Those of queues that were lost are here until their last look is over.
        self._reading: dict[asyncio.Task[None], QueueReader] = {}
        self._in_flight: Counter[str] = Counter()
        self._work: set[asyncio.Task[None]] = set()
        self._tasks: asyncio.TaskGroup | None = None
        self._at_rest = asyncio.Event()
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()

    @property
    def owned(self) -> frozenset[str]:
        """The control queues it reads."""
        return self._partitions.owned

    @property
    def in_flight(self) -> int:
        """Messages and other work under way."""
        return len(self._work)

    def serves(self, queue: str) -> bool:
        """Whether a message of `queue` may be handed to this process in memory now."""
        if self._tasks is None or self._stopping.is_set():
            return False
        control = self._in_flight.total() - self._in_flight[self._hub.names.work_items]
        if control >= self._settings.control_limit:
            return False
        return queue == self._hub.names.work_items or self._partitions.owns(queue)

    def may_linger(self) -> bool:
        """Always: what runs in place takes nothing from messages but places of activities."""
        return True

    def spawn(self, work: Coroutine[Any, Any, None], *, queue: str | None = None) -> None:
        """Run `work` as part of what is in flight, as a message of `queue` if it is one.

        What it raises is logged. It is dropped once the worker has ended: its message then comes
        back with its lease.
        """

        def served() -> None:
            if queue is not None:
                self._in_flight[queue] -= 1

        if queue is not None:
            self._in_flight[queue] += 1
        self._begin(work, served)

    def wake(self, queue: str, after: float = 0.0) -> None:
        """Look into `queue` now, or after so many seconds: a message was put that is due then."""
        reader = self._readers.get(queue)
        if reader is None:
            return
        if after > 0:
            reader.wake_after(after)
        else:
            reader.wake()

    def drained(self, queue: str) -> bool:
        """Whether nothing of `queue` is in flight here."""
        asking = any(each.is_asking for each in self._reading.values() if each.queue == queue)
        return not asking and self._in_flight[queue] == 0

    async def run(self) -> None:
        """Serve the hub until `stop`, and end when what is in flight then has ended."""
        self._engine.work_in(self)
        self._hub.outbox.tell = self.wake
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                owning = tasks.create_task(self._partitions.run())
                others = [
                    tasks.create_task(each)
                    for each in (self._engine.keep_time(), self._sweep(), self._follow())
                ]
                self._read(self._hub.names.work_items)
                await self._stopping.wait()
                await self._drain()
                for task in (owning, *others, *self._reading):
                    task.cancel()
        except BaseExceptionGroup as several:
            raise first_of(several) from None
        finally:
            self._tasks = None
            self._engine.sessions.clear()
            self._ended.set()

    async def stop(self) -> None:
        """Take nothing more, finish what is in flight, give the partitions back.

        Returns when `run` has ended. What is not finished in `drain_seconds` is let go: its
        messages come back when their leases end.
        """
        self._stopping.set()
        await self._ended.wait()

    async def _follow(self) -> None:
        """Read what is owned, and nothing else."""
        while True:
            owned = self._partitions.owned
            mine = set(self._readers) - {self._hub.names.work_items}
            for queue in mine - owned:
                self._readers.pop(queue).stop()
            if fresh := owned - mine:
                self._engine.note_acquired()
                for queue in sorted(fresh):
                    self._read(queue)
                self._expect(fresh)
            await self._partitions.wait_changed(owned)

    def _expect(self, acquired: frozenset[str]) -> None:
        """Look often for the time of a lease: who had the queues may have died, holding messages.

        Activities, too: their queue tells nobody of what a dead process held.
        """
        for queue in (*acquired, self._hub.names.work_items):
            reader = self._readers.get(queue)
            if reader is not None:
                reader.look_often(self._lease_seconds(queue))

    def _read(self, queue: str) -> None:
        if self._stopping.is_set():
            return
        is_control = queue != self._hub.names.work_items
        settings = self._settings
        reader = QueueReader(
            self._hub.account.queues,
            queue,
            self._take,
            room=self._control_room if is_control else self._activity_room,
            batch=settings.control_batch if is_control else settings.work_item_batch,
            lease_seconds=self._lease_seconds(queue),
            longest_wait_seconds=settings.longest_wait_seconds,
            growth=_GROWTH if is_control else _GROWTH_OF_WORK,
            clock=self._clock,
        )
        self._readers[queue] = reader
        task = self._group().create_task(reader.run())
        self._reading[task] = reader
        task.add_done_callback(self._reading.pop)

    def _lease_seconds(self, queue: str) -> int:
        if queue == self._hub.names.work_items:
            return self._settings.work_item_lease_seconds
        return self._settings.control_lease_seconds

    def _take(self, queue: str, message: QueueMessage, asked_at: float) -> None:
        is_control = queue != self._hub.names.work_items
        room = self._control_room if is_control else self._activity_room

        def served() -> None:
            self._in_flight[queue] -= 1
            room.release(1)

        self._in_flight[queue] += 1
        self._begin(self._serve(queue, message, asked_at), served)

    def _begin(self, work: Coroutine[Any, Any, None], after: Callable[[], None]) -> None:
        """Run `work` in flight; `after` is called when it ends, however it does."""
        guarded = self._guarded(work)
        try:
            task = self._group().create_task(guarded)
        except RuntimeError:
            # It has ended, or something ends it just now.
            guarded.close()
            work.close()
            after()
            return
        self._work.add(task)

        def over(task: asyncio.Task[None]) -> None:
            work.close()  # it may never have begun
            self._work.discard(task)
            after()
            if not self._work:
                self._at_rest.set()

        task.add_done_callback(over)

    def _group(self) -> asyncio.TaskGroup:
        if self._tasks is None:
            raise RuntimeError("the worker does not run")
        return self._tasks

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - must not end the worker; its message comes back
            log.error("failed: %s", told(error))  # noqa: TRY400 - a traceback may hold a payload

    async def _serve(self, queue: str, message: QueueMessage, asked_at: float) -> None:
        """See one message through: held meanwhile, deleted after success."""
        seconds = self._lease_seconds(queue)
        lease = Lease(asked_at + seconds)
        held = HeldMessage(self._hub.account.queues, queue, message, seconds, self._clock, lease)
        over = asyncio.Event()
        async with asyncio.TaskGroup() as keeping:
            keeping.create_task(held.keep_until(over))
            try:
                if queue == self._hub.names.work_items:
                    await self._engine.process_work_item(message, lease)
                else:
                    await self._engine.process_control_message(queue, message, lease)
                over.set()
                await held.delete()
            except Exception as error:  # noqa: BLE001 - the message is delivered again
                over.set()
                await self._give_back(queue, held, error)
            finally:
                over.set()

    async def _give_back(self, queue: str, held: HeldMessage, error: Exception) -> None:
        message = held.message
        pause = min(2 ** (message.dequeue_count - 1), _LONGEST_RETRY_SECONDS)
        log.warning("message %s of %s is to come back: %s", message.id, queue, told(error))
        async with held.renewal:  # the receipt of a renewal under way is the one that counts
            await held.give_back(pause)
        self.wake(queue, after=pause)

    async def _sweep(self) -> None:
        """Sweep again and again: the owner of the first control queue does it for all."""
        rounds = 0
        while True:
            # Workers that start together don't all sweep at once.
            await self._clock.sleep(self._settings.sweep_seconds * self._clock.jitter(0.9, 1.0))
            rounds += 1
            first = self._partitions.owns(self._hub.names.control_queues[0])
            if first or rounds % _ROUNDS_OF_OTHERS == 0:
                done = asyncio.Event()
                self._begin(self._sweep_once(), done.set)
                await done.wait()

    async def _sweep_once(self) -> None:
        try:
            await self._engine.sweep()
        except StorageError as error:
            log.warning("the sweep waits for its next run: %s", error)
        except Exception as error:  # noqa: BLE001 - the next one may do better
            log.error("the sweep failed: %s", told(error))  # noqa: TRY400 - may hold a payload

    async def _drain(self) -> None:
        for reader in self._reading.values():
            reader.stop()
        releasing = self._group().create_task(self._release())
        if self._work:
            resting = self._group().create_task(self._rest())
            await asyncio.wait({resting}, timeout=self._settings.drain_seconds)
        left = list(self._work)
        if left:
            log.warning(
                "%d messages and activities were not finished in %g s; they are delivered again "
                "when their messages' leases end.",
                len(left),
                self._settings.drain_seconds,
            )
        for task in left:
            task.cancel()
        await asyncio.wait({releasing}, timeout=_LAST_SECONDS)
        releasing.cancel()

    async def _rest(self) -> None:
        while self._work:
            self._at_rest.clear()
            await self._at_rest.wait()

    async def _release(self) -> None:
        try:
            await self._partitions.release()
        except StorageError as error:
            log.warning("others take over when the partitions' leases end: %s", error)
