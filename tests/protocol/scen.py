"""Scenarios (sc_*) and invariants."""

from __future__ import annotations

from tests.protocol.fast import FastProc
from tests.protocol.model import K, World, row_cols, stamp_ok, started, terminal
from tests.protocol.procs import Client, Foreign, Proc, Sweeper


def simple(orch, inp, result, child=None, put=True):
    """one instance; child: (id, result) of a child that nobody waits for"""

    def build(w):
        def c(s):
            yield ("sleep", 1)
            yield from s.start("i1", orch, inp, "e1", put=put)

        Client(w, "cl", c)

    def check(w):
        want = [("i1", result)] + ([child] if child else []) if "e1" in w.accepted else []
        rows = [(i, w.irows.get(i), v) for i, v in want]
        return [
            f"I5/I3 {i} not right: {r}"
            for i, r, v in rows
            if not r or r["status"] != "Completed" or r["result"] != v
        ]

    return build, check


def sc_seq():
    return simple("seq", None, "ABC")


def sc_fan():
    return simple("fan", None, "XYZ")


def sc_two():
    return simple("two", None, "AB")


def sc_parent():
    return simple("parent", {"child": "k"}, "P")


def sc_parentcan():
    return simple("parentcan", {"child": "k"}, "K")


def sc_timer():
    return simple("timer", None, "AB")


def sc_canact():
    return simple("canact", 1, "G3")


def events(vals, gen, col, script):
    """one event a generation, a signal and a child in each finishing turn; generations gen..3"""

    def check(w):
        out: list[str] = []
        r = w.irows.get("i1")
        raised = sorted(w.expect.get("raised", ()))
        if "e1" not in w.accepted:
            return out
        es = started(w.visible("i1"))
        if not es:
            return [f"I5 i1 accepted but never began {r}"]
        got = sorted(es["input"]["got"] + [x["val"] for x in w.visible("i1") if x["t"] == "EV"])
        if got != raised:
            out.append(f"I3 events raised {raised} seen {got}")
        if len(raised) == len(vals) and r["status"] != "Completed":
            out.append(f"I5 i1 not finished {r}")
        gens = range(gen, es["input"]["gen"] if r["status"] != "Completed" else 4)
        sig = sorted(x["val"] for x in w.visible(col) if x["t"] == "EV")
        if "ec" in w.accepted and sig != [f"g{g}" for g in gens]:
            out.append(f"I3 signals {sig} needed {list(gens)}")
        for g in gens:
            k = w.irows.get(f"i1-c{g}")
            if not k or k["result"] != f"V{g}":
                out.append(f"child {g}: {k}")
        return out

    return script, check


def sc_events(vals=("v1", "v2", "v3")):
    def build(w):
        def c(s):
            yield ("sleep", 1)
            yield from s.start("col", "collect", None, "ec")
            yield from s.start(
                "i1", "events", {"gen": 1, "got": [], "send": True, "col": "col", "me": "i1"}, "e1"
            )

        def c2(s):
            if not (yield from s.until("i1", ("Pending", "Running", "Completed"), 60, 60)):
                return
            for v in vals[:2]:
                yield from s.raise_("i1", "E", v)

        def c3(s):
            if not (yield from s.until("i1", ("Running", "Completed"), 90, 60)):
                return
            yield from s.raise_("i1", "E", vals[2])

        Client(w, "cl", c)
        Client(w, "r1", c2)
        Client(w, "r2", c3)

    return events(vals, 1, "col", build)


def sc_can_small(vals=("v1", "v2")):
    """one event, one continue-as-new with a signal and a child: smallest hand-over with events"""

    def build(w):
        def c(s):
            yield ("sleep", 1)
            yield from s.start(
                "i1",
                "events",
                {"gen": 2, "got": [], "send": True, "col": "nobody", "me": "i1"},
                "e1",
            )
            for v in vals:
                yield from s.raise_("i1", "E", v)

        Client(w, "cl", c)

    return events(vals, 2, "nobody", build)


def sc_startcan():
    def build(w):
        def c(s):
            yield ("sleep", 1)
            yield from s.start("i1", "startcan", 0, "e1")
            yield from s.raise_("i1", "E", "q")

        Client(w, "cl", c)

    def check(w):
        out: list[str] = []
        r = w.irows.get("i1")
        if "e1" not in w.accepted:
            return out
        if w.expect.get("raised"):
            if r["status"] != "Completed" or r["result"] != "Zq":
                out.append(f"I3/I5 i1 {r}")
        elif r["status"] != "Running":
            out.append(f"I5 i1 {r}")
        n = sum(1 for x in w.visible("i1") if x["t"] == "EV")
        if n > 1:
            out.append("I3 event seen twice")
        return out

    return build, check


