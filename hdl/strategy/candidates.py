"""Price both orders of a symbol while its features are still being scored."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.orders import LEVEL_BITS, SCORE_BITS
from hdl.profile import Profile
from hdl.records import TopOfBook
from hdl.strategy.parameters import Candidate, Level, StrategyRow

__all__ = ["CandidateOrders"]


class CandidateOrders(wiring.Component):
    """Make the candidate orders of each book event from the symbol's parameters.

    Latency: 2 cycles, `tops` transfer to `candidates.valid`. Throughput: 1 event per cycle. The
    payload of `candidates` stays until the next one. A symbol without parameters makes candidates
    that are neither enabled nor possible.

    Parameters
    ----------
    profile : :class:`Profile`
        Sizes.

    Members
    -------
    tops : ``In(stream.Signature(TopOfBook(profile), always_ready=True))``
        Best bid and offer after each event.
    row : ``Out(profile.symbol_bits)``
        Symbol whose parameters are wanted, in the same cycle.
    parameters, loaded : ``In``
        That row.
    candidates : ``Out(stream.Signature(Candidate(profile), always_ready=True))``
        One an event, in order.
    next_symbol : ``Out(profile.symbol_bits)``
        Symbol of `candidates` in the next cycle.
    """

    #: Cycles from `tops` transfer to ``candidates.valid``.
    latency = 2

    def __init__(self, profile: Profile):
        self.profile = profile
        super().__init__({
            "tops": In(stream.Signature(TopOfBook(profile), always_ready=True)),
            "row": Out(profile.symbol_bits),
            "parameters": In(StrategyRow),
            "loaded": In(1),
            "candidates": Out(stream.Signature(Candidate(profile), always_ready=True)),
            "next_symbol": Out(profile.symbol_bits),
        })

    def elaborate(self, platform):
        m = Module()
        top = self.tops.p
        m.d.comb += self.row.eq(top.symbol_index)

        row = Signal(StrategyRow, reset_less=True)
        loaded = Signal(reset_less=True)
        buy_touch = Signal(32, reset_less=True)
        sell_touch = Signal(32, reset_less=True)
        symbol_index = Signal.like(top.symbol_index, reset_less=True)
        tag = Signal.like(top.tag, reset_less=True)
        valid = Signal()
        m.d.sync += [
            valid.eq(self.tops.valid),
            Value.cast(row).eq(Value.cast(self.parameters)),
            loaded.eq(self.loaded),
            buy_touch.eq(Mux(self.parameters.near, top.bid.price, top.ask.price)),
            sell_touch.eq(Mux(self.parameters.near, top.ask.price, top.bid.price)),
            tag.eq(top.tag),
        ]
        # Kept until the next event, so that look-ups go by a register.
        with m.If(self.tops.valid):
            m.d.sync += symbol_index.eq(top.symbol_index)

        buy = Signal(signed(34))
        sell = Signal(signed(34))
        m.d.comb += [buy.eq(buy_touch + row.offset), sell.eq(sell_touch - row.offset)]

        def possible(price: Value) -> Value:
            return loaded & row.enable & ~price[32:].any() & price[:32].any()

        out = self.candidates.p
        m.d.comb += self.next_symbol.eq(symbol_index)
        m.d.sync += self.candidates.valid.eq(valid)
        with m.If(valid):
            m.d.sync += [
                out.symbol_index.eq(symbol_index),
                out.tag.eq(tag),
                out.buy_price.eq(buy),
                out.sell_price.eq(sell),
                out.quantity.eq(row.quantity),
                out.buy_possible.eq(possible(buy)),
                out.sell_possible.eq(possible(sell)),
                *[out.levels[level].eq(value) for level, value in self._levels(row).items()],
                out.cooldown_ns.eq(row.cooldown_ns),
                out.time_in_force.eq(row.time_in_force),
                out.enable.eq(loaded & row.enable),
            ]
        return m

    def _levels(self, row) -> dict[Level, Value]:
        """Return the levels that are the same to a sum as the thresholds are to a cut score."""
        low, high = -(1 << SCORE_BITS - 1), (1 << SCORE_BITS - 1) - 1
        lowest, highest = -(1 << LEVEL_BITS - 1), (1 << LEVEL_BITS - 1) - 1

        def floor(threshold: Value) -> Value:
            """Return a level that no sum is below if no score is below the threshold."""
            return Mux(threshold == low, lowest, threshold)

        def ceiling(threshold: Value) -> Value:
            """Return a level that a sum is below if the score is not above minus the threshold."""
            return Mux((threshold == low) | (threshold == -high), highest, 1 - threshold)

        return {
            Level.BUY: floor(row.buy_threshold), Level.SELL: ceiling(row.sell_threshold),
            Level.CANCEL_BUY: floor(row.cancel_buy_threshold),
            Level.CANCEL_SELL: ceiling(row.cancel_sell_threshold),
        }
