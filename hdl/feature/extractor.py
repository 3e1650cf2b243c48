"""From a symbol's touch to the vector that a model scores."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.carry_save import carry_save
from hdl.feature.definitions import FAST_NAMES, FLOW_QUANTITY_BITS, OFI_BITS, SLOW_NAMES, saturated
from hdl.feature.depth import DepthImbalance
from hdl.feature.log2 import PiecewiseLog2
from hdl.feature.slow import SlowFeatures
from hdl.orders import FEATURE_BITS, FeatureVector
from hdl.profile import Profile
from hdl.records import EventComing, SideDepth, TopOfBook
from proto.features import OFI_DECAY_SHIFT

__all__ = ["FeatureExtractor"]

_MICROPRICE_BITS = 36    # signed, 0.25e-4 USD, whatever the prices

_State = data.StructLayout({
    "bid_price": 32, "ask_price": 32,
    "microprice": signed(_MICROPRICE_BITS),
    "bid_flow": FLOW_QUANTITY_BITS, "ask_flow": FLOW_QUANTITY_BITS,
    "order_flow": signed(OFI_BITS),
})


class FeatureExtractor(wiring.Component):
    """Compute the features of :mod:`proto.features` for each event of a book.

    Latency: 2 cycles, `tops` transfer to `vectors.valid`; what was known before the event is there
    a cycle earlier. Throughput: 1 event per 2 cycles; one that follows in the very next cycle is
    dropped and pulses `stat_dropped`.

    A vector is ``usable`` when the book is exact and has both sides. An event that is not usable
    still makes a vector, and makes the symbol forget its previous event: the next usable one starts
    the moves and the order flow at zero. Reset forgets every symbol.

    Parameters
    ----------
    profile : :class:`Profile`
        Sizes.

    Members
    -------
    tops : ``In(stream.Signature(TopOfBook(profile), always_ready=True))``
        Best bid and offer after each event.
    coming : ``In(EventComing(profile))``
        What is known of it in the cycle before.
    sides : ``In(stream.Signature(SideDepth(profile), always_ready=True))``
        The best levels after each event, of the side that it touched, with `tops` or later, and
        before the `coming` of the symbol's next event.
    clear : ``In(1)``
        All books are empty.
    position : ``In(signed(32))``
        Own position in the symbol of `tops`, in the same cycle.
    known : ``Out(data.ArrayLayout(signed(16), len(SLOW_NAMES)))``
        The last features of the vector, in the cycle before `vectors` has them.
    vectors : ``Out(stream.Signature(FeatureVector(profile), always_ready=True))``
        One vector an event, in order.
    stat_dropped : ``Out(1)``
        Pulse: an event came too early.
    """

    #: Cycles from `tops` transfer to ``vectors.valid``.
    latency = 2

    def __init__(self, profile: Profile):
        self.profile = profile
        super().__init__({
            "tops": In(stream.Signature(TopOfBook(profile), always_ready=True)),
            "coming": In(EventComing(profile)),
            "sides": In(stream.Signature(SideDepth(profile), always_ready=True)),
            "clear": In(1),
            "position": In(signed(32)),
            "known": Out(data.ArrayLayout(signed(FEATURE_BITS), len(SLOW_NAMES))),
            "vectors": Out(stream.Signature(FeatureVector(profile), always_ready=True)),
            "stat_dropped": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        top = self.tops.p

        m.submodules.state = state = Memory(shape=_State, depth=self.profile.symbols, init=[])
        read = state.read_port(domain="comb")
        write = state.write_port()
        m.submodules.bid_log = bid_log = PiecewiseLog2()
        m.submodules.ask_log = ask_log = PiecewiseLog2()

        # First cycle: everything that is a difference with the previous event of the symbol.
        previous = read.data
        taken = Signal()
        busy = Signal()
        m.d.comb += [
            read.addr.eq(top.symbol_index),
            taken.eq(self.tops.valid & ~busy),
            bid_log.value.eq(top.bid.quantity),
            ask_log.value.eq(top.ask.quantity),
        ]
        m.d.sync += [busy.eq(taken), self.stat_dropped.eq(self.tops.valid & busy)]

        self._slow(m, taken)

        def flow(quantity: Value) -> Value:
            over = quantity[FLOW_QUANTITY_BITS:].any()
            return quantity[:FLOW_QUANTITY_BITS] | over.replicate(FLOW_QUANTITY_BITS)

        known = Signal(self.profile.symbols)
        usable = Signal()
        m.d.comb += usable.eq(top.exact & (top.bid.count != 0) & (top.ask.count != 0))

        origin = Signal(FeatureVector(self.profile), reset_less=True)
        had_previous = Signal(reset_less=True)
        spread = Signal(signed(33), reset_less=True)
        bid_move = Signal(signed(33), reset_less=True)
        ask_move = Signal(signed(33), reset_less=True)
        bid_same = Signal(reset_less=True)
        ask_same = Signal(reset_less=True)
        bid_flow = Signal(FLOW_QUANTITY_BITS, reset_less=True)
        ask_flow = Signal(FLOW_QUANTITY_BITS, reset_less=True)
        bid_gain = Signal(signed(FLOW_QUANTITY_BITS + 1), reset_less=True)
        bid_gone = Signal(signed(FLOW_QUANTITY_BITS + 1), reset_less=True)   # minus the old size
        ask_loss = Signal(signed(FLOW_QUANTITY_BITS + 1), reset_less=True)   # minus the gain
        ask_come = Signal(signed(FLOW_QUANTITY_BITS + 1), reset_less=True)   # minus the new size
        old_ask_flow = Signal(FLOW_QUANTITY_BITS, reset_less=True)
        decayed = Signal(signed(OFI_BITS), reset_less=True)
        middle = Signal(signed(_MICROPRICE_BITS), reset_less=True)          # 2 (bid + ask)
        middle_move = Signal(signed(_MICROPRICE_BITS), reset_less=True)     # from the microprice
        leans = Signal(4, reset_less=True)      # the bids are 2, 8 times as large; the asks are
        start_cycles = Signal.like(self.coming.start_cycles, reset_less=True)
        m.d.sync += start_cycles.eq(self.coming.start_cycles)
        both = 2 * (top.bid.price + top.ask.price)
        bids, asks = top.bid.quantity, top.ask.quantity
        m.d.sync += [
            middle.eq(both),
            middle_move.eq(both - previous.microprice),
            leans.eq(Cat(bids >= asks << 1, bids >= asks << 3,
                         asks >= bids << 1, asks >= bids << 3)),
            origin.symbol_index.eq(top.symbol_index),
            origin.tag.eq(top.tag),
            origin.start_cycles.eq(start_cycles),
            origin.usable.eq(usable),
            origin.bid_price.eq(top.bid.price),
            origin.ask_price.eq(top.ask.price),
            origin.bid_quantity.eq(top.bid.quantity),
            origin.ask_quantity.eq(top.ask.quantity),
            had_previous.eq(known.bit_select(top.symbol_index, 1)),
            spread.eq(top.ask.price - top.bid.price),
            bid_move.eq(top.bid.price - previous.bid_price),
            ask_move.eq(top.ask.price - previous.ask_price),
            bid_same.eq(top.bid.price == previous.bid_price),
            ask_same.eq(top.ask.price == previous.ask_price),
            bid_flow.eq(flow(top.bid.quantity)),
            ask_flow.eq(flow(top.ask.quantity)),
            bid_gain.eq(flow(top.bid.quantity) - previous.bid_flow),
            bid_gone.eq(-previous.bid_flow),
            ask_loss.eq(previous.ask_flow - flow(top.ask.quantity)),
            ask_come.eq(-flow(top.ask.quantity)),
            old_ask_flow.eq(previous.ask_flow),
            decayed.eq(previous.order_flow - (previous.order_flow >> OFI_DECAY_SHIFT)),
        ]

        # Second cycle: the sums; a later event of the symbol reads the state from the next on.
        follows = Signal()
        # Sizes that are both zero lean to both sides, which is to none.
        lean = Signal(signed(_MICROPRICE_BITS))
        leaning, twice = leans[0] ^ leans[2], leans[1] ^ leans[3]
        falls = leans[2] & ~leans[0]
        size = Signal(signed(_MICROPRICE_BITS))
        m.d.comb += [
            size.eq(Mux(twice, spread << 1, spread)),
            lean.eq((size ^ falls.replicate(len(size))) & leaning.replicate(len(size))),
        ]
        bid_part = Signal(signed(OFI_BITS))
        ask_part = Signal(signed(OFI_BITS))     # negative
        total = Signal(signed(OFI_BITS))
        order_flow = Signal(signed(OFI_BITS))
        m.d.comb += [
            follows.eq(had_previous & origin.usable),
            bid_part.eq(Mux(bid_same, bid_gain, Mux(bid_move[-1], bid_gone, bid_flow))),
            ask_part.eq(Mux(ask_same, ask_loss, Mux(ask_move[-1], ask_come, old_ask_flow))),
            total.eq(sum(carry_save(decayed, bid_part, ask_part))),
            order_flow.eq(Mux(follows, total, 0)),
            write.addr.eq(origin.symbol_index),
            write.en.eq(busy),
            write.data.bid_price.eq(origin.bid_price),
            write.data.ask_price.eq(origin.ask_price),
            write.data.bid_flow.eq(bid_flow),
            write.data.ask_flow.eq(ask_flow),
            write.data.order_flow.eq(order_flow),
            write.data.microprice.eq(_sum(middle, lean, falls)),
        ]
        with m.If(busy):
            m.d.sync += known.bit_select(origin.symbol_index, 1).eq(origin.usable)
        with m.If(self.clear):
            m.d.sync += known.eq(0)

        vector = self.vectors.p
        fast = {
            "spread": saturated(spread),
            "mid_move": Mux(follows, saturated(bid_move + ask_move), 0),
            "microprice_move": Mux(follows, saturated(_sum(middle_move, lean, falls)), 0),
            "imbalance_top1": bid_log.logarithm - ask_log.logarithm,
            "order_flow_imbalance": saturated(order_flow),
        }
        m.d.sync += [
            self.vectors.valid.eq(busy),
            Value.cast(vector).eq(Value.cast(origin)),
            *(vector.features[number].eq(fast[name]) for number, name in enumerate(FAST_NAMES)),
            *(vector.features[len(FAST_NAMES) + number].eq(value)
              for number, value in enumerate(self.known)),
        ]
        return m

    def _slow(self, m, taken: Value) -> None:
        """Add what is known before the event."""
        m.submodules.depth = depth = DepthImbalance(self.profile)
        m.submodules.slow = slow = SlowFeatures(self.profile)
        top, vector = self.tops.p, self.vectors.p
        hidden_trades = Signal.like(self.coming.hidden_trades, reset_less=True)
        m.d.sync += hidden_trades.eq(self.coming.hidden_trades)
        m.d.comb += [
            depth.sides.valid.eq(self.sides.valid),
            Value.cast(depth.sides.p).eq(Value.cast(self.sides.p)),
            depth.clear.eq(self.clear),
            depth.symbol_index.eq(top.symbol_index),
            slow.coming_symbol.eq(self.coming.symbol_index),
            slow.coming_time.eq(self.coming.time),
            slow.taken.eq(taken), Value.cast(slow.top).eq(Value.cast(top)),
            slow.hidden_trades.eq(hidden_trades),
            slow.imbalance.eq(depth.imbalance), slow.position.eq(self.position),
            slow.moved.eq(self.vectors.valid), slow.moved_symbol.eq(vector.symbol_index),
            slow.mid_move.eq(vector.features[FAST_NAMES.index("mid_move")]),
            slow.clear.eq(self.clear),
            Value.cast(self.known).eq(Value.cast(slow.features)),
        ]


def _sum(a: Value, b: Value, carry: Value) -> Value:
    """Return a sum with a carry, one carry chain; as wide as `a`."""
    extended = Cat(b, b[-1].replicate(len(a) - len(b)))
    return (Cat(carry, a) + Cat(carry, extended))[1:len(a) + 1].as_signed()
