"""Only the escaper makes filters, only `row_path` makes addresses of rows: no text is pasted."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "durable").rglob("*.py"))
#: Who may write such a text, and which kind.
FILTERS, ADDRESSES = "a filter", "the address of rows"
ALLOWED = {
    "durable/storage/azure/odata.py": {FILTERS},
    "durable/storage/azure/direct/tables.py": {ADDRESSES},
    # Parameters of the SDK, which quotes them (`TableName ge @low`).
    "durable/storage/azure/tables.py": {FILTERS},
}
_PATTERNS = {
    FILTERS: re.compile(
        r"(?:^|[\w)'\x00}]\s)\s*(?:eq|ne|g[et]|l[et])\s+(?:['\x00@({]|datetime|guid)"
    ),
    ADDRESSES: re.compile(r"\(\s*PartitionKey\s*=|RowKey\s*="),
}
_MAYBE = re.compile(r"(?:\s(?:eq|ne|g[et]|l[et])\s)|(?:PartitionKey|RowKey)\s*=")
_ASKS = re.compile(r"\$filter|query_filter|query_entities|query_tables|odata_filter")
_MARK = "\0"  # what a placeholder stands for


def _texts(tree: ast.AST) -> list[str]:
    """Every text that the code writes, placeholders as a mark; docstrings are none."""
    documents = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            found.append(
                "".join(
                    str(part.value) if isinstance(part, ast.Constant) else _MARK
                    for part in node.values
                )
            )
        elif isinstance(node, ast.Constant) and id(node) not in documents:
            found.append(node.value if isinstance(node.value, str) else "")
    return found


def _kinds(source: str) -> set[str]:
    if not _MAYBE.search(source):
        return set()  # parsing all modules would take a second
    texts = _texts(ast.parse(source))
    return {kind for kind, form in _PATTERNS.items() if any(form.search(text) for text in texts)}


@pytest.mark.parametrize(
    ("source", "kinds"),
    [
        ("""x = f"PartitionKey eq '{key}'" """, {FILTERS}),
        ("""x = "RowKey ge '" + key + "'" """, {FILTERS}),
        ("""x = f"{column} {operator} {value}" """, set()),
        ("""x = "{} eq '{}'".format(a, b)""", {FILTERS}),
        ("""x = f"(PartitionKey='{key}',RowKey='{row}')" """, {ADDRESSES}),
        ('''def f():\n    "PartitionKey eq 'x'"''', set()),
        ("x = 'nobody is equal to it'", set()),
    ],
)
def test_the_scan_sees_what_it_is_for(source: str, kinds: set[str]) -> None:
    assert _kinds(source) == kinds


def test_only_the_escaper_writes_filters_and_addresses() -> None:
    found = {
        str(module.relative_to(ROOT)): kinds
        for module in MODULES
        if (kinds := _kinds(module.read_text(encoding="utf-8")))
    }
    for module, kinds in found.items():
        assert kinds <= ALLOWED.get(module, set()), module
    assert set(found) <= set(ALLOWED)
    assert ADDRESSES in found["durable/storage/azure/direct/tables.py"]  # the scan still sees it


def test_only_the_adapters_ask_the_service_with_a_filter() -> None:
    users = {
        str(module.relative_to(ROOT))
        for module in MODULES
        if _ASKS.search(module.read_text(encoding="utf-8"))
    }
    assert users == {
        "durable/storage/azure/odata.py",
        "durable/storage/azure/tables.py",
        "durable/storage/azure/direct/tables.py",
    }
