"""What a client is wrongly asked is refused at the call, by the parameter's name."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from durable.client import Client
from durable.errors import UsageError
from durable.hub.taskhub import TaskHub
from durable.model.ids import MAX_EVENT_NAME, EntityId
from durable.storage.memory.account import MemoryAccount

COUNTER = EntityId("counter", "k")
#: Method, arguments, the parameter that the error names.
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("start_new", {"orchestration_function_name": ""}, "orchestration_function_name"),
    ("start_new", {"orchestration_function_name": len}, "orchestration_function_name"),
    ("start_new", {"orchestration_function_name": "o", "instance_id": 7}, "instance_id"),
    ("start_new", {"orchestration_function_name": "o", "instance_id": "a/b"}, "Instance id"),
    ("start_new", {"orchestration_function_name": "o", "version": 2}, "version"),
    ("start_new", {"orchestration_function_name": "o", "client_input": object()}, "input of 'o'"),
    ("get_status", {"instance_id": ""}, "instance_id"),
    ("get_status_by", {"created_time_from": "today"}, "created_time_from"),
    ("get_status_by", {"created_time_to": 5}, "created_time_to"),
    ("get_status_by", {"runtime_status": "Failed"}, "runtime_status"),
    ("get_status_by", {"runtime_status": ["Failed"]}, "runtime_status"),
    ("get_status_by", {"instance_id_prefix": 1}, "instance_id_prefix"),
    ("raise_event", {"instance_id": "", "event_name": "e"}, "instance_id"),
    ("raise_event", {"instance_id": "i", "event_name": ""}, "name of an event"),
    ("raise_event", {"instance_id": "i", "event_name": 3}, "name of an event"),
    ("raise_event", {"instance_id": "i", "event_name": "e" * (MAX_EVENT_NAME + 1)}, "event name"),
    ("raise_event", {"instance_id": "i", "event_name": "e", "event_data": object()}, "event 'e'"),
    (
        "raise_event",
        {"instance_id": "i", "event_name": "e", "task_hub_name": 1},
        "task_hub_name",
    ),
    (
        "raise_event",
        {"instance_id": "i", "event_name": "e", "connection_name": 1},
        "connection_name",
    ),
    ("list_quarantined", {"queue": 7}, "queue"),
    ("list_quarantined", {"instance_id": 7}, "instance_id"),
    ("list_quarantined", {"page_size": 0}, "page_size"),
    ("list_quarantined", {"continuation_token": 7}, "continuation_token"),
    ("get_quarantined", {"message_id": ""}, "message_id"),
    ("replay_quarantined", {"message_id": None}, "message_id"),
    ("discard_quarantined", {"message_id": 7}, "message_id"),
    ("rewind", {"instance_id": "", "reason": "r"}, "instance_id"),
    ("rewind", {"instance_id": "i", "reason": 1}, "reason"),
    ("rewind", {"instance_id": "i", "task_hub_name": 1}, "task_hub_name"),
    ("start_new", {"orchestration_function_name": "o", "tags": ["a"]}, "tags"),
    ("start_new", {"orchestration_function_name": "o", "tags": {"a": 1}}, "Tag 'a'"),
    (
        "start_new",
        {"orchestration_function_name": "o", "scheduled_start_time": "soon"},
        "scheduled_start_time",
    ),
    ("terminate", {"instance_id": "", "reason": "r"}, "instance_id"),
    ("terminate", {"instance_id": "i", "reason": 1}, "reason"),
    ("suspend", {"instance_id": None, "reason": "r"}, "instance_id"),
    ("suspend", {"instance_id": "i", "reason": ["r"]}, "reason"),
    ("resume", {"instance_id": 0, "reason": "r"}, "instance_id"),
    ("resume", {"instance_id": "i", "reason": b"r"}, "reason"),
    ("restart", {"instance_id": ""}, "instance_id"),
    ("purge_instance_history", {"instance_id": ""}, "instance_id"),
    ("purge_instance_history_by", {"created_time_from": None}, "created_time_from"),
    ("purge_instance_history_by", {"created_time_from": "2000"}, "created_time_from"),
    ("wait_for_orchestration_completion", {"instance_id": ""}, "instance_id"),
    ("wait_for_orchestration_completion", {"instance_id": "i", "timeout": -1}, "timeout"),
    ("wait_for_orchestration_completion", {"instance_id": "i", "interval": -1}, "interval"),
    ("wait_for_orchestration_start", {"instance_id": "i", "timeout": "9"}, "timeout"),
    ("create_http_management_payload", {"instance_id": ""}, "instance_id"),
    *(
        (method, {"entityId": wrong, **more}, "entityId must be an EntityId")
        for method, more in (("signal_entity", {"operation_name": "o"}), ("read_entity_state", {}))
        for wrong in ("@counter@k", None, ("counter", "k"))
    ),
    *(
        ("signal_entity", {"entityId": EntityId(name, key), "operation_name": "o"}, rule)
        for name, key, rule in (
            ("a@b", "k", "Entity name 'a@b' must not contain '@'"),
            ("a", "b/c", "Entity id '@a@b/c' contains '/'"),
            ("a", "b\\c", r"contains '\\\\'"),
            ("a", "b#c", "contains '#'"),
            ("a", "b?c", r"contains '\?'"),
            ("a", "b\n", r"contains '\\n'"),
            ("a/b", "k", "contains '/'"),
            ("a", "k" * 254, "has 257 characters"),
        )
    ),
    ("signal_entity", {"entityId": COUNTER, "operation_name": None}, "operation_name"),
    ("signal_entity", {"entityId": COUNTER, "operation_name": 5}, "operation_name"),
    (
        "signal_entity",
        {"entityId": COUNTER, "operation_name": "o", "operation_input": {"a": object()}},
        r"input of operation 'o' of entity '@counter@k' .* at \$.a",
    ),
    (
        "signal_entity",
        {"entityId": COUNTER, "operation_name": "o", "scheduled_time": 5},
        "scheduled_time",
    ),
    (
        "signal_entity",
        {"entityId": COUNTER, "operation_name": "o", "task_hub_name": 5},
        "task_hub_name",
    ),
    ("read_entity_state", {"entityId": EntityId("a@b", "k")}, "entityId names no entity"),
    ("read_entity_state", {"entityId": EntityId("a", "k" * 600)}, "too long for storage"),
    ("read_entity_state", {"entityId": COUNTER, "connection_name": 5}, "connection_name"),
    *(
        (method, arguments, named)
        for method in ("get_entities", "get_all_entities")
        for arguments, named in (
            ({"entity_name": "a@b"}, "entity_name names no entity"),
            ({"entity_name": ""}, "entity_name names no entity"),
            ({"entity_name": 5}, "entity_name"),
            ({"last_modified_from": "today"}, "last_modified_from"),
            ({"last_modified_to": 5}, "last_modified_to"),
        )
    ),
    ("get_entities", {"page_size": 0}, "page_size is 0"),
    ("get_entities", {"page_size": True}, "page_size must be a whole number"),
    ("get_entities", {"page_size": "9"}, "page_size must be a whole number"),
    ("get_entities", {"continuation_token": 5}, "continuation_token"),
]


@pytest.mark.parametrize(("method", "arguments", "named"), CASES)
async def test_bad_input_is_refused_by_name_before_storage_is_asked(
    hub: TaskHub, account: MemoryAccount, method: str, arguments: dict[str, Any], named: str
) -> None:
    with pytest.raises(UsageError, match=named):
        await called(Client(hub), method, arguments)
    assert account.requests.total() == 0


async def called(client: Client, method: str, arguments: dict[str, Any]) -> None:
    answer = getattr(client, method)(**arguments)
    if inspect.isawaitable(answer):
        await answer


def test_every_method_that_takes_an_id_has_a_case() -> None:
    taking = {
        name
        for name, method in inspect.getmembers(Client, inspect.isfunction)
        if not name.startswith("_") and "instance_id" in inspect.signature(method).parameters
    }
    # `start` and `wait` serve the management API, which has checks of its own.
    assert taking - {"start", "wait"} <= {method for method, _, _ in CASES}
