"""The measuring itself: what is recorded, that the floor does the same, and the page."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from benchmarks.measure import figures, loops, runs
from benchmarks.measure.catalog import MEASUREMENTS
from benchmarks.measure.floor import Floor
from benchmarks.measure.page import page
from benchmarks.measure.recording import Recorder, Recording, RecordingAccount, looking
from benchmarks.measure.spread import percentile, spread, versus
from benchmarks.measure.stage import Stage, staged
from benchmarks.measure.targets import TARGETS
from durable.clock import SystemClock
from durable.errors import NotFound, PreconditionFailed
from durable.storage.memory import MemoryAccount
from durable.storage.values import Operation, Row, Write

DOCS = Path(__file__).parents[2] / "docs"
HELLO = {
    "queue Put Message": 1,
    "queue Delete Message": 1,
    "table Insert Entity": 1,
    "table Get Entity": 2,
    "table Entity Group Transaction": 4,
    "table Merge Entity": 1,
}


@pytest.fixture
def account() -> MemoryAccount:
    return MemoryAccount(SystemClock())


@pytest.fixture
def floors(account: MemoryAccount) -> MemoryAccount:
    """The floor's door."""
    return account.opened_by(None)


@pytest.fixture
async def stage(account: MemoryAccount, floors: MemoryAccount) -> AsyncIterator[Stage]:
    async with staged(account, floors, account.opened_by(None)) as made:
        await made.client.prepare()
        yield made


def names(requests: Counter[tuple[str, str]]) -> dict[str, int]:
    created = ("Create Queue", "Create Table", "Create Container")
    return {
        f"{service} {name}": n for (service, name), n in requests.items() if name not in created
    }


async def test_the_floor_makes_the_requests_that_the_engine_made(
    stage: Stage, floors: MemoryAccount
) -> None:
    seconds, heard = await stage.recorded(lambda: stage.run("hello"))
    recording = heard.work()
    assert dict(recording.counts()) == HELLO
    assert recording.looks == 2
    floor = await stage.replayed(recording)
    assert names(floors.requests) == HELLO
    assert stage.floor.refused == 0
    assert 0 < floor < seconds


async def test_the_floor_of_each_kind_of_run_is_refused_nothing(
    stage: Stage, floors: MemoryAccount
) -> None:
    few = (
        runs.Run(title="events", prepare=runs.listens(5), work=runs.raises(5)),
        runs.Run(title="signals", work=runs.signals(5)),
        runs.Run(title="calls", work=runs.instance("caller", 2)),
        runs.Run(title="fan-out", work=runs.instance("fan_out", 5)),
    )
    for run in few:
        before = names(floors.requests)
        found = await runs.measure_on(stage, run, rounds=1)
        after = names(floors.requests)
        assert found["refused_by_floor"] == 0, run.title
        for operation, count in found["requests"].items():
            assert after[operation] - before.get(operation, 0) >= count, operation
        assert found["seconds"]["ratio"]["median"] > 0


async def test_a_closed_loop_has_each_kind_with_each_number_of_clients(stage: Stage) -> None:
    found = await loops.measure_on(stage, clients=(1, 3), rounds=1, seconds=0.05)
    assert list(found["clients"]) == ["1", "3"]
    for each in found["clients"].values():
        assert set(each) == {*loops.KINDS, "ratios", "requests_each"}
        assert each["requests_each"] >= 10
        assert all(each[kind]["a_second"]["median"] > 0 for kind in loops.KINDS)
    assert found["refused_by_floor"] == 0
    assert found["calls"][0] == "table Insert Entity"
    assert found["calls"][-1] == "table Get Entity, the client's look"


async def test_a_recording_tells_looks_idle_polls_and_upkeep_from_work(
    account: MemoryAccount,
) -> None:
    recorder = Recorder()
    heard = RecordingAccount(account, recorder)
    await heard.queues.create_queue("bench-q")
    for table in ("BenchPartitions", "BenchInstances"):
        await heard.tables.create_table(table)
    await heard.tables.read("BenchInstances", "before", "it begins")
    recorder.begin()
    assert await heard.queues.get("bench-q", count=1, lease_seconds=5) == []
    await heard.tables.query("BenchPartitions", None)
    with looking():
        await heard.tables.read("BenchInstances", "i", "")
    await heard.queues.put("bench-q", "text")
    recording = recorder.end()
    assert len(recording.calls) == 4
    assert [call.operation for call in recording.work().calls] == [
        "table Get Entity",
        "queue Put Message",
    ]
    assert recording.looks == 1
    with pytest.raises(RuntimeError, match="not begun"):
        recorder.end()


async def test_a_refusal_is_recorded_and_passed_on(account: MemoryAccount) -> None:
    recorder = Recorder()
    heard = RecordingAccount(account, recorder)
    recorder.begin()
    with pytest.raises(NotFound):
        await heard.queues.put("bench-none", "text")
    (call,) = recorder.end().calls
    assert isinstance(call.refusal, NotFound)


