"""The part of a client that is about the quarantine: list, look, replay, discard."""

from __future__ import annotations

from durable.client import asking
from durable.client.looking import MAX_PAGE
from durable.client.operations import Operations
from durable.errors import CorruptRecord, InvalidName
from durable.hub.quarantine import Quarantine, QuarantinePage, QuarantineQuery
from durable.hub.quarantine_records import QuarantinedMessage

_PAGE = 100


class QuarantineOperations(Operations):
    """What an operator asks of the messages that nobody could deal with."""

    async def list_quarantined(
        self,
        queue: str | None = None,
        instance_id: str | None = None,
        *,
        include_text: bool = False,
        page_size: int = _PAGE,
        continuation_token: str | None = None,
    ) -> QuarantinePage:
        """One page of messages in quarantine, by queue and id.

        A page may hold less than was asked for, even nothing, and not be the last one.

        Args:
            queue: only those of that queue.
            instance_id: only those for that instance, as far as that can be told.
            include_text: with what was in the queue; a large message only points to a blob there.
            page_size: how many at most; a page holds no more than 1,000.
            continuation_token: what the page before said, to get the next one.

        Raises:
            InvalidName: the token is none of this list's.
            UsageError: no page size, or no text.
        """
        query = QuarantineQuery(
            queue=asking.optional(queue, "queue"),
            instance_id=asking.optional(instance_id, "instance_id"),
            with_text=include_text,
        )
        size = min(asking.page_size(page_size, "page_size"), MAX_PAGE)
        token = asking.optional(continuation_token, "continuation_token")
        await self.prepare()
        try:
            return await Quarantine(self.hub).page(query, size=size, continuation=token)
        except CorruptRecord as error:
            raise InvalidName(
                f"continuation_token is none that list_quarantined gave out: {error}"
            ) from None

    async def get_quarantined(
        self, message_id: str, *, include_text: bool = False
    ) -> QuarantinedMessage | None:
        """A message in quarantine; None when there is no such one.

        Args:
            message_id: its `id`, ``queue/id``.
            include_text: with the message as it was, a large one too.
        """
        asking.required(message_id, "message_id")
        await self.prepare()
        return await Quarantine(self.hub).read(message_id, with_text=include_text)

    async def replay_quarantined(self, message_id: str) -> bool:
        """Put a message back into its queue and out of quarantine; False when there is none.

        It takes effect once, however often it is replayed. If nothing has changed it will come
        back here.

        Args:
            message_id: its `id`, ``queue/id``.

        Raises:
            CorruptRecord: it can't be put back; says why. It stays where it is.
        """
        asking.required(message_id, "message_id")
        await self.prepare()
        return await Quarantine(self.hub).replay(message_id)

    async def discard_quarantined(self, message_id: str) -> bool:
        """Delete a message in quarantine for good; False when there is no such one.

        Args:
            message_id: its `id`, ``queue/id``.
        """
        asking.required(message_id, "message_id")
        await self.prepare()
        return await Quarantine(self.hub).discard(message_id)
