"""Every foreign class and status becomes one of ours."""

from __future__ import annotations

import inspect

import aiohttp
import azure.core.exceptions as sdk
import pytest
from azure.core.exceptions import AzureError, HttpResponseError
from azure.data.tables import RequestTooLargeError, TableTransactionError
from azure.identity import CredentialUnavailableError

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
from durable.storage.azure.errors import (
    error_code,
    is_being_deleted,
    is_missing_table,
    storage_error,
    translated,
)


class Response:
    """As much of an answer as an error looks at."""

    def __init__(self, status: int, *, code: str | None = None, body: str = "") -> None:
        self.status_code = status
        self.reason = "reason"
        self.request: object = None
        self.headers = {} if code is None else {"x-ms-error-code": code}
        self._body = body

    def text(self, encoding: str | None = None) -> str:
        return self._body


def answered(status: int, code: str | None = None, *, body: str = "") -> HttpResponseError:
    return HttpResponseError("said so", response=Response(status, code=code, body=body))


@pytest.mark.parametrize(
    ("status", "ours"),
    [
        (400, StorageError),
        (401, AccessDenied),
        (403, AccessDenied),
        (404, NotFound),
        (405, StorageError),
        (408, Unavailable),
        (409, Conflict),
        (411, StorageError),
        (412, PreconditionFailed),
        (413, TooLarge),
        (416, StorageError),
        (429, Throttled),
        (500, Unavailable),
        (501, Unavailable),
        (502, Unavailable),
        (503, Throttled),
        (504, Unavailable),
        (505, Unavailable),
    ],
)
def test_every_status(status: int, ours: type[StorageError]) -> None:
    error = storage_error(answered(status), "Put Message", "queue")
    assert type(error) is ours
    assert (error.status, error.operation, error.resource) == (status, "Put Message", "queue")


@pytest.mark.parametrize(
    ("status", "code", "ours"),
    [
        (400, "PopReceiptMismatch", PreconditionFailed),
        (404, "MessageNotFound", NotFound),
        (404, "QueueNotFound", NotFound),
        (409, "QueueBeingDeleted", Conflict),
        (409, "TableBeingDeleted", Conflict),
        (409, "ContainerBeingDeleted", Conflict),
        (409, "BlobAlreadyExists", Conflict),
        (400, "PropertyValueTooLarge", TooLarge),
        (400, "EntityTooLarge", TooLarge),
        (400, "RequestBodyTooLarge", TooLarge),
        (413, "RequestBodyTooLarge", TooLarge),
        (400, "TooManyProperties", TooLarge),
        (412, "UpdateConditionNotSatisfied", PreconditionFailed),
        (412, "ConditionNotMet", PreconditionFailed),
        (503, "ServerBusy", Throttled),
        (500, "OperationTimedOut", Unavailable),
        (500, "InternalError", Unavailable),
        (403, "AuthenticationFailed", AccessDenied),
        (400, "InvalidAuthenticationInfo", AccessDenied),
        (400, "InvalidInput", StorageError),
    ],
)
def test_every_error_code_that_decides(status: int, code: str, ours: type[StorageError]) -> None:
    error = storage_error(answered(status, code), "op", "resource")
    assert type(error) is ours
    assert code in str(error)


EXPECTED: dict[str, type[StorageError]] = {
    "ClientAuthenticationError": AccessDenied,
    "DecodeError": CorruptRecord,
    "DeserializationError": CorruptRecord,
    "ODataV4Error": StorageError,
    "ResourceExistsError": Conflict,
    "ResourceModifiedError": PreconditionFailed,
    "ResourceNotFoundError": NotFound,
    "SerializationError": CorruptRecord,
}


def sdk_classes() -> list[type[Exception]]:
    return [
        kind
        for _, kind in inspect.getmembers(sdk, inspect.isclass)
        if issubclass(kind, Exception) and kind.__module__ == sdk.__name__
    ]


def made(kind: type[Exception]) -> Exception:
    if kind is sdk.TooManyRedirectsError:
        return kind([])
    if kind is sdk.ODataV4Error:
        return kind(Response(400, body='{"error":{"code":"Odd","message":"said"}}'))
    if kind in {sdk.StreamConsumedError, sdk.StreamClosedError, sdk.ResponseNotReadError}:
        return kind(Response(200))
    return kind("said so")


@pytest.mark.parametrize("kind", sdk_classes(), ids=lambda kind: kind.__name__)
def test_every_class_of_azure_core(kind: type[Exception]) -> None:
    # Mostly without a status, as when no answer came. A new class of the SDK shows up by itself.
    with pytest.raises(StorageError) as caught, translated("Get Entity", "Table"):
        raise made(kind)
    assert type(caught.value) is EXPECTED.get(kind.__name__, Unavailable)
    assert caught.value.operation == "Get Entity"
    assert isinstance(caught.value.__cause__, kind)


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (aiohttp.ServerDisconnectedError(), Unavailable),
        (aiohttp.ClientPayloadError(), Unavailable),
        (ConnectionResetError(), Unavailable),
        (TimeoutError(), Unavailable),
        (CredentialUnavailableError("no identity"), AccessDenied),
        (TableTransactionError(message="1:said", response=Response(409)), Conflict),
        (TableTransactionError(message="0:said", response=Response(412)), PreconditionFailed),
        (RequestTooLargeError(message="said", response=Response(413)), TooLarge),
        (AzureError("MD5 mismatch"), Unavailable),
    ],
    ids=lambda value: f"{type(value).__name__}-{getattr(value, 'status_code', '')}",
)
def test_the_other_foreign_errors(error: Exception, ours: type[StorageError]) -> None:
    assert type(storage_error(error, "op", "resource")) is ours


def test_what_is_not_foreign_passes() -> None:
    with pytest.raises(KeyError), translated("op", "resource"):
        raise KeyError("ours")


def test_the_message_is_the_first_line_only() -> None:
    error = storage_error(
        HttpResponseError("first\nRequestId: 1\nsecond", response=Response(404)), "op", "resource"
    )
    assert str(error) == "op on 'resource' failed (404): first"


def test_the_code_of_a_table_error_is_in_the_body() -> None:
    body = '{"odata.error":{"code":"TableBeingDeleted","message":{"value":"x"}}}'
    error = storage_error(answered(409, body=body), "Create Table", "T")
    assert "TableBeingDeleted" in str(error)
    for odd in ("", "<xml/>", "[]", '{"odata.error": 1}'):
        assert error_code(answered(409, body=odd)) is None


def test_being_deleted_and_missing_tables_are_told_apart() -> None:
    def ours(status: int, code: str) -> StorageError:
        with pytest.raises(StorageError) as caught, translated("op", "resource"):
            raise answered(status, code)
        return caught.value

    assert is_being_deleted(ours(409, "TableBeingDeleted"))
    assert not is_being_deleted(ours(409, "TableAlreadyExists"))
    assert is_missing_table(ours(404, "TableNotFound"))
    assert not is_missing_table(ours(404, "ResourceNotFound"))
    assert not is_missing_table(NotFound("without a cause"))
