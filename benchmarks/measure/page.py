"""docs/performance.md, made from the figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.measure import original
from benchmarks.measure.catalog import MEASUREMENTS
from benchmarks.measure.figures import Figures
from benchmarks.measure.inner import PROFILED
from benchmarks.measure.targets import FLOOR, TARGETS, Found

_RUNS = tuple(
    name for name in MEASUREMENTS if name.startswith(("sequence", "fan", "event", "sig", "call"))
)

_HEAD = """# Performance

Written by `python -m benchmarks`, which measures all of this in some twelve minutes
([how](../benchmarks/README.md)). {where}

Each measurement runs in a process of its own on a fresh Azurite in memory. Azurite uses one core,
Python the other: the number of requests is what counts, and a real storage account has other
latencies. The **floor** stands beside what takes time: the engine's storage calls are recorded and
issued again by a bare client through the same adapter, with no engine: the same operations, texts,
rows and batches, on tables and queues of its own. Ours and the floor take turns, so that the
machine's noise hits both. A figure is the median of its rounds, in brackets the lowest and the
highest; a ratio is that of neighbouring rounds.

**The original** is DurableTask.AzureStorage 2.9.1, recorded once on another machine with two cores,
on Azurite in memory, worker and client in one .NET process: without its extended sessions, and
after a slash with them. Requests compare exactly, times by their order of magnitude.
"""


def page(figures: Figures) -> str:
    """The whole page; what was not measured is left out."""
    found: Found = {name: entry["figures"] for name, entry in figures.items()}
    parts = [_HEAD.format(where=_where(figures)), _targets(found)]
    for name, section in _SECTIONS.items():
        if name in found:
            parts.append(section(found))
    parts.append(_circumstances(figures))
    return "\n".join(parts)


def _where(figures: Figures) -> str:
    machines = {
        f"{entry['cores']} cores, {entry['system']}, Python {entry['python']}, "
        f"Azurite {entry['azurite']}"
        for entry in figures.values()
    }
    days = sorted({entry["day"] for entry in figures.values()})
    if not days:
        return "Nothing is measured yet."
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return f"Last run: {when}, on {'; '.join(sorted(machines))}."


def _targets(found: Found) -> str:
    rows = [target.line(found) for target in TARGETS]
    return "## Targets\n\n" + _table(("", "target", "measured", "the original", "met"), rows, "")


def _requests(found: Found) -> str:
    worker, functions = found.get("requests-worker", {}), found.get("requests-functions", {})
    rows = []
    for title, recorded in original.REQUESTS.items():
        ours = worker.get(title)
        hosted = functions.get(title)
        about = "" if title in original.COUNTED else "about "
        rows.append(
            (
                title,
                f"{about}{recorded:,}",
                _count(None if ours is None else ours["total"]),
                _count(None if ours is None else ours["looks"]),
                _count(None if hosted is None else hosted["total"]),
            )
        )
    text = """## Storage requests

Counted on the wire between the process and Azurite. Apart: gets that returned nothing, the workers'
dealings about who reads which queue, and the creation of the hub. *Worker mode*: a worker and its
client in one process; the client's looks at the status are included. *Functions mode*: the
generated functions below the local host, its gets and deletes and our own lease included, started
by an HTTP function; nobody looks at the status. [Every recorded
scenario](../benchmarks/scenarios.md) has its count in Functions mode as well.

![Storage requests by scenario](performance/requests.svg)

