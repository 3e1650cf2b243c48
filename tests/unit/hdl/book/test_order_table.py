"""The order table against its golden model, under hazards, stalls, walks and clears."""

import itertools
import random
from collections import Counter
from dataclasses import asdict

import pytest
from amaranth import *

from hdl.book import order_table
from hdl.book.order_hash import ToeplitzHash
from hdl.book.order_output import OrderOutput
from hdl.book.order_store import OrderBank
from hdl.book.order_table import OrderTable
from hdl.records import UpdateKind
from sim.golden.order_table import Kind, Operation, toeplitz_row
from tests.support.streams import always, drive_announced, offer_announced, run, stalls
from tests.unit.hdl.book.bench import (
    FAST_CYCLES,
    PROFILE,
    ROW_BITS,
    SLOW_CYCLES,
    SYMBOLS,
    Log,
    add,
    check,
    colliding,
    operation,
    operation_payload,
    random_operations,
    random_walks,
    simulate,
)


@pytest.mark.parametrize("seed", range(4))
def test_full_rate_equals_golden(seed):
    operations = list(random_operations(seed, 500))
    log = simulate(operations)
    check(log, operations)
    slots = [2 if operation.kind is Kind.REPLACE else 1 for operation in operations]
    gaps = [b - a for a, b in zip(log.accepted, log.accepted[1:], strict=False)]
    assert gaps == [2 * count for count in slots[:-1]]


@pytest.mark.parametrize("seed", range(6))
def test_stalls_equal_golden(seed):
    operations = list(random_operations(100 + seed, 300))
    log = simulate(operations, source=stalls(seed, (0.15, 0.4, 0.9)[seed % 3]),
                   sink=stalls(seed + 1, (0.9, 0.3, 0.6)[seed % 3]))
    check(log, operations)


@pytest.mark.parametrize("seed", range(3))
def test_operations_go_on_while_a_refused_update_waits(seed):
    operations = list(random_operations(400 + seed, 120))
    cycle, taken = itertools.count(), {}

    def sink():
        now = next(cycle)
        return now % 200 > 100          # refuses for a hundred cycles, then takes everything

    log = simulate(operations, sink=sink)
    check(log, operations)
    # What is refused fills both registers and the queue; behind it one waits to be decided, one has
    # been decided at most.
    for start in range(0, log.accepted[-1], 200):
        halves = [2 if operations[n].kind is Kind.REPLACE else 1
                  for n, at in enumerate(log.accepted) if start <= at <= start + 100]
        taken[start] = sum(halves)
    assert max(taken.values()) in range(OrderOutput.DEPTH + 2, OrderOutput.DEPTH + 6)


@pytest.mark.parametrize("seed", range(8))
def test_walks_are_exact(seed):
    operations = list(random_operations(200 + seed, 350, symbols=2, references=60))
    log = simulate(operations, source=(always, stalls(seed, 0.2))[seed & 1],
                   sink=(always, stalls(seed + 1, 0.4))[seed >> 1 & 1],
                   walk=random_walks(seed, every=60))
    check(log, operations)
    assert len(log.walks) >= 2


class UndefinedOnCollision(OrderBank):
    """A bank whose read is all ones where it meets a write, as block RAM may do what it likes."""

    def elaborate(self, platform):
        m = Module()
        m.submodules.bank = bank = OrderBank(self.profile)
        for name in ("enable", "read_row", "write_row", "write_ways", "write_order"):
            m.d.comb += getattr(bank, name).eq(getattr(self, name))
        met = [Signal(len(self.write_ways), name=f"met_{stage}") for stage in range(2)]
        with m.If(self.enable):
            m.d.sync += met[0].eq(Mux(self.read_row == self.write_row, self.write_ways, 0))
            m.d.sync += met[1].eq(met[0])
        for way, (inner, outer) in enumerate(zip(bank.ways, self.ways, strict=True)):
            m.d.comb += Value.cast(outer).eq(
                Mux(met[1][way], ~Const(0, inner.shape().size), Value.cast(inner)))
        return m


@pytest.mark.parametrize("seed", range(4))
def test_read_that_meets_a_write_is_not_relied_on(seed, monkeypatch):
    monkeypatch.setattr(order_table, "OrderBank", UndefinedOnCollision)
    ones = 2**64 - 1  # the order that undefined bits would look like
    operations = []
    for operation_ in random_operations(400 + seed, 300, references=20, symbols=1):
        fields = {**asdict(operation_), "symbol_index": SYMBOLS - 1}
        if operation_.tag < 10:
            fields["reference"] = ones
        operations.append(Operation(**fields))
    log = simulate(operations, source=stalls(seed, (0.3, 0.8, 0.9, 0.95)[seed]),
                   walk=random_walks(seed, every=80))
    check(log, operations)


