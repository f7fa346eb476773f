from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from durable.errors import CorruptRecord
from durable.wire.text import from_json, to_json, utf16_bytes, well_formed

ANY_TEXT = st.text(st.characters(exclude_categories=()))


def test_json_is_written_as_newtonsoft_writes_it() -> None:
    value = {"a": None, "b": [1, True, "x"], "é": "/<>&'\x7f"}
    assert to_json(value) == '{"a":null,"b":[1,true,"x"],"é":"/<>&\'\x7f"}'


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("\x85\u2028\u2029", r'"\u0085\u2028\u2029"'),
        ("\ufffe\uffff", r'"\ufffe\uffff"'),
        ("a\ud800b\udfff", r'"a\ud800b\udfff"'),
        ("\b\t\n\f\r\x01\x1f", r'"\b\t\n\f\r\u0001\u001f"'),
        ("日本語😀", '"日本語😀"'),
    ],
)
def test_what_xml_or_newtonsoft_would_not_take_is_escaped(text: str, written: str) -> None:
    assert to_json(text) == written
    assert from_json(written, "it") == text


@given(ANY_TEXT)
def test_json_text_can_always_be_put_in_xml(text: str) -> None:
    written = to_json({text: text})
    assert not any(
        "\ud800" <= character <= "\udfff" or character < " " or character in "\ufffe\uffff"
        for character in written
    )
    # A pair of surrogates written apart is read as the one character it means.
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    assert json.loads(written) == {whole: whole}


@pytest.mark.parametrize(
    "text", ["", "{", "nope", "NaN", "-Infinity", "1e400", "-1e400", "1" * 5000]
)
def test_what_is_not_json_is_corrupt(text: str) -> None:
    with pytest.raises(CorruptRecord, match="The text is not JSON"):
        from_json(text, "The text")


def test_the_error_does_not_show_the_text() -> None:
    with pytest.raises(CorruptRecord) as caught:
        from_json('{"password":secret}', "The text")
    assert str(caught.value) == "The text is not JSON: Expecting value at character 12 of 19."


def test_deep_nesting_is_corrupt() -> None:
    with pytest.raises(CorruptRecord, match="nested too deeply"):
        from_json("[" * 100_000, "The text")


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("plain", "plain"),
        ("é😀", "é😀"),
        ("a\ud800b", "a\ufffdb"),
        ("\udc00\ud800", "\ufffd\ufffd"),
        ("\ud83d\ude00", "😀"),
    ],
)
def test_lone_surrogates_become_replacement_characters(text: str, fixed: str) -> None:
    assert well_formed(text) == fixed


@given(ANY_TEXT)
def test_utf16_size(text: str) -> None:
    assert utf16_bytes(text) == sum(4 if character > "\uffff" else 2 for character in text)
