"""Addresses and names of blobs in messages, rows and states: only the instance's own is followed.

Nothing is ever requested by an address: of one that looks right the name is taken, in our own
container, of our own account. So the tests record what the account is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import pytest

from durable.client.entity_looking import state_of
from durable.errors import CorruptRecord, NotFound
from durable.hub.raising import terminate
from durable.model.status import InstanceRow, RuntimeStatus
from durable.storage.values import Operation, Row, Write
from durable.wire import spill
from durable.wire.envelopes import encode_message, encode_pointer
from tests.hub_lab import Actor, Lab, in_virtual_time

Steps = Generator[Any, Any, Any]
LARGE = "x" * 50_000
SECRET = '"the secret of i2"'
OWN = "lab-largemessages"
BASE = f"https://memory.blob.core.windows.net/{OWN}"

#: Whatever points to i2's blob, or to nowhere good, when i1 is asked about.
ADDRESSES = (
    f"{BASE}/i2/history-secret.json.gz",
    f"https://evil.example/{OWN}/i2/history-secret.json.gz",
    f"https://evil.example/other/{OWN}/i1/x",
    f"http://169.254.169.254/metadata/{OWN}/i1/x",
    f"{BASE}/i1/../i2/history-secret.json.gz",
    f"{BASE}/i1/%2e%2e/i2/history-secret.json.gz",
    f"{BASE}/i1/%2E%2E%2Fi2/history-secret.json.gz",
    f"{BASE}/i1%2f..%2fi2/history-secret.json.gz",
    f"{BASE}/i1/%5c..%5ci2%5chistory-secret.json.gz",
    f"{BASE}/i1\\..\\i2\\history-secret.json.gz",
    f"{BASE}/i1/sub/history-secret.json.gz",
    f"{BASE}/i2/history-secret.json.gz?sv=2024&sig=stolen",
    f"{BASE}/i1/history-secret.json.gz?restype=container&comp=list",
    f"{BASE}/i1/history-secret.json.gz#x",
    f"https://user:pw@memory.blob.core.windows.net/{OWN}/i2/history-secret.json.gz",
    f"https://memory.blob.core.windows.net@evil.example/{OWN}/i2/history-secret.json.gz",
    f"https://memory.blob.core.windows.net:1/{OWN}/i2/history-secret.json.gz",
    f"https://MEMORY.BLOB.CORE.WINDOWS.NET/{OWN.upper()}/i2/history-secret.json.gz",
    f"https://m\u0435mory.blob.core.windows.net/{OWN}/i2/history-secret.json.gz",
    f"https://memory.blob.core.windows.net/{OWN}extra/i1/x",
    f"https://memory.blob.core.windows.net/x-{OWN}/i1/x",
    f"https://memory.blob.core.windows.net//{OWN}/i2/history-secret.json.gz",
    f"file:///{OWN}/i1/x",
    f"file://memory/{OWN}/i1/history-secret.json.gz",
    f"ftp://memory/{OWN}/i1/history-secret.json.gz",
    f"//memory/{OWN}/i1/history-secret.json.gz",
    f"javascript://memory/{OWN}/i1/history-secret.json.gz",
    f"{BASE}/i1/\r\nX-Evil: 1",
    f"{BASE}/i1/%0d%0aX-Evil:1",
    f"{BASE}/i1/%00",
    f"{BASE}/i1/%ff%fe",
    f"{BASE}/I1/history-secret.json.gz",
    f"{BASE}/i1",
    f"{BASE}/i1/",
    f"{BASE}/" + "a" * 20_000,
    f"{BASE}/" + "%2e%2e/" * 3_000 + "x",
)
#: Those in i1's own folder: whatever host they name, i1's own blob is asked for, and is missing.
SUITABLE = tuple(each for each in ADDRESSES if each.endswith((f"{OWN}/i1/x", f"{OWN}/i1/")))
NAMES = (
    "i2/history-secret.json.gz",
    "i1/../i2/history-secret.json.gz",
    "../lab-keys/management",
    "../../lab-keys/management",
    "i1/%2e%2e/i2/history-secret.json.gz",
    "i1%2f..%2fi2/history-secret.json.gz",
    "i1\\..\\i2\\history-secret.json.gz",
    "/i2/history-secret.json.gz",
    "//evil.example/x",
    f"{BASE}/i2/history-secret.json.gz",
    "i2/history-secret.json.gz?sig=stolen",
    "i1/history-secret.json.gz\r\nX-Evil: 1",
    "i1/\0",
    "i1/sub/history-secret.json.gz",
    "i1",
    "I2/history-secret.json.gz",
    "x" * 5_000,
    "\u202e/history-secret.json.gz",
)


def waiting(context: Any) -> Steps:
    return (yield context.wait_for_external_event("E"))


class Watched:
    """A lab with an instance i1 that waits, and the secret of i2."""

    lab: Lab
    actor: Actor

    @classmethod
    async def begun(cls) -> Watched:
        self = cls()
        self.lab = Lab(waiting)
        self.actor = await self.lab.actor()
        await self.lab.start("waiting")
        await self.actor.deliver()
        await self.lab.hub.payloads.write("i2/history-secret.json.gz", SECRET)
        self.actor.calls.clear()
        return self

    @property
    def asked(self) -> set[str]:
        """The blobs that were asked for, but for what the quarantine keeps."""
        return {
            resource
            for operation, resource in self.actor.calls
            if "Blob" in operation and not resource.startswith("lab-quarantine")
        }

    @property
    def asked_of_others(self) -> set[str]:
        return {each for each in self.asked if not each.startswith(f"{OWN}/i1/")}

    async def assert_secret_is_there(self) -> None:
        assert await self.lab.hub.payloads.read("i2/history-secret.json.gz") == SECRET


@pytest.mark.parametrize("address", ADDRESSES, ids=range(len(ADDRESSES)))
@in_virtual_time
async def test_an_address_in_an_instances_row_is_a_text(address: str) -> None:
    watched = await Watched.begun()
    for column in ("Input", "Output"):
        await watched.lab.merge_row(**{column: address[:20_000]})
    row = await watched.lab.row()
    try:
        texts = await watched.actor.hub.instances.texts(row)
    except NotFound:
        assert address in SUITABLE
    else:
        assert (texts.input, texts.output) == (row.input, row.output) == (address[:20_000],) * 2
    assert not watched.asked_of_others


@pytest.mark.parametrize("address", ADDRESSES[:3], ids=range(3))
@in_virtual_time
async def test_an_address_as_a_reason_is_a_text(address: str) -> None:
    watched = await Watched.begun()
    await terminate(watched.lab.hub, "i1", address)
    await watched.actor.drain()
    row = await watched.lab.row()
    assert (row.status, row.output) == (RuntimeStatus.TERMINATED, address)
    assert not watched.asked_of_others


@pytest.mark.parametrize("address", ADDRESSES, ids=range(len(ADDRESSES)))
@in_virtual_time
async def test_an_address_as_an_entitys_state_shows_no_other_state(address: str) -> None:
    watched = await Watched.begun()
    now = watched.lab.clock.now()
    status = '{"entityExists":true,"queueSize":0,"lockedBy":null}'
    await watched.lab.hub.instances.insert(
        InstanceRow(
            instance_id="@counter@a",
            execution_id="e",
            name="@counter",
            created_time=now,
            last_updated_time=now,
            status=RuntimeStatus.RUNNING,
            input=address[:20_000],
            custom_status=status,
        )
    )
    watched.actor.calls.clear()
    with pytest.raises(CorruptRecord):
        await state_of(watched.actor.hub, "@counter@a")
    assert not {each for each in watched.asked if not each.startswith(f"{OWN}/@counter@a/")}


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
@in_virtual_time
async def test_a_name_in_a_message_brings_it_into_quarantine(name: str) -> None:
    watched = await Watched.begun()
    await watched.lab.account.queues.put(watched.lab.queue, encode_pointer(name))
    await watched.actor.drain()
    [kept] = await watched.lab.quarantined()
    assert "lob" in kept["reason"] or name.startswith("i2/history-")  # which holds no message
    assert name in json.loads(kept["text"])["CompressedBlobName"]
    for each in watched.asked:
        assert each == f"{OWN}/{name}" or each.startswith(f"{OWN}/i1/")  # never another container
    await watched.assert_secret_is_there()
    row = await watched.lab.row()
    assert row.status is RuntimeStatus.RUNNING
    assert not watched.actor.refused


@in_virtual_time
async def test_a_message_in_another_instances_folder_is_not_taken_from_there() -> None:
    watched = await Watched.begun()
    message = watched.lab.raised("E", LARGE)
    name = "i2/message-0123456789abcdef0123456789abcdef-EventRaised.json.gz"
    await watched.lab.hub.payloads.write(name, encode_message(message))
    await watched.lab.account.queues.put(watched.lab.queue, encode_pointer(name))
    await watched.actor.drain()
    [kept] = await watched.lab.quarantined()
    assert "holds a message of another instance" in kept["reason"]
    assert (await watched.lab.row()).status is RuntimeStatus.RUNNING


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
@in_virtual_time
async def test_a_name_in_a_history_row_reads_no_other_blob_and_deletes_none(name: str) -> None:
    watched = await Watched.begun()
    table = watched.lab.hub.names.history_table
    for column in ("InputBlobName", "NameBlobName"):
        row = Row(
            partition_key="i1", row_key="0000000000000001", columns={column: name, "Input": ""}
        )
        await watched.lab.account.tables.write(table, Operation(write=Write.MERGE, row=row))
    other = await watched.lab.actor()  # no session: it reads
    with pytest.raises(CorruptRecord, match="not in the instance's own folder"):
        await other.hub.history.load("i1")
    await watched.lab.raise_event("E", 1)
    await other.drain()
    read = {r for operation, r in other.calls if "Blob" in operation and r.startswith(OWN)}
    assert not {each for each in read if not each.startswith(f"{OWN}/i1/message-")}
    [kept] = await watched.lab.quarantined()
    assert "not in the instance's own folder" in kept["reason"]
    await watched.assert_secret_is_there()


@pytest.mark.parametrize("name", NAMES[:6], ids=range(6))
@in_virtual_time
async def test_a_name_in_a_sentinel_or_a_row_of_dotnet_reads_no_other_blob(name: str) -> None:
    watched = await Watched.begun()
    await watched.lab.merge_sentinel(**{spill.blob_column(spill.IDENTITIES): name})
    other = await watched.lab.actor()
    with pytest.raises(CorruptRecord, match="not in the instance's own folder"):
        await other.hub.history.read_sentinel("i1")
    await watched.lab.merge_row(Input="", InputBlobName=name)
    texts = await other.hub.instances.texts(await watched.lab.row())
    assert texts.input != SECRET
    assert not [each for each in other.calls if "Blob" in each[0]]
