"""Answers of the management API checked against its own OpenAPI document, as a client reads it.

Routes are looked up in the document here, not in the code. Objects with named members are closed:
a member that is not documented is a failure.
"""

from __future__ import annotations

import functools
import json
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator, FormatChecker

from durable.api.http import Request, Response
from durable.api.openapi import document

BASE = "https://app.example/api/durabletask"


@functools.cache
def published() -> dict[str, Any]:
    """The document, as it is read from its JSON."""
    found: dict[str, Any] = json.loads(json.dumps(document(BASE, asks_for_key=True)))
    return found


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """`node`, or what it refers to."""
    found: Any = node
    while "$ref" in found:
        target = published()
        for name in found["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        found = target
    return dict(found)


def operation_at(method: str, path: str) -> dict[str, Any] | None:
    """The document's operation for a request; None when there is none."""
    segments = path.removeprefix("/").removesuffix("/").split("/")
    for template, item in published()["paths"].items():
        parts = template.removeprefix("/").split("/")
        fits = len(parts) == len(segments) and all(
            bool(segment) if part.startswith("{") else part.lower() == segment.lower()
            for part, segment in zip(parts, segments, strict=True)
        )
        if fits and method.lower() in item:
            return dict(item[method.lower()])
    return None


def check_answer(request: Request, answer: Response) -> None:
    """Fail unless `answer` is one that the document allows for `request`."""
    operation = operation_at(request.method, request.path)
    if operation is None or not _decodable(request.path):
        assert answer.status in {400, 404}, f"{request} has no route, but {answer.status}"
        return
    what = f"{operation['operationId']}, {answer.status}"
    assert str(answer.status) in operation["responses"], f"{what} is not documented"
    documented = resolved(operation["responses"][str(answer.status)])
    _check_headers(what, documented.get("headers", {}), answer)
    _check_body(what, documented.get("content"), answer)


def _check_headers(what: str, documented: dict[str, Any], answer: Response) -> None:
    for name in answer.headers.keys() - {"Content-Type"}:
        assert name in documented, f"{what}: header {name} is not documented"
    for name, node in documented.items():
        header = resolved(node)
        assert name in answer.headers or not header["required"], f"{what}: no header {name}"
        if header["schema"]["type"] == "integer" and name in answer.headers:
            assert answer.headers[name].isdecimal()


def _check_body(what: str, content: dict[str, Any] | None, answer: Response) -> None:
    if content is None:
        assert answer.body == b"", f"{what}: there should be no body"
        assert "Content-Type" not in answer.headers
        return
    (kind,) = content
    assert answer.headers["Content-Type"].split(";")[0] == kind, what
    validator = _validator(json.dumps(content[kind]["schema"]))
    errors = [error.message for error in validator.iter_errors(json.loads(answer.body))]
    assert errors == [], f"{what}: {errors}"


@functools.cache
def _validator(schema: str) -> Any:
    closed = _closed(published()["components"])
    whole = {"components": closed, **json.loads(schema)}
    return Draft202012Validator(whole, format_checker=FormatChecker())


def _closed(node: Any) -> Any:
    if isinstance(node, list):
        return [_closed(item) for item in node]
    if not isinstance(node, dict):
        return node
    found = {name: _closed(value) for name, value in node.items()}
    return {"additionalProperties": False, **found} if "properties" in found else found


def _decodable(path: str) -> bool:
    try:
        unquote(path, errors="strict")
    except UnicodeDecodeError:
        return False
    return True
