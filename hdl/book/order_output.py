"""Last stage of the order table: the register of the updates, and the way round it."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.profile import Profile
from hdl.records import LevelUpdate

__all__ = ["OrderOutput"]


class OrderOutput(wiring.Component):
    """Hold updates until they are taken.

    Latency: 1 cycle, `update_valid` with `ready` to `updates.valid`; none for `express_valid`.
    `ready` comes from registers: a second register takes what `updates.ready` refuses.

    Parameters
    ----------
    profile : Profile
        Sizes.

    Members
    -------
    clear : ``In(1)``
        Drop everything.
    update, update_valid : ``In``
        Update of the decision stage.
    ready : ``Out(1)``
        It is taken over in this cycle, valid or not.
    express, express_valid : ``In``
        Update that overtakes the pipeline; only while `empty`.
    empty : ``Out(1)``
        No update waits.
    symbol_index, side : ``Out``
        Of the first one that waits.
    updates : ``Out(stream.Signature(LevelUpdate))``
        Updates in order.
    """

    def __init__(self, profile: Profile):
        update = LevelUpdate(profile)
        super().__init__({
            "clear":         In(1),
            "update":        In(update),
            "update_valid":  In(1),
            "ready":         Out(1),
            "express":       In(update),
            "express_valid": In(1),
            "empty":         Out(1),
            "symbol_index":  Out(update["symbol_index"].shape),
            "side":          Out(update["side"].shape),
            "updates":       Out(stream.Signature(update)),
        })

    def elaborate(self, platform):
        m = Module()

        behind = Signal(self.update.shape(), reset_less=True)
        front = Signal(self.update.shape(), reset_less=True)
        behind_valid = Signal()
        front_valid = Signal()

        m.d.comb += [
            self.ready.eq(~(front_valid & behind_valid)),
            self.empty.eq(~(front_valid | behind_valid)),
            self.symbol_index.eq(Mux(front_valid, front.symbol_index, behind.symbol_index)),
            self.side.eq(Mux(front_valid, front.side, behind.side)),
            self.updates.valid.eq(front_valid | behind_valid | self.express_valid),
            Value.cast(self.updates.payload).eq(
                Mux(front_valid, Value.cast(front),
                    Mux(behind_valid, Value.cast(behind), Value.cast(self.express)))),
        ]
        with m.If(self.ready):
            m.d.sync += Value.cast(behind).eq(Value.cast(self.update))
            m.d.sync += behind_valid.eq(self.update_valid)
        with m.If(~front_valid):
            m.d.sync += Value.cast(front).eq(
                Mux(behind_valid, Value.cast(behind), Value.cast(self.express)))
            m.d.sync += front_valid.eq(
                (self.express_valid | behind_valid) & ~self.updates.ready)
        with m.Elif(self.updates.ready):
            m.d.sync += front_valid.eq(0)
        with m.If(self.clear):
            m.d.sync += behind_valid.eq(0)
            m.d.sync += front_valid.eq(0)

        return m
