"""Our answer to a recorded request: the same, or a reason.

Compared: status, Content-Type, Location, Retry-After, whether there is a continuation, and the body
to the character. Not compared: keys, fresh ids, times of starts made by the test.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from durable.api.http import Response
from durable.api.routes import Operation, find_route
from tests.api_contract import check_answer
from tests.golden.recorded_http import BASE, KEY, RECORDINGS, Recording, Site

BAD_ARGUMENT = "One or more of the arguments submitted is incorrect"
BAD_JSON = "Invalid JSON content"


@dataclass(frozen=True)
class Difference:
    """What ours answers instead, and why. `message` is the member Message of the body."""

    reason: str
    status: int
    message: str | None = None
    body: str | None = None


_NOT_JSON = "only JSON is JSON: Newtonsoft's extensions are refused, so that every reader can read"
DIFFERENCES = {
    "014-start-bad-json": Difference("bad JSON is the caller's fault: 400", 400, BAD_JSON),
    "301-start-json-arr": Difference("bad JSON is the caller's fault: 400", 400, BAD_JSON),
    "306-start-json-nan": Difference(_NOT_JSON, 400, BAD_JSON),
    "307-start-json-single": Difference(_NOT_JSON, 400, BAD_JSON),
    "315-start-json-type": Difference(
        "user data stays as it is", 200, body='{"$type":"System.Object","a":1}'
    ),
    "018-start-unknown-function-otherhub": Difference(
        "409 for a taken id",
        409,
        "An Orchestration instance with the status Pending already exists.",
    ),
    "025-start-bad-id-slash-enc": Difference(
        "paths are decoded exactly once, so this is an id with a slash", 400, BAD_ARGUMENT
    ),
    "039-status-connection-unknown": Difference(
        "an unknown connection is the caller's fault", 400, BAD_ARGUMENT
    ),
    "219-list-badtoken": Difference("a foreign token is refused", 400, BAD_ARGUMENT),
    "038-purge-pending": Difference(
        "what has not ended is not purged, as in newer versions of the original", 412
    ),
    **dict.fromkeys(
        ("149-rewind-suspended", "172-rewind-running", "330-rewind-pending"),
        Difference(
            "what has not failed is the caller's fault: 409",
            409,
            "The rewind operation is only supported on failed orchestration instances.",
        ),
    ),
    "186-entity-post-badjson": Difference(
        "the parser's own words",
        400,
        "Could not parse JSON content: The body is not JSON: Expecting property name enclosed in "
        "double quotes at character 1 of 4.",
    ),
    "190-entity-post-unknown": Difference(
        "near names are told, not all", 400, "entityName: No entity function is named 'nosuch'."
    ),
    "191-entity-post-nokey": Difference(
        "an entity is not made by leaving out its key", 400, BAD_ARGUMENT
    ),
    "180-restart-running-sameid": Difference(
        "409 for a taken id",
        409,
        "An Orchestration instance with the status Running already exists.",
    ),
    "247-purgemulti-running": Difference("only finished instances are purged", 404),
    "249-purgemulti-bogusstatus": Difference(
        "what can't be undone takes no filter that it doesn't understand", 400, BAD_ARGUMENT
    ),
}

#: Differences of a kind: what the recorded text becomes in ours. Each must occur somewhere.
_ERROR_DETAIL = re.compile(r'"ExceptionMessage":.*"StackTrace":.*\}$', re.DOTALL)
KINDS: dict[str, Callable[[str], str]] = {
    "rewindPostUri is there, as with the Python SDK": lambda text: re.sub(
        r'("terminatePostUri":"([^"]*)/terminate([^"]*)",)"purge',
        r'\1"rewindPostUri":"\2/rewind\3","purge',
        text,
    ),
    "ScheduledTime is UTC": lambda text: re.sub(r'("ScheduledTime":"[^"]*)\+00:00"', r'\1Z"', text),
    "links are percent-encoded, so that they work": lambda text: re.sub(
        r"(/instances/[^?\"/]*)\+", r"\1%20", text
    ),
    "the @ in links is percent-encoded": lambda text: re.sub(
        r"(?<=/instances/)[^?\"/]*", lambda found: found[0].replace("@", "%40"), text
    ),
    "errors have our own text and no stack trace": lambda text: _ERROR_DETAIL.sub(
        '"ExceptionMessage":…}', text
    ),
}
NO_LISTED_INPUT = "showInput=false works without another filter, too"

OTHER_HUBS = ("OtherHub", "PendHub", "PendHub2", "EmptyHubX")
TOLD = (
    Operation.RAISE_EVENT,
    Operation.TERMINATE,
    Operation.SUSPEND,
    Operation.RESUME,
    Operation.REWIND,
    Operation.PURGE,
)
OF_ENTITIES = (
    Operation.ENTITY_LIST,
    Operation.ENTITY_STATE,
    Operation.ENTITY_SIGNAL,
    Operation.ENTITY_DELETE,
)
BUILT = (
    Operation.START,
    Operation.STATUS,
    Operation.LIST,
    Operation.RESTART,
    Operation.PURGE_MANY,
    Operation.MAKE_PRIMARY,
    Operation.OPENAPI,
    *TOLD,
    *OF_ENTITIES,
)


def operation_of(recording: Recording) -> Operation | None:
    found = find_route(recording.method, recording.path)
    return None if found is None else found.operation


def stems(*operations: Operation | None) -> list[str]:
    return [
        stem
        for stem, recording in RECORDINGS.items()
        if recording.url.startswith(BASE) and operation_of(recording) in operations
    ]


def site_of(recording: Recording) -> Site:
    return Site(recording.hub_name, *OTHER_HUBS)


def hub_of(site: Site, recording: Recording) -> Any:
    return site.hubs[recording.query.get("taskHub", site.hub.settings.name).lower()]


async def call(
    site: Site, recording: Recording, headers: Mapping[str, str] | None = None
) -> Response:
    """Ours, which must be as its own OpenAPI document says."""
    request = recording.request(**{"x-functions-key": KEY, **(headers or {})})
    answer = await site.api.handle(request)
    check_answer(request, answer)
    return answer


def compare(answer: Response, recording: Recording, *, started: bool = False) -> None:
    difference = DIFFERENCES.get(recording.stem)
    body = answer.body.decode()
    if difference is not None:
        assert answer.status == difference.status, difference.reason
        assert (answer.status, masked(body)) != (recording.status, masked(recording.text))
        if difference.message is not None:
            assert json.loads(body)["Message"] == difference.message
        if difference.body is not None:
            assert body == difference.body
        return
    assert answer.status == recording.status, body
    for name in ("Content-Type", "Retry-After"):
        assert answer.headers.get(name) == recording.headers.get(name)
    assert masked(answer.headers.get("Location", "")) == ours(recording.headers.get("Location", ""))
    token = "x-ms-continuation-token"
    assert bool(answer.headers.get(token)) == bool(recording.headers.get(token))
    assert (token in answer.headers) == (token in recording.headers)
    if started:
        assert without_times(masked(body)) == without_times(ours(recording.text))
    else:
        assert masked(body) == ours(recording.text)


def ours(text: str) -> str:
    """The recorded text with the differences of a kind made."""
    for change in KINDS.values():
        text = change(text)
    return masked(text)


def masked(text: str) -> str:
    text = _ERROR_DETAIL.sub('"ExceptionMessage":…}', text)
    text = re.sub(r"code=[\w-]+", "code=…", text)
    return (
        re.sub(r"(?<![\w%])[0-9a-f]{32}(?![\w%])", "…", text)
        if "Uri" in text
        else re.sub(r"(?<=/instances/)[0-9a-f]{32}", "…", text)
    )


def without_times(text: str) -> str:
    return re.sub(r'"(createdTime|lastUpdatedTime)":"[^"]*"', r'"\1":"…"', text)
