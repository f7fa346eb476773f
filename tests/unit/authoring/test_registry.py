from __future__ import annotations

import pytest

from durable.authoring.definitions import (
    ActivityDefinition,
    EntityDefinition,
    FunctionKind,
    OrchestratorDefinition,
)
from durable.authoring.registry import Registry
from durable.errors import AlreadyRegistered, InvalidName, UnknownFunction


class Money:
    @staticmethod
    def to_json(obj: object) -> object:
        return 1

    @staticmethod
    def from_json(data: object) -> Money:
        return Money()


class Stamp(Money):
    pass


def hello(city: str) -> list[Money] | None:
    return None


def orchestrate(context: object) -> object:
    return None


def activity(name: str, function: object = hello) -> ActivityDefinition:
    return ActivityDefinition(name=name, function=function, input_name="city")  # type: ignore[arg-type]


def orchestrator(name: str, input_type: object = None) -> OrchestratorDefinition:
    return OrchestratorDefinition(
        name=name, function=orchestrate, context_name="context", input_type=input_type
    )


def entity(name: str) -> EntityDefinition:
    return EntityDefinition(name=name, function=orchestrate, context_name="context")


def filled() -> Registry:
    registry = Registry()
    registry.add_activity(activity("SayHello"))
    registry.add_activity(activity("SayGoodbye", lambda city: city))
    registry.add_orchestrator(orchestrator("Main"))
    registry.add_entity(entity("Counter"))
    return registry


def test_names_ignore_case() -> None:
    registry = filled()
    found = registry.find_activity("sayHELLO")
    assert found is not None
    assert found.name == "SayHello"
    assert registry.find_orchestrator("MAIN") is registry.find_orchestrator("main")
    assert registry.find_entity("counter") is not None
    assert registry.find_activity("Main") is None
    assert registry.find_orchestrator("SayHello") is None
    assert registry.find_entity("SayHello") is None


def test_names_are_listed_as_they_were_given() -> None:
    registry = filled()
    assert registry.activity_names == ("SayHello", "SayGoodbye")
    assert registry.orchestrator_names == ("Main",)
    assert registry.entity_names == ("Counter",)


def test_two_functions_of_a_kind_cannot_share_a_name_but_two_kinds_can() -> None:
    registry = filled()
    registry.add_activity(activity("main"))
    with pytest.raises(AlreadyRegistered, match="'SAYHELLO'"):
        registry.add_activity(activity("SAYHELLO"))
    with pytest.raises(AlreadyRegistered, match="orchestrator"):
        registry.add_orchestrator(orchestrator("MAIN"))
    with pytest.raises(AlreadyRegistered, match="entity"):
        registry.add_entity(entity("counter"))
    with pytest.raises(InvalidName):
        registry.add_entity(entity(""))


def test_an_unknown_name_is_told_with_near_ones() -> None:
    registry = filled()
    with pytest.raises(UnknownFunction) as caught:
        registry.activity("SayHallo")
    assert str(caught.value) == (
        "No activity function is named 'SayHallo'. Did you mean 'SayHello'?"
    )
    assert registry.near("orchestrator", "mian") == ("Main",)
    assert registry.near(FunctionKind.ENTITY, "countre") == ("Counter",)
    assert str(registry.unknown("entity", "xyz")) == "No entity function is named 'xyz'."
    with pytest.raises(UnknownFunction, match="No orchestrator"):
        registry.orchestrator("zzz")


def test_a_function_is_found_as_it_is_and_as_it_was_decorated() -> None:
    class Decorated:
        user_function = staticmethod(hello)

    registry = filled()
    assert registry.activity(hello).name == "SayHello"
    assert registry.activity(Decorated()).name == "SayHello"
    assert registry.activity("sayhello").name == "SayHello"
    assert registry.orchestrator(orchestrate).name == "Main"


@pytest.mark.parametrize(
    "wrong",
    ["", None, 5, len, orchestrate, activity("x")],
    ids=["empty", "none", "number", "builtin", "orchestrator", "definition"],
)
def test_what_is_no_activity_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="activity"):
        filled().activity(wrong)


def test_payloads_may_become_classes_that_are_annotated_or_added() -> None:
    registry = filled()
    money = f"{Money.__module__}.Money"
    assert registry.known_types == {money: Money}
    registry.add_type(Stamp)
    assert registry.known_types == {money: Money, f"{Stamp.__module__}.Stamp": Stamp}
    assert registry.known_types is registry.known_types
    with pytest.raises(InvalidName, match="from_json"):
        registry.add_type(int)


def test_types_of_orchestrators_count_too() -> None:
    registry = Registry()
    registry.add_orchestrator(orchestrator("a", input_type=dict[str, Stamp]))
    assert list(registry.known_types.values()) == [Stamp]


@pytest.mark.parametrize("name", ["BuiltIn::HttpActivity", "builtin::anything"])
def test_the_engines_own_names_are_taken(name: str) -> None:
    registry = Registry()
    with pytest.raises(InvalidName, match="are the engine's own"):
        registry.add_activity(ActivityDefinition(name=name, function=str, input_name="object"))
