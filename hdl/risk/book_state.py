"""Checks 19 and 31, and the reference price: what the book and the feed say of a symbol."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.profile import Profile
from hdl.records import TopOfBook

__all__ = ["BookState"]


class BookState(wiring.Component):
    """Remember each symbol's reference price, and whether its book may be acted on.

    Latency: 1 cycle, `tops` transfer to the outputs of its symbol. Throughput: 1 event per cycle.
    The reference is ``floor((bid + ask) / 2)``. A symbol that has had no event since reset fails.

    Parameters
    ----------
    profile : :class:`Profile`
        Sizes.

    Members
    -------
    tops : ``In(stream.Signature(TopOfBook(profile), always_ready=True))``
        Best bid and offer after each event.
    tradable : ``In(profile.symbols)``
        Bit per symbol: it may be traded now (check 19).
    feed_up : ``In(1)``
        The feed is healthy (check 31).
    symbol_index : ``In(profile.symbol_bits)``
        Symbol that is asked for.
    reference : ``Out(32)``
        Its reference price, 1e-4 USD, in the same cycle.
    halted, unusable : ``Out(1)``
        Checks 19 and 31 fail, in the same cycle.
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        super().__init__({
            "tops": In(stream.Signature(TopOfBook(profile), always_ready=True)),
            "tradable": In(profile.symbols),
            "feed_up": In(1),
            "symbol_index": In(profile.symbol_bits),
            "reference": Out(32),
            "halted": Out(1), "unusable": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        top = self.tops.p

        m.submodules.references = references = Memory(
            shape=32, depth=self.profile.symbols, init=[])
        read = references.read_port(domain="comb")
        write = references.write_port()
        usable = Signal(self.profile.symbols)
        tradable = Signal(self.profile.symbols)

        valid = Signal()
        mid = Signal(32, reset_less=True)
        good = Signal(reset_less=True)
        symbol_index = Signal.like(top.symbol_index, reset_less=True)
        m.d.sync += [
            tradable.eq(self.tradable),
            valid.eq(self.tops.valid),
            mid.eq((top.bid.price + top.ask.price) >> 1),
            good.eq(top.exact & (top.bid.count != 0) & (top.ask.count != 0)),
            symbol_index.eq(top.symbol_index),
        ]
        latest = Signal()     # the event of the cycle before is not in the memory yet
        with m.If(valid):
            m.d.sync += usable.bit_select(symbol_index, 1).eq(good)
        m.d.comb += [
            write.addr.eq(symbol_index), write.data.eq(mid), write.en.eq(valid),
            read.addr.eq(self.symbol_index),
            latest.eq(valid & (symbol_index == self.symbol_index)),
            self.reference.eq(Mux(latest, mid, read.data)),
            self.halted.eq(~tradable.bit_select(self.symbol_index, 1)),
            self.unusable.eq(~Mux(latest, good, usable.bit_select(self.symbol_index, 1))
                             | ~self.feed_up),
        ]
        return m
