"""What host.json says reaches the hub, the engine and the accounts that are opened."""

from __future__ import annotations

import json
from collections.abc import Generator

import durable as df
from durable.authoring.definitions import EntityDefinition, OrchestratorDefinition
from durable.authoring.registry import Registry
from durable.client import Client
from durable.functions.config import config_from
from durable.functions.opening import HubOpening
from durable.functions.owner import Services
from durable.hostjson import parse_host_json
from durable.storage.memory import MemoryAccount
from tests.manual_clock import ManualClock


class Opened:
    """The services of an app with these settings; its accounts by connection name."""

    def __init__(self, clock: ManualClock, **settings: object) -> None:
        document = {"extensions": {"durableTask": {"hubName": "MyHub", **settings}}}
        self.config = config_from(parse_host_json(json.dumps(document), {}))
        self.accounts: dict[str, MemoryAccount] = {}
        self.registry = Registry()

        def open_account(environ: object, name: str) -> MemoryAccount:
            return self.accounts.setdefault(name, MemoryAccount(clock))

        self._opening = HubOpening({}, clock, open_account)
        self.services: Services = self._opening.services(
            self.config, self.registry, (), self.sibling
        )

    async def sibling(self, task_hub: str | None, connection: str | None) -> Client:
        wanted = (task_hub, connection)
        return self._opening.client(self.services, self.config, wanted, self.sibling)[0]

    async def pump(self) -> None:
        """Deliver what is in the control queues, until there is nothing."""
        queues = self.services.account.queues
        busy = True
        while busy:
            busy = False
            for queue in self.config.hub.names.control_queues:
                for message in await queues.get(queue, count=32, lease_seconds=600):
                    busy = True
                    await self.services.engine.process_control_message(queue, message)
                    await queues.delete(queue, message.id, message.pop_receipt)

    async def tables(self, connection: str) -> list[str]:
        return await self.accounts[connection].tables.list_tables("")


def nothing(
    context: df.DurableOrchestrationContext,
) -> Generator[object, object, str]:
    yield context.task_all([])
    return "done"


async def test_history_and_instances_in_an_account_of_their_own(manual_clock: ManualClock) -> None:
    opened = Opened(
        manual_clock,
        storageProvider={
            "trackingStoreConnectionName": "Track",
            "trackingStoreNamePrefix": "Mine",
        },
    )
    opened.registry.add_orchestrator(
        OrchestratorDefinition(name="nothing", function=nothing, context_name="context")
    )
    client = opened.services.client
    await client.start_new("nothing", "i")
    await opened.pump()
    status = await client.get_status("i", show_history=True)
    assert status.output == "done"
    assert [one.instance_id for one in await client.get_status_all()] == ["i"]
    assert await opened.tables("Track") == ["MineHistory", "MineInstances"]
    assert await opened.tables("AzureWebJobsStorage") == ["MyHubPartitions"]
    everything = ["MineHistory", "MineInstances", "MyHubPartitions"]
    assert await opened.services.account.tables.list_tables("M") == everything
    track = opened.accounts["Track"]
    assert await track.queues.list_queues("") == []
    # Another hub of the app's account keeps its instances there, too.
    other = await opened.sibling("OtherHub", None)
    assert other.hub.names.instances_table == "MineInstances"
    await opened.services.engine.sweep()
    await client.purge_instance_history("i")
    assert (await client.get_status("i")).instance_id is None
    await client.hub.delete()
    assert await opened.services.account.tables.list_tables("") == []
    await opened.services.engine.close()
    await opened.services.account.close()


async def test_sessions_as_host_json_says(manual_clock: ManualClock) -> None:
    for settings, held in (
        ({"extendedSessionsEnabled": False}, 0),
        ({"extendedSessionIdleTimeoutInSeconds": 30}, 1),
        ({}, 1),
    ):
        opened = Opened(manual_clock, **settings)
        engine = opened.services.engine

        def waiting(
            context: df.DurableOrchestrationContext,
        ) -> Generator[object, object, object]:
            found = yield context.wait_for_external_event("go")
            return found

        opened.registry.add_orchestrator(
            OrchestratorDefinition(name="waiting", function=waiting, context_name="context")
        )
        client = opened.services.client
        await client.start_new("waiting", "i")
        await opened.pump()
        assert len(engine.sessions) == held, settings
        idle = settings.get("extendedSessionIdleTimeoutInSeconds", 300)
        manual_clock.advance(float(idle) - 1)
        engine.sessions.evict()
        assert len(engine.sessions) == held, settings
        manual_clock.advance(2)
        engine.sessions.evict()
        assert len(engine.sessions) == 0, settings
        await client.raise_event("i", "go", 5)
        await opened.pump()
        assert (await client.get_status("i")).output == 5
        await engine.close()


async def test_large_payloads_are_shown_or_their_addresses(manual_clock: ManualClock) -> None:
    large = "x" * 100_000
    for fetch in (True, False):
        opened = Opened(manual_clock, storageProvider={"fetchLargeMessagesAutomatically": fetch})
        opened.registry.add_orchestrator(
            OrchestratorDefinition(name="nothing", function=nothing, context_name="context")
        )
        client = opened.services.client
        await client.start_new("nothing", "i", large)
        shown = (await client.get_status("i")).input_
        if fetch:
            assert shown == large
        else:
            assert isinstance(shown, str)
            assert "myhub-largemessages" in shown
        # What is started again has the input, however it is shown.
        again = await client.restart("i")
        row = await client.hub.instances.read(again)
        assert row is not None
        assert (await client.hub.instances.texts(row)).input == f'"{large}"'
        await opened.services.engine.close()


async def test_entities_as_host_json_says(manual_clock: ManualClock) -> None:
    def brief(context: df.DurableEntityContext) -> None:
        context.destruct_on_exit()

    for settings, window in (({"entityMessageReorderWindowInMinutes": 5}, 5), ({}, 30)):
        opened = Opened(
            manual_clock,
            maxConcurrentEntityFunctions=3,
            maxEntityOperationBatchSize=50,
            **settings,
        )
        opened.registry.add_entity(
            EntityDefinition(name="brief", function=brief, context_name="context")
        )
        engine, client = opened.services.engine, opened.services.client
        assert engine.settings.max_concurrent_entities == 3
        assert engine.settings.entity_batch == 50
        assert engine.settings.entity_window_seconds == window * 60
        await client.signal_entity(df.EntityId("brief", "a"), "end")
        await opened.pump()
        # Nothing is forgotten that the engine still goes by.
        for minutes, removed in ((window, 0), (1, 1)):
            manual_clock.advance(minutes * 60)
            cleaned = await client.clean_entity_storage()
            assert cleaned.empty_entities_removed == removed
        await engine.close()
