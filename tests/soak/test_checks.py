"""The soak's checks find what they are for."""

from __future__ import annotations

import json

import durable as df
from durable.storage.memory.account import MemoryAccount
from tests.entity_rows import insert_entity
from tests.manual_clock import ManualClock
from tests.soak.checks import check_entities
from tests.soak.driver import Sent
from tests.soak.jobs import Books


async def test_money_that_is_missing_and_signals_that_count_twice_are_found() -> None:
    clock = ManualClock()
    async with df.Client(MemoryAccount(clock), hub="Soak", clock=clock) as client:
        books = Books()
        assert await check_entities(client, books) == []
        books.move("g0-0", "g0-1", 30)
        await insert_entity(client.hub, "@account@g0-0", "70")
        await insert_entity(client.hub, "@account@g0-1", "120")
        books.counters["c0"] = Sent(told={"a", "b", "c"}, maybe={"a", "b", "c", "d", "e"})
        state = {"a": 1, "b": 2, "d": 1, "e": 2, "f": 1}
        await insert_entity(client.hub, "@counter@c0", json.dumps(state))
        assert await check_entities(client, books) == [
            "account g0-1 has 120, not 130",
            "all accounts have 4790, not 4800",
            "counter c0 was told b 2 times, not once",
            "counter c0 was told c 0 times, not once",
            "counter c0 holds e 2 times; it was sent True",
            "counter c0 holds f 1 times; it was sent False",
        ]
