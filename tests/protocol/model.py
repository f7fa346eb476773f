"""Storage, faults, scheduler, rows, replay and derivation of the commit protocol (commit.md)."""

from __future__ import annotations

import collections
import random
from dataclasses import dataclass
from typing import Any


class K:
    """sizes and times; one storage call = 1 tick"""

    VIS = 1500  # lease of a message
    GRACE = 400  # R11
    FLUSH = 200  # F3
    CATCH_UP = 300  # F3: so long while results are there already; below the grace
    SHARE = 60  # F3: after so long without an answer what has no place here is put
    SLOTS = 2  # activities that run at once in a process
    NEVER = 10**9
    PAGE = 2  # rows a page
    GROUP = 2  # payload rows a checkpoint (stands for 99 rows, 3 MiB)
    NETBATCH = 2  # rows a batch of the .NET process
    STALLS = (450, 1700, 5000)
    STOP = 50000  # a long stop of all processes
    IDS = (
        5 * 1500 + 400
    )  # R7: identities are remembered so long: a lease for each delivery that may fail, and a grace


@dataclass(frozen=True)
class Rules:
    """one switch a rule; run.py variants switches each off alone"""

    history_first: bool = True  # steps: 2 before 3
    row_before_delete: bool = True  # steps: 5 last
    undone: bool = (
        True  # R1 a loaded history whose replay still decides something is a turn to be made
    )
    carry: bool = True  # R1 events that don't fit the first checkpoint are sent as messages
    check: bool = (
        True  # R2 rows 0..CommittedCount-1 all there and of the sentinel's execution, or read again
    )
    count: bool = True  # R2 rows above CommittedCount don't count (only .NET leaves such rows)
    quiet_delete: bool = (
        True  # R3 nothing (duplicate, stale, refused) is deleted before the instance is quiet
    )
    can_wait_second: bool = (
        True  # R3 the inbox of a continue-as-new is deleted after the second half
    )
    refresh: bool = True  # R4 memory never refuses without a fresh look
    start_reads: bool = True  # R4 a start always reads storage
    seq_exec: bool = True  # R5 sequences compared only within one execution
    lineage: str = (
        "on"  # R5 FirstExecutionId; off: a foreign Pending row means 'superseded' or 'behind'
    )
    supersede: bool = (
        True  # R5 a newer accepted start ends the old execution: its row is never written
    )
    row_after: bool = True  # R6 a replacing start is decided by a row read after the sentinel
    stale_start: bool = True  # R6 a marked start that the row doesn't name is dropped
    pending_from_row: bool = True  # R6 any message for a Pending row without history starts it
    client_id: bool = True  # R7 the raiser makes the identity
    unknown_retry: bool = True  # R7 an event for nobody is retried for longer than a lease
    ids: int = K.IDS  # R7 how long identities are remembered
    served: bool = True  # R7 their age counts only time in which the queue was served
    leased: bool = (
        True  # R7 a message whose lease is over (own clock, after the load) is left alone
    )
    tombstone: bool = True  # R8
    zombie_row: bool = True  # R9 a row whose history is a tombstone of its lineage is deleted
    sweep_start: bool = True  # R9 the start of an old Pending row is put again
    sweep_running: bool = False  # R9 at Running rows too (needed beside .NET; walks do without)
    row_from_history: bool = True  # R9 412 on the row means reload and write what the history says
    keep_owed: bool = True  # R10 over a .NET merge our CheckpointSequence still says what is owed
    wait: bool = True  # R11 grace before sending for another
    touch: bool = True  # R11 sending for another moves the sentinel's ETag
    owed_all: bool = (
        True  # R11 owed = all stretches above the row's sequence, not the last one only
    )
    note_sent: bool = True  # R10 the row first says that what the original caused is sent
    own_above: bool = (
        True  # R10 a turn sends what its own stretches caused (off: all above the row's sequence)
    )
    # the fast path (fast.py); the numbers are README.md's
    many: bool = True  # F1 several activities at once, and patient timers (off: one activity)
    join: bool = True  # F2 what arrives while activities run enters the next turn at once
    fresh_flush: bool = True  # F2 the chain is flushed before a fresh look
    leased_put: bool = True  # F3 an activity that runs here is put already leased at the flush ...
    renew_run: bool = True  # F3 ... and renewed by its runner
    catch_up: bool = True  # F3 what is there already is recorded before a flush that is due
    revoke: bool = True  # F3 one that waits here unstarted is put for anyone and not run here
    held_last: bool = True  # F3 a leased message is deleted after its result's turn is shown
    copy_first: bool = True  # F3 a result that must wait is put before its leased message goes
    flush_in_time: bool = True  # F3 at the latest FLUSH after the first unsent checkpoint
    keep_results: bool = True  # F4 results in hand survive a lost race
    own_grace: bool = True  # F4 R11's wait applies to this process's own checkpoints too
    flush_first: bool = True  # F5 flushed before a hand-over while something is owed
    half_row: bool = False  # F5 the row is also shown between the halves of a hand-over
    half_sent: bool = True  # F5 what the first half caused is sent before it is written over
    half_goes_on: bool = True  # F5 a half-done hand-over is finished before anything rests
    runs_by_exec: bool = True  # F5 runs are known by execution and task
    offer: bool = True  # F6 results of work items go through memory
    hand_over: bool = True  # F7 messages are put leased and delivered in memory
    trust_row: bool = True  # F8 a start is judged on the row alone
    insert: bool = True  # F8 the sentinel is then inserted (off: written over whatever is there)
    first_only: bool = True  # F8 only on the first delivery, and generation 0
    own_lease: bool = True  # F9 a chain goes no further than the lease of a message it holds
    precheck: bool = True  # (f) the activity worker skips an answered task ...
    precheck_row: bool = True  # (f) ... only when the row shows the answer sent


