"""The blobs of a hub's quarantine: records, and copies of what messages pointed to.

A record is `{queue}/{message id}.json`, a copy `{queue}/{message id}.payload`. The container is
made on first need.
"""

from __future__ import annotations

import re

from durable.errors import Conflict, InvalidName, NotFound, TooLarge
from durable.hub.quarantine_records import (
    QuarantinedMessage,
    decode_record,
    encode_record,
    unreadable,
)
from durable.hub.taskhub import TaskHub

_RECORD, _PAYLOAD = ".json", ".payload"
#: What an id can be: no path, and nothing that a path could be made of.
_ID = re.compile(r"[a-z0-9-]{3,63}/[A-Za-z0-9._~%-]{1,512}")
#: A record is a queue message, at most six bytes a character, and little else.
_MAX_RECORD = 1024 * 1024


class QuarantineStore:
    """Reads and writes them. Ids are those of `QuarantinedMessage`; odd ones name nothing."""

    def __init__(self, hub: TaskHub) -> None:
        self._blobs = hub.account.blobs
        self._container = hub.names.quarantine
        self._messages = hub.names.large_messages
        self._max_bytes = hub.settings.max_payload_bytes

    async def write(self, kept: QuarantinedMessage) -> None:
        """Put a record, over an earlier one of the same message."""
        await self._put(self._container, kept.id + _RECORD, encode_record(kept))

    async def read(self, id_: str) -> QuarantinedMessage | None:
        """A record, with the text that was in the queue; None when there is no such one."""
        if not _ID.fullmatch(id_):
            return None
        try:
            data = await self._blobs.get_blob(self._container, id_ + _RECORD, max_bytes=_MAX_RECORD)
        except NotFound:
            return None
        except TooLarge as error:
            return unreadable(id_, str(error))
        return decode_record(id_, data)

    async def forget(self, id_: str) -> None:
        """Delete both. The record goes last: without it nobody would find the copy."""
        for suffix in (_PAYLOAD, _RECORD):
            await self._blobs.delete_blob(self._container, id_ + suffix)

    async def ids(self, queue: str | None, page: str | None) -> tuple[list[str], str | None]:
        """The ids on one page of storage's, in order, and its continuation."""
        prefix = "" if queue is None else f"{queue}/"
        try:
            found, following = await self._blobs.list_blobs(
                self._container, prefix, continuation=page
            )
        except NotFound:
            return [], None  # nothing was ever put here
        names = [each.name.removesuffix(_RECORD) for each in found if each.name.endswith(_RECORD)]
        return [each for each in names if _ID.fullmatch(each)], following

    async def copy(self, id_: str, blob_name: str) -> None:
        """Keep what a message points to, as it is; nothing when that can't be read."""
        if not blob_name.rpartition("/")[2].startswith("message-"):
            return  # somebody's payload, which no message of ours points to
        try:
            data = await self._blobs.get_blob(self._messages, blob_name, max_bytes=self._max_bytes)
        except (NotFound, TooLarge, InvalidName):
            return
        await self._put(self._container, id_ + _PAYLOAD, data)

    async def payload(self, id_: str) -> bytes | None:
        """What the message pointed to; None when it did not, or that couldn't be kept."""
        try:
            return await self._blobs.get_blob(
                self._container, id_ + _PAYLOAD, max_bytes=self._max_bytes
            )
        except (NotFound, TooLarge):
            return None

    async def restore(self, id_: str, blob_name: str) -> bool:
        """See that the blob is there which a message points to; whether it is."""
        payload = await self.payload(id_)
        if payload is None:
            try:
                found, _ = await self._blobs.list_blobs(self._messages, blob_name)
            except NotFound:
                return False
            return any(blob.name == blob_name for blob in found)
        try:
            await self._put(self._messages, blob_name, payload, only_if_absent=True)
        except Conflict:
            return True  # it was never removed
        return True

    async def _put(
        self, container: str, name: str, data: bytes, *, only_if_absent: bool = False
    ) -> None:
        try:
            await self._blobs.put_blob(container, name, data, only_if_absent=only_if_absent)
        except NotFound:
            await self._blobs.create_container(container)
            await self._blobs.put_blob(container, name, data, only_if_absent=only_if_absent)
