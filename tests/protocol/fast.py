"""Our process with the fast path: chains, in-place work, results and messages in memory.

F1 to F9 are README.md's numbers.
"""

from __future__ import annotations

import contextlib

from tests.protocol.model import Abandon, Conflict, K, derive, stretches, terminal
from tests.protocol.procs import (
    Proc,
    St,
    compose,
    has_undone,
    judge,
    label,
    owed,
    run_act,
    superseded,
)


class Held:
    """a message of the queue that this process holds"""

    def __init__(self, q, mid, pop, until):
        self.q, self.mid, self.pop, self.until = q, mid, pop, until
        self.over = self.lost = False


class Run:
    """an activity that runs in this process; held: its message, if it has one"""

    def __init__(self, m, held=None):
        self.m, self.held = m, held
        self.begun = self.revoked = self.dealt = self.over = False


class Delivery:
    """a delivery; of a result in memory, run is where it comes from"""

    def __init__(self, m, held=None, run=None, row=None):
        self.m, self.held, self.run, self.row = m, held, run, row
        self.outcome = None

    @property
    def key(self):
        return self.m["mid"]


class Box:
    def __init__(self):
        self.waiting, self.taken, self.led = [], [], False


class Session:
    def __init__(self, st):
        self.st, self.runs = st, {}
        self.trusted = False


class Chain:
    def __init__(self, ss, above, t0):
        self.ss, self.above, self.t0, self.looked = ss, above, t0, above
        self.moved = t0
        self.by_start = self.urgent = False


class Turn:
    def __init__(self, box):
        self.box, self.batch, self.consumed, self.verd = box, [], set(), {}
        self.chain = None
        self.due = False
        self.since = None
        self.tries = 0

    def take(self, limit=None):
        found = self.box.waiting[:limit]
        self.batch += found
        self.box.taken += found
        del self.box.waiting[: len(found)]

    def judged(self):
        return all(d.key in self.verd for d in self.batch)


