"""8.1, rows 86 to 88: versions of instances and of workers."""

from __future__ import annotations

from typing import Any

import durable as df
from tests.conformance.conformance import conforms
from tests.conformance.stage import Stage, outcome

app = df.DFApp()


@app.orchestration_trigger(context_name="context")
def greet(context: df.DurableOrchestrationContext) -> str:
    return f"Hello, {context.get_input()}!"


def strategy(match: str, failure: str) -> dict[str, Any]:
    return {
        "defaultVersion": "1.0.0",
        "versionMatchStrategy": match,
        "versionFailureStrategy": failure,
    }


@conforms("dtfx-8.1-86")
async def test_another_version_fails_where_that_is_asked_for(stage: Stage) -> None:
    for match, expected in (
        ("Strict", "Failed"),
        ("CurrentOrOlder", "Failed"),
        ("None", "Completed"),
    ):
        async with stage.host(app, **strategy(match, "Fail")) as host:
            status = await host.run("greet", "World", match, version="2.0.0")
            assert outcome(status)[0] == expected, match


@conforms("dtfx-8.1-87")
async def test_a_version_that_fits_runs(stage: Stage) -> None:
    for match, version in (
        ("Strict", "1.0.0"),
        ("CurrentOrOlder", "1.0.0"),
        ("CurrentOrOlder", "0.9.0"),
    ):
        async with stage.host(app, **strategy(match, "Fail")) as host:
            status = await host.run("greet", "World", f"{match}-{version}", version=version)
            assert outcome(status) == ("Completed", "Hello, World!")


@conforms("dtfx-8.1-88")
async def test_a_rejected_version_waits_for_another_worker(stage: Stage) -> None:
    for match in ("Strict", "CurrentOrOlder"):
        async with stage.host(app, **strategy(match, "Reject")) as host:
            await host.client.start_new("greet", match, "World", version="2.0.0")
            await stage.clock.sleep(1 if stage.where == "azurite" else 60)
            status = await host.client.get_status(match)
            assert outcome(status)[0] in {"Pending", "Running"}
            assert await stage.events(match) == []