class Conflict(Exception):
    pass


class Missing(Exception):
    pass


class Transient(Exception):
    pass


class Abandon(Exception):
    pass


class Violation(Exception):
    pass


class Chooser:
    """random or scripted choices"""

    def __init__(self, seed=None, faults=0, p=0.03, kinds=None, script=None):
        self.r = random.Random(seed)
        self.faults = faults
        self.p = p
        self.used = 0
        self.kinds = kinds
        self.script = script
        self.pos = 0
        self.opts = []
        self.log = []

    def pick(self, n, what):
        """default 0; in scripted mode deviations are given as {position: (choice)}"""
        if n <= 1:
            return 0
        if self.script is None:
            return self.r.randrange(n)
        i = self.pos
        self.pos += 1
        self.opts.append((n, what))
        return self.script.get(i, 0) % n

    def fault(self, kinds):
        if self.script is None:
            if self.used >= self.faults or self.r.random() >= self.p:
                return None
            k = [x for x in kinds if self.kinds is None or x[0] in self.kinds]
            if not k:
                return None
            self.used += 1
            return self.r.choice(k)
        i = self.pos
        self.pos += 1
        self.opts.append((1 + len(kinds), "fault"))
        c = self.script.get(i, 0)
        if c == 0 or c > len(kinds):
            return None
        self.used += 1
        return kinds[c - 1]


class Coro:
    def __init__(self, proc, gen, name):
        self.proc, self.gen, self.name = proc, gen, name
        self.wake = 0
        self.pending = None
        self.waitq = None
        self.done = False
        self.send = None
        self.exc = None
        self.started = False
        self.stalled = False
        self.cond = None


