"""Features of what came before an event: flows, intensities, volatility, position."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.feature.definitions import (
    FLOW_QUANTITY_BITS,
    INTENSITY_BITS,
    SLOW_NAMES,
    TRADE_FLOW_BITS,
    VOLATILITY_BITS,
    saturated,
)
from hdl.feature.depth import IMBALANCE_BITS
from hdl.orders import FEATURE_BITS
from hdl.profile import Profile
from hdl.records import EXCHANGE_TIME_BITS, HIDDEN_TRADE_BITS, TopOfBook
from proto.features import (
    INTENSITY_STEP,
    MESSAGE_HALVING_SHIFT,
    NO_TRADE,
    TIME_SHIFT,
    TRADE_FLOW_DECAY_SHIFT,
    TRADE_HALVING_SHIFT,
    VOLATILITY_DECAY_SHIFT,
)

__all__ = ["SlowFeatures"]

_POSITION_BITS = 32
_AMOUNT_BITS = 4        # of a shift: more halvings leave nothing of an intensity
_MOST_TRADES = (1 << HIDDEN_TRADE_BITS) - 1 + 1

_HALVINGS = {"messages": MESSAGE_HALVING_SHIFT - TIME_SHIFT,
             "trades": TRADE_HALVING_SHIFT - TIME_SHIFT}


class SlowFeatures(wiring.Component):
    """Keep what the events of each symbol leave behind, for the next one.

    Latency: 1 cycle, `top` with `taken` to `features`. Throughput: 1 event per 2 cycles, also of
    one symbol. Everything that an event leaves is there for the symbol's next one, two cycles
    later: exchange times in the cycle in which the event is taken, flows and intensities in the
    next one, the volatility, whose move has to be known, in the one after that, past its memory.

    Parameters
    ----------
    profile : :class:`Profile`
        Sizes.

    Members
    -------
    coming_symbol, coming_time : ``In(profile.symbol_bits)``, ``In(EXCHANGE_TIME_BITS)``
        Symbol and exchange time of `top`, a cycle earlier.
    taken : ``In(1)``
        An event: `top`, `hidden_trades`, `imbalance` and `position` are its.
    top : ``In(TopOfBook(profile))``
        Best bid and offer after the event.
    hidden_trades : ``In(HIDDEN_TRADE_BITS)``
        Trades of hidden orders since the symbol's event before.
    imbalance, position : ``In``
        Of the five best levels, before the event; own position.
    moved, moved_symbol, mid_move : ``In(1)``, ``In(profile.symbol_bits)``, ``In(signed(16))``
        Two cycles after `taken`: its move of the mid.
    clear : ``In(1)``
        All books are empty: what their events have left is forgotten.
    features : ``Out(data.ArrayLayout(signed(16), len(SLOW_NAMES)))``
        In the order of :data:`SLOW_NAMES`.
    """

    #: Cycles from `taken` to `features`.
    latency = 1

    def __init__(self, profile: Profile):
        self.profile = profile
        super().__init__({
            "coming_symbol": In(profile.symbol_bits),
            "coming_time": In(EXCHANGE_TIME_BITS),
            "taken": In(1),
            "top": In(TopOfBook(profile)),
            "hidden_trades": In(HIDDEN_TRADE_BITS),
            "imbalance": In(signed(IMBALANCE_BITS)),
            "position": In(signed(_POSITION_BITS)),
            "moved": In(1),
            "moved_symbol": In(profile.symbol_bits),
            "mid_move": In(signed(FEATURE_BITS)),
            "clear": In(1),
            "features": Out(data.ArrayLayout(signed(FEATURE_BITS), len(SLOW_NAMES))),
        })

    def elaborate(self, platform):
        m = Module()
        feature = {name: self.features[number] for number, name in enumerate(SLOW_NAMES)}

        # A book that is published once more is an event without a message.
        fresh = ~self.top.repeated
        executed = Signal()
        trades = Signal()
        m.d.comb += [executed.eq(fresh & self.top.execution),
                     trades.eq(executed | (fresh & self.hidden_trades.any()))]

        # Memories keep what they hold; what a symbol had no event for is not in them.
        had_event = Signal(self.profile.symbols)
        with m.If(self.taken):
            m.d.sync += had_event.bit_select(self.top.symbol_index, 1).eq(1)
        with m.If(self.clear):
            m.d.sync += had_event.eq(0)
        left = had_event.bit_select(self.top.symbol_index, 1)

        elapsed, since = self._times(m, trades)
        counted = {"messages": fresh,
                   "trades": Mux(fresh, self.hidden_trades + self.top.execution, 0)}
        for name, amount in elapsed.items():
            self._intensity(m, name, left, amount, counted[name],
                            feature[f"{name[:-1]}_intensity"])
        self._trade_flow(m, left, feature["trade_flow"])
        self._volatility(m, left, feature["volatility"])
        m.d.sync += [
            feature["imbalance_top5"].eq(self.imbalance),
            feature["time_since_trade"].eq(since),
            feature["position"].eq(saturated(self.position)),
        ]
        return m

    def _memory(self, m, name: str, shape) -> Memory:
        m.submodules[name] = memory = Memory(shape=shape, depth=self.profile.symbols, init=[])
        return memory

    def _times(self, m, trades: Value) -> tuple[dict[str, Value], Value]:
        """Return how many halvings have passed, signed, and the octave since the last trade."""
        now = Signal(EXCHANGE_TIME_BITS, reset_less=True)
        m.d.sync += now.eq(self.coming_time)
        reads = {}
        for name, keep in (("event_times", self.taken), ("trade_times", self.taken & trades)):
            memory = self._memory(m, name, EXCHANGE_TIME_BITS)
            write, reads[name] = memory.write_port(), memory.read_port(domain="comb")
            m.d.comb += [write.addr.eq(self.top.symbol_index), write.data.eq(now),
                         write.en.eq(keep), reads[name].addr.eq(self.coming_symbol)]
        before, traded = (read.data for read in reads.values())

        elapsed = {}
        for name, shift in _HALVINGS.items():
            elapsed[name] = Signal(signed(EXCHANGE_TIME_BITS - shift + 1), name=f"elapsed_{name}",
                                   reset_less=True)
            m.d.sync += elapsed[name].eq(self.coming_time[shift:] - before[shift:])

        difference = Signal(signed(EXCHANGE_TIME_BITS + 1), reset_less=True)
        m.d.sync += difference.eq(self.coming_time - traded)
        known = Signal(self.profile.symbols)
        with m.If(self.taken & trades):
            m.d.sync += known.bit_select(self.top.symbol_index, 1).eq(1)
        with m.If(self.clear):
            m.d.sync += known.eq(0)
        since = Signal(range(NO_TRADE + 1))
        m.d.comb += since.eq(Mux(known.bit_select(self.top.symbol_index, 1),
                                 _bits(m, difference), NO_TRADE))
        return elapsed, since

    def _intensity(self, m, name: str, left: Value, elapsed: Value, count: Value, feature: Value
                   ) -> None:
        memory = self._memory(m, name, INTENSITY_BITS)
        write, read = memory.write_port(), memory.read_port(domain="comb")
        backwards = elapsed[-1]
        gone = Signal(name=f"{name}_gone")
        amount = Signal(_AMOUNT_BITS, name=f"{name}_amount")
        decayed = Signal(INTENSITY_BITS, name=f"{name}_decayed", reset_less=True)
        m.d.comb += [
            read.addr.eq(self.top.symbol_index),
            gone.eq(~backwards & elapsed[_AMOUNT_BITS:-1].any()),
            amount.eq(elapsed[:_AMOUNT_BITS] & (~backwards).replicate(_AMOUNT_BITS)),
            feature.eq(decayed),
        ]
        step = Signal(range(_MOST_TRADES + 1), name=f"{name}_step", reset_less=True)
        stored = Signal(name=f"{name}_stored")
        total = Signal(INTENSITY_BITS + 1, name=f"{name}_total")
        m.d.sync += [
            decayed.eq((read.data >> amount) & (left & ~gone).replicate(INTENSITY_BITS)),
            step.eq(count), stored.eq(self.taken),
            write.addr.eq(self.top.symbol_index),
        ]
        m.d.comb += [
            total.eq(decayed + step * INTENSITY_STEP),
            write.data.eq(total[:INTENSITY_BITS] | total[-1].replicate(INTENSITY_BITS)),
            write.en.eq(stored),
        ]

    def _trade_flow(self, m, left: Value, feature: Value) -> None:
        memory = self._memory(m, "trade_flows", signed(TRADE_FLOW_BITS))
        write, read = memory.write_port(), memory.read_port(domain="comb")
        flow = Mux(left, read.data, 0)
        top = self.top
        decayed = Signal(signed(TRADE_FLOW_BITS), reset_less=True)
        shares = Signal(FLOW_QUANTITY_BITS, reset_less=True)
        bought = Signal(reset_less=True)    # the resting order bought
        stored = Signal()
        counts = top.execution & top.exact
        over = top.traded[FLOW_QUANTITY_BITS:].any()
        m.d.comb += read.addr.eq(top.symbol_index)
        m.d.sync += [
            feature.eq(saturated(flow)),
            decayed.eq(flow - (flow >> TRADE_FLOW_DECAY_SHIFT)),
            shares.eq((top.traded[:FLOW_QUANTITY_BITS] | over.replicate(FLOW_QUANTITY_BITS))
                      & counts.replicate(FLOW_QUANTITY_BITS)),
            bought.eq(~Value.cast(top.side)),
            stored.eq(self.taken),
            write.addr.eq(top.symbol_index),
        ]
        # One carry chain: minus a number is its complement and one more.
        change = Cat(shares, C(0, TRADE_FLOW_BITS - len(shares))) ^ bought.replicate(
            TRADE_FLOW_BITS)
        m.d.comb += [
            write.data.eq((Cat(bought, decayed) + Cat(bought, change))[1:TRADE_FLOW_BITS + 1]),
            write.en.eq(stored),
        ]

    def _volatility(self, m, left: Value, feature: Value) -> None:
        memory = self._memory(m, "volatilities", VOLATILITY_BITS)
        write, read = memory.write_port(), memory.read_port(domain="comb")
        now = Signal(VOLATILITY_BITS)
        taken = Signal(VOLATILITY_BITS, reset_less=True)
        decayed = Signal(VOLATILITY_BITS, reset_less=True)
        falls = self.mid_move[-1]
        size = Cat(self.mid_move.as_unsigned() ^ falls.replicate(FEATURE_BITS),
                   C(0, VOLATILITY_BITS - FEATURE_BITS))
        m.d.comb += [
            read.addr.eq(self.top.symbol_index),
            write.addr.eq(self.moved_symbol),
            write.en.eq(self.moved),
            write.data.eq((Cat(falls, decayed) + Cat(falls, size))[1:VOLATILITY_BITS + 1]),
            now.eq(Mux(self.moved & (self.moved_symbol == self.top.symbol_index),
                       write.data, read.data & left.replicate(VOLATILITY_BITS))),
        ]
        over = now[FEATURE_BITS - 1:].any()
        m.d.sync += [
            feature.eq(now[:FEATURE_BITS - 1] | over.replicate(FEATURE_BITS - 1)),
            taken.eq(now),
            decayed.eq(taken - (taken >> VOLATILITY_DECAY_SHIFT)),
        ]


def _bits(m, difference: Value) -> Value:
    """Return the number of bits of a signed number, 0 of a negative one."""
    # It is the place of the first one, with another one behind the number.
    group = 8
    number = Cat(C(1, 1), difference[:-1])
    parts = [number[n:n + group] for n in range(0, len(number), group)]
    found = []
    for index, part in enumerate(parts):
        place = Signal(range(group), name=f"place_{index}")
        for bit in range(len(part)):
            with m.If(part[bit]):
                m.d.comb += place.eq(bit)
        first = part.any() & ~Cat(parts[index + 1:]).any()
        whole = Cat(place, C(index, 3))
        found.append(whole & first.replicate(len(whole)))
    while len(found) > 1:
        found = [*found[2:], found[0] | found[1]]
    return found[0] & (~difference[-1]).replicate(len(found[0]))
