"""Our process, a .NET-like process, clients, purge, sweeper."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import replace
from typing import Any

from tests.protocol.model import (
    Abandon,
    Conflict,
    K,
    Missing,
    committed,
    completion,
    derive,
    replay,
    row_cols,
    stamp_ok,
    started,
    stretches,
    terminal,
)


def label(m):
    return f"{m['k']}#{m.get('mid', '')}({m.get('exec')},{m.get('tid') or m.get('name') or ''})"


class St:
    def __init__(self, rows, sent, row):
        self.rows, self.sent, self.row = rows, sent, row


class Proc:
    nofault = False
    freezes = False

    def __init__(self, w, name):
        self.w, self.name, self.cache, self.since = (
            w,
            name,
            {},
            0,
        )  # since: the queue is served without a gap since then

    def crash(self, w):
        self.boot(50)

    def boot(self, delay=0):
        self.cache = {}
        self.since = self.w.now + delay
        self.w.spawn(self, self.ctl(delay), self.name + ".ctl")
        self.w.spawn(self, self.act(delay), self.name + ".act")

    def ctl(self, delay):
        w = self.w
        yield ("sleep", delay)
        while True:
            yield ("waitq", "ctl")
            try:
                batch = yield ("get", lambda: w.get("ctl", self))
            except Abandon:
                continue
            if not batch:
                continue
            inst = batch[0]["dst"]
            if w.trace:
                w.tr.append(f"       {self.name} got " + ", ".join(label(m) for m in batch))
            try:
                yield from self.handle(inst, batch)
            except Abandon:
                self.cache.pop(inst, None)

    def act(self, delay):
        w = self.w
        yield ("sleep", delay)
        while True:
            yield ("waitq", "work")
            try:
                for m in (yield ("get work", lambda: w.get("work", self))):
                    yield (f"run act {m['dst']}.{m['tid']}", lambda: run_act(w, m))
                    tc = {
                        "dst": m["dst"],
                        "exec": m["exec"],
                        "k": "tc",
                        "tid": m["tid"],
                        "val": m["input"].upper(),
                    }
                    yield (f"put tc {m['dst']}.{m['tid']}", lambda: w.put("ctl", tc))
                    yield ("delete work", lambda: w.delete("work", m["mid"], m["pop"]))
            except Abandon:
                continue

    # ---- reading
    def hist(self, inst):
        w, rules = self.w, self.w.rules
        for _ in range(60):
            acc: dict[int, Any] = {}
            sent, last = None, False
            while not last:  # the sentinel is the last row of the last page
                page, sent, last = yield (
                    "read history",
                    lambda: w.read_page(inst, max(acc, default=-1) + 1),
                )
                acc.update(page)
            if sent is None:
                return [], None
            rows, torn = committed(sent, sorted(acc.items()), rules)
            if not torn:
                return rows, sent
            w.torn += 1  # R2
            yield ("sleep", 20)
        w.flag("I5 history torn for ever")
        raise Abandon("torn")

    def load(self, inst):
        w = self.w
        row = yield ("read row", lambda: w.read_row(inst))
        rows, sent = yield from self.hist(inst)
        return St(rows, sent, row)

    # ---- sending
    def send(self, msgs):
        w = self.w
        for q, m in msgs:

            def f():
                if m["cause"] not in w.committed:
                    w.flag(f"I1 message {m['k']} of undecided {m['cause']} left")
                w.sends[(m["k"], m["cause"], m.get("ident"))] += 1
                return w.put(q, m)

            yield (f"put {m['k']} {m['dst']}.{m.get('tid', m.get('name', m.get('exec')))}", f)

    def show(self, inst, st, how=""):
        """step 4: the row says that everything up to the sentinel's sequence has been sent"""
        w = self.w
        c = row_cols(st.rows, st.sent, st.sent["seq"])
        e = yield (
            f"row {inst} seq={c['seq']} {c['status']}{how}",
            lambda: w.write_row(inst, c, st.row["etag"] if st.row else None),
        )
        st.row = dict(st.row or {}, **c)
        st.row["etag"] = e

    def quiet(self, inst, st):
        """R11: wait for the sender, or send for it"""
        w, rules = self.w, self.w.rules
        checked = False
        while True:
            m = owed(rules, st)
            if m is None:
                return st
            age = w.now - st.sent["ts"]
            if rules.wait and (age < K.GRACE or not checked):
                if age < K.GRACE:
                    yield ("sleep", min(K.GRACE - age, 60) + 1)
                checked = True
                st.row = yield ("re-read row", lambda: w.read_row(inst))
                s2 = yield ("re-read sentinel", lambda: w.read_sent(inst))
                if s2 is None or s2["etag"] != st.sent["etag"]:
                    st = yield from self.load(inst)
                continue
            try:
                if rules.touch:
                    st.sent["etag"] = yield (
                        "TOUCH sentinel",
                        lambda: w.batch(inst, {}, {}, st.sent["etag"]),
                    )
                    st.sent["ts"] = w.now
                n = st.sent["seq"]
                yield from self.send(derive(st.rows, m if rules.owed_all else n - 1, n))
                yield from self.show(inst, st, " (for another)")
            except Conflict:
                st = yield from self.load(inst)
                checked = False

    def checkpoint(self, inst, st, start, half, applied, chain=False, insert=True):
        """Step 2; -> state, last stretch sent before it, hand-over or not, new execution or not."""
        w, rules = self.w, self.w.rules
        prev, new, isnew, can, first = compose(w, rules, self, inst, st, start, half, applied)
        n = 1 if isnew else len(stretches(st.rows)) + 1
        at = len(prev)
        ex = new[0]["exec"]
        above = n - 1
        if rules.note_sent and not isnew and not chain and above > row_seq(st):  # R10
            c = row_cols(st.rows, st.sent, above)
            e = yield (
                f"note sent {inst} seq={above}",
                lambda: w.write_row(inst, c, st.row["etag"] if st.row else None),
            )
            st.row = dict(st.row or {}, **c)
            st.row["etag"] = e
        cols = {
            "final": True,
            "exec": ex,
            "cexec": ex,
            "first": first,
            "tomb": None,
            "via": "can" if (isnew and not start) else "start",
        }
        parts = split(new, isnew)
        rows2 = prev + [r for c in parts for r in c]
        if not rules.history_first:
            yield from self.send(derive(rows2, n - 1, n))
        etag = st.sent["etag"] if st.sent else None
        for i, ch in enumerate(parts):  # R1: whole checkpoints, one batch each
            rr = {at + j: r for j, r in enumerate(ch)}
            at += len(ch)
            stamp = w.id()
            cols = dict(cols, seq=n + i, count=at, stamp=stamp, cct=stamp)

            def f():
                blind = not insert and w.hist.get(inst) and w.hist[inst]["sent"]
                return w.batch(inst, rr, cols, blind["etag"] if blind else etag)

            etag = yield (
                f"commit {inst} {ex} seq={n + i}{'' if i == len(parts) - 1 else '+'} "
                + ",".join(r["t"] for r in ch),
                f,
            )
            insert = True
        cols.pop("final")
        cols.pop("seq")
        n += len(parts) - 1
        return (
            St(rows2, dict(st.sent or {}, **cols, seq=n, etag=etag, ts=w.now), st.row),
            above,
            can,
            isnew,
        )

    # ---- one turn
    def handle(self, inst, batch):
        w, rules = self.w, self.w.rules
        got = w.now
        consumed = set()
        verd: dict[int, Any] = {}

        def clear():
            for m, v in verd.values():  # step 5
                if v == "defer":
                    yield (f"defer #{m['mid']}", lambda: w.hide("ctl", m["mid"], m["pop"], 100))
                else:
                    yield (
                        f"delete #{m['mid']} {m['k']} {v}",
                        lambda: w.delete("ctl", m["mid"], m["pop"]),
                    )
            verd.clear()

        for tries in range(61):
            if tries == 60:
                w.flag(f"I5 starved in {self.name} {inst}")
                raise Abandon("starved")
            st: Any = self.cache.get(inst)
            cached = st is not None
            if not cached:
                st = yield from self.load(inst)
                if rules.quiet_delete:
                    st = yield from self.quiet(inst, st)
            if rules.leased and w.now >= got + K.VIS:
                batch = [m for m in batch if m["mid"] in consumed]  # R7
            verd = {i: x for i, x in verd.items() if i in consumed}
            p = judge(w, rules, inst, st, [m for m in batch if m["mid"] not in consumed], cached)
            if p is None:
                self.cache.pop(inst, None)
                continue
            start, half, applied, verdicts = p
            verd.update((m["mid"], (m, v)) for m, v in verdicts)
            todo = (
                rules.undone
                and not superseded(rules, st)
                and not cached
                and st.rows
                and terminal(st.rows) is None
                and has_undone(st.rows)
            )
            if not applied and not start and not half and not todo:
                self.cache[inst] = st
                break
            if not cached and not rules.quiet_delete:
                q = yield from self.quiet(inst, st)
                if q is not st:
                    continue
            if start and rules.row_after and st.sent and not start.get("parent"):  # R6
                r2 = yield ("row again", lambda: w.read_row(inst))
                if (r2 or {}).get("etag") != (st.row or {}).get("etag"):
                    self.cache.pop(inst, None)
                    continue
            try:
                done = yield from self.checkpoint(inst, st, start, half, applied)
            except Conflict:
                self.cache.pop(inst, None)
                yield ("sleep", 1 + w.ch.pick(3, "lost race") * 15)
                continue
            st2, above, can, _ = done
            consumed |= {m["mid"] for m, v in verdicts if v == "apply"}
            if not rules.row_before_delete:
                yield from clear()
            n = st2.sent["seq"]
            if not rules.own_above:
                above = row_seq(st2)
            if rules.history_first:
                yield from self.send(
                    derive(st2.rows, above if rules.owed_all else n - 1, n)
                )  # step 3
            try:
                if not start and superseded(rules, st2):
                    raise Conflict("superseded")
                yield from self.show(inst, st2)
            except Conflict:
                self.cache.pop(inst, None)
                if not rules.row_from_history:
                    break
                continue
            self.cache[inst] = st2
            if can and not rules.can_wait_second:
                yield from clear()
            if not can and all(m["mid"] in verd for m in batch):
                break
        yield from clear()


