"""The receive buffer: whole frames after their verdict, or beats at once."""

from amaranth import *
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.net.xgmii_receiver import VERDICT_CYCLES
from hdl.stream import BEAT_BYTES, FrameBeat, FrameStream
from proto.wire.ethernet import MINIMUM_FRAME_BYTES

__all__ = ["BufferVerdict", "FrameBuffer", "FrameOutcome"]

#: Words kept free, so that a registered fill level may lag and speculative reads may be undone.
_MARGIN_WORDS = 8


class BufferVerdict(data.Struct):
    """``good``: nothing wrong with the frame; ``wanted``: it is for us."""

    good: 1
    wanted: 1


class FrameOutcome(data.Struct):
    """``good`` low: the frame that was just delivered must not have acted."""

    good: 1


class _StoredBeat(data.Struct):
    """A beat as it is kept in memory; ``first`` follows from the ``last`` before it."""

    data: 64
    extra: 3  # valid lanes past lane 0
    last: 1


class FrameBuffer(wiring.Component):
    """Hold frames until their verdict (store-and-forward), or pass beats at once (cut-through).

    Cut-through latency: 1 cycle, `received` to `beats.valid`, with the buffer empty and the
    consumer ready; otherwise beats go through block RAM, 4 cycles, until it has run empty.
    Store-and-forward latency: 4 cycles, last beat at `received` to first beat at `beats.valid`.
    Throughput: 1 beat per cycle, with one idle cycle between frames.

    Store-and-forward: a frame whose verdict is not good and wanted vanishes; so does one for which
    there is no room (`stat_dropped`, if it was good and wanted). Cut-through: every frame is
    delivered; one for which no room is left when it begins vanishes, one for which room runs out
    is cut: it ends early, and its outcome is bad (`stat_dropped` for both, if the verdict was good
    and wanted).

    Members
    -------
    received : ``In(FrameStream(always_ready=True))``
        Frames from the receiver.
    verdicts : ``In(stream.Signature(BufferVerdict, always_ready=True))``
        Verdicts, exactly ``VERDICT_CYCLES`` cycles after each frame's last beat.
    beats : ``Out(FrameStream())``
        Delivered frames.
    outcomes : ``Out(stream.Signature(FrameOutcome, always_ready=True))``
        One for each delivered frame, in order: in a cycle after the one in which its last beat
        left and before the one in which the first beat of the next frame leaves, which is held
        back until then. In store-and-forward mode it is always good and comes in the cycle after
        the last beat; in cut-through it comes with the verdict, ``VERDICT_CYCLES`` cycles after the
        last beat was received, before a gap of 9 bytes or more lets the next frame through.
    cfg_cut_through : ``In(1)``
        Mode; sampled only while no frame is in the buffer or on its way into it.
    cut_through : ``Out(1)``
        The mode in force.
    open_index, open_kept : ``Out(frame index)``, ``Out(1)``
        Slot of the frame being received, from the cycle after its first beat in cut-through, and
        from three cycles after the last beat of the one before in store-and-forward; and whether
        it has a slot (always in store-and-forward).
    beats_index : ``Out(frame index)``
        Slot of the frame at `beats`.
    occupancy : ``Out``
        Words in the memory, not yet read.
    stat_dropped : ``Out(1)``
        A good, wanted frame was lost or cut for want of room.

    Raises
    ------
    ValueError
        If `depth_bytes` is not a power of two of at least 2048.
    """

    def __init__(self, depth_bytes: int):
        if depth_bytes < 2048 or depth_bytes & (depth_bytes - 1):
            raise ValueError(
                f"depth_bytes must be a power of two and at least 2048, was {depth_bytes}")
        self.depth_bytes = depth_bytes
        self.words = depth_bytes // BEAT_BYTES
        self.frames = depth_bytes // MINIMUM_FRAME_BYTES
        index_bits = ceil_log2(self.frames)
        super().__init__({
            "received":        In(FrameStream(always_ready=True)),
            "verdicts":        In(stream.Signature(BufferVerdict, always_ready=True)),
            "beats":           Out(FrameStream()),
            "outcomes":        Out(stream.Signature(FrameOutcome, always_ready=True)),
            "cfg_cut_through": In(1),
            "cut_through":     Out(1),
            "open_index":      Out(index_bits),
            "open_kept":       Out(1),
            "beats_index":     Out(index_bits),
            "occupancy":       Out(range(self.words)),
            "stat_dropped":    Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        # In store-and-forward mode the writer sees beats so late that the verdict is there with
        # the last one: at most one frame is undecided, and undoing it is moving one pointer.
        received = self.received
        late = [Signal(FrameBeat, reset_less=True, name=f"late_{n}")
                for n in range(VERDICT_CYCLES)]
        late_valid = Signal(VERDICT_CYCLES)
        m.d.sync += late_valid.eq(Cat(received.valid, late_valid))
        for delayed, source in zip(late, [received.payload, *late[:-1]], strict=True):
            m.d.sync += delayed.eq(source)
        settling = Signal()
        m.d.comb += settling.eq(late_valid[-1] & late[-1].last)

        beat = Signal(FrameBeat)
        valid = Signal()
        m.d.comb += beat.eq(Mux(self.cut_through, received.payload, late[-1]))
        m.d.comb += valid.eq(Mux(self.cut_through, received.valid, late_valid[-1]))

        # Which frames are kept.
        full = Signal()
        slots_full = Signal()
        lost = Signal()
        losing = Signal()
        cutting = Signal()
        m.d.comb += losing.eq(Mux(beat.first, full | slots_full, lost | full))
        m.d.comb += cutting.eq(self.cut_through & ~beat.first & ~lost & full)
        with m.If(valid):
            m.d.sync += lost.eq(losing & ~beat.last)

        kept = Mux(beat.first, ~losing, self.open_kept)
        was_cut = Signal()
        cut_before = Mux(beat.first, 0, was_cut)
        with m.If(valid):
            m.d.sync += was_cut.eq(cut_before | cutting)
        late_kept = Signal(VERDICT_CYCLES)
        late_cut = Signal(VERDICT_CYCLES)
        m.d.sync += late_kept.eq(Cat(kept, late_kept))
        m.d.sync += late_cut.eq(Cat(cut_before | (cutting & ~beat.last), late_cut))

        acceptable = self.verdicts.payload.good & self.verdicts.payload.wanted
        commit = Signal()
        undo = Signal()
        m.d.comb += commit.eq(settling & ~self.cut_through & acceptable & ~losing)
        m.d.comb += undo.eq(settling & ~self.cut_through & ~(acceptable & ~losing))
        short_of_room = Mux(self.cut_through, ~late_kept[-1] | late_cut[-1], losing)
        m.d.sync += self.stat_dropped.eq(settling & acceptable & short_of_room)

        # Slots: of the frame being received, of the next verdict, of the frame at the output.
        verdict_index = Signal.like(self.open_index)
        next_index = Signal.like(self.open_index)
        opened = self.cut_through & valid & beat.first & ~losing
        with m.If(opened | commit):
            m.d.sync += next_index.eq(next_index + 1)
        with m.If(valid & beat.first):
            m.d.sync += self.open_kept.eq(~losing | ~self.cut_through)
        cut_index = Signal.like(self.open_index)
        with m.If(opened):
            m.d.sync += cut_index.eq(next_index)
        m.d.comb += self.open_index.eq(Mux(self.cut_through, cut_index, next_index))
        in_use = Signal.like(self.open_index)
        m.d.comb += in_use.eq(next_index - self.beats_index)
        m.d.sync += slots_full.eq(in_use >= self.frames - 4)

        settled_through = self.cut_through & settling & late_kept[-1]
        settled = commit | settled_through
        settled_good = ~self.cut_through | (self.verdicts.payload.good & ~late_cut[-1])

        # The ring.
        m.submodules.ring = ring = memory.Memory(shape=_StoredBeat, depth=self.words, init=[])
        writer = ring.write_port()
        reader = ring.read_port()
        write_at = Signal(range(self.words))
        read_at = Signal(range(self.words))
        frame_at = Signal(range(self.words))
        bypass = Signal()
        m.d.comb += [
            writer.addr.eq(write_at),
            writer.en.eq(valid & ~bypass & (~losing | cutting)),
            writer.data.data.eq(beat.data),
            writer.data.extra.eq(Cat(
                beat.keep[1] & ~beat.keep[2] | beat.keep[3] & ~beat.keep[4]
                | beat.keep[5] & ~beat.keep[6] | beat.keep[7],
                beat.keep[2] & ~beat.keep[4] | beat.keep[6],
                beat.keep[4])),
            writer.data.last.eq(beat.last | cutting),
        ]
        after_write = Signal.like(write_at)
        m.d.comb += after_write.eq(Mux(writer.en, write_at + 1, write_at))
        m.d.sync += write_at.eq(Mux(undo, frame_at, after_write))
        with m.If(commit | self.cut_through):
            m.d.sync += frame_at.eq(after_write)
        m.d.comb += self.occupancy.eq(write_at - read_at)
        m.d.sync += full.eq(self.occupancy[ceil_log2(_MARGIN_WORDS):].all())

        # Reading: memory, its output register, the output. Words of the undecided frame are read
        # ahead ("early"), wait in front of the output, and are forgotten if the frame is.
        fetched = Signal()
        fetched_early = Signal()
        ready = Signal(_StoredBeat, reset_less=True)
        ready_valid = Signal()
        ready_early = Signal()
        ready_first = Signal()
        out_valid = Signal()
        out = Signal(FrameBeat, reset_less=True)
        waiting = Signal()

        out_free = ~out_valid | (self.beats.ready & ~waiting)
        deliver = ready_valid & ~ready_early & out_free
        pass_on = fetched & (~ready_valid | deliver)
        readable = Signal()  # there is a word at `read_at`; low once too often after an undo
        undecided = Signal(init=1)  # the word at `read_at` is the first of the undecided frame
        fetch = readable & (~fetched | pass_on)
        early = Signal()
        reads_early = Signal()
        m.d.comb += reads_early.eq(~self.cut_through & (early | undecided))
        m.d.comb += reader.en.eq(fetch)
        m.d.comb += reader.addr.eq(read_at)

        # Both flags are found out a cycle ahead, to keep the pointers' comparison off the path.
        readable_next = writer.en | Mux(fetch, self.occupancy > 1, self.occupancy != 0)
        committed = Signal.like(self.occupancy)
        m.d.comb += committed.eq(frame_at - read_at)
        m.d.sync += readable.eq(readable_next & ~undo)
        m.d.sync += undecided.eq(Mux(
            commit | self.cut_through, ~readable_next,
            (undo & reads_early) | Mux(fetch, committed == 1, committed == 0)))

        decided = commit | undo
        m.d.sync += early.eq((early | (fetch & reads_early)) & ~decided)
        with m.If(undo & reads_early):
            m.d.sync += read_at.eq(frame_at)
        with m.Elif(fetch):
            m.d.sync += read_at.eq(read_at + 1)
        with m.If(fetch | pass_on | undo):
            m.d.sync += fetched.eq(
                (fetch & ~(undo & reads_early))
                | (~fetch & fetched & ~pass_on & ~(undo & fetched_early)))
        with m.If(fetch):
            m.d.sync += fetched_early.eq(reads_early & ~commit)
        with m.Elif(commit):
            m.d.sync += fetched_early.eq(0)

        next_first = Signal(init=1)
        with m.If(pass_on):
            m.d.sync += ready.eq(reader.data)
            m.d.sync += ready_first.eq(next_first)
            m.d.sync += next_first.eq(reader.data.last)
            m.d.sync += ready_early.eq(fetched_early & ~commit)
        with m.Elif(commit):
            m.d.sync += ready_early.eq(0)
        m.d.sync += ready_valid.eq(
            (pass_on & ~(undo & fetched_early))
            | (~pass_on & ready_valid & ~deliver & ~(undo & ready_early)))
        with m.If(undo & ((fetched & fetched_early) | (ready_valid & ready_early))):
            m.d.sync += next_first.eq(1)

        m.d.comb += bypass.eq(self.cut_through & valid & ~losing & out_free
                              & ~ready_valid & ~fetched & ~readable)
        with m.If(out_free):
            m.d.sync += out_valid.eq(deliver | bypass)
        with m.If(bypass):
            m.d.sync += next_first.eq(beat.last)
        with m.If(out_free & ready_valid):
            m.d.sync += [
                out.data.eq(ready.data),
                out.keep.eq(Cat(lane <= ready.extra for lane in range(BEAT_BYTES))),
                out.first.eq(ready_first),
                out.last.eq(ready.last),
            ]
        with m.Elif(out_free):
            m.d.sync += out.eq(beat)
        m.d.comb += [self.beats.valid.eq(out_valid & ~waiting), self.beats.payload.eq(out)]

        # Outcomes: a verdict that arrives now and the newest are at hand, older ones in a memory.
        m.submodules.verdict_bits = bits = memory.Memory(shape=1, depth=self.frames, init=[])
        bit_writer = bits.write_port()
        bit_reader = bits.read_port()
        newest = Signal()
        newest_index = Signal.like(verdict_index)
        m.d.comb += [
            bit_writer.en.eq(settled),
            bit_writer.addr.eq(verdict_index),
            bit_writer.data.eq(settled_good),
            bit_reader.addr.eq(self.beats_index),
        ]
        with m.If(settled):
            m.d.sync += verdict_index.eq(verdict_index + 1)
            m.d.sync += newest_index.eq(verdict_index)
            m.d.sync += newest.eq(settled_good)
        earlier = self.beats_index != verdict_index
        known = earlier | settled_through
        m.d.comb += self.outcomes.valid.eq(waiting & known)
        m.d.comb += self.outcomes.payload.good.eq(
            Mux(~earlier, settled_good,
                Mux(newest_index == self.beats_index, newest, bit_reader.data)))
        with m.If(waiting):
            m.d.sync += waiting.eq(~known)
        with m.Elif(out_valid & self.beats.ready & out.last):
            m.d.sync += waiting.eq(1)
        with m.If(waiting & known):
            m.d.sync += self.beats_index.eq(self.beats_index + 1)

        # A frame is open from its first beat to its verdict.
        receiving = Signal()
        with m.If(received.valid):
            m.d.sync += receiving.eq(~received.payload.last)
        quiet = ~(received.valid | receiving | late_valid.any() | (read_at != write_at)
                  | fetched | ready_valid | out_valid | waiting)
        with m.If(quiet):
            m.d.sync += self.cut_through.eq(self.cfg_cut_through)

        return m
