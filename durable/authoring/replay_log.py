"""A logger that is silent while an orchestrator runs through what it did before."""

from __future__ import annotations

import logging
from collections.abc import Callable, MutableMapping
from typing import Any


class ReplaySafeLogger(logging.LoggerAdapter[logging.Logger]):
    """Passes on what is logged, unless `is_silent` says that it was logged before."""

    def __init__(self, logger: logging.Logger, is_silent: Callable[[], bool]) -> None:
        super().__init__(logger, {})
        self._is_silent = is_silent

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - logging's name
        """Whether a record of `level` would be passed on now."""
        return not self._is_silent() and super().isEnabledFor(level)

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Message and arguments as they are: the user's `extra` is kept."""
        return msg, kwargs