def split(new, isnew):
    """R1: a big turn is several whole checkpoints; the first one of an execution holds its start"""
    body = new[1:-1]
    k = 1 if isnew else 0
    cuts = [0, *range(max(K.GROUP, k), len(body), K.GROUP), len(body)]
    return [[dict(new[0]), *body[a:b], dict(new[-1])] for a, b in itertools.pairwise(cuts)] or [new]


def superseded(rules, st):
    r, s = st.row, st.sent
    return bool(
        rules.supersede
        and r
        and s
        and r["status"] == "Pending"
        and r.get("seq") is None
        and r["exec"] not in (s.get("exec"), s.get("first"))
    )


def has_undone(rows):
    dec, comp, _ = replay(rows)
    return bool(dec or comp)


def run_act(w, m):
    k = (m["dst"], m["exec"], m["tid"])
    w.execs[k] = w.execs.get(k, 0) + 1


def row_seq(st):
    """stretches of this execution known to be sent"""
    r, s = st.row, st.sent
    if r and r["exec"] == s["exec"]:
        return r.get("seq") or 0
    return 0


def owed(rules, st):
    """None: quiet; otherwise the last sequence known to be sent (R5, R10)"""
    s, r = st.sent, st.row
    if not s or s.get("tomb") or not st.rows or not s.get("seq"):
        return None
    if s.get("cexec") != s["exec"]:
        return None  # the original wrote this execution
    if not stamp_ok(s) and not rules.keep_owed:
        return None
    if r is None:
        return 0
    if r["exec"] == s["exec"] or not rules.seq_exec:
        m = r.get("seq") or 0
        return m if m < s["seq"] else None
    if (
        r["status"] == "Pending"
        and r.get("seq") is None
        and not (rules.lineage == "on" and r["exec"] == s.get("first"))
    ):
        return 0 if rules.lineage == "behind" else None
    return 0


