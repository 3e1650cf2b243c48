"""What belongs to the line of a profile: pins, crossing, receiver and transmitter.

The core works on beats of eight bytes in one clock, that of the order transmitter; what knows the
line is here. ``xgmii`` has 64 bits at 156.25 MHz (10GbE), ``gmii`` 8 bits at 125 MHz (1GbE).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from amaranth.hdl import Shape
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.net.elastic_buffer import ElasticBuffer
from hdl.net.gmii import IDLE_BYTE, GmiiByte, ReceivedByte
from hdl.net.gmii_buffer import GmiiBuffer
from hdl.net.gmii_receiver import GmiiReceiver
from hdl.net.gmii_transmitter import GmiiTransmitter
from hdl.net.xgmii import IDLE_WORD, XgmiiWord
from hdl.net.xgmii_receiver import XgmiiReceiver
from hdl.net.xgmii_transmitter import XgmiiTransmitter

__all__ = ["LINES", "Line"]


@dataclass(frozen=True, kw_only=True)
class Line:
    """A kind of line.

    Attributes
    ----------
    pins : type
        What is at the pins in a cycle: ``data`` and ``control``.
    idle : mapping
        The pins between frames.
    word : type
        What the crossing makes of the pins.
    word_init : mapping
        Its initial value.
    crossing : callable
        Returns what carries ``line`` in ``rx`` to ``word`` in ``sync``.
    receiver, transmitter : callable
        Return what makes frames of words, and what makes pins of frames.
    aligned_transmitter : callable
        Returns a transmitter with registers at its pins, of the frames whose last beats have so
        many bytes modulo 8; its gaps may be longer.
    """

    pins: type[data.Struct]
    idle: Mapping[str, int]
    word: type[data.Struct]
    word_init: Mapping[str, int]
    crossing: Callable[[], wiring.Component]
    receiver: Callable[[], wiring.Component]
    transmitter: Callable[[], wiring.Component]
    aligned_transmitter: Callable[[Iterable[int]], wiring.Component]

    def inputs(self, name: str) -> dict[str, wiring.Member]:
        """Return members ``<name>_data`` and ``<name>_control``."""
        return {f"{name}_{part}": In(width) for part, width in self._widths().items()}

    def outputs(self, name: str) -> dict[str, wiring.Member]:
        """Return members ``<name>_data`` and ``<name>_control``, which begin idle."""
        return {f"{name}_{part}": Out(width, init=self.idle[part])
                for part, width in self._widths().items()}

    def _widths(self) -> dict[str, int]:
        return {key: Shape.cast(field.shape).width
                for key, field in data.Layout.cast(self.pins) if isinstance(key, str)}


#: The kinds of lines by the names that profiles give them.
LINES = {
    "xgmii": Line(
        pins=XgmiiWord, idle=IDLE_WORD, word=XgmiiWord, word_init=IDLE_WORD,
        crossing=ElasticBuffer, receiver=XgmiiReceiver, transmitter=XgmiiTransmitter,
        aligned_transmitter=lambda tails: XgmiiTransmitter(
            deficit_idle_count=False, tails=tails)),
    "gmii": Line(
        pins=GmiiByte, idle=IDLE_BYTE, word=ReceivedByte, word_init={},
        crossing=GmiiBuffer, receiver=GmiiReceiver, transmitter=GmiiTransmitter,
        aligned_transmitter=lambda tails: GmiiTransmitter()),
}
