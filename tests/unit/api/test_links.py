from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given, strategies as st

from durable.api.links import ManagementAccess, instance_url, own_url
from durable.api.routes import INSTANCE, find_route
from durable.errors import UsageError
from durable.hub.taskhub import TaskHub
from durable.model.status import RuntimeStatus
from tests.unit.api.conftest import BASE, Caller, json_of


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_every_id_comes_back_from_its_link(instance_id: str) -> None:
    url = instance_url(BASE, instance_id)
    assert url.isascii()
    assert not set(url) & set(" \r\n\t\"'+")
    match = find_route("GET", urlsplit(url).path.removeprefix(urlsplit(BASE).path))
    assert match is not None
    assert match.variables[INSTANCE] == instance_id


def test_own_url_can_not_smuggle_a_header_in() -> None:
    url = own_url(BASE, "a\r\nSet-Cookie: x", {"b\r\n": "c\r\nd & e"})
    assert url == f"{BASE}/instances/a%0D%0ASet-Cookie%3A%20x?b%0D%0A=c%0D%0Ad%20%26%20e"
    assert own_url(BASE, "a", {}) == f"{BASE}/instances/a"


def test_payload_without_keys(hub: TaskHub) -> None:
    access = ManagementAccess(configured_key=None, require_key=False, base_url=f"{BASE}/")
    query = "taskHub=Hub1&connection=My%20Storage"
    instance = f"{BASE}/instances/a%20b"
    assert access.links(hub, "My Storage").payload("a b") == {
        "id": "a b",
        "statusQueryGetUri": f"{instance}?{query}",
        "sendEventPostUri": f"{instance}/raiseEvent/{{eventName}}?{query}",
        "terminatePostUri": f"{instance}/terminate?reason={{text}}&{query}",
        "rewindPostUri": f"{instance}/rewind?reason={{text}}&{query}",
        "purgeHistoryDeleteUri": f"{instance}?{query}",
        "restartPostUri": f"{instance}/restart?{query}",
        "suspendPostUri": f"{instance}/suspend?reason={{text}}&{query}",
        "resumePostUri": f"{instance}/resume?reason={{text}}&{query}",
    }


def test_without_any_address_there_are_no_links(hub: TaskHub) -> None:
    access = ManagementAccess(configured_key=None, require_key=False)
    with pytest.raises(UsageError, match="address"):
        access.links(hub).payload("i")


@pytest.mark.parametrize("instance_id", ["plain", "a b", "å'+&=", "100%41", "日本語", "a:b.c~d"])
async def test_the_links_handed_out_open_their_instance_and_no_other(
    guarded: Caller, instance_id: str
) -> None:
    await guarded.insert(instance_id, RuntimeStatus.COMPLETED)
    await guarded.insert("other", RuntimeStatus.COMPLETED)
    links = guarded.access.links(guarded.hub)
    await links.prepare()
    link = links.payload(instance_id, BASE)["statusQueryGetUri"]
    answer = await guarded.ask("GET", link)
    assert answer.status == 200
    assert json_of(answer)["instanceId"] == instance_id
    token = link.split("code=")[1]
    assert (await guarded.ask("GET", f"/instances/other?code={token}")).status == 401
    assert (await guarded.ask("GET", f"/instances?code={token}")).status == 401
