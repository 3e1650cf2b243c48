"""What is known of each frame in the receive buffer besides its bytes."""

from amaranth import *
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

__all__ = ["FrameNotes"]


class FrameNotes(wiring.Component):
    """Keep a note for every frame in the buffer; show that of the frame at the buffer's output.

    Latency: 0 cycles, `note` to `shown`, for the newest frame (combinational through a multiplexer
    that compares registered slots); notes of earlier frames come from memory, 3 cycles after
    `shown_index` changes.

    Parameters
    ----------
    shape : shape-like
        Shape of a note.
    frames : int
        Slots.

    Members
    -------
    note : ``In(shape)``
        The note of the frame being received, from a register that changes only in the cycles after
        `opening` and `deciding`.
    opening, deciding : ``In(1)``
        In the next cycle `note` will be cleared for a new frame, or will have its final value.
    open_index, open_kept, cut_through : ``In``
        From the buffer: slot of the frame being received, whether it has one, and the mode. In
        store-and-forward the slot is known for sure only when the note is decided.
    shown_index : ``In``
        Slot of the frame at the buffer's output.
    shown : ``Out(shape)``
        Its note.
    """

    def __init__(self, shape, *, frames: int):
        self.shape = shape
        self.frames = frames
        index_bits = ceil_log2(frames)
        super().__init__({
            "note":        In(shape),
            "opening":     In(1),
            "deciding":    In(1),
            "open_index":  In(index_bits),
            "open_kept":   In(1),
            "cut_through": In(1),
            "shown_index": In(index_bits),
            "shown":       Out(shape),
        })

    def elaborate(self, platform):
        m = Module()

        newest_index = Signal.like(self.open_index)
        newest_kept = Signal()
        changed = Signal()
        m.d.sync += changed.eq(self.opening | self.deciding)
        with m.If(self.opening):
            m.d.sync += newest_index.eq(self.open_index)
            m.d.sync += newest_kept.eq(self.open_kept & self.cut_through)
        with m.Elif(self.deciding & ~self.cut_through):
            m.d.sync += newest_index.eq(self.open_index)
            m.d.sync += newest_kept.eq(1)

        m.submodules.notes = notes = memory.Memory(shape=self.shape, depth=self.frames, init=[])
        writer = notes.write_port()
        reader = notes.read_port()
        m.d.comb += [
            writer.en.eq(changed & newest_kept),
            writer.addr.eq(newest_index),
            writer.data.eq(self.note),
            reader.addr.eq(self.shown_index),
        ]
        # A register behind the block RAM: a frame's note is asked for by its eighth beat.
        earlier = Signal(self.shape, reset_less=True)
        m.d.sync += Value.cast(earlier).eq(Value.cast(reader.data))
        newest = newest_kept & (newest_index == self.shown_index)
        m.d.comb += Value.cast(self.shown).eq(
            Mux(newest, Value.cast(self.note), Value.cast(earlier)))

        return m
