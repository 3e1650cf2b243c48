"""Bench of the order table: run operations, watch everything, compare with the golden model."""

import random
from collections import Counter
from dataclasses import asdict, dataclass, field

from amaranth import *

from hdl.book.order_hash import default_keys
from hdl.book.order_store import CAM_ENTRIES
from hdl.book.order_table import OrderTable
from hdl.profile import Profile
from hdl.records import OperationKind, Side, UpdateKind
from sim.golden.order_table import Kind, Name, Operation, WalkChecker, toeplitz_row
from sim.golden.order_table import OrderTable as Golden
from sim.golden.order_table import UpdateKind as GoldenUpdateKind
from tests.support.streams import always, drive_announced, run

__all__ = ["FAST_CYCLES", "KEYS", "PROFILE", "ROW_BITS", "SLOW_CYCLES", "SYMBOLS", "Log", "add",
           "check", "colliding", "operation", "operation_payload", "random_operations",
           "random_walks", "simulate"]

SYMBOLS = 4
PROFILE = Profile(name="test", symbols=SYMBOLS, window_ticks=64, orders=64,
                  frame_buffer_bytes=1024, tcp_ring_bytes=1024, event_ring_bytes=1024)
ROW_BITS = 3
KEYS = default_keys(ROW_BITS, 2)
SLOW_CYCLES = 4
FAST_CYCLES = 0


