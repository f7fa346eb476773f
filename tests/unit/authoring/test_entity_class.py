"""Entities that are classes: methods are operations, the object is the state."""

from __future__ import annotations

import enum
import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

import pydantic
import pytest

from durable.authoring.definitions import EntityDefinition
from durable.authoring.entity_class import entity_class, result_type
from durable.authoring.entity_context import EntityBase
from durable.authoring.registry import Registry
from durable.errors import InvalidName, UsageError
from durable.model.entities import Signal
from durable.model.ids import EntityId
from tests.unit.authoring.entity_lab import NOW, a_lab


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Item:
    name: str
    price: float


@dataclass
class Counter(EntityBase):
    """Fields are the state."""

    value: int = 0
    log: list[Item] = field(default_factory=list)
    changed: datetime | None = field(default=None, init=False)

    def add(self, amount: int = 1) -> int:
        self.value += amount
        self.changed = self.context.current_utc_datetime
        return self.value

    async def Buy(self, item: Item) -> list[Item]:  # noqa: N802 - the case is the test's
        self.log.append(item)
        return self.log

    def get(self) -> int:
        return self.value

    def fail(self) -> None:
        self.value = 1000
        raise ValueError("no")

    def forward(self, colour: Colour) -> None:
        self.context.signal_entity(EntityId("log", "x"), "append", colour)

    def close(self) -> str:
        self.context.set_result("closed")
        self.context.destruct_on_exit()
        return "ignored"

    def _helper(self) -> None:
        raise AssertionError


class Plain(EntityBase):
    """Attributes are the state; those that the class declares begin as copies."""

    LIMIT: ClassVar[int] = 10
    bare: ClassVar = 10
    names: list[str] = []
    best: Item | None = None
    unset: int

    def __init__(self) -> None:
        self.key = self.context.entity_key
        self._hidden = object()

    def note(self, name: str) -> int:
        self.names.append(name)
        self.best = Item(name, 2)
        self.later = len(self.names)
        return self.LIMIT

    def show(self) -> object:
        return [self.best.name if self.best else None, self.names]


class Model(EntityBase, pydantic.BaseModel):
    value: int = 0
    when: datetime | None = None

    def add(self, amount: int) -> int:
        self.value += amount
        self.when = self.context.current_utc_datetime
        return self.value


@dataclass(slots=True)
class Slotted(EntityBase):
    value: int = 0

    def add(self, amount: int) -> None:
        self.value += amount


class Coded:
    """Has a codec of its own."""

    def __init__(self, value: int = 0) -> None:
        self._value = value

    def add(self, amount: int) -> None:
        self._value += amount

    @staticmethod
    def to_json(obj: Coded) -> object:
        return obj._value

    @staticmethod
    def from_json(data: Any) -> Coded:
        return Coded(int(data))


async def test_a_dataclass_keeps_its_fields() -> None:
    with a_lab(Counter) as lab:
        assert await lab.result("add", "5") == "5"
        assert await lab.result("ADD") == "6"  # case does not matter; a default counts
        assert await lab.result("buy", '{"name":"tea","price":2}') == '[{"name":"tea","price":2.0}]'
        assert await lab.result("get", '"ignored"') == "6"
        assert lab.state == (
            '{"value":6,"log":[{"name":"tea","price":2.0}],"changed":"2024-05-06T07:08:09+00:00"}'
        )
        result = await lab.run("forward", '"red"')
        assert result.effects == (Signal(target=EntityId("log", "x"), op="append", input='"red"'),)
        assert await lab.failure("fail") == "ValueError: no"
        assert await lab.result("close") == '"closed"'
        assert [lab.state, await lab.result("get")] == [None, "0"]


async def test_delete_is_an_operation_of_every_class_and_reads_nothing() -> None:
    class Own:
        def delete(self) -> str:
            return "kept"

    with a_lab(Counter) as lab:
        lab.state = "[unreadable"
        assert [await lab.result("Delete"), lab.state] == [None, None]
    with a_lab(Own) as lab:
        assert await lab.result("delete") == '"kept"'
        assert lab.state == "{}"


async def test_a_plain_class_keeps_its_attributes() -> None:
    with a_lab(Plain) as lab:
        assert await lab.result("note", '"a"') == "10"
        assert await lab.result("note", '"b"') == "10"
        assert lab.state == (
            '{"key":"a","names":["a","b"],"best":{"name":"b","price":2},"later":2}'
        )
        assert await lab.result("show") == '["b",["a","b"]]'
        assert Plain.names == []
        lab.state = '{"names":["z"],"_hidden":1}'
        assert await lab.result("show") == '[null,["z"]]'
        lab.state = "null"
        assert await lab.result("show") == "[null,[]]"


