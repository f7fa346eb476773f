"""Route templates of HTTP functions, as ASP.NET matches them: without case, most specific first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from durable.host.index import IndexedFunction, IndexingError, methods_of, route_of

_PARAMETER = re.compile(r"\{(\*{0,2})([A-Za-z_]\w*)(?::([^{}?=]+))?(\?)?\}")
_CONSTRAINTS: Mapping[str, str] = {
    "int": r"-?\d+",
    "long": r"-?\d+",
    "decimal": r"-?\d+(?:\.\d+)?",
    "double": r"-?\d+(?:\.\d+)?",
    "float": r"-?\d+(?:\.\d+)?",
    "bool": r"true|false",
    "alpha": r"[a-z]+",
    "guid": r"\{?[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\}?",
}
_ENCODED_SLASH = re.compile(r"(%2f)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """One function's address."""

    function: IndexedFunction
    template: str
    methods: tuple[str, ...]
    pattern: re.Pattern[str]
    rank: tuple[int, ...]

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """The route parameters when `method` and `path` (still encoded) are this function's."""
        if self.methods and method.upper() not in self.methods:
            return None
        found = self.pattern.fullmatch(path.strip("/"))
        if found is None:
            return None
        return {name: _decoded(value) for name, value in found.groupdict().items() if value}


def compile_routes(functions: tuple[IndexedFunction, ...], prefix: str) -> list[Route]:
    """The routes of the HTTP functions, most specific first.

    Raises:
        IndexingError: a template cannot be understood.
    """
    routes = [_compile(f, prefix) for f in functions if f.trigger_type == "httpTrigger"]
    return sorted(routes, key=lambda route: route.rank)


def find(
    routes: list[Route], method: str, path: str
) -> tuple[IndexedFunction, dict[str, str]] | None:
    """The function that answers, and its route parameters; None is a 404, undeclared method too."""
    for route in routes:
        parameters = route.match(method, path)
        if parameters is not None:
            return route.function, parameters
    return None


def _compile(function: IndexedFunction, prefix: str) -> Route:
    template = "/".join(part for part in (prefix, route_of(function)) if part)
    pattern = ""
    rank: list[int] = []
    for segment in template.split("/"):
        text, weight = _segment(segment, function.name, first=not rank)
        pattern += text
        rank.append(weight)
    return Route(
        function=function,
        template=template,
        methods=methods_of(function),
        pattern=re.compile(pattern, re.IGNORECASE),
        rank=tuple(rank),
    )


def _segment(segment: str, name: str, *, first: bool) -> tuple[str, int]:
    """One segment as a pattern, and its place in the order: literal, constrained, free, rest."""
    slash = "" if first else "/"
    whole = _PARAMETER.fullmatch(segment)
    if whole is None:
        return slash + _mixed(segment, name), 0 if "{" not in segment else 2
    stars, parameter, constraint, optional = whole.groups()
    if stars:
        return f"(?:{slash}(?P<{parameter}>.*))?", 4
    text = slash + f"(?P<{parameter}>{_value(constraint, name)})"
    return (f"(?:{text})?" if optional else text), 1 if constraint else 3


def _mixed(segment: str, name: str) -> str:
    pattern, end = "", 0
    for found in _PARAMETER.finditer(segment):
        if found.group(1) or found.group(4):
            raise IndexingError(f"Function {name!r}: {segment!r} in its route is not understood.")
        pattern += _literal(segment[end : found.start()], name)
        pattern += f"(?P<{found.group(2)}>{_value(found.group(3), name)}?)"
        end = found.end()
    return pattern + _literal(segment[end:], name)


def _literal(text: str, name: str) -> str:
    if "{" in text or "}" in text:
        raise IndexingError(
            f"Function {name!r}: {text!r} in its route is not understood here. Known are {{x}}, "
            "{x?}, {*x} and {x:int}."
        )
    return re.escape(text)


def _value(constraint: str | None, name: str) -> str:
    if constraint is None:
        return "[^/]+"
    pattern = _CONSTRAINTS.get(constraint.strip().lower())
    if pattern is None:
        raise IndexingError(
            f"Function {name!r}: the route constraint {constraint!r} is not known here. Known are "
            f"{', '.join(sorted(_CONSTRAINTS))}."
        )
    return f"(?:{pattern})"


def _decoded(value: str) -> str:
    """Percent-decoded, but for ``%2F``, which the host leaves as it is."""
    return "".join(
        part if _ENCODED_SLASH.fullmatch(part) else unquote(part)
        for part in _ENCODED_SLASH.split(value)
    )
