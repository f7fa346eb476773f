"""The rows themselves: complete, and with a reason wherever no test has to show them."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.conformance.report import RESULTS, Row, page, read_rows, read_run, verdict

ROWS = read_rows()


def test_every_upstream_test_has_a_row() -> None:
    assert Counter(row.section for row in ROWS) == {"8.1": 97, "8.5": 15, "8.6": 118, "8.7": 140}
    assert len({row.id for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.result], ids=lambda row: f"row-{row.section}-{row.number}"
)
def test_what_is_set_aside_says_why(row: Row) -> None:
    assert row.result in RESULTS
    assert row.why


RUN = """<testsuites><testsuite>
<testcase name="test_a[dtfx-8.1-1-memory]"/><testcase name="test_a[dtfx-8.1-1-azurite]"/>
<testcase name="test_b[dtfx-8.1-2+dtfx-8.1-3]"><failure/></testcase>
<testcase name="test_c[dtfx-8.1-4-azurite]"><skipped/></testcase>
</testsuite></testsuites>"""


def test_a_run_is_read_by_the_ids_of_its_tests() -> None:
    shown = read_run(RUN)
    rows = [Row(section="8.1", number=number, name="n", behaviour="b|c") for number in (1, 2, 3, 4)]
    assert [verdict(row, shown) for row in rows] == ["passes", "FAILS", "FAILS", "MISSING"]
    assert "| 1 | n: b\\|c | passes | Azurite, memory |" in page(rows, shown)
