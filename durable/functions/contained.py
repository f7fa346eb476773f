"""Keeps a cancellation inside the function it hits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def contained(name: str) -> Iterator[None]:
    """Turn an escaping CancelledError into a RuntimeError.

    The worker catches Exception only: a CancelledError would leave the host without an answer
    until functionTimeout, which then kills the whole process (functions-host.md 3.1).
    """
    try:
        yield
    except asyncio.CancelledError as error:
        raise RuntimeError(
            f"Function {name!r} was cancelled; the host will deliver again what is not done."
        ) from error
