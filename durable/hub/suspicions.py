"""How often a work item was begun alone and never ended: a mark that outlives the process.

It is written before an activity begins that is under suspicion and removed when it has ended, so
what is left of it tells of processes that died in between. A queue message cannot tell: its
dequeue count grows with every death of its process, whoever caused it.
"""

from __future__ import annotations

import hashlib
import json

from durable.errors import NotFound, TooLarge
from durable.hub.taskhub import TaskHub
from durable.model.events import InstanceRef
from durable.wire.names import SUSPECTS

_MAX_BYTES = 4096


class Suspicions:
    """Marks, one for each task under suspicion, beside the management key."""

    def __init__(self, hub: TaskHub) -> None:
        self._blobs = hub.account.blobs
        self._container = hub.names.keys

    async def deaths(self, target: InstanceRef, task_id: int) -> int:
        """How often the task was begun and never ended; what can't be understood counts as none."""
        name = _name(target, task_id)
        try:
            data = await self._blobs.get_blob(self._container, name, max_bytes=_MAX_BYTES)
            found = json.loads(data)["begun"]
        except (NotFound, TooLarge, ValueError, RecursionError, KeyError, TypeError):
            return 0
        return found if isinstance(found, int) else 0

    async def mark(self, target: InstanceRef, task_id: int, begun: int) -> None:
        """Note that the task has been begun so often; of 0 nothing is left."""
        name = _name(target, task_id)
        if not begun:
            await self._blobs.delete_blob(self._container, name)
            return
        # Ids are for whoever looks into the container; the engine reads the number alone.
        record = {"instanceId": target.instance_id, "taskId": task_id, "begun": begun}
        data = json.dumps(record).encode()
        try:
            await self._blobs.put_blob(self._container, name, data)
        except NotFound:
            await self._blobs.create_container(self._container)
            await self._blobs.put_blob(self._container, name, data)


def _name(target: InstanceRef, task_id: int) -> str:
    # Hashed: an id may hold whatever a blob's name must not.
    task = f"{target.instance_id}\0{target.execution_id}\0{task_id}"
    return f"{SUSPECTS}/{hashlib.sha256(task.encode()).hexdigest()}"
