"""The levels of a window against a dictionary: adds, removals, moved windows, searches, clears."""

import random
from dataclasses import dataclass, field

import pytest

from hdl.book.layouts import LevelOpKind
from hdl.book.price_levels import PriceLevels
from hdl.book.tick import reciprocal
from hdl.profile import Profile
from tests.support.streams import always, run, stalls

PROFILE = Profile(name="small", symbols=2, window_ticks=64, orders=256, frame_buffer_bytes=4096,
                  tcp_ring_bytes=4096, event_ring_bytes=4096)
ROWS = range(4)
TICKS = [100, 7]        # of each symbol
BETTER_TICKS = PROFILE.window_ticks // 4
OPERATION_CYCLES = 2


@dataclass
class Golden:
    """Quantity and orders of every level in the window of its side."""

    bases: dict = field(default_factory=dict)       # row -> key of its first tick
    levels: dict = field(default_factory=lambda: {row: {} for row in ROWS})
    pulses: list = field(default_factory=list)

    def place(self, row: int, key: int) -> None:
        self.bases[row] = key - BETTER_TICKS * TICKS[row >> 1]

    def keys(self, row: int) -> range:
        """Return the keys of a window's ticks; the window reaches up to `stop`."""
        tick = TICKS[row >> 1]
        return range(self.bases[row], self.bases[row] + PROFILE.window_ticks * tick, tick)

    def apply(self, op: dict) -> None:
        """Take over anything but a search."""
        kind, row, key = op["kind"], op["row"], op["key"]
        if kind is LevelOpKind.WALK_END:
            self.pulses.append("walk_ended")
            return
        if kind is LevelOpKind.REBASE:
            self.levels[row] = {}
        if kind in (LevelOpKind.REBASE, LevelOpKind.FIRST):
            self.place(row, key)
        if kind is LevelOpKind.REBASE:
            return
        removes = kind is LevelOpKind.REMOVE
        keys = self.keys(row)
        if key < keys.start and not removes:
            self.pulses.append(("outside", row, key))
        if not keys.start <= key < keys.stop:
            return
        if key not in keys:
            self.pulses.append(("off_grid", row))
        elif not removes:
            quantity, count = self.levels[row].get(key, (0, 0))
            self.levels[row][key] = (quantity + op["quantity"], count + 1)
        elif key not in self.levels[row]:
            self.pulses.append(("underflow", row))
        else:
            quantity, count = self.levels[row].pop(key)
            if count > op["final"]:
                self.levels[row][key] = (quantity - op["quantity"], count - op["final"])

    def worse(self, row: int, key: int | None) -> list:
        """Return what a search finds: (key, quantity, count), best first."""
        return sorted((k, *level) for k, level in self.levels[row].items()
                      if key is None or k > key)


class Bench:
    """The hardware with somebody who watches it."""

    def __init__(self, go=always):
        self.dut = PriceLevels(PROFILE)
        self.go = go
        self.pulses: list = []
        self.answers: list = []
        self.ended: list = []           # whether dry, of each search

    async def start(self, ctx) -> None:
        """Write the tick sizes and wait for the clear after reset."""
        for symbol, tick in enumerate(TICKS):
            divider = reciprocal(tick)
            ctx.set(self.dut.config_symbol, symbol)
            ctx.set(self.dut.config, {"tick_size": tick, "multiplier": divider.multiplier,
                                      "exponent": divider.exponent})
            ctx.set(self.dut.config_write, 1)
            await ctx.tick()
        ctx.set(self.dut.config_write, 0)
        await self.settle(ctx)

    async def settle(self, ctx) -> None:
        """Wait until everything is stored and nothing is being cleared."""
        await ctx.tick().repeat(PriceLevels.LATENCY + 2)
        while ctx.get(self.dut.clearing):
            await ctx.tick()

    async def issue(self, ctx, op: dict) -> None:
        """Give an operation, for a cycle, with a cycle without behind it."""
        ctx.set(self.dut.operations.payload, op)
        ctx.set(self.dut.operations.valid, 1)
        await ctx.tick()
        ctx.set(self.dut.operations.valid, 0)
        ctx.set(self.dut.operations.payload, operation(LevelOpKind.FIRST, 3, 0xFFFF_FFFF))
        await ctx.tick()

    async def search(self, ctx, row: int, key: int | None = None) -> list:
        """Return all that a search finds."""
        self.answers.clear()
        searches = len(self.ended)
        await self.issue(ctx, operation(LevelOpKind.SEARCH, row, key or 0, keyed=key is not None))
        while len(self.ended) == searches:
            await ctx.tick()
        assert self.ended[-1], "nobody has stopped it"
        return list(self.answers)

    async def watch(self, ctx) -> None:
        """Collect pulses and answers."""
        dut = self.dut
        while True:
            ready = self.go()
            ctx.set(dut.found.ready, ready)
            (_, _, outside, outside_row, outside_key, failed, failed_row, off_grid, underflow,
             walk_ended, valid, found) = await ctx.tick().sample(
                dut.outside, dut.outside_row, dut.outside_key, dut.failed, dut.failed_row,
                dut.stat_off_grid, dut.stat_underflow, dut.walk_ended, dut.found.valid, dut.found.p)
            assert failed == off_grid + underflow
            if outside:
                self.pulses.append(("outside", outside_row, outside_key))
            if failed:
                self.pulses.append(("off_grid" if off_grid else "underflow", failed_row))
            if walk_ended:
                self.pulses.append("walk_ended")
            if valid and ready:
                assert found.found or found.end
                if found.found:
                    self.answers.append((found.key, found.quantity, found.count))
                if found.end:
                    self.ended.append(bool(found.dry))

    def run(self, bench) -> None:
        """Simulate."""
        run(self.dut, bench, background=[self.watch], cycles=100_000)


