"""Blobs through azure-storage-blob: one Put Blob to write, bounded reads."""

from __future__ import annotations

from urllib.parse import quote

from azure.storage.blob.aio import BlobServiceClient, ContainerClient

from durable.errors import Conflict, NotFound, TooLarge
from durable.storage.azure.errors import is_being_deleted, translated
from durable.storage.rules import check_blob_name, check_container_name, starting_with
from durable.storage.values import BlobInfo

#: The service's limit for one Put Blob: above it the SDK would write block by block.
MAX_SINGLE_PUT = 5000 * 1024 * 1024
#: How much one request reads at most; what `get_blob` holds before it knows a blob's size.
MAX_SINGLE_GET = 32 * 1024 * 1024


class AzureBlobs:
    """A `BlobStore`. Reading an empty blob costs the SDK a second request."""

    def __init__(self, service: BlobServiceClient, base_uri: str) -> None:
        self._service = service
        self._base_uri = base_uri
        self._clients: dict[str, ContainerClient] = {}

    async def create_container(self, container: str) -> None:
        client = self._client(container)
        try:
            with translated("Create Container", container):
                await client.create_container()
        except Conflict as error:
            if is_being_deleted(error):
                raise

    async def delete_container(self, container: str) -> None:
        client = self._client(container)
        try:
            with translated("Delete Container", container):
                await client.delete_container()
        except NotFound:
            return

    async def list_containers(self, prefix: str) -> list[str]:
        with translated("List Containers", prefix):
            found = self._service.list_containers(name_starts_with=prefix or None)
            return starting_with(prefix, [container.name async for container in found])

    async def put_blob(
        self, container: str, name: str, data: bytes, *, only_if_absent: bool = False
    ) -> None:
        client = self._client(container).get_blob_client(check_blob_name(name))
        with translated("Put Blob", f"{container}/{name}"):
            await client.upload_blob(data, overwrite=not only_if_absent)

    async def get_blob(self, container: str, name: str, *, max_bytes: int) -> bytes:
        client = self._client(container).get_blob_client(check_blob_name(name))
        resource = f"{container}/{name}"
        with translated("Get Blob", resource):
            # As stored: a foreign Content-Encoding is for the reader of the bytes, not for us.
            found = await client.download_blob(decompress=False)
            if found.size > max_bytes:
                raise TooLarge(
                    f"Blob {resource} has {found.size} bytes; at most {max_bytes} are read.",
                    operation="Get Blob",
                    resource=resource,
                )
            return await found.readall()

    async def list_blobs(
        self, container: str, prefix: str, *, continuation: str | None = None
    ) -> tuple[list[BlobInfo], str | None]:
        client = self._client(container)
        with translated("List Blobs", container):
            pages = client.list_blobs(
                name_starts_with=prefix or None, include=["metadata"]
            ).by_page(continuation)
            page = await anext(pages)
            blobs = [
                BlobInfo(name=blob.name, size=blob.size, last_modified=blob.last_modified)
                async for blob in page
                # An account with a hierarchical namespace lists its folders as marked blobs.
                if (blob.metadata or {}).get("hdi_isfolder") != "true"
            ]
        return blobs, getattr(pages, "continuation_token", None) or None

    async def delete_blob(self, container: str, name: str) -> None:
        client = self._client(container).get_blob_client(check_blob_name(name))
        try:
            with translated("Delete Blob", f"{container}/{name}"):
                await client.delete_blob(delete_snapshots="include")
        except NotFound:
            return

    def url(self, container: str, name: str) -> str:
        return f"{self._base_uri}/{container}/{quote(name, safe='/')}"

    def _client(self, container: str) -> ContainerClient:
        client = self._clients.get(container)
        if client is None:
            client = self._service.get_container_client(check_container_name(container))
            self._clients[container] = client
        return client
