"""Bodies: status payloads, errors; and what the query string may say."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from durable.api.http import Response, json_response
from durable.client.history_view import Entry
from durable.client.json_text import dump, embedded
from durable.errors import InvalidName
from durable.hub.instances import InstanceTexts
from durable.model.status import InstanceRow, RuntimeStatus

BAD_ARGUMENT = "One or more of the arguments submitted is incorrect"
BAD_JSON = "Invalid JSON content"
BROKEN = "Something went wrong while processing your request"
#: The forms of .NET's invariant culture, beside ISO 8601.
_OTHER_DATES = ("%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y")
_NUMBERED = tuple(RuntimeStatus)
_STATUSES = {status.value: status for status in RuntimeStatus} | {
    str(number): status for number, status in enumerate(_NUMBERED)
}


def status_payload(
    row: InstanceRow, texts: InstanceTexts, history: list[Entry] | None = None
) -> dict[str, object]:
    """One instance as the API shows it. There is no `historyEvents` without a history."""
    payload: dict[str, object] = {
        "name": row.name,
        "instanceId": row.instance_id,
        "runtimeStatus": None if row.status is None else row.status.value,
        "input": embedded(texts.input),
        "customStatus": embedded(row.custom_status),
        "output": embedded(texts.output),
        "createdTime": _whole_seconds(row.created_time),
        "lastUpdatedTime": _whole_seconds(row.last_updated_time),
    }
    return payload if history is None else payload | {"historyEvents": history}


def error_response(
    status: int, message: str, error: Exception, text: str | None = None
) -> Response:
    """An error as the original words it: `message` says the kind, `text` (the error's) what.

    No stack trace leaves the process.
    """
    body = {
        "Message": message,
        "ExceptionMessage": str(error) if text is None else text,
        "ExceptionType": f"{type(error).__module__}.{type(error).__qualname__}",
        "StackTrace": None,
    }
    return json_response(status, dump(body))


def flag(query: Mapping[str, str], name: str, *, default: bool) -> bool:
    """A boolean in any case; anything else counts as absent."""
    return {"true": True, "false": False}.get(query.get(name, "").strip().lower(), default)


def number(query: Mapping[str, str], name: str) -> float | None:
    """A finite number, None when it is absent or no number."""
    try:
        value = float(query.get(name, ""))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def page_size(query: Mapping[str, str], default: int) -> int:
    """The parameter `top`.

    Raises:
        InvalidName: it is negative.
    """
    try:
        size = int(query.get("top", ""))
    except ValueError:
        return default
    if size < 0:
        raise InvalidName(f"top is {size}; it must be 0 or more.")
    return size


def moment(query: Mapping[str, str], name: str) -> datetime | None:
    """A date and time, without offset in UTC; None when it is absent or none."""
    text = query.get(name, "").strip()
    # A plus sign that was not encoded arrives as a blank.
    for candidate in (text, text.replace(" ", "+")):
        try:
            return _utc(datetime.fromisoformat(candidate))
        except (ValueError, OverflowError):
            continue
    for form in _OTHER_DATES:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def statuses(query: Mapping[str, str], name: str = "runtimeStatus") -> tuple[RuntimeStatus, ...]:
    """Statuses by name or by .NET's number, separated by commas; unknown ones are left out."""
    return tuple(_STATUSES[part] for part in _parts(query, name) if part in _STATUSES)


def known_statuses(
    query: Mapping[str, str], name: str = "runtimeStatus"
) -> tuple[RuntimeStatus, ...]:
    """`statuses`, for what can't be undone.

    Raises:
        InvalidName: one is unknown.
    """
    for part in _parts(query, name):
        if part not in _STATUSES:
            known = ", ".join(RuntimeStatus)
            raise InvalidName(f"{name} names no status: {part[:64]!r}. There are: {known}.")
    return statuses(query, name)


def _parts(query: Mapping[str, str], name: str) -> list[str]:
    stripped: Iterable[str] = (part.strip() for part in query.get(name, "").split(","))
    return [part for part in stripped if part]


def _whole_seconds(time: datetime | None) -> str | None:
    return None if time is None else f"{time.replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