def test_add_leaves_at_once_and_the_rest_after_4_cycles():
    operations = [add(1), operation(Kind.REDUCE, 1, shares=40, execution=1),
                  operation(Kind.REPLACE, 1, new_reference=2, shares=7, price=1),
                  operation(Kind.DELETE, 2), operation(Kind.DELETE, 3)]
    log = Log()
    for count in range(1, len(operations) + 1):  # alone: one operation every 20 cycles
        last = {"cycle": 0}

        def go(last=last):
            last["cycle"] += 1
            return last["cycle"] % 20 == 0
        log = simulate(operations[:count], source=go)
        check(log, operations[:count])
    latencies = [valid - accepted for (valid, _), accepted in zip(
        log.updates, [*log.accepted[:3], log.accepted[2] + 2, *log.accepted[3:]], strict=True)]
    assert latencies == [FAST_CYCLES] + [SLOW_CYCLES] * 5


def test_add_behind_other_operations_keeps_its_place():
    operations = [add(1), add(2), operation(Kind.DELETE, 1), add(3), add(4)]
    log = simulate(operations)
    check(log, operations)
    assert [valid - accepted for (valid, _), accepted
            in zip(log.updates, log.accepted, strict=True)] == [0, 0, 4, 4, 4]


def test_replace_chain_on_one_order_runs_at_full_rate():
    operations = [add(0)] + [operation(Kind.REPLACE, n, new_reference=n + 1, shares=n, price=n)
                             for n in range(60)] + [operation(Kind.DELETE, 60)]
    log = simulate(operations)
    check(log, operations)
    assert log.accepted[-1] - log.accepted[0] == 2 + 60 * 4
    assert not log.pulses["unknown"]


def test_executions_and_delete_of_one_order_every_2_cycles():
    operations = []
    for n in range(20):
        operations += [add(n), operation(Kind.REDUCE, n, shares=30, execution=1),
                       operation(Kind.REDUCE, n, shares=30), operation(Kind.DELETE, n)]
    log = simulate(operations)
    check(log, operations)
    assert log.accepted[-1] - log.accepted[0] == 2 * (len(operations) - 1)
    assert [update.quantity for _, update in log.updates[:4]] == [100, 30, 30, 40]


def test_mistakes_of_the_feed_are_suspect():
    operations = [
        operation(Kind.REDUCE, 9, shares=1), operation(Kind.DELETE, 9),
        operation(Kind.REPLACE, 9, new_reference=10, shares=5, price=5),
        operation(Kind.DELETE, 10),                              # was not inserted
        add(1, side=1), operation(Kind.DELETE, 1, symbol_index=1),  # another symbol's
        operation(Kind.REDUCE, 1, shares=101), operation(Kind.DELETE, 1),
        add(2), operation(Kind.DELETE, 8), add(2, shares=7, side=1),
        operation(Kind.REDUCE, 2, shares=0), operation(Kind.REDUCE, 2, shares=7),
    ]
    log = simulate(operations)
    golden = check(log, operations)
    assert golden.counts == Counter(unknown=7, overfill=1, duplicate=1, overflow=0)
    assert [update.suspect for _, update in log.updates] == [1, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 0, 0]


def test_late_duplicate_of_a_fast_add_is_a_pulse():
    operations = [add(1, symbol_index=3), add(1, symbol_index=3, shares=5)]
    log = simulate(operations)
    check(log, operations)
    assert log.pulses["late_duplicate", 3] == 1
    assert log.late == [log.accepted[1] + SLOW_CYCLES]
    assert [update.suspect for _, update in log.updates] == [0, 0]


@pytest.mark.parametrize("spaced", [False, True])
def test_collisions_fill_the_rows_then_the_cam_then_overflow(spaced):
    references = colliding(8 + 16 + 2)
    operations = [add(reference, symbol_index=1, shares=n)
                  for n, reference in enumerate(references)]
    if not spaced:  # an update on its way keeps the next add from the short way
        operations.insert(0, operation(Kind.DELETE, 1))
    gone = references[3], references[20]  # from a row, and from the CAM
    operations += [operation(Kind.DELETE, reference, symbol_index=1) for reference in gone]
    operations += [add(reference, symbol_index=1, shares=99) for reference in references[-2:]]
    operations += [operation(Kind.REDUCE, reference, symbol_index=1, shares=1)
                   for reference in references]
    log = simulate(operations, source=stalls(1, 0.1) if spaced else always)
    golden = check(log, operations)
    assert golden.counts["overflow"] == 2
    assert len(golden.orders) == 24 - 2  # those of 0 and 1 shares are gone
    assert log.pulses["late_overflow", 1] == 2 * spaced


@pytest.mark.parametrize("seed", range(4))
def test_overfull_table_with_walks_equals_golden(seed):
    operations = [add(reference, symbol_index=seed & 1, side=reference & 1)
                  for reference in colliding(20, seed=seed)]
    operations += list(random_operations(300 + seed, 350, references=150, near=0.3, symbols=2))
    log = simulate(operations, source=(always, stalls(seed, 0.3))[seed & 1],
                   sink=stalls(seed, 0.7), walk=random_walks(seed, every=100))
    golden = check(log, operations)
    assert golden.counts["overflow"]


