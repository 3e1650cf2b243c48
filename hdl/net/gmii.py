"""GMII: a byte a cycle with enable and error.

Ref: IEEE 802.3 clause 35; RGMII 2.0 carries the same over half the pins, at both clock edges.
"""

from amaranth.lib import data

__all__ = ["IDLE_BYTE", "GmiiByte", "ReceivedByte"]


class GmiiByte(data.Struct):
    """What is on the line in a cycle; bit 0 of ``control`` is enable, bit 1 error."""

    data: 8
    control: 2

    @property
    def enable(self):
        """RX_DV or TX_EN: the byte is of a frame or its preamble."""
        return self.control[0]

    @property
    def error(self):
        """RX_ER or TX_ER."""
        return self.control[1]


class ReceivedByte(data.Struct):
    """A byte of a frame, or what follows its last one, in the core's clock.

    ``present`` tells whether there is any of both in this cycle; without ``enable`` it is the end
    of the frame.
    """

    data: 8
    enable: 1
    error: 1
    present: 1


#: The line between frames, as an initial value of :class:`GmiiByte`.
IDLE_BYTE = {"data": 0, "control": 0}
