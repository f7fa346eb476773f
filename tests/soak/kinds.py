"""The kinds of instances under load: what each is started with, told, and must come to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from durable.model.status import RuntimeStatus
from tests.soak.driver import Sent, has_ended, shows
from tests.soak.jobs import Job

#: Accounts come in groups; a transfer stays in its group, so that one that a kill holds up for
#: minutes doesn't hold up all others.
GROUPS, ACCOUNTS_OF_GROUP = 12, 4
#: Then a new counter takes over: a state is written whole with each turn.
SIGNALS_OF_COUNTER = 120
_LARGE = 100_000
#: What an activity takes on average.
_SECONDS = (0.02, 0.3, 1.0)
_BUSY = shows(RuntimeStatus.RUNNING, RuntimeStatus.SUSPENDED)


async def chain(job: Job) -> None:
    """Activities one after the other."""
    count = job.chance.randint(2, 8)
    await job.start("Chain", {"count": count, "seconds": job.chance.choice(_SECONDS)})
    await job.ends(_squares(count))


async def async_chain(job: Job) -> None:
    """The same as a coroutine."""
    count = job.chance.randint(2, 6)
    await job.start("AsyncChain", {"count": count, "seconds": job.chance.choice(_SECONDS)})
    await job.ends(_squares(count))


async def delayed(job: Job) -> None:
    """A start that is scheduled."""
    await job.start("Chain", {"count": 2, "seconds": 0.05}, delay=job.chance.uniform(1.0, 8.0))
    await job.ends(_squares(2))


async def fan_out(job: Job) -> None:
    """Activities at once."""
    count = job.chance.randint(3, 16)
    await job.start("FanOut", {"count": count, "seconds": job.chance.choice(_SECONDS)})
    await job.ends(_squares(count))


async def timers(job: Job) -> None:
    """Timers, none early."""
    count = job.chance.randint(1, 3)
    await job.start("Timers", {"count": count, "seconds": job.chance.uniform(0.5, 6.0)})
    await job.ends(count)


async def race(job: Job) -> None:
    """An event against a timer; a late event loses, as it may."""
    sent = Sent()
    if job.chance.random() < 0.5:
        await job.start("Race", 1.5)
        await job.ends("timer")
        return
    await job.start("Race", 30.0)
    await asyncio.sleep(job.chance.uniform(0.0, 2.0))
    await job.driver.raise_event(job.instance_id, 0, sent)
    row = await job.end()
    came = await job.driver.output(row)
    if came != "timer" and (not isinstance(came, dict) or came.get("try") not in sent.maybe):
        job.blame(f"came to {came}, though it was sent {sent}")


async def events(job: Job) -> None:
    """Numbered events, each once, in one generation."""
    await _events(job, "Events")


async def event_loop(job: Job) -> None:
    """Numbered events, each once, a generation for each."""
    await _events(job, "EventLoop")


async def _events(job: Job, name: str) -> None:
    count, sent = job.chance.randint(2, 7), Sent()
    await job.start(name, {"count": count})
    job.doing = "its events"
    numbers = list(range(count))
    job.chance.shuffle(numbers)
    burst = job.chance.random() < 0.4
    if burst:
        async with asyncio.TaskGroup() as tasks:
            for number in numbers:
                tasks.create_task(job.driver.raise_event(job.instance_id, number, sent))
    else:
        for number in numbers:
            await job.driver.raise_event(job.instance_id, number, sent)
            await asyncio.sleep(job.chance.uniform(0.0, 1.0))
    row = await job.end()
    came = await job.driver.output(row)
    tries = [each["try"] for each in came] if isinstance(came, list) else []
    if row.status is not RuntimeStatus.COMPLETED or len(set(tries)) != len(tries):
        job.blame(f"is {row.status} and was told {tries}: something twice")
    if not set(tries) <= sent.maybe or {int(each.split(".")[0]) for each in tries} != set(numbers):
        job.blame(f"was told {tries}, though it was sent {sorted(sent.maybe)}")


async def children(job: Job) -> None:
    """Children at once, with activities each."""
    count, steps = job.chance.randint(1, 4), job.chance.randint(1, 3)
    await job.start("Parent", {"count": count, "steps": steps, "seconds": 0.3})
    job.children = [f"{job.instance_id}-c{number}" for number in range(count)]
    await job.ends([_squares(steps)] * count)


async def loop(job: Job) -> None:
    """Generations, an activity each."""
    count = job.chance.randint(2, 8)
    await job.start("Loop", {"count": count, "seconds": job.chance.choice(_SECONDS)})
    await job.ends(sum(_squares(count)))


async def large(job: Job) -> None:
    """A payload of 100 KB, through blobs."""
    text = f"{job.instance_id} é " + "x" * _LARGE
    await job.start("Large", text)
    await job.ends(text)


async def transfer(job: Job) -> None:
    """Money between two accounts, in a critical section."""
    source, target = _two_accounts(job)
    amount = job.chance.randint(1, 30)
    await job.start("Transfer", [source, target, amount])
    row = await job.end()
    came = await job.driver.output(row)
    if came == "moved":
        job.books.move(source, target, amount)
    elif row.status is not RuntimeStatus.COMPLETED or came != "too little":
        job.blame(f"is {row.status} and came to {came!s:.300}")


async def holder(job: Job) -> None:
    """Holds two accounts until it is terminated, which releases them."""
    await job.start("Holder", _two_accounts(job))
    await job.is_seen(lambda row: has_ended(row) or row.custom_status == '"locked"', "its locks")
    await job.driver.tell("terminate", job.instance_id, has_ended)
    await job.ends(status=RuntimeStatus.TERMINATED)


async def terminated(job: Job) -> None:
    """Waits until it is terminated; sometimes before it has begun."""
    await job.start("Sleeper", None)
    await asyncio.sleep(job.chance.choice((0.0, 0.3, 2.0)))
    await job.driver.tell("terminate", job.instance_id, has_ended)
    await job.ends(status=RuntimeStatus.TERMINATED)


async def suspended(job: Job) -> None:
    """Stands still while it is suspended, whatever it is told."""
    await job.start("Steady", job.chance.uniform(0.0, 0.5))
    await job.is_seen(_BUSY, "its beginning")
    await job.driver.tell("suspend", job.instance_id, shows(RuntimeStatus.SUSPENDED))
    await job.is_seen(shows(RuntimeStatus.SUSPENDED), "its rest")
    await job.driver.finish(job.instance_id)
    await asyncio.sleep(job.chance.uniform(0.5, 3.0))
    row = await job.driver.row(job.instance_id)
    if row.status is not RuntimeStatus.SUSPENDED:
        job.blame(f"is {row.status} though it is suspended")
    await job.driver.tell(
        "resume", job.instance_id, lambda row: row.status is not RuntimeStatus.SUSPENDED
    )
    await job.ends([4, "finished", 9])


async def rewound(job: Job) -> None:
    """Fails, alone or in a child, is mended and rewound, and goes on."""
    depth = job.chance.randint(0, 1)
    await job.start("Fragile", {"depth": depth, "root": job.instance_id})
    job.children = [f"{job.instance_id}-c"] * depth
    row = await job.is_seen(has_ended, "its failure")
    if row.status is not RuntimeStatus.FAILED:
        job.blame(f"is {row.status}, not Failed")
        return
    job.mend()
    await job.driver.tell(
        "rewind", job.instance_id, lambda row: row.status is not RuntimeStatus.FAILED
    )
    await job.ends([0, [0, "mended"]] if depth else [0, "mended"])


async def restarted(job: Job) -> None:
    """Ends, and is started once more under its id."""
    count = job.chance.randint(1, 4)
    await job.start("Chain", {"count": count, "seconds": 0.02})
    await job.ends(_squares(count))
    await job.driver.restart(job.instance_id)
    await job.ends(_squares(count))


async def signals(job: Job) -> None:
    """An orchestration tells a counter."""
    count = job.chance.randint(2, 6)
    key, sent = _counter(job)
    names = {f"{job.instance_id}.{number}" for number in range(count)}
    sent.maybe |= names
    await job.start("Signals", {"counter": key, "count": count})
    await job.ends(count)
    sent.told |= names


async def told(job: Job) -> None:
    """No instance: a client tells a counter."""
    job.accepted_at = job.now()
    for number in range(job.chance.randint(1, 4)):
        key, sent = _counter(job)
        await job.driver.signal(key, f"{job.instance_id}.{number}", sent)
    job.ended_at = job.now()


def _squares(count: int) -> list[int]:
    return [number**2 for number in range(count)]


def _two_accounts(job: Job) -> list[str]:
    group = job.chance.randrange(GROUPS)
    first, second = job.chance.sample(range(ACCOUNTS_OF_GROUP), 2)
    return [f"g{group}-{first}", f"g{group}-{second}"]


def _counter(job: Job) -> tuple[str, Sent]:
    """The counter that is told things now, and what it was told."""
    counters = job.books.counters
    key = f"c{len(counters) - 1}"
    if not counters or len(counters[key].maybe) >= SIGNALS_OF_COUNTER:
        key = f"c{len(counters)}"
        counters[key] = Sent()
    return key, counters[key]


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A kind of instance: how often it comes, and how many of it may be unfinished."""

    run: Callable[[Job], Awaitable[None]]
    weight: int
    most: int = 1000
    has_instance: bool = True


KINDS = {
    "chain": Kind(run=chain, weight=18),
    "async-chain": Kind(run=async_chain, weight=8),
    "delayed": Kind(run=delayed, weight=3),
    "fan-out": Kind(run=fan_out, weight=10),
    "timers": Kind(run=timers, weight=8),
    "race": Kind(run=race, weight=5),
    "events": Kind(run=events, weight=8),
    "event-loop": Kind(run=event_loop, weight=6),
    "children": Kind(run=children, weight=8),
    "loop": Kind(run=loop, weight=8),
    "large": Kind(run=large, weight=4),
    "transfer": Kind(run=transfer, weight=12, most=24),
    "holder": Kind(run=holder, weight=2, most=3),
    "terminated": Kind(run=terminated, weight=4),
    "suspended": Kind(run=suspended, weight=4),
    "rewound": Kind(run=rewound, weight=4),
    "restarted": Kind(run=restarted, weight=4),
    "signals": Kind(run=signals, weight=6),
    "told": Kind(run=told, weight=8, has_instance=False),
}
