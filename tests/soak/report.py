"""The soak's report: Markdown for people, JSON beside it for programs."""

from __future__ import annotations

import json
import platform
import subprocess
from collections import Counter, defaultdict
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from tests.soak.jobs import Job
from tests.soak.soak import Result

_ROOT = Path(__file__).parents[2]
#: Kinds whose activities run again by what the driver does.
_AGAIN = {"rewound", "restarted"}
_MOST_SHOWN = 200
_SLOWEST = 10
_LINES = 20


def write_report(result: Result, path: Path) -> dict[str, object]:
    """Write both files; returns what the JSON holds."""
    document = figures(result)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n")
    path.write_text(markdown(result, document), encoding="utf-8")
    return document


def figures(result: Result) -> dict[str, object]:
    """Everything that is counted and measured."""
    return {
        "began": result.began.isoformat(timespec="seconds"),
        "versions": _versions(),
        "plan": {
            "seconds": result.plan.seconds,
            "killEverySeconds": result.plan.kill_every,
            "azuriteRestarts": result.plan.azurite_restarts,
            "seed": result.plan.seed,
            "leaseSeconds": {
                "own": result.plan.leases.own,
                "host": result.plan.leases.host,
                "worker": result.plan.leases.worker,
            },
        },
        "seconds": {
            "load": round(result.load_seconds, 1),
            "untilAllHadEnded": round(result.drain_seconds, 1),
            "thenUntilQueuesWereEmpty": result.queues_seconds,
            "alarmsLeft": result.alarms,
        },
        "instances": {
            "started": sum(job.kind != "told" for job in result.jobs),
            "children": sum(len(job.children) for job in result.jobs),
            "purged": sum(1 + len(job.children) for job in result.jobs if job.purged),
            "rowsAtTheEnd": result.rows,
            "heldBack": result.held_back,
        },
        "kinds": _kinds(result.jobs),
        "activities": _activities(result.runs),
        "kills": {"all": len(result.kills), **Counter(kill.who for kill in result.kills)},
        "afterKills": _after_kills(result),
        "azuriteStops": [
            {"at": round(stop.at, 1), "tookSeconds": round(stop.took_seconds, 2)}
            for stop in result.stops
        ],
        "canary": {"rows": result.canary[0], "messages": result.canary[1]},
        "azuriteMegabytes": round(result.azurite_megabytes, 1),
        "calls": dict(result.calls),
        "unanswered": dict(result.unanswered),
        "exitsByThemselves": result.exits,
        "exitCodesAtTheEnd": result.codes,
        "largestMegabytes": {name: round(size, 1) for name, size in result.memory.items()},
        "log": dict(result.log_lines.most_common(_MOST_SHOWN)),
        "wrong": result.wrong,
    }


def markdown(result: Result, document: dict[str, object]) -> str:
    """The report."""
    verdict = f"**{len(result.wrong)} things are wrong.**" if result.wrong else "**Nothing wrong.**"
    lines = [
        "# Soak",
        "",
        verdict,
        "",
        *_facts(result, document),
        "",
        "## From the start to the end, in seconds",
        "",
        "| kind | ended | p50 | p95 | longest |",
        "|---|--:|--:|--:|--:|",
        *_rows(dict(sorted(_kinds(result.jobs).items())), "ended"),
        "",
        "The slowest:",
        "",
        *_slowest(result),
        "",
        "## From a kill to the end of all that had not ended then, in seconds",
        "",
        "| who was killed | kills | p50 | p95 | longest |",
        "|---|--:|--:|--:|--:|",
        *_rows(_after_kills(result), "kills"),
        "",
        "## Wrong",
        "",
        *([f"- {each}" for each in result.wrong[:_MOST_SHOWN]] or ["Nothing."]),
        "",
        "## What the logs say, digits as 9",
        "",
        *(
            [f"- {times} times: `{line}`" for line, times in result.log_lines.most_common(_LINES)]
            or ["No errors and no tracebacks."]
        ),
        "",
    ]
    return "\n".join(lines)


