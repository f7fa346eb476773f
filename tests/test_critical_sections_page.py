"""docs/howto/critical-sections.md: its orchestrators, run as they stand."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from durable.authoring.definitions import EntityDefinition, OrchestratorDefinition
from durable.authoring.program import OrchestratorProgram
from durable.authoring.registry import Registry
from durable.errors import LockingRulesViolation
from durable.model.entities import LOCK_GRANTED, Response
from durable.model.events import EventRaised, EventSent
from durable.wire import entity_json
from tests.unit.engine.conftest import T0, Driver

PAGE = Path(__file__).resolve().parent.parent / "docs/howto/critical-sections.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def ran(name: str, answers: list[object]) -> tuple[Any, list[str]]:
    """The output of the page's orchestrator, and what it told entities.

    Entities answer what is asked of them, one after the other.
    """
    page: dict[str, Any] = {"timedelta": timedelta}
    for block in BLOCKS:
        exec(compile(block, str(PAGE), "exec"), page)
    registry = Registry()
    registry.add_entity(EntityDefinition(name="account", function=page["account"].entity_function))
    definition = OrchestratorDefinition(
        name=name, function=page[name].orchestrator_function, context_name="context"
    )
    driver = Driver(OrchestratorProgram(definition, registry))
    driver.start()
    seen = 0
    told: list[str] = []
    while driver.live.outcome is None:
        sent = [row for row in driver.rows if isinstance(row, EventSent)]
        arrived: list[EventRaised] = []
        for row in sent[seen:]:
            message = json.loads(row.input or "")
            if "op" not in message or message.get("signal"):
                continue
            result = LOCK_GRANTED if message["op"] is None else json.dumps(answers.pop(0))
            response = Response(id=message["id"], result=result)
            text = entity_json.encode_response(response)
            arrived.append(EventRaised(timestamp=T0, name=response.id, input=text, identity="x"))
        seen = len(sent)
        assert arrived
        driver.turn(*arrived)
    for each in driver.rows:
        if isinstance(each, EventSent):
            message = json.loads(each.input or "")
            op = message.get("op", "release") or "lock"
            told.append(f"{each.instance_id} {op} {message.get('input', '')}".rstrip())
    return json.loads(driver.live.outcome.result or "null"), told


LOCKED, FREED = ["@account@a lock"], ["@account@a release", "@account@b release"]
MOVED = ["@account@a add -50", "@account@b add 50"]


@pytest.mark.parametrize(
    ("name", "answers", "output", "told"),
    [
        ("deposit", [100], 100, ["@account@a add 100", "@account@log add 1"]),
        ("transfer", [80, 30, 50], True, [*LOCKED, "@account@a get", *MOVED, *FREED]),
        ("transfer", [20], False, [*LOCKED, "@account@a get", *FREED]),
        ("transfer_async", [30, 50], None, [*LOCKED, *MOVED, *FREED]),
        ("patient", [7], 7, [*LOCKED, "@account@a get", "@account@a release"]),
    ],
)
def test_the_pages_orchestrators_do_what_it_says(
    name: str, answers: list[object], output: object, told: list[str]
) -> None:
    assert ran(name, answers) == (output, told)


def test_the_table_names_every_rule() -> None:
    doc = LockingRulesViolation.__doc__ or ""
    assert set(re.findall(r"^\| `([a-z-]+)` \|", TEXT, re.MULTILINE)) == set(
        re.findall(r"``([a-z-]+)``", doc)
    )
