"""What `BlobStore` promises, of each adapter."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import pytest

from durable.errors import Conflict, InvalidName, NotFound, TooLarge
from durable.storage.memory import MemoryAccount
from durable.storage.ports import Account

ABSENT = "no-such-container"


async def names(account: Account, container: str, prefix: str) -> list[str]:
    blobs, continuation = await account.blobs.list_blobs(container, prefix)
    assert continuation is None
    return [blob.name for blob in blobs]


async def test_create_is_idempotent_and_keeps_the_blobs(account: Account, container: str) -> None:
    await account.blobs.put_blob(container, "kept", b"1")
    await account.blobs.create_container(container)
    assert await account.blobs.get_blob(container, "kept", max_bytes=1) == b"1"


async def test_delete_takes_the_blobs_along_and_is_idempotent(
    account: Account, container: str
) -> None:
    await account.blobs.put_blob(container, "gone", b"1")
    await account.blobs.delete_container(container)
    await account.blobs.delete_container(container)
    with pytest.raises(NotFound):
        await account.blobs.get_blob(container, "gone", max_bytes=1)
    # The real service answers 409 ContainerBeingDeleted for half a minute here; Azurite does not.
    await account.blobs.create_container(container)
    assert await names(account, container, "") == []


async def test_list_gives_the_containers_with_the_prefix_sorted(
    account: Account, unique: str
) -> None:
    for name in ("b", "a-1", "a"):
        await account.blobs.create_container(f"{unique}-{name}")
    found = await account.blobs.list_containers(f"{unique}-a")
    assert found == [f"{unique}-a", f"{unique}-a-1"]
    assert await account.blobs.list_containers(f"{unique}-z") == []
    assert f"{unique}-b" in await account.blobs.list_containers("")
    for name in ("b", "a-1", "a"):
        await account.blobs.delete_container(f"{unique}-{name}")


@pytest.mark.parametrize("name", ["ab", "Upper", "a--b", "-ab", "a.b", ""])
async def test_a_container_name_that_breaks_the_rules_is_refused(
    account: Account, name: str
) -> None:
    with pytest.raises(InvalidName):
        await account.blobs.create_container(name)


async def test_an_absent_container_is_not_found(account: Account) -> None:
    with pytest.raises(NotFound):
        await account.blobs.put_blob(ABSENT, "x", b"")
    with pytest.raises(NotFound):
        await account.blobs.get_blob(ABSENT, "x", max_bytes=1)
    with pytest.raises(NotFound):
        await account.blobs.list_blobs(ABSENT, "")
    await account.blobs.delete_blob(ABSENT, "x")


async def test_an_absent_blob_is_not_found(account: Account, container: str) -> None:
    with pytest.raises(NotFound) as caught:
        await account.blobs.get_blob(container, "a/b", max_bytes=1)
    assert caught.value.operation == "Get Blob"
    assert caught.value.resource == f"{container}/a/b"
    assert caught.value.status == 404


@pytest.mark.parametrize(
    "data", [b"", b"\x00\xff" * 7, gzip.compress(b"text"), b"x" * 5_000_000], ids=len
)
async def test_a_blob_comes_back_byte_for_byte(
    account: Account, container: str, data: bytes
) -> None:
    await account.blobs.put_blob(container, "data", data)
    assert await account.blobs.get_blob(container, "data", max_bytes=len(data)) == data


async def test_a_blob_over_max_bytes_is_too_large(account: Account, container: str) -> None:
    await account.blobs.put_blob(container, "ten", b"0123456789")
    assert await account.blobs.get_blob(container, "ten", max_bytes=10) == b"0123456789"
    with pytest.raises(TooLarge, match="10 bytes"):
        await account.blobs.get_blob(container, "ten", max_bytes=9)


async def test_put_overwrites_unless_only_if_absent(account: Account, container: str) -> None:
    await account.blobs.put_blob(container, "x", b"first", only_if_absent=True)
    with pytest.raises(Conflict):
        await account.blobs.put_blob(container, "x", b"second", only_if_absent=True)
    assert await account.blobs.get_blob(container, "x", max_bytes=9) == b"first"
    await account.blobs.put_blob(container, "x", b"third")
    assert await account.blobs.get_blob(container, "x", max_bytes=9) == b"third"


async def test_delete_is_idempotent(account: Account, container: str) -> None:
    await account.blobs.put_blob(container, "x", b"1")
    await account.blobs.delete_blob(container, "x")
    await account.blobs.delete_blob(container, "x")
    assert await names(account, container, "") == []


async def test_list_is_by_prefix_in_order_with_size_and_time(
    account: Account, container: str
) -> None:
    for name in ("order10/b", "order1/b", "order1/a", "other"):
        await account.blobs.put_blob(container, name, name.encode())
    assert await names(account, container, "order1/") == ["order1/a", "order1/b"]
    assert await names(account, container, "order1") == ["order1/a", "order1/b", "order10/b"]
    blobs, _ = await account.blobs.list_blobs(container, "other")
    (other,) = blobs
    now = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    if not isinstance(account, MemoryAccount):
        now = datetime.now(UTC)
    assert other.size == 5
    assert abs(other.last_modified - now) < timedelta(minutes=1)


@pytest.mark.parametrize(
    "name",
    [
        "instance/message-00000000000000000000000000000000-TaskScheduled.json.gz",
        "with blank/x",
        "100%/x",
        "%2F/x",
        "@#$!?/x",
        "'\"<>&/x",
        "+=;:,~^|`[]{}()*/x",
        "Zürich/東京/🐍",
        "e\u0301 and \u00e9/x",
        "@entity@key/x",
        "Case/x",
        "case/x",
        "a" * 1024,
    ],
)
async def test_odd_blob_names(account: Account, container: str, name: str) -> None:
    await account.blobs.put_blob(container, name, b"odd")
    await account.blobs.put_blob(container, "neighbour", b"other")
    assert await account.blobs.get_blob(container, name, max_bytes=3) == b"odd"
    assert await names(account, container, name) == [name]
    await account.blobs.delete_blob(container, name)
    assert await names(account, container, "") == ["neighbour"]


@pytest.mark.parametrize("name", ["", "a\\b", "a\x00", "a\n", "../x", "a/./b", "a" * 1025])
async def test_a_blob_name_that_breaks_the_rules_is_refused(
    account: Account, container: str, name: str
) -> None:
    with pytest.raises(InvalidName):
        await account.blobs.put_blob(container, name, b"")
    with pytest.raises(InvalidName):
        await account.blobs.get_blob(container, name, max_bytes=1)
    with pytest.raises(InvalidName):
        await account.blobs.delete_blob(container, name)


async def test_a_url_has_each_segment_encoded_and_its_slashes(account: Account) -> None:
    url = account.blobs.url("hub-largemessages", "@#$%! ü/x-1_2.3~.json.gz")
    base, _, path = url.partition("/hub-largemessages/")
    assert base.startswith("http")
    assert path == "%40%23%24%25%21%20%C3%BC/x-1_2.3~.json.gz"
    assert unquote(path) == "@#$%! ü/x-1_2.3~.json.gz"
