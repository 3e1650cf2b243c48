"""Order table: from a message that names an order to the change of a price level."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.book.layouts import UpdateComing
from hdl.book.order_compare import OrderCompare
from hdl.book.order_decide import OrderDecide
from hdl.book.order_hash import ToeplitzHash, default_keys
from hdl.book.order_intake import OrderIntake
from hdl.book.order_output import OrderOutput
from hdl.book.order_relocate import OrderRelocate
from hdl.book.order_slot import RESULT_SLOTS, RESULTS, OrderResult, Slot, SlotKind
from hdl.book.order_store import OrderBank, OrderCam
from hdl.book.order_walk import OrderWalk, WalkRequest
from hdl.profile import Profile
from hdl.records import BookOperation, LevelUpdate, OperationAhead, UpdateKind

__all__ = ["OrderTable"]

#: Stages between the transfer of an operation and the register of its update.
_STAGES = 3


class OrderTable(wiring.Component):
    """Keep every open order of the watched symbols, and tell what each operation changes.

    Latency: 4 cycles, `operations` transfer to `updates.valid`; none for an ADD while no walk is
    under way and no update of an older operation is still to come. Throughput: one operation in 2
    cycles, a REPLACE in 4, whatever their references. Order is kept; while `updates.ready` is low
    ten updates wait, behind them everything does, and nothing is lost.

    Two banks of rows of four ways, each bank indexed by its own hash of the reference; a new
    order goes to the emptier of its two rows, to a CAM of 16 if both are full, and if that is full
    as well it is not stored (`overflow`).

    Orders of the CAM try again one by one (a relocation): each into a free way of its rows, or by a
    swap with the order of another way there, whose turn comes later. Relocations begin in cycles
    in which no operation is offered, and delay the next operation by at most 2 cycles; walks have
    none. With random references and a relocation in 8 operations, 60 % of the slots hold for ever:
    in 49 million operations at that load, each order replaced by another 5,000 times, at most 6 of
    the 16 were used with 8192 slots (7 in 47 million with 65536). A stream that offers an operation
    in each cycle, or a walk, of more than some 1,000 operations may overflow; 70 % always may.

    A hit needs reference and symbol. An ADD of a stored reference replaces the order
    (``suspect``); a REDUCE by more than is open removes what is open (``suspect``); an unknown
    reference gives an update NONE (``suspect``), and a REPLACE of one inserts nothing. Price,
    quantity and side of a NONE are undefined.

    An ADD that took the short way has left when the table learns that it is a duplicate or does
    not fit: `late_duplicate` and `late_overflow` tell it, 4 cycles after the transfer.

    A walk begins with the transfer on `walk`, which waits until no update is on its way: go on
    taking updates meanwhile. Then every stored order of the side comes as an ADD with ``walk``, and
    WALK_END at last. An operation's update has ``touch_levels`` low if its order is of that side
    and the walker has yet to come to its slot, or if the order was not stored. So the walk's
    updates and those with ``touch_levels``, from the beginning of the walk, make up exactly the
    levels of the stored orders; but for what a duplicate left behind.

    Parameters
    ----------
    profile : Profile
        Sizes.

    Members
    -------
    operations : ``In(stream.Signature(BookOperation))``
        What feed messages do to orders; not accepted while clearing.
    ahead : ``In(OperationAhead)``
        Announces each operation in the cycle before it is offered; its reference is hashed then.
    updates : ``Out(stream.Signature(LevelUpdate))``
        One change of a level for each operation, two for a REPLACE; and those of a walk.
    coming : ``Out``
        What may be offered in the next cycle, unless an update is taken in this one.
    walk : ``In(stream.Signature(WalkRequest))``
        Re-add one side of a symbol.
    cfg_seeds : ``In``
        Key of each bank's hash; taken over while the table is empty.
    clear : ``In(1)``
        Forget every order, and whatever is on its way: `updates.valid` falls, a walk is abandoned
        without WALK_END. Happens by itself after reset; takes a cycle for each row.
    cleared : ``Out(1)``
        Clearing is done.
    occupancy : ``Out``
        Stored orders.
    late_duplicate, late_overflow : ``Out(1)``
        Pulse: an ADD whose update has left was a duplicate, was not stored.
    late_symbol_index : ``Out``
        Its symbol, with the pulse.
    stat_unknown_reference, stat_duplicate_reference, stat_overfill, stat_overflow : ``Out(1)``
        Pulses.
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        self.hash = ToeplitzHash(ceil_log2(profile.order_rows))
        keys = data.ArrayLayout(self.hash.key_bits, profile.order_banks)
        super().__init__({
            "operations":        In(stream.Signature(BookOperation(profile))),
            "ahead":             In(OperationAhead(profile)),
            "updates":           Out(stream.Signature(LevelUpdate(profile))),
            "coming":            Out(UpdateComing(profile)),
            "walk":              In(stream.Signature(WalkRequest(profile))),
            "cfg_seeds":         In(keys, init=default_keys(self.hash.row_bits,
                                                            profile.order_banks)),
            "clear":             In(1),
            "cleared":           Out(1),
            "occupancy":         Out(profile.count_bits),
            "late_duplicate":    Out(1),
            "late_overflow":     Out(1),
            "late_symbol_index": Out(profile.symbol_bits),
            "stat_unknown_reference":   Out(1),
            "stat_duplicate_reference": Out(1),
            "stat_overfill":            Out(1),
            "stat_overflow":            Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.walker = walker = OrderWalk(self.profile)
        m.submodules.relocate = relocate = OrderRelocate(self.profile)
        m.submodules.intake = intake = OrderIntake(self.profile, self.hash)
        m.submodules.cam = cam = OrderCam(self.profile)
        m.submodules.compare = compare = OrderCompare(self.profile)
        m.submodules.decide = decide = OrderDecide(self.profile)
        m.submodules.output = output = OrderOutput(self.profile)
        banks = [OrderBank(self.profile) for _ in range(self.profile.order_banks)]
        for index, bank in enumerate(banks):
            m.submodules[f"bank_{index}"] = bank
        wiring.connect(m, wiring.flipped(self.operations), intake.operations)
        wiring.connect(m, wiring.flipped(self.walk), walker.requests)
        wiring.connect(m, wiring.flipped(self.updates), output.updates)

        enable = Signal()
        kinds, slots = self._stages(m, intake, enable)
        operating = Cat(kind.operation for kind in kinds).any() | intake.second_due
        busy = Cat(kinds).any() | intake.second_due
        writing = Signal()
        clearing = Signal(init=1)
        m.d.comb += [
            enable.eq(output.ready & ~compare.hold),
            *(block.clear.eq(self.clear) for block in (walker, intake, cam, compare, output)),
            relocate.clear.eq(self.clear | (self.occupancy == 0)),  # its rows are of the old keys
            *(block.enable.eq(enable) for block in (walker, intake, cam, compare, *banks)),
            compare.step.eq(output.ready & compare.hold),
            walker.quiet.eq(~operating & ~writing),
            walker.taken.eq(intake.accept),
            walker.drained.eq(~busy & output.empty & ~clearing),
            Value.cast(intake.ahead).eq(Value.cast(self.ahead)),
            intake.claim.eq(walker.claim),
            intake.block.eq(walker.block | clearing),
            intake.fast.eq(output.empty & ~compare.hold & ~walker.active
                           & ~self._slow(kinds, slots)),
            intake.step.eq(walker.step),
            intake.step_row.eq(walker.rows_passed),
            intake.step_cam_index.eq(walker.cam_index),
            intake.walk_active.eq(walker.active),
            intake.walk_symbol_index.eq(walker.symbol_index),
            intake.walk_side.eq(walker.side),
            relocate.used.eq(cam.retry_used),
            relocate.stored_key.eq(cam.retry_key),
            relocate.stored_rows.eq(cam.retry_rows),
            relocate.taken.eq(intake.relocation_taken),
            cam.retry_index.eq(relocate.index),
            intake.relocation_valid.eq(relocate.valid),
            intake.relocation_key.eq(relocate.key),
            intake.relocation_rows.eq(relocate.rows),
            intake.relocation_victim.eq(relocate.victim),
        ]
        self._look_up(m, intake, walker, banks, cam, compare, kinds, slots, enable)
        self._update(m, intake, compare, decide, output)
        m.d.comb += [
            decide.slot_kind.eq(kinds[-1]),
            decide.slot.eq(slots[-1]),
            decide.matches.eq(compare.matches),
            decide.cam_full.eq(cam.full),
            decide.cam_free.eq(cam.free_index),
            decide.walk_side.eq(walker.side),
        ]
        m.d.comb += writing.eq(self._commit(m, compare, decide, banks, cam, clearing, enable))
        self._report(m, decide, enable)

        with m.If((self.occupancy == 0) & ~operating & ~writing & ~self.operations.valid
                  & ~self.ahead.load):
            m.d.sync += Cat(intake.keys).eq(Cat(self.cfg_seeds))

        return m

    def _stages(self, m: Module, intake, enable: Value) -> tuple[list, list]:
        """Make the slots that move from the intake (first of the lists) to the decision (last)."""
        kinds, slots = [intake.slot_kind], [intake.slot]
        for stage in range(2, _STAGES + 1):
            kind = Signal(SlotKind, name=f"kind_{stage}")
            slot = Signal(Slot(self.profile), name=f"slot_{stage}", reset_less=True)
            with m.If(enable):
                m.d.sync += kind.eq(kinds[-1])
                m.d.sync += slot.eq(slots[-1])
            with m.If(self.clear):
                m.d.sync += kind.eq(0)
            kinds.append(kind)
            slots.append(slot)
        return kinds, slots

    @staticmethod
    def _slow(kinds: list, slots: list) -> Value:
        """Return whether a slot has yet to give an update."""
        return Cat(kind.as_value().any() & ~slot.fast
                   for kind, slot in zip(kinds, slots, strict=True)).any()

    def _look_up(self, m, intake, walker, banks, cam, compare, kinds, slots, enable) -> None:
        """Read the rows and search the CAM as the first slot is filled; compare in the second."""
        passed = Signal(self.profile.order_banks, reset_less=True)
        with m.If(enable):
            m.d.sync += passed.eq(Cat(row < walker.rows_passed for row in slots[0].rows))
        for index, bank in enumerate(banks):
            m.d.comb += bank.read_row.eq(intake.read_rows[index])
        ways = [way for bank in banks for way in bank.ways]
        m.d.comb += [
            cam.key.eq(intake.read_key),
            cam.scan.eq(kinds[0].walk_cam),
            cam.scan_index.eq(slots[0].cam_index),
            compare.slot_kind.eq(kinds[1]),
            compare.slot.eq(slots[1]),
            compare.passed.eq(passed),
            *(port.eq(way) for port, way in zip(compare.ways, ways, strict=True)),
            compare.cam_hit.eq(cam.hit),
            compare.cam_index.eq(cam.index),
            compare.cam_symbol_index.eq(cam.symbol_index),
            compare.cam_payload.eq(cam.payload),
        ]
        victim = Signal(len(compare.victim), reset_less=True)
        with m.If(enable):
            m.d.sync += victim.eq(1 << slots[0].victim)
        m.d.comb += compare.victim.eq(victim)
        with m.If(enable & (kinds[0].move | kinds[0].evict)):
            m.d.sync += slots[1].shares.eq(0)  # nothing is taken from the order
        with m.If(enable & kinds[1].evict):
            m.d.sync += slots[2].key.eq(compare.victim_key)
            m.d.sync += slots[2].rows.eq(compare.victim_rows)

    def _update(self, m, intake, compare, decide, output) -> None:
        """Hand over the update of the decision, or that of an ADD at once; say what comes."""
        operation = self.operations.payload
        # Chosen by what registers show, as a memory is read with it: the side of what is decided
        # now comes too late.
        decides = (decide.slot_kind.operation & ~decide.slot.fast) | decide.slot_kind.walk_end \
            | compare.walk_hit
        with m.If(~output.empty):
            m.d.comb += [self.coming.valid.eq(1), self.coming.side.eq(output.side),
                         self.coming.symbol_index.eq(output.symbol_index)]
        with m.Elif(self.operations.valid):
            m.d.comb += [self.coming.valid.eq(~decides), self.coming.side.eq(operation.side),
                         self.coming.symbol_index.eq(operation.symbol_index)]
        with m.Else():
            m.d.comb += [self.coming.valid.eq(self.ahead.near & ~decides),
                         self.coming.side.eq(self.ahead.side),
                         self.coming.symbol_index.eq(self.ahead.symbol_index)]
        m.d.comb += [
            output.update.eq(decide.update),
            output.update_valid.eq(decide.update_valid | compare.walk_hit),
            output.express_valid.eq(intake.express),
            output.express.kind.eq(UpdateKind.ADD),
            output.express.symbol_index.eq(operation.symbol_index),
            output.express.side.eq(operation.side),
            output.express.price.eq(operation.price),
            output.express.quantity.eq(operation.shares),
            output.express.event_last.eq(1),
            output.express.execution.eq(operation.execution),
            output.express.touch_levels.eq(1),
            output.express.tag.eq(operation.tag),
        ]

    def _commit(self, m, compare, decide, banks, cam, clearing, enable) -> Value:
        """Keep the last results, write the youngest to memory, and count; clear row by row.

        Returns
        -------
        Value
            The youngest result is being written.
        """
        results = [Signal(OrderResult(self.profile), name=f"result_{age}", reset_less=True)
                   for age in range(RESULTS)]
        valid = Signal(RESULTS)
        age = Signal(range(RESULT_SLOTS + 1))
        write = Signal()
        for block in (compare, decide):
            m.d.comb += [port.eq(result)
                         for port, result in zip(block.results, results, strict=True)]
        m.d.comb += compare.results_valid.eq(valid)
        m.d.sync += write.eq(enable & decide.commit)
        with m.If(enable & decide.decides):
            m.d.sync += [new.eq(old) for new, old in
                         zip(results, [decide.result, *results], strict=False)]
            m.d.sync += valid.eq(Cat(decide.commit, valid))
            m.d.sync += age.eq(0)
        with m.Elif(enable):
            m.d.sync += age.eq(age + 1)
            with m.If(age == RESULT_SLOTS - 1):
                m.d.sync += valid.eq(0)

        clear_write = Signal()
        clear_row = Signal(range(self.profile.order_rows))
        m.d.comb += self.cleared.eq(~clearing)
        m.d.sync += clear_write.eq(clearing)
        with m.If(clearing):
            m.d.sync += [row.eq(clear_row) for row in results[0].rows]
            m.d.sync += clear_row.eq(clear_row + 1)
            m.d.sync += clearing.eq(clear_row != self.profile.order_rows - 1)
        with m.If(self.clear):
            m.d.sync += [clearing.eq(1), clear_row.eq(0), valid.eq(0), write.eq(0)]

        youngest, ways = results[0], self.profile.order_ways
        for index, bank in enumerate(banks):
            m.d.comb += [
                bank.write_row.eq(youngest.rows[index]),
                bank.write_ways.eq((youngest.ways.word_select(index, ways) & write.replicate(ways))
                                   | clear_write.replicate(ways)),
                bank.write_order.valid.eq(youngest.present & ~clear_write),
                bank.write_order.key.eq(youngest.key),
                bank.write_order.payload.eq(youngest.payload),
                bank.write_order.other_row.eq(youngest.rows[1 - index]),
            ]
        m.d.comb += [
            cam.write.eq(write & (youngest.cam | youngest.moved)),
            cam.write_used.eq(youngest.present & ~youngest.moved),
            cam.write_index.eq(youngest.cam_index),
            cam.write_key.eq(youngest.key),
            cam.write_rows.eq(youngest.rows),
            cam.write_payload.eq(youngest.payload),
        ]

        with m.If(self.clear):
            m.d.sync += self.occupancy.eq(0)
        with m.Elif(write & youngest.present & ~youngest.known):
            m.d.sync += self.occupancy.eq(self.occupancy + 1)
        with m.Elif(write & ~youngest.present & youngest.known):
            m.d.sync += self.occupancy.eq(self.occupancy - 1)
        return write

    def _report(self, m: Module, decide, enable: Value) -> None:
        """Pulse what was wrong with an operation as it is decided."""
        late = enable & decide.slot.fast & ~self.clear
        m.d.sync += [
            self.stat_unknown_reference.eq(enable & decide.unknown),
            self.stat_duplicate_reference.eq(enable & decide.duplicate),
            self.stat_overfill.eq(enable & decide.overfill),
            self.stat_overflow.eq(enable & decide.overflow),
            self.late_duplicate.eq(late & decide.duplicate),
            self.late_overflow.eq(late & decide.overflow),
            self.late_symbol_index.eq(decide.slot.key.symbol_index),
        ]
