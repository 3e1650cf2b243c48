"""First stage of the order table: operations, walk steps and relocations become slots."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.book.order_hash import REFERENCE_BITS, ToeplitzHash
from hdl.book.order_slot import Slot, SlotKind, slots_of_row
from hdl.book.order_store import CAM_ENTRIES, OrderKey
from hdl.one_hot import pick
from hdl.profile import Profile
from hdl.records import BookOperation, OperationAhead, OperationKind

__all__ = ["OrderIntake"]


class OrderIntake(wiring.Component):
    """Fill the first slot of the pipeline; say which rows and which key to look up as it is filled.

    Latency: 1 cycle, `operations` transfer to `slot`, counted in cycles with `enable`; `read_rows`
    and `read_key` come with the transfer, as the reference is hashed while it is announced. An
    operation is followed by an empty slot; a REPLACE by its second half two slots later, and
    another. A relocation takes two slots and an empty one, and begins only while no operation is
    offered.

    The rows of both references of a REPLACE come from the same hashes: those of the new one in the
    cycle after it was accepted. What is announced in that cycle is hashed once it is offered, long
    before a REPLACE lets it in; an operation behind a third announcement in a row waits a cycle.

    Parameters
    ----------
    profile : Profile
        Sizes.
    toeplitz : ToeplitzHash
        The hash.

    Members
    -------
    operations : ``In(stream.Signature(BookOperation))``
        What to do.
    ahead : ``In(OperationAhead)``
        What is known of the next operation, in the cycle before it is offered.
    keys : ``In`` array
        Key of each bank's hash.
    enable : ``In(1)``
        The pipeline moves on.
    clear : ``In(1)``
        Forget what is here.
    claim : ``In(1)``
        With `block`: a step of a walk may go into the slot though an operation is offered.
    block : ``In(1)``
        No operation may be accepted; the second half of one goes on.
    fast : ``In(1)``
        An ADD that is accepted now leaves its update at once.
    step, step_row, step_cam_index, walk_active, walk_symbol_index, walk_side : ``In``
        What the walker wants, and what it walks.
    relocation_valid, relocation_key, relocation_rows, relocation_victim : ``In``
        Order of the CAM that may be moved, its rows, and the way to swap it with.
    relocation_taken : ``Out(1)``
        It goes into the slot.
    accept, express : ``Out(1)``
        An operation is accepted; it is an ADD that leaves its update at once.
    second_due : ``Out(1)``
        The second half of a REPLACE is still to come.
    read_rows, read_key : ``Out``
        What goes into the slot if anything does.
    slot_kind, slot : ``Out``
        The first slot.
    """

    def __init__(self, profile: Profile, toeplitz: ToeplitzHash):
        self.hash = toeplitz
        super().__init__({
            "operations":        In(stream.Signature(BookOperation(profile))),
            "ahead":             In(OperationAhead(profile)),
            "keys":              In(toeplitz.key_bits).array(profile.order_banks),
            "enable":            In(1),
            "clear":             In(1),
            "claim":             In(1),
            "block":             In(1),
            "fast":              In(1),
            "step":              In(SlotKind),
            "step_row":          In(ceil_log2(profile.order_rows)),
            "step_cam_index":    In(range(CAM_ENTRIES)),
            "walk_active":       In(1),
            "walk_symbol_index": In(profile.symbol_bits),
            "walk_side":         In(1),
            "relocation_valid":  In(1),
            "relocation_key":    In(OrderKey(profile)),
            "relocation_rows":   In(data.ArrayLayout(ceil_log2(profile.order_rows),
                                                     profile.order_banks)),
            "relocation_victim": In(ceil_log2(slots_of_row(profile))),
            "relocation_taken":  Out(1),
            "accept":            Out(1),
            "express":           Out(1),
            "second_due":        Out(1),
            "read_rows":         Out(Slot(profile)["rows"].shape),
            "read_key":          Out(OrderKey(profile)),
            "slot_kind":         Out(SlotKind),
            "slot":              Out(Slot(profile)),
        })

    def elaborate(self, platform):
        m = Module()

        operation = self.operations.payload
        slot = Signal(self.slot.shape(), reset_less=True)
        new_reference = Signal(REFERENCE_BITS, reset_less=True)
        gap = Signal()     # the slot holds an operation or a relocation
        evict_due = Signal()  # it holds the first half of a relocation
        inject = Signal()  # the second half goes into the slot
        free = Signal()    # if anything goes into the slot, a step or a relocation
        hashes_new = Signal()  # the new reference of a REPLACE is hashed
        hashes_late = Signal()  # that, or an operation that was announced meanwhile
        m.d.comb += [
            self.slot.eq(slot),
            self.operations.ready.eq(self.enable & ~gap & ~self.second_due & ~self.block
                                     & ~hashes_late),
            self.accept.eq(self.operations.valid & self.operations.ready),
            # As `accept`, but for `enable`, which is high if `fast` is.
            self.express.eq(self.operations.valid & self.fast & ~gap & ~self.second_due
                            & ~self.block & ~hashes_late
                            & (operation.kind == OperationKind.ADD)),
            inject.eq(self.enable & self.second_due & ~gap),
            free.eq(~self.second_due & (~self.operations.valid | self.block)),
            self.relocation_taken.eq(self.enable & self.relocation_valid & ~self.operations.valid
                                     & ~gap & ~self.second_due & ~self.block
                                     & ~self.walk_active),
        ]

        with m.If(self.enable):
            m.d.sync += gap.eq(self.accept | inject | self.relocation_taken | evict_due)
            m.d.sync += evict_due.eq(self.relocation_taken)
            m.d.sync += self.slot_kind.eq(self.step)
            m.d.sync += self.slot_kind.operation.eq(self.accept | inject)
            m.d.sync += self.slot_kind.move.eq(self.relocation_taken)
            m.d.sync += self.slot_kind.evict.eq(evict_due)
        m.d.sync += [
            hashes_new.eq(self.accept & (operation.kind == OperationKind.REPLACE)),
            hashes_late.eq((self.accept & (operation.kind == OperationKind.REPLACE))
                           | (hashes_late & self.ahead.load)),
        ]
        self._address(m, slot, new_reference, evict_due, hashes_new, hashes_late)
        with m.If(self.enable & ~evict_due):  # the halves of a relocation are the same
            m.d.sync += [
                slot.key.eq(self.read_key),
                slot.rows.eq(self.read_rows),
                slot.cam_index.eq(self.step_cam_index),
                slot.victim.eq(self.relocation_victim),
            ]
            with m.If(free):
                self._fill_with_found(m, slot)
            with m.Elif(self.second_due):  # the rest is as the first half left it
                m.d.sync += slot.insert.eq(1)
                m.d.sync += slot.second.eq(1)
            with m.Else():
                self._fill_with_operation(m, slot)
            with m.If(~self.second_due):  # nothing to a step or relocation
                m.d.sync += slot.shares.eq(operation.shares)
                m.d.sync += slot.price.eq(operation.price)
                m.d.sync += new_reference.eq(operation.new_reference)
        with m.If(self.accept):
            m.d.sync += self.second_due.eq(operation.kind == OperationKind.REPLACE)
        with m.Elif(inject):
            m.d.sync += self.second_due.eq(0)

        with m.If(self.clear):
            m.d.sync += [self.slot_kind.eq(0), self.second_due.eq(0), gap.eq(0),
                         evict_due.eq(0)]

        return m

    def _address(self, m: Module, slot, new_reference: Value, evict_due: Value,
                 hashes_new: Value, hashes_late: Value) -> None:
        """Choose key and rows: of an operation, whose hashes are there, of walker or relocation.

        The choices are from registers and exclusive, as memories are read with the rows. Under
        `block` nothing but a step goes into the slot, and only under `claim` while an operation
        waits.
        """
        operation = self.operations.payload
        kept = evict_due
        second = self.second_due & ~evict_due
        waits = self.operations.valid & ~self.claim
        first = waits & ~self.second_due & ~evict_due
        other = ~waits & ~self.second_due & ~evict_due
        relocation = self.relocation_key

        m.d.comb += [
            self.read_key.reference.eq(pick(
                (kept, slot.key.reference), (second, new_reference),
                (first, operation.reference), (other, relocation.reference))),
            self.read_key.symbol_index.eq(pick(
                (kept | second, slot.key.symbol_index), (first, operation.symbol_index),
                (other & self.walk_active, self.walk_symbol_index),
                (other & ~self.walk_active, relocation.symbol_index))),
        ]
        late = Mux(hashes_new, new_reference, operation.reference)
        hashed = Signal(REFERENCE_BITS)
        m.d.comb += hashed.eq(Mux(hashes_late, late, self.ahead.reference))
        for index, key in enumerate(self.keys):
            row = Signal(self.hash.row_bits, name=f"row_{index}", reset_less=True)
            new_row = Signal(self.hash.row_bits, name=f"new_row_{index}", reset_less=True)
            found_row = self.hash.hash(hashed, key)
            # The second half follows two cycles after the first at the soonest.
            with m.If(hashes_new):
                m.d.sync += new_row.eq(found_row)
            with m.Elif(self.ahead.load | hashes_late):
                m.d.sync += row.eq(found_row)
            m.d.comb += self.read_rows[index].eq(pick(
                (kept, slot.rows[index]), (second, new_row), (first, row),
                (other & self.walk_active, self.step_row),
                (other & ~self.walk_active, self.relocation_rows[index])))

    def _fill_with_operation(self, m: Module, slot) -> None:
        operation = self.operations.payload
        m.d.sync += [
            slot.kind.eq(operation.kind),
            slot.insert.eq(operation.kind == OperationKind.ADD),
            slot.second.eq(0),
            slot.fast.eq(self.fast & (operation.kind == OperationKind.ADD)),
            slot.side.eq(operation.side),
            slot.execution.eq(operation.execution),
            slot.tag.eq(operation.tag),
            slot.watched.eq(self.walk_active
                            & (operation.symbol_index == self.walk_symbol_index)),
        ]

    def _fill_with_found(self, m: Module, slot) -> None:
        """Let a slot that is no operation look like a DELETE, which shows the whole order."""
        m.d.sync += [
            slot.kind.eq(OperationKind.DELETE),
            slot.insert.eq(0),
            slot.second.eq(0),
            slot.fast.eq(~self.walk_active),
            slot.side.eq(self.walk_side),
            slot.execution.eq(0),
            slot.tag.eq(0),
            slot.watched.eq(0),
        ]