def sc_waitev():
    def build(w):
        def c(s):
            yield ("sleep", 1)
            yield from s.start("i1", "waitev", None, "e1")

        def c2(s):
            if not (yield from s.until("i1", ("Pending", "Running"), 30, 60)):
                return
            yield from s.raise_("i1", "E", "p")
            yield from s.raise_("i1", "E", "q")

        Client(w, "cl", c)
        Client(w, "r1", c2)

    def check(w):
        out: list[str] = []
        r = w.irows.get("i1")
        if "e1" not in w.accepted:
            return out
        ra = sorted(w.expect.get("raised", ()))
        ev = sorted(x["val"] for x in w.visible("i1") if x["t"] == "EV")
        if ra != ev:
            out.append(f"I3 raised {ra} seen {ev}")
        if len(ra) == 2 and (r["status"], r["result"]) != ("Completed", "Apq"):
            out.append(f"I5 {r}")
        return out

    return build, check


def sc_termpend(sched=900):
    def build(w):
        def c(s):
            yield ("sleep", 1)
            yield from s.start("i1", "leaf", "a", "e1", sched=sched)
            yield from s.term("i1")

        Client(w, "cl", c)

    def check(w):
        out: list[str] = []
        r = w.irows.get("i1")
        if "e1" in w.accepted:
            if w.expect.get("term"):
                if r["status"] != "Terminated" and not (sched == 0 or w.done_faults):
                    out.append(f"W5 {r}")
                if r["status"] not in ("Terminated", "Completed"):
                    out.append(f"I5 {r}")
                if r["status"] == "Terminated" and sched and w.execs and not w.done_faults:
                    out.append("W5 ran")
            elif r["status"] != "Completed":
                out.append(f"I5 {r}")
        return out

    return build, check


def sc_termpend0():
    return sc_termpend(0)


def ended(w):
    return (
        [f"I5 {w.irows['i1']}"]
        if "e1" in w.accepted and w.irows["i1"]["status"] not in ("Completed", "Terminated")
        else []
    )


def sc_termrun():
    def build(w):
        def c(s):
            yield ("sleep", 1)
            yield from s.start("i1", "parent", {"child": "k"}, "e1")

        def c2(s):
            if not (yield from s.until("i1", ("Running",), 10, 60)):
                return
            yield from s.term("k")
            yield from s.term("i1")

        Client(w, "cl", c)
        Client(w, "t", c2)

    return build, ended


def sc_dupstart():
    def build(w):
        for n in (1, 2):

            def c(s, n=n):
                yield ("sleep", 1)
                yield from s.start("i1", "leaf", f"x{n}", f"e{n}")

            Client(w, f"c{n}", c)

        def third(s):
            if not (yield from s.until("i1", ("Completed",), 50, 80)):
                return
            yield from s.start("i1", "two", None, "e3")

        Client(w, "c3", third)

    def check(w):
        if not w.accepted:
            return []
        last = list(w.accepted)[-1]
        r = w.irows.get("i1")
        out: list[str] = []
        if r["exec"] != last or r["status"] != "Completed":
            out.append(f"I3 last accepted {last}: {r}")
        return out

    return build, check


def sc_purge():
    def build(w):
        def c(s):
            yield ("sleep", 1)
            yield from s.start("i1", "startcanp", 0, "e1")

        def p(s):
            if not (yield from s.until("i1", ("Completed",), 50, 200)):
                return
            ok = yield from s.purge("i1")
            w.expect["purged"] = ok
            if ok:
                yield from s.start("i1", "two", None, "e2")

        Client(w, "c", c)
        Client(w, "p", p)

    def check(w):
        out: list[str] = []
        r = w.irows.get("i1")
        if "e2" in w.accepted:
            if not r or r["exec"] != "e2" or r["result"] != "AB":
                out.append(f"I3 {r}")
        elif (
            "e1" in w.accepted
            and not (w.expect.get("purged") or "i1" in w.purged)
            and (not r or r["status"] != "Completed")
        ):
            out.append(f"I5 {r}")
        return out

    return build, check


def sc_purgechild():
    def build(w):
        def c(s):
            yield ("sleep", 1)
            yield from s.start("i1", "detacher", None, "e1")

        def p(s):
            if not (yield from s.until("k", ("Completed",), 30, 300)):
                return
            yield from s.purge("k")

        Client(w, "c", c)
        Client(w, "p", p)

    def check(w):
        out: list[str] = []
        r = w.irows.get("i1")
        if "e1" in w.accepted:
            if not r or r["status"] != "Completed":
                out.append(f"I5 {r}")
            k = w.irows.get("k")
            if "k" in w.purged and k:
                out.append(f"zombie child {k}")
            if "k" not in w.purged and (not k or k["status"] != "Completed"):
                out.append(f"child {k}")
        return out

    return build, check