class World:
    calm: str | None = None  # steps named so only stall: no crash between the original's batches

    def __init__(self, rules, ch, trace=False):
        self.rules, self.ch = rules, ch
        self.now = 0
        self.uid = 0
        self.q: dict[str, dict[int, dict[str, Any]]] = {"ctl": {}, "work": {}}
        self.hist = {}
        self.irows = {}
        self.procs = []
        self.coros = []
        self.trace = trace
        self.tr = []
        self.bad = []
        self.execs = {}  # activity executions
        self.first = {}  # exec -> how often its first checkpoint was committed
        self.committed = set()  # (exec, tid) decided durably
        self.accepted = {}  # exec -> (inst, orch, input)
        self.done_faults = []
        self.steps = 0
        self.expect = {}
        self.purged = set()
        self.tasks = set()
        self.allowed_exec = set()
        self.reqs = 0
        self.sends: collections.Counter[Any] = collections.Counter()
        self.torn = 0
        self.sweeper = True
        self.superseded = self.shared_id = False

    def id(self):
        self.uid += 1
        return self.uid

    def flag(self, text):
        if text not in self.bad:
            self.bad.append(text)
        if self.trace:
            self.tr.append(f"   !!! {text}")

    # ---- storage primitives (each runs as one atomic step)
    def put(self, q, m, delay=0, held=False):
        m = dict(m)
        m["mid"] = self.id()
        m["vis"] = max(self.now + delay, m.get("at", 0))
        m["deq"] = 0
        m["pop"] = self.id()
        self.q[q][m["mid"]] = m
        return (m["mid"], m["pop"])

    def get(self, q, proc):
        vis = [m for m in self.q[q].values() if m["vis"] <= self.now]
        if not vis:
            return []
        vis.sort(key=lambda m: (m["vis"], m["mid"]))
        m = vis[self.ch.pick(len(vis), "msg")]
        out = [m]
        if q == "ctl":
            rest = [x for x in vis if x is not m and x["dst"] == m["dst"]]
            if rest and self.ch.pick(2, "batch") == 0:
                out += rest
        res = []
        for x in out:
            x["vis"] = self.now + K.VIS
            x["pop"] = self.id()
            x["deq"] += 1
            res.append(dict(x))
        return res

    def delete(self, q, mid, pop):
        m = self.q[q].get(mid)
        if m is None or m["pop"] != pop:
            return False
        del self.q[q][mid]
        return True

    def hide(self, q, mid, pop, delay):
        m = self.q[q].get(mid)
        if m is None or m["pop"] != pop:
            return None
        m["vis"] = self.now + delay
        m["pop"] = self.id()
        return m["pop"]

    def read_row(self, inst):
        r = self.irows.get(inst)
        return dict(r) if r else None

    def write_row(self, inst, cols, etag, how="merge"):
        r = self.irows.get(inst)
        if how == "anyetag":
            base = dict(r) if r else {}
        elif etag is None:
            if r is not None:
                raise Conflict("row exists")
            base = {}
        else:
            if r is None or r["etag"] != etag:
                raise Conflict("row etag")
            base = {} if how == "replace" else dict(r)
        base.update(cols)
        base["etag"] = self.id()
        base["ts"] = self.now
        self.irows[inst] = base
        return base["etag"]

    def delete_row(self, inst, etag):
        r = self.irows.get(inst)
        if r is None:
            raise Missing()
        if r["etag"] != etag:
            raise Conflict()
        del self.irows[inst]

    def read_page(self, inst, frm):
        h = self.hist.get(inst)
        if not h:
            return [], None, True
        ks = sorted(k for k in h["rows"] if k >= frm)
        page = ks[: K.PAGE]
        last = len(ks) <= K.PAGE
        return (
            [(k, dict(h["rows"][k])) for k in page],
            (dict(h["sent"]) if last and h["sent"] else None),
            last,
        )

    def read_sent(self, inst):
        h = self.hist.get(inst)
        return dict(h["sent"]) if h and h["sent"] else None

    def batch(self, inst, rows, cols, etag, deletes=(), who="own"):
        """rows: {index: row}; sentinel merged under etag, or inserted when etag is None"""
        h = self.hist.setdefault(inst, {"rows": {}, "sent": None})
        s = h["sent"]
        if etag is None:
            if s is not None:
                raise Conflict("sentinel exists")
            s = {}
        else:
            if s is None or s["etag"] != etag:
                raise Conflict("sentinel etag")
            s = dict(s)
        final = cols.get("final")
        if final and who == "own":
            self.check_commit(inst, h, cols)
        for k, v in rows.items():
            h["rows"][k] = dict(v)
        for k in deletes:
            h["rows"].pop(k, None)
        if rows:
            s["icc"] = bool(final)
        s.update({k: v for k, v in cols.items() if k != "final"})
        s["etag"] = self.id()
        s["ts"] = self.now
        h["sent"] = s
        if final:
            for r in self.visible(inst):
                if "tid" in r and r["t"] in ("TS", "SUB", "TIMER", "SENT"):
                    self.committed.add((r["exec"], r["tid"]))
                if r["t"] == "TS":
                    self.tasks.add((inst, r["exec"], r["tid"]))
                if r["t"] == "EC":
                    self.committed.add((r["exec"], "done"))
        return s["etag"]

    def visible(self, inst):
        h = self.hist.get(inst)
        if not h or not h["sent"]:
            return []
        return committed(h["sent"], [(k, h["rows"][k]) for k in sorted(h["rows"])], Rules())[0]

    def check_commit(self, inst, h, cols):
        s = h["sent"]
        e = cols["exec"]
        if s and not s.get("tomb") and s.get("exec") == e:
            rows = self.visible(inst)
            if rows and terminal(rows) and terminal(rows) != "CAN":
                self.flag(f"I6 terminal {inst} {e} changed")
        if cols.get("seq") == 1:
            self.first[e] = self.first.get(e, 0) + 1
            if self.first[e] > 1 and not self.shared_id:
                self.flag(f"I3 execution {e} of {inst} begun {self.first[e]} times")
            if s and not s.get("tomb") and s.get("exec") != e:
                rows = self.visible(inst)
                t = terminal(rows)
                if (
                    t is None
                    and cols.get("via") != "can"
                    and e not in self.accepted
                    and not self.shared_id
                ):
                    self.flag(f"running {inst} {s['exec']} overwritten by {e}")

    # ---- scheduler
    def spawn(self, proc, gen, name):
        self.coros.append(Coro(proc, gen, name))

    def kill(self, proc):
        for c in self.coros:
            if c.proc is proc:
                c.done = True
                c.gen.close()
        self.coros = [c for c in self.coros if not c.done]

    def crash(self, proc):
        self.kill(proc)
        proc.crash(self)

    def stop(self, proc, t):
        """the process ends and comes back after t"""
        self.kill(proc)
        proc.boot(t)

    def freeze(self, proc, t):
        """the machine sleeps for t; leases of messages run on"""
        proc.since = self.now + t
        for c in self.coros:
            if c.proc is proc:
                c.wake = max(c.wake, self.now + t)
                c.stalled = True

    def runnable(self):
        out: list[Any] = []
        for c in self.coros:
            if c.wake > self.now:
                continue
            if c.waitq and not any(m["vis"] <= self.now for m in self.q[c.waitq].values()):
                continue
            if c.cond and not c.cond() and self.now < c.until:
                continue
            out.append(c)
        return out

    def step(self, c):
        if c.pending is None:  # advance to the next yield
            self.advance(c)
            return
        name, fn = c.pending
        kinds = (
            []
            if c.proc.nofault
            else (
                [
                    ("crash", "before"),
                    ("crash", "after"),
                    ("lost", "retry"),
                    ("lost", "abandon"),
                    ("err", "abandon"),
                ]
                + [("stall", t) for t in K.STALLS]
            )
        )
        if c.proc.freezes:
            kinds = kinds + [("freeze", t) for t in K.STALLS]
        if name.startswith("run "):
            kinds = [k for k in kinds if k[0] in ("crash", "stall", "freeze")]  # no storage call
        if self.calm and name.startswith(self.calm):
            kinds = kinds[5:]  # only stalls
        f = None if c.stalled else self.ch.fault(kinds)
        c.stalled = False
        if f:
            self.done_faults.append((f, c.name, name))
            if self.trace:
                self.tr.append(f"{self.now:6} {c.name:10} {name}   *** {f}")
            if f == ("crash", "before"):
                self.crash(c.proc)
                return
            if f[0] == "stall":
                c.wake = self.now + f[1]
                c.stalled = True
                c.proc.since = c.wake
                return
            if f[0] == "freeze":
                self.freeze(c.proc, f[1])
                return
            if f[0] == "err":
                c.pending = None
                c.exc = Abandon("error")
                self.advance(c)
                return
        elif self.trace:
            self.tr.append(f"{self.now:6} {c.name:10} {name}")
        self.now += 1
        self.reqs += 1
        try:
            c.send = fn()
            c.exc = None
        except (Conflict, Missing) as e:
            c.exc = e
            c.send = None
            if self.trace:
                self.tr.append(f"       -> {type(e).__name__} {e}")
        if f:
            if f == ("crash", "after"):
                self.crash(c.proc)
                return
            if f == ("lost", "retry"):
                return  # same call made again: pending stays
            if f == ("lost", "abandon"):
                c.exc = Abandon("lost")
                c.send = None
        c.pending = None
        self.advance(c)

    def advance(self, c):
        try:
            if c.exc is not None:
                e, c.exc = c.exc, None
                y = c.gen.throw(e)
            else:
                v, c.send = c.send, None
                y = c.gen.send(v) if c.started else next(c.gen)
            c.started = True
            c.waitq = c.cond = None
            if y[0] == "sleep":
                c.wake = self.now + y[1]
            elif y[0] == "waitq":
                c.waitq = y[1]
            elif y[0] == "wait":
                c.cond, c.until = y[1], y[2]
            else:
                c.pending = y
                c.wake = self.now
        except StopIteration:
            c.done = True
            self.coros = [x for x in self.coros if x is not c]
        except Abandon:
            c.done = True
            self.coros = [x for x in self.coros if x is not c]

    def run(self, maxsteps=6000):
        last = None
        while self.steps < maxsteps:
            self.steps += 1
            rs = self.runnable()
            if not rs:
                t = [c.wake for c in self.coros if c.wake > self.now]
                t += [m["vis"] for q in self.q.values() for m in q.values() if m["vis"] > self.now]
                t += [c.until for c in self.coros if c.cond and self.now < c.until < K.NEVER]
                if not t:
                    return True
                self.now = min(t)
                continue
            if self.ch.script is not None:
                # delay-bounded: keep running the last coroutine; a deviation moves to another
                if last in rs:
                    rs.remove(last)
                    rs.insert(0, last)
                c = rs[self.ch.pick(len(rs), "sched")]
            else:
                if last in rs and self.ch.r.random() < 0.5:
                    c = last
                else:
                    c = rs[self.ch.r.randrange(len(rs))]
            last = c
            self.step(c)
        self.flag("I5 does not come to rest")
        return False