class ObservedTable(OrderTable):
    """The table with its parts in reach, to see where orders are kept."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        for name in ("compare", "decide", "cam", "bank_0", "bank_1"):
            setattr(self, f"part_{name}", getattr(m.submodules, name))
        return m


@dataclass
class Places:
    """What the memories of the table hold, from the writes to them; and what was decided.

    Attributes
    ----------
    slots : dict
        Name of the order in each (bank, row, way) and each ("cam", index).
    before : list
        Names that were stored before each operation.
    stored : list of bool
        Whether each new order found a slot.
    moves : list
        (cycle, name that left the CAM, name that took its place or None).
    decisions : list
        (cycle, name) of each half operation.
    moving_cycles : int
        Cycles until the last relocation has been written.
    """

    slots: dict = field(default_factory=dict)
    before: list = field(default_factory=list)
    stored: list = field(default_factory=list)
    moves: list = field(default_factory=list)
    decisions: list = field(default_factory=list)
    moving_cycles: int = 0

    @staticmethod
    def signals(dut: ObservedTable) -> tuple:
        """Return what to sample in each cycle for `observe`."""
        decide, cam = dut.part_decide, dut.part_cam
        banks = dut.part_bank_0, dut.part_bank_1
        return (dut.part_compare.enable & decide.commit, decide.slot_kind, decide.slot,
                decide.result, cam.write, cam.write_used, cam.write_index, cam.write_key,
                *(getattr(bank, name) for bank in banks
                  for name in ("write_ways", "write_row", "write_order")))

    def observe(self, cycle, commit, kind, slot, result, *writes):
        """Take what was sampled."""
        self.moving_cycles = max(0, self.moving_cycles - 1)
        if commit and kind.operation:
            names = list(self.slots.values())
            assert len(names) == len(set(names)), "an order is in two slots"
            if not slot.second:
                self.before.append(set(names))
            if slot.insert and not result.known:
                self.stored.append(bool(result.present))
                assert result.present or self._full(slot.rows), "not stored, but there is room"
            self.decisions.append((cycle, _name(result.key)))
        elif commit and kind.move:
            self.moves.append((cycle, _name(result.key), None))
            self.moving_cycles = 2
        elif commit:
            self.moves[-1] = (*self.moves[-1][:2], _name(result.key))
        self._written(*writes)

    def _written(self, cam_write, cam_used, cam_index, cam_key, *banks):
        if cam_write:
            self._set(("cam", cam_index), _name(cam_key) if cam_used else None)
        for bank in (0, 1):
            ways, row, order = banks[3 * bank:3 * bank + 3]
            for way in range(PROFILE.order_ways):
                if ways >> way & 1:
                    self._set((bank, row, way), _name(order.key) if order.valid else None)

    def _set(self, place, name):
        self.slots.pop(place, None)
        if name is not None:
            self.slots[place] = name

    def _full(self, rows):
        places = [(bank, rows[bank], way) for bank in (0, 1) for way in range(PROFILE.order_ways)]
        places += [("cam", index) for index in range(CAM_ENTRIES)]
        return all(place in self.slots for place in places)


class ObservedPlacement:
    """Say of each new order what the table has decided: where it fits depends on when it came."""

    def __init__(self, stored: list):
        self.stored = iter(stored)

    def insert(self, name: Name) -> bool:
        """Return whether the table has stored it."""
        return next(self.stored)

    def remove(self, name: Name) -> None:
        """Nothing to do."""


def _name(key) -> Name:
    return key.reference, key.symbol_index


@dataclass
class Log:
    """What came out, and when things happened (in cycles)."""

    updates: list = field(default_factory=list)    # (cycle valid first seen, update)
    accepted: list = field(default_factory=list)   # cycles of transfers on operations
    walks: list = field(default_factory=list)      # (updates taken before, symbol, side, cycle)
    pulses: Counter = field(default_factory=Counter)
    late: list = field(default_factory=list)       # cycles of late pulses
    offered: list = field(default_factory=list)    # cycles in which operations became valid
    places: Places = field(default_factory=Places)


def operation_payload(operation):
    fields = asdict(operation)
    fields["kind"] = OperationKind[operation.kind.name]
    fields["side"] = Side(operation.side)
    return fields


def simulate(operations, *, source=always, sink=always, walk=None, settle=40, keys=None,
             profile=PROFILE):
    """Run operations through the table.

    `walk` is a function from the cycle to a (symbol, side) to walk, or None.
    """
    dut = ObservedTable(profile)
    log = Log()
    state = {"walking": False, "valid_since": None, "fed": False}

    async def feed(ctx):
        if keys is not None:
            ctx.set(dut.cfg_seeds, list(keys))
        await ctx.tick().until(dut.cleared)
        await drive_announced(ctx, dut, map(operation_payload, operations), source)
        state["fed"] = True
        while state["walking"]:
            await ctx.tick()
        await ctx.tick().repeat(settle)
        while log.places.moving_cycles:
            await ctx.tick()
        log.occupancy = ctx.get(dut.occupancy)

    async def watch(ctx):
        cycle = 0
        requested = ()
        offered = False
        taken, foretold = False, None
        observed = Places.signals(dut)
        while True:
            if (walk is not None and not state["walking"] and not state["fed"]
                    and (request := walk(cycle))):
                state["walking"], requested = True, request
                ctx.set(dut.walk.payload, {"symbol_index": request[0], "side": Side(request[1])})
                ctx.set(dut.walk.valid, 1)
            ready = sink()
            ctx.set(dut.updates.ready, ready)
            (_, _, valid, update, coming, offer, accepted, walk_ready, late_dup, late_over,
             late_symbol, unknown, dup, overfill, overflow, *places) = await ctx.tick().sample(
                dut.updates.valid, dut.updates.payload, dut.coming, dut.operations.valid,
                dut.operations.valid & dut.operations.ready, dut.walk.valid & dut.walk.ready,
                dut.late_duplicate, dut.late_overflow, dut.late_symbol_index,
                dut.stat_unknown_reference, dut.stat_duplicate_reference, dut.stat_overfill,
                dut.stat_overflow, *observed)
            log.places.observe(cycle, *places)
            if valid and not taken and foretold.valid:
                assert (foretold.symbol_index, foretold.side) == (update.symbol_index, update.side)
            taken, foretold = valid and ready, coming
            if offer and not offered:
                log.offered.append(cycle)
            offered = offer and not accepted
            if valid and state["valid_since"] is None:
                state["valid_since"] = cycle
            if valid and ready:
                log.updates.append((state["valid_since"], update))
                state["valid_since"] = None
                if update.kind == UpdateKind.WALK_END:
                    state["walking"] = False
            if walk_ready:
                ctx.set(dut.walk.valid, 0)
                log.walks.append((len(log.updates), *requested, cycle))
            if accepted:
                log.accepted.append(cycle)
            if late_dup or late_over:
                log.late.append(cycle)
            log.pulses.update({
                ("late_duplicate", late_symbol): late_dup,
                ("late_overflow", late_symbol): late_over,
                "unknown": unknown, "duplicate": dup, "overfill": overfill, "overflow": overflow})
            cycle += 1

    run(dut, feed, background=[watch], cycles=200_000)
    return log


def check(log, operations):
    """Compare everything that came out, and what was kept, with the golden model; return it."""
    golden = Golden(ObservedPlacement(log.places.stored))
    upcoming = iter(operations)
    before = iter(log.places.before)
    expected = []
    late = Counter()
    walks = list(log.walks)
    walker = None
    for index, (_, update) in enumerate(log.updates):
        if walks and index == walks[0][0]:
            assert walker is None, "a walk began before the last one ended"
            walker = WalkChecker(golden, *walks.pop(0)[1:3])
        if update.walk:
            assert walker is not None, "walk update without a walk"
            assert not update.event_last
            assert not update.suspect
            assert not update.final
            if update.kind == UpdateKind.WALK_END:
                assert not expected, "walk ended inside an event"
                assert walker.exact()
                walker = None
                continue
            assert update.kind == UpdateKind.ADD
            assert (update.symbol_index, update.side.value, update.touch_levels) == (
                walker.symbol_index, walker.side, 1)
            walker.walked(update.price, update.quantity)
            continue
        if not expected:
            assert next(before) == set(golden.orders), "orders were lost or have come back"
            expected = golden.apply(next(upcoming))
        want = expected.pop(0)
        compare(update, want, late)
        watched = walker is not None and (want.symbol_index, want.side) == (
            walker.symbol_index, walker.side)
        if want.kind is not GoldenUpdateKind.NONE and not watched:
            assert update.touch_levels == 1
        if walker is not None:
            walker.updated(want, touch_levels=bool(update.touch_levels))
    assert not expected
    assert next(upcoming, None) is None, "operations without update"
    assert walker is None
    assert not walks
    assert +Counter({name: log.pulses[name] for name in golden.counts}) == +golden.counts
    assert Counter({name: count for name, count in log.pulses.items()
                    if isinstance(name, tuple) and count}) == late
    assert log.occupancy == len(golden.orders)
    assert sorted(log.places.slots.values()) == sorted(golden.orders)
    for place, (reference, _) in log.places.slots.items():
        if place[0] != "cam":
            assert place[1] == toeplitz_row(reference, KEYS[place[0]], ROW_BITS)
    return golden


def compare(update, want, late):
    """Compare one update; what a fast ADD could not know must have come as a pulse."""
    assert update.kind.name == want.kind.name
    suspect, overflow = want.suspect, want.overflow
    if want.kind is GoldenUpdateKind.ADD and (update.suspect, update.overflow) == (0, 0):
        late.update({("late_duplicate", want.symbol_index): suspect,
                     ("late_overflow", want.symbol_index): overflow})
        for name in list(late):
            if not late[name]:
                del late[name]
        suspect = overflow = 0
    names = ["symbol_index", "final", "event_last", "execution", "tag"]
    if want.kind is not GoldenUpdateKind.NONE:
        names += ["price", "quantity"]
        assert update.side.value == want.side
    assert [update[name] for name in names] == [getattr(want, name) for name in names]
    assert (update.suspect, update.overflow) == (suspect, overflow)


def random_operations(seed, count, *, references=40, near=0.6, symbols=SYMBOLS):
    """Operations of few references, often one of the last four; every kind of mistake."""
    rng = random.Random(seed)
    pool = [rng.getrandbits(64) for _ in range(references)]
    home = {reference: rng.randrange(symbols) for reference in pool}
    recent = [pool[0]] * 4

    def pick():
        reference = rng.choice(recent) if rng.random() < near else rng.choice(pool)
        recent.pop(0)
        recent.append(reference)
        return reference

    for _ in range(count):
        reference, new_reference = pick(), pick()
        symbol = home[reference] if rng.random() < 0.95 else rng.randrange(symbols)
        yield Operation(
            kind=rng.choices(list(Kind), weights=[5, 4, 2, 2])[0], symbol_index=symbol,
            reference=reference, new_reference=new_reference, side=rng.getrandbits(1),
            shares=rng.choice([0, 1, 2, 3, 100, 2**32 - 1]), price=rng.randrange(8) * 100,
            execution=rng.getrandbits(1), tag=rng.randrange(32))


def random_walks(seed, every):
    rng = random.Random(seed)
    return lambda cycle: ((rng.randrange(SYMBOLS), rng.getrandbits(1))
                          if rng.random() < 1 / every else None)


def add(reference, **fields):
    return Operation(kind=Kind.ADD, symbol_index=fields.pop("symbol_index", 0), reference=reference,
                     **{"shares": 100, "price": 5000, **fields})


def operation(kind, reference, **fields):
    return Operation(kind=kind, symbol_index=fields.pop("symbol_index", 0), reference=reference,
                     **fields)


def colliding(count, row=(5, 2), seed=7):
    """References whose rows are all the same, in both banks."""
    rng = random.Random(seed)
    found = []
    while len(found) < count:
        reference = rng.getrandbits(64)
        if tuple(toeplitz_row(reference, key, ROW_BITS) for key in KEYS) == row:
            found.append(reference)
    return found