def _facts(result: Result, document: dict[str, object]) -> list[str]:
    plan, leases = result.plan, result.plan.leases
    stops = ", ".join(
        f"at {stop.at:.0f} s (gone after {stop.took_seconds:.1f} s)" for stop in result.stops
    )
    queues = result.queues_seconds
    facts = {
        "when": f"{result.began:%Y-%m-%d %H:%M} UTC, {result.load_seconds / 60:.1f} minutes of "
        f"load, seed {plan.seed}",
        "versions": _named(_versions()),
        "SIGKILLs": f"{len(result.kills)}, one each {plan.kill_every:g} s: "
        + _named(Counter(kill.who for kill in result.kills)),
        "Azurite stopped with SIGTERM and started again": f"{len(result.stops)} times: {stops}",
        "written while it stopped, answered, and looked for at the end": f"{result.canary[0]} "
        f"rows, {result.canary[1]} messages",
        "leases in seconds": f"own {leases.own}, the Functions host's {leases.host}, the "
        f"workers' {leases.worker}",
        "instances": _named(document["instances"]),
        "activities": _named(document["activities"]),
        "all had ended": f"{result.drain_seconds:.0f} s after the load; the queues were empty "
        + (
            f"{queues:.0f} s later"
            if queues is not None
            else f"after the longest lease, but for {result.alarms} alarms of entities"
        ),
        "calls": _named(result.calls),
        "calls without an answer, made again": _named(result.unanswered),
        "processes that ended by themselves, exit codes": _named(result.exits),
        "exit codes at the end, after SIGTERM": _named(result.codes),
        "largest memory in MB": _named(document["largestMegabytes"]),
        "Azurite's data at the end in MB": f"{result.azurite_megabytes:.0f}",
    }
    return [f"- {name}: {value}" for name, value in facts.items()]


def _slowest(result: Result) -> list[str]:
    took = {job.instance_id: seconds for job in result.jobs if (seconds := _took(job)) is not None}
    jobs = {job.instance_id: job for job in result.jobs}
    return [
        f"- {each}: {took[each]:.0f} s, {_lived_through(jobs[each], result)}"
        for each in sorted(took, key=lambda each: -took[each])[:_SLOWEST]
    ]


def _rows(table: dict[str, dict[str, float]], count: str) -> list[str]:
    return [
        f"| {name} | {of[count]} | {of['p50']} | {of['p95']} | {of['longest']} |"
        for name, of in table.items()
    ]


def _took(job: Job) -> float | None:
    if job.accepted_at is None or job.ended_at is None:
        return None
    return max(job.ended_at - job.accepted_at, 0.0)


def _kinds(jobs: Sequence[Job]) -> dict[str, dict[str, float]]:
    by_kind: dict[str, list[float]] = defaultdict(list)
    for job in jobs:
        took = _took(job)
        if took is not None:
            by_kind[job.kind].append(took)
    return {kind: {"ended": len(found), **_spread(found)} for kind, found in by_kind.items()}


def _after_kills(result: Result) -> dict[str, dict[str, float]]:
    ends = {job.instance_id: job.ended_at for job in result.jobs}
    waits: dict[str, list[float]] = defaultdict(list)
    for kill in result.kills:
        left = [end - kill.at for i in kill.unfinished if (end := ends[i]) is not None]
        role = kill.who.rstrip("0123456789")
        waits[f"a {role}"].append(max([0.0, *left]))
    return {who: {"kills": len(found), **_spread(found)} for who, found in waits.items()}


def _spread(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "p50": round(ordered[len(ordered) // 2], 1),
        "p95": round(ordered[min(int(len(ordered) * 0.95), len(ordered) - 1)], 1),
        "longest": round(ordered[-1], 1),
    }


def _activities(runs: Counter[str]) -> dict[str, float]:
    """Runs, and runs beyond the first; without the kinds whose driver has them run again."""
    counted = {
        name: times
        for name, times in runs.items()
        if name.split()[0].split("-", 1)[1].removesuffix("-c") not in _AGAIN
    }
    ran, different = sum(counted.values()), len(counted)
    return {
        "run": ran,
        "different": different,
        "redone": ran - different,
        "redonePercent": round(100 * (ran - different) / max(different, 1), 2),
        "mostRunsOfOne": max(counted.values(), default=0),
    }


def _lived_through(job: Job, result: Result) -> str:
    assert job.accepted_at is not None
    assert job.ended_at is not None
    kills = [k.who for k in result.kills if job.accepted_at <= k.at <= job.ended_at]
    stops = sum(job.accepted_at <= stop.at <= job.ended_at for stop in result.stops)
    return f"through {len(kills)} kills ({_named(Counter(kills))}) and {stops} stops of Azurite"


def _versions() -> dict[str, str]:
    package = _ROOT / "node_modules" / "azurite" / "package.json"
    return {
        "durable": f"{version('durable')} ({_commit()})",
        "Python": platform.python_version(),
        "Azurite": json.loads(package.read_text(encoding="utf-8"))["version"],
    }


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=_ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return done.stdout.strip() or "no commit"


def _named(values: object) -> str:
    """A dict as text."""
    assert isinstance(values, dict)
    return ", ".join(f"{name} {value}" for name, value in values.items()) or "none"
