"""Checks 19 and 31, and the prices of the others: what book and feed say of a symbol."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.profile import Profile
from hdl.records import TopOfBook

__all__ = ["BookState"]


class BookState(wiring.Component):
    """Remember each symbol's reference price and best bid, and whether its book may be acted on.

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
    spoilt : ``In(profile.symbols)``
        Bit per symbol: its book has become stale or incomplete, whatever its last event said
        (check 31).
    short_restricted : ``In(profile.symbols)``
        Bit per symbol: the short sale price test is active (check 22).
    feed_up : ``In(1)``
        The feed is healthy (check 31).
    symbol_index : ``In(profile.symbol_bits)``
        Symbol that is asked for.
    reference, best_bid : ``Out(32)``
        Its reference price and best bid, 1e-4 USD, in the same cycle.
    halted, unusable, price_test : ``Out(1)``
        Checks 19 and 31 fail, the price test is active; in the same cycle.
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        super().__init__({
            "tops": In(stream.Signature(TopOfBook(profile), always_ready=True)),
            "tradable": In(profile.symbols),
            "spoilt": In(profile.symbols),
            "short_restricted": In(profile.symbols),
            "feed_up": In(1),
            "symbol_index": In(profile.symbol_bits),
            "reference": Out(32), "best_bid": Out(32),
            "halted": Out(1), "unusable": Out(1), "price_test": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        top = self.tops.p

        m.submodules.references = references = Memory(
            shape=data.StructLayout({"mid": 32, "bid": 32}), depth=self.profile.symbols, init=[])
        read = references.read_port(domain="comb")
        write = references.write_port()
        usable = Signal(self.profile.symbols)
        tradable = Signal(self.profile.symbols)
        spoilt = Signal(self.profile.symbols)
        short_restricted = Signal(self.profile.symbols)

        valid = Signal()
        mid = Signal(32, reset_less=True)
        bid = Signal(32, reset_less=True)
        good = Signal(reset_less=True)
        symbol_index = Signal.like(top.symbol_index, reset_less=True)
        m.d.sync += [
            tradable.eq(self.tradable),
            spoilt.eq(self.spoilt),
            short_restricted.eq(self.short_restricted),
            valid.eq(self.tops.valid),
            mid.eq((top.bid.price + top.ask.price) >> 1),
            bid.eq(top.bid.price),
            good.eq(top.exact & (top.bid.count != 0) & (top.ask.count != 0)),
            symbol_index.eq(top.symbol_index),
        ]
        latest = Signal()     # the event of the cycle before is not in the memory yet
        with m.If(valid):
            m.d.sync += usable.bit_select(symbol_index, 1).eq(good)
        m.d.comb += [
            write.addr.eq(symbol_index), write.en.eq(valid),
            write.data.mid.eq(mid), write.data.bid.eq(bid),
            read.addr.eq(self.symbol_index),
            latest.eq(valid & (symbol_index == self.symbol_index)),
            self.reference.eq(Mux(latest, mid, read.data.mid)),
            self.best_bid.eq(Mux(latest, bid, read.data.bid)),
            self.halted.eq(~tradable.bit_select(self.symbol_index, 1)),
            self.unusable.eq(~Mux(latest, good, usable.bit_select(self.symbol_index, 1))
                             | spoilt.bit_select(self.symbol_index, 1) | ~self.feed_up),
            self.price_test.eq(short_restricted.bit_select(self.symbol_index, 1)),
        ]
        return m
