"""The client outside Functions, over an account in memory."""

from __future__ import annotations

from typing import Any

import pytest
from azure.identity import DefaultAzureCredential as SyncCredential
from azure.identity.aio import DefaultAzureCredential

import durable as df
from durable.functions.anywhere import ClientOptions
from durable.hub.management_key import management_key
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.storage.memory import MemoryAccount
from durable.wire.envelopes import QueueEncoding
from tests.conformance.conformance import covers
from tests.hub_lab import Lab, in_virtual_time
from tests.manual_clock import ManualClock

EMULATOR = "UseDevelopmentStorage=true"
API = "https://app.example/api/durabletask"


@pytest.fixture
def account(manual_clock: ManualClock) -> MemoryAccount:
    return MemoryAccount(manual_clock)


@pytest.fixture
async def hub(account: MemoryAccount, manual_clock: ManualClock) -> TaskHub:
    """The app's own view of its hub, which has eight partitions."""
    made = TaskHub(account, HubSettings(name="MyHub", partition_count=8), manual_clock)
    await made.ensure()
    return made


async def waiting_in(hub: TaskHub) -> list[str]:
    """The control queues that hold a message."""
    queues = hub.names.control_queues
    return [queue for queue in queues if await hub.account.queues.count(queue)]


async def test_starts_go_to_the_queues_of_the_hub_as_it_is(
    account: MemoryAccount, hub: TaskHub, manual_clock: ManualClock
) -> None:
    async with df.Client(account, hub="MYhub", clock=manual_clock) as client:
        # No app is known here, so no name can be wrong.
        assert await client.start_new("NobodyKnows", "one", [1]) == "one"
        assert await waiting_in(hub) == [hub.names.control_queue_of("one")]
        assert hub.names.control_queue_of("one") != HubSettings(
            name="MyHub"
        ).names.control_queue_of("one")
        assert len(client.hub.names.control_queues) == 8


async def test_a_partition_count_must_be_right(account: MemoryAccount, hub: TaskHub) -> None:
    before = account.requests.total()
    client = df.Client(account, hub="MyHub", partition_count=4)
    assert account.requests.total() == before
    for _ in range(2):
        with pytest.raises(df.BadConfig, match=r"has 8 partitions, but partition_count is 4"):
            await client.start_new("o")
    assert await waiting_in(hub) == []
    with pytest.raises(df.BadConfig):
        async with df.Client(account, hub="MyHub", partition_count=1):
            raise AssertionError
    assert await df.Client(account, hub="MyHub", partition_count=8).start_new("o", "i") == "i"


async def test_a_new_hub_is_made(account: MemoryAccount) -> None:
    client = df.Client(account, hub="Fresh", partition_count=2)
    assert await client.get_status_all() == []
    assert await account.queues.list_queues("fresh-") == [
        "fresh-control-00",
        "fresh-control-01",
        "fresh-workitems",
    ]


async def test_every_method_of_an_instance_works(
    account: MemoryAccount, hub: TaskHub, manual_clock: ManualClock
) -> None:
    client = df.Client(account, hub="MyHub", clock=manual_clock)
    await client.start_new("o", "i", "in")
    await client.raise_event("i", "go", 1)
    await client.suspend("i", "wait")
    await client.terminate("i", "enough")
    with pytest.raises(df.InstanceError, match="Cannot resume"):
        await client.resume("i", "go on")
    assert (await client.get_status("i")).input_ == "in"
    assert [each.name for each in await client.get_status_by(instance_id_prefix="i")] == ["o"]
    fresh = await client.restart("i")
    assert {each.instance_id for each in await client.get_status_all()} == {"i", fresh}
    with pytest.raises(df.WaitTimeout):
        await client.wait_for_orchestration_completion("i", timeout=1)
    with pytest.raises(df.InstanceError, match="Pending"):
        await client.purge_instance_history("i")
    result = await client.purge_instance_history_by(manual_clock.now(), force=False)
    assert result.instances_deleted == 0
    with pytest.raises(df.UsageError, match="'MyHub' only"):
        await client.raise_event("i", "go", 1, task_hub_name="Other")


async def test_messages_are_encoded_as_the_app_expects(account: MemoryAccount) -> None:
    plain = df.Client(account, hub="MyHub")
    encoded = df.Client(account, hub="MyHub", message_encoding="base64")
    assert plain.hub.settings.queue_encoding is QueueEncoding.UTF8
    assert encoded.hub.settings.queue_encoding is QueueEncoding.BASE64


