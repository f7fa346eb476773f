"""The account in memory with much in it: found without looking at all of it, in the same order."""

from __future__ import annotations

from dataclasses import dataclass, field

import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings

from durable.storage.memory import MemoryAccount
from durable.storage.memory.tables import MemoryTables
from durable.storage.values import All, Comparison, Condition, Operation, Row, Where, Write
from tests.manual_clock import ManualClock

GE, LE, LT, EQ = Comparison.GE, Comparison.LE, Comparison.LT, Comparison.EQ


@dataclass(slots=True)
class Known:
    """A message as the test knows it."""

    text: str
    visible: float
    receipt: str
    number: int
    id: str


@dataclass(slots=True)
class Model:
    """A queue without any order of its own."""

    messages: list[Known] = field(default_factory=list)

    def visible(self, now: float, count: int) -> list[Known]:
        found = [each for each in self.messages if each.visible <= now]
        return sorted(found, key=lambda each: (each.visible, each.number))[:count]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 3)),
        st.tuples(st.just("get"), st.integers(1, 4)),
        st.tuples(st.just("peek"), st.integers(1, 4)),
        st.tuples(st.just("update"), st.integers(0, 5)),
        st.tuples(st.just("delete"), st.integers(0, 5)),
        st.tuples(st.just("wait"), st.integers(1, 3)),
    ),
    max_size=60,
)


@given(STEPS)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
async def test_messages_come_as_from_a_queue_that_is_searched(
    steps: list[tuple[str, int]],
) -> None:
    clock, model = ManualClock(), Model()
    queues = MemoryAccount(clock).queues
    await queues.create_queue("queue")
    for step, number in steps:
        now = clock.monotonic()
        chosen = model.messages[number % len(model.messages)] if model.messages else None
        match step:
            case "put":
                text = str(len(model.messages))
                put = await queues.put("queue", text, delay_seconds=number)
                order = int(put.id[-12:], 16)
                model.messages.append(Known(text, now + number, put.pop_receipt, order, put.id))
            case "get":
                got = await queues.get("queue", count=number, lease_seconds=number)
                wanted = model.visible(now, number)
                assert [each.id for each in got] == [each.id for each in wanted]
                for message, each in zip(got, wanted, strict=True):
                    each.visible, each.receipt = now + number, message.pop_receipt
            case "peek":
                peeked = await queues.peek("queue", count=number)
                assert [m.id for m in peeked] == [m.id for m in model.visible(now, number)]
            case "update" if chosen is not None:
                chosen.receipt = await queues.update(
                    "queue", chosen.id, chosen.receipt, visible_in_seconds=number
                )
                chosen.visible = now + number
            case "delete" if chosen is not None:
                await queues.delete("queue", chosen.id, chosen.receipt)
                model.messages.remove(chosen)
            case _:
                clock.advance(number)
    assert await queues.count("queue") == len(model.messages)


async def test_a_message_that_is_renewed_for_ever_leaves_nothing_behind(
    manual_clock: ManualClock,
) -> None:
    account = MemoryAccount(manual_clock)
    await account.queues.create_queue("queue")
    receipt = await account.queues.put("queue", "x", delay_seconds=60)
    pop = receipt.pop_receipt
    for _ in range(1_000):
        manual_clock.advance(1)
        pop = await account.queues.update("queue", receipt.id, pop, visible_in_seconds=60)
    assert len(account.queues._state.lines["queue"]) < 100
    manual_clock.advance(60)
    (found,) = await account.queues.get("queue", count=32, lease_seconds=1)
    assert found.id == receipt.id


async def test_a_queue_that_is_made_anew_is_empty(manual_clock: ManualClock) -> None:
    account = MemoryAccount(manual_clock)
    await account.queues.create_queue("queue")
    await account.queues.put("queue", "x")
    await account.queues.delete_queue("queue")
    await account.queues.create_queue("queue")
    assert await account.queues.get("queue", count=32, lease_seconds=1) == []


async def _table(clock: ManualClock) -> MemoryTables:
    tables = MemoryAccount(clock).tables
    await tables.create_table("Table")
    for number in range(100):
        for row in ("a", "b", "c"):
            key = Row(partition_key=f"p{number:02}", row_key=row, columns={"N": number})
            await tables.write("Table", Operation(write=Write.INSERT, row=key))
    return tables


async def _looked_at(
    tables: MemoryTables, condition: Condition, *, size: int = 1000
) -> tuple[int, int]:
    """How many rows a query looked at, and gave."""
    before = tables.scanned
    found = await tables.query("Table", condition, page_size=size)
    return tables.scanned - before, len(found.rows)


async def test_queries_look_only_where_keys_may_be(manual_clock: ManualClock) -> None:
    tables = await _table(manual_clock)
    one = Where("PartitionKey", EQ, "p50")
    assert await _looked_at(tables, one) == (3, 3)
    assert await _looked_at(tables, All((one, Where("RowKey", GE, "b")))) == (2, 2)
    assert await _looked_at(tables, All((one, Where("RowKey", LE, "a")))) == (1, 1)
    some = All((Where("PartitionKey", GE, "p10"), Where("PartitionKey", LT, "p20")))
    # The first row of the end is looked at, and left out.
    assert await _looked_at(tables, some) == (33, 30)
    assert await _looked_at(tables, Where("PartitionKey", GE, "p98")) == (6, 6)
    assert await _looked_at(tables, Where("RowKey", EQ, "b")) == (100, 100)
    assert await _looked_at(tables, Where("N", EQ, 7)) == (300, 3)
    assert await _looked_at(tables, Where("RowKey", EQ, "b"), size=10) == (11, 10)


async def test_pages_go_on_where_they_stopped_whatever_was_deleted(
    manual_clock: ManualClock,
) -> None:
    tables = await _table(manual_clock)
    first = await tables.query("Table", None, page_size=4)
    assert [(r.partition_key, r.row_key) for r in first.rows[-2:]] == [("p00", "c"), ("p01", "a")]
    for row in ("a", "b", "c"):
        key = Row(partition_key="p01", row_key=row)
        await tables.write("Table", Operation(write=Write.DELETE, row=key))
    second = await tables.query("Table", None, page_size=4, continuation=first.continuation)
    assert [(r.partition_key, r.row_key) for r in second.rows[:1]] == [("p02", "a")]
    await tables.write(
        "Table", Operation(write=Write.INSERT, row=Row(partition_key="p01", row_key="z"))
    )
    again = await tables.query("Table", None, page_size=4, continuation=first.continuation)
    assert [(r.partition_key, r.row_key) for r in again.rows[:2]] == [("p01", "z"), ("p02", "a")]
