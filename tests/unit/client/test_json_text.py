from __future__ import annotations

import json

import pytest
from hypothesis import given, settings, strategies as st

from durable.client.json_text import NULL, JsonText, compact, dump, embedded, opened
from durable.errors import CorruptRecord

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=50)
@given(VALUES)
def test_compacting_changes_blanks_only(value: object) -> None:
    spread = json.dumps(value, indent=3, ensure_ascii=False)
    tight = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    assert compact(spread, "it") == tight


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" 1.10 ", "1.10"),
        ("12345678901234567890123", "12345678901234567890123"),
        ('{"a b" : "c  d"}', '{"a b":"c  d"}'),
        (r'["\" , \\", 1]', r'["\" , \\",1]'),
        (r'"\ud800"', r'"\ud800"'),
    ],
)
def test_numbers_and_strings_keep_their_spelling(text: str, expected: str) -> None:
    assert compact(text, "it") == expected


@pytest.mark.parametrize("text", ["", "{", "NaN", "Infinity", "{'a':1}", "1e999", "[1] x"])
def test_what_is_no_json_is_refused_or_becomes_a_string(text: str) -> None:
    with pytest.raises(CorruptRecord):
        compact(text, "it")
    assert json.loads(embedded(text)) == text


def test_nesting_beyond_reason_is_no_json() -> None:
    deep = "[" * 200_000 + "]" * 200_000
    assert embedded(deep).value() == deep


def test_no_text_is_null() -> None:
    assert embedded(None) == NULL
    assert NULL.value() is None


def test_dump_and_opened_agree() -> None:
    value = {"a": JsonText('{"b":1.50}'), "c": [JsonText("null"), "ü", 2, True], "d": None}
    assert dump(value) == '{"a":{"b":1.50},"c":[null,"ü",2,true],"d":null}'
    assert opened(value) == json.loads(dump(value))
