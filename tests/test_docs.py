"""The documentation says what the code reads, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
SETTINGS = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_to_files_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_every_setting_of_host_json_is_in_the_table() -> None:
    source = (ROOT / "durable/functions/config.py").read_text(encoding="utf-8")
    read = set(re.findall(r'f"\{_(?:HUB|STORAGE)\}\.([A-Za-z.]+)"', source))
    read |= set(re.findall(r'"(extensions\.[a-z]+\.[A-Za-z]+)"', source))
    read -= {"storageProvider", "extensions.durableTask"}
    assert len(read) >= 10
    missing = [name for name in sorted(read) if name.rsplit(".", 1)[-1] not in SETTINGS]
    assert missing == []


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


def test_each_rule_of_the_commit_is_told_and_has_a_test() -> None:
    told = (ROOT / "docs/concepts/the-commit.md").read_text(encoding="utf-8")
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    for number in range(1, 13):
        assert f"| R{number} |" in told
        assert re.search(rf"def test_(?:\w+_)?r{number}_", tests), f"no test shows R{number}"
