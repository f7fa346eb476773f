"""What a storage call costs this process in CPU: our adapter, the SDK's clients, bare aiohttp.

    .venv/bin/python -m benchmarks.adapters [--rounds N] [--calls N] [--profile]

Everything goes to one Azurite started here, in turns, one call after the other; CPU is the
process's own (Azurite's is its own process's). "bare" sends what the direct adapter sends, signed
once and read whole, with nothing in between: the floor. `--profile` shows where the direct
adapter's time goes.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import io
import pstats
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.pipeline.policies import AsyncRetryPolicy
from yarl import URL

from benchmarks.azurite import CONNECTION, azurite, settings
from durable.clock import SystemClock
from durable.storage.azure.account import AccountConfig, Adapter, account_config, open_account
from durable.storage.azure.config import SharedKey
from durable.storage.azure.direct.door import Door
from durable.storage.azure.direct.queues import DirectQueues
from durable.storage.azure.direct.signing import Call, policies
from durable.storage.azure.direct.tables import DirectTables
from durable.storage.azure.transport import Pool, ServiceTransport
from durable.storage.ports import Account, QueueStore, TableStore
from durable.storage.values import Operation, QueueMessage, Row, Value, Write

QUEUE, TABLE = "calls", "Calls"
TEXT = "x" * 900
COLUMNS: Mapping[str, Value] = {
    "EventType": "TaskCompleted",
    "ExecutionId": "0123456789abcdef0123456789abcdef",
    "Result": '"Hello Tokyo!"',
    "IsPlayed": False,
    "TaskScheduledId": 3,
    "_Timestamp": SystemClock().now(),
}
Calls = Callable[[int], Awaitable[None]]


@dataclass(frozen=True)
class Cost:
    """Milliseconds a call: CPU, and on the clock."""

    cpu: float
    wall: float


class Work:
    """The calls to measure, on one pair of stores."""

    def __init__(self, queues: QueueStore, tables: TableStore) -> None:
        self._queues, self._tables = queues, tables
        self._held: list[QueueMessage] = []

    def calls(self) -> Mapping[str, Calls]:
        return {
            "put": self.put,
            "get": self.get,
            "delete": self.delete,
            "read": self.read,
            "merge": self.merge,
            "query 20 rows": self.query,
            "batch of 9": self.batch,
        }

    async def put(self, _number: int) -> None:
        await self._queues.put(QUEUE, TEXT)

    async def get(self, _number: int) -> None:
        self._held += await self._queues.get(QUEUE, count=1, lease_seconds=600)

    async def delete(self, _number: int) -> None:
        message = self._held.pop()
        await self._queues.delete(QUEUE, message.id, message.pop_receipt)

    async def read(self, _number: int) -> None:
        assert await self._tables.read(TABLE, "read", "row") is not None

    async def merge(self, _number: int) -> None:
        await self._tables.write(TABLE, Operation(write=Write.MERGE, row=_row("read", "row")))

    async def query(self, _number: int) -> None:
        assert len((await self._tables.query(TABLE, None, page_size=20)).rows) == 20

    async def batch(self, _number: int) -> None:
        rows = [_row("batch", f"{number:016d}") for number in range(9)]
        writes = [Operation(write=Write.UPSERT_REPLACE, row=row) for row in rows]
        await self._tables.batch(TABLE, writes)


class Recorded(Exception):
    """Carries a request out of the pipeline, instead of sending it."""

    def __init__(self, call: Call) -> None:
        super().__init__(call.url)
        self.call = call


class Recorder(ServiceTransport):
    async def send(self, request: Any, **_options: Any) -> Any:
        raise Recorded(request)


class Bare:
    """Sends the direct adapter's own requests, signed once, again and again."""

    def __init__(self, session: ClientSession, config: AccountConfig) -> None:
        self._session = session
        clock, pool = SystemClock(), Pool()
        assert isinstance(config.credential, SharedKey)
        credential = AzureNamedKeyCredential(config.credential.account, config.credential.key)

        def door(service: str, uri: str) -> Door:
            recorder = Recorder(service, uri, pool)
            return Door(uri, recorder, AsyncRetryPolicy(), policies(credential, service, clock))

        nothing: Any = None  # the SDK's client, which these calls don't use
        self._work = Work(
            DirectQueues(nothing, door("queue", config.queue_uri)),
            DirectTables(nothing, door("table", config.table_uri), clock.new_id()),
        )

    async def calls(self) -> Mapping[str, Calls]:
        # A deletion names its message; it can't be sent twice.
        return {
            name: await self._again(calls)
            for name, calls in self._work.calls().items()
            if name != "delete"
        }

    async def _recorded(self, calls: Calls) -> Call:
        try:
            await calls(0)
        except Recorded as recorded:
            return recorded.call
        raise RuntimeError("It made no request.")

    async def _again(self, calls: Calls) -> Calls:
        call = await self._recorded(calls)
        url, timeout = URL(call.url), ClientTimeout(sock_connect=10, sock_read=40)

        async def again(_number: int) -> None:
            async with self._session.request(
                call.method, url, headers=call.headers, data=call.data, timeout=timeout
            ) as answer:
                await answer.read()
                assert answer.ok, await answer.text()

        return again


