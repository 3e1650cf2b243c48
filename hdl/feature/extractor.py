"""From a symbol's touch to the vector that a model scores."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.carry_save import carry_save
from hdl.feature.definitions import FLOW_QUANTITY_BITS, OFI_BITS, OFI_DECAY_SHIFT
from hdl.feature.log2 import PiecewiseLog2
from hdl.orders import FEATURE_BITS, FeatureVector
from hdl.profile import Profile
from hdl.records import TopOfBook

__all__ = ["FeatureExtractor"]

_State = data.StructLayout({
    "bid_price": 32, "ask_price": 32,
    "bid_flow": FLOW_QUANTITY_BITS, "ask_flow": FLOW_QUANTITY_BITS,
    "order_flow": signed(OFI_BITS),
})


def _saturated(value: Value) -> Value:
    """Return a signed value cut to the width of a feature."""
    high = value[FEATURE_BITS - 1:]
    inside = ~high.any() | high.all()
    sign = value[-1]
    limit = Cat((~sign).replicate(FEATURE_BITS - 1), sign)
    return Mux(inside, value[:FEATURE_BITS], limit).as_signed()


class FeatureExtractor(wiring.Component):
    """Compute the features of :mod:`proto.features` for each event of a book.

    Latency: 2 cycles, `tops` transfer to `vectors.valid`. Throughput: 1 event per 2 cycles; one
    that follows in the very next cycle is dropped and pulses `stat_dropped`.

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
    start_cycles : ``In(48)``
        Cycle stamp of the frame that caused the event; beside `tops`.
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
            "start_cycles": In(48),
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
        m.d.sync += [
            origin.symbol_index.eq(top.symbol_index),
            origin.tag.eq(top.tag),
            origin.start_cycles.eq(self.start_cycles),
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
        ]
        with m.If(busy):
            m.d.sync += known.bit_select(origin.symbol_index, 1).eq(origin.usable)

        vector = self.vectors.p
        m.d.sync += [
            self.vectors.valid.eq(busy),
            Value.cast(vector).eq(Value.cast(origin)),
            vector.features[0].eq(_saturated(spread)),
            vector.features[1].eq(Mux(follows, _saturated(bid_move + ask_move), 0)),
            vector.features[2].eq(bid_log.logarithm - ask_log.logarithm),
            vector.features[3].eq(_saturated(order_flow)),
        ]
        return m
