from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from durable.api import parameters as p
from durable.errors import InvalidName
from durable.model.status import RuntimeStatus


def read(parameter: p.Parameter[object], text: str) -> tuple[object, list[str]]:
    ignored: list[str] = []
    return parameter.read({parameter.name: text}, ignored), ignored


@pytest.mark.parametrize(
    ("text", "expected"),
    [("true", True), ("TRUE", True), (" False ", False), ("1", None), ("no", None), ("", None)],
)
@pytest.mark.parametrize("flag", [p.SHOW_INPUT, p.SHOW_HISTORY])
def test_flags(flag: p.Parameter[bool], text: str, expected: bool | None) -> None:
    found, ignored = read(flag, text)
    assert found is (flag.default if expected is None else expected)
    assert bool(ignored) is (expected is None and bool(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("15", 15),
        ("0.5", 0.5),
        (".5", 0.5),
        ("-1", -1),
        ("1e2", 100),
        ("abc", None),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("1_0", None),
        ("٣", None),
        ("9" * 5000, None),
    ],
)
def test_numbers(text: str, expected: float | None) -> None:
    assert read(p.TIMEOUT, text)[0] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("x", 100), ("", 100), ("0", 0), ("1.5", 100), ("1_0", 100), (str(2**31), 100), ("7", 7)],
)
def test_page_sizes(text: str, expected: int) -> None:
    assert read(p.TOP, text)[0] == expected


def test_a_negative_page_size_is_refused() -> None:
    with pytest.raises(InvalidName, match=r"top is '-1'; it must be 0 or more\."):
        read(p.TOP, "-1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-02T03:04:05Z", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2024-01-02T03:04:05.1234567Z", datetime(2024, 1, 2, 3, 4, 5, 123_456, tzinfo=UTC)),
        ("2024-01-02T03:04:05+02:00", datetime(2024, 1, 2, 1, 4, 5, tzinfo=UTC)),
        ("2024-01-02T03:04:05 02:00", datetime(2024, 1, 2, 1, 4, 5, tzinfo=UTC)),
        ("2024-01-02 03:04:05", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2024-01-02", datetime(2024, 1, 2, tzinfo=UTC)),
        ("01/02/2024 03:04:05", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("rubbish", None),
        ("", None),
        ("0001-01-01T00:00:00+02:00", None),
    ],
)
def test_moments(text: str, expected: datetime | None) -> None:
    assert read(p.CREATED_FROM, text)[0] == expected


def test_statuses_by_name_and_number_unknown_ones_left_out() -> None:
    found, ignored = read(p.STATUSES, "Failed, 5,completed,Bogus,,99")
    assert found == (RuntimeStatus.FAILED, RuntimeStatus.TERMINATED)
    assert "'completed' is no status" in ignored[0]
    assert p.STATUSES.read({}, []) == ()


def test_texts_are_taken_as_they_are() -> None:
    assert read(p.REASON, "  ") == ("  ", [])
    assert p.REASON.read({}, []) is None


@pytest.mark.parametrize(
    ("parameter", "text"), [(p.PURGED_TO, "rubbish"), (p.PURGED_STATUSES, "Failed,Bogus")]
)
def test_a_strict_parameter_is_refused(parameter: p.Parameter[object], text: str) -> None:
    with pytest.raises(InvalidName, match=f"{parameter.name} is '{text}'; "):
        read(parameter, text)


def test_long_texts_are_cut_in_messages() -> None:
    (told,) = read(p.CREATED_FROM, "x" * 10_000)[1]
    assert len(told) < 250


@pytest.mark.parametrize("parse", [p.as_flag, p.as_number, p.as_page_size, p.as_moment])
def test_each_parser_says_its_rule(parse: Callable[[str], object]) -> None:
    with pytest.raises(p.Malformed, match="it must be "):
        parse("rubbish")
