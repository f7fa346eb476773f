"""What is too big for a row or a message: put in blobs, fetched back, deleted with its instance.

Names, limits and compression are the original's (storage-format.md section 4); only the upload is
one request instead of six. A blob is written before whatever points to it, so a crash in between
leaves an orphan, which purge and the sweeper remove.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from durable.clock import Clock
from durable.errors import CorruptRecord, InvalidName, NotFound, TooLarge
from durable.model.events import ExecutionStarted
from durable.model.messages import TaskMessage
from durable.model.status import InstanceRow
from durable.storage.ports import BlobStore
from durable.together import run_together
from durable.wire import spill
from durable.wire.envelopes import (
    BlobPointer,
    decode_message,
    encode_message,
    encode_pointer,
    message_blob_name,
)
from durable.wire.fields import Column
from durable.wire.keys import escape_partition_key
from durable.wire.names import HubNames

#: Blobs read or written at once for one instance.
_AT_ONCE = 16


class PayloadStore:
    """The hub's container of large payloads."""

    def __init__(self, blobs: BlobStore, names: HubNames, clock: Clock, *, max_bytes: int) -> None:
        self._blobs = blobs
        self._names = names
        self._clock = clock
        self._max_bytes = max_bytes

    async def spill_row(
        self,
        partition_key: str,
        row_key: str,
        event_type: str,
        columns: Mapping[str, Column],
        oversized: Sequence[str],
    ) -> dict[str, Column]:
        """`columns` with each of the `oversized` ones in a blob and its name beside it."""
        result = dict(columns)
        for prop in oversized:
            token = self._clock.new_id()[:8].upper()
            name = spill.history_blob_name(partition_key, row_key, event_type, token, prop)
            await self.write(name, str(columns[prop]))
            result = spill.with_blob(result, prop, name)
        return result

    async def fetch_row(self, columns: Mapping[str, Column]) -> dict[str, Column]:
        """`columns` with the texts of its blobs in their places."""
        result = dict(columns)
        for prop, name in spill.blobs_of(columns).items():
            result = spill.with_text(result, prop, await self.read(name))
        return result

    async def fetch_rows(self, rows: list[Mapping[str, Column]]) -> list[dict[str, Column]]:
        """`fetch_row` for many, a bounded number at once."""
        if not any(spill.blobs_of(columns) for columns in rows):
            return [dict(columns) for columns in rows]
        return await run_together((self.fetch_row(columns) for columns in rows), at_once=_AT_ONCE)

    async def spill_message(self, message: TaskMessage) -> tuple[str, str | None]:
        """The text to put in the queue, and the blob the message went to when it was too large."""
        text = encode_message(message)
        if not spill.message_is_large(text):
            return text, None
        name = message_blob_name(message)
        await self.write(name, text)
        return encode_pointer(name), name

    async def read_message(self, pointer: BlobPointer) -> TaskMessage:
        """The message a pointer stands for.

        Raises:
            CorruptRecord: the blob is missing or holds something else.
        """
        try:
            text = await self.read(pointer.blob_name)
        except NotFound as error:
            raise CorruptRecord(
                f"The message's blob {pointer.blob_name!r} is missing.", operation="read message"
            ) from error
        found = decode_message(text)
        if isinstance(found, BlobPointer):
            raise CorruptRecord(
                f"The message's blob {pointer.blob_name!r} holds another pointer.",
                operation="read message",
            )
        if not spill.blob_belongs_to(pointer.blob_name, found.target.instance_id):
            raise CorruptRecord(
                f"The message's blob {pointer.blob_name!r} holds a message of another instance, "
                f"{found.target.instance_id!r}.",
                operation="read message",
            )
        return found

    async def write(self, name: str, text: str, *, quickly: bool = False) -> None:
        """Put `text`, compressed, under `name`; the container is made on first need.

        `quickly`: see `spill.compress`.

        Raises:
            TooLarge: nobody would read it again.
        """
        if len(text) * 4 > self._max_bytes and (size := spill.stored_bytes(text)) > self._max_bytes:
            raise TooLarge(
                f"The payload {name!r} has {size:,} bytes; at most {self._max_bytes:,} are stored.",
                operation="write payload",
                resource=name,
            )
        data = spill.compress(text, quickly=quickly)
        try:
            await self._blobs.put_blob(self._names.large_messages, name, data)
        except NotFound:
            await self._blobs.create_container(self._names.large_messages)
            await self._blobs.put_blob(self._names.large_messages, name, data)

    async def read(self, name: str) -> str:
        """The text under `name`.

        Raises:
            NotFound: there is no such blob.
            CorruptRecord: it is no gzip of UTF-8, or too large.
        """
        data = await self._blobs.get_blob(
            self._names.large_messages, name, max_bytes=self._max_bytes
        )
        try:
            return spill.decompress(data, max_bytes=self._max_bytes)
        except CorruptRecord as error:
            raise CorruptRecord(
                f"Payload {name!r} is damaged: {error}", operation="read payload", resource=name
            ) from error

    def url(self, name: str) -> str:
        """The blob's address, as the Instances table holds it."""
        return self._blobs.url(self._names.large_messages, name)

    def name_in(self, text: str | None) -> str | None:
        """The blob `text` points to, when it is an address in our own container, whoever's host."""
        if text is None:
            return None
        return spill.container_blob(text, self._names.large_messages)

    async def input_of(self, row: InstanceRow) -> str | None:
        """An instance's input: the column, or what it points to."""
        name = self._own(row, row.input) or (row.input_blob if not row.input else None)
        if name is None or not spill.blob_belongs_to(name, row.instance_id):
            return row.input
        if not spill.holds_start_message(name):
            return await self.read(name)
        message = await self.read_message(BlobPointer(name))
        event = message.event
        return event.input if isinstance(event, ExecutionStarted) else None

    async def output_of(self, row: InstanceRow) -> str | None:
        """An instance's output: the column, or what it points to."""
        name = self._own(row, row.output)
        if name is None:
            return row.output
        try:
            return await self.read(name)
        except (NotFound, InvalidName):
            return row.output  # a reason that a client gave, and that only looks like an address

    def _own(self, row: InstanceRow, text: str | None) -> str | None:
        """The instance's own blob `text` points to; another instance's is not followed."""
        name = self.name_in(text)
        return name if name and spill.blob_belongs_to(name, row.instance_id) else None

    async def delete(self, names: Sequence[str]) -> None:
        """Delete blobs by name; fine when they are gone."""
        for name in names:
            await self._blobs.delete_blob(self._names.large_messages, name)

    async def names_of(self, instance_id: str) -> list[str]:
        """Every blob of an instance: under its raw and under its escaped id (W11)."""
        names: list[str] = []
        for folder in dict.fromkeys((instance_id, escape_partition_key(instance_id))):
            continuation: str | None = None
            while True:
                try:
                    found, continuation = await self._blobs.list_blobs(
                        self._names.large_messages, f"{folder}/", continuation=continuation
                    )
                except NotFound:
                    return []  # no payload of this hub was ever large
                # What lies deeper, or is of the other kind, is another instance's.
                names += [b.name for b in found if spill.blob_belongs_to(b.name, instance_id)]
                if continuation is None:
                    break
        return names
