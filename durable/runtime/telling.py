"""An error as the log may have it: the log holds no payloads."""

from __future__ import annotations

import traceback

from durable.errors import DurableError

_FRAMES = 8


def told(error: BaseException) -> str:
    """One of ours says what it is; another's text may hold a payload, so where it came from."""
    if isinstance(error, DurableError):
        return f"{type(error).__name__}: {error}"
    frames = [f"{f.filename}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)]
    return f"{type(error).__name__} at {' <- '.join(reversed(frames[-_FRAMES:]))}"
