"""8.1, rows 28 to 30 and 50 to 53: fan-out, and failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from typing import Any

import durable as df
from tests.conformance.conformance import conforms
from tests.conformance.stage import Stage, outcome

Steps = Generator[Any, Any, Any]

app = df.DFApp()
operations: Counter[str] = Counter()


@app.orchestration_trigger(context_name="context")
def sum_sizes(context: df.DurableOrchestrationContext) -> Steps:
    names = yield context.call_activity("list_files", None)
    sizes = yield context.task_all([context.call_activity("size_of", name) for name in names])
    return sum(sizes)


@app.orchestration_trigger(context_name="context")
def fan_out(context: df.DurableOrchestrationContext) -> Steps:
    count, size = context.get_input()
    results = yield context.task_all(
        [context.call_activity("filled", [number, size]) for number in range(count)]
    )
    return [len(results), sum(len(result) for result in results)]


@app.orchestration_trigger(context_name="context")
def catches_all(context: df.DurableOrchestrationContext) -> Steps:
    caught = 0
    for _ in range(5):
        try:
            yield context.call_activity("throw", "Kah-BOOOOM!!!")
        except Exception:
            caught += 1
    return caught


@app.orchestration_trigger(context_name="context")
def throws(context: df.DurableOrchestrationContext) -> None:
    raise ValueError(f"Value cannot be null: {context.get_input()}")


@app.orchestration_trigger(context_name="context")
def throws_in_activity(context: df.DurableOrchestrationContext) -> Steps:
    yield context.call_activity("throw", context.get_input())


@app.orchestration_trigger(context_name="context")
def counts_each(context: df.DurableOrchestrationContext) -> Steps:
    yield context.task_all(
        [context.call_activity("count", f"{context.instance_id}/{n}") for n in range(100)]
    )
    return "done"


@app.activity_trigger(input_name="unused")
async def list_files(unused: None) -> list[str]:
    return [f"file{number}" for number in range(20)]


@app.activity_trigger(input_name="name")
async def size_of(name: str) -> int:
    return len(name)


@app.activity_trigger(input_name="what")
async def filled(what: list[int]) -> str:
    number, size = what
    return chr(97 + number % 26) * size


@app.activity_trigger(input_name="message")
async def throw(message: str) -> None:
    raise RuntimeError(message)


@app.activity_trigger(input_name="key")
async def count(key: str) -> None:
    operations[key] += 1


@conforms("dtfx-8.1-28", "dtfx-8.7-24")
async def test_a_fan_out_over_what_an_activity_found(stage: Stage) -> None:
    async with stage.host(app) as host:
        assert (await host.run("sum_sizes")).output == 10 * 5 + 10 * 6


@conforms("dtfx-8.1-29")
async def test_a_large_fan_out(stage: Stage) -> None:
    # 1,000 on Azurite are walked by the acceptance tests and the benchmarks.
    # Without sessions each result replays what came before.
    many = {"memory": 1000, "cold": 200, "azurite": 200}[stage.where]
    async with stage.host(app) as host:
        assert (await host.run("fan_out", [many, 3])).output == [many, 3 * many]


@conforms("dtfx-8.1-30")
async def test_results_over_the_size_of_a_batch(stage: Stage) -> None:
    # 90 results of 57 kB: 5 MB, and in the table, where no column holds 64 KiB of UTF-16.
    async with stage.host(app) as host:
        status = await host.run("fan_out", [90, 57_000], "i1")
    assert status.output == [90, 90 * 57_000]


@conforms("dtfx-8.1-50", "dtfx-8.7-39")
async def test_failed_activities_can_be_caught(stage: Stage) -> None:
    async with stage.host(app) as host:
        status = await host.run("catches_all")
    assert outcome(status) == ("Completed", 5)


@conforms("dtfx-8.1-51")
async def test_an_orchestrator_that_raises_fails(stage: Stage) -> None:
    async with stage.host(app) as host:
        status = await host.run("throws", "message")
    assert status.runtime_status is df.OrchestrationRuntimeStatus.Failed
    assert "Value cannot be null: message" in str(status.output)


@conforms("dtfx-8.1-52")
async def test_an_uncaught_failure_of_an_activity_fails_the_instance(stage: Stage) -> None:
    async with stage.host(app) as host:
        status = await host.run("throws_in_activity", "Kah-BOOOOM!!!")
    assert status.runtime_status is df.OrchestrationRuntimeStatus.Failed
    assert "Kah-BOOOOM!!!" in str(status.output)


@conforms("dtfx-8.1-53")
async def test_each_of_many_activities_runs_once(stage: Stage) -> None:
    operations.clear()
    async with stage.host(app) as host:
        assert (await host.run("counts_each", None, "i1")).output == "done"
        await stage.at_rest()
    assert operations == {f"i1/{number}": 1 for number in range(100)}