def sc_overstart():
    def build(w):
        w.superseded = True

        def c(s):
            yield ("sleep", 1)
            yield from s.start("i1", "seq", None, "e1")

        def d(s):
            if not (yield from s.until("i1", ("Pending", "Running", "Completed"), 7, 40)):
                return
            for e in ("e2", "e3"):
                yield from s.start("i1", "two", None, e, force=True)

        Client(w, "c", c)
        Client(w, "d", d)

    def check(w):
        if not w.accepted:
            return []
        last = list(w.accepted)[-1]
        r = w.irows.get("i1")
        return (
            []
            if r and r["exec"] == last and r["status"] == "Completed"
            else [f"I3 last {last}: {r}"]
        )

    return build, check


def sc_leaf():
    return simple("leaf", "a", "A")


def sc_tinycan():
    return simple("startcanp", 0, "Z")


def sc_leafpurge():
    def build(w):
        def c(s):
            yield ("sleep", 1)
            yield from s.start("i1", "leaf", "a", "e1")
            if not (yield from s.until("i1", ("Completed",), 400, 12)):
                return
            ok = yield from s.purge("i1")
            if ok:
                yield from s.start("i1", "leaf", "b", "e2")

        Client(w, "c", c)

    def check(w):
        r = w.irows.get("i1")
        if "e2" in w.accepted:
            return [] if r and (r["exec"], r["result"]) == ("e2", "B") else [f"I3 {r}"]
        if "e1" in w.accepted and "i1" not in w.purged:
            return [] if r and r["result"] == "A" else [f"I5 {r}"]
        return []

    return build, check


def sc_hand():
    return simple("handover", 0, "H", ("hc", "V"))  # the smallest continue-as-new in two commits


def sc_termtiny():
    def build(w):
        def c(s):
            yield ("sleep", 1)
            yield from s.start("i1", "leaf", "a", "e1")
            yield from s.term("i1")

        Client(w, "cl", c)

    return build, ended


def exactly_once(w, vals, inst="i1", done=True):
    """every raised event is seen once, however many executions there were"""
    rows = w.visible(inst)
    es = started(rows)
    raised = sorted(w.expect.get("raised", ()))
    if not es:
        return [f"I5 {inst} never began"]
    got = sorted((es["input"] or []) + [x["val"] for x in rows if x["t"] == "EV"])
    out = [] if got == raised else [f"I3 raised {raised} seen {got}"]
    if done and len(raised) == len(vals) and w.irows[inst]["status"] != "Completed":
        out.append(f"I5 {w.irows[inst]}")
    return out


def sc_carry():
    """R1: more events carried over than the first checkpoint of the next execution holds"""
    vals = ("v1", "v2", "v3", "v4")

    def build(w):
        def c(s):
            yield ("sleep", 1)
            yield from s.start("i1", "carry", [], "e1")
            for v in vals:
                yield from s.raise_("i1", "E", v)

        Client(w, "cl", c)

    return build, lambda w: exactly_once(w, vals) if "e1" in w.accepted else []


def again(pause, more, trouble):
    """R7: v1 is consumed by a continue-as-new, then trouble; later more, perhaps v1 again."""

    def build(w):
        ours = list(w.procs)
        w.expect["raised"] = {"v0"}

        def c(s):
            yield ("sleep", 1)
            yield from s.start("i1", "evcan", ["v0"], "e1")
            yield from s.raise_("i1", "E", "v1")
            yield ("sleep", pause(w))
            for v in more:
                yield from s.raise_("i1", "E", v)

        def t(s):
            for _ in range(400):
                if (w.read_sent("i1") or {}).get("exec", "e1") != "e1":
                    break
                yield ("sleep", 1)
            yield from trouble(w, ours)

        Client(w, "cl", c)
        Client(w, "trouble", t)

    return build, lambda w: exactly_once(w, "abcd") if "e1" in w.accepted else []


