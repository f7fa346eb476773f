"""Hubs that a real azure-functions-durable app left, and ours over them: dumps, cuts, loader, app.

A scene is what an account held at some moment. The recorder stopped the original's host in the
middle of a few scenarios; of every other one, any moment between two turns can be put together:
the rows of the turns so far, the sentinel and the Instances row as the original had them then, and
of the recorded messages those that were on their way.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import ModuleType, SimpleNamespace
from typing import Any

import durable as df
from durable.authoring.registry import Registry
from durable.storage.ports import Account
from durable.storage.values import Operation, Row, Value, Write
from durable.wire.keys import SENTINEL
from durable.wire.times import parse_time
from tests.golden.account_dump import DATA

APP = DATA / "take_over" / "the_app.py"
_THEIRS, _OURS = "import azure.durable_functions as df\n", "import durable as df\n"

#: What a client may send an instance; the rest is the original's own.
_FROM_CLIENTS = frozenset(
    {"EventRaised", "ExecutionTerminated", "ExecutionSuspended", "ExecutionResumed"}
)
_ANSWERS = {
    "TaskCompleted": "TaskScheduledId",
    "TaskFailed": "TaskScheduledId",
    "SubOrchestrationInstanceCompleted": "TaskScheduledId",
    "SubOrchestrationInstanceFailed": "TaskScheduledId",
    "TimerFired": "TimerId",
}
_OF_ACTIVITIES = frozenset({"TaskCompleted", "TaskFailed"})
#: The custom status between the turns of a scenario, which no row of the original's history holds.
_MIDWAY_STATUS = {"rec-parent": '{"step":1}'}


def the_app(folder: Any) -> ModuleType:
    """The recorded app with nothing changed but its import, as the worker would load it.

    Its host.json is put into `folder`, the host's script root. Nothing in it sleeps.
    """
    (folder / "host.json").write_text(
        '{"version": "2.0", "extensions": {"durableTask": {"hubName": "TakenOver"}}}'
    )
    source = APP.read_text(encoding="utf-8")
    assert source.count(_THEIRS) == 1
    module = ModuleType("the_app")
    exec(compile(source.replace(_THEIRS, _OURS), str(APP), "exec"), vars(module))
    vars(module)["time"] = SimpleNamespace(sleep=lambda seconds: None)
    return module


def registry_of(module: ModuleType) -> Registry:
    """The functions of the app, once the worker has asked for them."""
    app = module.app
    assert isinstance(app, df.DFApp)
    if not app.registry.orchestrator_names:
        app.get_functions()
    return app.registry


def without_threads(registry: Registry) -> Registry:
    """The same functions with none in a thread, of which virtual time knows nothing."""
    copy = Registry()
    for name in registry.orchestrator_names:
        found = registry.find_orchestrator(name)
        assert found is not None
        copy.add_orchestrator(found)
    for name in registry.activity_names:
        activity = registry.find_activity(name)
        assert activity is not None
        copy.add_activity(replace(activity, function=_asynchronous(activity.function)))
    for name in registry.entity_names:
        entity = registry.find_entity(name)
        assert entity is not None
        copy.add_entity(replace(entity, function=_asynchronous(entity.function)))
    return copy


def _asynchronous(wrapped: Callable[..., Any]) -> Callable[..., Any]:
    function = inspect.unwrap(wrapped)

    @functools.wraps(function)
    async def asynchronous(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return asynchronous


@dataclass(frozen=True, kw_only=True)
class Message:
    """A recorded message."""

    queue: str
    text: str
    event: Mapping[str, Any]
    target: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return str(self.event["$type"]).rsplit(".", 1)[1].removesuffix("Event")

    @property
    def answers(self) -> int | None:
        """The number of the task it answers."""
        return self.event[_ANSWERS[self.kind]] if self.kind in _ANSWERS else None


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What an account holds. `left` is what clients are still to send."""

    hub: str
    history: list[Row]
    instances: list[Row]
    messages: list[Message]
    partitions: list[Row]
    left: list[Message] = field(default_factory=list)

    def instance(self, instance_id: str) -> Row:
        (row,) = [row for row in self.instances if row.partition_key == instance_id]
        return row

    @property
    def activity_runs(self) -> int:
        """How many activities the original's process has run by then."""
        in_rows = {
            int(str(row.columns["TaskScheduledId"]))
            for row in self.history
            if row.columns.get("EventType") in _OF_ACTIVITIES
        }
        return len(
            in_rows | {each.answers for each in self.messages if each.kind in _OF_ACTIVITIES}
        )


