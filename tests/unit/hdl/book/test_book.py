"""Books against a plain dictionary of orders, under random operations."""

import random
from dataclasses import dataclass, field, replace

import pytest

from hdl.book.book import Book
from hdl.book.tick import reciprocal
from hdl.profile import Profile
from hdl.records import OperationKind, Side
from proto.features import DEPTH_LEVELS
from tests.support.streams import always, offer_announced, run, stalls

SMALL = Profile(name="small", symbols=2, window_ticks=64, orders=256, cached_levels=4,
                frame_buffer_bytes=4096, tcp_ring_bytes=4096, event_ring_bytes=4096)
DEEP = replace(SMALL, cached_levels=6)


@dataclass
class Reference:
    """Orders of all symbols, and the best level of each side worked out from them."""

    orders: dict = field(default_factory=dict)      # (symbol, reference) -> [side, price, shares]

    def apply(self, op: dict) -> None:
        key = (op["symbol_index"], op["reference"])
        kind = op["kind"]
        if kind == OperationKind.ADD:
            self.orders[key] = [op["side"], op["price"], op["shares"]]
        elif key not in self.orders:
            return
        elif kind == OperationKind.REDUCE:
            order = self.orders[key]
            order[2] -= min(op["shares"], order[2])
            if order[2] == 0:
                del self.orders[key]
        elif kind == OperationKind.DELETE:
            del self.orders[key]
        else:
            side, _, _ = self.orders.pop(key)
            self.orders[op["symbol_index"], op["new_reference"]] = [
                side, op["price"], op["shares"]]

    def top(self, symbol: int) -> tuple:
        result = []
        for side, best in ((Side.BUY, max), (Side.SELL, min)):
            mine = [(p, q) for (s, _), (d, p, q) in self.orders.items()
                    if s == symbol and d == side]
            price = best((p for p, _ in mine), default=0)
            at = [q for p, q in mine if p == price]
            result.append((price, sum(at), len(at)))
        return tuple(result)

    def levels(self, symbol: int, side: Side) -> list:
        """Return (price, shares) of the five best levels of a side."""
        found: dict = {}
        for (s, _), (d, p, q) in self.orders.items():
            if (s, d) == (symbol, side):
                found[p] = found.get(p, 0) + q
        return sorted(found.items(), reverse=side == Side.BUY)


def random_operations(rng: random.Random, count: int, *, spread: int, tick: int,
                      live: int, jump: float = 0.0) -> list:
    """Make operations round a wandering price; `spread` ticks wide, up to `live` orders."""
    reference = Reference()
    operations = []
    centre = 5000
    fresh = 1
    while len(operations) < count:
        symbol = rng.randrange(2)
        centre = max(spread + 1, centre + rng.randrange(-2, 3))
        if rng.random() < jump:
            centre = rng.randrange(spread + 1, 20000)
        mine = [r for s, r in reference.orders if s == symbol]
        kind = rng.choice([OperationKind.ADD] * 4 + [OperationKind.REDUCE] * 2 +
                          [OperationKind.DELETE] * 2 + [OperationKind.REPLACE] * 2)
        if len(mine) > live:
            kind = OperationKind.DELETE
        side = rng.choice([Side.BUY, Side.SELL])
        away = int(abs(rng.gauss(0, spread / 2)))
        price = (centre - away if side == Side.BUY else centre + away) * tick
        op = {"kind": kind, "symbol_index": symbol, "tag": len(operations) % 32,
              "reference": fresh * 0x9E3779B97F4A7C15 % 2**64, "new_reference": 0,
              "side": side, "shares": rng.randrange(1, 400), "price": max(price, tick)}
        if kind != OperationKind.ADD:
            if not mine:
                continue
            # Mostly an order at, or near, the touch: that is where the work is.
            if rng.random() < 0.7:
                mine.sort(key=lambda r: (reference.orders[symbol, r][0] == Side.BUY,
                                         -reference.orders[symbol, r][1]
                                         if reference.orders[symbol, r][0] == Side.BUY
                                         else reference.orders[symbol, r][1]))
                mine = mine[:3]
            op["reference"] = rng.choice(mine)
            op["new_reference"] = fresh * 0x9E3779B97F4A7C15 % 2**64
            order = reference.orders[symbol, op["reference"]]
            if kind == OperationKind.REDUCE:
                op["shares"] = rng.choice([order[2], rng.randrange(1, order[2] + 1)])
            if kind == OperationKind.REPLACE:
                op["side"] = order[0]
                price = (centre - away if order[0] == Side.BUY else centre + away) * tick
                op["price"] = rng.choice([max(price, tick), order[1]])
        fresh += 1
        reference.apply(op)
        operations.append(op)
    return operations


