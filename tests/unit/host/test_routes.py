"""Route templates match as the host matches them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from durable.host.index import IndexedFunction, IndexingError
from durable.host.routes import compile_routes, find

Index = Callable[[str], tuple[IndexedFunction, ...]]


def functions(index: Index, *routes: str) -> tuple[IndexedFunction, ...]:
    code = "import azure.functions as func\napp = func.FunctionApp()\n"
    for number, route in enumerate(routes):
        path, _, methods = route.partition(" ")
        named = f", methods={methods.split(',')!r}" if methods else ""
        code += f"@app.route(route={path!r}{named})\ndef f{number}(req): ...\n"
    return index(code)


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("hello", "/api/hello", {}),
        ("Hello/World", "/API/hello/WORLD/", {}),
        ("hello", "/api/hello/x", None),
        ("hello", "/hello", None),
        ("a/{x}", "/api/a/b%20c", {"x": "b c"}),
        ("a/{x}", "/api/a/b%2Fc%20d", {"x": "b%2Fc d"}),
        ("a/{x}", "/api/a", None),
        ("a/{x?}", "/api/a", {}),
        ("a/{x?}", "/api/a/1", {"x": "1"}),
        ("a/{*x}", "/api/a", {}),
        ("a/{*x}", "/api/a/", {}),
        ("a/{*x}", "/api/a/b/c%2fd", {"x": "b/c%2fd"}),
        ("a/{**x}", "/api/a/b/c", {"x": "b/c"}),
        ("a/{x:int}", "/api/a/-12", {"x": "-12"}),
        ("a/{x:int}", "/api/a/12b", None),
        ("a/{x:guid}", "/api/a/6f5a1c52-9f0e-5d0b-9a9d-6c1f3f6f2c11", None),
        ("a/{x:alpha?}", "/api/a", {}),
        ("a/{x}.{ext}", "/api/a/pic.of.me.png", {"x": "pic", "ext": "of.me.png"}),
        ("{x}", "/api/one", {"x": "one"}),
        ("{*x}", "/api", {}),
    ],
)
def test_templates(index: Index, template: str, path: str, expected: dict[str, str] | None) -> None:
    if "guid" in template:
        expected = {"x": path.rsplit("/", 1)[1]}
    routes = compile_routes(functions(index, template), "api")
    found = find(routes, "GET", path)
    assert (found and found[1]) == expected


def test_an_empty_prefix_puts_routes_at_the_root(index: Index) -> None:
    routes = compile_routes(functions(index, "hello"), "")
    assert find(routes, "GET", "/hello") is not None
    assert find(routes, "GET", "/api/hello") is None


def test_the_most_specific_route_wins_whatever_the_order(index: Index) -> None:
    routes = compile_routes(functions(index, "{*all}", "a/{x}", "a/{x:int}", "a/b"), "api")

    def winner(path: str) -> str | None:
        found = find(routes, "GET", path)
        return found[0].name if found else None

    assert winner("/api/a/b") == "f3"
    assert winner("/api/a/7") == "f2"
    assert winner("/api/a/c") == "f1"
    assert winner("/api/z/z") == "f0"


def test_an_undeclared_method_is_nobodys(index: Index) -> None:
    routes = compile_routes(functions(index, "a GET", "a POST"), "api")
    assert [find(routes, method, "/api/a") is not None for method in ("GET", "post", "PUT")] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize("template", ["a/{x:regex(.)}", "a/{x", "a/b{x?}c", "a/{x=5}"])
def test_templates_that_are_not_understood_are_refused(index: Index, template: str) -> None:
    with pytest.raises(IndexingError, match="Function 'f0'"):
        compile_routes(functions(index, template), "api")
