"""The floor: the same storage calls, made by a bare client with no engine.

A recording of an engine's run is issued again through the same adapter: same operations, same
texts, rows and batches, on queues and tables of its own. A call is made as soon as the calls are
answered that had been answered when the engine made it, so calls that overlapped overlap again, and
nothing else takes time. `one_by_one` makes each call after the answer of the one before it.

A message is deleted and updated with the receipt of its own put or get, a row is written under the
ETag of its own last write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.measure.recording import Recording, Step, StorageCall
from durable.errors import StorageError
from durable.storage.ports import Account
from durable.storage.values import All, Operation, Page, Row, Some, Where

_STALE = ("00000000-0000-0000-0000-000000000000", "AgAAAAMAAAAAAAAAAAAAAAAAAAA=")
Keys = tuple[str, str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Renaming:
    """Texts that a replay has in place of the recorded ones.

    Attributes:
        hub: in the names of queues, tables and containers.
        ids: the instance's, in keys, rows and messages.
        partition: of the control queue, where the id's is another than the recorded one's.
    """

    hub: tuple[str, str] = ("Bench", "Floor")
    ids: tuple[str, str] | None = None
    partition: int | None = None

    def name(self, text: str) -> str:
        """Of a queue, a table or a container."""
        old, new = self.hub
        renamed = text.replace(old, new).replace(old.lower(), new.lower())
        head, mark, _ = renamed.partition("-control-")
        if self.partition is None or not mark:
            return renamed
        return f"{head}{mark}{self.partition:02}"

    def text(self, text: str) -> str:
        return text if self.ids is None else text.replace(*self.ids)

    def value(self, value: Any) -> Any:
        return self.text(value) if isinstance(value, str) else value


class Floor:
    """A bare client on an account.

    Attributes:
        refused: calls that failed here and had not failed in the recording; none is expected.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._known: set[tuple[str, str]] = set()
        self.refused = 0

    async def prepare(self, recording: Recording, renaming: Renaming | None = None) -> None:
        """Create the queues, tables and containers that `recording` names."""
        renaming = renaming or Renaming()
        account = self._account
        creating: Mapping[str, Callable[[str], Any]] = {
            "queue": account.queues.create_queue,
            "table": account.tables.create_table,
            "container": account.blobs.create_container,
        }
        for call in recording.calls:
            for kind, create in creating.items():
                name = call.given.get(kind)
                if name is None:
                    continue
                name = renaming.name(name)
                if (kind, name) not in self._known:
                    self._known.add((kind, name))
                    await create(name)

    def replay(self, renaming: Renaming | None = None) -> Replay:
        """A run of the bare client: it remembers what its own calls were answered."""
        return Replay(self, self._account, renaming or Renaming())


def _serial(recording: Recording) -> Sequence[Step]:
    return [step for call in recording.calls for step in (Step(call, True), Step(call, False))]


def _last_look(recording: Recording) -> StorageCall | None:
    ended = [step.call for step in recording.steps if not step.begins]
    looks = [call for call in ended if call.is_look] or ended
    return looks[-1] if looks else None


