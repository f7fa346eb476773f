"""What doesn't fit: the limits, the blobs that take the rest, and the placeholders left behind."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from urllib.parse import unquote

from durable.errors import CorruptRecord
from durable.wire.fields import Column
from durable.wire.keys import SENTINEL, escape_partition_key, fnv1a32
from durable.wire.text import utf16_bytes, well_formed

#: A message's JSON with more UTF-8 bytes goes to a blob.
MAX_MESSAGE_BYTES = 45 * 1024
#: A column with more UTF-16 bytes goes to a blob.
MAX_PROPERTY_BYTES = 60 * 1024
#: Event rows of one batch, beside the sentinel.
MAX_BATCH_ROWS = 99
#: A batch's `estimated_bytes` together.
MAX_BATCH_BYTES = 3 * 1024 * 1024
#: *Ours*: the sentinel's column of recent identities.
IDENTITIES = "RecentIdentities"
#: The columns that may go to a blob. The last five are *ours*.
SPILLABLE = (
    "Name",
    "Input",
    "Result",
    "Output",
    "Reason",
    "Details",
    "Correlation",
    "FailureDetails",
    "Tags",
    "Carried",
    "SentOn",
    "SentBefore",
    "Frees",
    IDENTITIES,
)

#: Each of `SPILLABLE` with the column that names its blob.
_BLOB_COLUMNS = tuple((prop, f"{prop}BlobName") for prop in SPILLABLE)
# No character has more UTF-16 bytes than four, so that a text this short needs no look.
_SURELY_FITS = MAX_PROPERTY_BYTES // 4
_JSON = json.JSONEncoder()

_ROW_BYTES = 1024
_MAX_MEMBERS = 64
_GZIP = 31
# Printable ASCII but ? and #: the writer escapes those.
_URL = re.compile(r"https?://[^/?#\\\s]+/([!\"$->@-~]+)", re.IGNORECASE)
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_SEPARATOR = re.compile(r"[/\\]")
# What no blob's name can hold, or be.
_NO_NAME = re.compile(r"[\\\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_MAX_NAME = 1024


def blob_column(prop: str) -> str:
    """The column that names the blob `prop` went to."""
    return f"{prop}BlobName"


def message_is_large(text: str) -> bool:
    """A message with this JSON must go to a blob."""
    return len(text.encode("utf-8", "surrogatepass")) > MAX_MESSAGE_BYTES


def oversized(columns: Mapping[str, Column]) -> tuple[str, ...]:
    """The columns that must go to blobs."""
    found: list[str] = []
    for prop in SPILLABLE:  # a plain loop: this is asked of every row that is written
        value = columns.get(prop)
        if (
            isinstance(value, str)
            and len(value) > _SURELY_FITS
            and utf16_bytes(value) > MAX_PROPERTY_BYTES
        ):
            found.append(prop)
    return tuple(found)


def with_blob(columns: Mapping[str, Column], prop: str, blob_name: str) -> dict[str, Column]:
    """The columns with the text of `prop` replaced by the name of its blob."""
    return {**columns, prop: "", blob_column(prop): blob_name}


def blobs_of(columns: Mapping[str, Column]) -> dict[str, str]:
    """The blobs that hold columns of this row, by column."""
    found: dict[str, str] = {}
    for prop, column in _BLOB_COLUMNS:  # a plain loop: this is asked of every row
        name = columns.get(column)
        if isinstance(name, str) and name:
            found[prop] = name
    return found


def with_text(columns: Mapping[str, Column], prop: str, text: str) -> dict[str, Column]:
    """The inverse of `with_blob`: the text is back, the blob's name is gone."""
    whole = {**columns, prop: text}
    whole.pop(blob_column(prop), None)
    return whole


def estimated_bytes(columns: Mapping[str, Column]) -> int:
    """How much of a batch a row takes, rather too much than too little.

    The original counts UTF-16 bytes. The body is JSON, where a character outside ASCII may take
    six bytes; counting only two could exceed what the service accepts.
    """
    size = _ROW_BYTES
    for value in columns.values():
        if isinstance(value, str):
            size += max(2 * len(value), len(_JSON.encode(value)))
    return size


def blob_token(seed: str) -> str:
    """The part of a blob's name that keeps it apart from others: 31 bits in hex."""
    return f"{fnv1a32(seed) & 0x7FFFFFFF:08X}"


