"""host.json as the host reads it."""

from __future__ import annotations

import json

import pytest

from durable.errors import BadConfig
from durable.hostjson import HostJson, parse_host_json, parse_time_span, resolve


def host(document: object, **environ: str) -> HostJson:
    return parse_host_json(json.dumps(document), environ)


def test_names_compare_without_case() -> None:
    assert (
        host({"Extensions": {"http": {"RoutePrefix": "x"}}}).text("extensions.HTTP.routePrefix")
        == "x"
    )


def test_an_app_setting_overrides_and_adds() -> None:
    settings = host(
        {"a": {"b": 1}, "c": 2},
        AzureFunctionsJobHost__A__b="3",
        azurefunctionsjobhost__c__d="4",
        AzureFunctionsJobHost__="x",
        AzureFunctionsJobHost="x",
        Other__a__b="9",
    )
    assert settings.integer("a.b", 0, low=0, high=9) == 3
    assert settings.value("c.d") == "4"
    colons = parse_host_json("{}", {"AzureFunctionsJobHost:a:b": "5"})
    assert colons.value("a.b") == "5"


def test_what_is_absent_is_the_default() -> None:
    empty = host({"a": 1})
    assert empty.value("a.b") is None
    assert empty.text("x", "d") == "d"
    assert empty.integer("x", 7, low=0, high=1) == 7
    assert empty.seconds("x", 1.5, low=0, high=1) == 1.5
    assert empty.flag("x", default=True)
    assert empty.choice("x", "one", ("One", "two")) == "One"


def test_references_are_replaced_but_for_those_the_host_leaves() -> None:
    settings = host({"a": "%X%-%Y%", "n": "%N%"}, X="1", Y="2", N="5")
    assert settings.text("a") == "1-2"
    assert settings.text("a", resolved=False) == "%X%-%Y%"
    assert settings.integer("n", 0, low=0, high=9) == 5
    with pytest.raises(BadConfig, match="no app setting 'Z'"):
        resolve("%Z%", {}, "here")
    assert resolve("100%", {}, "here") == "100%"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:00:01", 1),
        ("01:02:03", 3723),
        ("1.00:00:00", 86_400),
        ("00:00:00.5", 0.5),
        ("00:10", 600),
        ("24:00:00", None),
        ("00:60:00", None),
        ("00:00:60", None),
        ("5", None),
        ("", None),
    ],
)
def test_time_spans(text: str, seconds: float | None) -> None:
    assert parse_time_span(text) == seconds


def test_booleans_may_be_texts() -> None:
    settings = host({"a": True, "b": "False"})
    assert settings.flag("a", default=False)
    assert not settings.flag("b", default=True)


@pytest.mark.parametrize(
    "ask",
    [
        lambda h: h.text("dict"),
        lambda h: h.integer("dict", 0, low=0, high=9),
        lambda h: h.integer("true", 0, low=0, high=9),
        lambda h: h.integer("word", 0, low=0, high=9),
        lambda h: h.integer("big", 0, low=0, high=9),
        lambda h: h.seconds("word", 0, low=0, high=9),
        lambda h: h.seconds("big", 0, low=0, high=9),
        lambda h: h.seconds("span", 0, low=0, high=9),
        lambda h: h.flag("word", default=True),
        lambda h: h.choice("word", "a", ("a", "b")),
    ],
    ids=range(10),
)
def test_values_that_break_a_rule_are_named(ask) -> None:  # type: ignore[no-untyped-def]
    settings = host({"dict": {}, "true": True, "word": "x", "big": 10, "span": "00:01:00"})
    with pytest.raises(BadConfig, match=r"^host\.json: (dict|true|word|big|span) is "):
        ask(settings)


@pytest.mark.parametrize(("text", "said"), [("{", "not JSON"), ("[]", "JSON object")])
def test_files_that_are_no_settings(text: str, said: str) -> None:
    with pytest.raises(BadConfig, match=said):
        parse_host_json(text, {}, source="host.json")
