"""Every recorded request to the management API, made to ours: the same answer, or a reason.

Here: starts, status, lists, unknown routes. `test_http_operations` and `test_http_entities` have
the rest, `compared_http` says what is compared.
"""

from __future__ import annotations

import dataclasses
import json

import pytest

from durable.api.routes import Operation
from durable.model.status import InstanceRow, RuntimeStatus
from tests.golden.compared_http import (
    BAD_ARGUMENT,
    BUILT,
    DIFFERENCES,
    KINDS,
    NO_LISTED_INPUT,
    call,
    compare,
    hub_of,
    operation_of,
    site_of,
    stems,
)
from tests.golden.recorded_http import BASE, HIDDEN, RECORDINGS, Recording, Site, fill

#: What the hub held before a start: instance id by recording, and its status.
BEFORE = {
    "003-start-id-again-after-completion": ("seq1", RuntimeStatus.COMPLETED),
    "018-start-unknown-function-otherhub": ("x1", RuntimeStatus.PENDING),
}
LISTED_BY = {"2": "215-list", "3": "349-list-showInput-false-alone"}


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


@pytest.mark.parametrize("stem", stems(None, Operation.MAKE_PRIMARY))
async def test_what_asks_no_hub(stem: str) -> None:
    recording = RECORDINGS[stem]
    compare(await call(site_of(recording), recording), recording)


def test_every_operation_is_compared_that_was_recorded() -> None:
    recorded = {operation_of(each) for each in RECORDINGS.values() if each.url.startswith(BASE)}
    assert recorded - {None} <= set(BUILT)


def test_every_difference_occurs() -> None:
    assert DIFFERENCES.keys() <= RECORDINGS.keys()
    texts = [
        text
        for stem in stems(*BUILT)
        for text in (RECORDINGS[stem].text, RECORDINGS[stem].headers.get("Location", ""))
    ]
    for reason, changed in KINDS.items():
        assert any(changed(text) != text for text in texts), reason
    listed = [RECORDINGS[stem] for stem in LISTED_BY.values()]
    assert any(item["input"] for each in listed for item in json.loads(each.text)), NO_LISTED_INPUT


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
