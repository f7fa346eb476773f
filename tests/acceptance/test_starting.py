"""How the host begins and ends: trouble told in a line, work under way finished."""

from __future__ import annotations

import asyncio
import shutil
import socket
from pathlib import Path

import pytest

from tests.acceptance.conftest import MakeHost
from tests.acceptance.local_host import WORKSHOP, Browser, free_port
from tests.azurite_process import azurite, connection_string

pytestmark = [pytest.mark.azurite, pytest.mark.slow]


@pytest.mark.timeout(60)
async def test_storage_that_does_not_answer_is_told_once_and_waited_for(
    make_host: MakeHost, browser: Browser
) -> None:
    ports = (free_port(), free_port(), free_port())
    host = make_host(AzureWebJobsStorage=connection_string(*ports))
    await host.start()
    await host.logged("Trying again every", seconds=25)
    refused = await browser.post(f"{host.api}/orchestrators/Echo", json=1)
    assert refused.status == 503
    assert f"127.0.0.1:{ports[0]}" in refused.json["ExceptionMessage"]
    tries = host.log.count("Trying again every")
    with azurite(ports):
        await host.logged("AzureWebJobsStorage answers now.", seconds=20)
        started = await browser.post(f"{host.api}/orchestrators/Echo", json="late")
        done = await browser.follow(started.json["statusQueryGetUri"])
        assert done.json["output"] == "late"
        assert await host.stop() == 0
    assert tries == host.log.count("Trying again every") == 1
    # Told by the host, and to the one who called; nothing in between.
    assert sum("Cannot connect" in line for line in host.log.splitlines()) <= 2
    assert "Traceback" not in host.log


@pytest.mark.timeout(30)
async def test_a_taken_port_is_told_with_a_way_out(make_host: MakeHost) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        host = make_host()
        host.port = taken.getsockname()[1]
        host.launch()
        assert await host.ended(10) == 1
    assert f"Port {host.port} is in use. Choose another: PORT={host.port + 1}" in host.log
    assert "Traceback" not in host.log


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import no_such_module\n", "No module named 'no_such_module'"),
        ("def broken(:\n", "SyntaxError"),
        ("x = 1\n", "holds no app"),
    ],
)
async def test_an_app_that_cannot_be_imported_is_told(
    make_host: MakeHost, tmp_path: Path, code: str, told: str
) -> None:
    shutil.copy(WORKSHOP / "host.json", tmp_path)
    (tmp_path / "function_app.py").write_text(code)
    host = make_host(tmp_path)
    host.launch()
    assert await host.ended(10) == 1
    assert "The host cannot start. function_app.py" in host.log
    assert told in host.log
    assert "durable/host" not in host.log  # the user's frames only


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("setting", "value", "rule"),
    [
        ("hubName", "no-hub", "3 to 45 ASCII letters and digits"),
        ("storageProvider__partitionCount", "17", "1 to 16"),
    ],
)
async def test_bad_hub_settings_are_refused_with_the_rule(
    make_host: MakeHost, setting: str, value: str, rule: str
) -> None:
    host = make_host(**{f"AzureFunctionsJobHost__extensions__durableTask__{setting}": value})
    host.launch()
    assert await host.ended(10) == 1
    assert "The host cannot start." in host.log
    assert rule in host.log
    assert "Traceback" not in host.log


@pytest.mark.timeout(40)
async def test_sigterm_lets_work_under_way_finish(
    make_host: MakeHost, browser: Browser, tmp_path: Path
) -> None:
    host = make_host(WORKSHOP_NOTES=str(tmp_path))
    await host.start()
    started = await browser.post(f"{host.api}/orchestrators/Long", json=2)
    notes = tmp_path / "linger"
    async with asyncio.timeout(10):
        while not notes.exists():
            await asyncio.sleep(0.05)
    assert await host.stop() == 0
    assert notes.read_text() == "begun\ndone\n"

    await host.start()
    done = await browser.follow(started.json["statusQueryGetUri"])
    assert done.json["output"] == "at last"
    assert notes.read_text() == "begun\ndone\n"  # its answer was sent: it wasn't run again
