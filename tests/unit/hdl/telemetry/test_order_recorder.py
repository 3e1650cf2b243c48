"""Records of the life of orders."""

import random

from hdl.orders import AnswerKind, IntentKind
from hdl.profile import Profile
from hdl.telemetry.order_recorder import OrderRecorder
from proto.events import EVENTS, HEADER, NO_SYMBOL, AnswerCode, EventKind, OrderFlag, StateFlag
from tests.support.record_rows import records_of
from tests.support.streams import always, collect, run, stalls

PROFILE = Profile(name="test", symbols=4, window_ticks=64, orders=64, frame_buffer_bytes=2048,
                  tcp_ring_bytes=1024, event_ring_bytes=16384)
INGRESS = 3


def context_of(tag: int) -> dict:
    return {"sequence": 10**15 + tag, "start_cycles": 1000 + tag}


def decode(value: int) -> dict:
    record = value.to_bytes(64, "little")
    return EVENTS[EventKind(HEADER.decode(record[:HEADER.size])["kind"])].decode(record)


class Bench:
    """Drive a recorder; keep what must be recorded."""

    def __init__(self, go=always, profile=PROFILE):
        self.dut = OrderRecorder(profile, ingress_cycles=INGRESS)
        self.go = go
        self.cycle = 0
        self.out: list = []
        self.lost = 0
        self.measured: list[int] = []
        self.cycles: list[int] = []

    @property
    def records(self) -> list[dict]:
        return [decode(value) for _, value in records_of(self.out)]

    async def step(self, ctx, count=1):
        dut = self.dut
        for _ in range(count):
            ctx.set(dut.now_cycles, self.cycle)
            ctx.set(dut.now_ns, 7 * self.cycle)
            tag = ctx.get(dut.context_tag)
            if ctx.get(dut.measured):
                self.measured.append(ctx.get(dut.latency_cycles))
            await ctx.tick()
            ctx.set(dut.context, context_of(tag))
            self.lost += ctx.get(dut.lost)
            self.cycle += 1
            for stream in (dut.sent, dut.verdicts, dut.answers):
                ctx.set(stream.valid, 0)
            ctx.set(dut.decided, 0)

    def send(self, ctx, rng, *, tag, start, kind=IntentKind.ENTER):
        """Let an order begin in this cycle; return its record but for the decision."""
        dut = self.dut
        number, quantity, price = rng.getrandbits(32), rng.getrandbits(20), rng.getrandbits(32)
        score, epoch, version = rng.randrange(-2**31, 2**31), rng.getrandbits(16), 5
        side, waited = rng.randrange(2), rng.randrange(2)
        ctx.set(dut.sent.payload, {
            "symbol_index": 2, "tag": tag, "start_cycles": start, "kind": kind, "side": side,
            "quantity": quantity, "price": price, "user_ref_num": number,
            "egress_cycles": self.cycle})
        ctx.set(dut.verdicts.payload, {"intent": {"score": score, "epoch": epoch},
                                       "limits_version": version, "waited": waited, "mask": 0})
        ctx.set(dut.sent.valid, 1)
        ctx.set(dut.verdicts.valid, 1)
        return {
            "kind": EventKind.ORDER_SENT, "symbol_index": 2, "cycle": self.cycle,
            "ingress_cycle": start, "user_ref_num": number, "quantity": quantity, "price": price,
            "score": score, "epoch": epoch, "limits_version": version,
            "latency": min(self.cycle - start + INGRESS, 0xFFFF) if start else 0,
            "flags": int(OrderFlag.SELL * side | OrderFlag.WAITED * waited
                         | OrderFlag.CANCEL * (kind is IntentKind.CANCEL))}

    def answer(self, ctx, rng):
        """Let an answer come in this cycle; return its record."""
        kind = rng.choice(list(AnswerKind))
        fields = {"user_ref_num": rng.getrandbits(32), "quantity": rng.getrandbits(32),
                  "price": rng.getrandbits(32), "order_reference": rng.getrandbits(64),
                  "reason": rng.getrandbits(16)}
        venue, sequence = rng.getrandbits(60), rng.getrandbits(64)
        ctx.set(self.dut.answers.payload, {"kind": kind, **fields, "timestamp_ns": venue,
                                           "sequence": sequence})
        ctx.set(self.dut.answers.valid, 1)
        return {"kind": EventKind.VENUE_ANSWER, "symbol_index": NO_SYMBOL, "cycle": self.cycle,
                "now_ns": 7 * self.cycle, "venue_ns": venue, "session_sequence": sequence,
                "answer": AnswerCode[kind.name].value, **fields}

    def run(self, scenario):
        async def bench(ctx):
            await scenario(ctx)
            while not ctx.get(self.dut.empty):
                await self.step(ctx)
            await self.step(ctx, 3)

        async def collector(ctx):
            def ready():                # a test may change `go` on the way
                return self.go()

            await collect(ctx, self.dut.events, self.out, ready)

        run(self.dut, bench, background=[collector], cycles=8000)


