"""Walker of the order table: finds every order of one side of a symbol, row by row."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.book.order_slot import SlotKind
from hdl.book.order_store import CAM_ENTRIES
from hdl.profile import Profile
from hdl.records import Side

__all__ = ["STARVED_CYCLES", "OrderWalk", "WalkRequest"]

#: Cycles without a step after which a walk takes one before the next operation.
STARVED_CYCLES = 64


def WalkRequest(profile: Profile) -> data.StructLayout:  # noqa: N802
    """Return the layout of a request to re-add every order of one side of a symbol."""
    return data.StructLayout({"symbol_index": profile.symbol_bits, "side": Side})


class OrderWalk(wiring.Component):
    """Give out the steps of a walk, each into a slot of the pipeline that no operation wants.

    A step is taken only while no operation is in the pipeline, so that memory shows what every
    older operation has done; and as slots stay in order, a younger operation finds the walker
    past a row exactly if the row's step is ahead of it. The steps of the CAM and the end of the
    walk follow each other while operations wait.

    Latency: 1 cycle, `requests` transfer to `active`. A walk of R rows takes R + 17 steps, one a
    cycle while there are no operations, and at least one step in 64 cycles and the depth of the
    pipeline while there are.

    Parameters
    ----------
    profile : Profile
        Sizes.

    Members
    -------
    requests : ``In(stream.Signature(WalkRequest))``
        Start of a walk; waits until `drained`.
    enable : ``In(1)``
        The pipeline takes a slot.
    clear : ``In(1)``
        Abandon the walk.
    drained : ``In(1)``
        Nothing is in the pipeline and no update waits to be taken.
    quiet : ``In(1)``
        No operation is in the pipeline.
    taken : ``In(1)``
        The slot of this cycle goes to an operation.
    block : ``Out(1)``
        No operation may be accepted.
    claim : ``Out(1)``
        As a step goes before it.
    step : ``Out(SlotKind)``
        What goes into the slot of this cycle.
    rows_passed : ``Out``
        Rows whose step has been given out.
    cam_index : ``Out``
        CAM slot of the step.
    active : ``Out(1)``
        A walk is under way.
    symbol_index, side : ``Out``
        What is walked; stays when the walk ends.
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        super().__init__({
            "requests":     In(stream.Signature(WalkRequest(profile))),
            "enable":       In(1),
            "clear":        In(1),
            "drained":      In(1),
            "quiet":        In(1),
            "taken":        In(1),
            "block":        Out(1),
            "claim":        Out(1),
            "step":         Out(SlotKind),
            "rows_passed":  Out(ceil_log2(profile.order_rows) + 1),
            "cam_index":    Out(range(CAM_ENTRIES)),
            "active":       Out(1),
            "symbol_index": Out(profile.symbol_bits),
            "side":         Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        waiting = Signal()
        in_cam = Signal()
        in_end = Signal()
        starved_cycles = Signal(range(STARVED_CYCLES))
        forced = Signal()

        m.d.comb += [
            self.requests.ready.eq(waiting & ~self.active & self.drained),
            self.block.eq(waiting | self.claim),
            self.claim.eq(forced | in_cam | in_end),
        ]
        m.d.sync += waiting.eq(self.requests.valid & ~self.active & ~self.requests.ready)
        with m.If(self.requests.valid & self.requests.ready):
            m.d.sync += [
                self.active.eq(1),
                self.symbol_index.eq(self.requests.payload.symbol_index),
                self.side.eq(self.requests.payload.side),
                self.rows_passed.eq(0),
                self.cam_index.eq(0),
                starved_cycles.eq(0),
            ]

        with m.If(self.active & self.enable & self.quiet & ~self.taken):
            m.d.sync += starved_cycles.eq(0)
            m.d.sync += forced.eq(0)
            with m.If(in_end):
                m.d.comb += self.step.walk_end.eq(1)
                m.d.sync += in_end.eq(0)
                m.d.sync += self.active.eq(0)
            with m.Elif(self.rows_passed[-1]):
                m.d.comb += self.step.walk_cam.eq(1)
                m.d.sync += self.cam_index.eq(self.cam_index + 1)
                m.d.sync += in_cam.eq(self.cam_index != CAM_ENTRIES - 1)
                m.d.sync += in_end.eq(self.cam_index == CAM_ENTRIES - 1)
            with m.Else():
                m.d.comb += self.step.walk_row.eq(1)
                m.d.sync += self.rows_passed.eq(self.rows_passed + 1)
        with m.Elif(self.active & self.enable):
            m.d.sync += starved_cycles.eq(starved_cycles + 1)
            with m.If(starved_cycles == STARVED_CYCLES - 1):
                m.d.sync += forced.eq(1)

        with m.If(self.clear):
            m.d.sync += [waiting.eq(0), in_cam.eq(0), in_end.eq(0), forced.eq(0),
                         self.active.eq(0)]

        return m