async def test_models_slots_and_codecs() -> None:
    with a_lab(Model) as lab:
        await lab.result("add", "5")
        assert await lab.result("add", "5") == "10"
        assert lab.state == '{"value":10,"when":"2024-05-06T07:08:09Z"}'
        assert "has no operation 'model_dump'" in await lab.failure("model_dump")
    with a_lab(Slotted) as lab:
        await lab.result("add", "5")
        await lab.result("add", "5")
        assert lab.state == '{"value":10}'
    with a_lab(Coded) as lab:
        await lab.result("add", "5")
        await lab.result("add", "5")
        assert lab.state is not None
        assert '"__data__":10' in lab.state
        lab.state = "7"
        await lab.result("add", "1")
        assert '"__data__":8' in lab.state


async def test_synchronous_methods_have_a_thread_and_others_the_loop() -> None:
    class Where(EntityBase):
        def here(self) -> bool:
            return threading.current_thread() is threading.main_thread()

        async def there(self) -> bool:
            assert self.context.operation_name == "there"
            return threading.current_thread() is threading.main_thread()

    with a_lab(Where) as lab:
        assert [await lab.result("here"), await lab.result("there")] == ["false", "true"]


async def test_an_unknown_operation_names_those_there_are() -> None:
    with a_lab(Counter) as lab:
        assert await lab.failure("ad") == (
            "durable.errors.UnknownOperation: Entity '@counter@a' has no operation 'ad'. Did you "
            "mean 'add'? The operations of Counter are: Buy, add, close, fail, forward, get."
        )
        for hidden in ("_helper", "__init__", "context", "value"):
            assert "has no operation" in await lab.failure(hidden)


@pytest.mark.parametrize(
    ("operation", "text", "told"),
    [
        ("add", '"five"', "Counter.add(amount: 'int' = 1). At $: int expected, but found a text."),
        ("add", "5.5", "int expected, but found a number"),
        ("buy", '{"name":"x"}', "At $.price: nothing there, but Item needs it."),
        ("buy", None, "does not fit Counter.Buy(item: 'Item'). At $: Item expected, but found nul"),
        ("buy", "null", "found null"),
        ("forward", '"blue"', "no Colour can be made of the value"),
        ("add", "{", "A payload is not JSON"),
    ],
)
async def test_an_input_that_does_not_fit_is_told_with_entity_and_operation(
    operation: str, text: str | None, told: str
) -> None:
    with a_lab(Counter) as lab:
        lab.state = '{"value":3}'
        failed = await lab.failure(operation, text)
    assert told in failed
    assert f"The input of operation '{operation}' of entity '@counter@a' does not fit" in failed


async def test_an_argument_need_not_be_annotated_or_may_be_named() -> None:
    class Loose:
        def any(self, value):  # type: ignore[no-untyped-def]
            return [value]

        def named(self, *, value: int | None) -> object:
            return value

        def placed(self, value: int, /) -> object:
            return value

        @staticmethod
        def helper(one: int, two: int) -> None: ...

    with a_lab(Loose) as lab:
        assert await lab.result("any") == "[null]"
        assert await lab.result("any", '"x"') == '["x"]'
        assert await lab.result("named", "5") == "5"
        assert await lab.result("named") is None
        assert await lab.result("placed", "5") == "5"
        assert "has no operation" in await lab.failure("helper")


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ('{"value":"x"}', "At $.value: int expected, but found a text."),
        ("5", "Counter expected"),
        ("{", "A payload is not JSON"),
        ('{"changed":5}', "At $.changed: datetime.datetime | None expected"),
    ],
)
async def test_a_state_that_cannot_be_read_stays_as_it_is(state: str, told: str) -> None:
    with a_lab(Counter) as lab:
        lab.state = state
        failed = await lab.failure("get")
    assert told in failed
    assert "The state of entity '@counter@a' cannot be read as Counter; " in failed


class Miscoded(Coded):
    @staticmethod
    def from_json(data: Any) -> Any:
        return data


async def test_a_codec_must_make_objects_of_its_class() -> None:
    with a_lab(Miscoded) as lab:
        lab.state = "5"
        assert "Miscoded expected, but found int" in await lab.failure("add", "1")


async def test_a_plain_classs_state_is_checked_too() -> None:
    with a_lab(Plain) as lab:
        lab.state = '{"names":5}'
        assert "At $.names: list[str] expected" in await lab.failure("show")
        lab.state = "5"
        assert "the attributes of Plain expected" in await lab.failure("show")


class Faulty(EntityBase):
    """Leaves what can't be stored, or could not be read."""

    when: datetime = None  # type: ignore[assignment]

    def unwritable(self) -> None:
        self.made = object()

    def unreadable(self) -> None: ...

    def fine(self) -> None:
        self.when = NOW

    def result(self) -> object:
        return object()

    def state(self) -> None:
        self.context.get_state()

    def other(self) -> None:
        self.context.set_state(5)