# ------------------------------------------------------------------ helpers on rows
def terminal(rows):
    e = completion(rows)
    return e and e["status"]


def completion(rows):
    return next((r for r in rows if r["t"] == "EC"), None)


def stamp_ok(s):
    return (
        s.get("stamp") is not None
        and s.get("stamp") == s.get("cct")
        and s.get("cexec") == s.get("exec")
    )


def committed(s, allrows, rules):
    """R2: the rows that count, and whether the read must be repeated"""
    if s.get("tomb"):
        return [], False
    if stamp_ok(s) and rules.count:
        d = dict(allrows)
        out: list[Any] = []
        for i in range(s["count"]):
            r = d.get(i)
            if r is None or r["exec"] != s["exec"]:
                return out, rules.check
            out.append(r)
        return out, False
    out = []
    for k, r in allrows:
        if r["exec"] != s.get("exec") or k != len(out):
            break
        out.append(r)
    if (
        rules.count and s.get("icc") is False
    ):  # the original's unfinished checkpoint: back to the last whole stretch
        while out and out[-1]["t"] != "OC":
            out.pop()
    return out, False


def stretches(rows):
    out: list[Any] = []
    cur: list[Any] = []
    for r in rows:
        cur.append(r)
        if r["t"] == "OC":
            out.append(cur)
            cur = []
    if cur:
        out.append(cur)
    return out