@dataclass(frozen=True, kw_only=True)
class Story:
    """One instance of a recording: its turns, and its row in the end."""

    instance_id: str
    turns: list[list[Row]]
    sentinel: Row
    row: Row

    @property
    def events(self) -> list[Row]:
        return [row for turn in self.turns for row in turn]


class Recording:
    """A scenario of the original, as recorded."""

    def __init__(self, scenario: str) -> None:
        folder = DATA / "python" / scenario
        self.raw = json.loads((folder / "final.json").read_text(encoding="utf-8"))
        self.http = json.loads((folder / "http-status.json").read_text(encoding="utf-8"))
        self.hub: str = self.raw["hub"]
        lines = (folder / "messages.ndjson").read_text(encoding="utf-8").splitlines()
        self.messages = [_message(json.loads(line)) for line in lines]
        self._history = self._rows("History")
        self._instances = self._rows("Instances")
        self._partitions = self._rows("Partitions")
        self.stories = {row.partition_key: self._story(row) for row in self._instances}

    def _rows(self, table: str) -> list[Row]:
        return [row_of(row) for row in self.raw["tables"][f"{self.hub}{table}"]]

    def _story(self, row: Row) -> Story:
        mine = [each for each in self._history if each.partition_key == row.partition_key]
        turns: list[list[Row]] = []
        (sentinel,) = [each for each in mine if each.row_key == SENTINEL]
        for each in mine:
            if each.row_key == SENTINEL:
                continue
            if not turns or (each.columns["EventType"] == "OrchestratorStarted"):
                turns.append([])
            turns[-1].append(each)
        return Story(instance_id=row.partition_key, turns=turns, sentinel=sentinel, row=row)

    @property
    def root(self) -> Story:
        """The instance that a client started."""
        (story,) = [each for each in self.stories.values() if "Generation" in each.row.columns]
        return story

    def scene(self) -> Scene:
        """The account as the original left it.

        What its host had received and not dealt with can't be peeked: those messages are in the
        order of puts, and what no row holds of it was still there.
        """
        scene = self.cut({name: len(story.turns) for name, story in self.stories.items()})
        waiting = {name: int(queue["approximate"]) for name, queue in self.raw["queues"].items()}
        if not any(waiting.values()):
            return replace(scene, messages=[])
        for name, count in waiting.items():
            assert sum(message.queue == name for message in scene.messages) == count, name
        return scene

    def cut(
        self,
        turns: Mapping[str, int],
        *,
        answered: Any = lambda number: True,
        undeleted: bool = False,
    ) -> Scene:
        """The moment after so many turns of each instance.

        Of what was asked for and not answered in rows, the answer is on its way when
        `answered(number)`, else the question still is; what clients sent later is on its way too,
        when any answer may be. `undeleted`: the last turns are written, and their messages are
        still there.
        """
        scene = Scene(
            hub=self.hub, history=[], instances=[], messages=[], partitions=self._partitions
        )
        for name, count in turns.items():
            story = self.stories[name]
            rows = [row for turn in story.turns[:count] for row in turn]
            scene.history.extend(rows)
            if rows:
                scene.history.append(_sentinel(story, rows))
            scene.instances.extend(self._instance_rows(story, rows))
            if rows and undeleted:
                scene.messages.extend(self._taken_by(story, story.turns[count - 1]))
            scene.messages.extend(self._on_their_way(story, rows, turns, answered))
            later = [each for each in self.sent_by_clients(story) if not _holds(rows, each)]
            (scene.messages if answered(-1) else scene.left).extend(later)
        return scene

    def _instance_rows(self, story: Story, rows: list[Row]) -> Iterator[Row]:
        if len(rows) == len(story.events):
            yield story.row
            return
        columns = {
            name: value
            for name, value in story.row.columns.items()
            if name not in {"Output", "CompletedTime"}
        }
        if rows:
            yield replace(
                story.row,
                columns=columns
                | {
                    "RuntimeStatus": "Running",
                    "LastUpdatedTime": rows[-1].columns["_Timestamp"],
                    "CustomStatus": _MIDWAY_STATUS.get(story.instance_id, "null"),
                },
            )
        elif story is self.root:
            start = self._start(story)
            columns |= {
                "RuntimeStatus": "Pending",
                "LastUpdatedTime": columns["CreatedTime"],
                "ExecutionId": start.target["ExecutionId"],
            }
            if start.event["Input"] is not None:
                columns["Input"] = start.event["Input"]
            del columns["CustomStatus"]
            yield replace(story.row, columns=columns)

    def _start(self, story: Story) -> Message:
        (start,) = [m for m in self._to(story, None) if m.kind == "ExecutionStarted"]
        return start

    def _to(self, story: Story, execution_id: object) -> list[Message]:
        return [
            message
            for message in self.messages
            if message.target["InstanceId"] == story.instance_id
            and execution_id in (None, message.target["ExecutionId"])
        ]

    def sent_by_clients(self, story: Story) -> list[Message]:
        """Events, terminations and the like, in order."""
        return [each for each in self._to(story, None) if each.kind in _FROM_CLIENTS]

    def _taken_by(self, story: Story, turn: list[Row]) -> Iterator[Message]:
        """The messages that a turn took in."""
        for message in self._to(story, story.sentinel.columns["ExecutionId"]):
            if message.answers is None:
                if message.kind != "TaskScheduled" and _holds(turn, message):
                    yield message
            elif message.answers in _answered(turn):
                yield message
        yield from (
            each
            for each in self.sent_by_clients(story)
            if each.target["ExecutionId"] is None and _holds(turn, each)
        )

    def _on_their_way(
        self, story: Story, rows: list[Row], turns: Mapping[str, int], answered: Any
    ) -> Iterator[Message]:
        if not rows:
            yield self._start(story)
            return
        messages = self._to(story, story.sentinel.columns["ExecutionId"])
        for number in sorted(_asked(rows) - _answered(rows)):
            answer = [each for each in messages if each.answers == number]
            question = [
                each
                for each in messages
                if each.kind == "TaskScheduled" and each.event["EventId"] == number
            ]
            if question:
                yield from answer if answered(number) and answer else question
            elif answer and self._is_sent(answer[0], turns):
                yield from answer

    def _is_sent(self, answer: Message, turns: Mapping[str, int]) -> bool:
        """Timers are sent when they are made, a child's answer when it ends."""
        if answer.kind == "TimerFired":
            return True
        (child,) = [each for each in self.stories.values() if each is not self.root]
        return turns[child.instance_id] == len(child.turns)

    def cuts(self) -> Iterator[dict[str, int]]:
        """Every moment between turns: how many turns of each instance, the end excluded."""
        root = self.root
        child = next((each for each in self.stories.values() if each is not root), None)
        for count in range(len(root.turns)):
            if child is None or count == 0:
                yield {root.instance_id: count}
                continue
            for made in range(len(child.turns) + 1):
                yield {root.instance_id: count, child.instance_id: made}