def names(rules, s, ex):
    """R5: does ex name the sentinel's current or first execution"""
    return s.get("exec") == ex or (rules.lineage == "on" and s.get("first") == ex)


def judge(w, rules, inst, st, batch, cached):
    rows, sent, row = st.rows, st.sent, st.row
    tomb = bool(sent and sent.get("tomb"))
    t = terminal(rows)
    half = t == "CAN"
    pend = bool(
        row
        and row["status"] == "Pending"
        and row.get("seq") is None
        and (sent is None or (not rows and not tomb) or not names(rules, sent, row["exec"]))
    )
    start = None
    applied = []
    verdicts = []
    refuse = False
    es = started(rows)
    seen = {i for i, _ in es["ids"]} if es else set()
    seen |= {r["ident"] for r in rows if r["t"] == "EV"}
    have = {r["tid"] for r in rows if r["t"] in ("TC", "SUBDONE", "FIRED")}
    sched = {r["tid"] for r in rows if r["t"] in ("TS", "SUB", "TIMER")}
    newids = set()

    def rowstart():
        return {
            "k": "start",
            "exec": row["exec"],
            "orch": row["name"],
            "input": row["input"],
            "parent": None,
        }

    for m in sorted(batch, key=lambda m: (m["k"] != "start", m["mid"])):
        k, v = m["k"], "drop"
        if k == "start":
            if cached and rules.start_reads:
                return None
            if (sent and (rows or tomb) and names(rules, sent, m["exec"])) or (
                not m.get("parent")
                and rules.stale_start
                and (row is None or row["exec"] != m["exec"])
            ):
                v = "drop"
            elif (m.get("parent") and pend) or (start and start["exec"] != m["exec"]):
                v = "defer"  # a client's accepted start comes first, or it would be lost
            else:
                start = start or m
                v = "apply"
        elif (
            pend
            and m.get("exec") in (None, row["exec"])
            and (rules.pending_from_row or k == "term")
        ):
            if k in ("tc", "subdone", "fired") or (row.get("sched", 0) > w.now and k != "term"):
                v = "defer"
            else:
                start = start or rowstart()
                i = m.get("ident") or ("q", m["mid"])
                if k == "event" and i in newids:
                    v = "dup"
                else:
                    newids.add(i)
                    v = "apply"
                    applied.append(m)
        elif start and m.get("exec") in (None, start["exec"]):
            if k == "event":
                i = m.get("ident") or ("q", m["mid"])
                if i not in newids:
                    newids.add(i)
                    applied.append(m)
                    v = "apply"
            elif k == "term":
                applied.append(m)
                v = "apply"
            else:
                v = "defer"
        elif tomb:
            refuse = True
        elif not rows:
            if cached and rules.refresh:
                return None
            v = "defer" if (k == "event" and rules.unknown_retry and m["deq"] < 70) else "drop"
        elif (
            m.get("exec") not in (None, sent["exec"])
            or (pend and rules.supersede and not tomb)
            or (t and not half)
        ):
            refuse = True
        elif k in ("tc", "subdone", "fired"):
            if half:
                refuse = True
            elif m["tid"] in have:
                v = "dup"
            elif m["tid"] not in sched:
                if cached and rules.refresh:
                    return None
                v = "defer"
            else:
                have = have | {m["tid"]}
                applied.append(m)
                v = "apply"
        elif k == "event":
            i = m.get("ident") or ("q", m["mid"])
            if i in seen or i in newids:
                v = "dup"
            else:
                newids.add(i)
                applied.append(m)
                v = "apply"
        elif k == "term":
            applied.append(m)
            v = "apply"
        verdicts.append((m, v))
    if (refuse or (pend and not start)) and cached and rules.refresh:
        return None
    return start, half and start is None and not (pend and rules.supersede), applied, verdicts