"""
    heads = ("scenario", "the original", "worker mode", "of these looks", "Functions mode")
    text += _table(heads, rows)
    if "hello-3" in worker:
        text += "\nhello-3 by operation:\n\n" + _operations(
            {"worker mode": worker["hello-3"], "Functions mode": functions.get("hello-3")}
        )
    return text


def _operations(columns: Mapping[str, Mapping[str, Any] | None]) -> str:
    known = {title: column["requests"] for title, column in columns.items() if column}
    names = sorted({name for column in known.values() for name in column})
    rows = [(name, *(_count(column.get(name, 0)) for column in known.values())) for name in names]
    return _table(("operation", *known), rows)


def _idle(found: Found) -> str:
    idle = found["idle"]
    rows = [(name, str(count)) for name, count in sorted(idle["requests"].items())]
    return (
        f"### An idle worker\n\n{idle['a_second']:.2f} requests a second over "
        f"{idle['seconds']:.0f} s, begun {idle['settled_after']:.0f} s after its last work: "
        "all of them, upkeep too "
        f"(the original: {original.IDLE_A_SECOND}).\n\n" + _table(("request", "count"), rows)
    )


def _two_hosts(found: Found) -> str:
    one, two = found["requests-two-hosts"]["1"], found["requests-two-hosts"]["2"]
    rows = [
        (title, f"{one[title]:.1f}", f"{two[title]:.1f}")
        for title in ("hello-3", "sequence 10", "fan-out 100")
    ]
    return (
        "### Two processes without affinity\n\n"
        "In Functions mode every process listens on every queue. Requests each, one local host "
        "beside two on the same hub; hello-3 is the mean of 24, eight at a time, "
        "started in turns at both.\n\n" + _table(("scenario", "one process", "two processes"), rows)
    )


def _hello(found: Found) -> str:
    hello = found["hello"]
    rows: list[Sequence[str]] = []
    for clients, loops in hello["clients"].items():
        rows += [_loop_row(clients, loops, kind) for kind in _KINDS]
        rows.append(("", "the original", *_recorded(original.LOOPS[clients]), "", "", ""))
    each = ", ".join(
        f"{loops['requests_each']:.1f} with {n}" for n, loops in hello["clients"].items()
    )
    calls = "\n".join(f"{number}. {call}" for number, call in enumerate(hello["calls"], 1))
    heads = (
        "clients",
        "",
        "p50, ms",
        "p95, ms",
        "a second",
        "Azurite's CPU, ms",
        "ours / floor, p50",
        "ours / floor, a second",
    )
    return f"""## hello-3 in a closed loop

Worker mode: each client, in the worker's process, starts a hello-3, waits with
`wait_for_orchestration_completion`, and starts the next. {hello["rounds"]} rounds of
{hello["seconds"]:.0f} s each. An engine in the same process tells a waiting client of changes, so
it looks at the status at the beginning and at the end, however long its interval is. Requests each:
{each} clients.

![hello-3 in a closed loop](performance/hello.svg)

{_table(heads, rows)}
The floor makes the calls of one hello-3, as recorded just before:

{calls}

*One by one* makes each after the answer of the one before it: that is the floor of the targets.
Azurite's CPU time each, in ms, tells whether both asked it for the same: a floor that costs it over
15 % more than ours is no floor, and the targets say so. Each kind has a hub of its own, since
Azurite's calls become dearer with the rows of a table. *Same overlap* makes a call as soon as those
are answered that had been answered when the engine made it (the first look and the deletion overlap
with others).
"""


_KINDS = {"ours": "ours", FLOOR: "floor, one by one", "floor": "floor, same overlap"}


def _loop_row(clients: str, loops: Mapping[str, Any], kind: str) -> Sequence[str]:
    figures, ratios = loops[kind], loops["ratios"].get(kind)
    return (
        clients if kind == "ours" else "",
        _KINDS[kind],
        _ms(figures["p50"]),
        _ms(figures["p95"]),
        _spread(figures["a_second"], "{:.1f}"),
        f"{1000 * figures['storage_cpu']['median']:.1f}",
        "" if ratios is None else _spread(ratios["p50"], "{:.2f}"),
        "" if ratios is None else _spread(ratios["a_second"], "{:.2f}"),
    )


def _recorded(loop: original.ClosedLoop) -> Sequence[str]:
    p50 = (
        "-"
        if loop.p50 is None
        else f"{1000 * loop.p50:.0f} / {1000 * (loop.p50_sessions or 0):.0f}"
    )
    p95 = "-" if loop.p95 is None else f"{1000 * loop.p95:.0f}"
    return (p50, p95, f"{loop.a_second:.1f} / {loop.a_second_sessions:.1f}")


def _runs(found: Found) -> str:
    rows = []
    for name in _RUNS:
        if name not in found:
            continue
        run = found[name]
        recorded = original.SECONDS.get(name)
        rows.append(
            (
                run["title"],
                _spread(run["seconds"]["ours"], "{:.2f}"),
                _spread(run["seconds"]["floor"], "{:.2f}"),
                _spread(run["seconds"]["ratio"], "{:.2f}"),
                "-" if recorded is None else f"{recorded[0]:.1f} / {recorded[1]:.1f}",
                _count(sum(run["requests"].values())),
                _count(run["looks"]),
            )
        )
    heads = (
        "",
        "ours, s",
        "floor, s",
        "ours / floor",
        "the original, s",
        "requests",
        "of these looks",
    )
    return f"""## One instance at a time

Worker mode, from the start until the waiting client knows. The floor makes the same requests with
the same overlap. Events and signals come from the client, 16 at a time; it looks at the entity's
state until that has counted them all. Requests are those of the last round; a client that raises an
event reads the instance's row first, which counts as a request and not as a look.

