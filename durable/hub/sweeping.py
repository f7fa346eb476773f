"""Where the sweeper stopped: a small blob beside the management key, whichever process wrote it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields

from durable.errors import NotFound, TooLarge
from durable.hub.taskhub import TaskHub

_BLOB = "sweeper"
_MAX_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepState:
    """Continuations of the sweeper's queries; None begins anew."""

    instances: str | None = None
    tombstones: str | None = None
    orphans: str | None = None


async def read_sweep_state(hub: TaskHub) -> SweepState:
    """The stored cursors; anything unreadable begins anew, which only repeats looks."""
    try:
        data = await hub.account.blobs.get_blob(hub.names.keys, _BLOB, max_bytes=_MAX_BYTES)
        found = json.loads(data)
    except (NotFound, TooLarge, ValueError, RecursionError):
        return SweepState()
    if not isinstance(found, dict):
        return SweepState()
    known = {field.name: found.get(field.name) for field in fields(SweepState)}
    return SweepState(**{k: v for k, v in known.items() if isinstance(v, str)})


async def write_sweep_state(hub: TaskHub, state: SweepState) -> None:
    """Store the cursors; two sweepers at once overwrite each other, which does no harm."""
    data = json.dumps(asdict(state)).encode()
    try:
        await hub.account.blobs.put_blob(hub.names.keys, _BLOB, data)
    except NotFound:
        await hub.account.blobs.create_container(hub.names.keys)
        await hub.account.blobs.put_blob(hub.names.keys, _BLOB, data)
