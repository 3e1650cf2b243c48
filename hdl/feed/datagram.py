"""What the receive path says of a frame besides its bytes, as far as the feed needs it."""

from amaranth.lib import data

__all__ = ["DatagramInfo", "FrameOutcome"]


class DatagramInfo(data.Struct):
    """Where a datagram lies in its frame; valid from the frame's beat 7 to its last one."""

    accepted: 1
    payload_offset: 6
    payload_length: 16
    start_cycles: 48


class FrameOutcome(data.Struct):
    """Whether a delivered frame was whole; comes after its last beat, before the next frame."""

    good: 1