![Seconds](performance/runs.svg)

{_table(heads, rows)}"""


def _slow(found: Found) -> str:
    slow = found["slow-fan-out"]
    rows = [
        (
            kind,
            f"{each['seconds']:.1f}",
            f"{each['seconds'] / slow['ideal_seconds']:.2f}",
            " and ".join(map(str, each["shares"])),
        )
        for kind, each in slow["measured"].items()
    ]
    return (
        "## Two processes share a fan-out of slow activities\n\n"
        f"{slow['activities']} activities of 1 s, at most {slow['limit']} at once in each of "
        f"{slow['processes']} processes: at best {slow['ideal_seconds']:.0f} s. "
        "The first of them are taken for quick, since nothing is known of them yet.\n\n"
        + _table(("", "seconds", "by the ideal", "activities in each process"), rows)
    )


def _cpu(found: Found) -> str:
    rows = [
        (
            name,
            f"{each['turns']:,}",
            f"{each['rows']:,}",
            f"{each['engine'] / each['turns']:.2f}",
            f"{1000 * each['engine'] / each['rows']:.0f}",
        )
        for name, each in found["cpu"].items()
    ]
    return (
        "## The engine's own CPU time\n\n"
        "On the account in memory, whose calls are timed and taken out: what is left is the "
        "engine, the orchestrators and activities themselves, and the event loop. The best of "
        "three rounds. A turn that takes in many results writes many rows. "
        "`python -m benchmarks.cpu --profile` shows where it goes.\n\n"
        + _table(("", "turns", "history rows", "CPU ms a turn", "CPU µs a row"), rows)
        + _profile(found["cpu"].get(PROFILED, {}).get("profile"))
    )


def _profile(profile: Found | None) -> str:
    if profile is None:
        return ""
    layers = [(name, f"{100 * share:.0f} %") for name, share in profile["layers"].items()]
    functions = [
        (f"`{each[2]}`", f"{100 * each[0]:.1f} %", f"{each[1]:,}") for each in profile["functions"]
    ]
    return (
        f"\n\nWhere it goes in *{PROFILED}*, by cProfile, which makes what is called often dearer "
        "than it is. No function stands out:\n\n"
        + _table(("layer", "its own time"), layers)
        + "\n\n"
        + _table(("function", "its own time", "calls"), functions)
    )


def _growth(found: Found) -> str:
    text = (
        "## Growth\n\nInstances that wait, half for a timer of six hours, half for an event; 50 "
        "orchestrators stay in memory. A line is a tenth more of them: what each cost, then how "
        "long a page of 100 running ones took, those of a prefix, and one status.\n"
    )
    for name, title in (("growth-memory", "In memory"), ("growth-azurite", "On Azurite")):
        if name in found:
            text += f"\n{title}:\n\n```text\n{found[name]['told']}\n```\n"
    return text


def _circumstances(figures: Figures) -> str:
    rows = [
        (
            f"`{name}`",
            figures[name]["day"],
            f"{figures[name]['load']:.1f}",
            f"{figures[name]['took']:.0f}",
            f"{figures[name]['peak_mb']:.0f}",
        )
        for name in MEASUREMENTS
        if name in figures
    ]
    return (
        "## The measurements\n\n"
        "`python -m benchmarks --only NAME` repeats one. *Load* is that of the machine in the "
        "minute before, our own last measurement included; on two cores, much over 1.5 means that "
        "others were at work. *Memory* is the peak of the measuring process, which holds the "
        "recording too.\n\n" + _table(("measurement", "day", "load", "seconds", "memory, MB"), rows)
    )


_SECTIONS = {
    "requests-worker": _requests,
    "idle": _idle,
    "requests-two-hosts": _two_hosts,
    "hello": _hello,
    "sequence-100": _runs,
    "slow-fan-out": _slow,
    "cpu": _cpu,
    "growth-memory": _growth,
}


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _ms(spread: Mapping[str, float]) -> str:
    return _spread({name: 1000 * value for name, value in spread.items()}, "{:.0f}")


def _spread(spread: Mapping[str, float], shown: str) -> str:
    low, median, high = (shown.format(spread[name]) for name in ("low", "median", "high"))
    return median if low == high else f"{median} ({low} to {high})"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], align: str = "r") -> str:
    """Markdown; the columns after the first to the right, where they are numbers."""
    rule = ["---", *(["---:" if align == "r" else "---"] * (len(heads) - 1))]
    lines = [heads, rule, *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