def started(rows):
    return next((r for r in rows if r["t"] == "ES"), None)


# ---------------------------------------- orchestrators (generators; replayed from rows)
def o_seq(inp):
    a = yield ("act", "a")
    b = yield ("act", a + "b")
    c = yield ("act", b + "c")
    return c


def o_two(inp):
    a = yield ("act", "a")
    b = yield ("act", a + "b")
    return b


def o_leaf(inp):
    a = yield ("act", inp)
    return a


def o_fan(inp):
    r = yield ("all", [("act", "x"), ("act", "y"), ("act", "z")])
    d = yield ("act", "".join(r))
    return d


def o_parent(inp):
    a = yield ("sub", inp["child"], "leaf", "p")
    b = yield ("act", a)
    return b


def o_parentcan(inp):
    a = yield ("sub", inp["child"], "childcan", 0)
    return a


def o_childcan(inp):
    if inp < 2:
        return ("CAN", inp + 1)
    a = yield ("act", "k")
    return a


def o_timer(inp):
    a = yield ("act", "a")
    yield ("timer", 300)
    b = yield ("act", a + "b")
    return b


def o_events(inp):
    # {'gen':g,'got':[..]}: three generations, one event each; each finishing turn sends
    e = yield ("event", "E")
    got = inp["got"] + [e]
    g = inp["gen"]
    if inp.get("send"):
        yield ("signal", inp["col"], "S", f"g{g}")
        yield ("detach", f"{inp['me']}-c{g}", "leaf", f"v{g}")
    if g < 3:
        return ("CAN", dict(inp, gen=g + 1, got=got))
    return got


