"""host.json's durableTask section: one table, what of it is honoured, what is named at start."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import durable as df
from durable.errors import BadConfig, EngineBug
from durable.functions.config import AppConfig, config_from
from durable.functions.host_settings import HostSettings
from durable.functions.setting import Kind, Setting
from durable.functions.settings_table import BY_PATH, ROOT, SETTINGS
from durable.hostjson import HostJson, parse_host_json
from durable.hub.settings import HubSettings
from durable.runtime.settings import EngineSettings
from tests.conformance.conformance import covers

HONOURED = [setting for setting in SETTINGS if setting.is_honoured]
UNUSED = [setting for setting in SETTINGS if not setting.is_honoured]
#: Those that a text is never wrong for have their own rules in test_config.
TYPED = [setting for setting in HONOURED if setting.kind is not Kind.TEXT]


def host_json(path: str, value: object) -> HostJson:
    tree: object = value
    for name in reversed(f"{ROOT}.{path}".split(".")):
        tree = {name: tree}
    return parse_host_json(json.dumps(tree), {})


def config(path: str, value: object) -> AppConfig:
    return config_from(host_json(path, value))


RECORDED = Path(__file__).parents[2] / "golden/data/default-settings.json"
#: Later than what was recorded.
NEWER = (
    "defaultVersion",
    "versionMatchStrategy",
    "versionFailureStrategy",
    "notificationUrl",
    "grpcHttpClientTimeout",
    "maxGrpcMessageSizeInBytes",
    "httpSettings.useForwardedHost",
    "storageProvider.type",
    "storageProvider.queueClientMessageEncoding",
    "storageProvider.useInstanceTableEtag",
    "storageProvider.partitionTableOperationTimeout",
    *(
        f"notifications.eventGrid.{name}"
        for name in (
            "topicEndpoint",
            "keySettingName",
            "publishRetryCount",
            "publishRetryInterval",
            "publishRetryHttpStatus",
            "publishEventTypes",
        )
    ),
)


def leaves(node: object, path: tuple[str, ...] = ()) -> Iterator[str]:
    if isinstance(node, dict) and node:
        for name, below in node.items():
            yield from leaves(below, (*path, name))
    else:
        yield ".".join(path)


def test_every_key_of_the_original_is_in_the_table_once() -> None:
    assert len(BY_PATH) == len(SETTINGS)
    for recorded in json.loads(RECORDED.read_text()).values():
        groups = {**recorded["options"], "storageProvider": recorded["storageProvider"]}
        del groups["StorageProvider"], groups["Notifications"]
        paths = {path.lower() for path in leaves(groups)}
        assert len(paths) > 30
        assert paths <= BY_PATH.keys()
    assert {path.lower() for path in NEWER} <= BY_PATH.keys()


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: str(setting.path))
def test_every_row_says_what_it_does_or_why_it_does_nothing(setting: Setting) -> None:
    assert setting.is_honoured != bool(setting.because)
    assert setting.does is not None or not setting.worker_only
    if setting.kind is Kind.INTEGER and setting.is_honoured:
        assert 0 <= setting.low < setting.high
        assert setting.default is None or setting.low <= int(str(setting.default)) <= setting.high
    if setting.kind is Kind.CHOICE:
        assert setting.default in setting.choices


@pytest.mark.parametrize("setting", TYPED, ids=lambda setting: str(setting.path))
@pytest.mark.parametrize("value", [{"a": 1}, [1], "rubbish", -1, 1.5], ids=repr)
def test_a_wrong_value_stops_the_app_with_path_value_and_rule(
    setting: Setting, value: object
) -> None:
    with pytest.raises(BadConfig) as caught:
        config(setting.path, value)
    text = str(caught.value)
    assert f"host.json: {ROOT}.{setting.path} is " in text
    assert "it must be " in text


@pytest.mark.parametrize(
    "setting",
    [setting for setting in HONOURED if setting.kind is Kind.INTEGER],
    ids=lambda setting: str(setting.path),
)
def test_a_number_keeps_to_its_range(setting: Setting) -> None:
    for fits in (setting.low, setting.high, str(setting.high)):
        assert config(setting.path, fits).remarks == ()
    with pytest.raises(BadConfig, match=f"{setting.low} to {setting.high}"):
        config(setting.path, setting.high + 1)


def test_the_table_s_defaults_are_the_engine_s() -> None:
    engine = EngineSettings()
    expected = {
        "maxConcurrentActivityFunctions": engine.max_concurrent_activities,
        "maxConcurrentOrchestratorFunctions": engine.max_concurrent_orchestrators,
        "maxConcurrentEntityFunctions": engine.max_concurrent_entities,
        "maxEntityOperationBatchSize": engine.entity_batch,
        "entityMessageReorderWindowInMinutes": engine.entity_window_seconds / 60,
        "maxOrchestrationActions": engine.max_actions,
        "maxHistoryEvents": engine.max_history_events,
        "maxHistoryBytes": engine.max_history_bytes,
        "maxPayloadBytes": HubSettings(name="TheHub").payload_limit_bytes,
        "extendedSessionIdleTimeoutInSeconds": engine.session_idle_seconds,
        "httpSettings.defaultAsyncRequestSleepTimeMilliseconds": engine.http_poll_seconds * 1000,
    }
    assert {path: BY_PATH[path.lower()].default for path in expected} == expected


@pytest.mark.parametrize("setting", UNUSED, ids=lambda setting: str(setting.path))
def test_what_has_no_effect_is_named_with_its_reason(setting: Setting) -> None:
    (remark,) = config(setting.path, "something").remarks
    assert remark == f"host.json: {ROOT}.{setting.path} has no effect: {setting.because}."


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("useAppLease", False),
        ("storeInputsInOrchestrationHistory", "True"),
        ("tracing.traceInputsAndOutputs", False),
        ("notifications.eventGrid", None),
        ("notifications.eventGrid.topicEndpoint", ""),
        ("notifications.eventGrid.publishEventTypes", []),
        ("appLeaseOptions", {}),
        ("tracing.version", None),
    ],
)
def test_who_asks_for_what_happens_anyway_is_told_nothing(path: str, value: object) -> None:
    assert config(path, value).remarks == ()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("hubNam", "hubnam is unknown and has no effect; did you mean hubName?"),
        ("storageProvider.partitionCounts", "did you mean storageProvider.partitionCount?"),
        ("httpSettings.rout", "did you mean httpSettings.route?"),
        ("zzz", "zzz is unknown and has no effect."),
    ],
)
def test_an_unknown_setting_is_named_with_a_near_one(path: str, said: str) -> None:
    (remark,) = config(path, 5).remarks
    assert remark.endswith(said)


@pytest.mark.parametrize("path", ["storageProvider", "tracing", "notifications.eventGrid"])
def test_a_group_that_is_no_object_stops_the_app(path: str) -> None:
    with pytest.raises(BadConfig, match=re.escape(f"{ROOT}.{path} is 5; it must be an object.")):
        config(path, 5)


def test_the_whole_section_must_be_an_object() -> None:
    document = json.dumps({"extensions": {"durableTask": [1]}})
    with pytest.raises(BadConfig, match=re.escape(f"{ROOT} is [1]; it must be an object.")):
        config_from(parse_host_json(document, {}))


def test_an_app_setting_without_effect_is_named_too() -> None:
    environ = {"AzureFunctionsJobHost__extensions__durableTask__useAppLease": "true"}
    (remark,) = config_from(parse_host_json("{}", environ)).remarks
    assert "useAppLease has no effect" in remark


def test_sessions() -> None:
    assert config("extendedSessionsEnabled", False).session_seconds == 0
    assert config("extendedSessionsEnabled", True).session_seconds is None
    assert config("extendedSessionIdleTimeoutInSeconds", 30).session_seconds == 30


def test_entities() -> None:
    assert config("maxConcurrentEntityFunctions", 3).max_entities == 3
    assert config("maxEntityOperationBatchSize", "50").entity_batch == 50
    assert config("maxEntityOperationBatchSize", 0).entity_batch is None
    window = "entityMessageReorderWindowInMinutes"
    assert config(window, 5).entity_window == timedelta(minutes=5)
    # Other than elsewhere 0 is no default here: it turns the sorting off.
    assert config(window, 0).entity_window == timedelta(0)
    assert config("hubName", "MyHub").entity_window is None


def test_failed_operations_always_leave_the_entity_as_it_was() -> None:
    path = "rollbackEntityOperationsOnExceptions"
    (remark,) = config(path, False).remarks
    assert remark.endswith(
        "has no effect: an operation that fails leaves the entity as it was, and sends nothing."
    )
    assert config(path, True).remarks == ()


def test_old_places_count_unless_the_new_one_is_set() -> None:
    assert config("partitionCount", 7).hub.partition_count == 7
    assert config("azureStorageConnectionStringName", "Old").connection_name == "Old"
    both = {
        "extensions": {
            "durableTask": {
                "partitionCount": 7,
                "azureStorageConnectionStringName": "Old",
                "storageProvider": {"partitionCount": 4, "connectionName": "New"},
            }
        }
    }
    found = config_from(parse_host_json(json.dumps(both), {}))
    assert (found.hub.partition_count, found.connection_name) == (4, "New")


def test_a_tracking_store_of_its_own() -> None:
    found = config("storageProvider.trackingStoreConnectionName", "Track")
    assert found.tracking_connection == "Track"
    assert found.hub.names.instances_table == "DurableTaskInstances"
    old = {"trackingStoreConnectionStringName": "Track", "trackingStoreNamePrefix": "Mine"}
    assert config("storageProvider", old).hub.names.history_table == "MineHistory"
    with pytest.raises(BadConfig, match="trackingStoreNamePrefix is '1x'; it must be "):
        config("storageProvider", old | {"trackingStoreNamePrefix": "1x"})


def test_a_prefix_without_a_tracking_store_is_named() -> None:
    found = config("storageProvider.trackingStoreNamePrefix", "Mine")
    assert found.hub.tracking_prefix is None
    assert found.remarks[0].endswith("has no effect without trackingStoreConnectionName.")


def test_code_that_reads_what_the_table_doesn_t_say_is_a_bug() -> None:
    with pytest.raises(EngineBug, match="useAppLease"):
        HostSettings(host_json("x", 1)).flag("useAppLease")


@covers("dtfx-8.7-139")
def test_the_app_says_it_once_at_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"hubName": "TheHub", "useAppLease": True, "nonsense": 1}
    document = {"extensions": {"durableTask": settings}}
    (tmp_path / "host.json").write_text(json.dumps(document))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AzureWebJobsScriptRoot", raising=False)
    app = df.DFApp()

    @app.activity_trigger(input_name="name")
    def hello(name: str) -> str:
        return name

    with caplog.at_level(logging.INFO, logger="durable.functions"):
        app.get_functions()
    said = [record for record in caplog.records if "no effect" in record.getMessage()]
    assert [record.levelname for record in said] == ["WARNING", "WARNING"]
    assert "useAppLease" in said[0].getMessage()
    assert "nonsense is unknown" in said[1].getMessage()


def test_limits_of_histories_payloads_and_the_loop() -> None:
    assert config("maxHistoryEvents", 500).max_history_events == 500
    assert config("maxHistoryEvents", 0).max_history_events is None
    assert config("maxHistoryBytes", "9000000000").max_history_bytes == 9_000_000_000
    small, large = config("maxPayloadBytes", 4096).hub, config("maxPayloadBytes", 200_000_000).hub
    assert (small.payload_limit_bytes, large.payload_limit_bytes) == (4096, 200_000_000)
    # What others wrote, or this app before, is read all the same.
    assert small.max_payload_bytes == HubSettings(name="TheHub").max_payload_bytes
    assert large.max_payload_bytes == 800_000_000
    assert config("hubName", "MyHub").loop_blocked_seconds == 1
    assert config("loopBlockedSeconds", 5).loop_blocked_seconds == 5
    assert config("loopBlockedSeconds", 0).loop_blocked_seconds is None