def history_blob_name(
    partition_key: str, row_key: str, event_type: str, token: str, prop: str
) -> str:
    """The blob of a history row's column."""
    return f"{partition_key}/history-{row_key}-{event_type}-{token}-{prop}.json.gz"


def identities_blob_name(partition_key: str, token: str) -> str:
    """*Ours*: the blob of a sentinel's recent identities."""
    return f"{partition_key}/history-{SENTINEL}-{token}-{IDENTITIES}.json.gz"


def instance_blob_name(partition_key: str, prop: str, token: str) -> str:
    """The blob of an Instances row's column. The row key is empty, hence the two dashes."""
    return f"{partition_key}/history--{prop}-{token}-{prop}.json.gz"


def blob_belongs_to(blob_name: str, instance_id: str) -> bool:
    """The blob is one of the instance's: message blobs have its id raw, history blobs escaped."""
    return blob_belongs_to_key(blob_name, escape_partition_key(instance_id))


def blob_belongs_to_key(blob_name: str, partition_key: str) -> bool:
    """As `blob_belongs_to`, for an instance by its partition key.

    Its folder is the whole of what precedes the last slash: the blobs of ``a/b`` are none of
    ``a``. And which kind lies in it counts: ``a^^b`` is one instance's id and another one's key.
    """
    folder, _, name = blob_name.rpartition("/")
    key = folder if name.startswith("history-") else escape_partition_key(folder)
    return key == partition_key and not _NO_NAME.search(name)


def holds_start_message(blob_name: str) -> bool:
    """The blob an Input column refers to is a whole start message, not the bare input."""
    return blob_name.endswith("ExecutionStarted.json.gz")


def container_blob(url: str, container: str) -> str | None:
    """The name of the blob in `container` that `url` refers to; None when it is no such URL.

    Host and port are not compared: the hub may be reached by another name than its writer used
    (recorded.md section 1). The account is in the host, or, as with Azurite, first in the path.
    """
    found = _URL.fullmatch(url)
    if found is None:
        return None
    segments = found[1].split("/")
    if segments[0] != container and _ACCOUNT.fullmatch(segments[0]):
        segments = segments[1:]
    if not segments or segments[0] != container:
        return None
    try:
        name = unquote("/".join(segments[1:]), errors="strict")
    except UnicodeDecodeError:
        return None
    climbs = any(segment in {".", ".."} for segment in _SEPARATOR.split(name))
    if climbs or len(name) > _MAX_NAME or _NO_NAME.search(name):
        return None
    return name or None


def compress(text: str, *, quickly: bool = False) -> bytes:
    """`text` as a blob's content: gzip of UTF-8, the same for the same text.

    `quickly` is for what hardly gets smaller, and is written often: lists of random ids.
    """
    level = zlib.Z_BEST_SPEED if quickly else zlib.Z_DEFAULT_COMPRESSION
    return zlib.compress(well_formed(text).encode(), level=level, wbits=_GZIP)


def stored_bytes(text: str) -> int:
    """How many bytes `text` has in a blob, before it is compressed."""
    return len(well_formed(text).encode())


def decompress(data: bytes, *, max_bytes: int) -> str:
    """The text of a blob's content.

    Raises:
        CorruptRecord: no gzip of UTF-8, or more than `max_bytes` of it.
    """
    parts: list[bytes] = []
    left = max_bytes
    rest = data
    for _ in range(_MAX_MEMBERS):
        part, rest = _member(rest, left + 1)
        left -= len(part)
        if left < 0:
            raise CorruptRecord(f"Blob holds more than {max_bytes} bytes of text.")
        parts.append(part)
        if not rest.strip(b"\0"):
            return _decoded(b"".join(parts))
    raise CorruptRecord(f"Blob has more than {_MAX_MEMBERS} gzip members.")


def _member(data: bytes, limit: int) -> tuple[bytes, bytes]:
    """One gzip member's content, of which more than `limit` isn't looked at, and what follows."""
    unpacker = zlib.decompressobj(wbits=_GZIP)
    try:
        content = unpacker.decompress(data, limit)
    except zlib.error as error:
        raise CorruptRecord(f"Blob is not gzip: {error}.") from error
    if not unpacker.eof and len(content) < limit:
        raise CorruptRecord("Blob is cut short: its gzip data has no end.")
    return content, unpacker.unused_data


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise CorruptRecord(f"Blob is not UTF-8 at byte {error.start}.") from None