def operation(kind: LevelOpKind, row: int, key: int = 0, *, quantity: int = 1, final: int = 1,
              keyed: int = 1) -> dict:
    """Return an operation."""
    return {"kind": kind, "row": row, "key": key, "keyed": keyed, "quantity": quantity,
            "final": final}


def random_operation(rng: random.Random, golden: Golden, row: int, recent: list) -> dict:
    """Return the next operation of a row; most are of the levels that were changed last."""
    tick, levels = TICKS[row >> 1], golden.levels[row]
    if not levels:
        key = rng.randrange(100, 400) * tick
        recent[:] = [key]
        kind = LevelOpKind.FIRST if row not in golden.bases or rng.random() < 0.7 \
            else LevelOpKind.ADD
        return operation(kind, row, key, quantity=rng.randrange(1, 1000))
    keys = golden.keys(row)
    chance = rng.random()
    if chance < 0.03:
        return operation(LevelOpKind.REBASE, row, rng.choice([*levels, keys[40], keys.stop]))
    if chance < 0.05:
        return operation(LevelOpKind.WALK_END, row)
    if chance < 0.2:
        key = rng.choice([keys.start - tick, keys.start - 1, keys.start, keys[-1], keys.stop - 1,
                          keys.stop, keys.start + rng.randrange(len(keys) * tick)])
        kind = rng.choice([LevelOpKind.ADD, LevelOpKind.REMOVE])
        return operation(kind, row, key, quantity=1, final=1 if kind is LevelOpKind.ADD else 0) \
            if key not in levels else operation(LevelOpKind.ADD, row, key)
    key = rng.choice([*recent[-3:], *recent[-3:], rng.choice(keys)])
    recent.append(key)
    if key not in levels or rng.random() < 0.4:
        return operation(LevelOpKind.ADD, row, key, quantity=rng.randrange(1, 1000))
    quantity, count = levels[key]
    if count == 1 and rng.random() < 0.8:
        return operation(LevelOpKind.REMOVE, row, key, quantity=quantity)
    most = max(1, quantity - count)
    return operation(LevelOpKind.REMOVE, row, key, quantity=rng.randrange(1, most + 1),
                     final=int(count > 1 and rng.random() < 0.7))