@pytest.mark.parametrize(
    ("operation", "told"),
    [
        ("unwritable", "at $.made, a value of type object is not JSON"),
        ("unreadable", "could not be read as Faulty again, so it was not stored: At $.when: datet"),
        ("result", "The result of operation 'result' of entity '@counter@a' cannot be written"),
        ("state", "use its attributes in place of get_state and set_state"),
        ("other", "is what its Faulty object holds"),
    ],
)
async def test_what_cannot_be_stored_or_answered_is_refused(operation: str, told: str) -> None:
    with a_lab(Faulty) as lab:
        await lab.result("fine")
        if operation == "unreadable":
            lab.state = None
        assert told in await lab.failure(operation)


async def test_what_a_class_raises_when_it_is_made_is_told_as_it_is() -> None:
    class Broken:
        def __init__(self) -> None:
            raise ValueError("mine")

        def get(self) -> None: ...

    with a_lab(Broken) as lab:
        assert await lab.failure("get") == "ValueError: mine"


def test_there_is_no_context_outside_of_an_operation() -> None:
    assert Counter(value=3).get() == 3
    with pytest.raises(UsageError, match=r"Counter\.context was used outside of an operation"):
        Counter().add()


class Derived(Counter):
    get = None  # type: ignore[assignment]

    def more(self) -> None: ...


def test_operations_are_inherited_and_can_be_taken_back() -> None:
    derived = entity_class(Derived)
    assert derived.find("add") is not None
    assert derived.find("MORE") is not None
    assert derived.find("get") is None


def test_the_type_of_a_result_is_known_to_callers() -> None:
    definition = EntityDefinition(name="Counter", function=Counter)
    assert result_type(definition, "BUY") == list[Item]
    assert result_type(definition, "forward") is None
    assert result_type(definition, "nothing") is None
    assert result_type(EntityDefinition(name="f", function=len), "x") is None


def test_classes_in_annotations_may_come_out_of_payloads() -> None:
    class Uses:
        def take(self, coded: Coded) -> None: ...

    registry = Registry()
    registry.add_entity(EntityDefinition(name="Uses", function=Uses))
    registry.add_entity(EntityDefinition(name="f", function=len))
    assert list(registry.known_types.values()) == [Coded]


class TwoArguments:
    def add(self, one: int, two: int) -> None: ...


class AnyArguments:
    def add(self, *values: int) -> None: ...


class OneNameTwice:
    def add(self) -> None: ...

    def Add(self) -> None: ...  # noqa: N802 - that is the mistake


class Yields:
    def add(self) -> Any:
        yield 1


class YieldsAsync:
    async def add(self) -> Any:
        yield 1


class Needs:
    def __init__(self, value: int) -> None: ...


@dataclass
class NeedsField:
    value: int


class Container(dict[str, int]): ...


class Slots:
    __slots__ = ("value",)


class HalfACodec:
    def to_json(self) -> object: ...


class Unresolved:
    def add(self, value: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821


class UnresolvedField:
    value: Missing = 0  # type: ignore[name-defined]  # noqa: F821


def yields(context: object) -> Any:
    yield 1


async def yields_async(context: object) -> Any:
    yield 1


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (TwoArguments, "TwoArguments.add takes more than one argument"),
        (AnyArguments, "takes more than one argument"),
        (OneNameTwice, "OneNameTwice has the operations 'add' and 'Add'"),
        (Yields, "Yields.add yields"),
        (YieldsAsync, "YieldsAsync.add yields"),
        (Needs, "A new Needs cannot be made without arguments (missing a required argument: 'val"),
        (NeedsField, "Give them defaults"),
        (Container, "Entity Container is a built-in container"),
        (Slots, "make it a @dataclass(slots=True)"),
        (HalfACodec, "has to_json but no from_json"),
        (Unresolved, "annotations of Unresolved.add cannot be resolved (NameError"),
        (UnresolvedField, "annotations of UnresolvedField cannot be resolved"),
        (yields, "Entity 'x' yields"),
        (yields_async, "Entity 'x' yields"),
    ],
)
def test_what_cannot_be_an_entity_is_refused_when_it_is_registered(
    function: Any, told: str
) -> None:
    with pytest.raises(UsageError) as caught:
        Registry().add_entity(EntityDefinition(name="x", function=function))
    assert told in str(caught.value)


@pytest.mark.parametrize("name", ["", "a@b", "a/b", "a" * 300])
def test_a_name_that_no_id_can_hold_is_refused(name: str) -> None:
    with pytest.raises(InvalidName):
        Registry().add_entity(EntityDefinition(name=name, function=Counter))
