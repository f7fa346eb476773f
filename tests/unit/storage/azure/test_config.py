"""Settings to an account."""

from __future__ import annotations

import pytest

from durable.errors import BadConfig
from durable.storage.azure.config import (
    AccountConfig,
    Identity,
    SharedAccessSignature,
    SharedKey,
    account_config,
)

KEY = "c2VjcmV0LWtleQ=="
STORE = "AzureWebJobsStorage"


def config(**settings: str) -> AccountConfig:
    return account_config({name.replace("Store", STORE): text for name, text in settings.items()})


def test_a_connection_string_of_a_cloud_account() -> None:
    found = config(
        Store=f"DefaultEndpointsProtocol=https;AccountName=acme;AccountKey={KEY};"
        "EndpointSuffix=core.chinacloudapi.cn"
    )
    assert found == AccountConfig(
        queue_uri="https://acme.queue.core.chinacloudapi.cn",
        table_uri="https://acme.table.core.chinacloudapi.cn",
        blob_uri="https://acme.blob.core.chinacloudapi.cn",
        credential=SharedKey("acme", KEY),
    )


def test_names_in_a_connection_string_ignore_case_and_blanks() -> None:
    found = config(Store=f" accountname = acme ; ACCOUNTKEY={KEY} ;; ")
    assert found.queue_uri == "https://acme.queue.core.windows.net"
    assert found.credential == SharedKey("acme", KEY)


def test_explicit_endpoints_win_over_the_account_name() -> None:
    found = config(
        Store=f"AccountName=acme;AccountKey={KEY};QueueEndpoint=http://127.0.0.1:20001/acme/;"
        "TableEndpoint=http://127.0.0.1:20002/acme"
    )
    assert found.queue_uri == "http://127.0.0.1:20001/acme"
    assert found.table_uri == "http://127.0.0.1:20002/acme"
    assert found.blob_uri == "https://acme.blob.core.windows.net"


def test_a_shared_access_signature() -> None:
    found = config(
        Store="BlobEndpoint=https://b.example;QueueEndpoint=https://q.example;"
        "TableEndpoint=https://t.example;SharedAccessSignature=?sv=2021&sig=abc%3D"
    )
    assert found.credential == SharedAccessSignature("sv=2021&sig=abc%3D")


@pytest.mark.parametrize(
    ("text", "queue_uri"),
    [
        ("UseDevelopmentStorage=true", "http://127.0.0.1:10001/devstoreaccount1"),
        ("usedevelopmentstorage=True;", "http://127.0.0.1:10001/devstoreaccount1"),
        (
            "UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://azurite",
            "http://azurite:10001/devstoreaccount1",
        ),
    ],
)
def test_development_storage(text: str, queue_uri: str) -> None:
    found = config(Store=text)
    assert found.queue_uri == queue_uri
    assert found.blob_uri == queue_uri.replace("10001", "10000")
    assert found.table_uri == queue_uri.replace("10001", "10002")
    assert isinstance(found.credential, SharedKey)
    assert found.credential.account == "devstoreaccount1"


@pytest.mark.parametrize("separator", ["__", ":"])
def test_identity_by_account_name(separator: str) -> None:
    found = account_config({f"{STORE}{separator}accountName": "acme"})
    assert found == AccountConfig(
        queue_uri="https://acme.queue.core.windows.net",
        table_uri="https://acme.table.core.windows.net",
        blob_uri="https://acme.blob.core.windows.net",
        credential=Identity(),
    )


def test_identity_by_service_addresses_and_client_id() -> None:
    found = config(
        Store__queueServiceUri="https://q.example/",
        Store__tableServiceUri="https://t.example",
        Store__blobServiceUri="https://b.example",
        Store__credential="managedidentity",
        Store__clientId="1234",
    )
    assert found == AccountConfig(
        queue_uri="https://q.example",
        table_uri="https://t.example",
        blob_uri="https://b.example",
        credential=Identity(managed=True, client_id="1234"),
    )


def test_a_name_is_found_with_the_hosts_prefix_and_among_connection_strings() -> None:
    text = "UseDevelopmentStorage=true"
    expected = account_config({STORE: text})
    assert account_config({"AzureWebJobsOther": text}, "Other") == expected
    assert account_config({"Other": text}, "Other") == expected
    assert account_config({"ConnectionStrings:Other": text}, "Other") == expected
    assert account_config({"AZUREWEBJOBSSTORAGE": text}) == expected


def test_a_connection_string_wins_over_identity_settings() -> None:
    found = config(Store="UseDevelopmentStorage=true", Store__accountName="acme")
    assert "127.0.0.1" in found.queue_uri


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, f"set '{STORE}'"),
        ({"Store": "  "}, f"set '{STORE}'"),
        ({"Store": "hunter2"}, "not a connection string"),
        ({"Store": "AccountName=acme"}, "neither AccountName and AccountKey"),
        ({"Store": f"AccountKey={KEY}"}, "neither AccountName nor QueueEndpoint"),
        ({"Store": "AccountName=acme;AccountKey=hunter2!"}, "not base64"),
        ({"Store": f"AccountName=a;AccountKey={KEY};BlobEndpoint=b.example"}, "BlobEndpoint"),
        ({"Store": "UseDevelopmentStorage=true;DevelopmentStorageProxyUri=x"}, "ProxyUri"),
        ({"Store__queueServiceUri": "https://q.example"}, f"{STORE}__tableServiceUri"),
        ({"Store__accountName": "acme", "Store__credential": "magic"}, "'managedidentity'"),
        (
            {"Store__accountName": "a", "Store__blobServiceUri": "http://b"},
            "must begin with 'https",
        ),
        ({"Store__accountName": "a", "Store__blobServiceUri": "https://b?s=1"}, "blobServiceUri"),
    ],
)
def test_what_cannot_mean_anything_is_refused_without_quoting_a_secret(
    settings: dict[str, str], said: str
) -> None:
    with pytest.raises(BadConfig) as caught:
        config(**settings)
    assert said in str(caught.value)
    assert STORE in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_no_repr_shows_a_secret() -> None:
    for found in (
        config(Store=f"AccountName=acme;AccountKey={KEY}"),
        config(Store="AccountName=acme;SharedAccessSignature=sig=c2VjcmV0LWtleQ=="),
    ):
        assert KEY not in repr(found)
        assert "acme" in repr(found)
