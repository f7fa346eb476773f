"""A query's continuation as one opaque text, the same for both adapters."""

from __future__ import annotations

import base64
import json

from durable.errors import CorruptRecord


def from_keys(partition_key: str | None, row_key: str | None) -> str:
    """The text for the keys that the service names; they are opaque too."""
    text = json.dumps(["azure", partition_key, row_key])
    return base64.urlsafe_b64encode(text.encode()).decode()


def keys_of(continuation: str, table: str) -> tuple[str | None, str | None]:
    """The inverse of `from_keys`.

    Raises:
        CorruptRecord: it is not one of ours.
    """
    try:
        match json.loads(base64.urlsafe_b64decode(continuation.encode())):
            case ["azure", str() | None as partition_key, str() | None as row_key]:
                return partition_key, row_key
            case _:
                pass
    except ValueError:
        pass
    raise CorruptRecord(
        f"{continuation[:64]!r} is not a continuation of this store.",
        operation="Query Entities",
        resource=table,
    )