def earlier_generation(recording: Recording, generation: int, *, answered: bool) -> Scene:
    """An eternal instance after the first turn of an earlier generation.

    Only the last generation's rows were recorded. The others' were the same, but for the input and
    the execution, which are in the recorded messages.
    """
    story = recording.root
    asked = [each for each in recording.messages if each.kind == "TaskScheduled"][generation - 1]
    execution_id = asked.target["ExecutionId"]
    theirs, last = story.row.columns["ExecutionId"], str(len(story.turns) + 1)
    assert story.row.columns["Input"] == f'"{last}"'

    def earlier(columns: Mapping[str, Value]) -> dict[str, Value]:
        texts = {str(theirs): execution_id, f'"{last}"': f'"{generation}"'}
        return {
            name: functools.reduce(lambda text, pair: text.replace(*pair), texts.items(), value)
            if isinstance(value, str)
            else value
            for name, value in columns.items()
        }

    scene = recording.cut({story.instance_id: 1})
    answers = [
        each
        for each in recording.messages
        if each.target["ExecutionId"] == execution_id and each.answers is not None
    ]
    return replace(
        scene,
        history=[replace(row, columns=earlier(row.columns)) for row in scene.history],
        instances=[replace(row, columns=earlier(row.columns)) for row in scene.instances],
        messages=answers if answered else [asked],
    )


