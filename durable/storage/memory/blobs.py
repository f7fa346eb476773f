"""Containers and block blobs in memory."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from durable.errors import CorruptRecord, TooLarge
from durable.storage.memory.door import Door, conflict, not_found
from durable.storage.rules import check_blob_name, check_container_name, ordinal, starting_with
from durable.storage.values import BlobInfo

_PAGE = 5000
_MARKER = "memory:"


@dataclass(frozen=True, slots=True)
class _Blob:
    data: bytes
    modified: datetime


class MemoryBlobs:
    """A `BlobStore`."""

    def __init__(self, door: Door, containers: dict[str, dict[str, _Blob]] | None = None) -> None:
        self._door = door
        self._containers: dict[str, dict[str, _Blob]] = {} if containers is None else containers

    def through(self, door: Door) -> MemoryBlobs:
        """The same containers through another door."""
        return MemoryBlobs(door, self._containers)

    async def create_container(self, container: str) -> None:
        check_container_name(container)

        def call() -> None:
            self._containers.setdefault(container, {})

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
            blobs = self._blobs(container, "Put Blob")
            if only_if_absent and name in blobs:
                raise conflict(f"blob {container}/{name}", "Put Blob", f"{container}/{name}")
            blobs[name] = _Blob(bytes(data), self._door.now_in_seconds())

        await self._door.run("blob", "Put Blob", f"{container}/{name}", call)

    async def get_blob(self, container: str, name: str, *, max_bytes: int) -> bytes:
        check_container_name(container)
        check_blob_name(name)
        resource = f"{container}/{name}"

        def call() -> bytes:
            blob = self._blobs(container, "Get Blob").get(name)
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
            blobs = self._blobs(container, "List Blobs")
            names = sorted((n for n in blobs if n.startswith(prefix)), key=ordinal)
            rest = [name for name in names if ordinal(name) >= ordinal(start)]
            page = [
                BlobInfo(name=n, size=len(blobs[n].data), last_modified=blobs[n].modified)
                for n in rest[:_PAGE]
            ]
            return page, _MARKER + rest[_PAGE] if len(rest) > _PAGE else None

        return await self._door.run("blob", "List Blobs", container, call)

    async def delete_blob(self, container: str, name: str) -> None:
        check_container_name(container)
        check_blob_name(name)

        def call() -> None:
            self._containers.get(container, {}).pop(name, None)

        await self._door.run("blob", "Delete Blob", f"{container}/{name}", call)

    def url(self, container: str, name: str) -> str:
        return f"https://memory.blob.core.windows.net/{container}/{quote(name, safe='/')}"

    def _blobs(self, container: str, operation: str) -> dict[str, _Blob]:
        blobs = self._containers.get(container)
        if blobs is None:
            raise not_found(f"container {container!r}", operation, container)
        return blobs
