"""XGMII words and control characters.

Ref: IEEE 802.3 clause 46; 64 data bits and 8 control bits a word, lane 0 first on the wire.
"""

from enum import IntEnum

from amaranth.lib import data

__all__ = ["IDLE_WORD", "LANES", "XgmiiChar", "XgmiiWord"]

#: Lanes of one word.
LANES = 8


class XgmiiChar(IntEnum):
    """Control characters (the lane's control bit is set)."""

    IDLE = 0x07
    SEQUENCE = 0x9C
    START = 0xFB
    TERMINATE = 0xFD
    ERROR = 0xFE


class XgmiiWord(data.Struct):
    """Eight lanes; bit n of ``control`` tells that lane n of ``data`` is a control character."""

    data: 64
    control: 8


#: A word of idles, as an initial value of :class:`XgmiiWord`.
IDLE_WORD = {"data": int.from_bytes([XgmiiChar.IDLE] * LANES, "little"), "control": 0xFF}
