"""A recorded run made by hand from the tables: market data, settings, orders, answers."""

from pathlib import Path

from proto.events import EVENTS, SCHEMA_VERSION, EventKind, Sequence
from proto.recording import (
    FRAME_OPTIONS,
    POSITION,
    REGISTER,
    EntryKind,
    RecordingHead,
    RecordingLine,
    RecordingWriter,
)
from proto.registers import register_map
from proto.wire import moldudp64
from sim.exchange.packets import Endpoint, udp_frame
from sim.framing import FeedAddress

__all__ = ["SYMBOLS", "RecordedRun", "feed_frame", "record", "top_record"]

SYMBOLS = 8
CORE_HZ = 156_250_000
BEGIN_CYCLE, CYCLE_OFFSET = 1040, -9
BEGIN_NS = 34_200_000_000_000


def feed_frame(address: FeedAddress, sequence: int, bodies: list[bytes]) -> bytes:
    """Return a frame of the feed without FCS."""
    payload = moldudp64.HEADER.encode({
        "session": address.session, "sequence_number": sequence, "message_count": len(bodies)})
    for body in bodies:
        payload += moldudp64.BLOCK.encode({"message_length": len(body)}) + body
    return udp_frame(Endpoint(0x020000000003, 0x0A000001, 1000),
                     Endpoint(0x01005E000001, address.group_ip, address.udp_port), payload)


def fields_of(kind: EventKind, **values: int) -> dict[str, int]:
    """Return the fields of a record; those not given are zero."""
    return {field.name: 0 for field in EVENTS[kind]} | {
        "schema_version": SCHEMA_VERSION, "kind": int(kind), **values}


def record(kind: EventKind, **values: int) -> bytes:
    """Return an event record."""
    return EVENTS[kind].encode(fields_of(kind, **values))


def top_record(**values: int) -> dict[str, int]:
    """Return the fields of a record of a best bid and offer."""
    return fields_of(EventKind.TOP_OF_BOOK, **values)


class RecordedRun:
    """Write a recording step by step; cycles are those of the core's counter."""

    def __init__(self, path: Path, *, map_hash: int | None = None) -> None:
        self.map = register_map(symbols=SYMBOLS)
        self.writer = RecordingWriter(path, RecordingHead(
            profile="bench", symbols=SYMBOLS, core_hz=CORE_HZ,
            map_hash=self.map.hash if map_hash is None else map_hash,
            begin_cycle=BEGIN_CYCLE, cycle_offset=CYCLE_OFFSET))
        self._next_record = dict.fromkeys(Sequence, 0)

    def _put(self, kind: EntryKind, payload: bytes, cycle: int, line: int = 0) -> None:
        self.writer.put(kind, payload, cycle=cycle - CYCLE_OFFSET, line=line,
                        time_ns=self.time_ns(cycle))

    @staticmethod
    def time_ns(cycle: int) -> int:
        """Return the clock in a cycle."""
        return BEGIN_NS + cycle * 1_000_000_000 // CORE_HZ

    def frame_in(self, cycle: int, frame: bytes, line: int = RecordingLine.FEED_A,
                 lane: int = 0) -> None:
        """Let a frame arrive, Start in a cycle."""
        self._put(EntryKind.QUEUED, FRAME_OPTIONS.pack(12, 0, 0, 0) + frame, cycle - 1, line)
        position = 8 * (cycle - CYCLE_OFFSET) + lane
        self._put(EntryKind.STARTED, POSITION.pack(position), cycle, line)

    def frame_out(self, cycle: int, frame: bytes, line: int = RecordingLine.ORDER) -> None:
        """Let a frame leave, FCS included."""
        position = 8 * (cycle - CYCLE_OFFSET)
        self._put(EntryKind.LEFT, POSITION.pack(position) + frame, cycle + 20, line)

    def write(self, cycle: int, **values: int) -> None:
        """Write registers, ``__`` for the dot and ``_at_N`` for an element of an array."""
        for name, value in values.items():
            block, _, register = name.partition("__")
            array, _, index = block.partition("_at_")
            place = f"{array}[{index}].{register}" if index else f"{block}.{register}"
            self._put(EntryKind.WRITE, REGISTER.pack(self.map[place].address, value), cycle)

    def record(self, kind: EventKind, cycle: int, **values: int) -> int:
        """Make an event record, and return its number."""
        number = self._next_record[kind.sequence]
        self._next_record[kind.sequence] += 1
        self._put(EntryKind.RECORD, record(kind, cycle=cycle, event_sequence=number, **values),
                  cycle)
        return number

    def close(self, cycle: int = 1_000_000, *, end: bool = True) -> None:
        """Finish the file."""
        if end:
            self._put(EntryKind.END, b"", cycle)
        self.writer.close()
