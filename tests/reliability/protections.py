"""Protections of the real code, each taken away by a patch. See test_protections_removed.py."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from durable.client import entity_cleaning, operating
from durable.engine import entity_batch, judgement, replay, turn
from durable.engine.atomic_tasks import TimerTask
from durable.engine.derive import owed_messages
from durable.engine.external_events import ExternalEvents
from durable.engine.judgement import Verdict
from durable.engine.ledger import Ledger
from durable.errors import Conflict, CorruptRecord, PreconditionFailed, StorageError
from durable.hub import commit, history, purging
from durable.hub.commit import Committed, Committer
from durable.hub.instances import InstanceStore
from durable.hub.payloads import PayloadStore
from durable.model import ids
from durable.model.entities import Release
from durable.model.history import StoredEvent
from durable.runtime import partitions, quiet
from durable.runtime.delivery import Deferred
from durable.runtime.orphans import Orphans
from durable.runtime.own_lease import HeldMessage
from durable.runtime.patience import Patience
from durable.runtime.settings import EngineSettings
from durable.runtime.settling import Settling
from durable.runtime.stranded import Stranded
from durable.runtime.sweeper import Sweeper
from durable.storage.values import Operation, Write
from durable.wire import entity_json
from tests.reliability import test_weaknesses_history as histories

Patch = pytest.MonkeyPatch


def nothing(*args: Any, **kwargs: Any) -> None:
    """In place of what protects."""


async def nothing_async(*args: Any, **kwargs: Any) -> None:
    """In place of what protects."""


def always(value: Any) -> Callable[..., Any]:
    return lambda *args, **kwargs: value


def always_async(value: Any) -> Callable[..., Any]:
    async def say(*args: Any, **kwargs: Any) -> Any:
        return value

    return say


def batches_that_are_no_stretches(patch: Patch) -> None:
    def chunks(events: Any, *args: Any, **kwargs: Any) -> list[Any]:
        return [list(events[at : at + 99]) for at in range(0, len(events), 99)]

    patch.setattr(commit, "split", chunks)


def messages_first(patch: Patch) -> None:
    checkpoint = Committer.checkpoint

    async def send_first(self: Any, state: Any, draft: Any, **more: Any) -> Any:
        rows = [] if draft.is_new_execution else list(state.ledger.rows)
        ahead = Ledger([*rows, *(StoredEvent(event=event) for event in draft.events)])
        sent = 0 if draft.is_new_execution else Ledger(rows).stretches
        await self._hub.outbox.send_all(owed_messages(ahead, sent))
        return await checkpoint(self, state, draft, **more)

    patch.setattr(Committer, "checkpoint", send_first)


def random_children(patch: Patch) -> None:
    numbers = itertools.count()
    patch.setattr(ids, "child_execution_id", lambda *a, **k: f"{next(numbers):032x}")


def no_identities(patch: Patch) -> None:
    patch.setattr(judgement._Judge, "_was_consumed", always(False))


def identities_of_one_generation(patch: Patch) -> None:
    patch.setattr(turn, "kept_identities", always(()))


def rows_are_not_repaired(patch: Patch) -> None:
    patch.setattr(commit, "owed_from", always(None))
    patch.setattr(Committer, "repair", always_async(False))


def rows_without_etags(patch: Patch) -> None:
    write = InstanceStore._write

    async def blindly(self: Any, kind: Any, changes: Any, full: Any, *, etag: Any = None) -> Any:
        return await write(self, kind, changes, full, etag="*")

    patch.setattr(InstanceStore, "_write", blindly)


def terminated_instances_begin(patch: Patch) -> None:
    patch.setattr(turn._Composer, "is_terminated", staticmethod(always(False)))


def messages_for_nobody_wait(patch: Patch) -> None:
    patch.setattr(judgement._Judge, "_for_history", always(Verdict.WAIT_FOR_INSTANCE))


def lost_starts_stay_lost(patch: Patch) -> None:
    patch.setattr(Sweeper, "_start_again", nothing_async)


def pending_rows_begin_nothing(patch: Patch) -> None:
    patch.setattr(judgement._Judge, "_row_waits", always(False))


def leases_never_end(patch: Patch) -> None:
    patch.setattr(partitions, "MARGIN_SECONDS", -1e6)


def histories_without_etags(patch: Patch) -> None:
    write = history._sentinel_write

    def blindly(*args: Any) -> Operation:
        operation = write(*args)
        return Operation(write=Write.UPSERT_MERGE, row=replace(operation.row, etag=None))

    patch.setattr(history, "_sentinel_write", blindly)


def bad_messages_are_not_kept(patch: Patch) -> None:
    patch.setattr(Settling, "keep", nothing_async)


def patience_without_end(patch: Patch) -> None:
    patch.setattr(Patience, "_until", always(Deferred(1.0)))


def bad_messages_are_raised(patch: Patch) -> None:
    async def raised(*args: Any, **kwargs: Any) -> None:
        raise CorruptRecord("bad")

    patch.setattr(Settling, "keep", raised)


def ids_anywhere(patch: Patch) -> None:
    written = entity_json._request

    def shuffled(request: Any) -> dict[str, object]:
        made = written(request)
        return {name: made[name] for name in (*(n for n in made if n != "id"), "id")}

    patch.setattr(entity_json, "_request", shuffled)


def prefixes_without_a_slash(patch: Patch) -> None:
    async def names(self: Any, instance_id: str) -> list[str]:
        found, _ = await self._blobs.list_blobs(self._names.large_messages, instance_id)
        return [each.name for each in found]

    patch.setattr(PayloadStore, "names_of", names)


def raw_prefixes_alone(patch: Patch) -> None:
    async def names(self: Any, instance_id: str) -> list[str]:
        found, _ = await self._blobs.list_blobs(self._names.large_messages, f"{instance_id}/")
        return [each.name for each in found]

    patch.setattr(PayloadStore, "names_of", names)


def orphans_stay(patch: Patch) -> None:
    patch.setattr(Orphans, "remove", nothing_async)


def all_rows_count(patch: Patch) -> None:
    patch.setattr(history, "_counted", lambda rows, sentinel, start: list(rows))
    patch.setattr(history, "_continues", always(False))


def neither_sessions_nor_chains(patch: Patch) -> None:
    patch.setattr(histories, "_SETTINGS", EngineSettings(fast_path=False, session_limit=0))


def an_answer_a_turn(patch: Patch) -> None:
    patch.setattr(histories, "_SETTINGS", EngineSettings(fast_path=False, gather_limit=1))


def everybody_waits_for_the_bad(patch: Patch) -> None:
    failed = Settling._failed

    async def wait(self: Any, delivery: Any, error: Exception) -> None:
        await self._hub.clock.sleep(10)
        await failed(self, delivery, error)

    patch.setattr(Settling, "_failed", wait)


def cancelled_timers_hold_on(patch: Patch) -> None:
    patch.setattr(TimerTask, "cancel", nothing)


def rewinds_stay_half_done(patch: Patch) -> None:
    patch.setattr(quiet, "pending_rewind", always(None))


def cleaning_without_a_second_look(patch: Patch) -> None:
    purge_instance = purging.purge_instance

    async def blindly(hub: Any, instance_id: str, **more: Any) -> bool:
        return await purge_instance(hub, instance_id, force=True)

    patch.setattr(entity_cleaning, "purge_instance", blindly)


def purges_take_what_runs(patch: Patch) -> None:
    patch.setattr(purging, "_has_ended", always(True))


def releases_do_not_wait(patch: Patch) -> None:
    release = entity_batch._Intake._release

    def at_once(self: Any, message: Release) -> None:
        release(self, replace(message, after=None))

    patch.setattr(entity_batch._Intake, "_release", at_once)


def locks_are_kept(patch: Patch) -> None:
    patch.setattr(turn, "releases_owed", always([]))


def queues_are_forgotten(patch: Patch) -> None:
    patch.setattr(Stranded, "send_on", always_async(0))


def lost_races_are_not_noticed(patch: Patch) -> None:
    checkpoint = Committer.checkpoint

    async def silently(self: Any, state: Any, draft: Any, **more: Any) -> Any:
        try:
            return await checkpoint(self, state, draft, **more)
        except (Conflict, PreconditionFailed):
            return Committed(outdated=[], above=0)

    patch.setattr(Committer, "checkpoint", silently)


def nothing_is_compared(patch: Patch) -> None:
    patch.setattr(replay, "check_action", nothing)


def the_newest_event_first(patch: Patch) -> None:
    wait = ExternalEvents.wait

    def newest(self: Any, task: Any) -> None:
        self._box(task.name).buffered.reverse()
        wait(self, task)

    patch.setattr(ExternalEvents, "wait", newest)


def nobody_has_children(patch: Patch) -> None:
    patch.setattr(operating, "descendants", always_async([]))


def messages_are_for_anyone(patch: Patch) -> None:
    patch.setattr(judgement._Judge, "_is_of_line", always(True))


def neither_lines_nor_identities(patch: Patch) -> None:
    messages_are_for_anyone(patch)
    no_identities(patch)


def messages_are_for_one_generation(patch: Patch) -> None:
    def strictly(self: Any, waiting: Any, execution_id: str | None) -> bool:
        return waiting.message.extras.line in {None, execution_id}

    patch.setattr(judgement._Judge, "_is_of_line", strictly)


def renewals_end_with_a_failure(patch: Patch) -> None:
    async def renewed(self: Any) -> bool:
        try:
            await self.renew()
        except StorageError:
            return False
        return True

    patch.setattr(HeldMessage, "_renewed", renewed)