def compose(w, rules, s, inst, st, start, half, applied):
    isnew = False
    prev = st.rows
    first = (st.sent or {}).get("first")
    if start:
        ex = start["exec"]
        first = ex
        isnew = True
        prev = []
        new = [
            {"t": "OS", "exec": ex},
            {
                "t": "ES",
                "exec": ex,
                "inst": inst,
                "orch": start["orch"],
                "input": start["input"],
                "parent": start.get("parent"),
                "ids": (),
            },
        ]
    elif half:
        prev, new, ex = next_gen(w, rules, s, st.rows)
        isnew = True
    else:
        ex = st.sent["exec"]
        new = [{"t": "OS", "exec": ex}]
    for m in applied:
        if m["k"] == "tc":
            new.append({"t": "TC", "exec": ex, "tid": m["tid"], "val": m["val"]})
        elif m["k"] == "subdone":
            new.append({"t": "SUBDONE", "exec": ex, "tid": m["tid"], "val": m["val"]})
        elif m["k"] == "fired":
            new.append({"t": "FIRED", "exec": ex, "tid": m["tid"]})
        elif m["k"] == "event":
            new.append(
                {
                    "t": "EV",
                    "exec": ex,
                    "name": m["name"],
                    "val": m["val"],
                    "ident": m.get("ident") or ("q", m["mid"]),
                    "ts": w.now,
                }
            )
        elif m["k"] == "term":
            new.append({"t": "TERM", "exec": ex, "val": m["val"]})
    while True:
        dec, comp, left = replay(prev + new)
        for d in dec:
            d["exec"] = ex
            if d["t"] == "TIMER":
                d["fire"] = w.now + d["delay"]
            new.append(d)
        if comp and comp[0] == "CAN":
            left = [r["ident"] for r in left]
            fit = K.GROUP - 1 if rules.carry else len(left)
            ec = {
                "t": "EC",
                "exec": ex,
                "status": "CAN",
                "val": comp[1],
                "left": left[:fit],
                "over": left[fit:],
            }
            if (
                dec
                or left[fit:]
                or (
                    len(prev + new) > 2
                    and any(r["t"] in ("TS", "SUB", "SENT", "TIMER") for r in new)
                )
            ):
                return prev, [*new, ec, {"t": "OC", "exec": ex}], isnew, True, first
            prev, new, ex = next_gen(w, rules, s, prev + new + [ec])
            isnew = True
            continue
        if comp:
            new.append({"t": "EC", "exec": ex, "status": comp[0], "val": comp[1]})
        new.append({"t": "OC", "exec": ex})
        return prev, new, isnew, False, first


