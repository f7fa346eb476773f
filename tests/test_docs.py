"""The documentation says what the code reads, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from durable.api.contract import COMMON_PARAMETERS, CONTRACTS
from durable.api.routes import ROUTES
from tests import settings_page

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
SETTINGS = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_to_files_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_the_tables_of_settings_are_those_of_the_code() -> None:
    assert settings_page.page(SETTINGS) == SETTINGS, "run make docs"


def test_a_page_without_its_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="must hold one table"):
        settings_page.page("nothing")


def test_every_setting_of_host_json_is_in_the_table() -> None:
    source = (ROOT / "durable/functions/config.py").read_text(encoding="utf-8")
    shared = (ROOT / "durable/hostjson.py").read_text(encoding="utf-8")
    own = set(re.findall(r'"((?:extensions|functionTimeout)[A-Za-z.]*)"', source + shared))
    own -= {"extensions.durableTask"}
    assert len(own) >= 5
    assert [name for name in sorted(own) if f"`{name}`" not in SETTINGS] == []
    # The rest is read by the table, which refuses what it doesn't hold.
    assert "host.integer(" not in source


def test_every_app_setting_is_in_the_table() -> None:
    names = {"DURABLE_API_KEY", "DURABLE_AZURITE_PORT", "DURABLE_HOST_LEASE_SECONDS", "PORT"}
    sources = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("functions", "host")
        for path in (ROOT / "durable" / folder).glob("*.py")
    )
    for name in names:
        assert f'"{name}"' in sources, f"{name} is documented and not read"
        assert f"`{name}`" in SETTINGS
    assert set(re.findall(r'"(DURABLE_[A-Z_]+)"', sources)) <= names


def test_every_route_is_in_the_reference() -> None:
    told = (ROOT / "docs/reference/http-api.md").read_text(encoding="utf-8")
    for _, segments, operation in ROUTES:
        word = next(each for each in reversed(segments) if not each.startswith("{"))
        assert word in told, operation
    for made in CONTRACTS.values():
        for parameter in (*made.parameters, *COMMON_PARAMETERS):
            assert f"`{parameter.name}" in told, parameter.name


def test_each_rule_of_the_commit_is_told_and_has_a_test() -> None:
    told = (ROOT / "docs/concepts/the-commit.md").read_text(encoding="utf-8")
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    for number in range(1, 13):
        assert f"| R{number} |" in told
        assert re.search(rf"def test_(?:\w+_)?r{number}_", tests), f"no test shows R{number}"
