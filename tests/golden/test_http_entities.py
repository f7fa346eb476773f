"""Every recorded request about entities, made to ours: the same answer, or a reason.

And what an entity was told. The reasons are in `compared_http`.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from durable.api.routes import Operation
from durable.hub.taskhub import TaskHub
from durable.model.entities import OperationRequest
from durable.model.times import NO_TIME
from durable.wire.times import parse_time
from tests.entity_rows import insert_entity, told
from tests.golden.compared_http import DIFFERENCES, call, compare, site_of, stems
from tests.golden.recorded_http import RECORDINGS

TOKEN = "x-ms-continuation-token"
#: Whom a signal went to, which operation, and its input as JSON.
SIGNALLED: dict[str, tuple[str, str, str | None]] = {
    "184-entity-post-op": ("@counter@k1", "add", "5"),
    "185-entity-post-op-text": ("@counter@k2", "set", '"plain text"'),
    "187-entity-post-notype": ("@counter@k3", "set", '"7"'),
    "189-entity-post-noop": ("@counter@k5", "", None),
    "335-entity-op": ("@counter@z", "add", "5"),
    "339-entity-post-null": ("@counter@n1", "set", "null"),
    "340-entity-post-object": ("@counter@n2", "set", '{"a":[1]}'),
    "341-entity-key-special": ("@counter@k@1 ü", "set", "1"),
}
#: Entities that didn't exist any more, or not yet, when the request was made.
ABSENT = {"198-entity-get-failed-op": "@counter@k5", "210-entity-get-after-delete": "@counter@k1"}


def instance_of(stem: str) -> str:
    """The entity in the path of a recorded GET."""
    name, key = {
        "192": ("counter", "k1"),
        "193": ("counter", "k1"),
        "196": ("counter", "k3"),
        "197": ("counter", ""),
        "342": ("counter", "n1"),
        "343": ("counter", "n2"),
        "344": ("counter", "k@1 ü"),
    }[stem[:3]]
    return f"@{name}@{key}"


@pytest.mark.parametrize("stem", stems(Operation.ENTITY_STATE))
async def test_state(stem: str) -> None:
    recording = RECORDINGS[stem]
    site = site_of(recording)
    await insert_entity(site.hub, "@counter@other", "99")
    if recording.status == 200:
        await insert_entity(site.hub, instance_of(stem), recording.text)
    elif stem in ABSENT:
        await insert_entity(site.hub, ABSENT[stem])
    elif stem == "194-entity-get-keycase":
        await insert_entity(site.hub, "@counter@k1", "5")
    answer = await call(site, recording)
    compare(answer, recording)


@pytest.mark.parametrize("stem", stems(Operation.ENTITY_LIST))
async def test_list(stem: str) -> None:
    recording = RECORDINGS[stem]
    site = site_of(recording)
    await fill(site.hub, stem)
    continued = {}
    if stem == "208-entity-list-page2":
        first = await call(site, RECORDINGS["207-entity-list-page1"])
        continued = {TOKEN: first.headers[TOKEN]}
    answer = await call(site, recording, continued)
    compare(answer, recording)


async def test_pages_go_on_to_the_end() -> None:
    """The original counts absent entities, and can answer with less than was asked for."""
    site = site_of(RECORDINGS["207-entity-list-page1"])
    await fill(site.hub, "207-entity-list-page1")
    seen: list[Any] = []
    token: str | None = None
    while token != "":
        headers = {} if token is None else {TOKEN: token}
        answer = await call(site, RECORDINGS["207-entity-list-page1"], headers)
        (item,) = json.loads(answer.body)
        seen.append(item)
        token = answer.headers[TOKEN]
    assert seen == json.loads(RECORDINGS["199-entity-list"].text)


@pytest.mark.parametrize("stem", stems(Operation.ENTITY_SIGNAL))
async def test_signal(stem: str) -> None:
    recording = RECORDINGS[stem]
    site = site_of(recording)
    await site.hub.ensure()
    answer = await call(site, recording)
    compare(answer, recording)
    found = await told(site.hub)
    assert len(found) == (answer.status == 202)
    assert (stem in SIGNALLED) is (stem not in DIFFERENCES)
    for instance_id, content, message in found:
        assert isinstance(content, OperationRequest)
        text = content.input
        asked = None if text is None else json.dumps(json.loads(text), separators=(",", ":"))
        assert (instance_id, content.op, asked) == SIGNALLED[stem]
        assert message.target.execution_id is None
        assert (content.is_signal, content.parent, content.timestamp) == (True, None, NO_TIME)


async def fill(hub: TaskHub, stem: str) -> None:
    """Write what a list showed, and absent entities between."""
    states = json.loads(RECORDINGS["201-entity-list-state"].text)
    state_of = {item["entityId"]["key"]: item["state"] for item in states}
    after = json.loads(RECORDINGS["212-entity-list-after-delete"].text)
    left = {item["entityId"]["key"] for item in after}
    for item in json.loads(RECORDINGS["199-entity-list"].text):
        name, key = item["entityId"]["name"], item["entityId"]["key"]
        gone = stem.startswith("212") and key not in left
        await insert_entity(
            hub,
            f"@{name}@{key}",
            None if gone else json.dumps(state_of.get(key)),
            at=parse_time(item["lastOperationTime"]),
        )
    for key in ("cf", "k5", "zz"):
        await insert_entity(hub, f"@counter@{key}")
