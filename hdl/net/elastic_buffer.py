"""The crossing from a receiver's recovered clock to the core clock."""

from amaranth import *
from amaranth.lib import data, memory, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from hdl.net.xgmii import IDLE_WORD, XgmiiChar, XgmiiWord

__all__ = ["ElasticBuffer"]

_ADDRESS_BITS = 4

#: Fill levels, as seen through the synchroniser: words it has shown minus words read. At -1 the
#: word that is read has been in the ring for one to two periods.
_INSERT_AT = -2
_UNDERRUN_AT = -3
_DELETE_SOON_AT = 0
_DELETE_NOW_AT = 1
_OVERRUN_AT = 6

#: Cycles for which the level must stay high before a word is deleted, so that jitter of the
#: sampled pointer alone never makes a deletion and then an insertion.
_PATIENCE_CYCLES = 255


class _RingWord(data.Struct):
    """A word and what the reader must know of it, decoded as it is written."""

    word: XgmiiWord
    low_spare: 1   # lanes 0..3 are idles or a sequence ordered set
    high_spare: 1  # the same of lanes 4..7
    outside: 1     # the word ends outside a frame


class ElasticBuffer(wiring.Component):
    """Carry XGMII words from domain ``rx`` to ``sync``, whose clocks differ by up to 200 ppm.

    Latency: 3 cycles, word at `line` to `word`, with equal clocks in phase; with other phases, and
    under drift between two slips, 2 to 3 cycles, the fraction being the phase. Throughput: 1 word
    per cycle.

    A ring is written freely; a read pointer trails the write pointer by a constant age. When the
    write pointer, seen through a two-stage synchroniser, falls behind, a word of idles is put
    before the next word that begins outside a frame; when it leads, eight bytes of idles or
    sequence ordered sets are taken out of a gap: a whole word, or the upper half of one word and
    the lower half of the next, which closes up T I I I I I I I, I I I I S D D D as well. So any
    gap of 9 bytes or more (Terminate included) can be shortened, and starts keep their lane;
    Start may follow Terminate at once afterwards. Shorter gaps ride through: from the deletion
    level there are five words left, 25,000 words of drift. Only if these are used up, a frame is
    spoiled by a word of error characters and `stat_overrun` or `stat_underrun` pulses.

    Members
    -------
    line : ``In(XgmiiWord)``
        Word from the receiver's pins; domain ``rx``, one each cycle.
    word : ``Out(XgmiiWord)``
        The same stream in ``sync``; from a register.
    stat_inserted, stat_deleted : ``Out(1)``
        A word's worth of idles was inserted, deleted. Domain ``sync``.
    stat_overrun, stat_underrun : ``Out(1)``
        The ring ran full or empty inside a frame; the frame was spoiled. Domain ``sync``.
    """

    line: In(XgmiiWord)
    word: Out(XgmiiWord, init=IDLE_WORD)
    stat_inserted: Out(1)
    stat_deleted: Out(1)
    stat_overrun: Out(1)
    stat_underrun: Out(1)

    def elaborate(self, platform):
        m = Module()

        m.submodules.ring = ring = memory.Memory(
            shape=_RingWord, depth=1 << _ADDRESS_BITS, init=[], attrs={"ram_style": "distributed"})
        current = ring.read_port(domain="comb")
        following = ring.read_port(domain="comb")
        seen = self._write(m, ring)

        # Reading starts behind the writer, so that the first words are idles until it has moved.
        address = Signal(_ADDRESS_BITS, init=-_INSERT_AT)
        level = Signal(signed(_ADDRESS_BITS))
        m.d.comb += level.eq(seen - address)
        m.d.comb += current.addr.eq(address)
        m.d.comb += following.addr.eq(address + 1)
        here, ahead = current.data, following.data

        patience = Signal(range(_PATIENCE_CYCLES + 1))
        impatient = Signal()
        m.d.comb += impatient.eq(patience == _PATIENCE_CYCLES)
        with m.If(level < _DELETE_SOON_AT):
            m.d.sync += patience.eq(0)
        with m.Elif(~impatient):
            m.d.sync += patience.eq(patience + 1)

        outside = Signal(init=1)
        insert = Signal()
        delete = Signal()
        overrun = Signal()
        underrun = Signal()
        m.d.comb += [
            overrun.eq(level >= _OVERRUN_AT),
            underrun.eq(~outside & (level <= _UNDERRUN_AT)),
            insert.eq(outside & (level <= _INSERT_AT)),
            delete.eq(((level >= _DELETE_NOW_AT) | impatient) & (level >= _DELETE_SOON_AT)
                      & ahead.low_spare & (here.high_spare | ahead.high_spare) & ~overrun),
        ]
        m.d.sync += [
            self.stat_inserted.eq(insert),
            self.stat_deleted.eq(delete),
            self.stat_overrun.eq(overrun),
            self.stat_underrun.eq(underrun),
        ]

        error_word = Cat(C(XgmiiChar.ERROR, 8).replicate(8), C(0xFF, 8))
        with m.If(overrun):
            m.d.sync += address.eq(seen + 2)
            m.d.sync += outside.eq(1)
            m.d.sync += Value.cast(self.word).eq(error_word)
        with m.Elif(underrun):
            m.d.sync += outside.eq(1)
            m.d.sync += Value.cast(self.word).eq(error_word)
        with m.Elif(insert):
            m.d.sync += self.word.eq(XgmiiWord.const(IDLE_WORD))
        with m.Else():
            m.d.sync += address.eq(Mux(delete, address + 2, address + 1))
            m.d.sync += outside.eq(Mux(delete & here.high_spare, ahead.outside, here.outside))
            m.d.sync += self.word.eq(here.word)
            with m.If(delete & here.high_spare):
                m.d.sync += self.word.data[32:].eq(ahead.word.data[32:])
                m.d.sync += self.word.control[4:].eq(ahead.word.control[4:])

        return m

    def _write(self, m, ring):
        """Write every word of the line; return the words written, as ``sync`` sees it."""
        port = ring.write_port(domain="rx")
        lanes = [self.line.data.word_select(lane, 8) for lane in range(8)]

        def spare(first: int) -> Value:
            control = self.line.control[first:first + 4]
            idle = control.all() & Cat(
                lane == XgmiiChar.IDLE for lane in lanes[first:first + 4]).all()
            return idle | ((control == 1) & (lanes[first] == XgmiiChar.SEQUENCE))

        ends_in_gap = self.line.control[7] & ((lanes[7] == XgmiiChar.IDLE)
                                              | (lanes[7] == XgmiiChar.TERMINATE))
        written = Signal(_ADDRESS_BITS)
        written_gray = Signal(_ADDRESS_BITS)
        m.d.comb += [
            port.en.eq(1),
            port.addr.eq(written),
            port.data.word.eq(self.line),
            port.data.low_spare.eq(spare(0)),
            port.data.high_spare.eq(spare(4)),
            port.data.outside.eq(ends_in_gap | spare(4)),
        ]
        after = Signal(_ADDRESS_BITS)
        m.d.comb += after.eq(written + 1)
        m.d.rx += [written.eq(after), written_gray.eq(after ^ (after >> 1))]

        seen_gray = Signal(_ADDRESS_BITS)
        m.submodules.pointer = FFSynchronizer(written_gray, seen_gray, o_domain="sync", stages=2)
        seen = Signal(_ADDRESS_BITS)
        m.d.sync += seen.eq(Cat(seen_gray[bit:].xor() for bit in range(_ADDRESS_BITS)))
        return seen
