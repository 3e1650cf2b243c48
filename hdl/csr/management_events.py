"""Event records kept until the host has acknowledged them.

Ref: docs/management-protocol.md.
"""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.stream import BEAT_BYTES
from hdl.telemetry.event_ring import RecordRow
from hdl.telemetry.message_recorder import RecordWord
from proto.events import EVENT_BYTES
from proto.wire.management import EVENTS_PER_DATAGRAM, RETRANSMIT_NS

__all__ = ["CLOCK_BITS", "SETTLE_CYCLES", "EventWindow"]

_RECORD_WORDS = EVENT_BYTES // BEAT_BYTES
_SEQUENCE_BITS = 32
#: Bits of the nanosecond clock that timers compare: 78 hours.
CLOCK_BITS = 48
#: Cycles from a command to outputs that show its effect.
SETTLE_CYCLES = 4
#: Largest credit that counts.
_MOST_CREDIT = 1 << 30


class EventWindow(wiring.Component):
    """Number records, keep them, and know which to send: go-back-N with credit.

    Latency: 8 cycles, a record at `events.valid` to its last row's `ready`, 5 more to `count`.
    Throughput: 1 record per 12 cycles. A full window makes `events` wait. Of the commands at most
    one may be given at a time, and the next one, or a use of `count`, not before ``SETTLE_CYCLES``
    cycles; `acknowledge` ends with `done`.

    Parameters
    ----------
    records : int
        Records kept.
    retransmit_ns : int
        Time without progress after which records are sent again.

    Members
    -------
    events : ``In(stream.Signature(RecordRow))``
        Records, row by row; a row is taken with its second word.
    words : ``In(stream.Signature(RecordWord))``
        More records, word by word without a pause; in turn with those of `events`.
    record, index, enable, word : ``In``, ``In(8)``, ``In(1)``, ``Out(64)``
        Number of a record, and of a word from its first one on; the word itself follows the
        next cycle with `enable`.
    open : ``In(1)``
        Command: begin anew from the oldest record, with `credit`.
    acknowledge : ``In(1)``
        Command: the host wants `sequence` next, has room for `credit` from there, and with `resend`
        wants it at once.
    retreat : ``In(1)``
        Command: begin anew from the oldest record.
    sent : ``In(1)``
        Command: `sent_count` records from `next` on were sent.
    sent_count, sequence, credit, resend : ``In``, ``In(32)``, ``In(32)``, ``In(1)``
        See above; stable until `done`.
    done, refused : ``Out(1)``
        Pulse: the acknowledgement has been dealt with; it was for records that are not there.
    oldest, next : ``Out(32)``
        Number of the oldest record that is kept, and of the next to send.
    count : ``Out``
        Records that may be sent now, in one datagram.
    overdue : ``Out(1)``
        Time to retreat.
    now_ns : ``In(48)``
        Clock.

    Raises
    ------
    ValueError
        If `records` is not a power of two of at least 2.
    """

    def __init__(self, records: int, *, retransmit_ns: int = RETRANSMIT_NS):
        if records < 2 or records & (records - 1):
            raise ValueError(f"records must be a power of two of at least 2, was {records}")
        self.records = records
        self.retransmit_ns = retransmit_ns
        super().__init__({
            "events":      In(stream.Signature(RecordRow)),
            "words":       In(stream.Signature(RecordWord)),
            "record":      In(_SEQUENCE_BITS),
            "index":       In(8),
            "enable":      In(1),
            "word":        Out(64),
            "open":        In(1),
            "acknowledge": In(1),
            "retreat":     In(1),
            "sent":        In(1),
            "sent_count":  In(range(EVENTS_PER_DATAGRAM + 1)),
            "sequence":    In(_SEQUENCE_BITS),
            "credit":      In(_SEQUENCE_BITS),
            "resend":      In(1),
            "done":        Out(1),
            "refused":     Out(1),
            "oldest":      Out(_SEQUENCE_BITS),
            "next":        Out(_SEQUENCE_BITS),
            "count":       Out(range(EVENTS_PER_DATAGRAM + 1)),
            "overdue":     Out(1),
            "now_ns":      In(CLOCK_BITS),
        })

    def elaborate(self, platform):
        m = Module()

        # Records into the memory, word by word.
        word_bits = ceil_log2(_RECORD_WORDS)
        m.submodules.memory = memory = Memory(shape=64, depth=self.records * _RECORD_WORDS, init=[])
        writing, reading = memory.write_port(), memory.read_port()
        written = Signal(_SEQUENCE_BITS)
        # No more than `records` lie between the oldest and the last: few bits tell how many.
        level_bits = ceil_log2(self.records) + 1
        level = Signal(level_bits)
        full = Signal(init=1)
        m.d.sync += [level.eq(written - self.oldest), full.eq(level[-1])]
        part = Signal(word_bits)
        from_words = Signal()
        m.d.sync += [
            writing.addr.eq(Cat(part, written)), writing.en.eq(0),
            writing.data.eq(Mux(from_words, self.words.p.data,
                                self.events.p.data.word_select(part[0], 64))),
        ]
        with m.FSM(name="intake"):
            with m.State("WAIT"):
                with m.If((self.events.valid | self.words.valid) & ~full):
                    m.d.sync += from_words.eq(self.words.valid & (~self.events.valid | ~from_words))
                    m.next = "WRITE"
            with m.State("WRITE"):
                m.d.comb += [self.words.ready.eq(from_words),
                             self.events.ready.eq(~from_words & part[0])]
                with m.If(from_words | self.events.valid):
                    m.d.sync += [writing.en.eq(1), part.eq(part + 1)]
                    with m.If(part == _RECORD_WORDS - 1):
                        m.next = "COUNT"
            with m.State("COUNT"):
                m.d.sync += written.eq(written + 1)
                m.next = "LEVEL"
            with m.State("LEVEL"):
                m.next = "FULL"
            with m.State("FULL"):
                m.next = "WAIT"
        m.d.comb += [
            reading.addr.eq(Cat(C(0, word_bits), self.record) + self.index),
            reading.en.eq(self.enable), self.word.eq(reading.data),
        ]

        # What may be sent.
        limit = Signal(_SEQUENCE_BITS)
        unsent, room = Signal(level_bits), Signal(signed(_SEQUENCE_BITS))

        def capped(value):
            low = value[:len(self.count)]
            return Mux(value[len(low):].any() | (low >= EVENTS_PER_DATAGRAM),
                       EVENTS_PER_DATAGRAM, low)

        ready, allowed = Signal.like(self.count), Signal.like(self.count)
        m.d.sync += [
            unsent.eq(written - self.next), room.eq(limit - self.next),
            ready.eq(capped(unsent)), allowed.eq(Mux(room < 0, 0, capped(room.as_unsigned()))),
        ]
        m.d.sync += self.count.eq(Mux(ready < allowed, ready, allowed))

        # Progress.
        outstanding = Signal()
        progress_ns, age = Signal(CLOCK_BITS), Signal(CLOCK_BITS)
        m.d.sync += [
            outstanding.eq(self.next != self.oldest), age.eq(self.now_ns - progress_ns),
            self.overdue.eq(outstanding & (age >= self.retransmit_ns)),
        ]
        progressed = Signal()
        with m.If(progressed | ~outstanding):
            m.d.sync += [progress_ns.eq(self.now_ns), age.eq(0)]

        self._commands(m, written, limit, progressed)
        return m

    def _commands(self, m: Module, written: Signal, limit: Signal, progressed: Signal) -> None:
        """Follow the host."""
        credit = Signal(_SEQUENCE_BITS)
        m.d.comb += credit.eq(Mux(self.credit >= _MOST_CREDIT, _MOST_CREDIT, self.credit))
        acknowledged = Signal(_SEQUENCE_BITS, reset_less=True)
        kept = Signal(ceil_log2(self.records) + 1, reset_less=True)
        # Of a number that fits, not more than the records that are kept: few bits are enough.
        behind = Signal(signed(len(kept) + 1), reset_less=True)
        new_limit = Signal(_SEQUENCE_BITS, reset_less=True)
        gain = Signal(signed(_SEQUENCE_BITS), reset_less=True)
        fits = Signal(reset_less=True)
        m.d.sync += self.done.eq(0)
        with m.FSM(name="commands"):
            with m.State("WAIT"):
                with m.If(self.open):
                    m.d.comb += progressed.eq(1)
                    m.d.sync += [self.next.eq(self.oldest), limit.eq(self.oldest + credit)]
                with m.Elif(self.retreat):
                    m.d.comb += progressed.eq(1)
                    m.d.sync += self.next.eq(self.oldest)
                with m.Elif(self.sent):
                    m.d.sync += self.next.eq(self.next + self.sent_count)
                with m.Elif(self.acknowledge):
                    m.d.sync += [
                        acknowledged.eq(self.sequence - self.oldest),
                        kept.eq(written - self.oldest),
                        behind.eq(self.next - self.sequence),
                        new_limit.eq(self.sequence + credit),
                    ]
                    m.next = "COMPARE"
            with m.State("COMPARE"):
                m.d.sync += [
                    fits.eq(~acknowledged[len(kept):].any() & (acknowledged[:len(kept)] <= kept)),
                    gain.eq(new_limit - limit),
                ]
                m.next = "APPLY"
            with m.State("APPLY"):
                m.d.sync += [self.done.eq(1), self.refused.eq(~fits)]
                with m.If(fits):
                    m.d.comb += progressed.eq(self.resend | acknowledged[:len(kept)].any())
                    m.d.sync += self.oldest.eq(self.sequence)
                    with m.If(behind[-1] | self.resend):
                        m.d.sync += self.next.eq(self.sequence)
                    with m.If(~gain[-1]):
                        m.d.sync += limit.eq(new_limit)
                m.next = "WAIT"
