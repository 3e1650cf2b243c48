"""The best bid and offer of a symbol after each event."""

from amaranth import *
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.book.layouts import row_bits
from hdl.profile import Profile
from hdl.records import TAG_BITS, TopLevel, TopOfBook

__all__ = ["TopPublisher"]


class TopPublisher(wiring.Component):
    """Join a side's new best level with the other side's and say whether it changed.

    Latency: 1 cycle, `publish` to `top_of_book.valid`. Throughput: 1 event every 2 cycles.

    Members
    -------
    publish : ``In(1)``
        An event of side `row` has ended.
    row, top, known : ``In``
        The side, its best level (all zero if it has none) and whether that is known.
    tag, execution, traded : ``In``
        Of the event.
    repeated : ``In(1)``
        The event has been published before.
    other_known : ``In(1)``
        The best level of the other side is known.
    stale, incomplete : ``In(1)``
        Of the symbol, this event included.
    clear : ``In(1)``, clear_row : ``In``
        Write zero into a row.
    top_of_book : ``Out(stream.Signature(TopOfBook, always_ready=True))``
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        rows = row_bits(profile)
        super().__init__({
            "publish": In(1), "row": In(rows), "top": In(TopLevel), "known": In(1),
            "tag": In(TAG_BITS), "execution": In(1), "traded": In(32), "repeated": In(1),
            "other_known": In(1), "stale": In(1), "incomplete": In(1),
            "clear": In(1), "clear_row": In(rows),
            "top_of_book": Out(stream.Signature(TopOfBook(profile), always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.published = published = memory.Memory(
            shape=TopLevel, depth=1 << len(self.row), init=[])
        own = published.read_port(domain="comb")
        other = published.read_port(domain="comb")
        write = published.write_port()
        out = self.top_of_book.p
        before = Signal(TopLevel, reset_less=True)
        new = Signal(TopLevel, reset_less=True)
        known = Signal(reset_less=True)
        row = Signal.like(self.row, reset_less=True)
        m.d.comb += [
            own.addr.eq(self.row),
            other.addr.eq(self.row ^ 1),
            # Written a cycle late, from registers: events are two cycles apart.
            write.addr.eq(Mux(self.clear, self.clear_row, row)),
            Value.cast(write.data).eq(Mux(self.clear, 0, Value.cast(new))),
            write.en.eq(self.clear | (self.top_of_book.valid & known)),
        ]
        asks = self.row[0]
        # What a side shows unless it has a new top, which comes late.
        old_bid = Mux(asks, Value.cast(other.data), Value.cast(own.data))
        old_ask = Mux(asks, Value.cast(own.data), Value.cast(other.data))
        m.d.sync += [
            self.top_of_book.valid.eq(self.publish & ~self.clear),
            Value.cast(before).eq(Value.cast(own.data)),
            Value.cast(new).eq(Value.cast(self.top)),
            known.eq(self.known),
            row.eq(self.row),
            out.symbol_index.eq(self.row >> 1),
            Value.cast(out.side).eq(asks),
            out.tag.eq(self.tag),
            Value.cast(out.bid).eq(Mux(self.known & ~asks, Value.cast(self.top), old_bid)),
            Value.cast(out.ask).eq(Mux(self.known & asks, Value.cast(self.top), old_ask)),
            out.stale.eq(self.stale | ~self.known | ~self.other_known),
            out.incomplete.eq(self.incomplete),
            out.exact.eq(~self.stale & self.known & self.other_known & ~self.incomplete),
            out.execution.eq(self.execution), out.repeated.eq(self.repeated),
            out.traded.eq(self.traded),
        ]
        m.d.comb += out.changed.eq(
            known & ((before.price != new.price) | (before.quantity != new.quantity)))
        return m
