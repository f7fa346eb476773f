"""Ids: the rules they keep, and what is derived from them (R7)."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given, strategies as st

from durable.errors import BadConfig, InvalidName
from durable.model import ids


@pytest.mark.parametrize("good", ["a", "x" * 256, "order-1", "ä b.c~", "a@b", "%2F", "..."])
def test_an_instance_id_within_the_rules_is_returned(good: str) -> None:
    assert ids.check_instance_id(good) == good


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("", "must not be empty"),
        ("@counter@a", "belong to entities"),
        (".", "must not be '.' or '..'"),
        ("..", "must not be '.' or '..'"),
        ("x" * 257, "has 257 characters; at most 256"),
        ("a/b", "contains '/'"),
        ("a\\b", "contains '\\\\'"),
        ("a#b", "contains '#'"),
        ("a?b", "contains '?'"),
        ("a\tb", r"contains '\t'"),
        ("a\x85b", "control characters"),
        ("a\ud800b", "control characters"),
    ],
)
def test_an_instance_id_that_breaks_a_rule_is_refused_with_the_rule(bad: str, said: str) -> None:
    with pytest.raises(InvalidName) as refused:
        ids.check_instance_id(bad)
    assert said in str(refused.value)


def test_a_long_bad_instance_id_is_shown_in_part() -> None:
    with pytest.raises(InvalidName) as refused:
        ids.check_instance_id("/" + "y" * 200)
    assert "y" * 63 + "..." in str(refused.value)
    assert "y" * 64 not in str(refused.value)


@pytest.mark.parametrize("good", ["abc", "a" * 45, "TestHub1"])
def test_a_hub_name_within_the_rules_is_returned(good: str) -> None:
    assert ids.check_hub_name(good) == good


@pytest.mark.parametrize("bad", ["", "ab", "a" * 46, "1abc", "a-b", "hüb", "a b"])
def test_a_hub_name_that_breaks_a_rule_is_refused(bad: str) -> None:
    with pytest.raises(BadConfig, match="hubName"):
        ids.check_hub_name(bad)


@pytest.mark.parametrize("good", [1, 4, 16])
def test_a_partition_count_within_the_rules_is_returned(good: int) -> None:
    assert ids.check_partition_count(good) == good


@pytest.mark.parametrize("bad", [0, -1, 17])
def test_a_partition_count_out_of_range_is_refused(bad: int) -> None:
    with pytest.raises(BadConfig, match=f"partitionCount is {bad}"):
        ids.check_partition_count(bad)


EXECUTIONS = st.uuids().map(lambda value: value.hex)
TASKS = st.integers(0, 10_000)


@given(EXECUTIONS, TASKS)
def test_r7_derived_ids_are_deterministic(execution: str, task: int) -> None:
    assert ids.child_execution_id(execution, task) == ids.child_execution_id(execution, task)
    assert ids.next_execution_id(execution) == ids.next_execution_id(execution)
    assert ids.carried_identity(execution, "x") == ids.carried_identity(execution, "x")
    assert ids.derived_activity_id(execution) == ids.derived_activity_id(execution)
    assert uuid.UUID(ids.child_execution_id(execution, task)).hex == ids.child_execution_id(
        execution, task
    )
    assert str(uuid.UUID(ids.derived_activity_id(execution))) == ids.derived_activity_id(execution)


@given(st.sets(st.tuples(EXECUTIONS, TASKS), min_size=2, max_size=5))
def test_r7_different_tasks_derive_different_ids(tasks: set[tuple[str, int]]) -> None:
    assert len({ids.child_execution_id(*each) for each in tasks}) == len(tasks)
    assert len({ids.sent_identity(*each) for each in tasks}) == len(tasks)
    assert len({ids.child_instance_id(*each) for each in tasks}) == len(tasks)


def test_ids_are_derived_of_what_no_sound_message_names() -> None:
    # A lone surrogate has no UTF-8: the activity ran, and its answer could not be sent.
    lone = "e\ud800"
    assert ids.derived_activity_id(lone) == ids.derived_activity_id(lone)
    assert ids.derived_activity_id(lone) != ids.derived_activity_id("e")
    assert ids.next_execution_id(lone) != ids.next_execution_id("e")


def test_r7_derived_ids_never_change_between_versions() -> None:
    # Persisted: another value here breaks every instance that is under way.
    assert ids.child_execution_id("e1", 0) == "b9e36289f50e57f9b78682424d58d496"
    assert ids.next_execution_id("e1") == "c12a87ced25e5b62b0133b2a2e909557"
    assert ids.carried_identity("e1", "id") == "o:b47402dfb13e5825a852973f939df11c"
    assert ids.derived_activity_id("e1:task:0") == "9bfe548f-4639-571a-97a3-e0bb5249d914"
    assert ids.sent_identity("e1", 3) == "s:e1:3"
    # What a rewind made it decide anew is something else.
    assert ids.child_execution_id("e1", 0, rewound=2) == "127c8c529b375adc867f74f5bccc1983"
    assert ids.sent_identity("e1", 3, rewound=2) == "s:e1:2:3"
    assert ids.child_instance_id("e1", 3) == "e1:3"


def test_r1_a_carried_event_gets_an_identity_that_differs_from_its_old_one() -> None:
    once = ids.carried_identity("e1", "id")
    assert once != "id"
    assert ids.carried_identity("e2", "id") != once
    assert ids.carried_identity("e2", once) not in (once, "id")


@pytest.mark.parametrize(("text", "is_one"), [("@counter@a", True), ("a@b", False), ("", False)])
def test_entities_live_under_ids_with_an_at_sign_first(text: str, is_one: bool) -> None:
    assert ids.is_entity_id(text) is is_one


def test_an_entity_id_lowers_its_name_and_keeps_its_key() -> None:
    entity = ids.EntityId("Counter", "Key A")
    assert (entity.name, entity.key) == ("counter", "Key A")
    assert str(entity) == "@counter@Key A"
    assert ids.is_entity_id(str(entity))
    assert entity == ids.EntityId(name="COUNTER", key="Key A")


@pytest.mark.parametrize(("name", "key", "said"), [("", "k", "name"), ("n", "", "key")])
def test_an_entity_id_needs_both_parts(name: str, key: str, said: str) -> None:
    with pytest.raises(InvalidName, match=f"entity's {said} must not be empty"):
        ids.EntityId(name, key)


def test_an_event_name_within_the_rules_is_returned() -> None:
    longest = "x" * ids.MAX_EVENT_NAME
    assert ids.check_event_name(longest, "x") == longest
    assert ids.check_event_name("a/b #?", "x") == "a/b #?"


@pytest.mark.parametrize(
    ("bad", "said"),
    [("", "not empty"), (None, "a text"), (5, "a text"), ("x" * 8193, "has 8193 characters")],
    ids=["empty", "none", "number", "long"],
)
def test_an_event_name_that_breaks_a_rule_is_refused(bad: object, said: str) -> None:
    with pytest.raises(InvalidName, match=said) as caught:
        ids.check_event_name(bad, "raise_event")
    assert "raise_event" in str(caught.value)
    assert len(str(caught.value)) < 300


def test_an_entity_ids_other_forms() -> None:
    entity = ids.EntityId("Counter", "a@b")
    assert ids.EntityId.get_scheduler_id(entity) == "@counter@a@b"
    assert ids.EntityId.get_entity_id("@counter@a@b") == entity
    assert ids.EntityId.get_entity_id_url_path(entity) == "entities/counter/a@b"


@pytest.mark.parametrize(
    "bad", ["", "counter", "@counter", "counter@k", "x@counter@k", "@@k", "@n@"]
)
def test_what_is_no_entitys_instance_id_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="entity"):
        ids.EntityId.get_entity_id(bad)


@pytest.mark.parametrize("good", ["a", "order@1", "ä b.c~", "x" * 252])
def test_an_entity_id_within_the_rules_is_returned(good: str) -> None:
    entity = ids.EntityId("n", good)
    assert ids.check_entity_id(entity) is entity


@pytest.mark.parametrize(
    ("name", "key", "said"),
    [
        ("a@b", "k", "must not contain '@'"),
        ("n", "x" * 254, "has 257 characters; at most 256"),
        ("n", "a/b", "contains '/'"),
        ("n?", "k", "contains '?'"),
        ("n", "a\tb", r"contains '\t'"),
    ],
)
def test_an_entity_id_that_breaks_a_rule_is_refused(name: str, key: str, said: str) -> None:
    with pytest.raises(InvalidName) as refused:
        ids.check_entity_id(ids.EntityId(name, key))
    assert said in str(refused.value)


def test_r7_a_request_to_an_entity_has_the_same_id_each_time() -> None:
    made = ids.request_id("e", 3)
    assert made == ids.request_id("e", 3) == str(uuid.UUID(made))
    assert len({made, ids.request_id("e", 4), ids.request_id("e", 3, rewound=2)}) == 3
