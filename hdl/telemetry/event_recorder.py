"""Top-of-book changes as 64-byte event records in a ring."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.profile import Profile
from hdl.records import TAG_BITS, MessageContext, TopOfBook
from hdl.telemetry.event_ring import EventRing, RecordRow
from proto.events import EVENT_BYTES, SCHEMA_VERSION, TOP_OF_BOOK, BookState, EventKind

__all__ = ["STATE_BITS", "EventRecorder"]

#: Width of the state of a symbol in a record: the flags of `BookState`.
STATE_BITS = max(BookState).bit_length()



class EventRecorder(wiring.Component):
    """Record each change of a top of book; class 2: what finds the ring full is dropped.

    Latency: 6 cycles, `top_of_book` transfer to `events.valid`, ring empty. Throughput: 1 record
    per cycle in; 1 row per cycle out. A dropped record uses up its sequence number.

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
    context_idle : ``Out(1)``
        There was none: whatever comes as its `context` is ignored.
    context : ``In(MessageContext)``
        Its context, one cycle after `context_tag`.
    context_valid : ``Out(1)``
        `context` is that of a transfer two cycles ago, whether it made a record or not.
    trading_state : ``In(data.ArrayLayout(STATE_BITS, symbols))``
        What besides the book belongs in each symbol's ``state``.
    now_cycles : ``In(48)``
        Cycle counter; a record has its value two cycles after the transfer.
    events : ``Out(stream.Signature(RecordRow))``
        Records, row by row.
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
            "context_idle":  Out(1),
            "context":       In(MessageContext),
            "context_valid": Out(1),
            "trading_state": In(data.ArrayLayout(STATE_BITS, profile.symbols)),
            "now_cycles":    In(48),
            "events":        Out(stream.Signature(RecordRow)),
            "nearly_full":   Out(1),
            "empty":         Out(1),
            "stat_dropped":  Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        depth = self.profile.event_ring_bytes // EVENT_BYTES
        m.submodules.ring = ring = EventRing(depth, high_mark=depth - depth // 4)
        connect(m, ring.rows, flipped(self.events))

        # Cycle 1: the context is looked up. Cycle 2: it is there, and the record complete.
        first, second = (Signal(TopOfBook(self.profile), name=name, reset_less=True)
                         for name in ("first", "second"))
        published, changed = Signal(2), Signal(2)
        extra = Signal(STATE_BITS, reset_less=True)
        m.d.sync += [
            Value.cast(first).eq(Value.cast(self.top_of_book.p)), second.eq(first),
            published.eq(Cat(self.top_of_book.valid, published)),
            changed.eq(Cat(self.top_of_book.valid & self.top_of_book.p.changed, changed)),
            extra.eq(self.trading_state[first.symbol_index]),
        ]
        m.d.comb += [
            self.context_tag.eq(first.tag), self.context_idle.eq(~published[0]),
            self.context_valid.eq(published[1]),
        ]

        sequence = Signal(32)
        with m.If(changed[1]):
            m.d.sync += sequence.eq(sequence + 1)
        m.d.comb += [
            ring.store.eq(changed[1]),
            ring.record.eq(_record({
                "schema_version": C(SCHEMA_VERSION, 8), "kind": C(int(EventKind.TOP_OF_BOOK), 8),
                "symbol_index": second.symbol_index, "event_sequence": sequence,
                "cycle": self.now_cycles, "feed_sequence": self.context.sequence,
                "ts_ns": self.context.timestamp_ns, "locate": self.context.locate,
                "state": extra | Mux(second.stale, int(BookState.STALE), 0)
                | Mux(second.incomplete, int(BookState.INCOMPLETE), 0),
                **{f"{side}_{name}": second[side][name]
                   for side in ("bid", "ask") for name in ("price", "quantity", "count")},
                "ingress_cycle": self.context.start_cycles,
            })),
            self.nearly_full.eq(ring.nearly_full),
            self.stat_dropped.eq(ring.lost),
            self.empty.eq(ring.empty & ~changed.any()),
        ]

        return m


def _record(fields: dict) -> Value:
    """Return a whole record, laid out as `proto.events` has it."""
    return Value.cast(Cat(
        Cat(Value.cast(fields[field.name]), C(0, field.bits))[:field.bits]
        for field in TOP_OF_BOOK.fields))
