from __future__ import annotations

import logging

import pytest

from durable.authoring.replay_log import ReplaySafeLogger


def test_it_is_silent_while_it_should_be(caplog: pytest.LogCaptureFixture) -> None:
    silent = True
    logger = ReplaySafeLogger(logging.getLogger("test.replay"), lambda: silent)
    with caplog.at_level(logging.INFO, logger="test.replay"):
        logger.info("before %s", 1)
        assert not logger.isEnabledFor(logging.ERROR)
        silent = False
        logger.info("after %s", 2, extra={"mine": 3})
        logger.debug("too quiet")
    (record,) = caplog.records
    assert record.getMessage() == "after 2"
    assert record.__dict__["mine"] == 3
    assert record.funcName == "test_it_is_silent_while_it_should_be"