async def test_links_need_the_address_of_an_api(account: MemoryAccount, hub: TaskHub) -> None:
    silent = df.Client(account, hub="MyHub")
    with pytest.raises(df.UsageError, match="Outside a Functions app give df"):
        silent.create_http_management_payload("i")
    async with df.Client(account, hub="MyHub", api_base_url=f"{API}/") as client:
        links = client.create_http_management_payload("i")
        token = links["statusQueryGetUri"].partition("&code=")[2]
    start = f"{API}/instances/i?taskHub=MyHub&connection=Storage&code="
    assert links["statusQueryGetUri"] == start + token
    key = await management_key(hub, None)
    named = df.Client(account, hub="MyHub", api_key=key, api_connection="Mine")
    await named.prepare()
    assert named.create_http_management_payload("i", API)["statusQueryGetUri"] == (
        f"{API}/instances/i?taskHub=MyHub&connection=Mine&code={token}"
    )


async def test_a_client_that_is_closed_answers_no_more() -> None:
    client = df.Client.from_connection_string(EMULATOR, hub="MyHub")
    await client.close()
    await client.close()
    with pytest.raises(Exception, match="was closed"):
        await client.start_new("o")


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"hub": "no"}, r"'no' is not valid.*\(the parameter hub\)"),
        ({"partition_count": 17}, r"1 to 16 \(the option partition_count\)"),
        ({"message_encoding": "utf-8"}, "message_encoding is 'utf-8'"),
        ({"api_base_url": "app.example"}, "api_base_url is 'app.example'"),
        ({"api_base_url": "https://a/b?code=secret"}, "api_base_url is 'https://a/b';"),
        ({"api_base_url": "ftp://a"}, "http"),
    ],
)
async def test_options_that_break_a_rule(
    account: MemoryAccount, arguments: dict[str, Any], rule: str
) -> None:
    with pytest.raises(df.BadConfig, match=rule):
        df.Client(account, **{"hub": "MyHub", **arguments})


async def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError, match=r"no option 'partitions'; there are: partition_count"):
        df.Client.from_connection_string(EMULATOR, hub="MyHub", partitions=1)  # type: ignore[call-arg]
    for option in ClientOptions.__annotations__:
        assert f" {option}: " in (ClientOptions.__doc__ or "")


@pytest.mark.parametrize("text", ["", "nonsense", "AccountName=a"])
def test_a_connection_string_that_cannot_be_understood(text: str) -> None:
    with pytest.raises(df.BadConfig, match=r"'connection_string'"):
        df.Client.from_connection_string(text, hub="MyHub")


@covers("dtfx-8.7-3", "dtfx-8.7-4")
async def test_settings_are_found_as_a_functions_app_finds_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AzureWebJobsStorage", EMULATOR)
    for client in (
        df.Client.from_settings(hub="MyHub"),
        df.Client.from_settings("Store", hub="MyHub", settings={"AzureWebJobsStore": EMULATOR}),
    ):
        assert client.task_hub_name == "MyHub"
        await client.close()
    with pytest.raises(df.BadConfig, match="'Elsewhere'"):
        df.Client.from_settings("Elsewhere", hub="MyHub", settings={})


class OwnCredential(DefaultAzureCredential):
    """Says whether somebody closed it."""

    closed = False

    async def close(self) -> None:
        self.closed = True
        await super().close()


async def test_an_identity_of_ones_own_stays_ones_own() -> None:
    credential = OwnCredential()
    client = df.Client.from_account_name("acme", hub="MyHub", credential=credential)
    await client.close()
    assert not credential.closed
    await credential.close()
    found = df.Client.from_account_name("acme", hub="MyHub")
    await found.close()
    with pytest.raises(df.BadConfig, match=r"asynchronous one, of azure\.identity\.aio"):
        df.Client.from_account_name("acme", hub="MyHub", credential=SyncCredential())  # type: ignore[arg-type]
    with pytest.raises(df.BadConfig, match="must be the name alone"):
        df.Client.from_account_name("https://acme.queue.core.windows.net", hub="MyHub")


@covers("dtfx-8.7-56")
@in_virtual_time
async def test_a_start_that_no_app_knows_is_accepted_and_fails_where_it_is_run() -> None:
    lab = Lab()
    actor = await lab.actor()
    async with df.Client(lab.account, hub="Lab", clock=lab.clock) as client:
        await client.start_new("NobodyKnows", "one")
        await actor.drain()
        found = await client.wait_for_orchestration_completion("one", timeout=1)
    assert found.runtime_status is df.OrchestrationRuntimeStatus.Failed
    assert "No orchestrator function is named 'NobodyKnows'" in found.output