def next_gen(w, rules, s, rows):
    """The next execution, from the old one's rows; R7: identities live on while served."""
    es = started(rows)
    ec = completion(rows)
    ex = es["exec"] + "+"
    known = list(es["ids"]) + [(r["ident"], r["ts"]) for r in rows if r["t"] == "EV"]
    ids = tuple(
        (i, t) for i, t in known if w.now - max(t, s.since if rules.served else 0) < rules.ids
    )
    new = [{"t": "OS", "exec": ex}, dict(es, exec=ex, input=ec["val"], ids=ids)]
    return (
        [],
        new + [dict(r, exec=ex) for r in rows if r["t"] == "EV" and r["ident"] in ec["left"]],
        ex,
    )


# ------------------------------------------------------------------ a foreign (.NET like) process
class Foreign(Proc):
    def handle(self, inst, batch):
        w, rules = self.w, self.w.rules
        row = yield ("N read row", lambda: w.read_row(inst))
        acc = {}
        k = 0
        while True:
            page, sent, last = yield ("N read history", lambda: w.read_page(inst, k))
            acc.update(page)
            if last:
                break
            k = max(acc) + 1
        rows = committed(sent, sorted(acc.items()), replace(rules, count=False))[0] if sent else []
        es = started(rows)
        applied, start, verdicts = [], None, []
        have = {r["tid"] for r in rows if r["t"] in ("TC", "SUBDONE", "FIRED")}
        sched = {r["tid"] for r in rows if r["t"] in ("TS", "SUB", "TIMER")}
        for m in batch:
            v = "drop"
            if m["k"] == "start":
                if (not es or es["exec"] != m["exec"]) and row and row["exec"] == m["exec"]:
                    start = m
                    v = "apply"
            elif not es and not start:
                v = "defer" if m["deq"] <= 5 else "drop"
            elif (es and m.get("exec") not in (None, es["exec"])) or terminal(rows):
                pass
            elif m["k"] in ("tc", "subdone", "fired"):
                if m["tid"] in have:
                    v = "dup"
                elif m["tid"] not in sched:
                    v = "defer"
                else:
                    have.add(m["tid"])
                    applied.append(m)
                    v = "apply"
            verdicts.append((m, v))
        if start or applied:
            prev, new, isnew, _can, _first = compose(
                w,
                rules,
                self,
                inst,
                St([] if start else rows, sent or {}, row),
                start,
                False,
                applied,
            )
            ex = new[0]["exec"]
            allr = prev + new
            fake = dict(started(allr))
            for q, o in derive(allr, len(stretches(prev)), 999):
                yield (f"N put {o['k']} {o.get('tid')}", lambda: w.put(q, o))
            etag = sent["etag"] if sent else None
            at = 0 if isnew else len(prev)
            try:
                ch = [new[i : i + K.NETBATCH] for i in range(0, len(new), K.NETBATCH)]
                for i, c in enumerate(ch):
                    rr = {at + j: r for j, r in enumerate(c)}
                    at += len(c)
                    cc = {"exec": ex}
                    if i == len(ch) - 1:
                        cc.update(cct=w.id(), final=True)
                    etag = yield (
                        f"N commit {ex} " + ",".join(r["t"] for r in c),
                        lambda: w.batch(inst, rr, cc, etag, who="net"),
                    )
            except Conflict:
                return  # session aborted: messages come back
            c = (
                {"exec": ex} if row else {"exec": ex, "status": None, "result": None}
            )  # the original merges, whatever is there
            if any(r["t"] == "ES" for r in new):
                c.update(status="Running", name=fake["orch"], input=fake["input"])
            e = next((r for r in new if r["t"] == "EC"), None)
            if e:
                c.update(status=e["status"], result=e["val"])
            yield (f"N row {c.get('status')}", lambda: w.write_row(inst, c, None, "anyetag"))
        for m, v in verdicts:
            if v == "defer":
                yield ("N defer", lambda: w.hide("ctl", m["mid"], m["pop"], 150))
            else:
                yield (f"N delete #{m['mid']} {v}", lambda: w.delete("ctl", m["mid"], m["pop"]))


