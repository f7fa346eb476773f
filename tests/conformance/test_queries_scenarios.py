"""8.1, rows 7 to 9, 15 and 16: what queries see; the custom status."""

from __future__ import annotations

import durable as df
from durable.hub.instances import InstanceQuery
from tests.conformance.conformance import conforms
from tests.conformance.stage import Stage

app = df.DFApp()


@app.orchestration_trigger(context_name="context")
def greet(context: df.DurableOrchestrationContext) -> str:
    return f"Hello, {context.get_input()}!"


@app.orchestration_trigger(context_name="context")
def tell(context: df.DurableOrchestrationContext) -> None:
    for status in context.get_input():
        context.set_custom_status(status)


@conforms("dtfx-8.1-7")
async def test_all_instances_with_their_outputs(stage: Stage) -> None:
    async with stage.host(app) as host:
        await host.run("greet", "one", "a")
        await host.run("greet", "two", "b")
        found = await host.client.get_status_all()
    assert {(each.instance_id, each.output) for each in found} == {
        ("a", "Hello, one!"),
        ("b", "Hello, two!"),
    }
    assert len(found) == 2


@conforms("dtfx-8.1-8")
async def test_instances_by_the_beginning_of_their_ids(stage: Stage) -> None:
    ids = [f"Sales{number}" for number in range(5)]
    async with stage.host(app) as host:
        for instance_id in [*ids, "Foo_Sales"]:
            await host.client.start_new("greet", instance_id, "x")
        found = await host.client.get_status_by(instance_id_prefix="Sales")
        assert [each.instance_id for each in found] == ids
        page = await stage.hub.instances.page(InstanceQuery(id_prefix="Sales"), size=100)
    assert page.continuation is None


@conforms("dtfx-8.1-9")
async def test_an_empty_hub_has_no_further_page(stage: Stage) -> None:
    async with stage.host(app) as host:
        assert await host.client.get_status_all() == []
        response, body = await host.http("GET", "/instances")
    assert body == []
    assert response.headers["x-ms-continuation-token"] == ""


@conforms("dtfx-8.1-15")
async def test_a_custom_status_outlives_the_end(stage: Stage) -> None:
    async with stage.host(app) as host:
        status = await host.run("tell", [{"step": 1}, {"step": 2}])
    assert status.runtime_status is df.OrchestrationRuntimeStatus.Completed
    assert status.custom_status == {"step": 2}


@conforms("dtfx-8.1-16")
async def test_a_custom_status_set_to_null_is_null_in_json(stage: Stage) -> None:
    async with stage.host(app) as host:
        status = await host.run("tell", ["busy", None], "i1")
    assert status.custom_status is None
    row = await stage.row("i1")
    assert row is not None
    assert row.custom_status == "null"
