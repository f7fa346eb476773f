"""What the storage service accepts: names, keys, values, sizes. Both adapters ask here first.

The service would refuse each of these too, but with one 400 for many causes; asked here, the answer
names the rule, costs no request, and is the same in memory, on Azurite and on Azure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from durable.errors import InvalidName, TooLarge
from durable.model.times import TickTime, tick_of
from durable.storage.values import Int64, Operation, Row, Value, Write

MAX_MESSAGE_BYTES = 64 * 1024
MAX_STRING_UNITS = 32 * 1024  # 64 KiB of UTF-16
MAX_BINARY_BYTES = 64 * 1024
MAX_ROW_BYTES = 1024 * 1024
MAX_COLUMNS = 252
MAX_BATCH_BYTES = 4 * 1024 * 1024
MAX_BATCH_ROWS = 100
MAX_KEY_UNITS = 512  # 1 KiB of UTF-16
MAX_BLOB_NAME = 1024
MAX_PAGE = 1000
MAX_RECEIVED = 32
MAX_SECONDS = 7 * 24 * 3600

_QUEUE = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(-[a-z0-9]+)*\Z")
_TABLE = re.compile(r"[A-Za-z][A-Za-z0-9]{2,62}\Z")
# XML 1.0 carries no other control character, no surrogate, no U+FFFE or U+FFFF. A carriage return
# would come back as a line feed, so it is refused as well (JSON escapes it).
_NOT_IN_XML = re.compile("[^\\t\\n\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
_CONTROL = "\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff"
_NOT_IN_KEYS = re.compile(rf"[/\\\\#?{_CONTROL}]")
_NOT_IN_BLOB_NAMES = re.compile(rf"[\\\\{_CONTROL}]")
_OWN_COLUMNS = frozenset({"PartitionKey", "RowKey", "Timestamp"})
_INT32_BITS, _INT64_BITS = 31, 63
_EARLIEST_YEAR = 1601
_KIND_BYTES: tuple[tuple[type, int], ...] = (
    (bool, 1), (Int64, 8), (int, 4), (float, 8), (datetime, 8), (UUID, 16),
)  # fmt: skip


def check_queue_name(name: str) -> str:
    """`name`, when a queue may have it.

    Raises:
        InvalidName: with the rule.
    """
    if not _QUEUE.match(name):
        raise InvalidName(
            f"Queue name {name!r} is not valid: 3 to 63 lower-case letters, digits and single "
            "hyphens, beginning and ending with a letter or digit."
        )
    return name


def check_container_name(name: str) -> str:
    """`name`, when a container may have it.

    Raises:
        InvalidName: with the rule.
    """
    if not _QUEUE.match(name):
        raise InvalidName(
            f"Container name {name!r} is not valid: 3 to 63 lower-case letters, digits and single "
            "hyphens, beginning and ending with a letter or digit."
        )
    return name


def check_table_name(name: str) -> str:
    """`name`, when a table may have it.

    Raises:
        InvalidName: with the rule.
    """
    if not _TABLE.match(name) or name.lower() == "tables":
        raise InvalidName(
            f"Table name {name!r} is not valid: 3 to 63 ASCII letters and digits, the first one a "
            "letter, and not 'tables'."
        )
    return name


def check_blob_name(name: str) -> str:
    r"""`name`, when a blob may have it.

    A segment of dots only would be resolved as a path on the way, into another container even;
    the service turns ``\`` into ``/``.

    Raises:
        InvalidName: with the rule.
    """
    dots = any(segment in {".", ".."} for segment in name.split("/"))
    if not 1 <= len(name) <= MAX_BLOB_NAME or _NOT_IN_BLOB_NAMES.search(name) or dots:
        raise InvalidName(
            f"Blob name {name[:64]!r} is not valid: 1 to {MAX_BLOB_NAME} characters, none of them "
            r"a control character or '\', no segment '.' or '..'."
        )
    return name


def check_message(queue: str, text: str) -> str:
    """`text`, when a queue message can carry it.

    Raises:
        ValueError: a character that XML cannot carry unchanged.
        TooLarge: over 64 KiB of UTF-8.
    """
    if found := _NOT_IN_XML.search(text):
        raise ValueError(
            f"A message for queue {queue!r} holds U+{ord(found.group()):04X} at {found.start()}; "
            "XML cannot carry that character. Escape it (JSON: \\uXXXX)."
        )
    if (size := len(text.encode())) > MAX_MESSAGE_BYTES:
        raise TooLarge(
            f"A message for queue {queue!r} has {size} bytes; at most {MAX_MESSAGE_BYTES} fit.",
            operation="Put Message",
            resource=queue,
        )
    return text


def check_seconds(name: str, seconds: int, *, least: int = 0) -> int:
    """`seconds`, when the queue service accepts it as a delay or lease.

    Raises:
        ValueError: with the range.
    """
    if not least <= seconds <= MAX_SECONDS:
        raise ValueError(f"{name} is {seconds}; it must be {least} to {MAX_SECONDS} seconds.")
    return seconds


def check_between(name: str, number: int, most: int) -> int:
    """`number`, when it is 1 to `most`.

    Raises:
        ValueError: with the range.
    """
    if not 1 <= number <= most:
        raise ValueError(f"{name} is {number}; it must be 1 to {most}.")
    return number


def check_key(column: str, key: str) -> str:
    """`key`, when a row may have it.

    Raises:
        InvalidName: with the rule.
    """
    if found := _NOT_IN_KEYS.search(key):
        raise InvalidName(
            f"{column} {key[:64]!r} contains {found.group()!r}: "
            r"'/', '\', '#', '?' and control characters are not allowed."
        )
    if utf16_units(key) > MAX_KEY_UNITS:
        raise InvalidName(
            f"{column} {key[:64]!r}... has {utf16_units(key)} UTF-16 units; "
            f"at most {MAX_KEY_UNITS} (1 KiB) are allowed."
        )
    return key


def plain_value(column: str, value: Value) -> Value:
    """`value` in the plain type of its kind, as it will be read again.

    Raises:
        TypeError: not a kind of value that a column can hold.
        ValueError: out of the range of its kind, or a datetime that is not UTC-aware.
    """
    match value:
        case bool() | UUID():
            return value
        case Int64():
            return _ranged(column, value, _INT64_BITS, "Edm.Int64")
        case int():
            return _ranged(column, int(value), _INT32_BITS, "Edm.Int32; use Int64 for larger ones")
        case datetime():
            return _plain_time(column, value)
        case str():
            return str(value)
        case bytes():
            return bytes(value)
        case float():
            return float(value)
        case _:
            raise TypeError(f"Column {column!r} cannot hold a {type(value).__name__}.")


def check_row(table: str, row: Row) -> dict[str, Value]:
    """The row's columns as they will be read again, when the service will accept the row.

    Raises:
        InvalidName: a key breaks the rules.
        TypeError, ValueError: a value does (see `plain_value`).
        TooLarge: a string, a binary or the row is over its limit.
    """
    check_key("PartitionKey", row.partition_key)
    check_key("RowKey", row.row_key)
    if reserved := _OWN_COLUMNS & row.columns.keys():
        raise ValueError(f"Columns {sorted(reserved)} are the row's own; give them as fields.")
    columns = {name: plain_value(name, value) for name, value in row.columns.items()}
    _check_sizes(table, row, columns)
    return columns


def check_batch(operations: Sequence[Operation]) -> None:
    """Return when these writes may be one batch.

    Raises:
        ValueError: not 1 to 100 of them, on two partitions, or one row twice.
    """
    if not 1 <= len(operations) <= MAX_BATCH_ROWS:
        raise ValueError(f"A batch has 1 to {MAX_BATCH_ROWS} writes, not {len(operations)}.")
    partitions = {operation.row.partition_key for operation in operations}
    if len(partitions) > 1:
        raise ValueError(f"A batch writes to one partition, not to {sorted(partitions)[:3]}.")
    seen: set[str] = set()
    for operation in operations:
        if operation.row.row_key in seen:
            raise ValueError(f"Row {operation.row.row_key!r} occurs twice in one batch.")
        seen.add(operation.row.row_key)


def checked_etag(operation: Operation) -> str:
    """The condition of a MERGE, REPLACE or DELETE: an exact ETag, or ``*``."""
    return operation.row.etag or "*"


def is_upsert(write: Write) -> bool:
    """Whether the write takes whatever it finds."""
    return write in {Write.UPSERT_MERGE, Write.UPSERT_REPLACE}


def utf16_units(text: str) -> int:
    """How many UTF-16 code units `text` has: what the table service counts."""
    if text.isascii():
        return len(text)
    return len(text) + sum(character > "\uffff" for character in text)


def ordinal(text: str) -> bytes:
    """What to sort and compare by: the service's order is that of UTF-16 units."""
    return text.encode("utf-16-be", "surrogatepass")


