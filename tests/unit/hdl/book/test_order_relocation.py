"""Relocations in the order table: they are invisible, and they let it stay 60 % full."""

import random
from collections import Counter
from itertools import pairwise

import pytest

from hdl.book.order_hash import ToeplitzHash
from sim.golden.order_table import Kind, Operation, TwoChoicePlacement
from tests.support.streams import always, stalls
from tests.unit.hdl.book.bench import (
    PROFILE,
    add,
    check,
    colliding,
    operation,
    random_operations,
    random_walks,
    simulate,
)

#: An operation may be offered in the first of the three cycles of a relocation.
MOST_DELAY_CYCLES = 2


def crowd(seed, count, *, references=20, row=(5, 2)):
    """Operations of few references that all want the same two rows of four ways."""
    rng = random.Random(seed)
    pool = colliding(references, row=row, seed=seed)
    for _ in range(count):
        reference, new_reference = rng.sample(pool, 2)
        yield Operation(
            kind=rng.choices(list(Kind), weights=[8, 2, 1, 2])[0], symbol_index=0,
            reference=reference, new_reference=new_reference, side=rng.getrandbits(1),
            shares=rng.choice([0, 1, 2, 100]), price=rng.randrange(8) * 100,
            tag=rng.randrange(32))


def near_misses(log):
    """Count the operations that name an order just before or after it moved, by distance."""
    found = Counter()
    decided = dict(log.places.decisions)
    for cycle, *names in log.places.moves:
        for distance in range(-6, 7):
            name = decided.get(cycle + distance)
            if name is not None and name in names:
                found["moved" if name == names[0] else "evicted", distance] += 1
    return found


@pytest.mark.parametrize("chance", [0.15, 0.7])
def test_operations_between_relocations_equal_golden(chance):
    operations = list(crowd(1, 200))
    log = simulate(operations, source=stalls(1, chance))
    check(log, operations)
    assert len(log.places.moves) > 10


def test_operations_next_to_a_relocation_find_the_moved_orders():
    found = Counter()
    for seed in range(4):
        operations = list(crowd(seed, 300, references=18))
        log = simulate(operations, source=stalls(seed, 0.4))
        check(log, operations)
        assert len(log.places.moves) > 40
        found += near_misses(log)
    assert {(what, distance) for what in ("moved", "evicted") for distance in (3, 5)} <= set(found)
    assert not {what for what in found if -2 <= what[1] <= 2}  # cannot be that near


@pytest.mark.parametrize("seed", range(4))
def test_stalled_relocations_equal_golden(seed):
    operations = list(crowd(10 + seed, 300))
    log = simulate(operations, source=stalls(seed, 0.4), sink=stalls(seed, (0.3, 0.6)[seed & 1]))
    check(log, operations)
    assert log.places.moves


@pytest.mark.parametrize("seed", range(6))
def test_walks_between_relocations_are_exact(seed):
    operations = [*crowd(20 + seed, 200), *crowd(30 + seed, 50, references=4)]
    walks = random_walks(seed, every=30)
    log = simulate(operations, source=stalls(seed, (0.2, 0.5)[seed & 1]),
                   sink=(always, stalls(seed, 0.7))[seed >> 1 & 1],
                   walk=lambda cycle: (0, request[1]) if (request := walks(cycle)) else None)
    check(log, operations)
    assert len(log.walks) >= 2
    assert len(log.places.moves) > 10


@pytest.mark.parametrize("seed", range(3))
def test_crowded_table_equals_golden(seed):
    operations = list(random_operations(40 + seed, 300, references=90, near=0.2, symbols=1))
    operations = [add(reference) for reference in {o.reference for o in operations}] + operations
    log = simulate(operations, source=stalls(seed, 0.3))
    check(log, operations)
    moves = log.places.moves
    assert any(evicted for *_, evicted in moves)
    assert any(not evicted for *_, evicted in moves)


def test_relocation_delays_an_operation_by_2_cycles_at_most():
    first = [add(reference) for reference in colliding(12)]
    operations = first + [operation(Kind.REDUCE, order.reference, shares=0) for order in first] * 10
    delays = Counter()
    for seed in range(2):
        log = simulate(operations, source=stalls(seed, 0.2))
        delays += Counter(
            accepted - max(offered, before + 2) for offered, (before, accepted)
            in zip(log.offered[1:], pairwise(log.accepted), strict=True))
    assert set(delays) == set(range(MOST_DELAY_CYCLES + 1))


def test_full_rate_leaves_no_slot_to_relocations():
    first = [add(reference) for reference in colliding(12)]
    operations = first + [operation(Kind.REDUCE, order.reference, shares=0) for order in first] * 5
    log = simulate(operations)
    check(log, operations)
    assert log.accepted[-1] - log.accepted[0] == 2 * (len(operations) - 1)
    assert all(cycle > log.accepted[-1] for cycle, *_ in log.places.moves)


def test_idle_table_empties_its_cam():
    operations = [add(reference) for reference in colliding(8)]
    operations += [add(reference) for reference in colliding(4, row=(5, 3), seed=1)]
    operations += [add(reference) for reference in colliding(3, row=(4, 2), seed=2)]
    assert len(operations) < 4 * PROFILE.order_ways  # two rows of either bank
    log = simulate(operations, settle=400)
    check(log, operations)
    assert not [place for place in log.places.slots if place[0] == "cam"]


def inserter(seed, orders):
    """A placement under random keys, and a function that inserts a random reference."""
    rng = random.Random(seed)
    toeplitz = ToeplitzHash((orders // 8).bit_length() - 1)
    keys = tuple(rng.getrandbits(toeplitz.key_bits) for _ in range(2))
    placement = TwoChoicePlacement(toeplitz.row_bits, keys)

    def insert():
        reference = rng.getrandbits(64)
        rows = tuple(toeplitz.compute(reference, key) for key in keys)
        assert placement.insert((reference, 0), rows)
        return reference, 0

    return rng, placement, insert


@pytest.mark.parametrize("orders", [1024, 8192])
def test_sixty_percent_of_random_references_fit(orders):
    for seed in range(8):
        _, placement, insert = inserter(seed, orders)
        for _ in range(orders * 6 // 10):
            insert()
        assert placement.beyond <= 4


def turn_over(orders, count, *, retry_every):
    """Replace random orders of a table that is 60 % full; return the worst use of the CAM."""
    rng, placement, insert = inserter(1, orders)
    names = [insert() for _ in range(orders * 6 // 10)]
    worst = 0
    for done in range(count):
        index = rng.randrange(len(names))
        placement.remove(names[index])
        names[index] = insert()
        worst = max(worst, placement.beyond)
        if retry_every and done % (retry_every // 2) == 0:  # two operations were done
            placement.retry()
    return worst


def test_sixty_percent_hold_for_ever_with_a_relocation_in_8_operations():
    assert turn_over(1024, 60_000, retry_every=8) <= 8


def test_more_orders_are_beyond_the_banks_without_relocations():
    with_relocations = turn_over(1024, 20_000, retry_every=8)
    assert turn_over(1024, 20_000, retry_every=0) >= 2 * with_relocations
