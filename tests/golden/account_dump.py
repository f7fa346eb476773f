"""What an account holds: as recorded, as kept in memory, and as Azurite tells it over plain HTTP.

Ids, times and the random part of blob names differ from run to run: they are masked.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from azure.core.credentials import AzureNamedKeyCredential
from azure.data.tables import TableSasPermissions, generate_table_sas
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas
from yarl import URL

from durable.storage.ports import Account
from durable.storage.values import Int64, Value
from durable.wire.spill import decompress

DATA = Path(__file__).parent / "data"

#: A column: its EDM type and its masked value.
Typed = tuple[str, object]
Columns = dict[str, Typed]

_MASKS = (
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "{guid}"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "{id}"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "{time}"),
    (re.compile(r"-[0-9A-F]{8}-"), "-{token}-"),
    (re.compile(r"https?://[^/]+/(devstoreaccount1/)?"), "{account}/"),
)
_BY_JSON = {str: "Edm.String", bool: "Edm.Boolean", int: "Edm.Int32", float: "Edm.Double"}
_EDM: Mapping[type, str] = {
    str: "Edm.String",
    bool: "Edm.Boolean",
    int: "Edm.Int32",
    Int64: "Edm.Int64",
    float: "Edm.Double",
    bytes: "Edm.Binary",
}
#: How the two recorders cut long texts: in the middle, and at the end.
_CUT_OUT = re.compile(r"…\[\d+ chars, sha256 (?P<sha256>\w+)\]…")
_CUT_OFF = re.compile(r"\.\.\.\((?P<bytes>\d+) bytes\)$")
#: Of a blob's headers, those that its writer chose.
_HEADERS = ("content-type", "content-encoding", "x-ms-blob-type")


def masked(text: str) -> str:
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return text


def same(recorded: object, ours: object) -> bool:
    """Whether a recorded value, which may have been cut, is ours."""
    if isinstance(recorded, tuple) and isinstance(ours, tuple):
        return len(recorded) == len(ours) and all(map(same, recorded, ours))
    if isinstance(recorded, str) and isinstance(ours, str):
        if found := _CUT_OUT.search(recorded):
            return hashlib.sha256(ours.encode()).hexdigest() == found["sha256"]
        if found := _CUT_OFF.search(recorded):
            whole = len(ours.encode()) == int(found["bytes"])
            return whole and ours.startswith(recorded[: found.start()])
    return recorded == ours


def cut_off(recorded: str) -> str | None:
    """The beginning that was kept of a text, when the recorder cut off the rest."""
    found = _CUT_OFF.search(recorded)
    return recorded[: found.start()] if found else None


@dataclass(frozen=True, kw_only=True)
class Blob:
    """A blob's text, gunzipped where its name says so, and its headers where they are known."""

    text: str
    headers: Mapping[str, str] | None