def row_of(row: dict[str, Any]) -> Row:
    """A row of JSON with full metadata: only what JSON can't say has a type beside it."""
    columns: dict[str, Value] = {
        name: parse_time(value) if row.get(f"{name}@odata.type") == "Edm.DateTime" else value
        for name, value in row.items()
        if "odata." not in name and name not in {"PartitionKey", "RowKey", "Timestamp"}
    }
    return Row(partition_key=row["PartitionKey"], row_key=row["RowKey"], columns=columns)


def _message(put: dict[str, Any]) -> Message:
    task_message = json.loads(put["MessageText"])["TaskMessage"]
    return Message(
        queue=put["queue"],
        text=put["MessageText"],
        event=task_message["Event"],
        target=task_message["OrchestrationInstance"],
    )


def _sentinel(story: Story, rows: list[Row]) -> Row:
    if len(rows) == len(story.events):
        return story.sentinel
    stamp = rows[-1].columns["_Timestamp"]
    return replace(
        story.sentinel,
        columns={**story.sentinel.columns, "CheckpointCompletedTimestamp": stamp},
    )


def _asked(rows: list[Row]) -> set[int]:
    kinds = {"TaskScheduled", "TimerCreated", "SubOrchestrationInstanceCreated"}
    return {int(str(row.columns["EventId"])) for row in rows if row.columns["EventType"] in kinds}


def _answered(rows: list[Row]) -> set[int]:
    return {
        int(str(row.columns[_ANSWERS[str(row.columns["EventType"])]]))
        for row in rows
        if row.columns["EventType"] in _ANSWERS
    }


def _holds(rows: list[Row], message: Message) -> bool:
    at = parse_time(message.event["Timestamp"])
    return any(
        row.columns["EventType"] == message.kind and row.columns["_Timestamp"] == at for row in rows
    )


async def load(account: Account, recording: Recording, scene: Scene) -> None:
    """Put a scene into an account that has nothing of its hub."""
    for table, rows in (
        ("History", scene.history),
        ("Instances", scene.instances),
        ("Partitions", scene.partitions),
    ):
        await account.tables.create_table(f"{scene.hub}{table}")
        for row in rows:
            await account.tables.write(
                f"{scene.hub}{table}", Operation(write=Write.INSERT, row=row)
            )
    for queue in recording.raw["queues"]:
        await account.queues.create_queue(queue)
    for message in scene.messages:
        await account.queues.put(message.queue, message.text)
    for name, container in recording.raw["blobs"].items():
        await account.blobs.create_container(name)
        for blob in container["blobs"]:
            await account.blobs.put_blob(name, blob["name"], blob["text"].encode())
