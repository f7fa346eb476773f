"""docs/conformance.md, made from the rows and a test run's JUnit file.

python -m tests.conformance.report RUN.xml            write the page
python -m tests.conformance.report --check RUN.xml    fail if it isn't what the run says
"""

from __future__ import annotations

import re
import sys
import tomllib
import xml.etree.ElementTree as ElementTree
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROWS = Path(__file__).with_name("rows")
PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
TITLES = {
    "8.1": "AzureStorageScenarioTests",
    "8.5": "Other DurableTask.AzureStorage.Tests",
    "8.6": "DurableTask.Core.Tests",
    "8.7": "Extension DurableTaskEndToEndTests",
}
#: What a row's file may say; whatever has no such word must be shown by tests.
RESULTS = ("different", "not applicable", "not built", "issue 5", "issue 6", "issue 7")
_PLACES = {"memory": "memory", "cold": "memory", "azurite": "Azurite"}
_NAMED = re.compile(r"dtfx-(\d\.\d)-(\d+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One upstream test, as a behaviour."""

    section: str
    number: int
    name: str
    behaviour: str
    result: str = ""
    why: str = ""

    @property
    def id(self) -> str:
        """What a test's id carries."""
        return f"dtfx-{self.section}-{self.number}"


@dataclass(slots=True)
class Shown:
    """What the run says about one row."""

    passed: int = 0
    failed: int = 0
    places: set[str] = field(default_factory=set)


def read_rows() -> list[Row]:
    """Every row of the table, in order."""
    return [
        Row(section=section, **row)
        for section in TITLES
        for row in tomllib.loads((ROWS / f"{section}.toml").read_text(encoding="utf-8"))["row"]
    ]


def read_run(text: str) -> dict[str, Shown]:
    """What a JUnit file says, by row id. Tests that were skipped show nothing."""
    shown: dict[str, Shown] = defaultdict(Shown)
    for case in ElementTree.fromstring(text).iter("testcase"):
        name = case.get("name", "")
        tags = {child.tag for child in case}
        if "skipped" in tags:
            continue
        for section, number in set(_NAMED.findall(name)):
            row = shown[f"dtfx-{section}-{number}"]
            if tags & {"failure", "error"}:
                row.failed += 1
            else:
                row.passed += 1
            place = name.rstrip("]").rpartition("-")[2]
            row.places.add(_PLACES.get(place, "unit"))
    return shown


def verdict(row: Row, shown: Mapping[str, Shown]) -> str:
    """In a word: what the row came to."""
    tests = shown.get(row.id)
    if tests is not None and tests.failed:
        return "FAILS"
    if row.result:
        return row.result
    return "passes" if tests is not None else "MISSING"


def page(rows: list[Row], shown: Mapping[str, Shown]) -> str:
    """The whole page."""
    counts = Counter(verdict(row, shown) for row in rows)
    lines = [
        "# Conformance",
        "",
        "Every test of the original (Durable Task Framework and Durable Functions extension) about",
        "orchestrations, entities, client and HTTP, as a behaviour, and what ours does. Made by",
        "`make conformance` from a test run; don't edit. A test's id carries its row:",
        "`pytest -k dtfx-8.1-37`. Where it says memory, it ran with live sessions and without.",
        "",
        "| Result | Rows |",
        "|---|---|",
        *(f"| {word} | {count} |" for word, count in sorted(counts.items())),
        f"| all | {len(rows)} |",
        "",
    ]
    for section, title in TITLES.items():
        lines += [f"## {section} {title}", "", "| Row | Behaviour | Result | Shown on |"]
        lines.append("|---|---|---|---|")
        lines += [_line(row, shown) for row in rows if row.section == section]
        lines.append("")
    return "\n".join(lines)


def _line(row: Row, shown: Mapping[str, Shown]) -> str:
    tests = shown.get(row.id)
    places = ", ".join(sorted(tests.places, key=str.lower)) if tests is not None else ""
    result = verdict(row, shown)
    if row.why:
        result = f"{result}: {row.why}"
    cells = (str(row.number), f"{row.name}: {row.behaviour}", result, places)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main(arguments: list[str]) -> int:
    """Write the page, or check it; the process's exit code."""
    check = arguments[:1] == ["--check"]
    run = Path(arguments[-1]).read_text(encoding="utf-8")
    rows, shown = read_rows(), read_run(run)
    text = page(rows, shown)
    if not check:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    wrong = [row.id for row in rows if verdict(row, shown) in {"MISSING", "FAILS"}]
    if wrong:
        sys.stderr.write(f"No passing test for: {', '.join(wrong)}\n")
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        sys.stderr.write("docs/conformance.md is not what this run says: make conformance\n")
        return 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
