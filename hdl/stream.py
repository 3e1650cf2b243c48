"""The packet beat and the small stream blocks that several stages share."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["BEAT_BYTES", "FrameBeat", "FrameStream", "SkidBuffer"]

#: Bytes of one beat of the core.
BEAT_BYTES = 8


class FrameBeat(data.Struct):
    """Eight bytes of an Ethernet frame, destination address first, FCS included.

    ``data`` lane 0 (bits 7:0) is the first byte on the wire. ``keep`` has a bit for each lane that
    holds a byte of the frame; it is contiguous from lane 0 and all ones unless ``last``. The first
    beat of a frame has ``first``, the final one ``last``; a frame of one beat has both.
    """

    data: 64
    keep: 8
    first: 1
    last: 1


def FrameStream(*, always_ready: bool = False) -> stream.Signature:  # noqa: N802
    """Return the signature of a stream of :class:`FrameBeat`."""
    return stream.Signature(FrameBeat, always_ready=always_ready)


class SkidBuffer(wiring.Component):
    """Cut the combinational path of ``ready`` (and of the payload) between two blocks.

    Latency: 1 cycle, `source` transfer to `sink.valid`. Throughput: 1 item per cycle.
    Order is kept and nothing is lost under any pattern of `sink.ready`.

    Parameters
    ----------
    shape : shape-like
        Shape of the payload.

    Members
    -------
    source : ``In(stream.Signature(shape))``
        Items to pass on; ``ready`` comes from a register.
    sink : ``Out(stream.Signature(shape))``
        The same items; ``valid`` and payload come from registers.
    """

    def __init__(self, shape):
        self.shape = shape
        super().__init__({
            "source": In(stream.Signature(shape)),
            "sink":   Out(stream.Signature(shape)),
        })

    def elaborate(self, platform):
        m = Module()

        held = Signal(self.shape, reset_less=True)
        full = Signal()
        m.d.comb += self.source.ready.eq(~full)

        with m.If(self.sink.ready | ~self.sink.valid):
            m.d.sync += full.eq(0)
            m.d.sync += self.sink.valid.eq(full | self.source.valid)
            m.d.sync += Value.cast(self.sink.payload).eq(
                Mux(full, Value.cast(held), Value.cast(self.source.payload)))
        with m.Elif(self.source.valid & ~full):
            m.d.sync += full.eq(1)
            m.d.sync += Value.cast(held).eq(Value.cast(self.source.payload))

        return m
