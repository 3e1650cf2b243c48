"""Messages of the feed as event records, byte for byte."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from hdl.profile import Profile
from hdl.records import FeedMessage
from hdl.stream import BEAT_BYTES
from proto import events
from proto.events import EventKind
from proto.wire import itch50

__all__ = ["MessageRecorder", "RecordWord"]

_WORD_BITS = 8 * BEAT_BYTES
_RECORD_WORDS = events.EVENT_BYTES // BEAT_BYTES
_HEADER_WORDS = _RECORD_WORDS - events.CONTENT_WORDS

_LARGEST = max(message.size for message in itch50.MESSAGES.values())
_LARGEST_WORDS = -(-_LARGEST // BEAT_BYTES)


class RecordWord(data.Struct):
    """Eight bytes of a record, the first one lowest; a record has eight of them."""

    data: _WORD_BITS
    last: 1


class MessageRecorder(wiring.Component):
    """Keep messages until they are taken as records; class 2: what finds no room is dropped.

    The windows of each message are written as they pass; if the decoder then says that it is to be
    recorded, what is left of it follows in one or two cycles, in which `busy` keeps the next
    message from passing. Else the rows are used again.

    Latency: 4 cycles, `record` to `words.valid`, empty before; 3 cycles if the last eight bytes of
    the message were complete in its last window. Throughput: 1 word per cycle out.

    A record's number is given as it leaves, and a message that was dropped uses up a number.

    Parameters
    ----------
    profile : Profile
        Gives the rows of eight bytes: one for each 2048 bytes of ``event_ring_bytes``, at least 16.
        A message takes a row, and one for each eight bytes.

    Members
    -------
    window, taken : ``In(FeedMessage)``, ``In(1)``
        What the framer offers, and that the decoder takes it.
    record : ``In(1)``
        Pulse: the message whose last window was taken in the cycle before is to be recorded.
    sequence, symbol_index, watched : ``In``
        Its number and its symbol, from `record` until the next window is taken; without `watched`
        it is no symbol that has a book.
    busy : ``Out(1)``
        No window may be taken.
    full : ``Out(1)``
        With `cfg_wait`, no first window of a message may be taken.
    now_cycles : ``In(48)``
        Cycle counter; each record has its value as it leaves.
    words : ``Out(stream.Signature(RecordWord))``
        Records, word by word; once one has begun its words follow without a pause.
    empty : ``Out(1)``
        No record waits.
    cfg_wait : ``In(1)``
        A message waits rather than that one is dropped.
    stat_recorded, stat_dropped : ``Out(1)``
        One-cycle pulse per message.
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        self.rows = max(16, profile.event_ring_bytes // 2048)
        super().__init__({
            "window":        In(FeedMessage),
            "taken":         In(1),
            "record":        In(1),
            "sequence":      In(64),
            "symbol_index":  In(profile.symbol_bits),
            "watched":       In(1),
            "busy":          Out(1),
            "full":          Out(1),
            "now_cycles":    In(48),
            "words":         Out(stream.Signature(RecordWord)),
            "empty":         Out(1),
            "cfg_wait":      In(1),
            "stat_recorded": Out(1),
            "stat_dropped":  Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        row_bits = ceil_log2(self.rows)
        layout = data.StructLayout({
            "word": _WORD_BITS,
            "last": 1,                                # of the message
            "symbol_index": self.profile.symbol_bits,  # of the first row, as what follows
            "watched": 1,
        })
        m.submodules.memory = memory = Memory(shape=layout, depth=self.rows, init=[])
        write, read = memory.write_port(), memory.read_port(domain="comb")
        base, tail = Signal(row_bits + 1), Signal(row_bits + 1)
        # Written a cycle later than known, so that nothing of the feed reaches the memory at once.
        written = Signal(row_bits + 1)
        entry = Signal(data.StructLayout({
            "en": 1, "addr": row_bits, "data": layout}), reset_less=True)
        m.d.sync += written.eq(base)
        m.d.comb += [write.en.eq(entry.en), write.addr.eq(entry.addr),
                     Value.cast(write.data).eq(Value.cast(entry.data))]

        self._write(m, entry, base, tail)
        self._read(m, read, base, written, tail)
        return m

    def _write(self, m: Module, entry, base: Signal, tail: Signal) -> None:
        """Write rows: one for the message itself at `base`, and its content behind it."""
        window = self.window
        room = Signal(init=1)       # for any message, from the next first window on
        fits = Signal()
        cursor = Signal.like(base)
        words = Signal(range(_LARGEST_WORDS + 2))   # windows of the message before this one
        fits_now = Mux(window.first, room, fits)
        place = Signal.like(base)
        number = Signal.like(words)
        m.d.comb += [place.eq(Mux(window.first, base + 1, cursor)),
                     number.eq(Mux(window.first, 0, words))]

        # The upper half of the last window has bytes of the message if it is longer than this. Only
        # right lengths count.
        more = Signal()
        length = window.length[:bits_for(_LARGEST)]
        m.d.comb += more.eq(((length + BEAT_BYTES - 1) >> ceil_log2(BEAT_BYTES)) > number + 1)
        rest = Signal(_WORD_BITS, reset_less=True)
        rest_waits = Signal()
        finish = Signal()
        with m.If(self.taken):
            m.d.sync += [
                fits.eq(fits_now), cursor.eq(place + 1), rest_waits.eq(more),
                rest.eq(window.data[_WORD_BITS:]),
                words.eq(Mux(number == _LARGEST_WORDS, number, number + 1)),
            ]

        commit = Signal()
        store = Signal()
        write = Signal.like(entry)
        m.d.sync += Value.cast(entry).eq(Value.cast(write))
        m.d.comb += [
            store.eq(self.record & fits),
            commit.eq(finish | (store & ~rest_waits)),
            self.busy.eq(finish),
            write.en.eq(fits_now & (number != _LARGEST_WORDS)),
            write.addr.eq(place),
            write.data.word.eq(window.data[:_WORD_BITS]),
            write.data.last.eq(window.last & ~more),
            write.data.symbol_index.eq(self.symbol_index),
            write.data.watched.eq(self.watched),
        ]
        m.d.sync += finish.eq(store & rest_waits)
        with m.If(commit):
            m.d.comb += [write.en.eq(1), write.addr.eq(base), write.data.word.eq(self.sequence)]
        with m.Elif(store):
            m.d.comb += [write.en.eq(1), write.addr.eq(cursor), write.data.word.eq(rest),
                         write.data.last.eq(1)]
            m.d.sync += cursor.eq(cursor + 1)

        # Whether the message counts is known last; what is used follows from registers either way.
        enough = Signal()
        m.d.comb += enough.eq(Mux(commit, *(
            (end - tail)[:len(base)] <= self.rows - _LARGEST_WORDS - 1 for end in (cursor, base))))
        with m.If(commit):
            m.d.sync += base.eq(cursor)
        m.d.sync += [room.eq(enough), self.full.eq(self.cfg_wait & ~enough)]
        m.d.sync += [self.stat_recorded.eq(commit), self.stat_dropped.eq(self.record & ~fits)]

    def _read(self, m: Module, read, base: Signal, written: Signal, tail: Signal) -> None:
        """Make records of rows, up to those of `written`; each word goes through a register."""
        words = stream.Signature(RecordWord).create(path=("made",))
        taken = words.valid & words.ready
        m.d.comb += [words.ready.eq(~self.words.valid | self.words.ready),
                     self.empty.eq((base == tail) & ~self.words.valid)]
        with m.If(words.ready):
            m.d.sync += [self.words.valid.eq(words.valid),
                         Value.cast(self.words.p).eq(Value.cast(words.p))]
        part = Signal(range(_RECORD_WORDS))
        header = part < _HEADER_WORDS
        cursor, after = Signal.like(base), Signal.like(base)
        rest, ended = Signal(), Signal()
        row = read.data
        m.d.comb += [
            read.addr.eq(Mux(header, tail, cursor)),
            words.valid.eq(written != tail),
            words.p.last.eq(part == _RECORD_WORDS - 1),
            after.eq(cursor + Mux(header, (part == _HEADER_WORDS - 1) & ~rest, ~ended)),
        ]
        done = Signal()
        number = Signal(events.HEADER.field("event_sequence").bits)
        m.d.comb += done.eq(taken & words.p.last)
        m.d.sync += number.eq(number + (done + self.stat_dropped))
        with m.If(taken):
            m.d.sync += [part.eq(part + 1), cursor.eq(after)]
            with m.If(~header):
                m.d.sync += ended.eq(ended | row.last)
            with m.If(words.p.last):
                over = ended | row.last
                m.d.sync += [rest.eq(~over), ended.eq(0)]
                with m.If(over):
                    m.d.sync += tail.eq(after)

        kind = Mux(rest, int(EventKind.FEED_MESSAGE_REST), int(EventKind.FEED_MESSAGE))
        first = self._header_word({
            "schema_version": C(events.SCHEMA_VERSION, 8), "kind": kind,
            "symbol_index": Mux(row.watched, row.symbol_index, events.NO_SYMBOL),
            "event_sequence": number,
        })
        with m.Switch(part):
            with m.Case(0):
                m.d.comb += words.p.data.eq(first)
            with m.Case(1):
                m.d.comb += words.p.data.eq(self.now_cycles)
            with m.Default():
                m.d.comb += words.p.data.eq(Mux(~header & ended, 0, row.word))

    @staticmethod
    def _header_word(values: dict) -> Value:
        """Return the first word of a record, laid out as `proto.events` has it."""
        parts = []
        for field in events.HEADER.fields:
            if field.offset < BEAT_BYTES:
                value = Value.cast(values[field.name])
                parts.append(Cat(value, C(0, field.bits))[:field.bits])
        return Value.cast(Cat(parts))
