"""8.1, rows 38 to 44, and 8.7, row 33: rewind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from typing import Any

import durable as df
from tests.conformance.conformance import conforms
from tests.conformance.stage import Host, Stage, outcome

Steps = Generator[Any, Any, Any]

app = df.DFApp()
#: What fails: places in the code below. The tests put them in, and take them out.
broken: set[str] = set()
runs: Counter[str] = Counter()


def pass_by(place: str) -> None:
    runs[place] += 1
    if place in broken:
        raise ValueError(f"{place} is broken")


@app.activity_trigger(input_name="value")
async def multiply(value: list[int]) -> int:
    """The product; it may be broken for one factor."""
    pass_by(f"times {value[1]}")
    return value[0] * value[1]


@app.activity_trigger(input_name="value")
async def hello(value: str) -> str:
    pass_by(value)
    return f"Hello {value}"


@app.orchestration_trigger(context_name="context")
def factorial(context: df.DurableOrchestrationContext) -> Steps:
    result = 1
    for number in range(1, context.get_input() + 1):
        result = yield context.call_activity("multiply", [result, number])
    pass_by(f"the code of {context.instance_id}")
    return result


@app.orchestration_trigger(context_name="context")
def fan_out(context: df.DurableOrchestrationContext) -> Steps:
    names = context.get_input()
    yield context.task_all([context.call_activity("hello", name) for name in names])
    return "Done"


@app.orchestration_trigger(context_name="context")
def nested(context: df.DurableOrchestrationContext) -> Steps:
    """So many levels of children; the innermost does the work."""
    level = context.get_input()
    if level:
        for number in range(2):
            child = f"{context.instance_id}-{number}"
            yield context.call_sub_orchestrator("nested", level - 1, child)
    else:
        yield context.call_activity("hello", f"work of {context.instance_id}")
        pass_by(f"the code of {context.instance_id}")
    return "Done"


async def fails(host: Host, instance_id: str, why: str) -> None:
    status = await host.status_at_end(instance_id)
    assert outcome(status)[0] == "Failed"
    assert why in status.output


async def rewound(host: Host, instance_id: str) -> None:
    await host.client.rewind(instance_id, "it is fixed")
    status = await host.client.get_status(instance_id)
    assert outcome(status)[0] != "Failed"


def break_places(*places: str) -> None:
    """Those are broken, and nothing ran yet."""
    broken.clear()
    broken.update(places)
    runs.clear()


@conforms("dtfx-8.1-38", "dtfx-8.7-33")
async def test_code_that_failed_goes_on_when_it_is_fixed(stage: Stage) -> None:
    break_places("the code of i1", "the code of i2")
    async with stage.host(app) as host:
        for instance_id in ("i1", "i2"):
            await host.client.start_new("factorial", instance_id, 3)
            await fails(host, instance_id, "is broken")
        other = await stage.row("i2")
        broken.clear()
        await rewound(host, "i1")
        assert outcome(await host.status_at_end("i1")) == ("Completed", 6)
        assert await stage.row("i2") == other
    # What went well was not called again.
    assert runs["times 3"] == 2


@conforms("dtfx-8.1-39")
async def test_one_branch_of_a_fan_out_is_run_again(stage: Stage) -> None:
    break_places("b")
    async with stage.host(app) as host:
        await host.client.start_new("fan_out", "i1", ["a", "b", "c"])
        await fails(host, "i1", "b is broken")
        broken.clear()
        await rewound(host, "i1")
        assert outcome(await host.status_at_end("i1")) == ("Completed", "Done")
    assert runs == {"a": 1, "b": 2, "c": 1}


@conforms("dtfx-8.1-40")
async def test_an_activity_that_failed_is_run_again(stage: Stage) -> None:
    break_places("times 1")
    async with stage.host(app) as host:
        await host.client.start_new("factorial", "i1", 1)
        await fails(host, "i1", "times 1 is broken")
        broken.clear()
        await rewound(host, "i1")
        assert outcome(await host.status_at_end("i1")) == ("Completed", 1)


@conforms("dtfx-8.1-41")
async def test_what_fails_again_is_rewound_again(stage: Stage) -> None:
    break_places("times 2", "times 4")
    async with stage.host(app) as host:
        await host.client.start_new("factorial", "i1", 4)
        for place in ("times 2", "times 4"):
            await fails(host, "i1", f"{place} is broken")
            broken.remove(place)
            await rewound(host, "i1")
        assert outcome(await host.status_at_end("i1")) == ("Completed", 24)
    assert [runs[f"times {n}"] for n in (1, 2, 3, 4)] == [1, 2, 1, 2]


async def two_children(stage: Stage, levels: int, first: str, second: str) -> None:
    """Two rewinds of the root; only what failed runs again."""
    break_places(first, second)
    async with stage.host(app) as host:
        await host.client.start_new("nested", "i1", levels)
        for place in (first, second):
            await fails(host, "i1", f"{place} is broken")
            broken.remove(place)
            await rewound(host, "i1")
        assert outcome(await host.status_at_end("i1")) == ("Completed", "Done")
        for child in ("i1-0", "i1-1"):
            assert outcome(await host.status_at_end(child)) == ("Completed", "Done")
    assert (runs[first], runs[second]) == (2, 2)
    works = {place: count for place, count in runs.items() if place.startswith("work")}
    assert all(count == 1 + (place in {first, second}) for place, count in works.items())


@conforms("dtfx-8.1-42")
async def test_children_whose_code_failed_go_on(stage: Stage) -> None:
    await two_children(stage, 1, "the code of i1-0", "the code of i1-1")


@conforms("dtfx-8.1-43")
async def test_children_whose_activity_failed_go_on(stage: Stage) -> None:
    await two_children(stage, 1, "work of i1-0", "work of i1-1")


@conforms("dtfx-8.1-44")
async def test_children_of_children_go_on(stage: Stage) -> None:
    await two_children(stage, 2, "work of i1-0-1", "work of i1-1-0")
