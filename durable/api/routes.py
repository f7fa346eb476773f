"""The routes of the management API: one table, which requests and its OpenAPI document go by."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from durable.errors import InvalidName

FUNCTION, INSTANCE, EVENT = "{functionName}", "{instanceId}", "{eventName}"
NAME, KEY = "{entityName}", "{entityKey}"
QUEUE, MESSAGE = "{queueName}", "{messageId}"


class Operation(enum.Enum):
    """What the API can be asked for."""

    START = "start"
    LIST = "list"
    PURGE_MANY = "purge many"
    STATUS = "status"
    PURGE = "purge"
    RAISE_EVENT = "raiseEvent"
    TERMINATE = "terminate"
    SUSPEND = "suspend"
    RESUME = "resume"
    REWIND = "rewind"
    RESTART = "restart"
    RESTART_WITH_OPTIONS = "restart with options"
    ENTITY_LIST = "list entities"
    ENTITY_STATE = "entity state"
    ENTITY_SIGNAL = "signal entity"
    ENTITY_DELETE = "delete entity"
    QUARANTINE_LIST = "list quarantine"
    QUARANTINE_SHOW = "show quarantined"
    QUARANTINE_REPLAY = "replay quarantined"
    QUARANTINE_DISCARD = "discard quarantined"
    MAKE_PRIMARY = "makeprimary"
    OPENAPI = "openapi"


#: Both start an instance under whichever id the caller likes.
_OF_ANY_INSTANCE = frozenset({Operation.START, Operation.RESTART_WITH_OPTIONS})


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """The operation a request asks for, and the decoded variables of its path."""

    operation: Operation
    variables: Mapping[str, str]

    @property
    def instance_scope(self) -> str | None:
        """The instance whose token opens the route; None where only the hub's key does."""
        return None if self.operation in _OF_ANY_INSTANCE else self.variables.get(INSTANCE)


_GET, _POST, _DELETE = frozenset({"GET"}), frozenset({"POST"}), frozenset({"DELETE"})
_ANY = frozenset({"GET", "POST", "PUT", "DELETE"})
#: Verbs, the path's segments (variables in braces), and what is asked for.
ROUTES: tuple[tuple[frozenset[str], tuple[str, ...], Operation], ...] = (
    (_POST, ("orchestrators", FUNCTION), Operation.START),
    (_POST, ("orchestrators", FUNCTION, INSTANCE), Operation.START),
    (_GET, ("entities",), Operation.ENTITY_LIST),
    (_GET, ("entities", NAME), Operation.ENTITY_LIST),
    (_POST, ("entities", NAME), Operation.ENTITY_SIGNAL),
    (_GET, ("entities", NAME, KEY), Operation.ENTITY_STATE),
    (_POST, ("entities", NAME, KEY), Operation.ENTITY_SIGNAL),
    (_DELETE, ("entities", NAME, KEY), Operation.ENTITY_DELETE),
    (_GET, ("instances",), Operation.LIST),
    (_DELETE, ("instances",), Operation.PURGE_MANY),
    (_GET, ("instances", INSTANCE), Operation.STATUS),
    (_DELETE, ("instances", INSTANCE), Operation.PURGE),
    (_POST, ("instances", INSTANCE, "raiseEvent", EVENT), Operation.RAISE_EVENT),
    (_POST, ("instances", INSTANCE, "terminate"), Operation.TERMINATE),
    (_POST, ("instances", INSTANCE, "suspend"), Operation.SUSPEND),
    (_POST, ("instances", INSTANCE, "resume"), Operation.RESUME),
    (_POST, ("instances", INSTANCE, "rewind"), Operation.REWIND),
    (_POST, ("instances", INSTANCE, "restart"), Operation.RESTART),
    (_POST, ("instances", INSTANCE, "restartWithOptions"), Operation.RESTART_WITH_OPTIONS),
    (_GET, ("quarantine",), Operation.QUARANTINE_LIST),
    (_GET, ("quarantine", QUEUE, MESSAGE), Operation.QUARANTINE_SHOW),
    (_DELETE, ("quarantine", QUEUE, MESSAGE), Operation.QUARANTINE_DISCARD),
    (_POST, ("quarantine", QUEUE, MESSAGE, "replay"), Operation.QUARANTINE_REPLAY),
    (_ANY, ("makeprimary",), Operation.MAKE_PRIMARY),
    (_GET, ("openapi.json",), Operation.OPENAPI),
)


def find_route(method: str, path: str) -> Match | None:
    """What a request asks for, None when there is no such route or it has not that verb.

    Words compare without case, one slash at the end does no harm.

    Raises:
        InvalidName: a variable is not percent-encoded UTF-8.
    """
    segments = path.removeprefix("/").removesuffix("/").split("/")
    for methods, pattern, operation in ROUTES:
        if method in methods and _fits(pattern, segments):
            return Match(
                operation=operation,
                variables={
                    part: _decoded(part, segment)
                    for part, segment in zip(pattern, segments, strict=True)
                    if part.startswith("{")
                },
            )
    return None


def _fits(pattern: tuple[str, ...], segments: list[str]) -> bool:
    return len(pattern) == len(segments) and all(
        bool(segment) if part.startswith("{") else segment.lower() == part.lower()
        for part, segment in zip(pattern, segments, strict=True)
    )


def _decoded(part: str, segment: str) -> str:
    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError:
        raise InvalidName(
            f"{part.strip('{}')} in the path is {segment[:64]!r}: not percent-encoded UTF-8."
        ) from None
