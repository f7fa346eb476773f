"""The command line: what it takes, and what it says when it cannot start."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from durable.cli.main import main

APP = """
import durable as df
app = df.DFApp()

@app.activity_trigger(input_name="name")
async def hello(name: str) -> str:
    return name
"""


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The command changes its process: folder, environment, modules, log."""
    for name in ("AzureWebJobsScriptRoot", "AZURE_FUNCTIONS_ENVIRONMENT", "AzureWebJobsStorage"):
        monkeypatch.setenv(name, "x")
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    path, root = list(sys.path), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    sys.path[:] = path
    sys.modules.pop("function_app", None)
    root.handlers[:], root.level = handlers, level


def write(folder: Path, settings: dict[str, str] | None = None, app: str = APP) -> None:
    (folder / "function_app.py").write_text(app)
    (folder / "host.json").write_text(json.dumps({"version": "2.0"}))
    if settings is not None:
        (folder / "local.settings.json").write_text(
            json.dumps({"IsEncrypted": False, "Values": settings})
        )


def test_the_folder_must_be_an_app_s(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["worker"]) == 2
    assert (
        f"The worker cannot start. There is no host.json in {tmp_path}" in capsys.readouterr().err
    )
    assert main(["worker", "--root", str(tmp_path / "none")]) == 2


def test_the_app_must_be_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path)
    assert main(["worker", "--root", str(tmp_path), "other_app:app"]) == 2
    assert "There is no module 'other_app'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (None, "AzureWebJobsStorage"),
        ({"AzureWebJobsStorage": "rubbish"}, "AzureWebJobsStorage"),
        ({"AzureWebJobsStorage": "UseDevelopmentStorage=true", "DURABLE_AZURITE_PORT": "x"}, "x"),
    ],
)
def test_the_connection_must_be_right(
    settings: dict[str, str] | None,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DURABLE_AZURITE_PORT", "1")
    monkeypatch.delenv("DURABLE_AZURITE_PORT")
    write(tmp_path, settings)
    assert main(["worker"]) == 2
    told = capsys.readouterr().err
    assert "The worker cannot start. " in told
    assert said in told


def test_a_wrong_setting_stops_it_before_the_app_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, app="raise AssertionError")
    provider = {"storageProvider": {"partitionCount": 17}}
    (tmp_path / "host.json").write_text(json.dumps({"extensions": {"durableTask": provider}}))
    assert main(["worker", "--processes", "3"]) == 2
    assert "partitionCount is 17" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "required: command"),
        (["worker", "--processes", "0"], "'0' is no whole number from 1 on"),
        (["worker", "--drain-seconds", "soon"], "'soon' is no whole number of seconds"),
    ],
)
def test_what_it_is_called_with_must_make_sense(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert said in capsys.readouterr().err
