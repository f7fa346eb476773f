"""An app's worker in this process, on an account in memory and in virtual time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

import durable as df
from durable.functions.worker_config import worker_settings
from durable.functions.working import running_worker
from durable.hostjson import parse_host_json
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.runtime.worker_settings import WorkerSettings
from durable.storage.memory import MemoryAccount
from tests.hub_lab import in_virtual_time
from tests.simulation.simloop import SimClock

Tasks = Generator[Any, Any, Any]


def host_json(**settings: object) -> dict[str, object]:
    return {
        "version": "2.0",
        "extensions": {
            "queues": {"messageEncoding": "none"},
            "durableTask": {"hubName": "Mine", **settings},
        },
    }


def make_app(done: list[str] | None = None) -> df.DFApp:
    app = df.DFApp()
    done = [] if done is None else done

    @app.activity_trigger(input_name="name")
    async def hello(name: str) -> str:
        await asyncio.sleep(len(name))
        done.append(name)
        return f"Hello {name}!"

    @app.orchestration_trigger(context_name="context")
    def greeting(context: df.DurableOrchestrationContext) -> Tasks:
        return (yield context.call_activity(hello, context.get_input()))

    @app.route(route="start")
    @app.durable_client_input(client_name="client")
    async def start(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> str:
        return await client.start_new("greeting")

    return app


@in_virtual_time
async def test_the_app_s_orchestrations_run_for_the_block() -> None:
    clock = SimClock(1)
    account = MemoryAccount(clock)
    app = make_app()
    for value in ("Tokyo", "Seattle"):  # twice: a worker leaves everything as it found it
        async with running_worker(
            app, environ={}, host_json=host_json(), account=account, clock=clock
        ) as running:
            instance = await running.client.start_new("greeting", client_input=value)
            status = await running.client.wait_for_orchestration_completion(instance, timeout=30)
            assert status.output == f"Hello {value}!"
            assert running.config.hub.name == "Mine"
            assert running.account is account
            assert len(running.worker.owned) == 4
        hub = TaskHub(account, HubSettings(name="Mine"), clock)
        rows = (await account.tables.query(hub.names.partitions_table, None)).rows
        assert [row.columns.get("CurrentOwner") for row in rows] == [None] * 4
        for queue in (*hub.names.control_queues, hub.names.work_items):
            assert await account.queues.count(queue) == 0


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [
        ({}, 30),
        ({"storageProvider": {"controlQueueVisibilityTimeout": "00:01:00"}}, 60),
        ({"ownLeaseSeconds": 20}, 20),
        ({"ownLeaseSeconds": 0}, 30),  # off, in a host; a worker holds messages in any case
    ],
)
@in_virtual_time
async def test_what_a_worker_puts_leased_comes_back_as_soon_as_what_it_reads(
    settings: dict[str, object], seconds: int
) -> None:
    clock = SimClock(1)
    async with running_worker(
        make_app(),
        environ={},
        host_json=host_json(**settings),
        account=MemoryAccount(clock),
        clock=clock,
    ) as running:
        assert running.config.own_lease_seconds == seconds
        assert running.engine.settings.own_lease_seconds == seconds


@in_virtual_time
async def test_workers_have_ids_of_their_own_and_share() -> None:
    clock = SimClock(1)
    account = MemoryAccount(clock)
    arguments: dict[str, Any] = {"environ": {}, "host_json": host_json(), "clock": clock}
    async with (
        running_worker(make_app(), account=account.opened_by(None), **arguments) as one,
        running_worker(make_app(), account=account.opened_by(None), **arguments) as other,
    ):
        assert one.worker_id != other.worker_id
        await clock.sleep(30)
        assert len(one.worker.owned) == len(other.worker.owned) == 2
        assert not one.worker.owned & other.worker.owned


@in_virtual_time
async def test_an_error_of_the_block_is_raised_after_the_drain() -> None:
    clock = SimClock(1)
    done: list[str] = []

    async def block() -> None:
        async with running_worker(
            make_app(done),
            environ={},
            host_json=host_json(),
            account=MemoryAccount(clock),
            clock=clock,
        ) as running:
            await running.client.start_new("greeting", client_input="Seattle")
            await clock.sleep(1)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await block()
    assert done == ["Seattle"]


@in_virtual_time
async def test_the_drain_is_as_long_as_the_caller_says() -> None:
    clock = SimClock(1)
    done: list[str] = []
    async with running_worker(
        make_app(done),
        environ={},
        host_json=host_json(),
        account=MemoryAccount(clock),
        clock=clock,
        drain_seconds=2,
    ) as running:
        await running.client.start_new("greeting", client_input="x" * 100)
        await clock.sleep(1)
    assert clock.monotonic() < 5
    assert done == []


@in_virtual_time
async def test_an_app_with_nothing_to_run_is_refused() -> None:
    app = df.DFApp()

    @app.route(route="start")
    @app.durable_client_input(client_name="client")
    async def start(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> str:
        return await client.start_new("greeting")

    with pytest.raises(df.UsageError, match="nothing for a worker to run"):
        async with running_worker(app, environ={}, host_json=host_json()):
            pass


@in_virtual_time
async def test_another_partition_count_than_the_hub_s_is_told() -> None:
    clock = SimClock(1)
    account = MemoryAccount(clock)
    await TaskHub(account, HubSettings(name="Mine", partition_count=3), clock).ensure()
    with pytest.raises(df.BadConfig, match="partitionCount: Task hub 'Mine' has 3 partitions"):
        async with running_worker(
            make_app(), environ={}, host_json=host_json(), account=account, clock=clock
        ):
            pass


@in_virtual_time
async def test_host_json_is_that_of_the_app_s_folder(tmp_path: Path) -> None:
    clock = SimClock(1)
    (tmp_path / "host.json").write_text(json.dumps(host_json(hubName="%NAME%")))
    environ = {"AzureWebJobsScriptRoot": str(tmp_path), "NAME": "FromFile"}
    async with running_worker(
        make_app(), environ=environ, account=MemoryAccount(clock), clock=clock
    ) as running:
        assert running.client.task_hub_name == "FromFile"


@in_virtual_time
async def test_a_connection_that_is_not_set_is_told() -> None:
    with pytest.raises(df.BadConfig, match="AzureWebJobsStorage"):
        async with running_worker(make_app(), environ={}, host_json=host_json()):
            pass


@in_virtual_time
async def test_settings_without_effect_are_named_but_not_those_of_workers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = SimClock(1)
    said = host_json(useAppLease=True, maxQueuePollingInterval="00:00:05", controlQueueBatchSize=16)
    async with running_worker(
        make_app(), environ={}, host_json=said, account=MemoryAccount(clock), clock=clock
    ):
        pass
    remarks = [each for each in caplog.messages if "has no effect" in each]
    assert len(remarks) == 1
    assert "useAppLease" in remarks[0]


@in_virtual_time
async def test_a_worker_looks_as_often_as_host_json_says() -> None:
    clock = SimClock(1)
    account = MemoryAccount(clock)
    said = host_json(storageProvider={"maxQueuePollingInterval": "00:00:05"})
    async with running_worker(make_app(), environ={}, host_json=said, account=account, clock=clock):
        await clock.sleep(60)
        before = account.requests["queue", "Get Messages"]
        await clock.sleep(100)
        assert account.requests["queue", "Get Messages"] - before == 5 * 20


def settings_of(**settings: object) -> WorkerSettings:
    return worker_settings(parse_host_json(json.dumps(host_json(**settings)), {}))


def test_the_table_s_defaults_are_the_worker_s() -> None:
    assert settings_of() == WorkerSettings()


def test_every_setting_of_the_worker_is_read() -> None:
    provider = {
        "maxQueuePollingInterval": "00:00:02",
        "controlQueueBatchSize": 8,
        "controlQueueBufferThreshold": 64,
        "controlQueueVisibilityTimeout": "00:01:00",
        "workItemQueueVisibilityTimeout": "00:02:00",
    }
    expected = WorkerSettings(
        longest_wait_seconds=2,
        control_batch=8,
        control_limit=64,
        control_lease_seconds=60,
        work_item_lease_seconds=120,
    )
    assert settings_of(storageProvider=provider) == expected
    # The places of version 1 count, too, unless the new ones are set.
    old = {
        "maxQueuePollingInterval": "00:00:00",
        "controlQueueBatchSize": 4,
        "workItemQueueVisibilityTimeout": "00:03:00",
    }
    found = settings_of(**old)
    assert (found.longest_wait_seconds, found.control_batch) == (0.05, 4)
    assert found.work_item_lease_seconds == 180
    assert settings_of(**old, storageProvider=provider) == expected


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("maxQueuePollingInterval", 5, 'a time span "hh:mm:ss", 0 to 86400 seconds'),
        ("controlQueueVisibilityTimeout", "00:00:05", "10 to 3600 seconds"),
        ("controlQueueBatchSize", 33, "a whole number, 1 to 32"),
        ("controlQueueBufferThreshold", 0, "a whole number, 1 to 1000"),
    ],
)
def test_a_wrong_setting_stops_a_worker(name: str, value: object, rule: str) -> None:
    with pytest.raises(df.BadConfig) as caught:
        settings_of(storageProvider={name: value})
    assert f"storageProvider.{name} is {value!r}; it must be" in str(caught.value)
    assert rule in str(caught.value)


def test_an_app_that_ran_in_a_worker_can_be_indexed_by_a_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "host.json").write_text(json.dumps(host_json()))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AzureWebJobsScriptRoot", raising=False)
    app = make_app()
    assert app.durable_parts().runs_work
    names = [each.get_function_name() for each in app.get_functions()]
    assert "start" in names
    assert "durable_workitems" in names
    assert "hello" not in names
