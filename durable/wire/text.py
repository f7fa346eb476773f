"""Text as it is stored: JSON in the framework's spelling, UTF-16 sizes, lone surrogates."""

from __future__ import annotations

import json
import re

from durable.errors import CorruptRecord

# Newtonsoft escapes U+0085, U+2028 and U+2029. U+FFFE, U+FFFF and lone surrogates may not stand in
# XML 1.0, and the body of a Put Message is XML.
_ESCAPED = re.compile("[\x85\u2028\u2029\ufffe\uffff\ud800-\udfff]")
# Made once: `json.dumps` makes one for each text that is not written its way.
_WRITER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def well_formed(text: str) -> str:
    """`text` with every lone surrogate replaced by U+FFFD, as .NET's UTF-8 encoder does."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def utf16_bytes(text: str) -> int:
    """How many bytes `text` has in UTF-16, the measure of table columns."""
    return 2 * len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass"))


def to_json(value: object) -> str:
    """`value` as the framework writes JSON: no blanks, non-ASCII as it is, nulls kept."""
    text = _WRITER.encode(value)
    if text.isascii():
        return text
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError("a number is out of range")
    return number


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


_READER = json.JSONDecoder(parse_float=_finite, parse_constant=_no_constant)


def from_json(text: str, what: str) -> object:
    """The value of a JSON text; `what` names the text in the error.

    Raises:
        CorruptRecord: it is not JSON, or nested too deeply.
    """
    try:
        value: object = _READER.decode(text)
    except RecursionError as error:
        raise CorruptRecord(f"{what} is nested too deeply.") from error
    except json.JSONDecodeError as error:
        # Not the error's own text alone: its document would end up in logs.
        raise CorruptRecord(
            f"{what} is not JSON: {error.msg} at character {error.pos} of {len(text)}."
        ) from None
    except ValueError as error:
        raise CorruptRecord(f"{what} is not JSON that can be kept: {error}.") from None
    return value
