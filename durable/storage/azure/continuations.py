"""A query's continuation as one opaque text, the same for both adapters."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from durable.errors import CorruptRecord, StorageError

_MALFORMED = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_URI_TOO_LONG})


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
                f"{partition_key}{row_key}".encode()  # a lone surrogate fits no address
                return partition_key, row_key
            case _:
                pass
    except (ValueError, RecursionError):
        pass
    raise _none_of_ours(continuation, table)


@contextmanager
def asked_with(continuation: str | None, table: str) -> Iterator[None]:
    """Within it, a query is made; what the service refuses as malformed is the continuation.

    Nothing else of a query comes from a caller as it is: names and values are checked and escaped.

    Raises:
        CorruptRecord: the service has not given it out.
    """
    try:
        yield
    except StorageError as error:
        if continuation is None or error.status not in _MALFORMED:
            raise
        raise _none_of_ours(continuation, table) from error


def _none_of_ours(continuation: str, table: str) -> CorruptRecord:
    return CorruptRecord(
        f"{continuation[:64]!r} is not a continuation of this store.",
        operation="Query Entities",
        resource=table,
    )