def o_canact(inp):
    a = yield ("act", f"g{inp}")
    if inp < 3:
        return ("CAN", inp + 1)
    return a


def o_startcan(inp):
    if inp < 2:
        return ("CAN", inp + 1)
    a = yield ("act", "z")
    e = yield ("event", "E")
    return a + str(e)


def o_collect(inp):
    got = []
    for _ in range(3):
        got += [(yield ("event", "S"))]
    return sorted(got)


def o_waitev(inp):
    a = yield ("act", "a")
    e = yield ("event", "E")
    f = yield ("event", "E")
    return a + "".join(sorted([e, f]))


def o_startcanp(inp):
    if inp < 1:
        return ("CAN", inp + 1)
    a = yield ("act", "z")
    return a


def o_detacher(inp):
    yield ("detach", "k", "childcan", 1)
    yield ("act", "d")
    return "ok"


def o_handover(inp):
    if inp == 0:
        yield ("detach", "hc", "leaf", "v")
        return ("CAN", 1)
    a = yield ("act", "h")
    return a


def o_evcan(inp):  # one event a generation
    got = [*inp, (yield "event", "E")]
    return ("CAN", got) if len(got) < 4 else got


def o_carry(inp):  # the same, and events wait in the history for the activity
    yield ("act", "a")
    got = [*inp, (yield "event", "E")]
    return ("CAN", got) if len(got) < 4 else got


def o_sigchild(inp):  # a signal to a child begun in the same turn
    yield ("detach", "k", "waitsig", None)
    yield ("signal", "k", "S", "s")
    a = yield ("act", "a")
    return a


def o_waitsig(inp):
    e = yield ("event", "S")
    return e


