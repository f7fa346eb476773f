"""Entity Group Transactions: the multipart text of a request, and of its answer.

RFC 2046 within RFC 2046: one change set in one batch, each part an HTTP request. A boundary may
stand in no part; whoever opens the account makes one that nobody can guess.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from durable.errors import CorruptRecord
from durable.storage.azure.direct.refusals import Refused, refusal

_STATUS = re.compile(rb"^HTTP/1\.1 (\d{3})", re.MULTILINE)
_ETAG = re.compile(rb"^ETag: *([^\r\n]+?) *\r?$", re.MULTILINE | re.IGNORECASE)
_FIRST_FAILURE = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One write of a batch: the request it would be by itself."""

    method: str
    url: str
    headers: str
    body: bytes | None


def content_type(boundary: str) -> str:
    """What a batch is sent as."""
    return f"multipart/mixed; boundary=batch_{boundary}"


def batch_text(parts: Sequence[Part], boundary: str) -> bytes:
    """The body of a batch."""
    batch, changes = f"--batch_{boundary}", f"--changeset_{boundary}"
    part_head = (
        f"{changes}\r\nContent-Type: application/http\r\n"
        "Content-Transfer-Encoding: binary\r\nContent-ID: "
    )
    kind = f"multipart/mixed; boundary=changeset_{boundary}"
    pieces = [f"{batch}\r\nContent-Type: {kind}\r\n\r\n".encode()]
    for number, part in enumerate(parts):
        size = "" if part.body is None else f"Content-Length: {len(part.body)}\r\n"
        pieces.append(
            f"{part_head}{number}\r\n\r\n{part.method} {part.url} HTTP/1.1\r\n"
            f"{part.headers}{size}\r\n".encode()
        )
        pieces.append((part.body or b"") + b"\r\n")
    pieces.append(f"{changes}--\r\n\r\n{batch}--\r\n".encode())
    return b"".join(pieces)


def batch_answer(body: bytes, count: int) -> list[str | None]:
    """The ETag of each of `count` writes, None where the answer has none.

    Raises:
        Refused: the batch was; with what the service says of the write that failed.
        CorruptRecord: it is no answer to a batch.
    """
    found = list(_STATUS.finditer(body))
    ends = [*(match.start() for match in found[1:]), len(body)]
    etags: list[str | None] = []
    for match, end in zip(found, ends, strict=True):
        status = int(match.group(1))
        if status >= _FIRST_FAILURE:
            raise _failure(status, body[match.end() : end])
        etag = _ETAG.search(body, match.end(), end)
        etags.append(None if etag is None else etag.group(1).decode())
    if len(etags) != count:
        raise CorruptRecord(f"A batch of {count} writes was answered with {len(etags)} parts.")
    return etags


def _failure(status: int, text: bytes) -> Refused:
    # The part's body follows its headers, and the closing boundaries follow that.
    body = text.replace(b"\r\n", b"\n").partition(b"\n\n")[2].partition(b"\n--")[0]
    return refusal(status, None, body)
