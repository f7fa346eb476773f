"""Messages that can't be dealt with, kept whole: looked at, put back, or thrown away.

What a message only pointed to is copied beside it, since the sweeper and a purge remove the blobs
of messages.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from urllib.parse import quote

from durable.engine.judgement import Waiting
from durable.errors import CorruptRecord, InvalidName, TooLarge
from durable.hub.quarantine_records import QuarantinedMessage, told
from durable.hub.quarantine_store import QuarantineStore
from durable.hub.taskhub import TaskHub
from durable.model.messages import TaskMessage
from durable.model.times import NO_TIME
from durable.storage.values import QueueMessage
from durable.together import run_together
from durable.wire import spill
from durable.wire.envelopes import BlobPointer, decode_message, event_type_name, json_text
from durable.wire.message_text import glimpse, restamped

_AT_ONCE = 8
#: Records one page looks at, however few of them fit.
_LOOKED_AT = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class QuarantineQuery:
    """Which messages: every condition that is given holds.

    `with_text`: with what was in the queue; a large message only points to a blob there.
    """

    queue: str | None = None
    instance_id: str | None = None
    with_text: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class QuarantinePage:
    """Some messages, and what to ask for the next ones with (None: there are none).

    A page may hold less than was asked for, even nothing, and not be the last one.
    """

    messages: tuple[QuarantinedMessage, ...]
    continuation_token: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """Where a list goes on: on which page of storage's, after which id."""

    page: str | None = None
    after: str = ""

    @classmethod
    def read(cls, token: str | None) -> _Place:
        if token is None:
            return cls()
        try:
            found = json.loads(base64.urlsafe_b64decode(token))
        except (ValueError, RecursionError):
            found = None
        match found:
            case [str() | None as page, str(after)]:
                return cls(page=page, after=after)
            case _:
                raise CorruptRecord(f"{token[:64]!r} is no continuation of this list.")

    def token(self) -> str | None:
        if self.page is None and not self.after:
            return None
        text = json.dumps([self.page, self.after])
        return base64.urlsafe_b64encode(text.encode()).decode("ascii")