async def write_ticks(ctx, dut: Book, tick: int) -> None:
    """Give every symbol this tick size."""
    divider = reciprocal(tick)
    for symbol in range(2):
        ctx.set(dut.tick_symbol, symbol)
        ctx.set(dut.tick, {"tick_size": tick, "multiplier": divider.multiplier,
                           "exponent": divider.exponent})
        ctx.set(dut.tick_write, 1)
        await ctx.tick()
    ctx.set(dut.tick_write, 0)


def replay(operations: list, *, hold: bool, go=always, tick: int = 100,
           cycles: int = 200_000, one_by_one: bool = False, profile: Profile = SMALL) -> tuple:
    """Run operations through a book; return its published tops and the state at the end.

    Its state has also what was published of sides: (events so far, payload).
    """
    dut = Book(profile)
    out = []
    final = {}

    async def bench(ctx):
        await write_ticks(ctx, dut, tick)
        ctx.set(dut.cfg_hold, hold)
        ctx.set(dut.cfg_one_by_one, one_by_one)
        await ctx.tick().until(dut.ready)
        for op, behind in zip(operations, [*operations[1:], None], strict=True):
            while not go():
                await ctx.tick()
            await offer_announced(ctx, dut, op, behind)
            ctx.set(dut.ahead, {"load": 0, "near": 0})
        await ctx.tick().repeat(20)
        await ctx.tick().until(dut.idle)
        await ctx.tick().repeat(5)
        final["stale"] = ctx.get(dut.stale)
        final["incomplete"] = ctx.get(dut.incomplete)
        final["counts"] = counts

    counts = dict.fromkeys(dut.stats, 0)

    async def watch(ctx):
        signals = [getattr(dut, name) for name in dut.stats]
        final["sides"] = []
        coming = None
        taken = 0
        while True:
            (_, _, idle, takes, valid, payload, shows, side, symbol, tag,
             *stats) = await ctx.tick().sample(
                dut.idle, dut.operations.valid & dut.operations.ready,
                dut.top_of_book.valid, dut.top_of_book.payload, dut.sides.valid, dut.sides.payload,
                dut.next_symbol, dut.next_tag, *signals)
            assert not (taken and idle), "an operation has just been taken"
            taken = takes
            assert not valid or coming == (payload.symbol_index, payload.tag)
            coming = symbol, tag
            if shows:
                final["sides"].append(side)
            for name, value in zip(dut.stats, stats, strict=True):
                counts[name] += value
            if valid:
                out.append(payload)

    run(dut, bench, background=[watch], cycles=cycles)
    return out, final


def sides(top) -> tuple:
    return tuple((int(level.price), int(level.quantity), int(level.count))
                 for level in (top.bid, top.ask))


@pytest.mark.parametrize(("seed", "spread", "jump", "live", "chance"), [
    (1, 12, 0.0, 30, 1.0), (2, 40, 0.0, 60, 1.0), (3, 12, 0.02, 30, 1.0),
    (4, 3, 0.0, 12, 0.3), (5, 30, 0.05, 40, 0.3),
])
def test_every_event_is_exact_when_held(seed, spread, jump, live, chance):
    operations = random_operations(random.Random(seed), 600, spread=spread, tick=100, live=live,
                                   jump=jump)
    tops, final = replay(operations, hold=True, go=stalls(seed, chance))
    reference = Reference()
    latest = {}
    position = 0
    for op in operations:
        before = reference.top(op["symbol_index"])
        reference.apply(op)
        want = reference.top(op["symbol_index"])
        changed = [w[:2] for w in want] != [b[:2] for b in before]
        # A side in rebuild is published as stale first, then as it is.
        while not tops[position].exact and tops[position].tag == op["tag"]:
            position += 1
        got = tops[position]
        position += 1
        assert got.tag == op["tag"]
        assert sides(got) == want
        assert got.changed == changed
        assert got.exact
        latest[op["symbol_index"]] = got
    assert position == len(tops)
    assert final["stale"] == 0
    assert final["incomplete"] == 0
    assert final["counts"]["stat_off_grid"] == final["counts"]["stat_underflow"] == 0
    if jump:
        assert final["counts"]["stat_rebuild"] > 0


@pytest.mark.parametrize(("seed", "spread", "jump", "live"), [
    (11, 12, 0.0, 30), (12, 40, 0.0, 60), (13, 12, 0.02, 30), (14, 3, 0.0, 12), (15, 30, 0.05, 40),
    (16, 8, 0.0, 40),
])
def test_at_full_rate_a_top_is_exact_or_says_that_it_is_not(seed, spread, jump, live):
    operations = random_operations(random.Random(seed), 800, spread=spread, tick=100, live=live,
                                   jump=jump)
    tops, final = replay(operations, hold=False)
    reference = Reference()
    position = 0
    exact = 0
    for op in operations:
        reference.apply(op)
        got = tops[position]
        assert got.tag == op["tag"]
        position += 1
        if got.exact:
            exact += 1
            assert sides(got) == reference.top(op["symbol_index"])
        # Tops that come back between two events carry the tag of the one before.
        while position < len(tops) and tops[position].tag == op["tag"]:
            if tops[position].exact:
                assert sides(tops[position]) == reference.top(int(tops[position].symbol_index))
            position += 1
    assert position == len(tops)
    assert final["stale"] == 0
    assert final["incomplete"] == 0
    assert final["counts"]["stat_underflow"] == final["counts"]["stat_off_grid"] == 0
    # With an operation every other cycle a walk gets few slots; still it comes to an end.
    assert exact > len(operations) // 5


