"""Records of top-of-book changes."""

import random

import pytest

from hdl.profile import Profile
from hdl.records import TopOfBook
from hdl.telemetry.counters import CounterBank
from hdl.telemetry.event_recorder import EventRecorder
from proto.events import TOP_OF_BOOK
from tests.support.record_rows import records_of
from tests.support.streams import always, collect, run, stalls

PROFILE = Profile(name="test", symbols=4, window_ticks=64, orders=64, frame_buffer_bytes=2048,
                  tcp_ring_bytes=1024, event_ring_bytes=512)


def random_top(rng: random.Random) -> dict:
    def level():
        return {"price": rng.getrandbits(32), "quantity": rng.getrandbits(32),
                "count": rng.getrandbits(16)}
    return {"symbol_index": rng.randrange(4), "tag": rng.randrange(32), "bid": level(),
            "ask": level(), "changed": rng.random() < 0.7, "stale": rng.getrandbits(1),
            "incomplete": rng.getrandbits(1)}


def context_of(tag: int) -> dict:
    return {"sequence": 10**15 + tag, "timestamp_ns": 34_200_000_000_000 + tag,
            "start_cycles": 1000 + tag, "locate": 300 + tag}


def simulate(tops, go, gap):
    """Return (cycle of transfer of each changed top, records with their cycle, drops)."""
    dut = EventRecorder(PROFILE)
    sent, out, drops = [], [], []
    states = [0b0000000, 0b0000100, 0b1000000, 0b0011000]

    async def contexts(ctx):
        while True:
            _, _, tag = await ctx.tick().sample(dut.context_tag)
            ctx.set(dut.context, context_of(tag))

    async def clock(ctx):
        cycle = 0
        while True:
            ctx.set(dut.now_cycles, cycle)
            _, _, dropped = await ctx.tick().sample(dut.stat_dropped)
            drops.append(dropped)
            cycle += 1

    async def collector(ctx):
        await collect(ctx, dut.events, out, go)

    async def bench(ctx):
        ctx.set(dut.trading_state, states)
        cycle = 0
        for top in tops:
            ctx.set(dut.top_of_book.payload, top)
            ctx.set(dut.top_of_book.valid, 1)
            await ctx.tick()
            sent.append(cycle)
            cycle += 1
            ctx.set(dut.top_of_book.valid, 0)
            wait = gap()
            await ctx.tick().repeat(wait) if wait else None
            cycle += wait
        await ctx.tick().repeat(20)
        while not ctx.get(dut.empty):
            await ctx.tick()

    run(dut, bench, background=[contexts, clock, collector])
    records = [(c, TOP_OF_BOOK.decode(v.to_bytes(64, "little"))) for c, v in records_of(out)]
    return sent, records, sum(drops)


def expected(top, number, cycle):
    context = context_of(top["tag"])
    extra = [0b0000000, 0b0000100, 0b1000000, 0b0011000][top["symbol_index"]]
    return {
        "schema_version": 1, "kind": 1, "symbol_index": top["symbol_index"],
        "event_sequence": number, "cycle": cycle + 2, "feed_sequence": context["sequence"],
        "ts_ns": context["timestamp_ns"], "locate": context["locate"],
        "state": extra | top["stale"] | top["incomplete"] << 1,
        "bid_price": top["bid"]["price"], "bid_quantity": top["bid"]["quantity"],
        "ask_price": top["ask"]["price"], "ask_quantity": top["ask"]["quantity"],
        "bid_count": top["bid"]["count"], "ask_count": top["ask"]["count"],
        "ingress_cycle": context["start_cycles"],
    }


@pytest.mark.parametrize(("seed", "go"), [(1, always), (2, stalls(2, 0.3))])
def test_changed_tops_become_records(seed, go):
    rng = random.Random(seed)
    tops = [random_top(rng) for _ in range(100)]
    sent, records, drops = simulate(tops, go, lambda: rng.choice([1, 5, 20]) if go is always
                                    else rng.choice([10, 20]))
    wanted = [(t, c) for t, c in zip(tops, sent, strict=True) if t["changed"]]
    assert drops == 0
    assert [r for _, r in records] == [expected(t, n, c) for n, (t, c) in enumerate(wanted)]


def test_latency():
    rng = random.Random(5)
    top = random_top(rng) | {"changed": 1}
    sent, records, _ = simulate([top], always, lambda: 0)
    assert records[0][0] - sent[0] == 6


def test_full_ring_drops_counts_and_uses_up_sequence_numbers():
    rng = random.Random(6)
    tops = [random_top(rng) | {"changed": 1} for _ in range(40)]
    gate = iter([False] * 60)
    sent, records, drops = simulate(tops, lambda: next(gate, True), lambda: 0)
    assert drops > 0 and len(records) + drops == 40
    for _, record in records:
        number = record["event_sequence"]
        assert record == expected(tops[number], number, sent[number])
    assert len({r["event_sequence"] for _, r in records}) == len(records)


def test_layout_of_top_of_book_is_the_profiles():
    assert EventRecorder(PROFILE).top_of_book.payload.shape() == TopOfBook(PROFILE)


@pytest.mark.parametrize("widths", [[], [1, 0]])
def test_counter_bank_checks_its_widths(widths):
    with pytest.raises(ValueError, match="widths"):
        CounterBank(widths)


def test_counter_bank_starts_at_zero_after_reset_and_reads_after_two_cycles():
    dut = CounterBank([1, 3, 1])

    async def bench(ctx):
        for _ in range(7):
            ctx.set(dut.counts, 0b10110)
            await ctx.tick()
        ctx.set(dut.counts, 0)
        await ctx.tick().repeat(2 * 4 + 3)
        for number, total in enumerate([0, 21, 7]):
            ctx.set(dut.address, number)
            await ctx.tick().repeat(2)
            assert ctx.get(dut.data) == total

    run(dut, bench)
