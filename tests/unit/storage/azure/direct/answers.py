"""Answers as the services give them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from aiohttp import web

from tests.unit.storage.azure.direct.twins import AnswerMaker
from tests.unit.storage.azure.fake_service import DATE

MESSAGE = (
    "<QueueMessage><MessageId>id-1</MessageId>"
    f"<InsertionTime>{DATE}</InsertionTime><ExpirationTime>{DATE}</ExpirationTime>"
    "<PopReceipt>AgAA+/=1</PopReceipt><TimeNextVisible>Mon, 06 May 2024 07:09:10 GMT"
    "</TimeNextVisible>{more}</QueueMessage>"
)


def messages(*more: str, status: int = 200) -> AnswerMaker:
    """Queue messages; the service begins with a byte order mark."""
    text = "".join(MESSAGE.replace("{more}", each) for each in more)
    body = (
        f'\ufeff<?xml version="1.0" encoding="utf-8"?><QueueMessagesList>{text}</QueueMessagesList>'
    )
    return lambda: web.Response(status=status, text=body, content_type="application/xml")


PUT = messages("", status=201)


def updated() -> web.Response:
    return web.Response(
        status=204, headers={"x-ms-popreceipt": "r2", "x-ms-time-next-visible": DATE}
    )


def done() -> web.Response:
    return web.Response(status=204)


def written() -> web.Response:
    return web.Response(status=204, headers={"ETag": "W/\"datetime'2024-05-06T07%3A08%3A09Z'\""})


def found(
    value: object, headers: Mapping[str, str] | None = None, date: str | None = DATE
) -> AnswerMaker:
    """What a table read or query brings."""

    def answer() -> web.Response:
        response = web.Response(
            text=json.dumps(value),
            content_type="application/json",
            headers=dict(headers or {}),
        )
        if date is not None:
            response.headers["Date"] = date
        return response

    return answer


def refused(status: int, code: str, said: str = "It said no.\nRequestId:1") -> AnswerMaker:
    """A queue's error."""
    text = (
        f'\ufeff<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code>'
        f"<Message>{said}</Message></Error>"
    )
    return lambda: web.Response(
        status=status,
        text=text,
        content_type="application/xml",
        headers={"x-ms-error-code": code},
    )


def table_error(code: str, said: str = "It said no.\nRequestId:1") -> str:
    return json.dumps({"odata.error": {"code": code, "message": {"lang": "en-US", "value": said}}})


def table_refused(status: int, code: str) -> AnswerMaker:
    """A table's error."""
    return lambda: web.Response(
        status=status, text=table_error(code), content_type="application/json"
    )


def bare(status: int, body: str) -> AnswerMaker:
    """A status with a body that may be anything."""
    return lambda: web.Response(status=status, text=body)


def batch(parts: Sequence[tuple[str, str, str]]) -> AnswerMaker:
    """The answer to a batch: status line, headers and body of each part."""
    inner = "".join(
        "--changesetresponse_1\r\nContent-Type: application/http\r\n"
        f"Content-Transfer-Encoding: binary\r\n\r\nHTTP/1.1 {status}\r\n{headers}\r\n{body}\r\n"
        for status, headers, body in parts
    )
    text = (
        "--batchresponse_1\r\nContent-Type: multipart/mixed; boundary=changesetresponse_1\r\n\r\n"
        f"{inner}--changesetresponse_1--\r\n--batchresponse_1--\r\n"
    )

    def answer() -> web.Response:
        response = web.Response(status=202, body=text.encode())
        response.headers["Content-Type"] = "multipart/mixed; boundary=batchresponse_1"
        return response

    return answer


def batch_done(count: int) -> AnswerMaker:
    """All of a batch's writes took effect."""
    headers = (
        "X-Content-Type-Options: nosniff\r\nDataServiceVersion: 1.0;\r\n"
        "ETag: W/\"datetime'2024-05-06T07%3A08%3A{second:02d}Z'\"\r\n"
    )
    return batch(
        [("204 No Content", headers.format(second=number % 60), "") for number in range(count)]
    )