def test_walk_of_a_filled_table_meets_ways_and_cam():
    operations = [add(reference, symbol_index=reference & 1, side=reference >> 1 & 1, price=n)
                  for n, reference in enumerate(colliding(24))]
    log = simulate(operations + [operation(Kind.DELETE, 1)] * 20,
                   walk=lambda cycle: (1, 1) if cycle == 65 else None)
    check(log, operations + [operation(Kind.DELETE, 1)] * 20)
    assert len(log.walks) == 1
    walked = {update.price for _, update in log.updates
              if update.walk and update.kind == UpdateKind.ADD}
    assert walked == {n for n, o in enumerate(operations) if (o.symbol_index, o.side) == (1, 1)}


def test_walk_makes_progress_under_full_rate():
    operations = [add(1)] + [operation(Kind.REDUCE, 1, shares=0)] * 1500
    log = simulate(operations, walk=lambda cycle: (0, 0) if cycle == 50 else None)
    check(log, operations)
    end = next(index for index, (_, update) in enumerate(log.updates)
               if update.kind == UpdateKind.WALK_END)
    steps = PROFILE.order_rows + 1  # the CAM is walked in one go
    cycles = log.updates[end][0] - log.updates[log.walks[0][0]][0]
    assert 64 * (steps - 1) < cycles < 72 * (steps + 1)


def test_idle_walk_takes_a_cycle_a_row():
    log = simulate([], walk=lambda cycle: (0, 1) if cycle == 5 else None)
    check(log, [])
    end, last = log.updates[0]
    assert last.kind == UpdateKind.WALK_END
    assert end - log.walks[0][-1] == PROFILE.order_rows + 17 + SLOW_CYCLES


def test_seeds_are_taken_over_while_empty_only():
    keys = tuple(random.Random(5).getrandbits(63 + ROW_BITS) for _ in range(2))
    dut = OrderTable(PROFILE)
    references = colliding(26)  # two more than fit under the old keys
    assert len({toeplitz_row(reference, keys[0], ROW_BITS) for reference in references}) > 1

    async def bench(ctx):
        ctx.set(dut.updates.ready, 1)
        await ctx.tick().until(dut.cleared)

        async def fill():
            await drive_announced(
                ctx, dut, [operation_payload(add(reference)) for reference in references])
            await ctx.tick().repeat(10)
            return ctx.get(dut.occupancy)

        assert await fill() == 24
        ctx.set(dut.cfg_seeds, list(keys))
        await ctx.tick().repeat(4)
        assert await fill() == 24, "orders are still found under the old keys"
        ctx.set(dut.clear, 1)
        await ctx.tick()
        ctx.set(dut.clear, 0)
        await ctx.tick().until(dut.cleared)
        assert await fill() == 26, "orders are not spread by the new keys"

    run(dut, bench)


@pytest.mark.parametrize("seed", range(4))
def test_clear_forgets_everything(seed):
    rng = random.Random(seed)
    dut = OrderTable(PROFILE)
    updates = []

    async def bench(ctx):
        ctx.set(dut.walk.valid, seed & 1)
        for trial in range(6):
            await ctx.tick().until(dut.cleared)
            operations = list(random_operations(seed * 10 + trial, 40))
            ctx.set(dut.updates.ready, trial & 1)
            for _ in range(rng.randrange(60)):  # no matter how far it comes
                ctx.set(dut.operations.payload, operation_payload(rng.choice(operations)))
                ctx.set(dut.operations.valid, 1)
                await ctx.tick()
            ctx.set(dut.clear, 1)
            await ctx.tick()
            ctx.set(dut.clear, 0)
            ctx.set(dut.updates.ready, 1)
            assert not ctx.get(dut.cleared)
            for _ in range(PROFILE.order_rows):
                assert not ctx.get(dut.operations.ready)
                assert not ctx.get(dut.updates.valid)
                await ctx.tick()
            ctx.set(dut.operations.valid, 0)
            assert ctx.get(dut.cleared)
            assert ctx.get(dut.occupancy) == 0
        ctx.set(dut.walk.valid, 0)
        ctx.set(dut.clear, 1)
        await ctx.tick()
        ctx.set(dut.clear, 0)
        await ctx.tick().until(dut.cleared)
        for operation_ in random_operations(seed, 30):  # everything is unknown now
            removal = Operation(kind=Kind.DELETE, symbol_index=operation_.symbol_index,
                                reference=operation_.reference)
            await offer_announced(ctx, dut, operation_payload(removal))
            updates.extend(
                await ctx.tick().sample(dut.updates.payload).until(dut.updates.valid))

    run(dut, bench)
    assert len(updates) == 30
    assert all(update.kind == UpdateKind.NONE for update in updates)


def test_hash_equals_the_matrix():
    rng = random.Random(1)
    for row_bits in (1, 3, 10, 13):
        toeplitz = ToeplitzHash(row_bits)
        for _ in range(20):
            reference, key = rng.getrandbits(64), rng.getrandbits(toeplitz.key_bits)
            assert toeplitz.compute(reference, key) == toeplitz_row(reference, key, row_bits)


@pytest.mark.parametrize("row_bits", [0, 33])
def test_hash_refuses_a_width(row_bits):
    with pytest.raises(ValueError, match="row_bits must be 1 to 32"):
        ToeplitzHash(row_bits)
