"""What a row of the Instances table says about an instance."""

from __future__ import annotations

import pytest

from durable.model.status import TERMINAL, InstanceRow, RuntimeStatus


@pytest.mark.parametrize("status", RuntimeStatus)
def test_only_ended_instances_are_terminal(status: RuntimeStatus) -> None:
    ended = {"Completed", "Failed", "Canceled", "Terminated"}
    assert status.is_terminal is (status.value in ended)
    assert (status in TERMINAL) is status.is_terminal


def test_the_texts_are_the_originals() -> None:
    assert {str(status) for status in RuntimeStatus} == {
        "Running",
        "Completed",
        "ContinuedAsNew",
        "Failed",
        "Canceled",
        "Terminated",
        "Pending",
        "Suspended",
    }


@pytest.mark.parametrize(
    ("status", "sequence", "unstarted"),
    [
        (RuntimeStatus.PENDING, None, True),
        (RuntimeStatus.PENDING, 0, False),
        (RuntimeStatus.PENDING, 3, False),
        (RuntimeStatus.RUNNING, None, False),
        (None, None, False),
    ],
)
def test_r5_a_row_is_unstarted_while_pending_without_a_checkpoint(
    status: RuntimeStatus | None, sequence: int | None, unstarted: bool
) -> None:
    row = InstanceRow(
        instance_id="i", execution_id="e", status=status, checkpoint_sequence=sequence
    )
    assert row.is_unstarted is unstarted