def check_levels(side, wanted: list) -> int:
    """Compare what is known of a side with its levels; return how many of the five are not."""
    known = side.valid.bit_count()
    assert side.valid == (1 << known) - 1
    got = [(side.levels[n].price, side.levels[n].quantity) for n in range(DEPTH_LEVELS)]
    assert got[:known] == wanted[:known] and got[known:] == [(0, 0)] * (DEPTH_LEVELS - known)
    assert side.unknown == (known < min(DEPTH_LEVELS, len(wanted)))
    return min(DEPTH_LEVELS, len(wanted)) - known


@pytest.mark.parametrize(("seed", "spread", "jump", "live", "one_by_one"), [
    (21, 12, 0.0, 30, False), (22, 12, 0.02, 30, False), (23, 8, 0.0, 60, True),
    (24, 30, 0.05, 40, True),
])
def test_levels_after_each_event_are_right_or_not_known(seed, spread, jump, live, one_by_one):
    operations = random_operations(random.Random(seed), 500, spread=spread, tick=100, live=live,
                                   jump=jump)
    _, final = replay(operations, hold=one_by_one, one_by_one=one_by_one, profile=DEEP)
    reference = Reference()
    shown = iter(final["sides"])
    side = next(shown)
    missing = 0
    # An event whose top has to wait is shown again with it.
    again = sum(side.event for side in final["sides"]) - len(operations)
    for op in operations:
        touched = op["side"]
        if op["kind"] != OperationKind.ADD:
            touched = reference.orders[op["symbol_index"], op["reference"]][0]
        reference.apply(op)
        assert (side.event, side.symbol_index, Side(side.side)) == (
            1, op["symbol_index"], Side(touched))
        own = side.symbol_index, side.side
        last_missing, waits = 0, False
        while side is not None:
            # What becomes known later is as right; it may be of another side.
            count = check_levels(side, reference.levels(int(side.symbol_index), Side(side.side)))
            if (side.symbol_index, side.side) == own:
                last_missing = count
            waits = waits or bool(side.waits)
            side = next(shown, None)
            if side is not None and side.event:
                if not (waits and again and (side.symbol_index, side.side) == own):
                    break
                waits, again = False, again - 1
        missing += last_missing
    assert side is None and not again
    if one_by_one and not jump:
        assert missing == 0


def single(symbol: int, side: Side, reference: int, price: int, shares: int = 100, tag: int = 0,
           kind: OperationKind = OperationKind.ADD) -> dict:
    return {"kind": kind, "symbol_index": symbol, "tag": tag, "reference": reference,
            "new_reference": 0, "side": side, "shares": shares, "price": price}


def test_latency_of_an_add_alone_is_2_cycles_and_of_the_others_7():
    dut = Book(SMALL)
    measured = []

    async def bench(ctx):
        ctx.set(dut.tick, {"tick_size": 100, "multiplier": reciprocal(100).multiplier,
                           "exponent": reciprocal(100).exponent})
        ctx.set(dut.tick_write, 1)
        await ctx.tick().until(dut.ready)
        for op in (single(0, Side.BUY, 1, 5000), single(0, Side.BUY, 2, 5100),
                   single(0, Side.BUY, 1, 0, shares=50, kind=OperationKind.REDUCE),
                   {**single(0, Side.BUY, 1, 5200, kind=OperationKind.REPLACE),
                    "new_reference": 3},
                   single(0, Side.BUY, 3, 0, kind=OperationKind.DELETE)):
            await offer_announced(ctx, dut, op)
            cycles = 1
            while not ctx.get(dut.top_of_book.valid):
                await ctx.tick()
                cycles += 1
            measured.append(cycles)
            await ctx.tick().repeat(30)

    run(dut, bench, cycles=2000)
    assert measured == [2, 2, 7, 7, 7]


def test_price_off_the_grid_inside_the_window_makes_the_symbol_stale():
    operations = [single(0, Side.BUY, 1, 5000), single(0, Side.BUY, 2, 4950, tag=1),
                  single(1, Side.BUY, 3, 5000, tag=2)]
    tops, final = replay(operations, hold=True)
    assert final["counts"]["stat_off_grid"] == 1
    assert final["stale"] == 0b01
    assert [bool(top.exact) for top in tops] == [True, True, True]
    assert sides(tops[1])[0] == (5000, 100, 1)