def row_bytes(partition_key: str, row_key: str, columns: Mapping[str, Value]) -> int:
    """A row's size by the service's published formula."""
    keys = 4 + 2 * (utf16_units(partition_key) + utf16_units(row_key))
    return keys + sum(
        8 + 2 * utf16_units(name) + _value_bytes(value) for name, value in columns.items()
    )


def starting_with(prefix: str, names: Iterable[str]) -> list[str]:
    """Those of `names` that start with `prefix`, sorted."""
    return sorted(name for name in names if name.startswith(prefix))


def _check_sizes(table: str, row: Row, columns: Mapping[str, Value]) -> None:
    where = f"{table}({row.partition_key!r}, {row.row_key!r})"

    def too_large(what: str) -> TooLarge:
        return TooLarge(f"Row {where}: {what}.", operation="write", resource=where)

    if len(columns) > MAX_COLUMNS:
        raise too_large(f"{len(columns)} columns; at most {MAX_COLUMNS} are allowed")
    for name, value in columns.items():
        if isinstance(value, str) and (units := utf16_units(value)) > MAX_STRING_UNITS:
            raise too_large(f"column {name!r} has {units} UTF-16 units; {MAX_STRING_UNITS} fit")
        if isinstance(value, bytes) and len(value) > MAX_BINARY_BYTES:
            raise too_large(f"column {name!r} has {len(value)} bytes; {MAX_BINARY_BYTES} fit")
    if (size := row_bytes(row.partition_key, row.row_key, columns)) > MAX_ROW_BYTES:
        raise too_large(f"{size} bytes; at most {MAX_ROW_BYTES} fit")


def _value_bytes(value: Value) -> int:
    if isinstance(value, str):
        return 4 + 2 * utf16_units(value)
    if isinstance(value, bytes):
        return 4 + len(value)
    return next(size for kind, size in _KIND_BYTES if isinstance(value, kind))


def _ranged(column: str, value: int, bits: int, kind: str) -> int:
    if not -(2**bits) <= value < 2**bits:
        raise ValueError(f"Column {column!r}: {value} is out of the range of {kind}.")
    return value


def _plain_time(column: str, moment: datetime) -> datetime:
    if moment.utcoffset() != timedelta(0):
        raise ValueError(f"Column {column!r}: a datetime must be UTC-aware, not {moment}.")
    if moment.year < _EARLIEST_YEAR:
        raise ValueError(f"Column {column!r}: a datetime starts at {_EARLIEST_YEAR}, not {moment}.")
    plain = datetime(
        moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second,
        moment.microsecond, UTC,
    )  # fmt: skip
    return TickTime.of(plain, tick_of(moment))