class Quarantine:
    """The quarantine of one hub."""

    def __init__(self, hub: TaskHub) -> None:
        self._hub = hub
        self._store = QuarantineStore(hub)

    async def keep(
        self,
        queue: str,
        raw: QueueMessage,
        reason: str,
        *,
        message: TaskMessage | None = None,
        failures: int | None = None,
    ) -> QuarantinedMessage:
        """Keep a message that came out of `queue`; it may be deleted once this returned.

        Keeping it twice (a crash in between) overwrites the first copy. `message` is what it says,
        as far as it was understood; without a text it is written down anew. `failures` is how
        often the engine failed on it, when that is more than the message itself knows.
        """
        text = raw.text
        if not text and message is not None:
            text, _ = await self._hub.payloads.spill_message(message)
        # What was in memory only has a name that every process gives.
        is_queued = bool(raw.id and raw.pop_receipt)
        message_id = raw.id if is_queued else f"{raw.id}-{self._hub.clock.new_id()}"
        seen = glimpse(text)
        instance_id, kind = seen.instance_id, seen.kind
        if message is not None:
            instance_id, kind = message.target.instance_id, event_type_name(message.event)
            failures = message.extras.failures if failures is None else failures
        kept = QuarantinedMessage(
            id=f"{queue}/{quote(message_id, safe='')}",
            queue=queue,
            message_id=message_id,
            reason=told(reason),
            quarantined_at=self._hub.clock.now(),
            inserted_at=raw.inserted,
            dequeue_count=raw.dequeue_count,
            failures=seen.failures if failures is None else failures,
            instance_id=None if instance_id is None else told(instance_id),
            kind=kind,
            text=text,
        )
        if seen.blob_name is not None:
            await self._store.copy(kept.id, seen.blob_name)
        await self._store.write(kept)
        return kept

    async def page(
        self, query: QuarantineQuery, *, size: int, continuation: str | None = None
    ) -> QuarantinePage:
        """Some of those that fit, by queue and id: `size` (1 or more) of them at most.

        Raises:
            CorruptRecord: the continuation is none of this list's.
        """
        place = _Place.read(continuation)
        found: list[QuarantinedMessage] = []
        looked = 0
        while len(found) < size and looked < _LOOKED_AT:
            ids, following = await self._store.ids(query.queue, place.page)
            ids = [each for each in ids if each > place.after]
            todo = ids[: min(size - len(found), _LOOKED_AT - looked)]
            read = await run_together((self._shown(each, query) for each in todo), at_once=_AT_ONCE)
            found += [each for each in read if each is not None]
            looked += max(len(todo), 1)
            if len(todo) < len(ids):
                place = replace(place, after=todo[-1])
            else:
                place = _Place(page=following)
            if place == _Place():
                break
        return QuarantinePage(messages=tuple(found), continuation_token=place.token())

    async def read(self, id_: str, *, with_text: bool = False) -> QuarantinedMessage | None:
        """One message; None when there is no such one."""
        kept = await self._store.read(id_)
        if kept is None or not with_text:
            return None if kept is None else replace(kept, text=None)
        try:
            whole = await self._payload_text(id_)
        except CorruptRecord:
            whole = None
        return kept if whole is None else replace(kept, text=whole)

    async def replay(self, id_: str) -> bool:
        """Put a message back into its queue, and forget it here; False when there is no such one.

        It keeps its identity, or gets one from the id it had in its queue: what clients sent takes
        effect once, however often it is replayed (R7). What the engine counted against it is
        forgotten.

        Raises:
            CorruptRecord: it can't be put back; says why.
        """
        kept = await self._store.read(id_)
        if kept is None:
            return False
        names = self._hub.names
        if kept.is_damaged or kept.text is None:
            raise _refused(id_, "its record is damaged")
        if kept.queue not in {*names.control_queues, names.work_items}:
            raise _refused(id_, f"{kept.queue!r} is no queue of this hub")
        try:
            await self._put_again(kept, kept.text)
        except (TooLarge, ValueError, RecursionError) as error:  # its text, its blob's name
            raise _refused(id_, str(error).rstrip(".")) from None
        await self._store.forget(id_)
        return True

    async def discard(self, id_: str) -> bool:
        """Delete a message for good; False when there is no such one."""
        if await self._store.read(id_) is None:
            return False
        await self._store.forget(id_)
        return True

    async def _put_again(self, kept: QuarantinedMessage, text: str) -> None:
        understood = await self._understood(kept, text)
        if understood is not None:
            copy = _afresh(understood, kept.message_id)
            await self._hub.outbox.put(kept.queue, copy, delay_seconds=0)
            return
        # Nobody here understands it. Whoever receives it may: in a rolling deployment, say.
        blob_name = glimpse(text).blob_name
        if blob_name is not None and not await self._store.restore(kept.id, blob_name):
            raise _refused(kept.id, "the blob that it points to is gone")
        identity = f"q:{kept.message_id}"
        try:
            await self._hub.account.queues.put(kept.queue, restamped(text, identity))
        except TooLarge:  # with the identity; it came out of a queue without
            await self._hub.account.queues.put(kept.queue, text)

    async def _understood(self, kept: QuarantinedMessage, text: str) -> TaskMessage | None:
        """What the message says, or the blob that it points to; None: it can't be understood."""
        received = kept.inserted_at or NO_TIME
        try:
            found = decode_message(json_text(text), received=received)
            if not isinstance(found, BlobPointer):
                return found
            whole = await self._payload_text(kept.id)
            if whole is None:
                return await self._hub.payloads.read_message(found)
            inner = decode_message(whole, received=received)
        except (CorruptRecord, InvalidName, TooLarge):
            return None
        return None if isinstance(inner, BlobPointer) else inner

    async def _payload_text(self, id_: str) -> str | None:
        """What the message pointed to; None when it did not, or that couldn't be kept.

        Raises:
            CorruptRecord: it is no text.
        """
        data = await self._store.payload(id_)
        if data is None:
            return None
        return spill.decompress(data, max_bytes=self._hub.settings.max_payload_bytes)

    async def _shown(self, id_: str, query: QuarantineQuery) -> QuarantinedMessage | None:
        kept = await self._store.read(id_)
        if kept is None or query.instance_id not in {None, kept.instance_id}:
            return None
        return kept if query.with_text else replace(kept, text=None)


def _afresh(message: TaskMessage, key: str) -> TaskMessage:
    """The message as it is put anew: under the identity it has, its past forgotten."""
    identity = Waiting(key=key, message=message).identity
    extras = replace(message.extras, identity=identity, failures=0, since=None, cause=None)
    return replace(message, extras=extras)


def _refused(id_: str, why: str) -> CorruptRecord:
    return CorruptRecord(
        f"Message {id_!r} in quarantine can't be put back: {why}. Discard it.", operation="replay"
    )
