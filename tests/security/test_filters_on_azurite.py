"""A service that evaluates filters itself finds what was asked for, and nothing more."""

from __future__ import annotations

import base64
import json

import pytest

from durable.client.entity_looking import EntityQuery, entities_of
from durable.client.looking import page_of
from durable.errors import CorruptRecord
from durable.hub.instances import InstanceQuery
from durable.hub.taskhub import TaskHub
from durable.model.status import InstanceRow, RuntimeStatus
from durable.storage.values import All, Comparison, Operation, Row, Where, Write
from durable.together import run_together
from durable.wire.keys import escape_partition_key
from tests.security.hostile import TEXTS

pytestmark = pytest.mark.azurite

#: What the emulator takes apart wrongly, in a batch only, whoever sends it (the official SDK too);
#: that ours is quoted as it must be is seen in test_names_on_the_wire.py.
_MISREAD = "',RowKey='y"
_KEYS = tuple(text for text in TEXTS if "/" not in text)
IDS = (*[f"{number:02}{text}" for number, text in enumerate(_KEYS)], "plain", "^0", "^")


async def _insert(hub: TaskHub, instance_id: str, name: str = "hello") -> None:
    now = hub.clock.now()
    await hub.instances.insert(
        InstanceRow(
            instance_id=instance_id,
            execution_id="e1",
            name=name,
            created_time=now,
            last_updated_time=now,
            status=RuntimeStatus.RUNNING,
        )
    )


async def test_each_id_finds_its_own_row_only(real_hub: TaskHub) -> None:
    await run_together((_insert(real_hub, each, name=each) for each in IDS), at_once=16)

    async def found(instance_id: str) -> None:
        row = await real_hub.instances.read(instance_id)
        assert row is not None
        assert (row.instance_id, row.name) == (instance_id, instance_id)
        page = await page_of(real_hub, InstanceQuery(id_prefix=instance_id), size=1000)
        assert [each.instance_id for each in page.rows] == [
            each for each in sorted(IDS) if each.startswith(instance_id)
        ]
        table = real_hub.names.instances_table
        where = Where("Name", Comparison.EQ, instance_id)
        rows = (await real_hub.account.tables.query(table, All((where,)))).rows
        assert [row.partition_key for row in rows] == [escape_partition_key(instance_id)]

    await run_together((found(each) for each in IDS), at_once=8)
    for text in TEXTS:
        page = await page_of(real_hub, InstanceQuery(id_prefix=f"absent{text}"), size=1000)
        assert not page.rows


async def test_rows_are_written_and_deleted_under_their_own_keys_only(real_hub: TaskHub) -> None:
    table, tables = real_hub.names.history_table, real_hub.account.tables
    for text in _KEYS:
        keep = Row(partition_key=f"{text}keep", row_key="r", columns={"N": "kept"})
        row = Row(partition_key=text, row_key=text, columns={"N": text})
        await tables.write(table, Operation(write=Write.UPSERT_REPLACE, row=keep))
        upsert = Operation(write=Write.UPSERT_REPLACE, row=row)
        await (tables.write(table, upsert) if text in _MISREAD else tables.batch(table, [upsert]))
        read = await tables.read(table, text, text)
        assert read is not None
        assert read.columns["N"] == text
        await tables.write(table, Operation(write=Write.DELETE, row=row))
        assert await tables.read(table, text, text) is None
        assert await tables.read(table, f"{text}keep", "r") is not None


async def test_an_entitys_name_reaches_no_other_entity(real_hub: TaskHub) -> None:
    for entity in ("@counter@a", "@counter@b'", "@other@a"):
        await _insert(real_hub, entity)
    for name in ("x' or PartitionKey ne '", "counter@", "@", "counter' or '1' eq '1"):
        found, _ = await entities_of(real_hub, EntityQuery(name=name, with_absent=True), size=100)
        assert not found
    found, _ = await entities_of(real_hub, EntityQuery(name="counter", with_absent=True), size=100)
    assert [(each.name, each.key) for each in found] == [("counter", "a"), ("counter", "b'")]


async def test_a_made_up_continuation_shows_nothing_that_the_filter_hides(
    real_hub: TaskHub,
) -> None:
    for instance_id in ("mine-1", "mine-2", "secret"):
        await _insert(real_hub, instance_id)
    for keys in (
        ["a", "b"],
        ["' or 1 eq 1", ""],
        [None, None],
        ["mine-1&NextRowKey=x", "y"],
        ["mine-2\r\nX-Evil: 1", "z"],
        ["1!8!c2VjcmV0", "1!4!"],
    ):
        token = base64.urlsafe_b64encode(json.dumps(["azure", *keys]).encode()).decode()
        query = InstanceQuery(id_prefix="mine-")
        try:
            page = await page_of(real_hub, query, size=10, continuation=token)
        except CorruptRecord:
            continue
        assert "secret" not in [row.instance_id for row in page.rows]
