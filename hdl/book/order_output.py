"""Last stage of the order table: the register of the updates, the way round it, and a queue."""

from amaranth import *
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.profile import Profile
from hdl.records import LevelUpdate

__all__ = ["OrderOutput"]


class OrderOutput(wiring.Component):
    """Hold updates until they are taken.

    Latency: 1 cycle, `update_valid` with `ready` to `updates.valid`; none for `express_valid`.
    What `updates.ready` refuses waits in a register, and behind it in a queue of `DEPTH`: while the
    best levels of a side are fetched, the table goes on with the operations that follow. `ready`
    comes from registers.

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

    #: Updates of the queue, besides the two registers.
    DEPTH = 8

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

        # Oldest first: front, queue, behind. The queue is used only while front is.
        behind = Signal(self.update.shape(), reset_less=True)
        front = Signal(self.update.shape(), reset_less=True)
        behind_valid = Signal()
        front_valid = Signal()
        m.submodules.queue = queue = memory.Memory(shape=self.update.shape(), depth=self.DEPTH,
                                                   init=[])
        write, read = queue.write_port(), queue.read_port(domain="comb")
        length = Signal(range(self.DEPTH + 1))
        queued = Signal()           # as registers of their own: the queue is not empty, is full
        full = Signal()

        m.d.comb += [
            self.ready.eq(~(full & behind_valid)),
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

        advances = Signal()         # the register in front is filled anew, or left empty
        enqueues = Signal()
        dequeues = Signal()
        m.d.comb += [
            advances.eq(~front_valid | self.updates.ready),
            dequeues.eq(advances & queued),
            enqueues.eq(behind_valid & ~full & front_valid & (queued | ~self.updates.ready)),
            write.en.eq(enqueues), Value.cast(write.data).eq(Value.cast(behind)),
        ]
        oldest = Signal(range(self.DEPTH))
        newest = Signal(range(self.DEPTH))
        m.d.comb += [read.addr.eq(oldest), write.addr.eq(newest)]
        with m.If(dequeues):
            m.d.sync += oldest.eq(oldest + 1)
        with m.If(enqueues):
            m.d.sync += newest.eq(newest + 1)
        with m.If(enqueues & ~dequeues):
            m.d.sync += [length.eq(length + 1), queued.eq(1), full.eq(length == self.DEPTH - 1)]
        with m.Elif(dequeues & ~enqueues):
            m.d.sync += [length.eq(length - 1), queued.eq(length != 1), full.eq(0)]
        with m.If(advances):
            with m.If(queued):
                m.d.sync += [Value.cast(front).eq(Value.cast(read.data)), front_valid.eq(1)]
            with m.Else():
                m.d.sync += Value.cast(front).eq(
                    Mux(behind_valid, Value.cast(behind), Value.cast(self.express)))
                m.d.sync += front_valid.eq(Mux(front_valid, behind_valid, (
                    behind_valid | self.express_valid) & ~self.updates.ready))
        with m.If(self.clear):
            m.d.sync += [behind_valid.eq(0), front_valid.eq(0), queued.eq(0), full.eq(0),
                         length.eq(0), oldest.eq(0), newest.eq(0)]

        return m
