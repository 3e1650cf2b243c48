"""The payload of accepted segments as a byte stream."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.net.tcp_layouts import PAYLOAD_OFFSET
from hdl.stream import FrameStream

__all__ = ["PayloadBuffer"]

_PAYLOAD_BEAT = PAYLOAD_OFFSET // 8


class PayloadBuffer(wiring.Component):
    """Keep the payload of accepted segments; hand it on byte by byte.

    Latency: 7 cycles, `accept` to `octets.valid` when empty. Throughput: 8 bytes in 11 cycles.
    Every frame is stored on trial from the beat of its first payload byte on; a frame that is not
    accepted is overwritten by the next one.

    Parameters
    ----------
    size_bytes : int
        Bytes stored; a power of two.
    segments : int
        Segments stored.

    Members
    -------
    beats, index : inputs
        Frames, the number of each beat.
    room : ``Out(1)``
        The frame that came last is stored whole and may be accepted.
    accept, offset, length : ``In(1)``, ``In(11)``, ``In(11)``
        Keep `length` bytes of it, from frame byte `offset` on; `length` is not 0. It must come
        before the payload of the next frame.
    octets : ``Out(stream.Signature(8))``
        The payload bytes of the connection, in order.
    clear : ``In(1)``
        Forget everything.

    Raises
    ------
    ValueError
        If `size_bytes` is no power of two, or less than 2048.
    """

    def __init__(self, *, size_bytes: int = 8192, segments: int = 64):
        if size_bytes < 2048 or size_bytes & (size_bytes - 1):
            raise ValueError(f"size_bytes must be a power of two, at least 2048, was {size_bytes}")
        self.size_bytes = size_bytes
        self.segments = segments
        super().__init__({
            "beats":  In(FrameStream(always_ready=True)),
            "index":  In(8),
            "room":   Out(1),
            "accept": In(1),
            "offset": In(11),
            "length": In(11),
            "octets": Out(stream.Signature(8)),
            "clear":  In(1),
        })

    def elaborate(self, platform):
        m = Module()
        words = self.size_bytes // 8
        bits = (words - 1).bit_length()

        # A word is read only after its segment was accepted: no bypass around the memory.
        m.submodules.memory = memory = Memory(shape=64, depth=words, init=[],
                                              attrs={"no_rw_check": 1})
        write, read = memory.write_port(), memory.read_port(domain="comb")
        fetched = Signal(64, reset_less=True)
        entry = data.StructLayout({"word": bits + 1, "skip": 3, "length": 11, "end": bits + 1})
        m.submodules.pending = pending = SyncFIFOBuffered(width=entry.size, depth=self.segments)

        base, free_from = Signal(bits + 1), Signal(bits + 1)
        place = Signal(8)
        stored, lost = Signal(8), Signal()
        space = Signal(bits + 1)
        m.d.comb += place.eq(self.index - _PAYLOAD_BEAT)
        m.d.sync += space.eq(words - (base - free_from)[:bits + 1])
        storing = self.beats.valid & (self.index >= _PAYLOAD_BEAT)
        fits = place < space
        m.d.comb += [write.addr.eq((base + place)[:bits]), write.data.eq(self.beats.p.data),
                     write.en.eq(storing & fits)]
        with m.If(storing):
            m.d.sync += lost.eq(~fits | (lost & (place != 0)))
            with m.If(self.beats.p.last):
                m.d.sync += stored.eq(place + 1)
        m.d.sync += self.room.eq(~lost & (pending.w_level < self.segments - 1))

        new, old = Signal(entry), Signal(entry, reset_less=True)
        start = self.offset - 8 * _PAYLOAD_BEAT
        m.d.comb += [
            new.word.eq(base + start[3:]), new.skip.eq(start[:3]), new.length.eq(self.length),
            new.end.eq(base + stored), pending.w_data.eq(new.as_value()),
            pending.w_en.eq(self.accept),
        ]
        with m.If(self.accept):
            m.d.sync += base.eq(base + stored)

        # A word is read, registered, and given away byte by byte.
        word = Signal(64, reset_less=True)
        lane, left = Signal(3), Signal(11)
        m.d.comb += [read.addr.eq(old.word[:bits])]
        m.d.sync += fetched.eq(read.data)
        with m.If(self.octets.ready):
            m.d.sync += self.octets.valid.eq(0)
        with m.FSM(name="reader"):
            with m.State("IDLE"):
                m.d.comb += pending.r_en.eq(1)
                m.d.sync += old.as_value().eq(pending.r_data)
                with m.If(pending.r_rdy):
                    m.next = "LOAD"
            with m.State("LOAD"):
                m.d.sync += [lane.eq(old.skip), left.eq(old.length)]
                m.next = "READ"
            with m.State("READ"):
                m.next = "TAKE"
            with m.State("TAKE"):
                m.d.sync += [word.eq(fetched), old.word.eq(old.word + 1)]
                m.next = "GIVE"
            with m.State("GIVE"):
                with m.If(self.octets.ready | ~self.octets.valid):
                    m.d.sync += [self.octets.valid.eq(1), lane.eq(lane + 1), left.eq(left - 1),
                                 self.octets.p.eq(word.word_select(lane, 8))]
                    with m.If(left == 1):
                        m.d.sync += free_from.eq(old.end)
                        m.next = "IDLE"
                    with m.Elif(lane == 7):
                        m.next = "READ"

        return ResetInserter({"sync": self.clear})(m)
