"""Payload blobs that nothing points to any more: left by crashes, deferrals and late messages.

A blob is written before whatever points to it, and a message's blob outlives its message, as in
the original. So only old blobs are looked at. One goes when its instance is gone; a history blob
also when no row that counts names it, a message blob also when its instance has ended, or its
message is gone.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import timedelta

from durable.clock import Clock
from durable.errors import CorruptRecord, DurableError, NotFound
from durable.hub.taskhub import TaskHub
from durable.runtime.message_blobs import MessageBlobs
from durable.runtime.settings import EngineSettings
from durable.storage.values import BlobInfo
from durable.wire.keys import unescape_partition_key

log = logging.getLogger("durable.orphans")

#: Instances looked at in one pass: two reads each.
_INSTANCES_A_PASS = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class _Cursor:
    """A page of the listing, and how many of its instances were looked at already."""

    page: str | None = None
    done: int = 0

    @classmethod
    def read(cls, text: str | None) -> _Cursor:
        try:
            found = json.loads(text or "[null, 0]")
        except (ValueError, RecursionError):
            return cls()
        match found:
            case [str() | None as page, int(done)] if done >= 0:
                return cls(page=page, done=done)
            case _:
                return cls()

    def text(self) -> str | None:
        if self.page is None and not self.done:
            return None
        return json.dumps([self.page, self.done])


class Orphans:
    """Removes orphaned blobs, a bounded number of instances a pass."""

    def __init__(self, hub: TaskHub, settings: EngineSettings, clock: Clock) -> None:
        self._hub = hub
        self._settings = settings
        self._clock = clock
        self._messages = MessageBlobs(hub, clock)

    async def remove(self, cursor: str | None) -> str | None:
        """Look at some instances' blobs; returns where to go on."""
        at = _Cursor.read(cursor)
        try:
            blobs, following = await self._hub.account.blobs.list_blobs(
                self._hub.names.large_messages, "", continuation=at.page
            )
        except (NotFound, CorruptRecord):
            return None  # no container yet, or a cursor of another time
        limit = self._clock.now() - timedelta(seconds=self._settings.orphan_seconds)
        by_instance: dict[str, list[BlobInfo]] = {}
        self._messages.begin_pass()
        for blob in blobs:
            instance_id = _instance_of(blob.name)
            if instance_id is None or blob.last_modified >= limit:
                continue
            # What is too large to be read is in quarantine, which could keep no copy of it.
            if _is_history(blob.name) or blob.size <= self._hub.settings.max_payload_bytes:
                by_instance.setdefault(instance_id, []).append(blob)
        todo = list(by_instance.items())[at.done :]
        for instance_id, found in todo[:_INSTANCES_A_PASS]:
            try:
                await self._look(instance_id, found)
            except DurableError as error:
                # One bad instance stops only itself.
                log.warning(
                    "could not look for orphaned payloads of instance %r: %s",
                    instance_id,
                    error,
                    extra={"instance_id": instance_id},
                )
        if len(todo) > _INSTANCES_A_PASS:
            return _Cursor(page=at.page, done=at.done + _INSTANCES_A_PASS).text()
        return _Cursor(page=following).text()

    async def _look(self, instance_id: str, blobs: list[BlobInfo]) -> None:
        row = await self._hub.instances.read(instance_id)
        referenced, ended = await self._references(instance_id)
        if row is not None:
            ended = ended and row.status is not None and row.status.is_terminal
            columns = (row.input, row.output)
            referenced |= {n for n in map(self._hub.payloads.name_in, columns) if n is not None}
            if row.input_blob:
                referenced.add(row.input_blob)
        free = [blob for blob in blobs if blob.name not in referenced]
        over = {blob.name for blob in free if _is_history(blob.name) or row is None or ended}
        left = [blob for blob in free if blob.name not in over]
        over |= await self._messages.of_the_past(left, instance_id)
        await self._hub.payloads.delete(sorted(over))

    async def _references(self, instance_id: str) -> tuple[set[str], bool]:
        """The blobs that the history names, and whether it has ended (or was never begun)."""
        rows, sentinel = await self._hub.history.read_names(instance_id)
        if sentinel is not None and sentinel.identities_blob:
            rows.add(sentinel.identities_blob)
        return rows, sentinel is not None


def _is_history(name: str) -> bool:
    return name.rpartition("/")[2].startswith("history-")


def _instance_of(name: str) -> str | None:
    """History blobs lie under the escaped id, message blobs under the raw one."""
    folder, _, _ = name.rpartition("/")
    if not folder:
        return None
    if not _is_history(name):
        return folder
    try:
        return unescape_partition_key(folder)
    except CorruptRecord:
        return None