async def prepare(account: Account) -> None:
    """What the calls need to find."""
    await account.queues.create_queue(QUEUE)
    await account.tables.create_table(TABLE)
    rows = [_row("fill", f"{number:016d}") for number in range(30)]
    await account.tables.batch(TABLE, [Operation(write=Write.INSERT, row=row) for row in rows])
    row = _row("read", "row")
    await account.tables.write(TABLE, Operation(write=Write.INSERT, row=row))


async def cost(calls: Calls, number: int) -> Cost:
    cpu, wall = time.process_time(), time.perf_counter()
    for each in range(number):
        await calls(each)
    return Cost(
        1000 * (time.process_time() - cpu) / number, 1000 * (time.perf_counter() - wall) / number
    )


async def measure(rounds: int, number: int) -> Mapping[str, Mapping[str, Cost]]:
    """The median round of each, by call and by who makes it."""
    found: dict[str, dict[str, list[Cost]]] = {}
    async with (
        azurite() as port,
        ClientSession(
            connector=TCPConnector(keepalive_timeout=4.0),
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
        ) as session,
    ):
        config = account_config(settings(port), CONNECTION)
        accounts = {adapter.value: open_account(config, adapter=adapter) for adapter in Adapter}
        await prepare(accounts["direct"])
        work = {name: Work(a.queues, a.tables).calls() for name, a in accounts.items()}
        makers = {**work, "bare": await Bare(session, config).calls()}
        for _ in range(rounds + 1):  # the first one warms up
            for name in work["direct"]:
                for maker, calls in makers.items():
                    if name in calls:
                        costs = found.setdefault(name, {}).setdefault(maker, [])
                        costs.append(await cost(calls[name], number))
        for account in accounts.values():
            await account.close()
    return {
        name: {
            maker: Cost(
                statistics.median(c.cpu for c in costs[1:]),
                statistics.median(c.wall for c in costs[1:]),
            )
            for maker, costs in makers_costs.items()
        }
        for name, makers_costs in found.items()
    }


def table(found: Mapping[str, Mapping[str, Cost]]) -> str:
    """The figures as Markdown."""
    lines = [
        "| call | direct, CPU ms | SDK | bare | SDK / direct | direct / bare | direct, ms | SDK |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, costs in found.items():
        direct, sdk, bare = costs["direct"], costs["sdk"], costs.get("bare")
        floor = ("-", "-") if bare is None else (f"{bare.cpu:.2f}", f"{direct.cpu / bare.cpu:.1f}")
        lines.append(
            f"| {name} | {direct.cpu:.2f} | {sdk.cpu:.2f} | {floor[0]} "
            f"| {sdk.cpu / direct.cpu:.1f} | {floor[1]} | {direct.wall:.1f} | {sdk.wall:.1f} |"
        )
    return "\n".join(lines)


async def profile(number: int) -> str:
    """Where the direct adapter's CPU goes."""
    profiler = cProfile.Profile()
    async with azurite() as port:
        account = open_account(account_config(settings(port), CONNECTION))
        await prepare(account)
        work = Work(account.queues, account.tables)
        for calls in work.calls().values():
            await calls(0)
        profiler.enable()
        for calls in work.calls().values():
            for each in range(number):
                await calls(each)
        profiler.disable()
        await account.close()
    text = io.StringIO()
    pstats.Stats(profiler, stream=text).sort_stats("tottime").print_stats(45)
    return text.getvalue()


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.adapters", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=60, help="of each kind, in a round")
    parser.add_argument("--profile", action="store_true", help="of the direct adapter, no figures")
    given = parser.parse_args(arguments)
    if given.profile:
        print(asyncio.run(profile(given.calls)))
    else:
        print(table(asyncio.run(measure(given.rounds, given.calls))))


def _row(partition_key: str, row_key: str) -> Row:
    return Row(partition_key=partition_key, row_key=row_key, columns=COLUMNS)


if __name__ == "__main__":
    main(sys.argv[1:])
