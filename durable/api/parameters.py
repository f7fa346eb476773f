"""What requests may say in the query string and in headers: one table, read from and documented.

As with the original most parameters are forgiving: what can't be understood counts as absent. But
nothing is dropped silently: the answer's header ``x-durable-ignored`` names it.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Generic, TypeVar

from durable.errors import InvalidName
from durable.model.status import RuntimeStatus

T_co = TypeVar("T_co", covariant=True)

#: The forms of .NET's invariant culture, beside ISO 8601.
_OTHER_DATES = ("%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y")
_INTEGER = re.compile(r"[+-]?[0-9]{1,10}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_LARGEST_PAGE = 2**31 - 1
_SHOWN = 64
_STATUSES = {status.value: status for status in RuntimeStatus} | {
    str(number): status for number, status in enumerate(RuntimeStatus)
}


class Place(enum.Enum):
    """Where a parameter stands."""

    QUERY = "query"
    HEADER = "header"


class Malformed(ValueError):
    """A text that a parameter can't be.

    Attributes:
        refused: the request is refused, however forgiving the parameter is.
        usable: what of it can be used, when that is not nothing.
    """

    def __init__(self, rule: str, *, refused: bool = False, usable: object = None) -> None:
        super().__init__(rule)
        self.refused = refused
        self.usable = usable


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter(Generic[T_co]):
    """One parameter of a query string or header.

    Attributes:
        name, meaning, schema: for the document; `schema` is JSON Schema.
        parse: the value of a text. It raises Malformed.
        default: when it is absent.
        place: where it stands.
        required: whether the operation refuses to go on without it.
        strict: what can't be understood is refused; else it counts as absent.
        verbatim: blanks are part of the value.
    """

    name: str
    meaning: str
    schema: Mapping[str, object]
    parse: Callable[[str], T_co]
    default: T_co
    place: Place = Place.QUERY
    required: bool = False
    strict: bool = False
    verbatim: bool = False

    def read(self, texts: Mapping[str, str], ignored: list[str]) -> T_co:
        """The value in `texts`; what was not understood is told in `ignored`.

        Raises:
            InvalidName: it is malformed, and not to be overlooked.
        """
        text = texts.get(self.name)
        if text is None or not (self.verbatim or text.strip()):
            return self.default
        try:
            return self.parse(text)
        except Malformed as error:
            cut = text[:_SHOWN] + ("..." if len(text) > _SHOWN else "")
            told = f"{self.name} is {cut!r}; {error}."
            if self.strict or error.refused:
                raise InvalidName(told) from None
            ignored.append(told)
            usable: T_co = self.default if error.usable is None else error.usable  # type: ignore[assignment]
            return usable


def as_flag(text: str) -> bool:
    """A boolean in any case."""
    found = {"true": True, "false": False}.get(text.strip().lower())
    if found is None:
        raise Malformed("it must be true or false")
    return found


def as_number(text: str) -> float:
    """A finite decimal number."""
    text = text.strip()
    value = float(text) if _NUMBER.fullmatch(text) else math.inf
    if not math.isfinite(value):
        raise Malformed("it must be a decimal number")
    return value


def as_page_size(text: str) -> int:
    """A whole number, 0 or more."""
    text = text.strip()
    size = int(text) if _INTEGER.fullmatch(text) else _LARGEST_PAGE + 1
    if size > _LARGEST_PAGE:
        raise Malformed(f"it must be a whole number, 0 to {_LARGEST_PAGE}")
    if size < 0:
        raise Malformed("it must be 0 or more", refused=True)
    return size


def as_moment(text: str) -> datetime:
    """A date and time; without offset it is UTC."""
    text = text.strip()
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
    raise Malformed("it must be a date and time, such as 2026-01-31T12:00:00Z")


def as_statuses(text: str) -> tuple[RuntimeStatus, ...]:
    """Statuses by name or by .NET's number, separated by commas."""
    parts = [part for part in (part.strip() for part in text.split(",")) if part]
    known = tuple(_STATUSES[part] for part in parts if part in _STATUSES)
    if len(known) < len(parts):
        unknown = next(part for part in parts if part not in _STATUSES)
        names = ", ".join(RuntimeStatus)
        raise Malformed(f"{unknown[:_SHOWN]!r} is no status; there are {names}", usable=known)
    return known


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _flag(name: str, default: bool, meaning: str) -> Parameter[bool]:
    schema = {"type": "boolean", "default": default}
    return Parameter(name=name, meaning=meaning, schema=schema, parse=as_flag, default=default)


