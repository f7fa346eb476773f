"""Foreign errors become ours here, and nowhere else.

The service's error code decides first (a 400 has many causes), then the status, then the kind of
exception. The original stays chained, so a traceback still shows it; our message holds the
service's first line only, and no payload.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from xml.etree.ElementTree import ParseError

import aiohttp
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    DeserializationError,
    HttpResponseError,
    IncompleteReadError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
    SerializationError,
)
from azure.data.tables import RequestTooLargeError

from durable.errors import (
    AccessDenied,
    Conflict,
    CorruptRecord,
    NotFound,
    PreconditionFailed,
    StorageError,
    Throttled,
    TooLarge,
    Unavailable,
)

FOREIGN: tuple[type[Exception], ...] = (
    AzureError,
    SerializationError,
    DeserializationError,
    ParseError,
    aiohttp.ClientError,
    ConnectionError,
    TimeoutError,
)

_SIGNATURE = re.compile(r"(\bsig=)[^&\s'\"]+", re.IGNORECASE)
_BY_CODE: Mapping[str, type[StorageError]] = {
    "AuthenticationFailed": AccessDenied,
    "AuthorizationFailure": AccessDenied,
    "AuthorizationPermissionMismatch": AccessDenied,
    "ConditionNotMet": PreconditionFailed,
    "ContainerBeingDeleted": Conflict,
    "ContentLengthLimitExceeded": TooLarge,
    "EntityTooLarge": TooLarge,
    "InsufficientAccountPermissions": AccessDenied,
    "InternalError": Unavailable,
    "InvalidAuthenticationInfo": AccessDenied,
    "MessageNotFound": NotFound,
    "MessageTooLarge": TooLarge,
    "NoAuthenticationInformation": AccessDenied,
    "OperationTimedOut": Unavailable,
    "PopReceiptMismatch": PreconditionFailed,
    "PropertyValueTooLarge": TooLarge,
    "QueueBeingDeleted": Conflict,
    "RequestBodyTooLarge": TooLarge,
    "ServerBusy": Throttled,
    "TableBeingDeleted": Conflict,
    "TooManyProperties": TooLarge,
    "UpdateConditionNotSatisfied": PreconditionFailed,
}
_BY_STATUS: Mapping[int, type[StorageError]] = {
    HTTPStatus.UNAUTHORIZED: AccessDenied,
    HTTPStatus.FORBIDDEN: AccessDenied,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.REQUEST_TIMEOUT: Unavailable,
    HTTPStatus.CONFLICT: Conflict,
    HTTPStatus.PRECONDITION_FAILED: PreconditionFailed,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: TooLarge,
    HTTPStatus.TOO_MANY_REQUESTS: Throttled,
    HTTPStatus.SERVICE_UNAVAILABLE: Throttled,
}
_BY_CLASS: tuple[tuple[type[Exception], type[StorageError]], ...] = (
    (RequestTooLargeError, TooLarge),  # one write of a batch: it has the batch's own status, 202
    (ClientAuthenticationError, AccessDenied),  # also an unusable key, or no identity
    (ResourceNotFoundError, NotFound),
    (ResourceExistsError, Conflict),
    (ResourceModifiedError, PreconditionFailed),
    (IncompleteReadError, Unavailable),  # a kind of DecodeError, but the connection broke off
    (DecodeError, CorruptRecord),
    (SerializationError, CorruptRecord),
    (DeserializationError, CorruptRecord),
    (ParseError, CorruptRecord),
)


@contextmanager
def translated(operation: str, resource: str) -> Iterator[None]:
    """Within it, a foreign error becomes one of ours."""
    try:
        yield
    except FOREIGN as error:
        raise storage_error(error, operation, resource) from error


def storage_error(error: Exception, operation: str, resource: str) -> StorageError:
    """Our error for a foreign one."""
    status, code = status_of(error), error_code(error)
    kind = _kind(error, status, code)
    said = without_signatures(str(error)).partition("\n")[0][:300]
    known = ", ".join(str(part) for part in (status, code) if part)
    return kind(
        f"{operation} on {resource!r} failed ({known or type(error).__name__}): {said}",
        operation=operation,
        resource=resource,
        status=status,
    )


def without_signatures(text: str) -> str:
    """`text` without what makes a SAS valid: aiohttp's errors name whole addresses."""
    return _SIGNATURE.sub(r"\1...", text)


def status_of(error: Exception) -> int | None:
    """The HTTP status that the service answered, when it did."""
    return error.status_code if isinstance(error, HttpResponseError) else None


def error_code(error: Exception) -> str | None:
    """The service's own name for what went wrong, when it gave one."""
    code: object = getattr(error, "error_code", None)
    response = getattr(error, "response", None)
    if code is None and response is not None:
        code = response.headers.get("x-ms-error-code") or _code_in_body(response)
    if code is None:
        return None
    return str(getattr(code, "value", code))


def is_being_deleted(error: StorageError) -> bool:
    """Whether a conflict says that the thing is on its way out, not that it is there."""
    return _cause_code(error).endswith("BeingDeleted")


def is_missing_table(error: StorageError) -> bool:
    """Whether it is the table that was not found, not the row."""
    return _cause_code(error) == "TableNotFound"


def _cause_code(error: StorageError) -> str:
    cause = error.__cause__
    return (error_code(cause) or "") if isinstance(cause, Exception) else ""


def _code_in_body(response: object) -> object:
    # The tables service names the code in the body only: {"odata.error": {"code": ...}}.
    try:
        text = response.text()  # type: ignore[attr-defined]
        return json.loads(text)["odata.error"]["code"]
    except (AttributeError, KeyError, TypeError, ValueError, AzureError):
        return None


def _kind(error: Exception, status: int | None, code: str | None) -> type[StorageError]:
    if code is not None and code in _BY_CODE:
        return _BY_CODE[code]
    if status is not None and status >= HTTPStatus.BAD_REQUEST:
        server_side = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        return _BY_STATUS.get(status, Unavailable if server_side else StorageError)
    return next((ours for theirs, ours in _BY_CLASS if isinstance(error, theirs)), Unavailable)
