from __future__ import annotations

import string

import pytest

from durable.api.keys import HubKeys
from durable.errors import UsageError
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub


async def loaded(hub: TaskHub, key: str | None = "k") -> HubKeys:
    keys = HubKeys(hub, configured=key, required=True)
    await keys.load()
    return keys


async def test_the_hub_key_opens_everything_and_a_token_its_instance(hub: TaskHub) -> None:
    keys = await loaded(hub)
    token = keys.token("i")
    assert keys.opens("k", None)
    assert keys.opens("k", "i")
    assert keys.opens(token, "i")
    assert not keys.opens(token, "j")
    assert not keys.opens(token, None)


@pytest.mark.parametrize("offered", [None, "", "K", "k ", "ü", "\ud800"])
async def test_anything_else_opens_nothing(hub: TaskHub, offered: str | None) -> None:
    keys = await loaded(hub)
    assert not keys.opens(offered, None)
    assert not keys.opens(offered, "i")


async def test_tokens_are_url_safe_and_differ_by_key_and_instance(hub: TaskHub) -> None:
    tokens = {
        (await loaded(hub, key)).token(name) for key in ("a", "b") for name in ("i", "j", "ü '+")
    }
    assert len(tokens) == 6
    assert set("".join(tokens)) <= set(string.ascii_letters + string.digits + "-_")


async def test_a_token_opens_nothing_in_another_hub_with_the_same_key(hub: TaskHub) -> None:
    keys = await loaded(hub)
    other = await loaded(TaskHub(hub.account, HubSettings(name="Hub2"), hub.clock))
    again = await loaded(TaskHub(hub.account, HubSettings(name="HUB1"), hub.clock))
    assert not other.opens(keys.token("i"), "i")
    assert again.opens(keys.token("i"), "i")


async def test_the_key_is_made_once_and_kept_in_the_account(hub: TaskHub) -> None:
    first, second = await loaded(hub, None), await loaded(hub, None)
    assert first.token("i") == second.token("i")
    assert second.opens(first.token("i"), "i")


async def test_a_key_is_read_once(hub: TaskHub) -> None:
    keys = await loaded(hub, None)
    await hub.account.blobs.delete_container(hub.names.keys)
    await keys.load()
    assert keys.opens(keys.token("i"), "i")
    assert hub.names.keys not in await hub.account.blobs.list_containers("")


async def test_when_none_is_required_all_doors_are_open_and_none_is_made(hub: TaskHub) -> None:
    keys = HubKeys(hub, configured=None, required=False)
    await keys.load()
    assert keys.opens(None, None)
    assert keys.opens("wrong", "i")
    assert await hub.account.blobs.list_containers("") == []


def test_before_it_is_loaded_no_key_is_made_up(hub: TaskHub) -> None:
    with pytest.raises(UsageError, match="prepare"):
        HubKeys(hub, configured="k", required=True).token("i")
