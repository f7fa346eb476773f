"""Every sweep runs twice: on the fast path, and with every message through its queue."""

from __future__ import annotations

import pytest


@pytest.fixture(params=[True, False], ids=["fast", "plain"])
def fast(request: pytest.FixtureRequest) -> bool:
    """Whether the engine takes the fast path."""
    return bool(request.param)
