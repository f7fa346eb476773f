"""No value gets out of its quotes: what storage evaluates is the comparison that was meant."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, strategies as st

from durable.client.entity_looking import EntityQuery, entities_of
from durable.client.looking import page_of
from durable.hub.instances import InstanceQuery
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.model.status import RuntimeStatus
from durable.storage.azure.odata import odata_filter
from durable.storage.memory import MemoryAccount
from durable.storage.values import (
    All,
    Comparison,
    Condition,
    Int64,
    Page,
    Some,
    Where,
)
from durable.wire.keys import escape_partition_key
from tests.manual_clock import ManualClock
from tests.security.hostile import ANYTHING, any_text
from tests.security.odata_reader import NotOData, holds, meant, parsed

_NOW = datetime(2026, 3, 4, tzinfo=UTC)

values = st.one_of(
    any_text,
    st.booleans(),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**63), 2**63 - 1).map(Int64),
    st.floats(allow_nan=False, allow_infinity=False),
    st.binary(max_size=8),
)
columns = st.sampled_from(["PartitionKey", "RowKey", "Name", "_Timestamp"])
conditions = st.recursive(
    st.builds(Where, columns, st.sampled_from(list(Comparison)), values),
    lambda inner: st.one_of(
        st.builds(All, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Some, st.lists(inner, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)


class Listening:
    """A `TableStore` that keeps the conditions of queries, and finds nothing."""

    def __init__(self, tables: Any) -> None:
        self._tables = tables
        self.asked: list[Condition | None] = []

    async def query(
        self,
        table: str,
        condition: Condition | None,
        *,
        page_size: int = 1000,
        continuation: str | None = None,
        select: Sequence[str] = (),
    ) -> Page:
        self.asked.append(condition)
        return Page(rows=(), continuation=None, served_at=_NOW)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tables, name)


class Asked:
    """A hub whose queries are looked at instead of answered."""

    def __init__(self) -> None:
        clock = ManualClock()
        account: Any = MemoryAccount(clock)
        self.tables = Listening(account.tables)

        class Account:
            queues, blobs, tables = account.queues, account.blobs, self.tables

        self.hub = TaskHub(Account(), HubSettings(name="Asked"), clock)  # type: ignore[arg-type]

    def tree(self) -> Any:
        [condition] = self.tables.asked
        assert condition is not None
        return parsed(odata_filter(condition))


def test_the_reader_itself_is_not_taken_in() -> None:
    assert parsed("A eq 'x'' or B eq ''y'") == ("A", "eq", "x' or B eq 'y")
    assert parsed("A eq 'x' or B eq 'y'") == ("or", ("A", "eq", "x"), ("B", "eq", "y"))
    for text in ("A eq 'x", "A eq x'", "A eq 'x' 'y'", "A eq 'x' or", "(A eq 1", "A eq null", ""):
        with pytest.raises(NotOData):
            parsed(text)


@given(conditions)
def test_any_condition_is_read_as_it_was_meant(condition: Condition) -> None:
    assert parsed(odata_filter(condition)) == meant(condition)


def test_times_and_ids_have_no_free_text() -> None:
    moment, guid = datetime(2026, 1, 2, 3, 4, 5, 6, UTC), UUID(int=7)
    assert parsed(odata_filter(Where("T", Comparison.GE, moment))) == (
        ("T", "ge", "datetime'2026-01-02T03:04:05.0000060Z'")
    )
    assert parsed(odata_filter(Where("G", Comparison.EQ, guid))) == ("G", "eq", f"guid'{guid}'")


@given(any_text)
@example("Name eq 'x' or Name")
@example("Name\n")
def test_a_column_is_a_name_or_an_error(column: str) -> None:
    try:
        text = odata_filter(Where(column, Comparison.EQ, "x"))
    except ValueError:
        return
    assert column.isascii()
    assert column.isidentifier()
    assert parsed(text) == (column, "eq", "x")


@given(any_text.filter(bool), st.lists(any_text, max_size=6), any_text)
@example("a\uffff", ["a\uffff!", "a\U00010000", "b"], "")
@example("a\ud7ff", ["a\ud7ffx", "a\U00010000", "a\ue000"], "")
@example("\U0010ffff", ["\U0010ffffz", "\ue000"], "")
@example("\uffff", ["\uffffx", "\uffff", "z"], "")
def test_an_id_prefix_finds_what_begins_so_and_nothing_else(
    prefix: str, ids: list[str], rest: str
) -> None:
    asked = Asked()
    query = InstanceQuery(id_prefix=prefix, statuses=(RuntimeStatus.RUNNING,))
    asyncio.run(page_of(asked.hub, query, size=10))
    tree = asked.tree()
    for instance_id in [*ids, prefix, prefix + rest]:
        key = escape_partition_key(instance_id)
        row = {"PartitionKey": key, "RuntimeStatus": "Running"}
        begins = key.startswith(escape_partition_key(prefix))
        assert holds(tree, row) == begins, instance_id
        assert not holds(tree, {**row, "RuntimeStatus": "Completed"})


@given(any_text.filter(bool), st.lists(any_text, max_size=6))
@example("x' or PartitionKey ne '", ["@y@k"])
@example("a@b", ["@a@b@c"])
def test_an_entitys_name_finds_its_entities_and_no_others(name: str, keys: list[str]) -> None:
    asked = Asked()
    asyncio.run(entities_of(asked.hub, EntityQuery(name=name, with_absent=True), size=10))
    tree = asked.tree()
    mine = escape_partition_key(f"@{name.lower()}@")
    for key in [*keys, f"{name.lower()}@", ""]:
        for found in (escape_partition_key(f"@{key}"), mine + escape_partition_key(key)):
            assert holds(tree, {"PartitionKey": found}) == found.startswith(mine)


@pytest.mark.parametrize("text", ANYTHING)
def test_a_prefix_of_a_custom_status_stays_a_text(text: str) -> None:
    asked = Asked()
    asyncio.run(page_of(asked.hub, InstanceQuery(custom_status_prefix=text), size=10))
    tree = asked.tree()
    assert holds(tree, {"CustomStatus": text + "x"})
    assert not holds(tree, {"CustomStatus": "A"})
    assert not holds(tree, {"PartitionKey": text})


def test_the_hub_lab_asks_in_the_same_way() -> None:
    asked = Asked()
    query = InstanceQuery(
        created_from=_NOW, created_to=_NOW, statuses=tuple(RuntimeStatus), id_prefix="'"
    )
    asyncio.run(page_of(asked.hub, query, size=10))
    row = {"PartitionKey": "'x", "RuntimeStatus": "Failed"}
    assert not holds(asked.tree(), row)  # no CreatedTime: no comparison holds
    created = "datetime'2026-03-04T00:00:00.0000000Z'"
    assert holds(asked.tree(), {**row, "CreatedTime": created})
