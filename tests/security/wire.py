"""What a request says by the services' rules: written from their reference, not from our code."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from urllib.parse import parse_qsl, unquote

from tests.unit.storage.azure.fake_service import Request

ACCOUNT, KEY = "acme", base64.b64decode("a2V5")
_ROW = re.compile(
    r"/acme/(?P<table>[A-Za-z0-9]+)"
    r"\(PartitionKey='(?P<partition>(?:[^']|'')*)',RowKey='(?P<row>(?:[^']|'')*)'\)",
    re.DOTALL,
)


def keys_in(path: str) -> tuple[str, str]:
    """Partition key and row key that a path names, when it names one row and nothing else."""
    found = _ROW.fullmatch(unquote(path, errors="strict"))
    assert found is not None, path
    return found["partition"].replace("''", "'"), found["row"].replace("''", "'")


def parameters_in(request: Request) -> dict[str, str]:
    """The query string, decoded; each parameter once."""
    pairs = parse_qsl(
        request.raw_query, keep_blank_values=True, strict_parsing=bool(request.raw_query)
    )
    assert len(dict(pairs)) == len(pairs), request.raw_query
    return dict(pairs)


def assert_is_signed(request: Request, *, table: bool) -> None:
    """The signature is of the resource that the request names, as it came over the wire."""
    given = request.headers["authorization"]
    assert given == f"SharedKey {ACCOUNT}:{_signature(_to_sign(request, table))}", request.path


def _signature(text: str) -> str:
    return base64.b64encode(hmac.new(KEY, text.encode(), hashlib.sha256).digest()).decode()


def _to_sign(request: Request, table: bool) -> str:
    headers, query = request.headers, parameters_in(request)
    if table:
        resource = f"/{ACCOUNT}{request.path}"
        if "comp" in query:
            resource += f"?comp={query['comp']}"
        date = headers.get("x-ms-date") or headers["date"]
        kind = headers.get("content-type", "")
        return "\n".join([request.method, headers.get("content-md5", ""), kind, date, resource])
    names = ("content-encoding", "content-language", "content-length", "content-md5",
             "content-type", "date", "if-modified-since", "if-match", "if-none-match",
             "if-unmodified-since", "range")  # fmt: skip
    values = [headers.get(name, "") for name in names]
    values[2] = "" if values[2] == "0" else values[2]
    own = [f"{n}:{v}" for n, v in sorted(headers.items()) if n.startswith("x-ms-")]
    asked = [f"{name.lower()}:{value}" for name, value in sorted(query.items())]
    return "\n".join([request.method, *values, *own, f"/{ACCOUNT}{request.path}", *asked])