class FastProc(Proc):
    freezes = True

    def boot(self, delay=0):
        self.boxes = {}
        self.slots = K.SLOTS
        self.working = []
        self.renews = self.w.ch.pick(2, "renews") == 0  # a lease of our own, or the host's
        Proc.boot(self, delay)

    @property
    def up(self):
        return self.w.now >= self.since

    # ---- messages
    def ctl(self, delay):
        w = self.w
        yield ("sleep", delay)
        while True:
            yield ("waitq", "ctl")
            until = w.now + K.VIS
            try:
                batch = yield ("get", lambda: w.get("ctl", self))
            except Abandon:
                continue
            if w.trace and batch:
                w.tr.append(f"       {self.name} got " + ", ".join(label(m) for m in batch))
            for m in batch:
                h = Held("ctl", m["mid"], m["pop"], until)
                if self.renews:
                    w.spawn(self, self.keep(h), self.name + ".keep")
                self.deliver(Delivery(m, h))

    def receive(self, m, row=None):
        """F7: put leased and delivered at once (one step: a crash between is a put and a crash)."""
        w = self.w
        until = w.now + K.VIS
        mid, pop = w.put("ctl", m, K.VIS)
        w.q["ctl"][mid]["deq"] = 1
        h = Held("ctl", mid, pop, until)
        w.spawn(self, self.keep(h), self.name + ".keep")
        self.deliver(Delivery(dict(w.q["ctl"][mid]), h, row=row))

    def deliver(self, d):
        if self.w.trace:
            self.w.tr.append(
                f"       {self.name} delivers {label(d.m)}{' memory' if d.run else ''}"
            )
        box = self.boxes.setdefault(d.m["dst"], Box())
        box.waiting.append(d)
        if not box.led:
            box.led = True
            self.w.spawn(self, self.lead(d.m["dst"], box), self.name + ".turn")
        elif self.w.ch.pick(3, "patience") == 0:
            self.w.spawn(self, self.patience(box, d), self.name + ".patience")

    def patience(self, box, d):
        """a busy instance's mailbox is left after a while: for the queue"""
        w = self.w
        yield ("wait", lambda: d not in box.waiting, w.now + 60)
        if d in box.waiting:
            box.waiting.remove(d)
            d.outcome = "defer"
            yield from self.settle(d)

    def lead(self, inst, box):
        w = self.w
        while box.waiting:
            yield ("sleep", w.ch.pick(2, "gather") * 3)
            box.taken = []
            with contextlib.suppress(Abandon):
                yield from self.handle(inst, box)
            for d in box.taken:
                if d.outcome is None:
                    d.outcome = "failed"
                if w.trace:
                    w.tr.append(f"       {self.name} #{d.key} {d.outcome}")
                w.spawn(self, self.settle(d), self.name + ".settle")
        box.led = False
        if self.boxes.get(inst) is box:
            del self.boxes[inst]

    def keep(self, h):
        """renew at half time"""
        w = self.w
        while not h.over:
            yield ("wait", lambda: h.over, w.now + K.VIS // 2)
            if h.over:
                return
            at = w.now
            try:
                pop = yield (
                    f"renew #{h.mid}",
                    lambda: None if h.over else w.hide(h.q, h.mid, h.pop, K.VIS),
                )
            except Abandon:
                continue
            if pop is None:
                h.lost = True
                return
            h.pop, h.until = pop, at + K.VIS

    def drop(self, h):
        w = self.w
        h.over = True
        yield (f"delete {h.q} #{h.mid}", lambda: w.delete(h.q, h.mid, h.pop))

    def settle(self, d):
        """step 5, message by message"""
        w, rules = self.w, self.w.rules
        try:
            if d.run:
                if d.outcome != "done" and rules.copy_first:
                    yield from self.put_result(d.m)
                d.run.dealt = True
                if d.run.held:
                    yield from self.drop(d.run.held)
                if d.outcome != "done" and not rules.copy_first:
                    yield from self.put_result(d.m)
            elif d.outcome == "done":
                yield from self.drop(d.held)
            elif d.outcome == "defer" or (d.outcome == "failed" and w.ch.pick(2, "put back") == 0):
                d.held.over = True
                yield (f"defer #{d.key}", lambda: w.hide("ctl", d.key, d.held.pop, 100))
        finally:
            if d.run:
                d.run.over = True  # also when its result was lost: its message then comes back
            for h in (d.held, d.run and d.run.held):
                if h:
                    h.over = True

    def put_result(self, m):
        w = self.w
        tc = {k: m[k] for k in ("dst", "exec", "k", "tid", "val")}
        yield (f"put tc {m['dst']}.{m['tid']}", lambda: w.put("ctl", tc))

    # ---- activities
    def act(self, delay):
        w = self.w
        yield ("sleep", delay)
        while True:
            yield ("waitq", "work")
            until = w.now + K.VIS
            try:
                ms = yield ("get work", lambda: w.get("work", self))
            except Abandon:
                continue
            for m in ms:
                h = Held("work", m["mid"], m["pop"], until)
                if w.rules.renew_run:
                    w.spawn(self, self.keep(h), self.name + ".keep")
                r = Run(m, h)
                self.working.append(r)
                w.spawn(self, self.work(r), self.name + ".act")

    def perform(self, run, where):
        w = self.w
        yield ("wait", lambda: self.slots > 0 or run.revoked, K.NEVER)
        if run.revoked:
            return False
        self.slots -= 1
        run.begun = True
        try:
            yield (f"run {where} {run.m['dst']}.{run.m['tid']}", lambda: run_act(w, run.m))
            t = (
                0,
                0,
                0,
                0,
                30,
                30,
                150,
                K.FLUSH - 8,
                K.FLUSH - 2,
                int(K.GRACE * 1.5),
                int(K.GRACE * 1.5),
                int(K.VIS * 1.2),
            )[w.ch.pick(12, "long")]
            if t:
                yield ("sleep", t)
        finally:
            self.slots += 1
        return True

    def result(self, run):
        m = run.m
        return Delivery(
            {
                "dst": m["dst"],
                "exec": m["exec"],
                "k": "tc",
                "tid": m["tid"],
                "val": m["input"].upper(),
                "mid": self.w.id(),
                "deq": 1,
            },
            run=run,
        )

    def work(self, run):
        """an activity that came out of the queue"""
        w, rules = self.w, self.w.rules
        m = run.m
        try:
            if rules.precheck and w.ch.pick(4, "precheck") == 0:  # (f)
                st = yield from self.load(m["dst"])
                if (
                    st.sent
                    and st.sent.get("exec") == m["exec"]
                    and any(r["t"] == "TC" and r["tid"] == m["tid"] for r in st.rows)
                    and not (
                        rules.precheck_row
                        and (
                            owed(rules, st) is not None
                            or terminal(st.rows) == "CAN"
                            or (not terminal(st.rows) and has_undone(st.rows))
                        )
                    )
                ):
                    yield from self.drop(run.held)
                    return
            yield from self.perform(run, "act")
            if rules.offer and w.ch.pick(4, "offer"):
                self.deliver(self.result(run))
                return  # F6
            yield from self.put_result(self.result(run).m)
            yield from self.drop(run.held)
        except Abandon:
            run.held.over = True
        finally:
            self.working.remove(run)

    def in_place(self, run):
        if (yield from self.perform(run, "IN PLACE")):
            self.deliver(self.result(run))

    # ---- turns
    def handle(self, inst, box):
        w, rules = self.w, self.w.rules
        turn = Turn(box)
        limit = 1 if w.ch.pick(4, "limit") == 0 else None  # what one turn takes at most
        turn.take(limit)
        while turn.tries < 60:
            if (yield from self.attempt(inst, turn)):
                return
            if turn.chain is None:
                turn.tries += 1
                continue
            if terminal(turn.chain.ss.st.rows) == "CAN":
                continue
            due = self.due(turn.chain)
            if w.now < due:
                yield (
                    "wait",
                    lambda: bool(box.waiting) and (rules.join or any(d.run for d in box.waiting)),
                    due,
                )
            if w.now >= due:
                turn.due = True
            turn.take(limit)
            if not turn.due and w.ch.pick(3, "gather") == 0:
                yield ("sleep", 3)
                turn.take(limit)
        w.flag(f"I5 starved in {self.name} {inst}")
        raise Abandon("starved")

    def due(self, ch):
        """F3: sooner while nothing comes back and calls have no place here"""
        due = ch.t0 + K.FLUSH if self.w.rules.flush_in_time else K.NEVER
        waits = any(not run.begun for run in ch.ss.runs.values())
        return min(due, ch.moved + K.SHARE) if waits else due

    def keep_session(self, inst, ss):
        """a session may be let go of at any time: for another one, or because it is old"""
        if not terminal(ss.st.rows) and self.w.ch.pick(6, "evict"):
            self.keep_session(inst, ss)

    def attempt(self, inst, turn):
        w, rules = self.w, self.w.rules
        ss = turn.chain.ss if turn.chain else self.cache.pop(inst, None)
        cached = ss is not None
        try:
            half_done = turn.chain and terminal(ss.st.rows) == "CAN" and rules.half_goes_on
            if turn.chain and turn.due and turn.judged() and not half_done:
                yield from self.flush(inst, turn)
                self.keep_session(inst, ss)
                return self.finish(turn)
            if not cached:
                ss = yield from self.open(inst, turn)
                if ss is None:
                    return True
            return (yield from self.advance(inst, turn, ss, cached))
        except Conflict:
            turn.verd = {i: v for i, v in turn.verd.items() if i in turn.consumed}
            turn.chain = None
            turn.due = False
            if not rules.keep_results:
                for d in turn.batch:
                    if d.run:
                        d.outcome = "done"
                turn.batch = [d for d in turn.batch if not d.run]
            yield ("sleep", 1 + w.ch.pick(3, "lost race") * 15)
            return False

    def open(self, inst, turn):
        w, rules = self.w, self.w.rules
        if rules.trust_row and not turn.tries:  # F8
            for d in turn.batch:
                if d.m["k"] != "start" or (rules.first_only and (d.m["deq"] > 1 or d.m.get("gen"))):
                    continue
                row = d.row or (yield ("read row", lambda: w.read_row(inst)))
                begins = (
                    row is None
                    if d.m.get("parent")
                    else row
                    and row["status"] == "Pending"
                    and row.get("seq") is None
                    and row["exec"] == d.m["exec"]
                    and not (rules.first_only and row.get("gen"))
                )
                if not begins:
                    break
                ss = Session(St([], None, dict(row) if row else None))
                ss.trusted = True
                return ss
        st = yield from self.load(inst)
        if rules.quiet_delete:
            if (
                rules.wait
                and rules.own_grace
                and owed(rules, st) is not None
                and w.now - st.sent["ts"] < K.GRACE
                and w.ch.pick(4, "put off") == 0
            ):
                for d in turn.batch:
                    d.outcome = "defer"  # R3: not even what was consumed may be deleted
                return None
            st = yield from self.quiet(inst, st)
        if rules.leased:  # R7
            late = [
                d
                for d in turn.batch
                if d.key not in turn.consumed and d.held and w.now >= d.held.until
            ]
            for d in late:
                d.outcome = "late"
            turn.batch = [d for d in turn.batch if d not in late]
        return Session(st)

    def advance(self, inst, turn, ss, cached):
        w, rules = self.w, self.w.rules
        st = ss.st
        p = judge(
            w, rules, inst, st, [d.m for d in turn.batch if d.key not in turn.consumed], cached
        )
        if p is None:
            if turn.chain and rules.fresh_flush:
                yield from self.flush(inst, turn)
            turn.chain = None
            return False
        start, half, applied, verdicts = p
        turn.verd.update((m["mid"], v) for m, v in verdicts)
        todo = (
            rules.undone
            and not superseded(rules, st)
            and not cached
            and st.rows
            and terminal(st.rows) is None
            and has_undone(st.rows)
        )
        if not applied and not start and not half and not todo:
            if turn.chain:
                return False
            self.keep_session(inst, ss)
            return self.finish(turn)
        if start and rules.row_after and st.sent and not start.get("parent"):  # R6
            r2 = yield ("row again", lambda: w.read_row(inst))
            if (r2 or {}).get("etag") != (st.row or {}).get("etag"):
                return False
        yield from self.commit(inst, turn, ss, start, half, applied, verdicts)
        if turn.chain or terminal(ss.st.rows) == "CAN":
            return False
        return self.finish(turn)

    def commit(self, inst, turn, ss, start, half, applied, verdicts):
        w, rules = self.w, self.w.rules
        st, ch = ss.st, turn.chain
        if ch:  # F5
            _, _, isnew, can, _ = compose(w, rules, self, inst, st, start, half, applied)
            if can or isnew:
                done = {m.get("tid") for m in applied if m["k"] in ("tc", "subdone", "fired")}
                owes = any(m.get("tid") not in done for _, m in self.owes(ch))
                if owes and rules.flush_first:
                    yield from self.flush(inst, turn)
                    ch = None
                if ch and isnew:
                    ch.above = ch.looked = 0
        ss.st, above, can, isnew = yield from self.checkpoint(
            inst,
            st,
            start,
            half,
            applied,
            ch is not None,
            rules.insert or not ss.trusted,
        )
        ss.trusted = False
        if isnew and rules.runs_by_exec:
            ss.runs = {}
        if ch is None:
            turn.since = turn.since or w.now
            ch = turn.chain = Chain(ss, above, turn.since)
        turn.consumed |= {m["mid"] for m, v in verdicts if v == "apply"}
        ch.by_start = ch.by_start or bool(start)
        if not rules.row_before_delete:
            for d in turn.batch:
                if d.key in turn.consumed and d.held:
                    yield from self.drop(d.held)
        if can and not rules.half_row:
            if rules.half_sent:
                yield from self.send_owed(ch)
            else:
                ch.above = ch.looked = len(stretches(ss.st.rows))
        elif can or not self.goes_on(inst, turn, ch):
            yield from self.flush(inst, turn)
            self.keep_session(inst, ss)

    def owes(self, ch):
        return derive(ch.ss.st.rows, ch.above, ch.ss.st.sent["seq"])

    def goes_on(self, inst, turn, ch):
        """F1: begin in place what the last checkpoint decided; whether the chain may wait for it"""
        w, rules = self.w, self.w.rules
        ss, st = ch.ss, ch.ss.st
        ch.moved = w.now
        have = {(r["exec"], r["tid"]) for r in st.rows if r["t"] == "TC"}
        for k in [k for k in ss.runs if k in have]:
            del ss.runs[k]
        new = derive(st.rows, ch.looked, st.sent["seq"])
        ch.looked = len(stretches(st.rows))
        full = w.ch.pick(6, "room") == 0
        for q, m in new:
            if (
                q == "work"
                and not (full and w.ch.pick(2, "here"))
                and (rules.many or len(new) == 1)
            ):
                run = Run(m)
                ss.runs[m["exec"], m["tid"]] = run
                w.spawn(self, self.in_place(run), self.name + ".inplace")
            elif not (rules.many and m["k"] == "fired" and m["at"] > w.now + 2 * K.FLUSH):
                ch.urgent = True
        if ch.urgent or terminal(st.rows):
            return False
        there = rules.catch_up and any(d.run for d in turn.box.waiting)
        if w.now >= self.due(ch) and not (there and w.now < ch.t0 + K.CATCH_UP):
            return False
        if not ss.runs and not any(r.m["dst"] == inst for r in self.working):
            return False
        return w.ch.pick(10, "crowded") != 0 and any(self.holds(d) for d in turn.batch)

    def holds(self, d):
        """(a), F9: a message that leads back here, and is still this process's"""
        h = d.held or d.run.held
        return bool(h) and (not self.w.rules.own_lease or self.w.now < h.until - 1)

    def flush(self, inst, turn):
        """F3"""
        ch = turn.chain
        yield from self.send_owed(ch)
        if not ch.by_start and superseded(self.w.rules, ch.ss.st):
            raise Conflict("superseded")
        yield from self.show(inst, ch.ss.st)
        turn.chain = None
        turn.due = False

    def send_owed(self, ch):
        w, rules = self.w, self.w.rules
        ss = ch.ss
        yield ("sleep", 0)
        for k, run in list(ss.runs.items()):
            if not run.begun:
                run.revoked = rules.revoke
                del ss.runs[k]
        for q, m in self.owes(ch):
            run = ss.runs.get((m["exec"], m["tid"])) if q == "work" else None
            if not rules.runs_by_exec and q == "work":
                run = next((r for k, r in ss.runs.items() if k[1] == m["tid"]), None)
            if run and rules.leased_put:
                yield from self.hold(run)
            elif (
                q == "ctl"
                and rules.hand_over
                and m.get("at", 0) <= w.now
                and w.ch.pick(2, "hand over")
            ):
                yield from self.send([(q, m)], self.receive)  # F7
            else:
                yield from self.send([(q, m)])
        ch.above = ch.looked = len(stretches(ss.st.rows))

    def send(self, msgs, how=None):
        w = self.w
        for q, m in msgs:

            def f(q=q, m=m):
                if m["cause"] not in w.committed:
                    w.flag(f"I1 message {m['k']} of undecided {m['cause']} left")
                w.sends[(m["k"], m["cause"], m.get("ident"))] += 1
                return how(m) if how else w.put(q, m)

            yield (
                f"{'hand over' if how else 'put'} {label(m)} {m['dst']}",
                f,
            )

    def hold(self, run):
        """the message of an activity that runs here, leased from the start"""
        w, rules = self.w, self.w.rules
        until = w.now + K.VIS

        def f():
            w.sends[("work", run.m["cause"], None)] += 1
            return w.put("work", run.m, K.VIS)

        mid, pop = yield (f"put work LEASED {run.m['dst']}.{run.m['tid']}", f)
        run.held = Held("work", mid, pop, until)
        if run.dealt:
            yield from self.drop(run.held)
        elif rules.renew_run and not run.over:
            w.spawn(self, self.keep(run.held), self.name + ".keep")
        if not rules.held_last:
            yield from self.drop(run.held)

    def finish(self, turn):
        if not turn.judged():
            return False
        for d in turn.batch:
            d.outcome = "defer" if turn.verd[d.key] == "defer" else "done"
        return True