def test_a_book_that_is_ready_takes_an_operation_at_once_whatever_took_longest_to_clear():
    # A table of 256 rows is cleared long after 32 occupancy words.
    dut = Book(replace(SMALL, orders=2048))

    async def bench(ctx):
        await write_ticks(ctx, dut, 100)
        for number in range(2):
            await ctx.tick().until(dut.ready)
            ctx.set(dut.operations.payload, single(0, Side.BUY, number, 5000))
            ctx.set(dut.operations.valid, 1)
            for _ in range(4):
                if ctx.get(dut.operations.ready):
                    break
                await ctx.tick()
            assert ctx.get(dut.operations.ready)
            await ctx.tick()
            ctx.set(dut.operations.valid, 0)
            await ctx.tick().repeat(20)
            ctx.set(dut.clear, 1)
            await ctx.tick()
            ctx.set(dut.clear, 0)
            assert not ctx.get(dut.ready)

    run(dut, bench, cycles=2000)


def test_unknown_reference_changes_nothing_and_marks_the_book_incomplete():
    operations = [single(0, Side.BUY, 1, 5000),
                  single(0, Side.BUY, 77, 0, tag=1, kind=OperationKind.DELETE)]
    tops, final = replay(operations, hold=False)
    assert sides(tops[1]) == sides(tops[0])
    assert not tops[1].changed
    assert not tops[1].exact
    assert tops[1].incomplete
    assert final["incomplete"] == 0b01
    assert final["counts"]["stat_unknown_reference"] == 1


def test_stub_quote_first_then_the_real_touch_moves_the_window_without_losing_the_top():
    operations = [single(0, Side.BUY, 1, 100), single(0, Side.BUY, 2, 1_605_800, tag=1),
                  single(0, Side.BUY, 3, 1_605_700, tag=2),
                  single(0, Side.BUY, 2, 0, tag=3, kind=OperationKind.DELETE),
                  single(0, Side.BUY, 3, 0, tag=4, kind=OperationKind.DELETE)]
    tops, final = replay(operations, hold=True)
    assert [sides(top)[0][0] for top in tops if top.exact] == [
        100, 1_605_800, 1_605_800, 1_605_700, 100]
    assert final["counts"]["stat_rebuild"] >= 1
    assert final["stale"] == 0


@pytest.mark.parametrize("seed", [21, 22])
def test_clear_forgets_orders_levels_and_marks_whatever_is_under_way(seed):
    rng = random.Random(seed)
    dut = Book(SMALL)
    rounds = [random_operations(random.Random(seed * 10 + n), 50, spread=6, tick=100, live=20,
                                jump=0.1) for n in range(4)]
    out, cleared = [], []

    async def bench(ctx):
        await write_ticks(ctx, dut, 100)
        ctx.set(dut.cfg_hold, 1)
        for number, operations in enumerate(rounds):
            await ctx.tick().until(dut.ready)
            assert not number or len(out) == cleared[-1]
            assert ctx.get(dut.occupancy) == ctx.get(dut.stale) == ctx.get(dut.incomplete) == 0
            for op in operations:
                await offer_announced(ctx, dut, op)
            if number == len(rounds) - 1:
                await ctx.tick().repeat(20)
                await ctx.tick().until(dut.idle)
                break
            # No matter how far the last ones have come, nor that a book is stale.
            ctx.set(dut.stale_symbols, 1)
            await ctx.tick().repeat(rng.choice([1, 3, 6, 12, 30]))
            ctx.set(dut.stale_symbols, 0)
            ctx.set(dut.clear, 1)
            await ctx.tick()
            ctx.set(dut.clear, 0)
            assert not ctx.get(dut.ready)
            await ctx.tick().repeat(3)      # what was published in the cycle of `clear` is shown
            cleared.append(len(out))

    async def watch(ctx):
        async for _, _, valid, payload in ctx.tick().sample(
                dut.top_of_book.valid, dut.top_of_book.payload):
            if valid:
                out.append(payload)

    run(dut, bench, background=[watch], cycles=40_000)
    assert len(cleared) == len(rounds) - 1
    for operations, start, end in zip(rounds, [0, *cleared], [*cleared, len(out)], strict=True):
        reference = Reference()
        tops = out[start:end]       # those behind the mark as well, which are right all the same
        for op in operations:
            if not tops:
                assert end != len(out), "the last round is complete"
                break
            reference.apply(op)
            got = tops.pop(0)
            assert (int(got.tag), int(got.symbol_index)) == (op["tag"], op["symbol_index"])
            assert sides(got) == reference.top(op["symbol_index"])
        assert not tops
