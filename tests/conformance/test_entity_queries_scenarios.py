"""8.7, rows 113 to 117 and 119: lists of entities, and cleaning up after many.

The entities are written as their last turns left them; how they got there is other rows' matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from tests.conformance.conformance import conforms
from tests.conformance.stage import Stage
from tests.entity_rows import insert_entity

STRINGS = {"1": '"a"', "2": '"b"', "3": '"c"'}


async def fill(stage: Stage, name: str, states: Mapping[str, str | None]) -> None:
    before = stage.clock.now() - timedelta(hours=1)
    for key, state in states.items():
        await insert_entity(stage.hub, f"@{name}@{key}", state, at=before)


@conforms("dtfx-8.7-113")
async def test_entities_of_a_name_with_their_states_when_asked_for(stage: Stage) -> None:
    await fill(stage, "stringstore", STRINGS)
    await fill(stage, "stringstore2", STRINGS)
    client = stage.client_host().client
    found = await client.get_all_entities("StringStore")
    assert [(each.key, each.get_state()) for each in found] == [("1", "a"), ("2", "b"), ("3", "c")]
    found = await client.get_all_entities("StringStore", include_state=False)
    assert [(each.key, each.includes_state) for each in found] == [
        ("1", False),
        ("2", False),
        ("3", False),
    ]


@conforms("dtfx-8.7-114")
async def test_pages_of_entities(stage: Stage) -> None:
    await fill(stage, "stringstore", STRINGS)
    client = stage.client_host().client
    first = await client.get_entities("StringStore", page_size=2)
    second = await client.get_entities(
        "StringStore", page_size=2, continuation_token=first.continuation_token
    )
    assert [each.key for each in first.entities] == ["1", "2"]
    assert [each.key for each in second.entities] == ["3"]
    assert second.continuation_token is None


@conforms("dtfx-8.7-115")
async def test_no_entities(stage: Stage) -> None:
    client = stage.client_host().client
    page = await client.get_entities("StringStore")
    assert (page.entities, page.continuation_token) == ([], None)


@conforms("dtfx-8.7-116")
async def test_deleted_entities_are_listed_when_asked_for(stage: Stage) -> None:
    await fill(stage, "stringstore", {"1": '"a"', "2": None, "3": '"c"', "4": None})
    client = stage.client_host().client
    assert len(await client.get_all_entities("StringStore")) == 2
    assert len(await client.get_all_entities("StringStore", include_transient=True)) == 4


@conforms("dtfx-8.7-117")
async def test_pages_are_full_however_many_were_deleted(stage: Stage) -> None:
    """The original's pages may be short."""
    states = {str(number): None if number % 2 else "1" for number in range(7)}
    await fill(stage, "stringstore", states)
    client = stage.client_host().client
    for with_deleted, sizes in ((True, [3, 3, 1]), (False, [3, 1])):
        found: list[int] = []
        token: str | None = None
        while not found or token is not None:
            page = await client.get_entities(
                "StringStore",
                include_transient=with_deleted,
                page_size=3,
                continuation_token=token,
            )
            found.append(len(page.entities))
            token = page.continuation_token
        assert found == sizes


@conforms("dtfx-8.7-119")
async def test_many_entities_are_cleaned(stage: Stage) -> None:
    count = 40 if stage.where == "azurite" else 120
    await fill(stage, "stringstore", {f"{number:03}": None for number in range(count)})
    await fill(stage, "stringstore", {"kept": '"a"'})
    client = stage.client_host().client
    assert (await client.clean_entity_storage()).empty_entities_removed == count
    assert [each.key for each in await client.get_all_entities(include_transient=True)] == ["kept"]
    assert (await client.clean_entity_storage()).empty_entities_removed == 0
