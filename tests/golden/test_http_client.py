"""The recorded answers of user functions that return a client's check-status response, by ours."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import azure.functions as func

from durable.functions.client import DurableOrchestrationClient
from durable.hub.starting import StartRequest, start_instance
from tests.golden.recorded_http import BASE, RECORDINGS, Recording, Site, fill

LINKS = (
    "statusQueryGetUri",
    "sendEventPostUri",
    "terminatePostUri",
    "purgeHistoryDeleteUri",
    "restartPostUri",
    "suspendPostUri",
    "resumePostUri",
)
#: Recorded, and not ours: the Python client has no such parameter, or no binding of that type.
NOT_OURS = {
    "044-starter-createCheckStatusResponse-500flag": "a parameter of the .NET client only",
    "050-ctl-client-binding-string": "clients are injected, not built from a binding's text",
    "051-ctl-client-binding-string-attr": "clients are injected, not built from a binding's text",
}
COVERED = {
    "043-starter-createCheckStatusResponse",
    "045-starterwait-completed",
    "046-starterwait-timeout",
    "047-starterwait-failed",
    "049-ctl-createHttpManagementPayload",
}


async def client_of(site: Site) -> DurableOrchestrationClient:
    def base_url_of(request: func.HttpRequest) -> str:
        parts = urlsplit(request.url)
        return f"{parts.scheme}://{parts.netloc}{BASE}"

    client = DurableOrchestrationClient(
        site.hub,
        base_url_of=base_url_of,
        registry=site.registry,
        links=site.access.links(site.hub),
    )
    await client.prepare()
    return client


def request_of(recording: Recording) -> func.HttpRequest:
    host = recording.request_headers["Host"]
    return func.HttpRequest(method="POST", url=f"http://{host}{recording.url}", body=b"")


def links_of(text: str, instance_id: str) -> dict[str, str]:
    """Each link up to its key."""
    payload = json.loads(text)
    assert payload["id"] == instance_id
    return {name: payload[name].split("&code=")[0] for name in LINKS}


def test_every_recording_is_covered_or_not_ours() -> None:
    others = {stem for stem, each in RECORDINGS.items() if not each.url.startswith(BASE)}
    assert others == COVERED | NOT_OURS.keys()


async def test_check_status_response() -> None:
    recording = RECORDINGS["043-starter-createCheckStatusResponse"]
    client = await client_of(Site("ExtHttp"))
    answer = client.create_check_status_response(request_of(recording), "st1")
    assert answer.status_code == recording.status
    assert links_of(answer.get_body().decode(), "st1") == links_of(recording.text, "st1")
    assert answer.headers["Retry-After"] == recording.headers["Retry-After"]
    # The recorded key is another: ours opens this instance only.
    location = answer.headers["Location"].split("&code=")[0]
    assert location == recording.headers["Location"].split("&code=")[0]
    assert answer.headers["Content-Type"] == "application/json"


async def test_a_wait_that_ends_gives_the_output() -> None:
    recording = RECORDINGS["045-starterwait-completed"]
    site = Site("ExtHttp")
    client = await client_of(site)
    shown = {
        "name": "hello_sequence",
        "instanceId": "st3",
        "runtimeStatus": "Completed",
        "input": None,
        "customStatus": None,
        "output": json.loads(recording.text),
        "createdTime": "2026-11-23T01:02:15Z",
        "lastUpdatedTime": "2026-11-23T01:02:15Z",
    }
    await fill(site.hub, shown)
    answer = await client.wait_for_completion_or_create_check_status_response(
        request_of(recording), "st3"
    )
    assert answer.status_code == recording.status
    assert json.loads(answer.get_body()) == json.loads(recording.text)


async def test_a_wait_that_takes_too_long_gives_the_links() -> None:
    recording = RECORDINGS["046-starterwait-timeout"]
    site = Site("ExtHttp")
    client = await client_of(site)
    await start_instance(site.hub, StartRequest(name="wait_event", instance_id="st4"))
    answer = await client.wait_for_completion_or_create_check_status_response(
        request_of(recording), "st4", 1000, 500
    )
    assert site.clock.monotonic() == 1
    assert answer.status_code == recording.status
    assert links_of(answer.get_body().decode(), "st4") == links_of(recording.text, "st4")


async def test_a_failure_within_the_wait_is_500_as_in_the_python_sdk() -> None:
    """There 200: the .NET client asks for 500 with a flag, which Python's 1.7 always sets."""
    recording = RECORDINGS["047-starterwait-failed"]
    site = Site("ExtHttp")
    client = await client_of(site)
    shown = json.loads(recording.text)
    await fill(site.hub, shown)
    answer = await client.wait_for_completion_or_create_check_status_response(
        request_of(recording), "st5"
    )
    assert (recording.status, answer.status_code) == (200, 500)
    status = json.loads(answer.get_body())
    for name in ("name", "instanceId", "runtimeStatus", "input", "output", "customStatus"):
        assert status[name] == shown[name]


async def test_payload_links_are_percent_encoded() -> None:
    """There form-encoded, so that the blank's link answers 404 (recorded.md section 2)."""
    recording = RECORDINGS["049-ctl-createHttpManagementPayload"]
    client = await client_of(Site("ExtHttp"))
    base = f"http://{recording.request_headers['Host']}{BASE}"
    payload = client.create_http_management_payload("my id+1", base)
    recorded = json.loads(recording.text)
    assert list(payload) == list(recorded)
    for name in (*LINKS, "rewindPostUri"):
        assert "my+id%2B1" in recorded[name]
        expected = recorded[name].replace("my+id%2B1", "my%20id%2B1").split("&code=")[0]
        assert payload[name].split("&code=")[0] == expected
