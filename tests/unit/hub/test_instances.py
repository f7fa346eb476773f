"""The Instances table: queries, and writes under the row's ETag."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from durable.errors import Conflict, NotFound, PreconditionFailed
from durable.hub.instances import InstanceQuery, can_exist
from durable.model.status import InstanceRow, RuntimeStatus
from tests.hub_lab import Lab, in_virtual_time


async def lab_with(*rows: InstanceRow) -> Lab:
    lab = Lab()
    await lab.hub.ensure()
    for row in rows:
        await lab.hub.instances.insert(row)
    return lab


def row_of(instance_id: str, **columns: object) -> InstanceRow:
    row = InstanceRow(instance_id=instance_id, execution_id="e1", status=RuntimeStatus.RUNNING)
    return replace(row, **columns)  # type: ignore[arg-type]


async def found(lab: Lab, **conditions: object) -> list[str]:
    query = replace(InstanceQuery(), **conditions)  # type: ignore[arg-type]
    page = await lab.hub.instances.page(query, size=100)
    assert page.continuation is None
    return [row.instance_id for row in page.rows]


@in_virtual_time
async def test_queries_by_status_time_and_prefix() -> None:
    lab = Lab()
    now = lab.clock.now()
    lab = await lab_with(
        row_of("a1", created_time=now),
        row_of("a2", created_time=now + timedelta(hours=1), status=RuntimeStatus.FAILED),
        row_of("b/1", created_time=now + timedelta(hours=2), status=RuntimeStatus.COMPLETED),
    )
    assert await found(lab) == ["a1", "a2", "b/1"]
    assert await found(lab, statuses=(RuntimeStatus.FAILED, RuntimeStatus.COMPLETED)) == [
        "a2",
        "b/1",
    ]
    assert await found(lab, created_from=now + timedelta(hours=1)) == ["a2", "b/1"]
    assert await found(lab, created_to=now + timedelta(hours=1)) == ["a1", "a2"]
    assert await found(lab, id_prefix="a") == ["a1", "a2"]
    assert await found(lab, id_prefix="b/") == ["b/1"]
    assert await found(lab, id_prefix="a", statuses=(RuntimeStatus.COMPLETED,)) == []


@in_virtual_time
async def test_queries_by_the_last_change_and_the_beginning_of_the_custom_status() -> None:
    now = Lab().clock.now()
    lab = await lab_with(
        row_of("a", last_updated_time=now, custom_status='{"entityExists":true}'),
        row_of("b", last_updated_time=now + timedelta(hours=1), custom_status="{}"),
        row_of("c", custom_status='{"entityExists":true,"lockedBy":"\U0010ffff"}'),
        row_of("d", custom_status='{"entityExists":trud}'),
        row_of("e"),
    )
    assert await found(lab, updated_from=now + timedelta(minutes=1)) == ["b"]
    assert await found(lab, updated_to=now) == ["a"]
    assert await found(lab, custom_status_prefix='{"entityExists":true') == ["a", "c"]
    assert await found(lab, custom_status_prefix="{") == ["a", "b", "c", "d"]


@pytest.mark.parametrize("edge", ["\ud7ff", "\U0010ffff", "a\U0010ffff"])
@in_virtual_time
async def test_a_prefix_may_end_in_the_last_of_its_kind(edge: str) -> None:
    lab = await lab_with(row_of(f"{edge}x"), row_of("b"), row_of("a"))
    assert await found(lab, id_prefix=edge) == [f"{edge}x"]


@in_virtual_time
async def test_pages_go_on_where_they_stopped() -> None:
    lab = await lab_with(*(row_of(f"i{n}") for n in range(5)))
    seen: list[str] = []
    continuation: str | None = None
    for _ in range(3):
        page = await lab.hub.instances.page(InstanceQuery(), size=2, continuation=continuation)
        seen += [row.instance_id for row in page.rows]
        continuation = page.continuation
    assert (seen, continuation) == ([f"i{n}" for n in range(5)], None)


@in_virtual_time
async def test_without_input_the_input_is_not_read() -> None:
    lab = await lab_with(row_of("i1", input='"in"', output='"out"'))
    page = await lab.hub.instances.page(InstanceQuery(with_input=False), size=10)
    assert [(row.input, row.output) for row in page.rows] == [(None, '"out"')]


@in_virtual_time
async def test_a_row_is_written_under_its_etag() -> None:
    lab = await lab_with(row_of("i1"))
    store = lab.hub.instances
    row = await store.read("i1")
    assert row is not None
    with pytest.raises(Conflict):
        await store.insert(row_of("i1"))
    shown = await store.show(replace(row, status=RuntimeStatus.COMPLETED, output="1"), row)
    assert shown.etag != row.etag
    for write in (
        store.show(replace(row, output="2"), row),
        store.replace_row(replace(row, output="2")),
        store.delete(row),
    ):
        with pytest.raises(PreconditionFailed):
            await write
    current = await store.read("i1")
    assert current is not None
    assert (current.output, current.status) == ("1", RuntimeStatus.COMPLETED)
    await store.delete(shown)
    await store.delete(shown)  # gone already: fine
    assert await store.read("i1") is None
    with pytest.raises(NotFound):
        await store.replace_row(shown)


@in_virtual_time
async def test_a_merge_leaves_what_it_does_not_change() -> None:
    lab = await lab_with(
        row_of("i1", name="n", version="1", input="1", generation=3, tags={"a": "b"})
    )
    store = lab.hub.instances
    row = await store.read("i1")
    assert row is not None
    await lab.merge_row(Foreign="kept")
    row = await store.read("i1")
    assert row is not None
    await store.show(replace(row, custom_status='"s"'), row)
    stored = await lab.account.tables.read(lab.hub.names.instances_table, "i1", "")
    assert stored is not None
    assert stored.columns["Foreign"] == "kept"
    after = await store.read("i1")
    assert after is not None
    assert (after.name, after.version, after.input, after.generation) == ("n", "1", "1", 3)
    assert after.custom_status == '"s"'


@in_virtual_time
async def test_an_id_that_storage_could_not_hold_is_nobody_s() -> None:
    lab = await lab_with()
    assert can_exist("x" * 512)
    # Escaped, a caret takes two.
    for impossible in ("x" * 513, "^" * 300, "\U0001f600" * 257):
        assert not can_exist(impossible)
        assert await lab.hub.instances.read(impossible) is None


@in_virtual_time
async def test_times_before_storage_s_first_are_no_bound() -> None:
    lab = await lab_with(row_of("i", created_time=Lab().clock.now()))
    first = datetime(1, 1, 1, tzinfo=UTC)
    assert await found(lab, created_from=first) == ["i"]
    assert await found(lab, created_to=first) == []
