"""Refusals in a row as one record."""

import random
from itertools import pairwise

import pytest

from hdl.orders import IntentKind, TimeInForce
from hdl.profile import Profile
from hdl.telemetry.refusal_journal import RefusalJournal
from proto.checks import Check
from proto.events import NO_SYMBOL, OrderFlag
from tests.support.streams import run

PROFILE = Profile(name="test", symbols=4, window_ticks=64, orders=64, frame_buffer_bytes=2048,
                  tcp_ring_bytes=1024, event_ring_bytes=2048)
STOPS = Check.DISARMED.mask | Check.KILLED.mask


def verdict(rng: random.Random, *, calm: bool) -> dict:
    kind = IntentKind.CANCEL if rng.random() < 0.1 else IntentKind.ENTER
    mask = rng.choice([Check.COLLAR.mask, Check.POSITION.mask, Check.DISARMED.mask, STOPS,
                       STOPS | Check.BOOK.mask, 0])
    return {
        "intent": {
            "symbol_index": 1 if calm else rng.randrange(4), "start_cycles": rng.getrandbits(40),
            "kind": kind, "side": 0 if calm else rng.randrange(2),
            "quantity": rng.getrandbits(20), "price": rng.getrandbits(32),
            "time_in_force": TimeInForce.DAY if rng.random() < 0.2 else TimeInForce.IOC,
            "score": rng.randrange(-2**31, 2**31), "epoch": rng.getrandbits(16)},
        "mask": Check.SESSION.mask if kind is IntentKind.CANCEL and mask else mask,
        "limits_version": rng.getrandbits(16),
        "state": {"reference": rng.getrandbits(32), "worst_long": rng.randrange(-2**40, 2**40),
                  "worst_short": rng.randrange(-2**31, 2**31), "open_orders": rng.getrandbits(10)},
        "waited": rng.getrandbits(1),
    }


def wanted(item: dict) -> dict:
    """Return what a refusal alone must be reported as."""
    intent, state = item["intent"], item["state"]
    selling = intent["side"] == 1
    worst = state["worst_short" if selling else "worst_long"]
    flags = (OrderFlag.SELL * selling | OrderFlag.WAITED * item["waited"]
             | OrderFlag.CANCEL * (intent["kind"] is IntentKind.CANCEL)
             | OrderFlag.DAY * (intent["time_in_force"] is TimeInForce.DAY))
    return {
        "symbol_index": intent["symbol_index"], "ingress_cycle": intent["start_cycles"],
        "mask": item["mask"], "quantity": intent["quantity"], "price": intent["price"],
        "score": intent["score"] % 2**32, "reference_price": state["reference"],
        "worst_position": max(-2**31, min(2**31 - 1, worst)) % 2**32, "count": 1,
        "open_orders": state["open_orders"], "limits_version": item["limits_version"],
        "epoch": intent["epoch"], "flags": int(flags)}


def alike(a: dict, b: dict) -> bool:
    cancels = [bool(r["flags"] & OrderFlag.CANCEL) for r in (a, b)]
    if all(cancels) or (not any(cancels) and a["mask"] & STOPS and b["mask"] & STOPS):
        return True
    return all(a[name] == b[name] for name in ("symbol_index", "mask")) and \
        a["flags"] & ~OrderFlag.WAITED == b["flags"] & ~OrderFlag.WAITED


def simulate(items, gaps, *, flush=lambda cycle: False, ready=lambda: True):
    """Return (cycle sent of each refusal, (cycle, record) reported, number lost)."""
    dut = RefusalJournal(PROFILE)
    sent, out = [], []
    lost = cycle = 0

    async def bench(ctx):
        nonlocal lost, cycle

        async def tick(last=False):
            nonlocal lost, cycle
            take = ready()
            ctx.set(dut.refusals.ready, take)
            ctx.set(dut.flush, last or flush(cycle))
            if ctx.get(dut.refusals.valid) and take:
                record = ctx.get(dut.refusals.payload)
                out.append((cycle, {name: record[name] % 2**64 if name != "score"
                                    else record[name] % 2**32
                                    for name in wanted(items[0])}))
            await ctx.tick()
            lost += ctx.get(dut.lost)
            cycle += 1

        for item, gap in zip(items, gaps, strict=True):
            ctx.set(dut.verdicts.payload, item)
            ctx.set(dut.verdicts.valid, 1)
            if item["mask"]:
                sent.append((cycle, wanted(item)))
            await tick()
            ctx.set(dut.verdicts.valid, 0)
            for _ in range(gap):
                await tick()
        while not ctx.get(dut.empty):
            await tick(last=True)

    run(dut, bench)
    return sent, out, lost


@pytest.mark.parametrize(("seed", "calm", "chance"), [(1, False, 0), (2, True, 0), (3, True, 0.1)])
def test_every_refusal_is_in_exactly_one_record(seed, calm, chance):
    rng = random.Random(seed)
    items = [verdict(rng, calm=calm) for _ in range(300)]
    gaps = [rng.choice([1, 1, 2, 10]) for _ in items]
    sent, out, lost = simulate(items, gaps, flush=lambda cycle: rng.random() < chance)
    assert lost == 0
    at = 0
    previous = None
    for cycle, record in out:
        part = sent[at:at + record["count"]]
        at += record["count"]
        last = part[-1][1]
        mask = 0
        for _, refusal in part:
            assert alike(refusal, last)
            mask |= refusal["mask"]
        symbols = {refusal["symbol_index"] for _, refusal in part}
        assert record == {**last, "mask": mask, "count": len(part),
                          "symbol_index": symbols.pop() if len(symbols) == 1 else NO_SYMBOL}
        if previous is None or not alike(previous, part[0][1]):
            assert len(part) == 1 and cycle in (part[0][0] + 2, part[0][0] + 3)
        previous = last
    assert at == len(sent)
    assert len(out) < len(sent)


def test_a_series_is_reported_with_each_flush():
    rng = random.Random(4)
    item = {**verdict(rng, calm=True), "mask": 2}
    _, out, lost = simulate([item] * 200, [1] * 200, flush=lambda cycle: cycle % 64 == 0)
    assert lost == 0 and sum(record["count"] for _, record in out) == 200
    assert out[0][1]["count"] == 1 and len(out) <= 2 + 400 // 64
    assert all(b - a <= 64 for (a, _), (b, _) in pairwise(out))


def test_what_is_not_taken_in_time_is_reported_lost():
    rng = random.Random(5)
    items = [{**verdict(rng, calm=True), "mask": 1 << n % 3} for n in range(30)]
    _, _, lost = simulate(items, [0] * 30, ready=lambda: rng.random() < 0.2)
    assert lost > 0