def _seconds(name: str, meaning: str) -> Parameter[float | None]:
    schema = {"type": "number"}
    return Parameter(name=name, meaning=meaning, schema=schema, parse=as_number, default=None)


def _moment(name: str, meaning: str) -> Parameter[datetime | None]:
    schema = {"type": "string", "format": "date-time"}
    return Parameter(name=name, meaning=meaning, schema=schema, parse=as_moment, default=None)


def _text(name: str, meaning: str, place: Place = Place.QUERY) -> Parameter[str | None]:
    return Parameter(
        name=name,
        meaning=meaning,
        schema={"type": "string"},
        parse=str,
        default=None,
        place=place,
        verbatim=True,
    )


TASK_HUB = _text("taskHub", "The task hub, when not the app's own; its case doesn't matter.")
CONNECTION = _text("connection", "The connection of that hub's storage account.")
CODE = "code"
KEY_HEADER = "x-functions-key"

TIMEOUT = _seconds(
    "timeout", "Seconds to wait for the end. The answer waits only if pollingInterval is given too."
)
POLLING_INTERVAL = _seconds(
    "pollingInterval", "Seconds between two looks while it waits; not more than timeout."
)
VERSION = _text("version", "The version the instance is started with.")
REASON = _text("reason", "Why; kept in the instance's history.")
NEW_ID = _flag("restartWithNewInstanceId", True, "False: start again under the instance's own id.")
CHOSEN_ID = replace(_text("newInstanceId", "The id to start under."), required=True)
SHOW_INPUT = _flag("showInput", True, "With inputs.")
SHOW_HISTORY = _flag("showHistory", False, "With historyEvents.")
SHOW_OUTPUT = _flag("showHistoryOutput", False, "With results in historyEvents.")
FAILURE_AS_500 = _flag(
    "returnInternalServerErrorOnFailure", False, "Answer 500 for a failed instance."
)
FORCE = _flag("force", False, "Remove what has not ended, too.")
ID_PREFIX = _text("instanceIdPrefix", "Only instances whose id begins so.")
CREATED_FROM = _moment("createdTimeFrom", "Only instances created then or later.")
CREATED_TO = _moment("createdTimeTo", "Only instances created then or earlier.")
STATUSES: Parameter[tuple[RuntimeStatus, ...]] = Parameter(
    name="runtimeStatus",
    meaning="Only instances with one of these statuses, separated by commas.",
    schema={"type": "array", "items": {"enum": [status.value for status in RuntimeStatus]}},
    parse=as_statuses,
    default=(),
)
TOP: Parameter[int] = Parameter(
    name="top",
    meaning="At most so many instances on a page; a page holds no more than 1,000.",
    schema={"type": "integer", "minimum": 0, "default": 100},
    parse=as_page_size,
    default=100,
)
OPERATED_FROM = _moment("lastOperationTimeFrom", "Only entities last operated then or later.")
OPERATED_TO = _moment("lastOperationTimeTo", "Only entities last operated then or earlier.")
FETCH_STATE = _flag("fetchState", False, "With states; else they are null.")
ENTITY_TOP = replace(
    TOP, meaning="At most so many entities on a page; a page holds no more than 1,000."
)
OF_QUEUE = _text("queueName", "Only messages that were in that queue.")
OF_INSTANCE = _text("instanceId", "Only messages for that instance, as far as that can be told.")
SHOW_TEXT = _flag("showText", False, "With what they say; else it is null.")
MESSAGE_TOP = replace(
    TOP,
    meaning="At most so many messages on a page; a page holds no more than 1,000, and less where "
    "few of those that are looked at fit.",
)
OP: Parameter[str] = Parameter(
    name="op",
    meaning="The operation's name.",
    schema={"type": "string", "default": ""},
    parse=str,
    default="",
    verbatim=True,
)
CONTINUATION = _text(
    "x-ms-continuation-token",
    "What the answer before said, to get the next page.",
    place=Place.HEADER,
)

# What can't be undone takes no filter that it doesn't understand.
PURGED_FROM = replace(CREATED_FROM, required=True)
PURGED_TO = replace(CREATED_TO, strict=True, meaning=f"{CREATED_TO.meaning} Default: now.")
PURGED_STATUSES = replace(STATUSES, strict=True)
