"""Fixtures for every test: one Azurite per pytest process, and a clock that stands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.azurite_process import azurite
from tests.manual_clock import ManualClock


@pytest.fixture(scope="session")
def azurite_connection_string() -> Iterator[str]:
    """An Azurite in memory, started with the first test that asks for it.

    Each xdist worker has its own: it starts in about a second, and no test waits for another's.
    """
    with azurite() as connection_string:
        yield connection_string


@pytest.fixture
def manual_clock() -> ManualClock:
    return ManualClock()
