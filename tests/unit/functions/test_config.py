"""What host.json and the app settings say about the engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from durable.client.starting import StartRules
from durable.errors import BadConfig
from durable.functions.config import AppConfig, config_from, read_config
from durable.hostjson import parse_host_json
from durable.hub.settings import HubSettings
from durable.model.versions import VersionFailure, VersionMatch, VersionPolicy
from durable.wire.envelopes import QueueEncoding


def config(document: object, **environ: str) -> AppConfig:
    return config_from(parse_host_json(json.dumps(document), environ))


def durable_task(**settings: object) -> dict[str, object]:
    return {"extensions": {"durableTask": settings}}


def test_the_defaults_are_the_originals() -> None:
    assert config({}) == AppConfig(
        hub=HubSettings(name="TestHubName", partition_count=4, queue_encoding=QueueEncoding.BASE64),
        connection_name="AzureWebJobsStorage",
        route_prefix="api",
        api_route="durabletask",
    )


def test_everything_that_can_be_set() -> None:
    document = {
        "extensions": {
            "http": {"routePrefix": ""},
            "queues": {"messageEncoding": "none", "visibilityTimeout": "00:00:05"},
            "durableTask": {
                "hubName": "%HUB%",
                "notificationUrl": "https://proxy/runtime/webhooks/durabletask/?code=x",
                "ownLeaseSeconds": 45,
                "maxConcurrentActivityFunctions": "7",
                "maxConcurrentOrchestratorFunctions": 8,
                "httpSettings": {"route": "/durable/v1/", "useForwardedHost": True},
                "storageProvider": {"connectionName": "Store", "partitionCount": 16},
            },
        }
    }
    assert config(document, HUB="MyHub") == AppConfig(
        hub=HubSettings(name="MyHub", partition_count=16, queue_encoding=QueueEncoding.UTF8),
        connection_name="Store",
        route_prefix="",
        api_route="durable/v1",
        links_base="https://proxy/runtime/webhooks/durabletask",
        use_forwarded_host=True,
        retry_seconds=5,
        own_lease_seconds=45,
        max_activities=7,
        max_orchestrators=8,
    )


def test_the_time_between_polls_is_set_in_milliseconds() -> None:
    name = "defaultAsyncRequestSleepTimeMilliseconds"
    assert config(durable_task(httpSettings={name: 1500})).http_poll_seconds == 1.5
    assert config(durable_task(httpSettings={})).http_poll_seconds is None
    with pytest.raises(BadConfig, match=name):
        config(durable_task(httpSettings={name: 0}))


def test_the_apis_path() -> None:
    assert config({}).api_base == "api/durabletask"
    assert config({"extensions": {"http": {"routePrefix": ""}}}).api_base == "durabletask"


def test_app_settings_win_over_host_json() -> None:
    setting = "AzureFunctionsJobHost__extensions__durableTask__hubName"
    assert config(durable_task(hubName="File"), **{setting: "Setting"}).hub.name == "Setting"


def test_the_hub_is_named_after_the_site_when_nothing_names_it() -> None:
    assert config({}, WEBSITE_SITE_NAME="my-site-1").hub.name == "mysite1"


def test_the_old_name_of_the_connection_counts() -> None:
    old = durable_task(storageProvider={"connectionStringName": "Old"})
    assert config(old).connection_name == "Old"


def test_a_lease_of_nought_is_the_hosts() -> None:
    assert config(durable_task(ownLeaseSeconds=0)).own_lease_seconds is None


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"hubName": "a-b"}, "Hub name 'a-b' is not valid"),
        ({"hubName": "%GONE%"}, "no app setting 'GONE'"),
        ({"storageProvider": {"partitionCount": 17}}, "1 to 16"),
        ({"storageProvider": {"partitionCount": "four"}}, "1 to 16"),
        ({"storageProvider": {"type": "mssql"}}, "keeps its state in Azure Storage"),
        ({"httpSettings": {"route": "admin/x"}}, "'admin' or 'runtime'"),
        ({"httpSettings": {"route": "Runtime"}}, "'admin' or 'runtime'"),
        ({"httpSettings": {"route": "a/{b}"}}, "a plain path"),
        ({"httpSettings": {"route": "/"}}, "a plain path"),
        ({"notificationUrl": "proxy"}, "http:// or https://"),
        ({"ownLeaseSeconds": 5}, "10 to 600"),
    ],
)
def test_settings_that_break_a_rule(settings: dict[str, object], said: str) -> None:
    with pytest.raises(BadConfig, match=said):
        config(durable_task(**settings))


def test_where_host_json_is_looked_for(tmp_path: Path) -> None:
    root, beside = tmp_path / "root", tmp_path / "beside"
    for folder in (root, beside):
        folder.mkdir()
        (folder / "host.json").write_text(json.dumps(durable_task(hubName=folder.name)))
    empty = tmp_path / "empty"
    assert read_config({}, [empty, beside]).hub.name == "beside"
    assert read_config({"AzureWebJobsScriptRoot": str(root)}, [beside]).hub.name == "root"
    with pytest.raises(BadConfig, match=r"no host\.json in .*empty"):
        read_config({}, [empty])


def test_the_rules_for_starts_and_versions() -> None:
    assert config({}).rules == StartRules()
    assert config(durable_task(defaultVersion="")).rules == StartRules()
    settings = durable_task(
        defaultVersion="%RELEASE%",
        versionMatchStrategy="strict",
        versionFailureStrategy="FAIL",
        overridableExistingInstanceStates="anystate",
        maxOrchestrationActions="500",
    )
    found = config(settings, RELEASE="2.1")
    assert found.rules == StartRules(
        versions=VersionPolicy(
            version="2.1", match=VersionMatch.STRICT, failure=VersionFailure.FAIL
        ),
        override_running=True,
    )
    assert found.max_actions == 500


def test_a_version_may_be_a_whole_number_and_no_other() -> None:
    assert config(durable_task(defaultVersion=3)).rules.versions.version == "3"
    with pytest.raises(BadConfig, match=r"defaultVersion is the number 1\.1; write it in quotes"):
        config(durable_task(defaultVersion=1.10))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"versionMatchStrategy": "Newer"}, "None, Strict, CurrentOrOlder"),
        ({"versionFailureStrategy": "Ignore"}, "Reject, Fail"),
        ({"overridableExistingInstanceStates": "Running"}, "NonRunningStates, AnyState"),
        ({"maxOrchestrationActions": -1}, "1 to 2147483647"),
    ],
)
def test_rules_that_there_are_not(settings: dict[str, object], said: str) -> None:
    with pytest.raises(BadConfig, match=said):
        config(durable_task(**settings))