def same(record: dict, expected: dict) -> None:
    assert {name: record[name] for name in expected} == expected
    assert record["schema_version"] == 1


def test_answer_codes_are_those_of_the_hardware():
    assert {kind.name: kind.value for kind in AnswerKind} == {
        code.name: code.value for code in AnswerCode}


def test_order_tells_its_whole_way_after_six_cycles():
    bench = Bench()
    wanted = []

    async def scenario(ctx):
        rng = random.Random(1)
        await bench.step(ctx, 1050)
        ctx.set(bench.dut.decided, 1)
        decided = bench.cycle
        await bench.step(ctx, 3)
        wanted.append({**bench.send(ctx, rng, tag=9, start=1009), "decision_cycle": decided,
                       "feed_sequence": 10**15 + 9})
        await bench.step(ctx)
        ctx.set(bench.dut.decided, 1)       # of the next order: must not be taken for this one's
        decided = bench.cycle
        await bench.step(ctx, 17)
        # Its context has been used again: no sequence number is better than a wrong one.
        wanted.append({**bench.send(ctx, rng, tag=9, start=1041), "decision_cycle": decided,
                       "feed_sequence": 0})
        await bench.step(ctx, 17)
        wanted.append({**bench.send(ctx, rng, tag=0, start=0, kind=IntentKind.CANCEL),
                       "decision_cycle": 0, "feed_sequence": 0})
        await bench.step(ctx, 17)

    bench.run(scenario)
    records = bench.records
    assert len(records) == 3
    for number, (record, expected) in enumerate(zip(records, wanted, strict=True)):
        same(record, {**expected, "event_sequence": number})
    assert bench.out[0][0] == wanted[0]["cycle"] + 6
    assert bench.measured == [record["latency"] for record in records[:2]]
    assert bench.lost == 0


def test_state_is_recorded_when_it_changes():
    bench = Bench()

    async def scenario(ctx):
        await bench.step(ctx, 10)
        ctx.set(bench.dut.cash, -5)
        ctx.set(bench.dut.state, {"armed": 1, "session_up": 1, "epoch": 4})
        await bench.step(ctx, 5)
        ctx.set(bench.dut.cash, -6)         # of no interest by itself
        await bench.step(ctx, 5)
        ctx.set(bench.dut.state, {"killed": 1, "session_up": 1, "epoch": 4, "cause": 0b1000001,
                                  "reject_reason": 65})
        await bench.step(ctx, 5)

    bench.run(scenario)
    first, second = bench.records
    same(first, {"kind": EventKind.STATE, "cash": -5, "epoch": 4, "cycle": 10,
                 "flags": int(StateFlag.ARMED | StateFlag.SESSION_UP)})
    same(second, {"kind": EventKind.STATE, "cash": -6, "cause": 0b1000001, "cycle": 20,
                  "reject_reason": 65, "flags": int(StateFlag.KILLED | StateFlag.SESSION_UP)})


def test_nothing_is_lost_when_all_come_at_once():
    bench = Bench(go=stalls(6, 0.7))
    rng = random.Random(7)
    orders, answers = [], []
    refusals = changes = 0

    async def scenario(ctx):
        nonlocal refusals, changes
        await bench.step(ctx, 1100)
        for number in range(50):
            orders.append(bench.send(ctx, rng, tag=1, start=1001))
            answers.append(bench.answer(ctx, rng))
            ctx.set(bench.dut.state, {"epoch": number + 1})
            changes += 1
            await bench.step(ctx)
            for n in range(8):
                ctx.set(bench.dut.verdicts.payload, {"mask": 1 << rng.randrange(3),
                                                     "intent": {"symbol_index": n % 4}})
                ctx.set(bench.dut.verdicts.valid, 1)
                refusals += 1
                await bench.step(ctx, 2)
            await bench.step(ctx, 70)

    bench.run(scenario)
    records = bench.records
    assert bench.lost == 0
    assert [record["event_sequence"] for record in records] == list(range(len(records)))

    def of(kind):
        return [record for record in records if record["kind"] == kind]

    for got, wanted in ((of(EventKind.ORDER_SENT), orders), (of(EventKind.VENUE_ANSWER), answers)):
        assert len(got) == len(wanted)
        for record, expected in zip(got, wanted, strict=True):
            same(record, expected)
    assert sum(record["count"] for record in of(EventKind.ORDER_REFUSED)) == refusals
    assert [record["epoch"] for record in of(EventKind.STATE)] == list(range(1, changes + 1))


def test_a_host_that_does_not_read_is_told_before_anything_is_lost():
    bench = Bench(go=lambda: False)
    depth = PROFILE.event_ring_bytes // 64 // 4

    async def scenario(ctx):
        rng = random.Random(8)
        told, number = None, 0
        for number in range(depth + 10):
            bench.answer(ctx, rng)
            await bench.step(ctx, 4)
            if told is None and ctx.get(bench.dut.nearly_full):
                told = number
            if bench.lost:
                break
        assert told is not None and number - told >= depth // 2 - 2
        bench.go = always

    bench.run(scenario)
    assert bench.lost == 1
