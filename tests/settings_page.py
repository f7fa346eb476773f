"""Writes the tables of docs/reference/settings.md from the table that the code reads by.

``python -m tests.settings_page`` (``make docs``) writes them; a test says when they are not up to
date. What stands between the tables is written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from durable.functions.setting import AppSetting, Kind, Setting
from durable.functions.settings_table import APP_SETTINGS, ROOT, SETTINGS

PAGE = Path(__file__).resolve().parent.parent / "docs/reference/settings.md"


def page(text: str) -> str:
    """`text` with each table made anew."""
    tables = {
        "honoured": _honoured([each for each in SETTINGS if each.is_honoured]),
        "worker": _honoured([each for each in SETTINGS if each.worker_only]),
        "without effect": _unused([each for each in SETTINGS if each.does is None]),
        "app settings": _app([each for each in APP_SETTINGS if not each.local_host]),
        "local host": _app([each for each in APP_SETTINGS if each.local_host]),
    }
    for name, table in tables.items():
        begin, end = f"<!-- begin: {name} (make docs) -->", f"<!-- end: {name} -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise ValueError(f"The page must hold one table between {begin} and {end}.")
        before, after = pattern.split(text)
        text = f"{before}{begin}\n{table}\n{end}{after}"
    return text


def _honoured(settings: list[Setting]) -> str:
    rows = [(f"`{each.path}`", _default(each), _rule(each), each.does or "") for each in settings]
    return _table(("setting", "default", "value", "what it does"), rows)


def _unused(settings: list[Setting]) -> str:
    rows = [(f"`{each.path}`", _default(each), _rule(each), each.because) for each in settings]
    return _table(("setting", "the original's default", "value", "why it has no effect"), rows)


def _app(settings: list[AppSetting]) -> str:
    rows = [(each.name, each.default, each.does) for each in settings]
    return _table(("setting", "default", "what it does"), rows)


def _default(setting: Setting) -> str:
    if setting.shown:
        return setting.shown
    if setting.default is None:
        return "-"
    if isinstance(setting.default, bool):
        return str(setting.default).lower()
    text = f"`{setting.default}`" if setting.kind in {Kind.TEXT, Kind.CHOICE} else setting.default
    return f"{text}"


def _rule(setting: Setting) -> str:
    if setting.kind is Kind.CHOICE:
        return ", ".join(f"`{choice}`" for choice in setting.choices)
    bounds = f", {setting.low} to {setting.high}" if setting.high else ""
    unit = f" of {setting.unit}" if setting.unit else ""
    if bounds and setting.kind is Kind.SPAN:
        bounds += " seconds"
    return f"{setting.kind.value}{unit}{bounds}"


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (heads, *rows)]
    lines.insert(1, f"|{'---|' * len(heads)}")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{PAGE.name}: {len(SETTINGS)} settings under {ROOT}")
