"""The OpenAPI document of the management API, made from its routes, contract and bodies.

It holds no name, id or key of the app: anybody may read it.
"""

from __future__ import annotations

from collections.abc import Mapping

from durable.api import contract
from durable.api.bodies import SCHEMAS
from durable.api.contract import COMMON_ANSWERS, COMMON_PARAMETERS, CONTRACTS, Answer, Contract
from durable.api.parameters import CODE, KEY_HEADER, Parameter
from durable.api.routes import ROUTES

_JSON = "application/json"
_ANY_OTHER = "*/*"
_VERSION = "1.0.0"
_DESCRIPTION = (
    "Starts, shows and operates the orchestrations of an app. Words in paths compare without "
    "case. A query parameter that is not understood counts as absent unless said otherwise, and "
    f"the header {contract.IGNORED} of the answer names it."
)
_HEADERS: Mapping[str, str] = {
    contract.LOCATION: "Where to look for the status.",
    contract.RETRY_AFTER: "Seconds to wait before that.",
    contract.CONTINUATION: "Say it in the request's header of this name to get the next page.",
    contract.IGNORED: "Parameters that were not understood, and why.",
}

_REFUSED = " Refused when it is not understood."

Node = dict[str, object]


def document(base_url: str, *, asks_for_key: bool) -> Node:
    """The document of an API at `base_url`."""
    paths: dict[str, Node] = {}
    for verbs, segments, operation in ROUTES:
        item = paths.setdefault("/" + "/".join(segments), {})
        for verb in sorted(verbs):
            item[verb.lower()] = _operation(verb, segments, CONTRACTS[operation])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Durable management API",
            "version": _VERSION,
            "description": _DESCRIPTION,
        },
        "servers": [{"url": base_url}],
        "security": [{"code": []}, {"key": []}] if asks_for_key else [],
        "paths": paths,
        "components": {
            "schemas": dict(SCHEMAS),
            "headers": {name: _header(name) for name in _HEADERS},
            "securitySchemes": {
                "code": {"type": "apiKey", "in": "query", "name": CODE},
                "key": {"type": "apiKey", "in": "header", "name": KEY_HEADER},
            },
        },
    }


def _operation(verb: str, segments: tuple[str, ...], made: Contract) -> Node:
    names = [segment.strip("{}").replace(".", "_") for segment in segments]
    parameters = (*made.parameters, *(() if made.open else COMMON_PARAMETERS))
    answers = dict(made.answers) if made.open else {**COMMON_ANSWERS, **made.answers}
    node: Node = {
        "operationId": "_".join([verb.lower(), *names]),
        "summary": made.summary,
        "parameters": [
            *(_variable(segment) for segment in segments if segment.startswith("{")),
            *(_parameter(parameter) for parameter in parameters),
        ],
        "responses": {str(status): _answer(answers[status]) for status in sorted(answers)},
    }
    if made.body is not None:
        content: Node = {_JSON: {"schema": _ref("schemas", contract.VALUE)}}
        if made.body.or_text:
            content[_ANY_OTHER] = {"schema": {"type": "string"}}
        node["requestBody"] = {
            "description": made.body.meaning,
            "required": made.body.required,
            "content": content,
        }
    if made.open:
        node["security"] = []
    return node


def _variable(segment: str) -> Node:
    return {
        "name": segment.strip("{}"),
        "in": "path",
        "required": True,
        "schema": {"type": "string", "minLength": 1},
    }


def _parameter(parameter: Parameter[object]) -> Node:
    node: Node = {
        "name": parameter.name,
        "in": parameter.place.value,
        "description": parameter.meaning + (_REFUSED if parameter.strict else ""),
        "required": parameter.required,
        "schema": dict(parameter.schema),
    }
    if parameter.schema.get("type") == "array":
        node |= {"style": "form", "explode": False}
    return node


def _answer(answer: Answer) -> Node:
    headers = {name: _ref("headers", name) for name in (*answer.headers, contract.IGNORED)}
    node: Node = {"description": answer.meaning, "headers": headers}
    if answer.bodies:
        shapes = [_ref("schemas", name) for name in answer.bodies]
        schema: object = shapes[0] if len(shapes) == 1 else {"anyOf": shapes}
        node["content"] = {_JSON: {"schema": schema}}
    return node


def _header(name: str) -> Node:
    kind = "integer" if name == contract.RETRY_AFTER else "string"
    needed = name != contract.IGNORED
    return {"description": _HEADERS[name], "required": needed, "schema": {"type": kind}}


def _ref(kind: str, name: str) -> Node:
    return {"$ref": f"#/components/{kind}/{name}"}
