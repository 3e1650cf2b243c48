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


#: Bits of the sequence number that are kept with the book: where block RAM has room for them.
_SEQUENCE_LOW_BITS = 16


def _of_book(profile: Profile) -> data.StructLayout:
    """Return what the ring keeps of the book; the rest of a record's 512 bits never changes."""
    return data.StructLayout({
        "symbol_index": profile.symbol_bits,
        "bid_price": 32,
        "bid_quantity": 32,
        "ask_price": 32,
        "ask_quantity": 32,
        "bid_count": 16,
        "ask_count": 16,
        "sequence_low": _SEQUENCE_LOW_BITS,
    })


#: What the ring keeps besides.
_OfMessage = data.StructLayout({
    "sequence_high": 32 - _SEQUENCE_LOW_BITS,
    "cycle": 48,
    "feed_sequence": 64,
    "ts_ns": 48,
    "locate": 16,
    "state": STATE_BITS,
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
            "context_idle":  Out(1),
            "context":       In(MessageContext),
            "context_valid": Out(1),
            "trading_state": In(data.ArrayLayout(STATE_BITS, profile.symbols)),
            "now_cycles":    In(48),
            "events":        Out(stream.Signature(8 * EVENT_BYTES)),
            "nearly_full":   Out(1),
            "empty":         Out(1),
            "stat_dropped":  Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        # The ring: two memories, so that what the book says need not wait, their output, and the
        # register that the stream shows. No row is read in the cycle in which it is written, as
        # only rows between `tail` and `written` are read.
        depth = self.profile.event_ring_bytes // EVENT_BYTES
        index_bits = ceil_log2(depth)
        of_book = _of_book(self.profile)
        m.submodules.books = books = _memory(of_book, depth)
        m.submodules.messages = messages = _memory(_OfMessage, depth)
        head, written, tail = (Signal(index_bits + 1, name=name)
                               for name in ("head", "written", "tail"))
        level = Signal(index_bits + 1)

        # Cycle 0: the book, if there is room.
        top = self.top_of_book.p
        changed = self.top_of_book.valid & top.changed
        full = (head ^ tail) == depth
        sequence = Signal(32)
        with m.If(changed):
            m.d.sync += sequence.eq(sequence + 1)
        book_write = books.write_port()
        m.d.comb += [
            book_write.en.eq(self.top_of_book.valid & ~full),
            book_write.addr.eq(head[:index_bits]),
            book_write.data.symbol_index.eq(top.symbol_index),
            book_write.data.sequence_low.eq(sequence),
            *(book_write.data[f"{side}_{name}"].eq(top[side][name])
              for side in ("bid", "ask") for name in ("price", "quantity", "count")),
        ]
        m.d.sync += head.eq(head + (changed & ~full))

        # Cycle 1: its context is looked up. Cycle 2: the rest of the record.
        brief = data.StructLayout({"row": index_bits,
                                   "sequence_high": len(sequence) - _SEQUENCE_LOW_BITS,
                                   "symbol_index": len(top.symbol_index),
                                   "tag": TAG_BITS, "stale": 1, "incomplete": 1})
        first, second = Signal(brief, reset_less=True), Signal(brief, reset_less=True)
        valid, kept = Signal(3), Signal(3)
        m.d.sync += [
            first.row.eq(head), first.sequence_high.eq(sequence[_SEQUENCE_LOW_BITS:]),
            *(first[name].eq(top[name]) for name in ("symbol_index", "tag", "stale", "incomplete")),
            second.eq(first),
            valid.eq(Cat(changed, valid)), kept.eq(Cat(changed & ~full, kept)),
        ]
        published = Signal()
        m.d.sync += [published.eq(self.top_of_book.valid), self.context_valid.eq(published)]
        m.d.comb += [self.context_tag.eq(first.tag), self.context_idle.eq(~published)]
        extra = Signal(STATE_BITS, reset_less=True)
        m.d.sync += extra.eq(self.trading_state[first.symbol_index])
        book_state = (Mux(second.stale, int(BookState.STALE), 0) |
                      Mux(second.incomplete, int(BookState.INCOMPLETE), 0))
        message_write = messages.write_port()
        rest = message_write.data
        m.d.comb += [
            message_write.en.eq(kept[1]),
            message_write.addr.eq(second.row),
            rest.sequence_high.eq(second.sequence_high),
            rest.cycle.eq(self.now_cycles),
            rest.feed_sequence.eq(self.context.sequence),
            rest.ts_ns.eq(self.context.timestamp_ns),
            rest.locate.eq(self.context.locate),
            rest.state.eq(extra | book_state),
            rest.ingress_cycle.eq(self.context.start_cycles),
        ]

        # Cycle 3: the record may be read from the next one on.
        m.d.sync += [
            written.eq(written + kept[2]),
            self.stat_dropped.eq(valid[2] & ~kept[2]),
            level.eq(written - tail),
            self.nearly_full.eq(level >= depth - depth // 4),
        ]

        fetch, fetched = Signal(), Signal()
        m.d.comb += fetch.eq(
            (written != tail) & ~fetched & (~self.events.valid | self.events.ready))
        m.d.sync += [tail.eq(tail + fetch), fetched.eq(fetch)]
        with m.If(self.events.ready):
            m.d.sync += self.events.valid.eq(0)
        with m.If(fetched):
            m.d.sync += self.events.valid.eq(1)
        fields = {}
        for memory, layout in ((books, of_book), (messages, _OfMessage)):
            read = memory.read_port(domain="comb")
            row, shown = Signal(layout, reset_less=True), Signal(layout, reset_less=True)
            m.d.comb += read.addr.eq(tail[:index_bits])
            with m.If(fetch):
                m.d.sync += row.eq(read.data)
            with m.If(fetched):
                m.d.sync += shown.eq(row)
            fields |= {name: shown[name] for name, _ in layout}
        fields["event_sequence"] = Cat(fields["sequence_low"], fields["sequence_high"])
        m.d.comb += self.events.payload.eq(_record(fields))
        m.d.comb += self.empty.eq(~(changed | valid.any() | (written != tail) | fetched |
                                    self.events.valid))

        return m


def _memory(layout: data.StructLayout, depth: int) -> Memory:
    """Return a memory of which no row is read while it is written.

    Read asynchronously into a register, the form whose collision Yosys lets be free; else it would
    add a bypass of all bits.
    """
    return Memory(shape=layout, depth=depth, init=[], attrs={"no_rw_check": 1})


def _record(fields: dict) -> Value:
    """Return a whole record, laid out as `proto.events` has it."""
    constants = {"schema_version": SCHEMA_VERSION, "kind": int(EventKind.TOP_OF_BOOK)}
    parts = []
    for field in TOP_OF_BOOK.fields:
        if field.name in constants:
            parts.append(C(constants[field.name], field.bits))
        else:
            value = Value.cast(fields[field.name])
            parts.append(Cat(value, C(0, field.bits - len(value))))
    return Value.cast(Cat(parts))
