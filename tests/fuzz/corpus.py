"""Damaged messages, rows and blobs, made from the recordings of the original and from hubs of ours.

A `Sample` is what storage holds of some instances, and messages for them. The functions that
damage one take a `Random`: Hypothesis hands out one that it can replay and shrink.
"""

from __future__ import annotations

import base64
import gzip
import json
import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

from durable.storage.rules import MAX_MESSAGE_BYTES
from durable.storage.values import Int64, Row, Value
from durable.wire.keys import SENTINEL
from durable.wire.times import parse_time
from tests.golden.account_dump import DATA

#: JSON that stands where something else should. Python can't say all of it.
ODD_JSON = (
    "null",
    "true",
    '""',
    '"x"',
    "0",
    "-1",
    "1.5",
    "1e400",
    "-1E-999",
    "NaN",
    "-Infinity",
    "2147483648",
    "-9223372036854775809",
    "9" * 400,
    "9" * 5000,
    "[]",
    "{}",
    "[[]]",
    '{"$type":"System.Diagnostics.Process, System"}',
    '{"$type":"DurableTask.Core.History.ExecutionStartedEvent"}',
    '{"__class__":"Popen","__module__":"subprocess","__data__":["true"]}',
    '{"py/object":"subprocess.Popen","py/reduce":["os.system",["true"]]}',
    '{"$id":"1","$ref":"1"}',
    '"\\u0000"',
    '"\\ud800"',
    '"\\udfff\\ud800"',
    '"0001-01-01T00:00:00"',
    '"9999-12-31T23:59:59.9999999Z"',
    '"9999-12-31T23:59:59.9999999-14:00"',
    '"2024-02-30T25:61:61Z"',
    '"../../other-largemessages/secret.json.gz"',
    '"http://evil.example/steal.json.gz"',
    '"https://memory.blob.core.windows.net/other-largemessages/secret.json.gz"',
    '"@counter@a"',
    '"' + "x" * 2000 + '"',
    '{"a":' * 60 + "1" + "}" * 60,
    "[" * 300 + "]" * 300,
    "[" * 700 + "]" * 700,
    "[" * 900 + "]" * 900,
    "[" * 950 + "]" * 950,
    '{"InnerFailure":' * 150 + "null" + "}" * 150,
    "[" * 10_000 + "]" * 10_000,
    "[" * 10_000,
)
#: Types a reader must not make, by name.
HOSTILE_TYPES = (
    "System.Diagnostics.Process, System.Diagnostics.Process",
    "System.Windows.Data.ObjectDataProvider, PresentationFramework",
    "subprocess.Popen",
    "os.system",
    "builtins.eval",
    "DurableTask.Core.History.ExecutionTerminatedEvent",
    "DurableTask.Core.History.GenericEvent",
    "",
)
MOMENTS = (
    datetime(1601, 1, 1, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
)
#: Values of any EDM type, where another was.
ODD_VALUES: tuple[Value, ...] = (
    "",
    "x",
    "null",
    "[]",
    "{}",
    '{"$type":"System.Diagnostics.Process"}',
    "[" * 900 + "]" * 900,
    "[" * 10_000,
    "\x00",
    "\ud800",
    "x" * 31_000,
    "NaN",
    "Bogus",
    "Pending",
    "Running",
    "ContinuedAsNew",
    "../../other-largemessages/secret.json.gz",
    "https://memory.blob.core.windows.net/other-largemessages/secret.json.gz",
    "https://memory.blob.core.windows.net/lab-largemessages/../other-largemessages/secret.json.gz",
    "http://169.254.169.254/lab-largemessages/missing.json.gz",
    "file:///etc/passwd",
    0,
    1,
    -1,
    2,
    1000,
    2**31 - 1,
    -(2**31),
    Int64(5),
    Int64(2**63 - 1),
    True,
    False,
    1.5,
    float("nan"),
    float("inf"),
    b"\x00\xff",
    UUID(int=7),
    *MOMENTS,
)
BAIT = "BAIT-of-another-container"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What storage holds of some instances. A message: whether for the work items, and its JSON."""

    name: str
    history: tuple[Row, ...] = ()
    instances: tuple[Row, ...] = ()
    partitions: tuple[Row, ...] = ()
    blobs: tuple[tuple[str, bytes], ...] = ()
    messages: tuple[tuple[bool, str], ...] = ()

    @property
    def instance_ids(self) -> list[str]:
        """Whose rows there are."""
        return sorted({row.partition_key for row in (*self.history, *self.instances)})


@cache
def recorded() -> tuple[Sample, ...]:
    """Every recording of the original, and every message of them."""
    found = []
    for path in sorted(DATA.glob("*/*/messages.ndjson")):
        name = path.parent.relative_to(DATA).as_posix()
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        messages = [
            (str(each["queue"]).endswith("workitems"), str(each.get("MessageText") or each["text"]))
            for each in lines
        ]
        found.append(replace(_account(path.parent / "final.json", name), messages=tuple(messages)))
    spec = (DATA / "spec" / "messages.ndjson").read_text(encoding="utf-8").splitlines()
    texts = tuple((False, str(json.loads(line)["text"])) for line in spec)
    return (*found, Sample(name="spec", messages=texts))


def _account(path: Any, name: str) -> Sample:
    if not path.exists():
        return Sample(name=name)
    raw = json.loads(path.read_text(encoding="utf-8"))
    hub = raw["hub"]

    def rows(table: str) -> tuple[Row, ...]:
        return tuple(row_of(row, hub) for row in raw["tables"].get(f"{hub}{table}", []))

    return Sample(
        name=name,
        history=rows("History"),
        instances=rows("Instances"),
        partitions=rows("Partitions"),
        blobs=tuple(_blobs(raw["blobs"].get(f"{hub.lower()}-largemessages", {}))),
    )


def row_of(row: dict[str, Any], hub: str) -> Row:
    """A recorded row, as if the hub were the lab's."""
    columns: dict[str, Value] = {
        name: parse_time(value) if row.get(f"{name}@odata.type") == "Edm.DateTime" else value
        for name, value in row.items()
        if "odata." not in name and name not in {"PartitionKey", "RowKey", "Timestamp"}
    }
    key = row["RowKey"].replace(f"{hub.lower()}-", "lab-")
    return Row(partition_key=row["PartitionKey"], row_key=key, columns=columns)


def _blobs(container: dict[str, Any]) -> Iterable[tuple[str, bytes]]:
    listed = container.get("blobs")
    if not isinstance(listed, list):
        listed = [{"name": name, **blob} for name, blob in container.items()]
    for blob in listed:
        data = blob.get("base64")
        text = blob.get("text", "")
        yield blob["name"], base64.b64decode(data) if data else gzip.compress(text.encode())


# --- texts -------------------------------------------------------------------------------------


def damaged_json(rng: random.Random, text: str, others: Sequence[str]) -> str:
    """The JSON object `text` with some members dropped, replaced, doubled or swapped."""
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return damaged_text(rng, text)
    raw: dict[str, str] = {}
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        places = list(_places(tree))
        if not places:
            break
        holder, name = rng.choice(places)
        _damage_member(rng, holder, name, others, raw)
    made = json.dumps(tree, ensure_ascii=rng.random() < 0.5)
    for mark, odd in raw.items():
        made = made.replace(f'"{mark}"', odd)
    return made


def _places(tree: object) -> Iterable[tuple[Any, Any]]:
    if isinstance(tree, dict):
        for name, inner in tree.items():
            yield tree, name
            yield from _places(inner)
    elif isinstance(tree, list):
        for index, inner in enumerate(tree):
            yield tree, index
            yield from _places(inner)


def _damage_member(
    rng: random.Random, holder: Any, name: Any, others: Sequence[str], raw: dict[str, str]
) -> None:
    def odd(choices: Sequence[str]) -> str:
        mark = f"mark-{len(raw)}-kram"
        raw[mark] = rng.choice(choices)
        return mark

    match rng.randrange(8):
        case 0:
            del holder[name]
        case 1 | 2:
            holder[name] = odd(ODD_JSON)
        case 3 if isinstance(holder[name], str) and _parsed(holder[name]) is not None:
            # JSON in a text: an input, a request to an entity, a state.
            holder[name] = damaged_json(rng, holder[name], others)
        case 3 | 4:
            donor = _parsed(rng.choice(others)) if others else None
            found = [inside[at] for inside, at in _places(donor) if at == name]
            holder[name] = rng.choice(found) if found else odd(ODD_JSON)
        case 5 if isinstance(holder, dict):
            holder["$type"] = rng.choice(HOSTILE_TYPES)
        case 6 if isinstance(holder, dict):
            other = rng.choice(list(holder))
            holder[name], holder[other] = holder[other], holder[name]
        case 7 if isinstance(holder[name], int) and not isinstance(holder[name], bool):
            holder[name] = rng.choice((-1, 0, 1, 7, 2**31 - 1, -(2**31), 2**31, 2**63, 10**40))
        case _ if isinstance(holder, dict):
            # Twice, as JSON allows it: the second one counts.
            raw[f"twice-{name}"] = f'"{name}"'
            holder[f"twice-{name}"] = odd(ODD_JSON)
        case _:
            holder.append(odd(ODD_JSON))


def _parsed(text: str) -> Any:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict | list) else None


