"""Top-of-book changes as 64-byte event records in a ring."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.profile import Profile
from hdl.records import TAG_BITS, MessageContext, TopOfBook
from proto.events import EVENT_BYTES, SCHEMA_VERSION, TOP_OF_BOOK, BookState, EventKind

__all__ = ["STATE_BITS", "EventRecorder"]

#: Width of the state of a symbol in a record: the flags of `BookState`.
STATE_BITS = max(BookState).bit_length()


def _stored(profile: Profile) -> data.StructLayout:
    """Return what the ring keeps of a record; the rest of its 512 bits never changes."""
    return data.StructLayout({
        "symbol_index": profile.symbol_bits,
        "event_sequence": 32,
        "cycle": 48,
        "feed_sequence": 64,
        "ts_ns": 48,
        "locate": 16,
        "state": STATE_BITS,
        "bid_price": 32,
        "bid_quantity": 32,
        "ask_price": 32,
        "ask_quantity": 32,
        "bid_count": 16,
        "ask_count": 16,
        "ingress_cycle": 48,
    })


class EventRecorder(wiring.Component):
    """Record each change of a top of book; class 2: what finds the ring full is dropped.

    Latency: 6 cycles, `top_of_book` transfer to `events.valid`, ring empty. Throughput: 1 record
    per cycle in; 1 per 2 cycles out. A dropped record uses up its sequence number.

    Parameters
    ----------
    profile : Profile
        ``event_ring_bytes`` is the size of the ring.

    Members
    -------
    top_of_book : ``In(stream.Signature(TopOfBook(profile), always_ready=True))``
        Books after each event; only a ``changed`` one makes a record.
    context_tag : ``Out(TAG_BITS)``
        Tag of the transfer a cycle ago.
    context : ``In(MessageContext)``
        Its context, one cycle after `context_tag`.
    trading_state : ``In(data.ArrayLayout(STATE_BITS, symbols))``
        What besides the book belongs in each symbol's ``state``.
    now_cycles : ``In(48)``
        Cycle counter; a record has its value two cycles after the transfer.
    events : ``Out(stream.Signature(512))``
        Records, byte 0 in the lowest bits.
    nearly_full : ``Out(1)``
        Less than a quarter of the ring is free.
    empty : ``Out(1)``
        No record is in the ring or on its way.
    stat_dropped : ``Out(1)``
        One-cycle pulse per dropped record.
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        super().__init__({
            "top_of_book":   In(stream.Signature(TopOfBook(profile), always_ready=True)),
            "context_tag":   Out(TAG_BITS),
            "context":       In(MessageContext),
            "trading_state": In(data.ArrayLayout(STATE_BITS, profile.symbols)),
            "now_cycles":    In(48),
            "events":        Out(stream.Signature(8 * EVENT_BYTES)),
            "nearly_full":   Out(1),
            "empty":         Out(1),
            "stat_dropped":  Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        # Two cycles while the context is looked up.
        top_shape = self.top_of_book.payload.shape()
        first, second = Signal(top_shape, reset_less=True), Signal(top_shape, reset_less=True)
        valid = Signal(2)
        changed = self.top_of_book.valid & self.top_of_book.payload.changed
        m.d.sync += [
            first.eq(self.top_of_book.payload),
            second.eq(first),
            valid.eq(Cat(changed, valid)),
        ]
        m.d.comb += self.context_tag.eq(first.tag)
        extra = Signal(STATE_BITS, reset_less=True)
        m.d.sync += extra.eq(self.trading_state[first.symbol_index])

        sequence = Signal(32)
        stored = Signal(_stored(self.profile), reset_less=True)
        writing = Signal()
        m.d.sync += writing.eq(valid[1])
        m.d.sync += sequence.eq(sequence + valid[1])
        book_state = (Mux(second.stale, int(BookState.STALE), 0) |
                      Mux(second.incomplete, int(BookState.INCOMPLETE), 0))
        m.d.sync += [
            stored.symbol_index.eq(second.symbol_index),
            stored.event_sequence.eq(sequence),
            stored.cycle.eq(self.now_cycles),
            stored.feed_sequence.eq(self.context.sequence),
            stored.ts_ns.eq(self.context.timestamp_ns),
            stored.locate.eq(self.context.locate),
            stored.state.eq(extra | book_state),
            stored.bid_price.eq(second.bid.price),
            stored.bid_quantity.eq(second.bid.quantity),
            stored.ask_price.eq(second.ask.price),
            stored.ask_quantity.eq(second.ask.quantity),
            stored.bid_count.eq(second.bid.count),
            stored.ask_count.eq(second.ask.count),
            stored.ingress_cycle.eq(self.context.start_cycles),
        ]

        # The ring: a memory, its output, and the register that the stream shows.
        depth = self.profile.event_ring_bytes // EVENT_BYTES
        index_bits = ceil_log2(depth)
        m.submodules.ring = ring = Memory(shape=stored.shape(), depth=depth, init=[])
        write_port, read_port = ring.write_port(), ring.read_port()
        head, tail = Signal(index_bits + 1), Signal(index_bits + 1)
        level = Signal(index_bits + 1)
        full = (head ^ tail) == depth
        store = Signal()
        m.d.comb += [
            store.eq(writing & ~full),
            write_port.addr.eq(head[:index_bits]),
            write_port.data.eq(stored),
            write_port.en.eq(store),
        ]
        m.d.sync += [
            head.eq(head + store),
            self.stat_dropped.eq(writing & full),
            level.eq(head - tail),
            self.nearly_full.eq(level >= depth - depth // 4),
        ]

        fetched, shown = Signal(), Signal(stored.shape(), reset_less=True)
        fetch = Signal()
        m.d.comb += [
            fetch.eq((head != tail) & ~fetched & (~self.events.valid | self.events.ready)),
            read_port.addr.eq(tail[:index_bits]),
            read_port.en.eq(fetch),
        ]
        m.d.sync += [tail.eq(tail + fetch), fetched.eq(fetch)]
        with m.If(self.events.ready):
            m.d.sync += self.events.valid.eq(0)
        with m.If(fetched):
            m.d.sync += [self.events.valid.eq(1), shown.eq(read_port.data)]
        m.d.comb += self.events.payload.eq(self._record(shown))
        m.d.comb += self.empty.eq(~(changed | valid.any() | writing | (head != tail) | fetched |
                                    self.events.valid))

        return m

    def _record(self, stored) -> Value:
        """Return a whole record, laid out as `proto.events` has it."""
        constants = {"schema_version": SCHEMA_VERSION, "kind": int(EventKind.TOP_OF_BOOK)}
        parts = []
        for field in TOP_OF_BOOK.fields:
            if field.name in constants:
                parts.append(C(constants[field.name], field.bits))
            else:
                value = Value.cast(stored[field.name])
                parts.append(Cat(value, C(0, field.bits - len(value))))
        return Value.cast(Cat(parts))
