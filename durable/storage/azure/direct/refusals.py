"""What the services say when they refuse, read for the one place that translates errors."""

from __future__ import annotations

import json
from http import HTTPStatus
from xml.etree import ElementTree as ET

from azure.core.exceptions import HttpResponseError

from durable.storage.azure.direct.door import Answer


class Refused(HttpResponseError):
    """The service said no; in the shape that `durable.storage.azure.errors` reads."""

    def __init__(self, said: str, status: int, code: str | None) -> None:
        super().__init__(said)
        self.status_code = status
        self.error_code = code


def accepted(answer: Answer) -> Answer:
    """The answer, when it is a success.

    Raises:
        Refused: with what the service says.
    """
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return answer
    raise refusal(answer.status, answer.headers.get("x-ms-error-code"), answer.body)


def refusal(status: int, code: str | None, body: bytes) -> Refused:
    """The error that a status and its body say."""
    found, said = _in_json(body) if body.lstrip()[:1] == b"{" else _in_xml(body)
    # The table service names its code in the body, the queue service in both.
    return Refused(said or _reason(status), status, found or code)


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"HTTP status {status}"


def _in_json(body: bytes) -> tuple[str | None, str | None]:
    try:
        match json.loads(body):
            case {"odata.error": {"code": str(code), "message": {"value": str(said)}}}:
                return code, said
            case {"odata.error": {"code": str(code)}}:
                return code, None
            case _:
                return None, None
    except ValueError:
        return None, None


def _in_xml(body: bytes) -> tuple[str | None, str | None]:
    try:
        root = ET.fromstring(body)  # noqa: S314 - the storage service's own answer
    except ET.ParseError:
        return None, None
    return root.findtext("Code"), root.findtext("Message")