# ------------------------------------------------------------------ clients, sweeper
class Client:
    nofault = False
    freezes = False

    def __init__(self, w, name, script):
        self.w, self.name = w, name
        w.spawn(self, script(self), name)

    def crash(self, w):
        pass

    def start(self, inst, orch, inp, ex, sched=0, force=False, put=True):
        w = self.w
        row = yield ("C read row", lambda: w.read_row(inst))
        if row and row["status"] in ("Pending", "Running") and not force:
            return False
        cols = {
            "exec": ex,
            "status": "Pending",
            "seq": None,
            "name": orch,
            "input": inp,
            "result": None,
            "sched": sched,
        }
        cols["gen"] = row.get("gen", 0) + 1 if row else 0
        written = None

        def ins():
            e = w.write_row(inst, cols, row["etag"] if row else None, "replace")
            w.accepted[ex] = (inst, orch, inp)
            w.purged.discard(inst)
            return dict(cols, etag=e)

        try:
            written = yield (f"C insert row {inst} {ex}", ins)
        except Conflict:
            r = yield ("C read row", lambda: w.read_row(inst))
            if not r or r["exec"] != ex:
                return False
        if put:
            yield (f"C put start {inst} {ex}", lambda: self.deliver(start_msg(inst, cols), written))
        return True

    def deliver(self, m, row=None):
        """put it, or hand it to a process that is this client's (F7, F8)"""
        w = self.w
        near = [p for p in w.procs if p.freezes and p.up]
        if near and w.rules.hand_over and m.get("at", 0) <= w.now and w.ch.pick(2, "near"):
            return near[w.ch.pick(len(near), "which")].receive(m, row)
        return w.put("ctl", m)

    def raise_(self, inst, name, val):
        w = self.w
        ident = ("c", w.id()) if w.rules.client_id else None

        def f():
            w.expect.setdefault("raised", set()).add(val)
            m = {"dst": inst, "exec": None, "k": "event", "name": name, "val": val}
            if ident:
                m["ident"] = ident
            return self.deliver(m)

        yield (f"C raise {name} {val}", f)

    def term(self, inst):
        w = self.w
        yield (
            "C terminate",
            lambda: (
                w.expect.__setitem__("term", True),
                self.deliver({"dst": inst, "exec": None, "k": "term", "val": "why"}),
            )[1],
        )

    def until(self, inst, statuses, every=40, most=400):
        w = self.w
        for _ in range(most):
            r = yield ("C status", lambda: w.read_row(inst))
            if r and r["status"] in statuses:
                return r
            yield ("sleep", every)
        return None

    def purge(self, inst):
        w, rules = self.w, self.w.rules
        for _ in range(5):
            row = yield ("P read row", lambda: w.read_row(inst))
            if not row or row["status"] in ("Pending", "Running"):
                return False
            try:
                if rules.tombstone:
                    sent = yield ("P read sentinel", lambda: w.read_sent(inst))
                    if sent and sent.get("exec") != row["exec"]:
                        continue
                    if sent:
                        allk = list(w.hist[inst]["rows"])
                        yield (
                            "P tombstone",
                            lambda: (
                                w.purged.add(inst)
                                or w.batch(
                                    inst,
                                    {},
                                    {"tomb": True, "seq": None, "count": 0},
                                    sent["etag"],
                                    allk,
                                )
                            ),
                        )
                    yield (
                        "P delete row",
                        lambda: (w.delete_row(inst, row["etag"]), w.purged.add(inst)),
                    )
                else:
                    yield (
                        "P delete row",
                        lambda: (w.delete_row(inst, row["etag"]), w.purged.add(inst)),
                    )
                    yield ("P delete history", lambda: w.hist.pop(inst, None))
            except Conflict:
                continue
            except Missing:
                pass
            return True
        return False


