"""A hub's settings: checked when made, and what follows from them."""

from __future__ import annotations

import pytest

from durable.errors import BadConfig
from durable.hub.settings import HubSettings


def test_names_follow_from_name_and_count() -> None:
    settings = HubSettings(name="MyHub", partition_count=2)
    assert settings.names.control_queues == ("myhub-control-00", "myhub-control-01")
    assert settings.names.history_table == "MyHubHistory"


@pytest.mark.parametrize(("name", "count"), [("no-dash", 4), ("ab", 4), ("MyHub", 0)])
def test_what_breaks_a_rule_is_refused(name: str, count: int) -> None:
    with pytest.raises(BadConfig):
        HubSettings(name=name, partition_count=count)


def test_r7_identities_outlive_five_leases_and_a_grace_by_default() -> None:
    settings = HubSettings(name="MyHub")
    assert settings.lease_seconds == 600
    assert settings.identity_seconds == 5 * 600 + 20


def test_r11_the_grace_is_20_s_and_20_ms_a_message() -> None:
    settings = HubSettings(name="MyHub")
    assert [settings.grace_for(n) for n in (0, 1, 1000)] == [20.0, 20.02, 40.0]
