"""Walk N | fast N | mixed N | variants N [name] | foreign N | sweep N | fastsweep N | grace.

dfs SECONDS scenario.. | fastdfs SECONDS scenario..
"""

from __future__ import annotations

import collections
import random
import sys
import time
from dataclasses import replace
from typing import Any

from tests.protocol import procs
from tests.protocol.model import Chooser, K, Rules, World
from tests.protocol.scen import SCEN, one

FEW = ["leaf", "two", "tinycan", "termtiny"]  # for dfs and foreign only
ALL = [k for k in SCEN if k not in FEW]


def chooser(seed, f):
    return Chooser(seed, f, random.Random(seed).choice((0.02, 0.06, 0.15)))


def walks(rules, n, scens=ALL, seed0=0, procs="OO", maxf=3, show=3, stop=None):
    """Random walks; -> counters, {(scenario, kind): (size, seed, faults allowed, bad, faults)}."""
    c: collections.Counter[str] = collections.Counter()
    found: dict[Any, Any] = {}
    t = time.time()
    first = None
    for i in range(n):
        sc = scens[i % len(scens)]
        seed = seed0 + i
        f = (i // len(scens)) % (maxf + 1)
        w, bad = one(sc, rules, chooser(seed, f), procs)
        c.update(
            runs=1,
            faults=len(w.done_faults),
            faultless=not w.done_faults,
            calls=w.reqs,
            torn=w.torn,
        )
        c.update("f:" + x[0][0] for x in w.done_faults)
        if bad:
            c["bad"] += 1
            first = first or i + 1
            k = (sc, bad[0][:14])
            size = (len(w.done_faults), w.steps)
            if k not in found or size < found[k][0]:
                found[k] = (size, seed, f, bad, list(w.done_faults))
            if c["bad"] == stop:
                break
    c["secs"] = round(time.time() - t)
    c["first"] = first or 0
    if show:
        print(dict(c), flush=True)
        for k, v in list(found.items())[:show]:
            print("   ", k, "seed", v[1], "maxf", v[2], v[3][:2], [(a[0], a[2]) for a in v[4]])
    return c, found


def violations(
    rules: Rules, runs: int, *, seed: int, procs: str = "FF", names: list[str] | None = None
) -> list[str]:
    """What the first walks with a violation came to: scenario, seed, violations, faults."""
    _, found = walks(rules, runs, names or ALL, seed, procs, show=0, stop=3)
    return [f"{k[0]} seed {v[1]} maxf {v[2]}: {v[3][:2]} {v[4]}" for k, v in found.items()]


def trace(rules, sc, seed, f, procs="OO"):
    return one(sc, rules, chooser(seed, f), procs, True)  # world (its .tr is the trace), violations


# name, switch, base: '' | 'fast' | 'net' (beside .NET) | 'calm' (no faults)
V: list[tuple[str, dict[str, Any], str]] = [
    ("steps: messages before history", {"history_first": False}, ""),
    ("steps: inbox deleted before row", {"row_before_delete": False}, ""),
    ("R1 undone", {"undone": False}, ""),
    ("R1 carry", {"carry": False}, ""),
    ("R2 check", {"check": False}, ""),
    ("R2 count", {"count": False}, "net"),
    ("R3 quiet_delete", {"quiet_delete": False}, ""),
    ("R3 can_wait_second", {"can_wait_second": False}, ""),
    ("R4 refresh", {"refresh": False}, ""),
    ("R4 start_reads", {"start_reads": False}, ""),
    ("R5 seq_exec", {"seq_exec": False}, ""),
    ("R5 lineage, superseded", {"lineage": "superseded"}, ""),
    ("R5 lineage, behind", {"lineage": "behind"}, ""),
    ("R5 supersede", {"supersede": False}, ""),
    ("R6 row_after", {"row_after": False}, ""),
    ("R6 stale_start", {"stale_start": False}, ""),
    ("R6 pending_from_row", {"pending_from_row": False}, ""),
    ("R7 client_id", {"client_id": False}, ""),
    ("R7 unknown_retry", {"unknown_retry": False}, ""),
    ("R7 no list", {"ids": 0}, ""),
    ("R7 two leases and a grace", {"ids": 2 * K.VIS + K.GRACE}, ""),
    ("R7 served", {"served": False}, ""),
    ("R7 leased", {"leased": False}, ""),
    ("R8 tombstone", {"tombstone": False}, ""),
    ("R9 zombie_row", {"zombie_row": False}, ""),
    ("R9 sweep_start", {"sweep_start": False}, ""),
    ("R9 row_from_history", {"row_from_history": False}, ""),
    ("R9 sweep_running", {"sweep_running": False}, "net"),
    ("R10 keep_owed", {"keep_owed": False}, "net"),
    ("R11 wait", {"wait": False}, "calm"),
    ("R11 touch", {"touch": False}, ""),
    ("R11 owed_all", {"owed_all": False}, ""),
    ("R10 note_sent", {"note_sent": False}, "net"),
    ("R10 own_above", {"own_above": False}, "net"),
    ("F1 many (economy)", {"many": False}, "fast"),
    ("F2 join (economy)", {"join": False}, "fast"),
    ("F2 fresh_flush", {"fresh_flush": False}, "fast"),
    ("F3 leased_put", {"leased_put": False}, "fast"),
    ("F3 renew_run", {"renew_run": False}, "fast"),
    ("F3 catch_up (economy)", {"catch_up": False}, "fast"),
    ("F3 revoke", {"revoke": False}, "fast"),
    ("F3 held_last", {"held_last": False}, "fast"),
    ("F3 copy_first", {"copy_first": False}, "fast"),
    ("F3 flush_in_time", {"flush_in_time": False}, "fast"),
    ("F3 inbox deleted before show", {"row_before_delete": False}, "fast"),
    ("F3 inbox deleted before quiet", {"quiet_delete": False}, "fast"),
    ("F4 keep_results", {"keep_results": False}, "fast"),
    ("F4 own_grace", {"wait": False}, "fast"),
    ("F5 flush_first", {"flush_first": False}, "fast"),
    ("F5 runs_by_exec", {"runs_by_exec": False}, "fast"),
    ("F5 half_row (economy)", {"half_row": True}, "fast"),
    ("F5 half_sent", {"half_sent": False}, "fast"),
    ("F5 half_goes_on", {"half_goes_on": False}, "fast"),
    ("F6 offer (economy)", {"offer": False}, "fast"),
    ("F7 hand_over (economy)", {"hand_over": False}, "fast"),
    ("F8 insert", {"insert": False}, "fast"),
    ("F8 first_only", {"first_only": False}, "fast"),
    ("F9 own_lease", {"own_lease": False}, "fast"),
    ("(f) precheck_row", {"precheck_row": False}, "fast"),
    ("(f) precheck (economy)", {"precheck": False}, "fast"),
]
NET = ["seq", "fan", "two", "timer"]
#: Rules that few walks need: only the scenarios that have the case.
FOCUS = {
    "F3 copy_first": ["leaf", "two", "wide"],
    "F4 keep_results": ["wide", "kids"],
    "F5 flush_first": ["anycan"],
    "F5 half_goes_on": ["canwork"],
}


def variants(n, name="", seed0=500000):
    World.calm = "N commit"
    for nm, kw, base in V:
        if name not in nm:
            continue
        a = (
            {"procs": "FF", "scens": FOCUS.get(nm, ALL)}
            if base == "fast"
            else {"maxf": 0}
            if base == "calm"
            else {"scens": NET, "procs": "ON", "maxf": 2}
            if base == "net"
            else {}
        )
        r = replace(Rules(sweep_running=base == "net"), **kw)
        c, f = walks(r, n, seed0=seed0, show=0, stop=4, **a)
        print(
            f"{nm:34} {base:5} first {c['first']:6}  bad {c['bad']:3} of {c['runs']:6}", flush=True
        )
        for k, v in sorted(f.items(), key=lambda kv: kv[1][0])[: 2 if name else 1]:
            print(
                f"      {k[0]} seed {v[1]} maxf {v[2]} "
                f"faults {[(a[0], a[2]) for a in v[4]]}: {str(v[3][:2])[:200]}"
            )


def mixed(n):
    """the fast path alone, by three, beside a process without it, and beside .NET"""
    for processes in ("F", "FFF", "FO"):
        print(processes)
        walks(Rules(), n, ALL, 70000000, processes)
    print("FN")
    K.NETBATCH = 99
    walks(Rules(sweep_running=True), n, [*NET, "wide", "actimer"], 70000000, "FN")


def foreign(n):
    for b, World.calm in (
        (99, None),
        (2, "N commit"),
    ):  # a .NET crash between two batches is the original's own defect
        K.NETBATCH = b
        print(".NET batches of", b)
        walks(Rules(sweep_running=True), n, NET, 3000000, "ON", 2)


def sweep(n, procs_="OO"):
    """a sweeper that looks all the time, at rows hardly older than a moment"""
    procs.Sweeper.times = tuple(range(8, 400, 12)) + procs.Sweeper.times
    procs.Sweeper.age = 2
    names = [
        "purge",
        "startcan",
        "dupstart",
        "termpend0",
        "termpend",
        "waitev",
        "purgechild",
        "overstart",
    ]
    for r in (
        Rules(),
        Rules(sweep_running=True),
        Rules(lineage="superseded"),
        Rules(row_after=False),
    ):
        print({k: v for k, v in r.__dict__.items() if v != getattr(Rules(), k)} or "intact")
        walks(r, n, names, 50000000, procs_, stop=20)


def grace():
    """grace against the time a send takes, without faults"""
    for K.GRACE in (4, 12, 40, 400):
        print("grace", K.GRACE)
        walks(Rules(), 3000, ["fan", "waitev", "canact"], 1, maxf=0, stop=300)


def dfs(secs, names, procs="OO"):
    """The default schedule, and every one with at most 2 deviations (a switch or a fault)."""
    for sc in names or ["leaf", "tinycan", "hand", "leafpurge", "termtiny"]:
        for depth in (1, 2):
            end = time.time() + secs
            c: collections.Counter[str] = collections.Counter()
            bad = []

            def go(script, lo, left):
                ch = Chooser(script=script)
                w, b = one(sc, Rules(), ch, procs)
                c.update(runs=1, calls=w.reqs)
                if b:
                    bad.append((script, b[0], w.done_faults))
                    return
                for i in range(lo, len(ch.opts) if left else 0):
                    for k in range(1, ch.opts[i][0]):
                        if time.time() > end:
                            c["CUT OFF"] = 1
                            return
                        go({**script, i: k}, i + 1, left - 1)

            go({}, 0, depth)
            print(sc, "deviations", depth, dict(c), bad[:2] or "ok", flush=True)


if __name__ == "__main__":
    cmd, *a = sys.argv[1:] or ["walk", "2000"]
    if cmd == "walk":
        walks(Rules(), int(a[0]), seed0=20000000, show=20)
    elif cmd == "fast":
        walks(Rules(), int(a[0]), seed0=40000000, procs="FF", show=20)
    elif cmd == "mixed":
        mixed(int(a[0]))
    elif cmd == "variants":
        variants(int(a[0]), *a[1:])
    elif cmd == "foreign":
        foreign(int(a[0]))
    elif cmd == "sweep":
        sweep(int(a[0]))
    elif cmd == "grace":
        grace()
    elif cmd == "dfs":
        dfs(float(a[0]), a[1:])
    elif cmd == "fastdfs":
        dfs(float(a[0]), a[1:], "FF")
    elif cmd == "fastsweep":
        sweep(int(a[0]), "FF")
    else:
        print(__doc__)
