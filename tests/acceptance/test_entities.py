"""The sample app's entities: a counter, and transfers between accounts, also under SIGKILL."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable

import pytest
from yarl import URL

from durable.hub.taskhub import TaskHub
from tests.acceptance.conftest import MakeHost
from tests.acceptance.instances import (
    Wanted,
    all_ended,
    check_no_quarantine,
    check_queues_are_empty,
    check_results,
    insist,
    lengths,
    rows_of,
    unfinished,
)
from tests.acceptance.local_host import SAMPLE, UNTIDY, Answer, Browser

pytestmark = [pytest.mark.azurite, pytest.mark.slow]

ACCOUNTS = ("anna", "ben", "cleo")
EACH = 100
TRANSFERS = 10
#: It is killed in the middle: when no more than so many transfers are left.
KILLED_AT = (9, 6, 3)
#: Shorter than by default, so that what a kill held comes back soon. The host's own lease, too: it
#: holds what the host had taken and no function had begun with.
SHORT_LEASE = {
    "AzureFunctionsJobHost__extensions__durableTask__ownLeaseSeconds": "10",
    "DURABLE_HOST_LEASE_SECONDS": "10",
}


@pytest.mark.timeout(60)
async def test_a_counter_is_added_to_read_and_reset(make_host: MakeHost, browser: Browser) -> None:
    host = make_host(SAMPLE)
    await host.start()
    url = f"{host.url}/Counter/visits"
    assert (await browser.get(url)).text == "0"
    for amount in ("0", "abc", "10001"):
        refused = await browser.post(url, params={"amount": amount})
        assert (refused.status, refused.text) == (400, "amount must be a whole number, 1 to 10000.")

    bad = await browser.call("POST", URL(f"{host.url}/Counter/a%23b", encoded=True))
    assert bad.status == 400
    assert "'#'" in bad.text

    assert (await browser.post(url, params={"amount": "5"})).status == 202
    assert (await browser.post(url)).status == 202
    assert (await becomes(browser, url, lambda it: it.text == "6")).status == 200
    assert (await browser.get(f"{host.url}/Counter/others")).text == "0"

    # The management API's routes lead to the same entity; names are written in any case.
    entity = f"{host.api}/entities/Counter/visits"
    assert (await browser.get(entity)).json == 6
    assert (await browser.post(f"{entity}?op=add", json=4)).status == 202
    await becomes(browser, url, lambda it: it.text == "10")
    assert (await browser.post(f"{entity}?op=sub", json=4)).status == 202
    log = await host.logged("operation 'sub' of entity '@counter@visits' failed with ValueError")
    assert (await browser.get(entity)).json == 10

    assert (await browser.call("DELETE", url)).status == 202
    await becomes(browser, url, lambda it: it.text == "0")
    assert await host.stop() == 0
    assert not [word for word in UNTIDY if word in log]


@pytest.mark.timeout(60)
async def test_a_transfer_moves_all_or_nothing(make_host: MakeHost, browser: Browser) -> None:
    host = make_host(SAMPLE)
    await host.start()
    entities = f"{host.api}/entities"
    assert (await browser.get(entities)).json == []
    assert (await browser.get(f"{entities}/account/anna")).status == 404
    unknown = await browser.post(f"{entities}/acount/anna?op=deposit", json=100)
    assert unknown.status == 400
    assert "Did you mean 'Account'" in unknown.json["Message"]
    nonsense = await browser.post(
        f"{entities}/account/anna", data=b"{", headers={"Content-Type": "application/json"}
    )
    assert nonsense.status == 400

    assert (await browser.post(f"{entities}/account/anna?op=deposit", json=100)).status == 202
    opened = await becomes(browser, f"{entities}/account/anna", lambda it: it.status == 200)
    assert opened.json == {"balance": 100}

    url = f"{host.url}/Transfer_HttpStart"
    started = await browser.get(url, params={"from": "anna", "to": "ben", "amount": "30"})
    done = await browser.follow(started.json["statusQueryGetUri"])
    assert (done.json["runtimeStatus"], done.json["output"]) == ("Completed", "anna gave ben 30")
    too_much = await browser.get(url, params={"from": "ben", "to": "anna", "amount": "31"})
    done = await browser.follow(too_much.json["statusQueryGetUri"])
    assert done.json["runtimeStatus"] == "Failed"
    assert "ValueError: There is too little in the account." in done.json["output"]

    listed = await browser.get(f"{entities}/account", params={"fetchState": "true"})
    assert [(one["entityId"], one["state"]) for one in listed.json] == [
        ({"name": "account", "key": "anna"}, {"balance": 70}),
        ({"name": "account", "key": "ben"}, {"balance": 30}),
    ]
    # Neither is locked any more, also after the transfer that failed.
    await becomes(
        browser,
        f"{host.api}/instances/@account@ben",
        lambda it: it.json["customStatus"] == {"entityExists": True},
    )

    assert (await browser.call("DELETE", f"{entities}/account/ben")).status == 202
    await becomes(browser, f"{entities}/account/ben", lambda it: it.status == 404)
    gone = await browser.call("DELETE", f"{host.api}/instances/@account@ben")
    assert (gone.status, gone.json) == (200, {"instancesDeleted": 1})
    assert len((await browser.get(entities)).json) == 1
    assert await host.stop() == 0
    assert not [word for word in UNTIDY if word in host.log]


@pytest.mark.timeout(180)
async def test_no_money_is_lost_or_made_by_kills(
    make_host: MakeHost, browser: Browser, hub: TaskHub
) -> None:
    seed = int(os.environ.get("DURABLE_KILL_SEED", random.SystemRandom().randrange(1_000_000)))
    print(f"seed {seed} (again: DURABLE_KILL_SEED={seed})")
    chance = random.Random(seed)
    host = make_host(SAMPLE, **SHORT_LEASE)
    await host.start()
    entities = f"{host.api}/entities/account"
    for name in ACCOUNTS:
        await browser.post(f"{entities}/{name}?op=deposit", json=EACH)
    for name in ACCOUNTS:
        await becomes(browser, f"{entities}/{name}", lambda it: it.status == 200)

    wanted: list[Wanted] = []
    balances = dict.fromkeys(ACCOUNTS, EACH)
    for amount in range(1, TRANSFERS + 1):
        payer, payee = chance.sample(ACCOUNTS, 2)
        balances[payer] -= amount
        balances[payee] += amount
        order, said = [payer, payee, amount], f"{payer} gave {payee} {amount}"
        wanted.append(Wanted(f"transfer-{amount}", "Transfer", order, said))
    async with asyncio.TaskGroup() as tasks:
        for each in wanted:
            tasks.create_task(insist(browser, host.api, each))
    for left in KILLED_AT:
        while len(unfinished(await rows_of(hub))) > left:
            await asyncio.sleep(0.02)
        await asyncio.sleep(chance.uniform(0.0, 0.1))
        host.kill()
        hit = len(unfinished(await rows_of(hub)))
        print(f"killed: {hit} unfinished, messages {sum((await lengths(hub)).values())}")
        assert hit > 0
        await host.start()

    await all_ended(hub, TRANSFERS, seconds=120)
    await check_queues_are_empty(hub, seconds=40)
    await check_results(hub, wanted)
    await check_no_quarantine(hub)
    found = {name: (await browser.get(f"{entities}/{name}")).json["balance"] for name in ACCOUNTS}
    assert found == balances


async def becomes(
    browser: Browser, url: str, fits: Callable[[Answer], bool], seconds: float = 15.0
) -> Answer:
    """What `url` answers, once that fits."""
    answer = await browser.get(url)
    try:
        async with asyncio.timeout(seconds):
            while not fits(answer):
                await asyncio.sleep(0.1)
                answer = await browser.get(url)
    except TimeoutError:
        raise AssertionError(f"{url} stayed {answer}") from None
    return answer
