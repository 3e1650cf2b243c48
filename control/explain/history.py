"""A recorded run as what an explanation needs: frames, settings, event records and time.

All cycles are those of the appliance's own counter, as in its event records.
"""

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from control.broker import DecodedEvent, decode_event
from control.errors import ControlError, Reason
from proto.events import EVENT_BYTES, StateFlag
from proto.recording import (
    FRAME_OPTIONS,
    POSITION,
    REGISTER,
    WORD,
    Entry,
    EntryKind,
    RecordingError,
    RecordingHead,
    RecordingLine,
    RecordingReader,
)
from proto.registers import register_map
from proto.wire import ethernet, management
from proto.wire.ethernet import EtherType, IpProtocol
from proto.wire.management import Code, Kind

__all__ = ["History", "LineFrame", "RegisterWrite", "load_history"]

_TYPE = ethernet.MAC.field("ethertype")
_PREAMBLE_BYTES = 8
#: Positions of a cycle, whatever the line.
_PLACES = 8
_NS_PER_SECOND = 1_000_000_000


@dataclass(frozen=True)
class LineFrame:
    """A frame on a line, without FCS.

    Attributes
    ----------
    position : int
        8 x cycle + lane of its Start at the pins.
    content : bytes
        From the destination address on.
    fcs : bytes
        Its FCS, if it has left the appliance.
    lanes : int
        Bytes of the line in a cycle.
    """

    position: int
    content: bytes
    fcs: bytes = b""
    lanes: int = 8

    @property
    def cycle(self) -> int:
        """Cycle of Start."""
        return self.position // _PLACES

    def cycle_of(self, offset: int) -> int:
        """Return the cycle in which byte `offset` is at the pins."""
        start = self.position * self.lanes // _PLACES
        return (start + _PREAMBLE_BYTES + offset) // self.lanes

    @property
    def end_cycle(self) -> int:
        """Cycle of the last byte of the FCS."""
        return self.cycle_of(len(self.content) + ethernet.FCS_BYTES - 1)

    def datagram(self) -> tuple[int, bytes] | None:
        """Return offset and payload of its UDP datagram; None without one, or with IP options."""
        content = self.content
        at = ethernet.MAC.size
        ethertype = int.from_bytes(content[at - _TYPE.size:at], "big")
        while ethertype in (EtherType.VLAN, EtherType.VLAN_OUTER):
            at += ethernet.VLAN_TAG.size
            ethertype = int.from_bytes(content[at - _TYPE.size:at], "big")
        udp = at + ethernet.IPV4.size
        payload = udp + ethernet.UDP.size
        if ethertype != EtherType.IPV4 or len(content) < payload:
            return None
        if ethernet.IPV4.decode_from(content, at)["protocol"] != IpProtocol.UDP:
            return None
        length = ethernet.UDP.decode_from(content, udp)["length"]
        assert isinstance(length, int)
        return payload, content[payload:udp + length]


@dataclass(frozen=True)
class RegisterWrite:
    """A register was written, by a host or at the bus of the simulation."""

    cycle: int
    address: int
    value: int


@dataclass
class History:
    """A recorded run.

    Attributes
    ----------
    path : Path
        Its file.
    head : RecordingHead
        What it is of.
    complete : bool
        The recording ended as it should.
    feed, venue, orders : list of LineFrame
        Frames of feed A, from the venue, and to it.
    writes : list of RegisterWrite
        In the order in which they took effect.
    records : list of DecodedEvent
        Event records, each once, in order.
    clock : list of (int, int, bool)
        Cycle, time in ns, and whether the clock stood still from then on.
    recorded : bool
        It is a recording: frames and writes are known, and the time of every cycle.
    flags : StateFlag
        State before the first record of it.
    """

    path: Path
    head: RecordingHead
    complete: bool = True
    feed: list[LineFrame] = field(default_factory=list[LineFrame])
    venue: list[LineFrame] = field(default_factory=list[LineFrame])
    orders: list[LineFrame] = field(default_factory=list[LineFrame])
    writes: list[RegisterWrite] = field(default_factory=list[RegisterWrite])
    records: list[DecodedEvent] = field(default_factory=list[DecodedEvent])
    clock: list[tuple[int, int, bool]] = field(default_factory=list[tuple[int, int, bool]])
    recorded: bool = True
    flags: StateFlag = field(default_factory=lambda: StateFlag(0))

    def time_ns(self, cycle: int) -> int:
        """Return the appliance's clock in a cycle, of a recording exact to about a cycle."""
        if not self.clock:
            return 0
        place = max(0, bisect_right(self.clock, cycle, key=lambda sample: sample[0]) - 1)
        if not self.recorded and place + 1 < len(self.clock) and self.clock[place][0] < cycle:
            # Between two records a simulated clock may jump: rather before what comes than after
            # what has been, since an answer follows its order.
            place += 1
        at, time_ns, held = self.clock[place]
        if not held:
            time_ns += (cycle - at) * _NS_PER_SECOND // self.head.core_hz
        if place + 1 < len(self.clock):
            time_ns = min(time_ns, self.clock[place + 1][1])
        return time_ns

    def ns(self, cycles: int) -> float:
        """Return the length of some cycles, to a tenth of a ns."""
        return round(cycles * _NS_PER_SECOND / self.head.core_hz, 1)

    def pins(self, cycle: int) -> int:
        """Return the cycle at the pins, as a waveform counts, of a cycle of the counter."""
        return cycle - self.head.cycle_offset

    def of_kind(self, kind: str) -> list[DecodedEvent]:
        """Return the records of a kind, in lower case."""
        return [event for event in self.records if event.kind == kind]