@dataclass(frozen=True, kw_only=True)
class Dump:
    """Everything in a hub. Rows in key order: (partition key, row key, columns)."""

    queues: frozenset[str]
    tables: dict[str, list[tuple[str, str, Columns]]]
    containers: dict[str, dict[str, Blob]]


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """One recording."""

    hub: str
    dump: Dump
    raw: dict[str, Any]

    def rows(self, table: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.raw["tables"][f"{self.hub}{table}"]
        return found

    def text(self, row: dict[str, Any], column: str) -> str | None:
        """A column's text, from its blob when it went to one."""
        name = row.get(f"{column}BlobName")
        if not name:
            found: str | None = row.get(column)
            return found
        return self.dump.containers[f"{self.hub.lower()}-largemessages"][name].text


def recorded(scenario: str) -> Recorded:
    raw = json.loads((DATA / scenario / "final.json").read_text(encoding="utf-8"))
    tables = {name: [_json_row(row) for row in rows] for name, rows in raw["tables"].items()}
    containers = {
        name: {blob["name"]: _recorded_blob(blob) for blob in _listed(container)}
        for name, container in raw["blobs"].items()
    }
    dump = Dump(queues=frozenset(raw["queues"]), tables=tables, containers=containers)
    return Recorded(hub=raw["hub"], dump=dump, raw=raw)


def _listed(container: dict[str, Any]) -> list[dict[str, Any]]:
    """Two recorders, two layouts."""
    if isinstance(container.get("blobs"), list):
        listed: list[dict[str, Any]] = container["blobs"]
        return listed
    return [{"name": name, **blob} for name, blob in container.items()]


def _recorded_blob(blob: dict[str, Any]) -> Blob:
    if "base64" in blob:
        text = decompress(base64.b64decode(blob["base64"]), max_bytes=10**7)
    else:
        text = blob["text"]
    return Blob(text=text, headers=_chosen(blob["headers"]))


def _chosen(headers: Mapping[str, str]) -> dict[str, str]:
    lower = {name.lower(): value for name, value in headers.items()}
    return {name: lower[name] for name in _HEADERS if name in lower}


def _json_row(row: dict[str, Any]) -> tuple[str, str, Columns]:
    """A row as JSON with full metadata: only what JSON can't say has a type beside it."""
    columns: Columns = {}
    for name, value in row.items():
        if "odata." in name or name in {"PartitionKey", "RowKey", "Timestamp"}:
            continue
        edm = row.get(f"{name}@odata.type") or _BY_JSON[type(value)]
        columns[name] = (edm, masked(value) if isinstance(value, str) else value)
    return row["PartitionKey"], row["RowKey"], columns


async def in_memory(account: Account, hub: str) -> Dump:
    tables = {}
    for table in await account.tables.list_tables(hub):
        page = await account.tables.query(table, None)
        assert page.continuation is None
        tables[table] = [
            (
                row.partition_key,
                row.row_key,
                {name: _typed(value) for name, value in row.columns.items()},
            )
            for row in page.rows
        ]
    containers: dict[str, dict[str, Blob]] = {}
    for container in await account.blobs.list_containers(f"{hub.lower()}-"):
        blobs, _ = await account.blobs.list_blobs(container, "")
        containers[container] = {
            blob.name: _blob(
                blob.name,
                await account.blobs.get_blob(container, blob.name, max_bytes=10**7),
                None,
            )
            for blob in blobs
        }
    queues = await account.queues.list_queues(f"{hub.lower()}-")
    return Dump(queues=frozenset(queues), tables=tables, containers=containers)


def _typed(value: Value) -> Typed:
    if isinstance(value, datetime):
        return "Edm.DateTime", "{time}"
    return _EDM[type(value)], masked(value) if isinstance(value, str) else value


def _blob(name: str, data: bytes, headers: Mapping[str, str] | None) -> Blob:
    text = decompress(data, max_bytes=10**7) if name.endswith(".gz") else data.decode()
    return Blob(text=text, headers=None if headers is None else _chosen(headers))


class AzuriteReader:
    """Reads an account with nothing of ours in between: signed addresses and HTTP."""

    def __init__(self, connection_string: str) -> None:
        parts = dict(part.split("=", 1) for part in connection_string.rstrip(";").split(";"))
        self._blobs, self._queues, self._tables = (
            parts[f"{service}Endpoint"].rstrip("/") for service in ("Blob", "Queue", "Table")
        )
        account, key = parts["AccountName"], parts["AccountKey"]
        until = datetime.now(UTC) + timedelta(hours=1)
        self._until = until
        self._key = AzureNamedKeyCredential(account, key)
        self._blob_sas = generate_account_sas(
            account,
            key,
            ResourceTypes(service=True, container=True, object=True),
            AccountSasPermissions(read=True, list=True),
            expiry=until,
        )

    async def dump(self, account: Account, hub: str) -> Dump:
        """All of `hub`; `account` says what there is."""
        queues = await account.queues.list_queues(f"{hub.lower()}-")
        tables = await account.tables.list_tables(hub)
        containers = await account.blobs.list_containers(f"{hub.lower()}-")
        async with aiohttp.ClientSession(auto_decompress=False) as http:
            return Dump(
                queues=frozenset(queues),
                tables={each: await self._table(http, each) for each in tables},
                containers={each: await self._container(http, each) for each in containers},
            )

    async def _table(
        self, http: aiohttp.ClientSession, table: str
    ) -> list[tuple[str, str, Columns]]:
        headers = {"Accept": "application/json;odata=fullmetadata", "x-ms-version": "2019-02-02"}
        sas = generate_table_sas(
            self._key, table, permission=TableSasPermissions(read=True), expiry=self._until
        )
        url = f"{self._tables}/{table}()?{sas}"
        async with http.get(_exact(url), headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            assert not any("continuation" in name.lower() for name in answer.headers)
            return [_json_row(row) for row in (await answer.json(content_type=None))["value"]]

    async def _container(self, http: aiohttp.ClientSession, name: str) -> dict[str, Blob]:
        url = f"{self._blobs}/{name}?restype=container&comp=list&{self._blob_sas}"
        async with http.get(_exact(url)) as answer:
            assert answer.status == 200, await answer.text()
            names = re.findall(r"<Name>([^<]+)</Name>", await answer.text())
        return {each: await self._blob(http, name, each) for each in names}

    async def _blob(self, http: aiohttp.ClientSession, container: str, name: str) -> Blob:
        url = f"{self._blobs}/{container}/{quote(name)}?{self._blob_sas}"
        async with http.get(_exact(url)) as answer:
            assert answer.status == 200, await answer.text()
            return _blob(name, await answer.read(), answer.headers)


def _exact(url: str) -> URL:
    """`url` as it is: its signature must not be encoded anew."""
    return URL(url, encoded=True)
