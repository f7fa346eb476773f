"""Small apps in folders of their own, and what runs them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from durable.host.index import IndexedFunction, index_app
from durable.host.invoke import Invoker
from tests.unit.host.host_clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


MakeApp = Callable[..., Path]


@pytest.fixture
def make_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeApp]:
    """Write a function_app.py (and host.json) into a folder, and forget it afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))

    def make(code: str, host: dict[str, object] | None = None) -> Path:
        (tmp_path / "function_app.py").write_text(dedent(code))
        (tmp_path / "host.json").write_text(json.dumps(host or {"version": "2.0"}))
        return tmp_path

    yield make
    sys.modules.pop("function_app", None)


@pytest.fixture
def index(make_app: MakeApp) -> Callable[[str], tuple[IndexedFunction, ...]]:
    """The functions of an app given as code."""
    return lambda code: index_app(make_app(code)).functions


@pytest.fixture
def invoker(clock: ManualClock) -> Iterator[Invoker]:
    made = Invoker(clock, "/app", None)
    yield made
    made.close()