def o_anycan(inp):  # the loser of a task_any is still running when the next execution begins
    yield ("any", [("act", f"l{inp}"), ("act", f"s{inp}")])
    if inp < 3:
        return ("CAN", inp + 1)
    a = yield ("act", "e")
    return a


def o_anycan2(inp):  # the same, with a child begun in the finishing turn: two commits
    yield ("any", [("act", f"l{inp}"), ("act", f"s{inp}")])
    yield ("detach", f"c{inp}", "leaf", f"v{inp}")
    if inp < 2:
        return ("CAN", inp + 1)
    a = yield ("act", "e")
    return a


def o_canwork(inp):  # an activity, then a child begun in the finishing turn: nothing else is owed
    yield ("act", f"w{inp}")
    yield ("detach", f"c{inp}", "leaf", f"v{inp}")
    if inp < 3:
        return ("CAN", inp + 1)
    a = yield ("act", "e")
    return a


def o_race(inp):  # an event against an activity, then both
    yield ("any", [("act", "a"), ("timer", 700)])
    e = yield ("event", "E")
    b = yield ("act", "b")
    return b + e


def o_actimer(inp):
    r = yield ("all", [("act", "x"), ("timer", 700), ("act", "y")])
    d = yield ("act", "d")
    return r[0] + r[2] + d


def o_wide(inp):
    r = yield ("all", [("act", c) for c in "vwxyz"])
    d = yield ("act", "".join(r))
    return d


def o_kids(inp):  # children and an activity together
    r = yield ("all", [("sub", "k1", "leaf", "p"), ("act", "a"), ("sub", "k2", "two", None)])
    d = yield ("act", "".join(r))
    return d


def o_mix(inp):  # events while activities run, over two executions
    got = [*inp, (yield "event", "E")]
    yield ("any", [("act", "a"), ("act", "b")])
    return ("CAN", got) if len(got) < 4 else got


ORCH = {k[2:]: v for k, v in list(globals().items()) if k.startswith("o_")}


def replay(rows):
    """-> (decision rows without exec, completion or None, unconsumed events)"""
    es = started(rows)
    res: dict[int, Any] = {}
    evs: list[Any] = []
    have: set[int] = set()
    for r in rows:
        if r["t"] in ("TC", "SUBDONE", "FIRED"):
            res.setdefault(r["tid"], r.get("val"))
        elif r["t"] == "EV":
            evs.append(r)
        elif r["t"] in ("TS", "SUB", "TIMER", "SENT"):
            have.add(r["tid"])
        elif r["t"] == "TERM":
            return [], ("Terminated", r.get("val")), []
    out: list[Any] = []
    tid = 0
    evs = list(evs)
    g = ORCH[es["orch"]](es["input"])
    v: Any = None

    def sched(d, i):
        if i in have:
            return
        if d[0] == "act":
            out.append({"t": "TS", "tid": i, "input": d[1]})
        elif d[0] == "timer":
            out.append({"t": "TIMER", "tid": i, "delay": d[1]})
        elif d[0] == "sub":
            out.append(
                {"t": "SUB", "tid": i, "child": d[1], "orch": d[2], "input": d[3], "ff": False}
            )
        elif d[0] == "detach":
            out.append(
                {"t": "SUB", "tid": i, "child": d[1], "orch": d[2], "input": d[3], "ff": True}
            )
        elif d[0] == "signal":
            out.append({"t": "SENT", "tid": i, "to": d[1], "name": d[2], "val": d[3]})

    try:
        while True:
            d = g.send(v) if v is not None else next(g)
            if d[0] == "all":
                ids = []
                for x in d[1]:
                    tid += 1
                    sched(x, tid)
                    ids.append(tid)
                if not all(i in res for i in ids):
                    return out, None, evs
                v = [res[i] for i in ids]
            elif d[0] == "any":
                ids = []
                for x in d[1]:
                    tid += 1
                    sched(x, tid)
                    ids.append(tid)
                won = next((i for i in res if i in ids), None)  # the first answer in history
                if won is None:
                    return out, None, evs
                v = won
            elif d[0] in ("signal", "detach"):
                tid += 1
                sched(d, tid)
                v = "ok"
            elif d[0] == "event":
                e = next((x for x in evs if x["name"] == d[1]), None)
                if e is None:
                    return out, None, evs
                evs.remove(e)
                v = e["val"]
            else:
                tid += 1
                sched(d, tid)
                if tid not in res:
                    return out, None, evs
                v = res[tid] if res[tid] is not None else "none"
    except StopIteration as e:
        r = e.value
        if isinstance(r, tuple) and r and r[0] == "CAN":
            return out, ("CAN", r[1]), evs
        return out, ("Completed", r), evs


