"""Score against thresholds: whether to buy, to sell, to take an order back, or nothing."""

from itertools import pairwise

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.orders import IntentKind, OrderIntent, Score
from hdl.profile import Profile
from hdl.records import Side
from hdl.strategy.parameters import Candidate, Level

__all__ = ["ThresholdStrategy"]


class ThresholdStrategy(wiring.Component):
    """Turn scores into intents.

    Latency: 0 cycles, `scores` transfer to `intents.valid`. Throughput: 1 score per 2 cycles. A
    score makes at most one intent, and a cancel comes before an entry: with a resting order to
    cancel, the entry waits for a later score. The model has compared the score, and what would
    forbid an intent is known a cycle before, so what is left is an AND-OR of registers.

    An entry needs the symbol enabled, a usable score, a possible price, no cooldown, no working
    order and no intent of that side in flight, and no intent of the symbol two cycles before. An
    intent is in flight from its cycle until the gate refuses it or the order table has taken the
    order over. While `gate_busy` no intent is made; a score beyond a threshold that makes no entry
    pulses `stat_blocked`.

    Parameters
    ----------
    profile : :class:`Profile`
        Sizes.
    delay : int
        Cycles by which the score of an event is later than its candidate; at least 2. The model
        compares with the levels of the candidate.

    Members
    -------
    candidates : ``In(stream.Signature(Candidate(profile), always_ready=True))``
        Orders that the score `delay` cycles later may make.
    scores : ``In(stream.Signature(Score(profile), always_ready=True))``
        Scores.
    intents : ``Out(stream.Signature(OrderIntent(profile), always_ready=True))``
        What the risk gate is asked for; combinational.
    now_ns : ``In(64)``
        Hardware time, for the cooldown.
    working, resting : ``In(2 * profile.symbols)``
        Bit ``2 * symbol + side``: an order is open; it is a day order that may be cancelled.
    lookup_symbol : ``Out(profile.symbol_bits)``
        Symbol whose latest order numbers are wanted, in the same cycle.
    buy_user_ref_num, sell_user_ref_num : ``In(32)``
        Those numbers.
    gate_busy : ``In(1)``
        The gate holds an intent and takes no other.
    refused, refused_symbol, refused_side : ``In``
        Pulse: an intent of the symbol and side was refused.
    absorbed, absorbed_symbol, absorbed_side : ``In``
        Pulse: the order table has taken over an order; `working` shows it.
    stat_blocked : ``Out(1)``
        Pulse, a cycle after the score: see above.

    Raises
    ------
    ValueError
        If `delay` is too small.
    """

    def __init__(self, profile: Profile, *, delay: int):
        if delay < 2:
            raise ValueError(f"delay must be >= 2, was {delay}")
        self.profile = profile
        self.delay = delay
        symbol = profile.symbol_bits
        super().__init__({
            "candidates": In(stream.Signature(Candidate(profile), always_ready=True)),
            "scores": In(stream.Signature(Score(profile), always_ready=True)),
            "intents": Out(stream.Signature(OrderIntent(profile), always_ready=True)),
            "now_ns": In(64),
            "working": In(2 * profile.symbols),
            "resting": In(2 * profile.symbols),
            "lookup_symbol": Out(symbol),
            "buy_user_ref_num": In(32),
            "sell_user_ref_num": In(32),
            "gate_busy": In(1),
            "refused": In(1), "refused_symbol": In(symbol), "refused_side": In(Side),
            "absorbed": In(1), "absorbed_symbol": In(symbol), "absorbed_side": In(Side),
            "stat_blocked": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        symbols = self.profile.symbols

        # Candidates wait for their score.
        stages = [Signal(Candidate(self.profile), name=f"candidate_{n + 1}", reset_less=True)
                  for n in range(self.delay)]
        m.d.sync += Value.cast(stages[0]).eq(Value.cast(self.candidates.p))
        for earlier, later in pairwise(stages):
            m.d.sync += Value.cast(later).eq(Value.cast(earlier))
        coming, candidate = stages[-2], stages[-1]

        # A cycle before the score: what would forbid it. An intent is known by its registers in
        # its first cycle, and by the bits below from the next on.
        fresh = Signal()
        made = Signal(OrderIntent(self.profile), reset_less=True)   # of the cycle before
        entering = Signal(2 * symbols)    # an entry is in flight
        cancelling = Signal(2 * symbols)  # a cancel is on its way
        cooling = Signal(symbols)
        m.submodules.cooldown = cooldown = Memory(shape=64, depth=symbols, init=[])
        until = cooldown.read_port(domain="comb")
        until_write = cooldown.write_port()
        sides = coming.symbol_index << 1
        just_now = Signal()
        hot = Signal()
        m.d.comb += [
            self.lookup_symbol.eq(coming.symbol_index),
            until.addr.eq(coming.symbol_index),
            just_now.eq(fresh & (made.symbol_index == coming.symbol_index)),
            hot.eq(just_now | (cooling.bit_select(coming.symbol_index, 1)
                               & (self.now_ns < until.data))),
        ]
        open_ = Signal(2)         # by side: an entry may be made
        cancellable = Signal(2)   # there is something to cancel
        references = [Signal(32, name=f"{side.name.lower()}_reference", reset_less=True)
                      for side in Side]
        taken_bits = self.working | entering
        day_bits = self.resting & self.working & ~cancelling
        m.d.sync += [
            open_.eq(Cat(coming.buy_possible, coming.sell_possible) & (~hot).replicate(2)
                     & ~Cat(taken_bits.bit_select(sides + n, 1) for n in range(2))),
            cancellable.eq(Cat(day_bits.bit_select(sides + n, 1) for n in range(2))
                           & (coming.enable & ~just_now).replicate(2)),
            references[0].eq(self.buy_user_ref_num),
            references[1].eq(self.sell_user_ref_num),
        ]

        # The score's cycle.
        score = self.scores.p
        buys = ~score.below[Level.BUY]
        sells = score.below[Level.SELL] & ~buys
        fades_buy = cancellable[0] & score.below[Level.CANCEL_BUY]
        fades_sell = cancellable[1] & ~score.below[Level.CANCEL_SELL]
        scored = Signal()
        cancels = Signal()
        enters = Signal()
        m.d.comb += [
            scored.eq(self.scores.valid & score.usable & candidate.enable),
            cancels.eq(fades_buy | fades_sell),
            enters.eq((buys & open_[0]) | (sells & open_[1])),
        ]
        intent = self.intents.p
        m.d.comb += [
            self.intents.valid.eq(scored & ~self.gate_busy & (cancels | enters)),
            intent.symbol_index.eq(score.symbol_index),
            intent.tag.eq(score.tag),
            intent.start_cycles.eq(score.start_cycles),
            intent.kind.eq(Mux(cancels, IntentKind.CANCEL, IntentKind.ENTER)),
            intent.side.eq(Mux(cancels, ~fades_buy, ~buys)),
            intent.quantity.eq(candidate.quantity),
            intent.price.eq(Mux(buys, candidate.buy_price, candidate.sell_price)),
            intent.time_in_force.eq(candidate.time_in_force),
            intent.user_ref_num.eq(Mux(fades_buy, references[0], references[1])),
            intent.score.eq(score.score),
            intent.epoch.eq(score.epoch),
        ]

        # A cancel stays marked until its order is gone, an entry until somebody else knows it. The
        # gate may refuse an intent in the cycle in which it is marked.
        wanted = Signal()
        cooldown_ns = Signal.like(candidate.cooldown_ns, reset_less=True)
        entered = fresh & (made.kind == IntentKind.ENTER)
        m.d.sync += [
            fresh.eq(self.intents.valid),
            Value.cast(made).eq(Value.cast(intent)),
            cooldown_ns.eq(candidate.cooldown_ns),
            wanted.eq(scored & (buys | sells)),
        ]
        m.d.comb += self.stat_blocked.eq(wanted & ~entered)
        refused_bit = (self.refused_symbol << 1) | Value.cast(self.refused_side)
        absorbed_bit = (self.absorbed_symbol << 1) | Value.cast(self.absorbed_side)
        made_bit = (made.symbol_index << 1) | Value.cast(made.side)
        m.d.sync += cancelling.eq(cancelling & self.working)
        with m.If(entered):
            m.d.sync += [entering.bit_select(made_bit, 1).eq(1),
                         cooling.bit_select(made.symbol_index, 1).eq(1)]
        with m.If(fresh & ~entered):
            m.d.sync += cancelling.bit_select(made_bit, 1).eq(1)
        with m.If(self.refused):
            m.d.sync += [entering.bit_select(refused_bit, 1).eq(0),
                         cancelling.bit_select(refused_bit, 1).eq(0)]
        with m.If(self.absorbed):
            m.d.sync += entering.bit_select(absorbed_bit, 1).eq(0)
        m.d.comb += [
            until_write.addr.eq(made.symbol_index),
            until_write.data.eq(self.now_ns + cooldown_ns),
            until_write.en.eq(entered),
        ]
        return m