def start_msg(inst, row):
    return {
        "dst": inst,
        "exec": row["exec"],
        "k": "start",
        "orch": row["name"],
        "input": row["input"],
        "at": row.get("sched", 0),
        "parent": None,
        "gen": row.get("gen", 0),
    }


class Sweeper(Proc):
    nofault = True
    times: tuple[int, ...] = (700, 2500, 9000, 20000, 70000, 90000)
    age = 300

    def __init__(self, w):
        Proc.__init__(self, w, "sweep")
        w.spawn(self, self.loop(), "sweep")

    def loop(self):
        w, rules = self.w, self.w.rules
        for t in self.times:
            yield ("sleep", max(1, t - w.now))
            for inst in sorted(w.irows):
                try:
                    row = yield ("S read row", lambda: w.read_row(inst))
                    if not row:
                        continue
                    fresh = row["status"] == "Pending" and row.get("seq") is None
                    if fresh and max(row["ts"], row.get("sched", 0)) < w.now - self.age:
                        sent = yield ("S read sentinel", lambda: w.read_sent(inst))
                        if rules.sweep_start and (not sent or not names(rules, sent, row["exec"])):
                            yield (
                                f"S put start {inst} {row['exec']}",
                                lambda: w.put("ctl", start_msg(inst, row)),
                            )
                            continue
                    if (rules.sweep_running or rules.zombie_row) and row[
                        "ts"
                    ] < w.now - 2 * K.GRACE:
                        st = yield from self.load(inst)
                        if st.sent and st.sent.get("tomb"):
                            if rules.zombie_row and not (
                                fresh and row["exec"] != st.sent.get("first")
                            ):
                                with contextlib.suppress(Conflict, Missing):
                                    yield (
                                        "S delete zombie row",
                                        lambda: (
                                            w.delete_row(inst, row["etag"]),
                                            w.purged.add(inst),
                                        ),
                                    )
                            continue
                        if rules.sweep_start and fresh and not st.rows:
                            yield (
                                f"S put start {inst} {row['exec']}",
                                lambda: w.put("ctl", start_msg(inst, row)),
                            )
                        if not rules.sweep_running or not st.rows:
                            continue
                        st = yield from self.quiet(inst, st)
                        c = row_cols(st.rows, st.sent, st.row.get("seq") if st.row else None)
                        if (
                            st.row
                            and st.row["exec"] == st.sent["exec"]
                            and (st.row["status"], st.row["result"]) != (c["status"], c["result"])
                        ):
                            with contextlib.suppress(Conflict):
                                yield ("S repair row", lambda: w.write_row(inst, c, st.row["etag"]))
                except Abandon:
                    continue
