"""8.7, rows 123, 131 and 133: sessions, whatever the app is said to be; activities on their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import durable as df
from durable.functions.config import config_from
from durable.hostjson import parse_host_json
from tests.conformance.conformance import covers


def session_seconds(runtime: str | None, *, enabled: bool | None = None) -> float | None:
    """How long an idle orchestrator stays in memory; None: the engine's default."""
    section = {} if enabled is None else {"extendedSessionsEnabled": enabled}
    environ = {} if runtime is None else {"FUNCTIONS_WORKER_RUNTIME": runtime}
    document = json.dumps({"extensions": {"durableTask": section}})
    return config_from(parse_host_json(document, environ)).session_seconds


@covers("dtfx-8.7-131", "dtfx-8.7-133")
@pytest.mark.parametrize("runtime", ["python", "node", None])
def test_sessions_are_on_unless_they_are_turned_off(runtime: str | None) -> None:
    assert session_seconds(runtime) is None
    assert session_seconds(runtime, enabled=True) is None
    assert session_seconds(runtime, enabled=False) == 0


@covers("dtfx-8.7-123")
def test_an_activity_is_called_by_the_engine_and_by_unit_tests_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = {"extensions": {"durableTask": {"storageProvider": {"partitionCount": 1}}}}
    (tmp_path / "host.json").write_text(json.dumps(document))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AzureWebJobsScriptRoot", raising=False)
    app = df.DFApp()

    @app.activity_trigger(input_name="person")
    def greet(person: dict[str, str]) -> str:
        return f"Hello, {person['name']}!"

    assert greet.activity_function({"name": "World"}) == "Hello, World!"
    shown = {function.get_function_name() for function in app.get_functions()}
    assert shown == {"durable_control_00", "durable_workitems", "durable_sweeper", "durable_api"}