class _Loader:
    """Sort the entries of a recording."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._waiting: dict[int, deque[bytes]] = {line: deque() for line in RecordingLine}
        self._next_record = 0
        self._requests: set[tuple[int, int]] = set()
        self._held = False

    def take(self, entry: Entry) -> None:
        """Take one entry."""
        history = self._history
        offset = history.head.cycle_offset
        cycle = entry.cycle + offset
        if entry.kind == EntryKind.HOLD:
            self._held = bool(*WORD.unpack(entry.payload))
        history.clock.append((cycle, entry.time_ns, self._held))
        match entry.kind:
            case EntryKind.QUEUED:
                self._waiting[entry.line].append(entry.payload[FRAME_OPTIONS.size:])
            case EntryKind.STARTED:
                position, = POSITION.unpack(entry.payload)
                content = self._waiting[entry.line].popleft()
                self._began(entry.line, LineFrame(
                    position + _PLACES * offset, content, lanes=history.head.lanes))
            case EntryKind.LEFT:
                position, = POSITION.unpack_from(entry.payload)
                frame = entry.payload[POSITION.size:]
                self._left(entry.line, LineFrame(
                    position + _PLACES * offset, frame[:-ethernet.FCS_BYTES],
                    frame[-ethernet.FCS_BYTES:], lanes=history.head.lanes))
            case EntryKind.WRITE:
                history.writes.append(RegisterWrite(cycle, *REGISTER.unpack(entry.payload)))
            case EntryKind.RECORD:
                history.records.append(decode_event(entry.payload))
            case _:
                pass

    def _began(self, line: int, frame: LineFrame) -> None:
        if line == RecordingLine.FEED_A:
            self._history.feed.append(frame)
        elif line == RecordingLine.ORDER:
            self._history.venue.append(frame)
        elif line == RecordingLine.MANAGEMENT:
            self._request(frame)

    def _left(self, line: int, frame: LineFrame) -> None:
        if line == RecordingLine.ORDER:
            self._history.orders.append(frame)
        elif line == RecordingLine.MANAGEMENT:
            self._events(frame)

    def _request(self, frame: LineFrame) -> None:
        """Take the writes of a request that was not there before."""
        _, payload = frame.datagram() or (0, b"")
        if len(payload) < management.HEADER.size:
            return
        head = management.HEADER.decode_from(payload)
        session, sequence, count = head["session"], head["sequence"], head["count"]
        assert isinstance(session, int) and isinstance(sequence, int) and isinstance(count, int)
        if head["kind"] != Kind.REQUEST or (session, sequence) in self._requests:
            return
        self._requests.add((session, sequence))
        for place in range(count):
            operation = management.OPERATION.decode_from(
                payload, management.HEADER.size + place * management.OPERATION.size)
            if operation["code"] == Code.WRITE:
                address, value = operation["address"], operation["value"]
                assert isinstance(address, int) and isinstance(value, int)
                self._history.writes.append(RegisterWrite(frame.cycle, address, value))

    def _events(self, frame: LineFrame) -> None:
        """Take the records of a datagram that were not there before."""
        _, payload = frame.datagram() or (0, b"")
        if len(payload) < management.HEADER.size:
            return
        head = management.HEADER.decode_from(payload)
        sequence, count = head["sequence"], head["count"]
        assert isinstance(sequence, int) and isinstance(count, int)
        if head["kind"] != Kind.EVENTS:
            return
        for place in range(count):
            if sequence + place != self._next_record:
                continue    # sent again
            self._next_record += 1
            at = management.HEADER.size + place * EVENT_BYTES
            self._history.records.append(decode_event(payload[at:at + EVENT_BYTES]))


def _check_version(path: Path, head: RecordingHead) -> None:
    wanted = register_map(symbols=head.symbols).hash
    if head.map_hash != wanted:
        raise ControlError(Reason.NO_RECORDING,
                           f"{path} must be of an appliance with register map {wanted:#010x}, was "
                           f"{head.map_hash:#010x}: of another version; make the run again")


def load_history(path: Path) -> History:
    """Read a recording.

    Raises
    ------
    ControlError
        NO_RECORDING if there is none that can be read.
    """
    try:
        with RecordingReader(path) as reader:
            _check_version(path, reader.head)
            history = History(path, reader.head)
            loader = _Loader(history)
            for entry in reader:
                loader.take(entry)
            history.complete = reader.complete
            return history
    except RecordingError as error:
        raise ControlError(Reason.NO_RECORDING, str(error)) from error
    except OSError as error:
        raise ControlError(Reason.NO_RECORDING, f"{path} cannot be read: "
                                                f"{(error.strerror or str(error)).lower()}; "
                                                f"`make demo` makes a run, --run names another") \
            from error
