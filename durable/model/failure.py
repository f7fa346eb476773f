"""An exception as data: type, message, traceback and cause, without the exception object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class FailureDetails:
    """What is known of an exception after it crossed a process.

    The names follow DurableTask.Core's ``FailureDetails``, so a .NET worker reads ours.
    `error_type` is ``module.QualName`` (builtins without the module). `properties` holds JSON
    texts by name.
    """

    error_type: str
    message: str
    stack_trace: str | None = None
    inner: FailureDetails | None = None
    is_non_retriable: bool = False
    properties: Mapping[str, str] | None = None

    def __str__(self) -> str:
        return f"{self.error_type}: {self.message}"