def damaged_text(rng: random.Random, text: str) -> str:
    """`text`, cut off, with other characters, twice, or as something else altogether."""
    at = rng.randrange(len(text) + 1)
    match rng.randrange(9):
        case 0:
            return text[:at]
        case 1:
            return text[at:]
        case 2:
            return text[:at] + text[at + rng.randrange(1, 6) :]
        case 3:
            return (
                text[:at]
                + rng.choice(("\x85", "\ufeff", '"', "\\", "}", "]", "0", "\u2028"))
                + text[at:]
            )
        case 4:
            return text + text
        case 5:
            return base64.b64encode(
                text.encode("utf-8", "replace")[: rng.randrange(len(text) + 1)]
            ).decode()
        case 6:
            return base64.b64encode(flipped(rng, text.encode("utf-8", "replace"))).decode()
        case 7:
            return rng.choice(
                (
                    "",
                    " ",
                    "null",
                    "[]",
                    "{}",
                    "0",
                    "\ufeff{}",
                    "{" * 5000,
                    "[" * 50_000,
                    "=",
                    "gASVAAAA",
                )
            )
        case _:
            return text.replace("DurableTask", rng.choice(HOSTILE_TYPES)) or text


def flipped(rng: random.Random, data: bytes) -> bytes:
    """`data` with some bits turned over."""
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