class Replay:
    """What its own calls were answered stands in place of what was recorded."""

    def __init__(self, floor: Floor, account: Account, renaming: Renaming) -> None:
        self._floor = floor
        self._account = account
        self._renaming = renaming
        self._receipts: dict[str, tuple[str, str]] = {}
        self._recorded: dict[str, str] = {}
        self._etags: dict[Keys, str] = {}
        self._continuations: dict[str, str | None] = {}

    async def play(
        self,
        recording: Recording,
        *,
        one_by_one: bool = False,
        answered: Callable[[], None] | None = None,
    ) -> None:
        """Make the calls of `recording`, which `work` has cleaned.

        `answered` is called when the client that waited would know: after its last look, or the
        last call where there was none.
        """
        last = _last_look(recording)
        steps = _serial(recording) if one_by_one else recording.steps
        running: dict[int, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            for step in steps:
                if step.begins:
                    running[id(step.call)] = tasks.create_task(self._make(step.call))
                    continue
                await running.pop(id(step.call))
                if step.call is last and answered is not None:
                    answered()

    async def _make(self, call: StorageCall) -> None:
        make: Callable[[StorageCall], Any] = getattr(self, f"_{call.method}")
        try:
            await make(call)
        except StorageError:
            self._floor.refused += call.refusal is None

    async def _put(self, call: StorageCall) -> None:
        given = dict(call.given)
        queue, text = self._renaming.name(given.pop("queue")), given.pop("text")
        receipt = await self._account.queues.put(queue, self._renaming.text(text), **given)
        if call.answer is not None:
            self._receipts[call.answer.id] = (receipt.id, receipt.pop_receipt)
            self._recorded[receipt.id] = call.answer.id

    async def _get(self, call: StorageCall) -> None:
        given = dict(call.given)
        queue = self._renaming.name(given.pop("queue"))
        found = await self._account.queues.get(queue, **given)
        # Perhaps not those that were got then: each is known by its own put.
        for message in found:
            heard = self._recorded.get(message.id)
            if heard is not None:
                self._receipts[heard] = (message.id, message.pop_receipt)

    async def _update(self, call: StorageCall) -> None:
        given = dict(call.given)
        queue = self._renaming.name(given.pop("queue"))
        heard = given.pop("message_id")
        del given["pop_receipt"]
        if given.get("text") is not None:
            given["text"] = self._renaming.text(given["text"])
        message_id, receipt = self._receipts.get(heard, _STALE)
        newer = await self._account.queues.update(queue, message_id, receipt, **given)
        self._receipts[heard] = (message_id, newer)

    async def _delete(self, call: StorageCall) -> None:
        queue = self._renaming.name(call.given["queue"])
        message_id, receipt = self._receipts.get(call.given["message_id"], _STALE)
        await self._account.queues.delete(queue, message_id, receipt)

    async def _read(self, call: StorageCall) -> None:
        table = self._renaming.name(call.given["table"])
        keys = self._keys(call.given["partition_key"], call.given["row_key"])
        row = await self._account.tables.read(table, *keys)
        if row is not None and row.etag:
            self._etags[table, *keys] = row.etag

    async def _query(self, call: StorageCall) -> None:
        given = dict(call.given)
        table = self._renaming.name(given.pop("table"))
        condition = self._condition(given.pop("condition"))
        if given.get("continuation") is not None:
            given["continuation"] = self._continuations.get(given["continuation"])
        page = await self._account.tables.query(table, condition, **given)
        if isinstance(call.answer, Page) and call.answer.continuation is not None:
            self._continuations[call.answer.continuation] = page.continuation
        for row in page.rows:
            self._etags[table, row.partition_key, row.row_key] = row.etag or ""

    async def _write(self, call: StorageCall) -> None:
        table = self._renaming.name(call.given["table"])
        operation = self._operation(table, call.given["operation"])
        etag = await self._account.tables.write(table, operation)
        self._note(table, operation.row, etag)

    async def _batch(self, call: StorageCall) -> None:
        table = self._renaming.name(call.given["table"])
        operations = [self._operation(table, each) for each in call.given["operations"]]
        etags = await self._account.tables.batch(table, operations)
        for operation, etag in zip(operations, etags, strict=True):
            self._note(table, operation.row, etag)

    async def _put_blob(self, call: StorageCall) -> None:
        given = dict(call.given)
        container = self._renaming.name(given.pop("container"))
        name = self._renaming.text(given.pop("name"))
        await self._account.blobs.put_blob(container, name, given.pop("data"), **given)

    async def _get_blob(self, call: StorageCall) -> None:
        given = dict(call.given)
        container = self._renaming.name(given.pop("container"))
        name = self._renaming.text(given.pop("name"))
        await self._account.blobs.get_blob(container, name, **given)

    async def _list_blobs(self, call: StorageCall) -> None:
        container = self._renaming.name(call.given["container"])
        await self._account.blobs.list_blobs(container, self._renaming.text(call.given["prefix"]))

    async def _delete_blob(self, call: StorageCall) -> None:
        container = self._renaming.name(call.given["container"])
        await self._account.blobs.delete_blob(container, self._renaming.text(call.given["name"]))

    def _keys(self, partition_key: str, row_key: str) -> tuple[str, str]:
        return self._renaming.text(partition_key), self._renaming.text(row_key)

    def _note(self, table: str, row: Row, etag: str) -> None:
        self._etags[table, row.partition_key, row.row_key] = etag

    def _operation(self, table: str, operation: Operation) -> Operation:
        row = operation.row
        partition_key, row_key = self._keys(row.partition_key, row.row_key)
        etag = row.etag
        if etag is not None and etag != "*":
            etag = self._etags.get((table, partition_key, row_key), etag)
        value = self._renaming.value
        columns = {name: value(each) for name, each in row.columns.items()}
        changed = replace(
            row, partition_key=partition_key, row_key=row_key, columns=columns, etag=etag
        )
        return replace(operation, row=changed)

    def _condition(self, condition: Any) -> Any:
        match condition:
            case Where():
                return replace(condition, value=self._renaming.value(condition.value))
            case All(conditions):
                return All(tuple(map(self._condition, conditions)))
            case Some(conditions):
                return Some(tuple(map(self._condition, conditions)))
            case _:
                return condition
