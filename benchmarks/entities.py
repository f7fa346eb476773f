"""Thousands of signals to one entity, in Functions mode: requests a signal, and the time.

    .venv/bin/python -m benchmarks.entities [SIGNALS]

Five orchestrations send them at once. Counted on the wire, as by `benchmarks.requests`; sending,
too.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence

from benchmarks.requests import Scenario, running
from durable.hub.taskhub import TaskHub
from durable.wire.entity_json import decode_state

_ENTITY = "@tally@t"
_PATIENCE_SECONDS = 900


async def measure(signals: int) -> None:
    async with running(None) as bench:
        bench.wire.clear()
        began = time.perf_counter()
        await bench.start(Scenario("signals", "crowd", signals))
        state = {"count": 0}
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while state["count"] < signals:
                await asyncio.sleep(0.5)
                state = await _state(bench.hub)
        seconds = time.perf_counter() - began
        requests = dict(bench.wire.requests)
        names = bench.hub.names
        left = [await bench.hub.account.queues.count(queue) for queue in names.control_queues]
    print(f"{signals} signals in {seconds:.1f} s: {signals / seconds:.0f} a second")
    for operation, count in sorted(requests.items(), key=lambda each: -each[1]):
        print(f"{operation:<32} {count:>7} {count / signals:>8.3f}")
    total = sum(requests.values())
    print(f"{'total':<32} {total:>7} {total / signals:>8.3f}")
    print(f"left in the queues: {sum(left)} (wake-ups for what is missing, half an hour on)")
    if (state["count"], state["out_of_order"]) != (signals, 0):
        raise RuntimeError(f"Of {signals} signals the entity counted {state}.")


async def _state(hub: TaskHub) -> dict[str, int]:
    started = (await hub.history.read(_ENTITY)).ledger.started
    text = None if started is None else decode_state(started.input, _ENTITY).state
    found: dict[str, int] = json.loads(text or '{"count": 0}')
    return found


def main(arguments: Sequence[str]) -> int:
    asyncio.run(measure(int(arguments[0]) if arguments else 5_000))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