_NOT_IN_XML = re.compile("[^\\t\\n\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


def damaged_message(rng: random.Random, text: str, others: Sequence[str]) -> str:
    """A damaged queue message: what the service would carry of it."""
    made = damaged_text(rng, text) if rng.random() < 0.25 else damaged_json(rng, text, others)
    match rng.randrange(12):
        case 0:
            made = pointer(rng, text)
        case 1:
            made = _with_extras(rng, rng.choice((text, made)))
        case _:
            pass
    made = _NOT_IN_XML.sub("?", made)
    return made.encode()[: MAX_MESSAGE_BYTES - 1].decode("utf-8", "ignore")


#: What our own messages carry beside the original's, turned against us.
ODD_EXTRAS: tuple[dict[str, object], ...] = (
    {"Mark": 1, "Since": "9999-12-31T23:59:59Z", "For": "instance"},
    {"Mark": 1, "Since": "9999-12-31T23:59:59Z", "For": "code"},
    {"Mark": 1, "Since": "0001-01-01T00:00:00Z", "For": "instance"},
    {"Mark": 1, "Since": "9999-12-31T23:59:59Z", "For": "version"},
    {"Mark": 0, "Failures": 2**31 - 1},
    {"Mark": 7, "Failures": -1},
    {"Identity": "\ud800"},
    {"Identity": "x" * 513},
    {"Identity": ""},
    {"Mark": True, "Identity": 5, "Line": {}},
    {"Line": "other"},
)


def _with_extras(rng: random.Random, text: str) -> str:
    tree = _parsed(text)
    if not isinstance(tree, dict):
        return text
    return json.dumps(tree | {"Durable": rng.choice(ODD_EXTRAS)})


def pointer(rng: random.Random, _text: str) -> str:
    """A message that points to a blob, which is missing, foreign, or no blob at all."""
    name = rng.choice(
        (
            "../other-largemessages/secret.json.gz",
            "..\\other-largemessages\\secret.json.gz",
            "%2e%2e/other-largemessages/secret.json.gz",
            "/other-largemessages/secret.json.gz",
            "http://evil.example/other-largemessages/secret.json.gz",
            "https://memory.blob.core.windows.net/other-largemessages/secret.json.gz",
            "missing/message-1-EventRaised.json.gz",
            "sick/message-1-EventRaised.json.gz",
            "a\x00b/c",
            "\ud800/c",
            "x" * 5000,
            f"{'y' * 700}/message.json.gz",
            ".",
            "/",
            " ",
            "sick?x=1#/message.json.gz",
        )
    )
    return json.dumps({"CompressedBlobName": name})


# --- rows --------------------------------------------------------------------------------------


def damaged_rows(rng: random.Random, rows: Sequence[Row], strangers: Sequence[Row]) -> list[Row]:
    """Some of `rows` changed, dropped, doubled under other keys, or swapped."""
    made = list(rows)
    for _ in range(rng.choice((1, 1, 2, 3))):
        if not made:
            break
        # Sentinels are few, and worth more than their share.
        ends = [n for n, row in enumerate(made) if row.row_key == SENTINEL]
        at = rng.choice(ends) if ends and rng.random() < 0.35 else rng.randrange(len(made))
        _damage_row(rng, made, at, strangers)
    kept = {(row.partition_key, row.row_key): row for row in made}
    return [row for row in kept.values() if is_storable(row)]


def _damage_row(rng: random.Random, rows: list[Row], at: int, strangers: Sequence[Row]) -> None:
    row = rows[at]
    columns = dict(row.columns)
    match rng.randrange(9):
        case 0:
            del rows[at]
        case 1 | 2 | 3 if columns:
            name = rng.choice(list(columns))
            columns[name] = rng.choice(ODD_VALUES)
            rows[at] = replace(row, columns=columns)
        case 4 if columns:
            del columns[rng.choice(list(columns))]
            rows[at] = replace(row, columns=columns)
        case 5 if columns:
            _damage_inside(rng, columns)
            rows[at] = replace(row, columns=columns)
        case 6:
            donor = rng.choice([*rows, *strangers])
            taken = rng.choice((True, False))
            columns = dict(donor.columns) if taken else columns | dict(donor.columns)
            rows[at] = replace(row, columns=columns)
        case 7:
            rows.append(replace(row, row_key=rng.choice(ODD_KEYS)))
        case _:
            name, value = rng.choice(SENTINEL_COLUMNS)
            rows[at] = replace(row, columns=columns | {name: value})


#: Row keys that are out of order, out of range, or none.
ODD_KEYS = (
    "",
    "sentinel",
    "Sentinel",
    "0000000000000000",
    "0000000000000003",
    "00000000000003E7",
    "FFFFFFFFFFFFFFFF",
    "000000000000000a",
    "0",
    "-1",
    "zzz",
    "lab-control-00",
    "lab-control-07",
    "other-control-00",
)
#: What a sentinel or an Instances row may say that contradicts all the rest.
SENTINEL_COLUMNS: tuple[tuple[str, Value], ...] = (
    ("CommittedCount", 0),
    ("CommittedCount", 1),
    ("CommittedCount", 10_000),
    ("CommittedCount", -5),
    ("CheckpointSequence", 0),
    ("CheckpointSequence", -3),
    ("CheckpointSequence", 2**31 - 1),
    ("CommittedExecutionId", "other"),
    ("ExecutionId", "other"),
    ("ExecutionId", ""),
    ("FirstExecutionId", "other"),
    ("SentBy", "somebody"),
    ("Purged", True),
    ("IsCheckpointComplete", False),
    ("RecentIdentities", '[["x",99999999999999999999]]'),
    ("RecentIdentities", '[["x",-1],["y"]]'),
    ("RecentIdentitiesBlobName", "sick/missing.json.gz"),
    ("RecentIdentitiesBlobName", "../other-largemessages/secret.json.gz"),
    ("Rewind", '{"Token":"t","ExecutionId":"e","Sequence":1,"Cut":-4,"Rows":900,"IsDone":false}'),
    ("CommittedStamp", MOMENTS[-1]),
    ("RuntimeStatus", "Bogus"),
    ("RuntimeStatus", "Pending"),
    ("EventId", -7),
    ("EventId", 2**31 - 1),
    ("TaskScheduledId", 99),
    ("InputBlobName", "../other-largemessages/secret.json.gz"),
    ("InputBlobName", "http://evil.example/a.json.gz"),
    ("InputBlobName", "sick/missing.json.gz"),
    ("ResultBlobName", "missing/../../other-largemessages/secret.json.gz"),
    ("EventType", "ExecutionStarted"),
    ("EventType", "System.Diagnostics.Process"),
    ("ScheduledStartTime", MOMENTS[-1]),
    ("CurrentOwner", "ghost"),
    ("NextOwner", "ghost"),
    ("ExpiresAt", MOMENTS[-1]),
    ("LastRenewal", MOMENTS[-1]),
    ("IsDraining", True),
)


def _damage_inside(rng: random.Random, columns: dict[str, Value]) -> None:
    texts = [name for name, value in columns.items() if isinstance(value, str) and value]
    if not texts:
        return
    name = rng.choice(texts)
    text = str(columns[name])
    damage: Callable[[], str] = (
        (lambda: damaged_json(rng, text, ()))
        if text[0] in '{["' and rng.random() < 0.7
        else (lambda: damaged_text(rng, text))
    )
    columns[name] = damage()[:32_000]


def is_storable(row: Row) -> bool:
    """Whether the service takes the row."""
    return all(_is_storable(value) for value in row.columns.values())


def _is_storable(value: Value) -> bool:
    if isinstance(value, str):
        return len(value.encode("utf-16-le", "surrogatepass")) <= MAX_MESSAGE_BYTES
    return not isinstance(value, datetime) or value.year >= MOMENTS[0].year


# --- blobs -------------------------------------------------------------------------------------


def damaged_blob(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes | None:
    """Other contents of a blob; None: it is gone."""
    match rng.randrange(9):
        case 0:
            return None
        case 1:
            return data[: rng.randrange(len(data) + 1)]
        case 2:
            return flipped(rng, data)
        case 3:
            return rng.choice((b"", b"\x00", b"no gzip", b"\x1f\x8b", b"PK\x03\x04", b"\xff" * 400))
        case 4:
            return gzip.compress(flipped(rng, gzip.decompress(data)))
        case 5:
            text = gzip.decompress(data).decode()
            return gzip.compress(damaged_json(rng, text, ()).encode("utf-8", "surrogatepass"))
        case 6:
            return bomb()
        case 7:
            return data * rng.choice((2, 70))
        case _:
            return rng.choice([*others, data])


@cache
def bomb() -> bytes:
    """64 MB of nothing in 64 KB: more than the labs' limit."""
    return gzip.compress(bytes(64 * 1024 * 1024), compresslevel=9)
