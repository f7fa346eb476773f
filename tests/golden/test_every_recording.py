"""Every recorded scenario is run by ours, or it is said here why not."""

from __future__ import annotations

from tests.golden import (
    test_account_contents,
    test_hubs,
    test_large_tags,
    test_many_calls,
    test_scenarios_http,
)
from tests.golden.account_dump import DATA
from tests.golden.test_scenarios import SCENARIOS

_BOUNDARY = (
    "Messages of the exact size where they go to a blob, and ours have one property more; the "
    "recorder cut their texts. The limit is checked with the wire format (test_wire_messages.py)."
)
_EIGHT_DAYS = (
    "The framework alone never sets the timer: storage refuses a delay over seven days, and the "
    "instance stays Pending. Ours splits it, as the extension does (extension/timer_10_days)."
)
_LEASES = "Who owns a partition by blob leases, the older way: not built. It makes no other rows."

#: Recordings that have no run of ours beside them.
NOT_RUN = {
    "dtfx/03_boundary": _BOUNDARY,
    "dtfx/04_timer_8days": _EIGHT_DAYS,
    "dtfx/20_bootstrap_safe_manager": _LEASES,
}
#: Run, but what the recording is about besides rows and messages is shown elsewhere.
ABOUT_MORE = {
    "dtfx/19_two_hosts": "how its partitions change hands is in test_partition_owners.py",
    "dtfx/22_queries": "its queries are in request_plays.py and tests/contract/test_queries.py",
    "dtfx/23_hello_traced": "its traces: no tracing yet",
    "extension/legacy_partition_management": "partitions as in 20_bootstrap_safe_manager",
}


def test_every_recording_is_run_or_it_is_said_why_not() -> None:
    run = {
        *SCENARIOS,
        *test_account_contents.SCENARIOS,
        *test_hubs.SCENARIOS,
        *test_scenarios_http.SCENARIOS,
        test_large_tags.RECORDING,
        test_many_calls.RECORDING,
    }
    recordings = {
        f"{part}/{folder.name}"
        for part in ("dtfx", "extension")
        for folder in (DATA / part).iterdir()
    }
    assert len(recordings) == 96
    assert run | NOT_RUN.keys() == recordings
    assert not run & NOT_RUN.keys()
    assert ABOUT_MORE.keys() <= run
