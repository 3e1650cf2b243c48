"""The crossing of a GMII line from its receiver's clock to the core clock."""

from amaranth import *
from amaranth.lib import memory, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from hdl.net.gmii import IDLE_BYTE, GmiiByte, ReceivedByte

__all__ = ["GmiiBuffer"]

_ADDRESS_BITS = 4
#: Bytes behind the writer at which what the ring holds is given up.
_OVERRUN_AT = 10


class GmiiBuffer(wiring.Component):
    """Carry the bytes of frames from domain ``rx`` to ``sync``, whose clocks may differ.

    Latency: 3 cycles, byte at `line` to `word`, with equal clocks in phase; 3 to 4 with others.
    Throughput: 1 byte per cycle.

    Only the bytes of frames are written into the ring, and one entry behind each frame as its end;
    each is read in the first cycle in which the reader sees it. So a slow receiver leaves cycles
    without a byte within a frame, and a fast one makes the ring fill by a byte in 5,000 (at
    200 ppm); the gap between frames, of which one entry is written, empties it again: nothing is
    inserted or deleted. Only frames of more than 50,000 bytes can fill it. Then what it holds is
    lost, the frame is spoiled by an error, and `stat_overrun` pulses.

    Members
    -------
    line : ``In(GmiiByte)``
        The receiver's pins; domain ``rx``.
    word : ``Out(ReceivedByte)``
        The bytes of frames and their ends; past registers, a compare of the pointers and a memory.
    stat_overrun : ``Out(1)``
        The ring ran full; a frame was spoiled. Domain ``sync``.
    stat_inserted, stat_deleted, stat_underrun : ``Out(1)``
        Never: as of :class:`~hdl.net.elastic_buffer.ElasticBuffer`.
    """

    line: In(GmiiByte, init=IDLE_BYTE)
    word: Out(ReceivedByte)
    stat_overrun: Out(1)
    stat_inserted: Out(1)
    stat_deleted: Out(1)
    stat_underrun: Out(1)

    def elaborate(self, platform):
        m = Module()

        m.submodules.ring = ring = memory.Memory(
            shape=GmiiByte, depth=1 << _ADDRESS_BITS, init=[], attrs={"ram_style": "distributed"})
        writer = ring.write_port(domain="rx")
        reader = ring.read_port(domain="comb")

        # An error between frames (carrier extension, false carrier) is of no frame.
        inside = Signal()
        m.d.rx += inside.eq(self.line.enable)
        written = Signal(_ADDRESS_BITS)
        written_gray = Signal(_ADDRESS_BITS)
        after = Signal(_ADDRESS_BITS)
        m.d.comb += [
            writer.en.eq(self.line.enable | inside),
            writer.addr.eq(written), writer.data.eq(self.line),
            after.eq(written + writer.en),
        ]
        m.d.rx += [written.eq(after), written_gray.eq(after ^ (after >> 1))]
        seen_gray = Signal(_ADDRESS_BITS)
        m.submodules.pointer = FFSynchronizer(written_gray, seen_gray, o_domain="sync", stages=2)

        address = Signal(_ADDRESS_BITS)
        address_gray = Signal(_ADDRESS_BITS)
        following = Signal(_ADDRESS_BITS)
        present = Signal()
        m.d.comb += [
            present.eq(seen_gray != address_gray), reader.addr.eq(address),
            self.word.present.eq(present), self.word.data.eq(reader.data.data),
            self.word.enable.eq(reader.data.enable | self.stat_overrun),
            self.word.error.eq(reader.data.error | self.stat_overrun),
        ]

        # How far behind it is may be known late: it changes by a byte in 5,000.
        seen = Signal(_ADDRESS_BITS, reset_less=True)
        level = Signal(_ADDRESS_BITS, reset_less=True)
        settled = Signal(2)             # the level is of the present address
        m.d.sync += [
            seen.eq(Cat(seen_gray[bit:].xor() for bit in range(_ADDRESS_BITS))),
            level.eq(seen - address),
            settled.eq(Cat(~self.stat_overrun, settled)),
            self.stat_overrun.eq((level == _OVERRUN_AT) & settled.all() & ~self.stat_overrun),
        ]
        with m.If(self.stat_overrun):
            m.d.comb += following.eq(seen)
        with m.Else():
            m.d.comb += following.eq(address + present)
        m.d.sync += [address.eq(following), address_gray.eq(following ^ (following >> 1))]
        return m
