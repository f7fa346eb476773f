"""Failures as data."""

from __future__ import annotations

from durable.model.failure import FailureDetails


def test_a_failure_reads_as_type_and_message() -> None:
    inner = FailureDetails(error_type="KeyError", message="'x'")
    failure = FailureDetails(error_type="shop.OutOfStock", message="none left", inner=inner)
    assert str(failure) == "shop.OutOfStock: none left"
    assert str(failure.inner) == "KeyError: 'x'"
