"""The SDK as oracle: the same refusals become the same errors, and the same is tried again."""

from __future__ import annotations

import pytest

from durable.errors import (
    AccessDenied,
    Conflict,
    NotFound,
    PreconditionFailed,
    StorageError,
    Throttled,
    TooLarge,
)
from tests.unit.storage.azure.direct import answers
from tests.unit.storage.azure.direct.calls import (
    ENTITY,
    batch,
    delete_message,
    get,
    merge,
    peek,
    put,
    query,
    read,
)
from tests.unit.storage.azure.direct.twins import AnswerMaker, Failure, Twins

QUEUE_ERRORS: list[tuple[int, str, type[StorageError]]] = [
    (400, "PopReceiptMismatch", PreconditionFailed),
    (400, "OutOfRangeInput", StorageError),
    (401, "NoAuthenticationInformation", AccessDenied),
    (403, "AuthenticationFailed", AccessDenied),
    (404, "MessageNotFound", NotFound),
    (404, "QueueNotFound", NotFound),
    (409, "QueueBeingDeleted", Conflict),
    (413, "RequestBodyTooLarge", TooLarge),
    (418, "Unheard", StorageError),
]


@pytest.mark.parametrize(("status", "code", "kind"), QUEUE_ERRORS)
async def test_queue_errors(twins: Twins, status: int, code: str, kind: type[StorageError]) -> None:
    for call in (put, get, peek, delete_message):
        failure = await twins.same(call, answers.refused(status, code))
        assert isinstance(failure, Failure)
        assert (failure.kind, failure.status) == (kind, status)
        assert failure.said.endswith(f"({status}, {code}): It said no.")


TABLE_ERRORS: list[tuple[int, str, type[StorageError]]] = [
    (400, "InvalidInput", StorageError),
    (400, "PropertyValueTooLarge", TooLarge),
    (403, "AuthorizationFailure", AccessDenied),
    (404, "TableNotFound", NotFound),
    (409, "EntityAlreadyExists", Conflict),
    (409, "TableBeingDeleted", Conflict),
    (412, "UpdateConditionNotSatisfied", PreconditionFailed),
    (413, "RequestBodyTooLarge", TooLarge),
]


@pytest.mark.parametrize(("status", "code", "kind"), TABLE_ERRORS)
async def test_table_errors(twins: Twins, status: int, code: str, kind: type[StorageError]) -> None:
    for call in (read, query, merge):
        failure = await twins.same(call, answers.table_refused(status, code))
        assert isinstance(failure, Failure)
        assert (failure.kind, failure.status) == (kind, status)
        assert failure.said.endswith(f"({status}, {code}): It said no.")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        ("400 Bad Request", "InvalidInput", StorageError),
        ("404 Not Found", "ResourceNotFound", NotFound),
        ("409 Conflict", "EntityAlreadyExists", Conflict),
        ("412 Precondition Failed", "UpdateConditionNotSatisfied", PreconditionFailed),
        ("503 Service Unavailable", "ServerBusy", Throttled),
    ],
)
async def test_a_batch_says_which_write_failed(
    twins: Twins, status: str, code: str, kind: type[StorageError]
) -> None:
    body = answers.table_error(code, "2:The third one.\nRequestId:1\nTime:2024")
    headers = "DataServiceVersion: 3.0;\r\nContent-Type: application/json\r\n"
    failure = await twins.same(batch, answers.batch([(status, headers, body)]))
    assert isinstance(failure, Failure)
    assert failure.kind is kind
    assert failure.status == int(status[:3])
    assert failure.said.endswith("2:The third one.")


async def test_a_write_of_a_batch_may_be_too_large(twins: Twins) -> None:
    """The SDK says it in words of its own, with the batch's status."""
    body = answers.table_error("EntityTooLarge", "2:The third one.\nRequestId:1\nTime:2024")
    answer = answers.batch([("413 Request Entity Too Large", "", body)])
    direct, sdk = await twins.direct(batch, answer), await twins.sdk(batch, answer)
    assert isinstance(direct, Failure)
    assert isinstance(sdk, Failure)
    assert direct.kind is sdk.kind is TooLarge
    assert (direct.status, sdk.status) == (413, 202)
    assert direct.said.endswith("2:The third one.")


@pytest.mark.parametrize(("status", "code", "kind"), TABLE_ERRORS)
async def test_a_batch_may_be_refused_whole(
    twins: Twins, status: int, code: str, kind: type[StorageError]
) -> None:
    failure = await twins.same(batch, answers.table_refused(status, code))
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.status) == (kind, status)


@pytest.mark.parametrize(
    ("call", "refusal", "success"),
    [
        (get, answers.refused(503, "ServerBusy"), answers.messages()),
        (put, answers.refused(500, "InternalError"), answers.PUT),
        (delete_message, answers.refused(408, "OperationTimedOut"), answers.done),
        (query, answers.table_refused(503, "ServerBusy"), answers.found({"value": []})),
        (read, answers.table_refused(429, "ServerBusy"), answers.found(ENTITY)),
        (merge, answers.table_refused(500, "InternalError"), answers.written),
        (batch, answers.table_refused(504, "OperationTimedOut"), answers.batch_done(3)),
    ],
    ids=["get", "put", "delete", "query", "read", "merge", "batch"],
)
async def test_the_same_is_retried(
    twins: Twins, call: object, refusal: AnswerMaker, success: AnswerMaker
) -> None:
    assert callable(call)
    assert not isinstance(await twins.same(call, refusal, success), Failure)


@pytest.mark.parametrize("call", [put, get, delete_message])
async def test_the_same_is_given_up(twins: Twins, call: object) -> None:
    assert callable(call)
    failure = await twins.same(call, *[answers.refused(503, "ServerBusy")] * 5)
    assert isinstance(failure, Failure)
    assert failure.kind is Throttled


@pytest.mark.parametrize(
    "body", ["", "no", "{}", "{no", "[]", '{"odata.error": 1}', "<Error/>", "<a"]
)
async def test_errors_without_words_have_a_status(twins: Twins, body: str) -> None:
    failure = await twins.direct(merge, answers.bare(409, body))
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.status) == (Conflict, 409)
    assert failure.said.endswith("(409): Conflict")
    odd = await twins.direct(merge, answers.bare(499, body))
    assert isinstance(odd, Failure)
    assert odd.said.endswith("(499): HTTP status 499")


async def test_an_error_code_without_a_message(twins: Twins) -> None:
    body = '{"odata.error": {"code": "UpdateConditionNotSatisfied"}}'
    failure = await twins.direct(merge, answers.bare(400, body))
    assert isinstance(failure, Failure)
    assert failure.kind is PreconditionFailed
