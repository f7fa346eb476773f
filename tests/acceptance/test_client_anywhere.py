"""The client in a process that is no Functions app, with hosts that run the hub."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import durable as df
from durable.hub.taskhub import TaskHub
from durable.model.status import InstanceRow, RuntimeStatus
from durable.together import run_together
from tests.acceptance.conftest import MakeHost
from tests.acceptance.local_host import ROOT, SAMPLE, Browser
from tests.conformance.conformance import covers

pytestmark = [pytest.mark.azurite, pytest.mark.slow]

PAGE = ROOT / "docs" / "howto" / "client-anywhere.md"
PARTITIONS = "AzureFunctionsJobHost__extensions__durableTask__storageProvider__partitionCount"


@pytest.mark.timeout(60)
async def test_the_example_of_the_documentation_works_as_it_is(
    make_host: MakeHost, azurite_connection_string: str, tmp_path: Path
) -> None:
    host = make_host(SAMPLE, hub="MyHub")
    await host.start()
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    script = tmp_path / "example.py"
    script.write_text(example)
    environ = {"AzureWebJobsStorage": azurite_connection_string, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, script], env=environ, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout == "Completed ['Hello Tokyo!', 'Hello Seattle!', 'Hello London!']\n"


@pytest.mark.timeout(60)
async def test_a_client_outside_works_with_an_app_of_other_settings(
    make_host: MakeHost, browser: Browser, azurite_connection_string: str, hub_name: str
) -> None:
    """The client finds out the hub's partitions, and is told the key of its API."""
    host = make_host(
        DURABLE_API_KEY="the-key", AZURE_FUNCTIONS_ENVIRONMENT="Production", **{PARTITIONS: "3"}
    )
    await host.start()
    # Whoever comes first makes the hub. It is the app here, with its first start.
    first = await browser.post(
        f"{host.api}/orchestrators/Echo", json=1, headers={"x-functions-key": "the-key"}
    )
    assert first.status == 202
    connect = df.Client.from_connection_string
    async with connect(
        azurite_connection_string, hub=hub_name, api_base_url=host.api, api_key="the-key"
    ) as client:
        assert client.hub.settings.partition_count == 3
        ids = [await client.start_new("Echo", client_input=number) for number in range(6)]
        for number, instance_id in enumerate(ids):
            done = await client.wait_for_orchestration_completion(
                instance_id, timeout=20, interval=0.1
            )
            assert (done.output, done.input_) == (number, number)
        link = client.create_http_management_payload(ids[0])["statusQueryGetUri"]
        assert (await browser.get(link)).json["output"] == 0
        assert (await browser.get(link.replace(ids[0], ids[1]))).status == 401

        fresh = await client.restart(ids[5])
        again = await client.wait_for_orchestration_completion(fresh, timeout=20, interval=0.1)
        assert again.output == 5
        assert (await client.purge_instance_history(fresh)).instances_deleted == 1
        assert not await client.get_status(fresh)
    wrong = connect(azurite_connection_string, hub=hub_name, partition_count=4)
    with pytest.raises(df.BadConfig, match="has 3 partitions"):
        await wrong.start_new("Echo")
    await wrong.close()


@covers("dtfx-8.7-112")
@pytest.mark.timeout(60)
async def test_all_instances_come_beyond_the_first_hundred(
    hub: TaskHub, azurite_connection_string: str
) -> None:
    await hub.ensure()
    now = hub.clock.now()
    ids = [f"i{number:03}" for number in range(120)]
    rows = [
        InstanceRow(
            instance_id=each,
            execution_id="e",
            name="o",
            created_time=now,
            last_updated_time=now,
            status=RuntimeStatus.FAILED if each.endswith("7") else RuntimeStatus.RUNNING,
        )
        for each in ids
    ]
    await run_together([hub.instances.insert(row) for row in rows], at_once=16)
    async with df.Client.from_connection_string(
        azurite_connection_string, hub=hub.settings.name
    ) as client:
        found = await client.get_status_all()
        assert [each.instance_id for each in found] == ids
        # By status, by time, and in one hub only: other tests' hubs are in the same account.
        failed = await client.get_status_by(runtime_status=[df.OrchestrationRuntimeStatus.Failed])
        assert [each.instance_id for each in failed] == [each for each in ids if each[-1] == "7"]
        tens = await client.get_status_by(created_time_from=now, instance_id_prefix="i1")
        assert [each.instance_id for each in tens] == ids[100:]
    await hub.delete()