def sc_longstop():
    """all processes stop for long, or their machine sleeps"""

    def trouble(w, ours):
        end = (w.stop, w.freeze)[w.ch.pick(2, "stop or freeze")]
        for p in ours:
            end(p, K.STOP)
        yield ("sleep", 1)

    return again(lambda w: K.STOP // 2, ("v2", "v3"), trouble)


def sc_late():
    """three deliveries of the consumed event fail, one after the other"""

    def trouble(w, ours):
        for _ in range(3):
            m = next((m for m in w.q["ctl"].values() if m.get("val") == "v1"), None)
            if m:
                w.hide("ctl", m["mid"], m["pop"], K.VIS)
                yield ("sleep", K.VIS - 1)

    return again(lambda w: 2500 + 500 * w.ch.pick(4, "later"), ("v2",), trouble)


def sc_sigchild():
    return simple(
        "sigchild", None, "A", ("k", "s")
    )  # R7: a signal overtakes the start of a new child


def sc_orphan():
    """R6: the client dies between row and message, then an event arrives; no sweeper"""

    def build(w):
        w.sweeper = False
        w.expect["raised"] = {"v0", "v1", "v2"}

        def c(s):
            yield ("sleep", 1)
            if (yield from s.start("i1", "evcan", ["v0", "v1", "v2"], "e1", put=False)):
                yield from s.raise_("i1", "E", "v3")

        Client(w, "cl", c)

    return build, lambda w: exactly_once(w, "abcd") if "v3" in w.expect["raised"] else []


def sc_lost():
    return simple(
        "leaf", "a", "A", put=False
    )  # R9: the client dies between row and message, nothing else arrives


# ------------------------------------------------------------------ the fast path
def sc_wide():
    return simple("wide", None, "VWXYZ")  # more activities than slots


def sc_actimer():
    return simple("actimer", None, "XYD")


def sc_kids():
    return simple("kids", None, "PAAB")


def sc_anycan():
    return simple("anycan", 1, "E")  # a task_any's loser still runs in the next execution


def sc_anycan2():
    return simple("anycan2", 1, "E", ("c1", "V1"))


def sc_canwork():
    return simple("canwork", 1, "E", ("c2", "V2"))


def eventful(orch, inp, vals, result=None):
    """events arrive while activities run"""

    def build(w):
        w.expect["raised"] = set(inp or ())

        def c(s):
            yield ("sleep", 1)
            yield from s.start("i1", orch, inp, "e1")

        def r(s):
            yield ("sleep", 1 + 20 * w.ch.pick(12, "when"))
            if not (yield from s.until("i1", ("Pending", "Running", "Completed"), 20, 60)):
                return
            for v in vals:
                yield from s.raise_("i1", "E", v)
                yield ("sleep", 40 * w.ch.pick(6, "when"))

        Client(w, "cl", c)
        Client(w, "r1", r)

    def check(w):
        if "e1" not in w.accepted:
            return []
        r = w.irows["i1"]
        if result is None:
            return exactly_once(w, "abcd" if len(w.expect["raised"]) == 4 else "abcde")
        return (
            [f"I5 {r}"]
            if w.expect["raised"] and (r["status"], r["result"]) != ("Completed", result)
            else []
        )

    return build, check


def sc_race():
    return eventful("race", None, ("v",), "Bv")


def sc_mix():
    return eventful("mix", ["v0"], ("v1", "v2", "v3"))


def sc_termplace():
    """terminated while activities run in place"""

    def build(w):
        def c(s):
            yield ("sleep", 1)
            yield from s.start("i1", "wide", None, "e1")

        def t(s):
            yield ("sleep", 1 + 15 * w.ch.pick(16, "when"))
            if not (yield from s.until("i1", ("Pending", "Running"), 10, 60)):
                return
            yield from s.term("i1")

        Client(w, "cl", c)
        Client(w, "t", t)

    return build, ended


def sc_purgechain():
    """Ended early, purged, begun again, whatever of the old execution is still on its way."""

    def build(w):
        def c(s):
            yield ("sleep", 1)
            yield from s.start("i1", "wide", None, "e1")
            yield ("sleep", 1 + 15 * w.ch.pick(12, "when"))
            yield from s.term("i1")
            if not (yield from s.until("i1", ("Completed", "Terminated"), 25, 200)):
                return
            if not (yield from s.purge("i1")):
                return
            yield from s.start("i1", "two", None, "e2")

        Client(w, "c", c)

    def check(w):
        r = w.irows.get("i1")
        if "e2" in w.accepted:
            return (
                []
                if r and (r["exec"], r["result"]) in (("e2", "AB"), ("e2", "why"))
                else [f"I3 {r}"]
            )  # the terminate may come late
        return ended(w) if "e1" in w.accepted and "i1" not in w.purged else []

    return build, check


def sc_restart():
    """restarted over and over, forced, in the middle of chains"""

    def build(w):
        w.superseded = True

        def c(s):
            yield ("sleep", 1)
            for i in (1, 2, 3):
                yield from s.start(
                    "i1", "anycan" if i < 3 else "fan", 1 if i < 3 else None, f"e{i}", force=True
                )
                yield ("sleep", 1 + 15 * w.ch.pick(20, "when"))

        Client(w, "c", c)

    def check(w):
        if not w.accepted:
            return []
        last = list(w.accepted)[-1]
        r = w.irows.get("i1")
        return (
            []
            if r
            and r["status"] == "Completed"
            and last in (r["exec"], w.hist["i1"]["sent"].get("first"))
            else [f"I3 last {last}: {r}"]
        )

    return build, check


def sc_twokids():
    """Two parents start one child id; one's child replaces the other's, running or not (R5)."""

    def build(w):
        w.shared_id = True
        for n in (1, 2):

            def c(s, n=n):
                yield ("sleep", 1)
                yield from s.start(f"p{n}", "detacher", None, f"e{n}")

            Client(w, f"c{n}", c)

    def check(w):
        want = [(f"p{n}", "ok") for n in (1, 2) if f"e{n}" in w.accepted]
        bad = [
            f"I5 {i} {w.irows.get(i)}" for i, v in want if (w.irows.get(i) or {}).get("result") != v
        ]
        k = w.irows.get("k")
        return bad + ([f"I5 k {k}"] if want and (not k or k["status"] != "Completed") else [])

    return build, check


SCEN = {k[3:]: v for k, v in list(globals().items()) if k.startswith("sc_")}


def final(w, check, foreign=False):
    bad = list(w.bad)
    for inst, h in w.hist.items():
        s = h["sent"]
        if not s:
            continue
        if s.get("tomb"):
            r = w.irows.get(inst)
            if r and r["exec"] in (s.get("exec"), s.get("first")):
                bad.append(f"I4 {inst} row of a purged instance")
            continue
        rows = w.visible(inst)
        row = w.irows.get(inst)
        if (
            row
            and row["status"] == "Pending"
            and row.get("seq") is None
            and row["exec"] != s["exec"]
            and row["exec"] != s.get("first")
        ):
            bad.append(f"I5 {inst} pending start never begun")
            continue
        if row is None:
            bad.append(f"I4 {inst} history without row")
            continue
        if row["exec"] != s["exec"]:
            bad.append(f"I4 {inst} row {row['exec']} history {s['exec']}")
            continue
        if not rows:
            bad.append(f"I5 {inst} history unfinished")
            continue
        c = row_cols(rows, s, s.get("seq"))
        if (row["status"], row["result"]) != (c["status"], c["result"]):
            bad.append(
                f"I4 {inst} row {row['status']} {row['result']} history {c['status']} {c['result']}"
            )
        if stamp_ok(s) and row.get("seq") != s["seq"]:
            bad.append(f"I4 {inst} row seq {row.get('seq')} history {s['seq']}")
        if terminal(rows) == "CAN":
            bad.append(f"I5 {inst} half done continue-as-new")
        tcs = [r["tid"] for r in rows if r["t"] in ("TC", "SUBDONE", "FIRED")]
        if len(tcs) != len(set(tcs)):
            bad.append(f"I2 {inst} two results {tcs}")
        ids = [r["ident"] for r in rows if r["t"] == "EV"]
        if len(ids) != len(set(ids)):
            bad.append(f"I3 {inst} identity twice")
    if not w.superseded:
        bad += [
            f"I9 activity {k} was decided and never ran"
            for k in sorted(w.tasks)
            if k not in w.execs
        ]
    for ms in w.q.values():
        for m in ms.values():
            bad.append(f"message left {m['k']} for {m['dst']}")
    for k, n in w.execs.items():
        if not w.done_faults and n > 1 and not foreign:
            bad.append(f"I7 activity {k} ran {n} times without a fault")
    if not (foreign or w.shared_id):
        bad += [
            f"I8 {k} sent {n} times with {len(w.done_faults)} faults"
            for k, n in w.sends.items()
            if n > 1 + len(w.done_faults)
        ]
    return bad + check(w)


def make(scen, rules, ch, procs="OO", trace=False):
    w = World(rules, ch, trace)
    build, check = SCEN[scen]()
    w.procs = [
        {"O": Proc, "F": FastProc, "N": Foreign}[p](w, f"{p}{i + 1}") for i, p in enumerate(procs)
    ]
    for p in w.procs:
        p.boot()
    build(w)
    if w.sweeper:
        Sweeper(w)
    return w, check


def one(scen, rules, ch, procs="OO", trace=False):
    w, check = make(scen, rules, ch, procs, trace)
    w.run()
    bad = final(w, check, "N" in procs)
    for c in w.coros:
        c.gen.close()
    return w, bad
