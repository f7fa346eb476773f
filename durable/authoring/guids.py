"""Ids that come out the same on every replay; bit for bit those of azure-functions-durable."""

from __future__ import annotations

import uuid
from datetime import datetime

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_OID, "9e952958-5e33-4daf-827f-2fa12937b875")


class Guids:
    """The ids of one execution. Both methods share one counter."""

    def __init__(self, instance_id: str) -> None:
        self._instance_id = instance_id
        self._counter = 0

    def new_uuid(self, now: datetime) -> str:
        text = f"{self._instance_id}_{now.strftime('%Y-%m-%dT%H:%M:%S.%fZ')}_{self._next()}"
        return str(uuid.uuid5(_NAMESPACE, text))

    def new_guid(self, now: datetime) -> uuid.UUID:
        return uuid.uuid5(uuid.NAMESPACE_URL, f"{self._instance_id}_{now}_{self._next()}")

    def _next(self) -> int:
        number = self._counter
        self._counter += 1
        return number
