"""Every recorded request to the management API, made to ours: the same answer, or a reason.

Compared: status, Content-Type, Location, Retry-After, whether there is a continuation, and the body
to the character. Not compared: keys, fresh ids, times of starts made by the test.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from durable.api.http import Response
from durable.api.routes import Operation, find_route
from durable.model.status import InstanceRow, RuntimeStatus
from tests.golden.recorded_http import BASE, HIDDEN, KEY, RECORDINGS, Recording, Site, fill

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

#: What the hub held before a start: instance id by recording, and its status.
BEFORE = {
    "003-start-id-again-after-completion": ("seq1", RuntimeStatus.COMPLETED),
    "018-start-unknown-function-otherhub": ("x1", RuntimeStatus.PENDING),
}
OTHER_HUBS = ("OtherHub", "PendHub", "PendHub2", "EmptyHubX")
LISTED_BY = {"2": "215-list", "3": "349-list-showInput-false-alone"}


def operation_of(recording: Recording) -> Operation | None:
    found = find_route(recording.method, recording.path)
    return None if found is None else found.operation


def stems(*operations: Operation | None) -> list[str]:
    return [
        stem
        for stem, recording in RECORDINGS.items()
        if recording.url.startswith(BASE) and operation_of(recording) in operations
    ]


NOT_BUILT: list[Operation] = [
    op for op in Operation if op not in (Operation.START, Operation.STATUS, Operation.LIST)
]
#: Where they are to be built.
ISSUE: dict[Operation, str] = {
    op: "issue 5" if "entit" in op.value else "issue 4" for op in NOT_BUILT
}


@pytest.mark.parametrize("stem", stems(Operation.STATUS))
async def test_status(stem: str) -> None:
    recording = RECORDINGS[stem]
    site = site_of(recording)
    if recording.text.startswith('{"name"'):
        hidden = recording.query.get("showInput") == "false"
        await fill(hub_of(site, recording), json.loads(recording.text), hidden=hidden)
    answer = await call(site, recording)
    compare(answer, recording)
    assert HIDDEN not in answer.body.decode()


@pytest.mark.parametrize("stem", stems(Operation.LIST))
async def test_list(stem: str) -> None:
    recording = RECORDINGS[stem]
    site = site_of(recording)
    if "taskHub" not in recording.query or stem == "233-list-hubcase":
        after_purge = "after-purge" in stem
        whole = RECORDINGS[stem if after_purge else LISTED_BY[stem[0]]]
        for shown in json.loads(whole.text):
            await fill(site.hub, shown)
    continued = {}
    if stem == "218-list-page2":
        first = await call(site, RECORDINGS["217-list-page"])
        continued = {"x-ms-continuation-token": first.headers["x-ms-continuation-token"]}
    answer = await call(site, recording, continued)
    if list(recording.query) in (["showInput"], ["showInput", "top"]):
        shown = [{**item, "input": None} for item in json.loads(recording.text)]
        text = json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
        recording = dataclasses.replace(recording, text=text)
    compare(answer, recording)


@pytest.mark.parametrize("stem", stems(Operation.START))
async def test_start(stem: str) -> None:
    recording = RECORDINGS[stem]
    site = site_of(recording)
    hub = hub_of(site, recording)
    await hub.ensure()
    if stem in BEFORE:
        instance_id, status = BEFORE[stem]
        row = InstanceRow(instance_id=instance_id, execution_id="old", status=status)
        await hub.instances.insert(row)
    site.clock.work = lambda: finish(site, recording)
    answer = await call(site, recording)
    compare(answer, recording, started=True)


async def test_of_bad_waiting_times_nothing_is_started() -> None:
    recording = RECORDINGS["008-start-wait-interval-gt-timeout"]
    site = site_of(recording)
    await site.hub.ensure()
    await call(site, recording)
    assert await site.hub.instances.read("seqw3") is None


async def test_an_unknown_name_is_answered_with_near_ones_under_both_keys() -> None:
    recording = dataclasses.replace(
        RECORDINGS["017-start-unknown-function"], url=f"{BASE}/orchestrators/helo_sequence"
    )
    answer = await call(site_of(recording), recording)
    body = json.loads(answer.body)
    assert (answer.status, body["Message"]) == (400, BAD_ARGUMENT)
    assert "Did you mean 'hello_sequence'?" in body["ExceptionMessage"]


@pytest.mark.parametrize("stem", stems(None))
async def test_unknown_routes_and_verbs(stem: str) -> None:
    recording = RECORDINGS[stem]
    compare(await call(site_of(recording), recording), recording)


@pytest.mark.parametrize("stem", stems(*NOT_BUILT))
async def test_not_built_yet(stem: str) -> None:
    recording = RECORDINGS[stem]
    answer = await call(site_of(recording), recording)
    operation = operation_of(recording)
    assert operation is not None
    assert (answer.status, json.loads(answer.body)) == (
        501,
        {"Message": f"not built yet in this version: {operation.value}"},
    ), ISSUE[operation]


def test_every_difference_occurs() -> None:
    assert DIFFERENCES.keys() <= RECORDINGS.keys()
    texts = [
        text
        for stem in stems(Operation.START, Operation.STATUS, Operation.LIST)
        for text in (RECORDINGS[stem].text, RECORDINGS[stem].headers.get("Location", ""))
    ]
    for reason, changed in KINDS.items():
        assert any(changed(text) != text for text in texts), reason
    listed = [RECORDINGS[stem] for stem in LISTED_BY.values()]
    assert any(item["input"] for each in listed for item in json.loads(each.text)), NO_LISTED_INPUT


def site_of(recording: Recording) -> Site:
    return Site(recording.hub_name, *OTHER_HUBS)


def hub_of(site: Site, recording: Recording) -> Any:
    return site.hubs[recording.query.get("taskHub", site.hub.settings.name).lower()]


async def call(
    site: Site, recording: Recording, headers: Mapping[str, str] | None = None
) -> Response:
    return await site.api.handle(recording.request(**{"x-functions-key": KEY, **(headers or {})}))


async def finish(site: Site, recording: Recording) -> None:
    """What a worker does: run the instance to the recorded end."""
    instance_id = recording.path.rsplit("/", 1)[-1]
    row = await site.hub.instances.read(instance_id)
    if row is None or row.status is not RuntimeStatus.PENDING:
        return
    ended = dataclasses.replace(row, status=RuntimeStatus.COMPLETED, output=recording.text)
    if recording.path.startswith("/orchestrators/echo/"):
        ended = dataclasses.replace(ended, output=row.input)
    elif '"runtimeStatus"' in recording.text:
        shown = json.loads(recording.text)
        ended = dataclasses.replace(
            ended, status=RuntimeStatus(shown["runtimeStatus"]), output=shown["output"]
        )
    await site.hub.instances.show(ended, row)


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
