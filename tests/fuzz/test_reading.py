"""Whoever looks at a hub with damaged rows sees the sound ones, and is told of the others."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, strategies as st

from durable.api.app import ManagementApi
from durable.api.http import Request, Response
from durable.api.links import ManagementAccess
from durable.api.routes import ROUTES
from durable.client import Client, DurableOrchestrationStatus
from durable.errors import InstanceError, StorageError, UsageError
from durable.model.ids import EntityId
from tests.fuzz.corpus import BAIT, Sample
from tests.fuzz.test_rows import chosen, damaged_blobs, damaged_history, samples
from tests.fuzz.ward import HEALTHY, OWN, WATCH, Host, Ward, examples
from tests.hub_lab import Actor
from tests.simulation.simloop import run_simulation

pytestmark = pytest.mark.slow

RANDOMS = st.randoms(use_true_random=False)
EVER = datetime(2000, 1, 1, tzinfo=UTC)
BASE = "https://app.example/api/durabletask"


@pytest.fixture(autouse=True, scope="module")
def warm() -> None:
    """Made before a loop runs: it takes one of its own."""
    samples()


async def told(call: Awaitable[Any], about: Sequence[str]) -> Any:
    """The answer, or None when an instance is damaged, which the error names: one of `about`."""
    damage: StorageError | None = None
    try:
        return await call
    except InstanceError:
        return None
    except StorageError as error:
        damage = error
    assert any(each in str(damage) for each in about), damage
    return None


async def filled(sample: Sample) -> tuple[Ward, Actor, Client]:
    """The damage, and a sound instance that has ended."""
    ward = Ward()
    await ward.fill(sample)
    actor = await ward.lab.actor()
    client = Client(actor.hub)
    await client.start("leaf", instance_id=HEALTHY, input_text="1")
    host = Host(ward, actor)
    await host.run(seconds=5)
    return ward, actor, client


async def look_at_all(sample: Sample) -> None:
    _, actor, client = await filled(sample)
    with WATCH.over():
        listed = {each.instance_id: each for each in await client.get_status_all()}
        assert listed[HEALTHY].output == 2
        prefixed = await client.get_status_by(instance_id_prefix="heal", created_time_from=EVER)
        assert [each.instance_id for each in prefixed] == [HEALTHY]
        await client.get_all_entities(include_state=True)
        for each in sample.instance_ids:
            found = await told(client.get_status(each, True, True), [each])
            assert found is None or isinstance(found, DurableOrchestrationStatus)
            assert BAIT not in json.dumps(found.to_json() if found else "", default=str)
            await told(client.terminate(each, "x"), [each])
            await told(client.suspend(each), [each])
            # It goes on into the children.
            await told(client.rewind(each), sample.instance_ids)
            if each.startswith("@") and each.count("@") > 1:
                entity = EntityId.get_entity_id(each)
                await told(client.read_entity_state(entity), [each])
        sound = await client.get_status(HEALTHY)
        assert sound.output == 2
        await client.clean_entity_storage()
        purged = await client.purge_instance_history_by(EVER)
        assert purged.instances_deleted >= 1
        assert not await client.get_status(HEALTHY)
    assert not {resource for _, resource in actor.calls if not resource.startswith(OWN)}


@examples(40)
@given(RANDOMS)
def test_a_client_over_damaged_rows(rng: random.Random) -> None:
    sample = chosen(rng)
    damage = damaged_blobs if sample.blobs and rng.random() < 0.4 else damaged_history
    run_simulation(look_at_all(damage(rng, sample)))


#: What stands in a path or a query where an id should.
ODD = (
    "healthy",
    "sick-waits",
    "@counter@a",
    "@counter",
    "@@",
    "counter",
    "a",
    "..",
    "../x",
    "a/b",
    "%",
    "%2e%2e",
    "\x00",
    "\r\nSet-Cookie: a=b",
    "\ud800",
    "ä€😀",
    "' or '1' eq '1",
    "x" * 300,
    "x" * 3000,
    "-1",
    "0",
    "99999999999999999999",
    "NaN",
    "true",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.9999999+14:00",
    "2024-02-30",
    "Completed,Bogus",
    "null",
    '{"a":' * 2000,
    "[" * 2000,
    "",
)
PARAMETERS = (
    "taskHub",
    "connection",
    "code",
    "showInput",
    "showHistory",
    "showHistoryOutput",
    "returnInternalServerErrorOnFailure",
    "createdTimeFrom",
    "createdTimeTo",
    "runtimeStatus",
    "instanceIdPrefix",
    "top",
    "timeout",
    "pollingInterval",
    "restartWithNewInstanceId",
    "reason",
    "op",
    "fetchState",
    "lastOperationTimeFrom",
    "force",
    "instanceId",
    "newInstanceId",
    "version",
    "unknown",
)
BODIES = (
    b"",
    b"null",
    b"{",
    b"[" * 100_000,
    b"\xff\xfe",
    b'"\\ud800"',
    b"1e999",
    b"9" * 5000,
    b"{}",
)


def odd_request(rng: random.Random, ids: list[str]) -> Request:
    """One for any route, with a little of everything in it."""
    methods, pattern, _ = rng.choice(ROUTES)
    method = rng.choice(sorted(methods)) if rng.random() < 0.9 else rng.choice(("PUT", "HEAD", "X"))
    words = [
        quote(rng.choice([*ids, *ODD]), safe=rng.choice(("", "%./")), errors="surrogatepass")
        if part.startswith("{")
        else part
        for part in pattern
    ]
    query = {rng.choice(PARAMETERS): rng.choice([*ids, *ODD]) for _ in range(rng.randrange(4))}
    headers = {
        "content-type": rng.choice(
            ("application/json", "text/plain", "", "application/json; x=\x00")
        ),
        "x-ms-continuation-token": rng.choice(("", "", "", *ODD)),
    }
    return Request(
        method=method,
        path="/" + "/".join(words),
        query=query,
        headers=headers,
        body=rng.choice(BODIES),
        base_url=BASE,
    )


async def ask_all(rng: random.Random, sample: Sample) -> None:
    ward, actor, _ = await filled(sample)
    access = ManagementAccess(configured_key="key", require_key=False)

    async def client_for(task_hub: str | None, connection: str | None) -> Client:
        return Client(actor.hub, links=access.links(actor.hub))

    api = ManagementApi(client_for, access, max_body_bytes=50_000, max_wait_seconds=20)
    began = ward.lab.clock.monotonic()
    ids = sample.instance_ids
    count = 12
    with WATCH.over():
        for _ in range(count):
            request = odd_request(rng, ids)
            _check(request, await api.handle(request))
        for each in rng.sample(ids, k=min(3, len(ids))):
            query = {"showHistory": "true", "showHistoryOutput": "true"}
            path = f"/instances/{quote(each, safe='')}"
            request = Request(method="GET", path=path, query=query, base_url=BASE)
            answer = await api.handle(request)
            _check(request, answer)
            assert BAIT.encode() not in answer.body
        listed = await api.handle(Request(method="GET", path="/instances", base_url=BASE))
        assert listed.status == 200
    # Waits that were asked for, looks at damaged histories of 3 s each.
    assert ward.lab.clock.monotonic() - began < 30 * count
    assert not {resource for _, resource in actor.calls if not resource.startswith(OWN)}


def _check(request: Request, answer: Response) -> None:
    assert 200 <= answer.status < 600, request
    for name, value in answer.headers.items():
        assert value.isprintable(), (request, name, value)
        value.encode("latin-1")
    if answer.body:
        json.loads(answer.body)
    if answer.status >= 500:
        error = json.loads(answer.body)
        # Storage that is damaged, or an instance that failed: nothing that nobody thought of.
        assert error.get("ExceptionType", "durable.errors").startswith("durable.errors"), error
        assert error.get("ExceptionType") != "durable.errors.EngineBug", error


@examples(40)
@given(RANDOMS)
def test_the_management_api_over_damaged_rows(rng: random.Random) -> None:
    sample = damaged_history(rng, chosen(rng))
    run_simulation(ask_all(rng, sample))


def nested(levels: int) -> object:
    made: object = 1
    for _ in range(levels):
        made = [made]
    return made


#: What JSON, UTF-8 or a queue has no place for, or nearly none. Made anew: some can't be shown.
ODD_VALUES: dict[str, Callable[[], object]] = {
    "a lone surrogate": lambda: "\ud800",
    "a zero": lambda: "\x00",
    "long": lambda: "x" * 70_000,
    "many digits": lambda: 10**4000,
    "too many digits": lambda: 10**5000,
    "infinity": lambda: float("inf"),
    "deep": lambda: nested(300),
    "deeper": lambda: nested(900),
    "too deep": lambda: nested(5000),
    "an envelope": lambda: {"__class__": "Popen", "__module__": "os", "__data__": ["true"]},
    "a type": lambda: {"$type": "System.Diagnostics.Process"},
    "a number as key": lambda: {1: 2},
    "a lone surrogate as key": lambda: {"\ud800": 1},
    "an object": object,
    "a set": lambda: {1, 2},
    "a range": lambda: range(3),
    "a generator": lambda: (n for n in "x"),
    "an exception": lambda: ValueError("x"),
    "bytes": lambda: b"\xff",
    "a complex number": lambda: 1j,
}
VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=8,
)


async def send(value: object) -> None:
    """Hand `value` over wherever a user can; it arrives, or is refused before anything is done."""
    ward, actor, client = await filled(Sample(name="nothing"))
    host = Host(ward, actor)
    before = len(await client.get_status_all())
    try:
        await client.start_new("waits", "new", value)
    except UsageError:
        assert len(await client.get_status_all()) == before
        await client.start_new("waits", "new", None)
    await host.run(seconds=5)
    with contextlib.suppress(UsageError):
        await client.raise_event("new", "other", value)
    with contextlib.suppress(UsageError):
        await client.signal_entity(EntityId("counter", "z"), "get", value)
    await client.raise_event("new", "go", 1)
    await host.run(seconds=5)
    assert (await client.get_status("new")).output == 1
    assert actor.refused == []
    assert await ward.lab.quarantined() == []


@examples(20)
@given(VALUES)
def test_values_that_users_send(value: object) -> None:
    run_simulation(send(value))


@pytest.mark.parametrize("name", ODD_VALUES)
@pytest.mark.parametrize("within", [False, True])
def test_odd_values_that_users_send(name: str, within: bool) -> None:
    made = ODD_VALUES[name]()
    run_simulation(send({"a": [made]} if within else made))
