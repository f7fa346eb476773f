"""host.json, local.settings.json and the environment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from durable.errors import BadConfig
from durable.host.config import QueueSettings, load_local_settings, read_host_config


def write(root: Path, name: str, document: object) -> Path:
    (root / name).write_text(document if isinstance(document, str) else json.dumps(document))
    return root


def test_the_defaults_are_the_hosts(tmp_path: Path) -> None:
    config = read_host_config(write(tmp_path, "host.json", {"version": "2.0"}), {})
    assert config.route_prefix == "api"
    assert config.function_timeout_seconds == 1800
    assert config.queues == QueueSettings()


def test_what_host_json_says(tmp_path: Path) -> None:
    write(
        tmp_path,
        "host.json",
        {
            "functionTimeout": "-1",
            "extensions": {
                "http": {"routePrefix": "/"},
                "Queues": {
                    "BatchSize": 20,
                    "maxPollingInterval": "00:00:01",
                    "visibilityTimeout": "00:00:05",
                    "maxDequeueCount": 10,
                    "messageEncoding": "None",
                },
            },
        },
    )
    config = read_host_config(tmp_path, {"DURABLE_HOST_LEASE_SECONDS": "30"})
    assert config.route_prefix == ""
    assert config.function_timeout_seconds is None
    assert config.queues == QueueSettings(
        batch_size=20,
        new_batch_threshold=10,
        poll_max_seconds=1.0,
        retry_seconds=5,
        max_deliveries=10,
        lease_seconds=30,
        base64=False,
    )


def test_app_settings_win_over_host_json(tmp_path: Path) -> None:
    write(tmp_path, "host.json", {"extensions": {"queues": {"batchSize": 1}}})
    config = read_host_config(
        tmp_path, {"AzureFunctionsJobHost__extensions__queues__batchSize": "32"}
    )
    assert config.queues.batch_size == 32


@pytest.mark.parametrize(
    ("host", "environ", "said"),
    [
        ({"extensions": {"queues": {"batchSize": 33}}}, {}, "whole number, 1 to 32"),
        ({"extensions": {"queues": {"messageEncoding": "utf8"}}}, {}, "none, base64"),
        ({"functionTimeout": "ten"}, {}, "functionTimeout"),
        ({}, {"DURABLE_HOST_LEASE_SECONDS": "1"}, "DURABLE_HOST_LEASE_SECONDS"),
        ({}, {"DURABLE_HOST_LEASE_SECONDS": "x"}, "DURABLE_HOST_LEASE_SECONDS"),
        ("{", {}, "is not JSON"),
    ],
)
def test_settings_that_break_a_rule(
    tmp_path: Path, host: object, environ: dict[str, str], said: str
) -> None:
    with pytest.raises(BadConfig, match=said):
        read_host_config(write(tmp_path, "host.json", host), environ)


def test_a_folder_without_host_json(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="--script-root"):
        read_host_config(tmp_path, {})


def test_local_settings_fill_the_environment_and_the_shell_wins(tmp_path: Path) -> None:
    values = {"A": "file", "B": "file", "EMPTY": "", "GONE": None}
    write(tmp_path, "local.settings.json", {"IsEncrypted": False, "Values": values})
    environ = {"B": "shell"}
    load_local_settings(tmp_path, environ)
    assert environ == {
        "A": "file",
        "B": "shell",
        "EMPTY": "",
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "AzureWebJobsScriptRoot": str(tmp_path),
        "FUNCTIONS_WORKER_RUNTIME": "python",
    }


def test_no_local_settings_is_fine(tmp_path: Path) -> None:
    environ: dict[str, str] = {}
    load_local_settings(tmp_path, environ)
    assert environ["AZURE_FUNCTIONS_ENVIRONMENT"] == "Development"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"Values": {}}, '"IsEncrypted": false'),
        ({"IsEncrypted": True, "Values": {}}, '"IsEncrypted": false'),
        ({"IsEncrypted": False, "Values": []}, "Values must be an object"),
        ({"IsEncrypted": False, "Values": {"A": 1}}, "must be a text in quotes"),
        ({"IsEncrypted": False, "Values": {"FUNCTIONS_WORKER_RUNTIME": "node"}}, "'python' only"),
        ("[]", "must hold a JSON object"),
        ("nope", "is not JSON"),
    ],
)
def test_local_settings_that_break_a_rule(tmp_path: Path, document: object, said: str) -> None:
    write(tmp_path, "local.settings.json", document)
    with pytest.raises(BadConfig, match=said):
        load_local_settings(tmp_path, {})
