"""Records of feed messages, made apart from those that read them."""

import struct

__all__ = ["feed_records"]


def feed_records(content: bytes, *, sequence: int, symbol_index: int = 0xFFFF, number: int = 0,
                 cycle: int = 0) -> list[bytes]:
    """Return the records of one message, as docs/events.md lays them out."""
    parts = [content[:40], content[40:]] if len(content) > 40 else [content]
    return [struct.pack("<BBHIQQ", 1, 6 + place, symbol_index, number + place, cycle, sequence)
            + part.ljust(40, b"\xEE") for place, part in enumerate(parts)]
