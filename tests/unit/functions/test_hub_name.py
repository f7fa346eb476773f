"""The task hub's name; of the conformance table 8.7, rows 125 to 130 and 137."""

from __future__ import annotations

import json

import pytest

from durable.errors import BadConfig
from durable.functions.config import config_from
from durable.hostjson import parse_host_json
from tests.conformance.conformance import covers

OTHER_SLOT = {"WEBSITE_SITE_NAME": "shop", "WEBSITE_SLOT_NAME": "staging"}


def named(hub: str | None, **environ: str) -> str:
    """The hub's name in an app whose host.json names `hub`."""
    section = {} if hub is None else {"hubName": hub}
    text = json.dumps({"extensions": {"durableTask": section}})
    return config_from(parse_host_json(text, environ)).hub.name


@covers("dtfx-8.7-125")
@pytest.mark.parametrize("hub", ["Task-Hub", "1TaskHub", "ab", "a" * 46, "Task Hub!", "", "äbc"])
def test_a_name_that_breaks_the_rule(hub: str) -> None:
    with pytest.raises(BadConfig, match="3 to 45 ASCII letters and digits, the first one a letter"):
        named(hub)


@covers("dtfx-8.7-126")
def test_a_name_of_ones_own_wins_over_the_sites() -> None:
    assert named(None, WEBSITE_SITE_NAME="TestSiteName") == "TestSiteName"
    assert named("MyOwn", WEBSITE_SITE_NAME="TestSiteName") == "MyOwn"
    assert named(None) == "TestHubName"


@covers("dtfx-8.7-127", "dtfx-8.7-137")
@pytest.mark.parametrize(
    ("site", "hub"),
    [
        ("my-site_1", "mysite1"),
        ("12-site", "t12site"),
        ("-__-", "DefaultTaskHub"),
        ("a-", "aHub"),
        ("1", "t1Hub"),
        ("x" * 60, "x" * 45),
        ("9" + "x" * 45, "t9" + "x" * 43),
    ],
)
def test_a_sites_name_is_made_to_fit(site: str, hub: str) -> None:
    assert named(None, WEBSITE_SITE_NAME=site) == hub


@covers("dtfx-8.7-128")
def test_a_slot_must_have_a_hub_of_its_own() -> None:
    said = r"must be specified in host.json when using slots.*'staging'.*'shop'.*HUB_NAME"
    for hub in (None, "shop"):
        with pytest.raises(BadConfig, match=said):
            named(hub, **OTHER_SLOT)
    assert named("shopStaging", **OTHER_SLOT) == "shopStaging"
    assert named("%HUB_NAME%", HUB_NAME="shopStaging", **OTHER_SLOT) == "shopStaging"
    assert named(None, **{**OTHER_SLOT, "WEBSITE_SLOT_NAME": "PRODUCTION"}) == "shop"


@covers("dtfx-8.7-129")
def test_app_settings_in_the_name_are_replaced() -> None:
    assert named("%TaskHubName%", TaskHubName="ValidTaskHub") == "ValidTaskHub"


@covers("dtfx-8.7-130")
def test_a_name_from_an_app_setting_keeps_to_the_rule_too() -> None:
    with pytest.raises(BadConfig, match="Hub name 'Invalid-Task Hub!' is not valid"):
        named("%TaskHubName%", TaskHubName="Invalid-Task Hub!")
