r"""Users' values and their JSON texts.

Objects with ``to_json`` are written in azure-functions-durable's envelope, which names the class.
A name from the wire never chooses a class: an envelope becomes an object only of a class that the
reader expects, or that the app has registered (`known`); otherwise its data are handed out.

azure-functions-durable 1.x encodes inputs (of orchestrations, children, activities) twice: 24 is
stored as ``"24"``. Ours are encoded once. So that the text 24 is still told from the number, a text
that could be mistaken is written with its first character escaped: ``"\u00324"``. That is the same
JSON to everybody, and the text says by itself how often it was encoded, wherever it is copied to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from durable.errors import NotSerializable
from durable.wire.plain import CLASS, DATA, MODULE, Path, Unfit, path_text, plain
from durable.wire.text import to_json
from durable.wire.typed import convert, from_json

#: Classes that envelopes may become, by ``module.Class``.
Known = Mapping[str, type]

# JSON that begins with an escape needs none there: no other writer has a reason for it.
_ONCE = re.compile(r'\s*"\\u')
#: What a JSON text begins with; Python's reader also takes NaN and Infinity.
_JSON_BEGINS = frozenset('{["-0123456789tfnNI')
_ARRAY_OF_ONCE = re.compile(r'\s*\[\s*"\\u')


def encode(value: object, *, what: str) -> str:
    """`value` as JSON text; `what` names it in the error ("the input of activity 'x'").

    Raises:
        NotSerializable: with the type and the path of what has no place in JSON.
    """
    path: Path = []
    try:
        return to_json(plain(value, path))
    except Unfit as error:
        where = path_text(path)
        raise NotSerializable(
            f"{_capital(what)} cannot be written as JSON: at {where}, {error}.", path=where
        ) from error
    except RecursionError:
        raise NotSerializable(
            f"{_capital(what)} cannot be written as JSON: it is nested too deeply, or holds itself."
        ) from None
    except ValueError as error:  # an integer of thousands of digits
        raise NotSerializable(f"{_capital(what)} cannot be written as JSON: {error}.") from error


def decode(
    text: str | None,
    expected: object = None,
    *,
    known: Known | None = None,
    lenient: bool = False,
) -> object:
    """The value of a JSON text; None for no text.

    Args:
        text: JSON, or None.
        expected: the type it is to have: a dataclass, an enum, ``list[datetime]`` ...
        known: classes that envelopes may become.
        lenient: a value that JSON has a type for is handed out as it is, though another such type
            was expected. For types taken from annotations, which nobody had to obey before.

    Raises:
        ValueError: it is not JSON, or the value cannot be made into what is expected.
        TypeError: the value is of another type; both name the path.
    """
    if text is None:
        return None
    return _typed(_loads(text, known or {}), expected, lenient)


def encode_input(value: object, *, what: str) -> str:
    """As `encode`, for inputs: `decode_input` gives back `value`, also when it is a text of JSON.

    Raises:
        NotSerializable: as `encode`.
    """
    text = encode(value, what=what)
    return _marked_once(text) if text[0] == '"' and _is_json(str(json.loads(text))) else text


def decode_input(
    text: str | None,
    expected: object = None,
    *,
    known: Known | None = None,
    lenient: bool = False,
) -> object:
    """As `decode`, for inputs, which azure-functions-durable 1.x encodes twice.

    A text that holds JSON, and is not marked as encoded once, is decoded again: as 1.x does it.

    Raises:
        ValueError: as `decode`.
        TypeError: as `decode`.
    """
    value = decode(text, known=known)
    if text is None:
        return None
    if isinstance(value, str) and _ONCE.match(text) is None and _is_json(value):
        return _twice_typed(value, _loads(value, known or {}), expected, lenient)
    return _typed(value, expected, lenient)


def decode_annotated(text: str | None, *, annotated: object, known: Known) -> object:
    """As `decode`, for a type that only an annotation names: the plain value when it differs.

    1.7 hands results out as they are, whatever the function that made them says it returns.

    Raises:
        ValueError: it is not JSON.
    """
    value = decode(text, known=known)
    if text is None:
        return None
    try:
        return _typed(value, annotated, lenient=True)
    except (TypeError, ValueError):
        return value


def first_element(text: str | None) -> str | None:
    """The JSON text of the first element of an array's; the text itself when it is no array.

    Raises:
        ValueError: it is not JSON.
    """
    value = decode(text)
    if text is None or not isinstance(value, list):
        return text
    if not value:
        return None
    element = to_json(value[0])
    return _marked_once(element) if _ARRAY_OF_ONCE.match(text) else element


def _is_json(value: str) -> bool:
    if value.lstrip(" \t\n\r")[:1] not in _JSON_BEGINS:
        return False  # most texts: an exception for each would cost more than all the rest
    try:
        _loads(value, {})
    except ValueError:
        return False
    return True


def _marked_once(text: str) -> str:
    """The JSON of a text with its first character escaped."""
    value = str(json.loads(text))
    return f'"\\u{ord(value[0]):04x}{to_json(value[1:])[1:]}'


def _twice_typed(outer: str, inner: object, expected: object, lenient: bool) -> object:
    """`inner`; but a type that somebody asked for by name decides, where only `outer` has it."""
    candidates = [(inner, False), (inner, True)] if lenient else [(inner, False)]
    for value, leniently in candidates:
        try:
            return _typed(value, expected, leniently)
        except (TypeError, ValueError):
            continue
    return _typed(outer, expected, lenient)


def _typed(value: object, expected: object, lenient: bool) -> object:
    return value if expected is None else convert(value, expected, [], lenient=lenient)


def _loads(text: str, known: Known) -> object:
    hook = _opener(known) if CLASS in text else None
    try:
        value: object = json.loads(text, object_hook=hook)
    except json.JSONDecodeError as error:
        # Not the error itself: it holds the whole text.
        raise ValueError(f"A payload is not JSON: {error.msg} at character {error.pos}.") from None
    except RecursionError:
        raise ValueError("A payload is nested too deeply.") from None
    return value


def _opener(known: Known) -> Callable[[dict[str, object]], object]:
    def opened(found: dict[str, object]) -> object:
        if found.keys() != {CLASS, MODULE, DATA}:
            return found
        data = found[DATA]
        kind = known.get(f"{found[MODULE]}.{found[CLASS]}")
        return data if kind is None else from_json(kind, data, [])

    return opened


def _capital(what: str) -> str:
    return what[:1].upper() + what[1:]