def child_exec(exec_, tid):
    return f"{exec_}/{tid}"


def derive(rows, frm, upto):
    """messages of stretches frm+1..upto, from rows alone"""
    es = started(rows)
    st = stretches(rows)
    out: list[Any] = []
    done = {r["tid"] for r in rows if r["t"] in ("TC", "SUBDONE", "FIRED")}
    inst, ex = es["inst"], es["exec"]
    for k in range(frm, min(upto, len(st))):
        for r in st[k]:
            if r["t"] == "TS" and r["tid"] not in done:
                out.append(
                    (
                        "work",
                        {
                            "dst": inst,
                            "exec": ex,
                            "k": "work",
                            "tid": r["tid"],
                            "input": r["input"],
                            "cause": (ex, r["tid"]),
                        },
                    )
                )
            elif r["t"] == "TIMER" and r["tid"] not in done:
                out.append(
                    (
                        "ctl",
                        {
                            "dst": inst,
                            "exec": ex,
                            "k": "fired",
                            "tid": r["tid"],
                            "at": r["fire"],
                            "cause": (ex, r["tid"]),
                        },
                    )
                )
            elif r["t"] == "SUB" and r["tid"] not in done:
                out.append(
                    (
                        "ctl",
                        {
                            "dst": r["child"],
                            "exec": child_exec(ex, r["tid"]),
                            "k": "start",
                            "orch": r["orch"],
                            "input": r["input"],
                            "parent": (inst, ex, r["tid"], r["ff"]),
                            "cause": (ex, r["tid"]),
                        },
                    )
                )
            elif r["t"] == "SENT":
                out.append(
                    (
                        "ctl",
                        {
                            "dst": r["to"],
                            "exec": None,
                            "k": "event",
                            "name": r["name"],
                            "val": r["val"],
                            "ident": ("s", ex, r["tid"]),
                            "cause": (ex, r["tid"]),
                        },
                    )
                )
            elif (
                r["t"] == "EC" and r["status"] == "CAN"
            ):  # R1: carried events that don't fit the next first checkpoint
                out += [
                    (
                        "ctl",
                        {
                            "dst": inst,
                            "exec": None,
                            "k": "event",
                            "name": v["name"],
                            "val": v["val"],
                            "ident": ("over", ex, v["ident"]),
                            "cause": (ex, "done"),
                        },
                    )
                    for v in rows
                    if v["t"] == "EV" and v["ident"] in r["over"]
                ]
            elif r["t"] == "EC" and es.get("parent") and not es["parent"][3]:
                p = es["parent"]
                out.append(
                    (
                        "ctl",
                        {
                            "dst": p[0],
                            "exec": p[1],
                            "k": "subdone",
                            "tid": p[2],
                            "val": r["val"],
                            "cause": (ex, "done"),
                        },
                    )
                )
    return out


def row_cols(rows, sent, seq):
    es = started(rows)
    t = terminal(rows)
    c = {
        "exec": es["exec"],
        "status": "Running",
        "seq": seq,
        "name": es["orch"],
        "input": es["input"],
        "result": None,
    }
    if t and t != "CAN":
        c["status"] = t
        c["result"] = completion(rows)["val"]
    return c
