from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given, strategies as st

from durable.errors import CorruptRecord
from durable.wire.fields import Column
from durable.wire.spill import (
    IDENTITIES,
    MAX_BATCH_BYTES,
    MAX_BATCH_ROWS,
    MAX_MESSAGE_BYTES,
    MAX_PROPERTY_BYTES,
    SPILLABLE,
    blob_belongs_to,
    blob_column,
    blob_token,
    blobs_of,
    compress,
    container_blob,
    decompress,
    estimated_bytes,
    history_blob_name,
    holds_start_message,
    identities_blob_name,
    instance_blob_name,
    message_is_large,
    oversized,
    stored_bytes,
    with_blob,
    with_text,
)

CONTAINER = "myhub-largemessages"
ANY_TEXT = st.text(st.characters(exclude_categories=()))


def test_the_limits_are_the_originals() -> None:
    assert (MAX_MESSAGE_BYTES, MAX_PROPERTY_BYTES) == (46080, 61440)
    assert (MAX_BATCH_ROWS, MAX_BATCH_BYTES) == (99, 3145728)


def test_a_message_at_the_limit_is_not_large() -> None:
    assert not message_is_large("x" * 46080)
    assert message_is_large("x" * 46081)
    assert not message_is_large("é" * 23040)
    assert message_is_large("é" * 23041)


@pytest.mark.parametrize("prop", SPILLABLE)
def test_a_column_at_the_limit_is_not_oversized(prop: str) -> None:
    assert oversized({prop: "x" * 30720}) == ()
    assert oversized({prop: "x" * 30721}) == (prop,)
    assert oversized({prop: "😀" * 15360}) == ()
    assert oversized({prop: "😀" * 15361}) == (prop,)


def test_other_columns_cannot_spill() -> None:
    assert oversized({"CustomStatus": "x" * 99999, "Data": "x" * 99999, "EventId": 5}) == ()


def test_a_column_goes_to_a_blob_and_comes_back() -> None:
    columns: dict[str, Column] = {"Input": "large", "Name": "n", "EventId": 1}
    spilled = with_blob(columns, "Input", "b1")
    assert spilled == {"Input": "", "InputBlobName": "b1", "Name": "n", "EventId": 1}
    assert blobs_of(spilled) == {"Input": "b1"}
    assert with_text(spilled, "Input", "large") == columns
    assert with_text(columns, "Input", "large") == columns


def test_an_empty_blob_name_names_no_blob() -> None:
    assert blobs_of({blob_column(IDENTITIES): "", "InputBlobName": 5}) == {}


@given(st.dictionaries(st.sampled_from(SPILLABLE), ANY_TEXT))
def test_the_estimate_covers_utf16_and_escaped_json(texts: dict[str, str]) -> None:
    columns: dict[str, Column] = {**texts, "EventId": 1}
    estimate = estimated_bytes(columns)
    assert estimate >= 1024 + sum(len(json.dumps(text)) for text in texts.values())
    assert estimate >= 1024 + sum(2 * len(text) for text in texts.values())


def test_an_estimate() -> None:
    assert estimated_bytes({"Input": "x" * 100, "EventId": 1}) == 1224
    assert estimated_bytes({"Input": "日" * 100}) == 1024 + 602


def test_blob_names() -> None:
    assert history_blob_name("i", "0000000000000001", "ExecutionStarted", "54640B07", "Input") == (
        "i/history-0000000000000001-ExecutionStarted-54640B07-Input.json.gz"
    )
    assert instance_blob_name("i", "Tags", "3F50D31F") == "i/history--Tags-3F50D31F-Tags.json.gz"
    assert identities_blob_name("i", "3F50D31F") == (
        "i/history-sentinel-3F50D31F-RecentIdentities.json.gz"
    )


@given(st.text())
def test_tokens_are_31_bits_in_hex(seed: str) -> None:
    token = blob_token(seed)
    assert len(token) == 8
    assert token == token.upper()
    assert 0 <= int(token, 16) < 2**31


def test_a_token_follows_its_seed() -> None:
    assert blob_token("hello-1") == "118CD4F9"
    assert blob_token("") == "011C9DC5"


def test_whose_blob_it_is() -> None:
    assert blob_belongs_to("a^0b/history-1.json.gz", "a/b")
    assert blob_belongs_to("a/b/message-1.json.gz", "a/b")
    assert not blob_belongs_to("order10/message-1.json.gz", "order1")
    assert not blob_belongs_to("a/b/message-1.json.gz", "a")
    # One instance's id may be another one's escaped key: which kind of blob it is decides.
    assert blob_belongs_to("a^^b/history-1.json.gz", "a^b")
    assert not blob_belongs_to("a^^b/history-1.json.gz", "a^^b")
    assert blob_belongs_to("a^^b/message-1.json.gz", "a^^b")
    assert not blob_belongs_to("a/history-1\r\n.json.gz", "a")


