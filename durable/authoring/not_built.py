"""What a context will offer later; for now each says so. Signatures are 1.7's."""

# ruff: noqa: ARG002, N803 - the signatures are part of the contract

from __future__ import annotations

from typing import Any, NoReturn

from durable.engine.task_base import TaskBase
from durable.errors import UsageError


class NotBuiltYet:
    """Members of the orchestration context that this version of durable does not have."""

    def call_entity(
        self,
        entityId: Any,
        operationName: str,
        operationInput: Any = None,
        expected_type: Any = None,
    ) -> TaskBase:
        """Not built yet.

        Raises:
            UsageError: always.
        """
        _refuse("call_entity", "keep the state in an orchestration")

    def signal_entity(
        self, entityId: Any, operationName: str, operationInput: Any = None
    ) -> TaskBase:
        """Not built yet.

        Raises:
            UsageError: always.
        """
        _refuse("signal_entity", "keep the state in an orchestration")


def _refuse(name: str, instead: str) -> NoReturn:
    raise UsageError(f"{name} is not built yet in this version of durable; for now, {instead}.")