@pytest.mark.parametrize("seed", range(4))
def test_random_operations_and_searches_equal_a_dictionary(seed):
    rng = random.Random(seed)
    golden, bench = Golden(), Bench(go=always if seed % 2 else stalls(seed))
    dut, recent = bench.dut, {row: [] for row in ROWS}
    stopped = searched = 0

    async def drive(ctx):
        nonlocal stopped, searched
        await bench.start(ctx)
        searching, expected = None, []
        for _ in range(900):
            if searching is not None and len(bench.ended) == searched:
                ctx.set(dut.stop_search, 0)
                if bench.ended[-1]:
                    assert bench.answers == expected
                else:
                    assert bench.answers == expected[:len(bench.answers)]
                    stopped += 1
                searching = None
            if searching is None and rng.random() < 0.1 and golden.bases:
                searching = rng.choice(list(golden.bases))
                keys = golden.keys(searching)
                key = rng.choice([None, *golden.levels[searching], keys.start - 1, keys[0],
                                  keys[-1], keys.stop])
                expected = golden.worse(searching, key)
                bench.answers.clear()
                searched += 1
                await bench.issue(ctx, operation(LevelOpKind.SEARCH, searching, key or 0,
                                                 keyed=key is not None))
                continue
            if searching is not None and rng.random() < 0.03:
                ctx.set(dut.stop_search, 1)
            op = random_operation(rng, golden, row := rng.choice([0, *ROWS]), recent[row])
            if row == searching:
                await ctx.tick()
                continue
            golden.apply(op)
            await bench.issue(ctx, op)
            if op["kind"] is LevelOpKind.REBASE:
                await bench.settle(ctx)
            for _ in range(rng.choice([0, 0, 0, 1, 2, 9])):
                await ctx.tick()
        await bench.settle(ctx)
        while len(bench.ended) < searched:
            await ctx.tick()
        ctx.set(dut.stop_search, 0)
        for row in ROWS:
            assert await bench.search(ctx, row) == golden.worse(row, None)

    bench.run(drive)
    # The report of a better price leaves four stages before the others.
    assert sorted(map(str, bench.pulses)) == sorted(map(str, golden.pulses))
    for kind in ("outside", "off_grid", "underflow", "walk_ended"):
        assert [p for p in bench.pulses if kind in p] == [p for p in golden.pulses if kind in p]
        assert any(kind in pulse for pulse in bench.pulses), kind
    assert stopped and searched > 20


def fill(row: int) -> list:
    """Return operations that give a row eight levels in eight occupancy words."""
    first = 300 * TICKS[row >> 1]
    tick = TICKS[row >> 1]
    return [operation(LevelOpKind.FIRST, row, first),
            *(operation(LevelOpKind.ADD, row, first + n * tick) for n in range(-15, 48, 8))]


@pytest.mark.parametrize("moved", [ROWS[0], ROWS[-1]])
@pytest.mark.parametrize("cycles", [0, 1, 5, 9, 10, 11, 14, 40])
def test_clear_forgets_every_level_whenever_a_window_is_moved(cycles, moved):
    bench = Bench()

    async def drive(ctx):
        await bench.start(ctx)
        for row in ROWS:
            for op in fill(row):
                await bench.issue(ctx, op)
        await bench.settle(ctx)
        for row in ROWS:
            assert len(await bench.search(ctx, row)) == 9
        ctx.set(bench.dut.operations.payload, operation(LevelOpKind.REBASE, moved, 10_000))
        ctx.set(bench.dut.operations.valid, 1)
        for cycle in range(cycles + 1):
            ctx.set(bench.dut.clear, cycle == cycles)
            await ctx.tick()
            ctx.set(bench.dut.operations.valid, 0)
        ctx.set(bench.dut.clear, 0)
        assert ctx.get(bench.dut.clearing)
        await bench.settle(ctx)
        for row in ROWS:
            assert await bench.search(ctx, row) == []

    bench.run(drive)


def test_moved_window_forgets_its_own_levels_only_and_one_without_a_place_takes_none():
    bench = Bench()

    async def drive(ctx):
        await bench.start(ctx)
        for row in ROWS:
            for op in fill(row):
                await bench.issue(ctx, op)
        await bench.issue(ctx, operation(LevelOpKind.REBASE, 1, 30_000, keyed=0))
        await bench.settle(ctx)
        await bench.issue(ctx, operation(LevelOpKind.ADD, 1, 30_000))
        assert [len(await bench.search(ctx, row)) for row in ROWS] == [9, 0, 9, 9]
        # Every price is better than nowhere: the cache hears of it.
        assert bench.pulses == [("outside", 1, 30_000)]

    bench.run(drive)


@pytest.mark.parametrize(("kind", "key", "signal", "latency"), [
    (LevelOpKind.WALK_END, 0, "walk_ended", PriceLevels.LATENCY),
    (LevelOpKind.ADD, 30_001, "failed", 10), (LevelOpKind.REMOVE, 30_100, "failed", 10),
    (LevelOpKind.REBASE, 30_000, "clearing", 11),
])
def test_what_an_operation_does_is_seen_after_10_cycles_and_a_clearing_after_11(
        kind, key, signal, latency):
    bench = Bench()

    async def drive(ctx):
        await bench.start(ctx)
        await bench.issue(ctx, operation(LevelOpKind.FIRST, 0, 30_000))
        await bench.settle(ctx)
        ctx.set(bench.dut.operations.payload, operation(kind, 0, key))
        ctx.set(bench.dut.operations.valid, 1)
        cycles = 0
        while not ctx.get(getattr(bench.dut, signal)):
            await ctx.tick()
            ctx.set(bench.dut.operations.valid, 0)
            cycles += 1
        assert cycles == latency

    bench.run(drive)
