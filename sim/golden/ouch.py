"""OUCH 5.0 answers in plain Python: bytes to what the hardware must make of them.

Ref: Nasdaq OUCH 5.0 Order Entry Specification; offsets typed from it.
"""

import struct
from dataclasses import dataclass

__all__ = ["Answer", "decode"]

#: Fixed part of each outbound message, without the appendage length.
_SIZES = {"S": 10, "A": 62, "U": 66, "C": 18, "D": 32, "E": 34, "B": 36, "J": 29, "P": 13, "I": 13,
          "T": 30, "M": 18, "R": 14, "X": 25, "G": 17, "K": 17, "Q": 13}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The fields of a VenueAnswer."""

    kind: str
    user_ref_num: int
    quantity: int = 0
    price: int = 0
    order_reference: int = 0
    reason: int = 0
    timestamp_ns: int
    sequence: int


def decode(message: bytes, sequence: int) -> Answer | None:
    """Return the answer, or None if the message names no order or is damaged."""
    kind = chr(message[0]) if message else ""
    if kind not in _SIZES or len(message) < _SIZES[kind] or kind in "SQ":
        return None
    time, number = struct.unpack(">QI", message[1:13])
    base = {"timestamp_ns": time, "sequence": sequence}

    def word(offset: int, size: int) -> int:
        return int.from_bytes(message[offset:offset + size], "big")

    if kind == "A":
        return Answer(kind="DEAD" if message[47:48] == b"D" else "ACCEPTED", user_ref_num=number,
                      quantity=word(14, 4), price=min(word(26, 8), 0xFFFFFFFF),
                      order_reference=word(36, 8), **base)
    if kind == "E":
        return Answer(kind="EXECUTED", user_ref_num=number, quantity=word(13, 4),
                      price=min(word(17, 8), 0xFFFFFFFF), **base)
    if kind in "CD":
        return Answer(kind="CANCELED", user_ref_num=number, quantity=word(13, 4),
                      reason=message[17], **base)
    if kind == "J":
        return Answer(kind="REJECTED", user_ref_num=number, reason=word(13, 2), **base)
    if kind == "B":
        return Answer(kind="BROKEN", user_ref_num=number, **base)
    if kind == "U":
        number = word(13, 4)
    return Answer(kind="OTHER", user_ref_num=number, **base)