async def test_the_floor_uses_its_own_receipts_and_etags(
    account: MemoryAccount, floors: MemoryAccount
) -> None:
    recorder = Recorder()
    heard = RecordingAccount(account, recorder)
    await heard.queues.create_queue("bench-q")
    await heard.tables.create_table("BenchT")
    recorder.begin()
    await heard.queues.put("bench-q", "text")
    (message,) = await heard.queues.get("bench-q", count=32, lease_seconds=5)
    newer = await heard.queues.update(
        "bench-q", message.id, message.pop_receipt, visible_in_seconds=5, text="more"
    )
    await heard.queues.delete("bench-q", message.id, newer)
    row = Row(partition_key="p", row_key="r", columns={"A": "1"})
    etag = await heard.tables.write("BenchT", Operation(write=Write.INSERT, row=row))
    row = Row(partition_key="p", row_key="r", columns={"A": "2"}, etag=etag)
    await heard.tables.batch("BenchT", [Operation(write=Write.MERGE, row=row)])
    with pytest.raises(PreconditionFailed):
        await heard.tables.write("BenchT", Operation(write=Write.MERGE, row=row))
    recording = recorder.end().work()

    floor = Floor(floors)
    await floor.prepare(recording)
    await floor.replay().play(recording)
    # The last write was refused there as well; here it goes by the newest ETag.
    assert floor.refused == 0
    assert await floors.queues.count("floor-q") == 0
    made = await floors.tables.read("FloorT", "p", "r")
    assert made is not None
    assert made.columns["A"] == "2"
    # A second time the row is there already, and its ETag is nobody's who begins anew.
    await floor.replay().play(recording)
    assert floor.refused == 2


async def test_each_kind_of_floor_fills_a_hub_of_its_own_as_the_engine_does(
    stage: Stage, floors: MemoryAccount
) -> None:
    # Tables that two floors shared cost storage half as much again as the engine's own.
    await loops.measure_on(stage, clients=(2,), rounds=1, seconds=0.05)
    for hub in ("Floor", "Serial"):
        rows = (await floors.tables.query(f"{hub}Instances", None)).rows
        assert len({row.partition_key[:4] for row in rows}) == len(rows) > 1
        queues = await floors.queues.list_queues(f"{hub.lower()}-control-")
        assert queues == [f"{hub.lower()}-control-{number:02}" for number in range(4)]


async def test_an_empty_recording_is_no_work(floors: MemoryAccount) -> None:
    floor = Floor(floors)
    await floor.prepare(Recording())
    await floor.replay().play(Recording(), answered=lambda: pytest.fail("nobody waited"))
    assert not floors.requests


def test_spreads_and_percentiles() -> None:
    assert spread([3.0, 1.0, 2.0]) == {"median": 2.0, "low": 1.0, "high": 3.0}
    assert percentile([4.0, 1.0, 2.0, 3.0], 0.5) == 3.0
    assert percentile([1.0], 0.95) == 1.0
    assert versus([2.0, 9.0], [1.0, 3.0])["ratio"] == {"median": 2.5, "low": 2.0, "high": 3.0}


def test_figures_are_kept_with_four_digits(tmp_path: Path) -> None:
    path = tmp_path / "performance" / "figures.json"
    assert figures.kept(path) == {}
    figures.keep({"hello": {"figures": {"a": [1.23456, "text"]}}}, path)
    assert figures.kept(path) == {"hello": {"figures": {"a": [1.235, "text"]}}}


def test_a_page_without_figures_says_so() -> None:
    text = page({})
    assert "Nothing is measured yet." in text
    assert text.count("not measured") == len(TARGETS)


def test_a_floor_that_costs_storage_more_than_ours_proves_nothing() -> None:
    target = next(each for each in TARGETS if each.title.startswith("hello-3, 8 clients"))

    def verdict(floor: float) -> str:
        loop = {
            "ours": {"storage_cpu": {"median": 10.0}},
            "one by one": {"storage_cpu": {"median": floor}},
            "ratios": {"one by one": {"a_second": {"median": 1.4}}},
        }
        return target.line({"hello": {"clients": {"8": loop}}})[-1]

    assert verdict(11.0) == "yes"
    assert "doubtful" in verdict(16.7)


def test_the_page_is_made_from_its_figures() -> None:
    kept = figures.kept()
    assert (DOCS / "performance.md").read_text(encoding="utf-8") == page(kept), (
        "run python -m benchmarks --page"
    )
    assert set(kept) <= set(MEASUREMENTS)
    plots = re.findall(r"\]\((performance/\w+\.svg)\)", page(kept))
    assert plots
    for plot in plots:
        assert (DOCS / plot).read_text(encoding="utf-8").startswith("<?xml")


def test_the_floor_was_refused_nothing_when_it_was_measured() -> None:
    text = json.dumps(figures.kept())
    assert set(re.findall(r'"refused_by_floor": (\d+)', text)) <= {"0"}
