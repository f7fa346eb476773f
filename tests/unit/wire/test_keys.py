from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from durable.errors import CorruptRecord
from durable.wire.keys import (
    SENTINEL,
    escape_partition_key,
    fnv1a32,
    partition_of,
    row_index,
    row_key,
    unescape_partition_key,
)
from tests.conformance.conformance import covers

ANY_TEXT = st.text(st.characters(exclude_categories=()))

# storage-format.md section 2; the last three columns are the remainders of 1, 4 and 16.
VECTORS = [
    ("", 0x811C9DC5, 0, 1, 5),
    ("a", 0xE40C292C, 0, 0, 12),
    ("abc", 0x1A47E90B, 0, 3, 11),
    ("hello-1", 0x918CD4F9, 0, 1, 9),
    ("order-12345", 0x4AB4D48D, 0, 1, 13),
    ("Order-12345", 0xE43C862D, 0, 1, 13),
    ("00000000000000000000000000000001", 0xEFC862B2, 0, 2, 2),
    ("0123456789abcdef0123456789abcdef", 0x86D04DB5, 0, 1, 5),
    ("0123456789abcdef0123456789abcdef:0", 0x75840ED7, 0, 3, 7),
    ("@counter@a", 0xCA406906, 0, 2, 6),
    ("@counter@A", 0xAA4036A6, 0, 2, 6),
    ("@Counter@myKey", 0x34F59A00, 0, 0, 0),
    ("日本語", 0x805F5CE7, 0, 3, 7),
    ("😀", 0x33A29608, 0, 0, 8),
    ("ünïcödé", 0x30EAF7D2, 0, 2, 2),
    ("a/b\\c#d?e^f", 0x6CA2406B, 0, 3, 11),
    ("test|123:with white spcae", 0x93B0CB0E, 0, 2, 14),
    ("x" * 256, 0x46B491C5, 0, 1, 5),
]


@pytest.mark.parametrize(("instance_id", "digest", "one", "four", "sixteen"), VECTORS)
def test_hash_vectors(instance_id: str, digest: int, one: int, four: int, sixteen: int) -> None:
    assert fnv1a32(instance_id) == digest
    assert [partition_of(instance_id, count) for count in (1, 4, 16)] == [one, four, sixteen]


def test_lone_surrogates_hash_as_replacement_characters() -> None:
    assert fnv1a32("a\ud800") == fnv1a32("a\ufffd")
    assert fnv1a32("\ud83d\ude00") == fnv1a32("😀")


@pytest.mark.parametrize(
    ("instance_id", "key"),
    [
        ("a/b", "a^0b"),
        ("a\\b", "a^1b"),
        ("a#b", "a^2b"),
        ("a?b", "a^3b"),
        ("a^b", "a^^b"),
        ("^0", "^^0"),
        ("\r\n\t", "^Í^Ê^É"),
        ("\x00", "^À"),
        ("\x1f", "^ß"),
        ("\x7f", "^Ŀ"),
        ("\x9f", "^ş"),
        ("@counter@a", "@counter@a"),
        ("50% 'é' 😀 \xa0", "50% 'é' 😀 \xa0"),
    ],
)
def test_escaping(instance_id: str, key: str) -> None:
    assert escape_partition_key(instance_id) == key
    assert unescape_partition_key(key) == instance_id


@covers("dtfx-8.5-9")
@given(ANY_TEXT)
def test_escaping_is_undone(instance_id: str) -> None:
    key = escape_partition_key(instance_id)
    assert unescape_partition_key(key) == instance_id
    assert not any(it in "/\\#?" or it <= "\x1f" or "\x7f" <= it <= "\x9f" for it in key)


@given(ANY_TEXT, ANY_TEXT)
def test_escaping_is_injective(one: str, other: str) -> None:
    assert (escape_partition_key(one) == escape_partition_key(other)) == (one == other)


@pytest.mark.parametrize(
    ("key", "instance_id"), [("^x", "x"), ("^\U0001f600", "\ud77d\ude00"), ("^\n", "\n")]
)
def test_foreign_escapes_are_read_by_code_unit(key: str, instance_id: str) -> None:
    assert unescape_partition_key(key) == instance_id


def test_a_lone_escape_is_corrupt() -> None:
    with pytest.raises(CorruptRecord, match=r"'a\^'"):
        unescape_partition_key("a^")


@pytest.mark.parametrize(
    ("index", "key"), [(0, "0000000000000000"), (10, "000000000000000A"), (2**63, "8" + "0" * 15)]
)
def test_row_keys(index: int, key: str) -> None:
    assert row_key(index) == key
    assert row_index(key) == index


def test_row_keys_sort_as_numbers_before_the_sentinel() -> None:
    keys = [row_key(index) for index in (0, 9, 10, 15, 16, 255, 256, 99_999)]
    assert sorted([SENTINEL, *reversed(keys)]) == [*keys, SENTINEL]


@pytest.mark.parametrize("key", ["", SENTINEL, "000000000000000a", "0", "0" * 17, " " * 16])
def test_other_row_keys_are_corrupt(key: str) -> None:
    with pytest.raises(CorruptRecord, match="row key"):
        row_index(key)
