"""How a failure is told on the console: in full when it is code, in a line when it is the world."""

from __future__ import annotations

import traceback

from durable.errors import StorageError, UsageError
from durable.host.invoke import InvocationTimeoutError, UnexpectedReturnError

_PLAIN = (StorageError, UsageError, InvocationTimeoutError, UnexpectedReturnError)


def failure_text(error: BaseException) -> str:
    """`error` for a log line.

    A traceback helps with a bug in user code; storage that doesn't answer, a bad setting or an
    overrun has a message that says all, and would only be buried under one.
    """
    if isinstance(error, _PLAIN) or (
        isinstance(error, RuntimeError) and isinstance(error.__context__, _PLAIN)
    ):
        return str(error)
    return "".join(traceback.format_exception(error)).rstrip()