def test_which_blob_holds_a_start_message() -> None:
    assert holds_start_message(
        "i/message-5406d36943694673afae6671a2fa1e57-ExecutionStarted.json.gz"
    )
    assert not holds_start_message("i/history--Input-3F50D31F-Input.json.gz")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (f"http://127.0.0.1:10000/devstoreaccount1/{CONTAINER}/i/x.json.gz", "i/x.json.gz"),
        (f"https://acc.blob.core.windows.net/{CONTAINER}/i/x.json.gz", "i/x.json.gz"),
        (f"HTTPS://elsewhere/{CONTAINER}/%40c%40a%5E0b/%E6%97%A5", "@c@a^0b/日"),
        (f"https://a/{CONTAINER}/{CONTAINER}/x", f"{CONTAINER}/x"),
        (f"https://a/{CONTAINER}/i/..x", "i/..x"),
    ],
)
def test_urls_of_the_container(url: str, name: str) -> None:
    assert container_blob(url, CONTAINER) == name


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hello",
        '"quoted"',
        CONTAINER,
        f"/{CONTAINER}/x",
        f"ftp://a/{CONTAINER}/x",
        f"https:///{CONTAINER}/x",
        "https://a",
        "https://a/",
        "https://a/acc",
        f"https://a/{CONTAINER}",
        f"https://a/{CONTAINER}/",
        f"https://a/{CONTAINER}x/x",
        f"https://a/{CONTAINER}/i/%01x",
        f"https://a/{CONTAINER}/{'x' * 1025}",
        f"https://a/x{CONTAINER}/x",
        f"https://a/other-container/{CONTAINER}/x",
        f"https://a/acc/other/{CONTAINER}/x",
        f"https://a/acc/acc/{CONTAINER}/x",
        f"https://a/{CONTAINER}/../secrets/x",
        f"https://a/{CONTAINER}/i/%2E%2e/x",
        f"https://a/{CONTAINER}/i%2F..%2Fx",
        f"https://a/{CONTAINER}/i%5C..%5Cx",
        f"https://a/{CONTAINER}/./x",
        f"https://a/{CONTAINER}/x?sig=1",
        f"https://a/{CONTAINER}/x#y",
        f"https://a/{CONTAINER}/x y",
        f"https://a/{CONTAINER}/x\n",
        f"https://a/{CONTAINER}/日",
        f"https://a/{CONTAINER}/%ff",
        f" https://a/{CONTAINER}/x",
    ],
)
def test_other_texts_are_no_urls_of_the_container(url: str) -> None:
    assert container_blob(url, CONTAINER) is None


@given(st.text())
def test_any_text_is_a_url_or_not(text: str) -> None:
    assert container_blob(text, CONTAINER) is None
    name = container_blob(f"https://a/{CONTAINER}/{text}", CONTAINER)
    assert name is None or ".." not in name.split("/")


@given(st.text())
def test_blobs_come_back(text: str) -> None:
    data = compress(text)
    assert compress(text) == data
    assert gzip.decompress(data).decode() == text
    assert decompress(data, max_bytes=len(text.encode())) == text
    assert decompress(compress(text, quickly=True), max_bytes=len(text.encode())) == text


def test_lone_surrogates_do_not_reach_a_blob() -> None:
    assert decompress(compress("a\ud800"), max_bytes=9) == "a\ufffd"


def test_several_members_and_padding_are_read() -> None:
    parts = [gzip.compress(part, mtime=0) for part in (b"one ", b"", b"two")]
    assert decompress(b"".join(parts) + b"\0\0", max_bytes=7) == "one two"


def test_a_bomb_is_not_unpacked() -> None:
    with pytest.raises(CorruptRecord, match="more than 1000 bytes"):
        decompress(compress("x" * 10_000_000), max_bytes=1000)
    with pytest.raises(CorruptRecord, match="more than 6 bytes"):
        decompress(gzip.compress(b"one ", mtime=0) + gzip.compress(b"two", mtime=0), max_bytes=6)
    with pytest.raises(CorruptRecord, match="more than 64 gzip members"):
        decompress(gzip.compress(b"", mtime=0) * 65, max_bytes=1000)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cut short"),
        (b"hello", "not gzip"),
        (gzip.compress(b"hello", mtime=0)[:-1], "cut short"),
        (gzip.compress(b"hello", mtime=0) + b"x", "cut short"),
        (gzip.compress(b"hello", mtime=0) + b"xyz" * 10, "not gzip"),
        (gzip.compress(b"hello", mtime=0)[:-5] + b"\1" * 5, "not gzip"),
        (gzip.compress(b"a\xff", mtime=0), "not UTF-8 at byte 1"),
    ],
)
def test_what_is_no_blob_of_text_is_corrupt(data: bytes, message: str) -> None:
    with pytest.raises(CorruptRecord, match=message):
        decompress(data, max_bytes=1000)


@given(st.text(min_size=1), st.data())
def test_a_damaged_blob_is_corrupt_or_text(text: str, data: st.DataObject) -> None:
    damaged = bytearray(compress(text))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        decompress(bytes(damaged), max_bytes=10_000)
    except CorruptRecord as error:
        assert "Blob" in str(error)  # noqa: PT017 - either way is fine


def test_what_a_text_takes_in_a_blob_is_counted_in_bytes() -> None:
    assert stored_bytes("aé\ud800") == 1 + 2 + 3
