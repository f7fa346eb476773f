"""MODULE:APP, and what is said when it names no app."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from durable.cli.loading import load_app
from durable.errors import BadConfig
from durable.functions.app import DFApp

_numbers = itertools.count()
Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Write]:
    """Writes a module; its name, which no other test has."""
    path, modules = list(sys.path), set(sys.modules)

    def written(text: str) -> str:
        name = f"loaded_app_{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text(text)
        return name

    yield written
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def test_an_app_is_found_in_its_folder(write: Write, tmp_path: Path) -> None:
    name = write("import durable as df\nmine = df.DFApp()\n")
    assert isinstance(load_app(f"{name}:mine", tmp_path), DFApp)


@pytest.mark.parametrize(
    ("text", "app", "said"),
    [
        ("import durable as df\nmine = df.DFApp()", "app", "has no 'app'. It has mine."),
        ("", "app", "has no 'app'. Make one: app = df.DFApp()"),
        ("app = 5", "app", "is a int, not a df.DFApp. Make one"),
        (
            "import durable as df\nbp = df.Blueprint()\napp = df.DFApp()",
            "bp",
            "is a Blueprint, not a df.DFApp. It is a blueprint: register it with an app.",
        ),
        (
            "import azure.functions as f\napp = f.FunctionApp()",
            "app",
            "is a FunctionApp, not a df.DFApp.",
        ),
    ],
)
def test_what_is_no_app_is_told(
    text: str, app: str, said: str, write: Write, tmp_path: Path
) -> None:
    name = write(text)
    with pytest.raises(BadConfig) as caught:
        load_app(f"{name}:{app}", tmp_path)
    assert name in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize("target", ["function_app", ":app", "function_app:"])
def test_a_target_has_two_parts(target: str, tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="must be MODULE:APP, like function_app:app"):
        load_app(target, tmp_path)


def test_a_missing_module_is_told_with_the_folder(write: Write, tmp_path: Path) -> None:
    with pytest.raises(BadConfig) as caught:
        load_app("no_such_module:app", tmp_path)
    assert f"There is no module 'no_such_module' in {tmp_path}" in str(caught.value)
    with pytest.raises(BadConfig, match=r"There is no module 'no_such\.module'|'no_such'"):
        load_app("no_such.module:app", tmp_path)


def test_an_import_that_fails_is_told_with_its_line(write: Write, tmp_path: Path) -> None:
    name = write("import durable\n\n1 / 0\n")
    with pytest.raises(BadConfig) as caught:
        load_app(f"{name}:app", tmp_path)
    assert f'{name}.py", line 3' in str(caught.value)
    assert "ZeroDivisionError" in str(caught.value)
    assert "importlib" not in str(caught.value)


def test_a_module_that_the_app_lacks_is_another_s(write: Write, tmp_path: Path) -> None:
    name = write("import not_installed_at_all\n")
    with pytest.raises(BadConfig) as caught:
        load_app(f"{name}:app", tmp_path)
    assert f"{name} cannot be imported" in str(caught.value)
    assert "No module named 'not_installed_at_all'" in str(caught.value)
