"""Containers and block blobs in memory."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from durable.errors import CorruptRecord, TooLarge
from durable.storage.memory.door import Door, conflict, not_found
from durable.storage.memory.sorted_keys import SortedKeys
from durable.storage.rules import check_blob_name, check_container_name, ordinal, starting_with
from durable.storage.values import BlobInfo

_PAGE = 5000
_MARKER = "memory:"


@dataclass(frozen=True, slots=True)
class _Blob:
    data: bytes
    modified: datetime


class _Container:
    def __init__(self) -> None:
        self.blobs: dict[str, _Blob] = {}
        self.order = SortedKeys()

    def put(self, name: str, blob: _Blob) -> None:
        if name not in self.blobs:
            self.order.add(name)
        self.blobs[name] = blob

    def remove(self, name: str) -> None:
        if self.blobs.pop(name, None) is not None:
            self.order.remove(name)


class MemoryBlobs:
    """A `BlobStore`."""

    def __init__(self, door: Door, containers: dict[str, _Container] | None = None) -> None:
        self._door = door
        self._containers: dict[str, _Container] = {} if containers is None else containers

    def through(self, door: Door) -> MemoryBlobs:
        """The same containers through another door."""
        return MemoryBlobs(door, self._containers)

    async def create_container(self, container: str) -> None:
        check_container_name(container)

        def call() -> None:
            self._containers.setdefault(container, _Container())

        await self._door.run("blob", "Create Container", container, call)

    async def delete_container(self, container: str) -> None:
        check_container_name(container)

        def call() -> None:
            self._containers.pop(container, None)

        await self._door.run("blob", "Delete Container", container, call)

    async def list_containers(self, prefix: str) -> list[str]:
        def call() -> list[str]:
            return starting_with(prefix, self._containers)

        return await self._door.run("blob", "List Containers", prefix, call)

    async def put_blob(
        self, container: str, name: str, data: bytes, *, only_if_absent: bool = False
    ) -> None:
        check_container_name(container)
        check_blob_name(name)

        def call() -> None:
            found = self._container(container, "Put Blob")
            if only_if_absent and name in found.blobs:
                raise conflict(f"blob {container}/{name}", "Put Blob", f"{container}/{name}")
            found.put(name, _Blob(bytes(data), self._door.now_in_seconds()))

        await self._door.run("blob", "Put Blob", f"{container}/{name}", call)

    async def get_blob(self, container: str, name: str, *, max_bytes: int) -> bytes:
        check_container_name(container)
        check_blob_name(name)
        resource = f"{container}/{name}"

        def call() -> bytes:
            blob = self._container(container, "Get Blob").blobs.get(name)
            if blob is None:
                raise not_found(f"blob {resource}", "Get Blob", resource)
            if len(blob.data) > max_bytes:
                raise TooLarge(
                    f"Blob {resource} has {len(blob.data)} bytes; at most {max_bytes} are read.",
                    operation="Get Blob",
                    resource=resource,
                )
            return blob.data

        return await self._door.run("blob", "Get Blob", resource, call)

    async def list_blobs(
        self, container: str, prefix: str, *, continuation: str | None = None
    ) -> tuple[list[BlobInfo], str | None]:
        check_container_name(container)
        if continuation is not None and not continuation.startswith(_MARKER):
            raise CorruptRecord(
                f"{continuation[:64]!r} is not a continuation of this store.",
                operation="List Blobs",
                resource=container,
            )
        start = (continuation or _MARKER).removeprefix(_MARKER)

        def call() -> tuple[list[BlobInfo], str | None]:
            found = self._container(container, "List Blobs")
            page: list[BlobInfo] = []
            for name in found.order.between(max(prefix, start, key=ordinal), None):
                if not name.startswith(prefix):
                    break  # names that begin alike are neighbours
                if len(page) == _PAGE:
                    return page, _MARKER + name
                blob = found.blobs[name]
                page.append(BlobInfo(name=name, size=len(blob.data), last_modified=blob.modified))
            return page, None

        return await self._door.run("blob", "List Blobs", container, call)

    async def delete_blob(self, container: str, name: str) -> None:
        check_container_name(container)
        check_blob_name(name)

        def call() -> None:
            found = self._containers.get(container)
            if found is not None:
                found.remove(name)

        await self._door.run("blob", "Delete Blob", f"{container}/{name}", call)

    def url(self, container: str, name: str) -> str:
        return f"https://memory.blob.core.windows.net/{container}/{quote(name, safe='/')}"

    def _container(self, container: str, operation: str) -> _Container:
        found = self._containers.get(container)
        if found is None:
            raise not_found(f"container {container!r}", operation, container)
        return found
