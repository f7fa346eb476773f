"""Hears everything that is logged, at any level, by anybody; and knows what must not be in it."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

#: In whatever is a payload or a key of the tests' own; no test may find it in a log.
SECRET = "s3cr3t"


class Heard(logging.Handler):
    """Keeps what records say: message, traceback, and what is attached to them."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "aiohttp.access":
            return  # of the tests' own servers; the local host has none
        parts = [record.getMessage(), repr(vars(record))]
        if record.exc_info and record.exc_info[1] is not None:
            parts += traceback.format_exception(record.exc_info[1])
        self.lines.append("\n".join(parts))

    def assert_nothing_secret(self, *, but_something: bool = True) -> None:
        assert self.lines or not but_something
        told = [line for line in self.lines if SECRET in line]
        assert not told, "\n\n".join(told[:8])


@contextmanager
def heard() -> Iterator[Heard]:
    """All loggers at DEBUG, those too that keep quiet otherwise."""
    handler, root = Heard(), logging.getLogger()
    names = [name for name in logging.root.manager.loggerDict if not name.startswith("hypothesis")]
    loggers = [root, *(logging.getLogger(name) for name in (*names, "durable.storage.azure.http"))]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    root.addHandler(handler)
    try:
        yield handler
    finally:
        root.removeHandler(handler)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def told(error: BaseException) -> str:
    """Everything that printing an error shows: its text, its causes, its attributes."""
    shown = [str(error), repr(error), "".join(traceback.format_exception(error))]
    return "\n".join(shown)
