"""What a replay sends: the frames of one capture or of two lines, with what is known of each."""

import heapq
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from proto.wire import itch50
from sim.captures import Capture
from sim.framing import FeedAddress, frame_messages
from sim.packets import Stream, packet_of, readdressed, timestamp_of
from sim.prescan import Prescan

__all__ = ["ReplayInput", "Send"]

_TIMESTAMP = itch50.HEADER.field("timestamp").span
_SHORTEST_FRAME_BYTES = 60    # without FCS; captures made at a host lack the padding


class Send(NamedTuple):
    """A frame to be sent, and what the capture says of it.

    Attributes
    ----------
    frame : bytes or None
        Without FCS; None if the capture has only the beginning of it.
    messages : int
        Feed messages in it.
    sequence : int or None
        Number of the first of them; None if it is no packet of the feed.
    due_ns : int or None
        When it starts, by the capture's clock (frames) or the exchange's (BinaryFILE); None: as
        soon as the appliance is ready.
    """

    frame: bytes | None
    messages: int
    sequence: int | None
    due_ns: int | None


class ReplayInput:
    """The frames of a replay, as often as they are wanted.

    Parameters
    ----------
    capture : Capture
        Messages, or the frames of line A.
    found : Prescan
        What was found in it.
    second : tuple of Capture and Prescan, optional
        Line B. Its packets go where those of line A go, merged by the time of capture; of the same
        time the lower number is first, then line A. Everything else in the file is left out.
    packed : bool
        Put as many messages in a frame as go in; of a BinaryFILE, and unless frames are timed.
    timed : bool
        Give frames a time.
    from_ns, until_ns : int, optional
        Exchange times, ns since midnight. Frames before `from_ns` have no time; each line ends
        before its first packet, and a BinaryFILE before its first message, from `until_ns` on.

    Attributes
    ----------
    address : FeedAddress
        Where the feed is sent.
    """

    def __init__(self, capture: Capture, found: Prescan, *,
                 second: tuple[Capture, Prescan] | None = None, packed: bool = True,
                 timed: bool = False, from_ns: int = 0, until_ns: int | None = None) -> None:
        self.address = found.address or FeedAddress()
        self._capture = capture
        self._first_sequence = found.first_sequence
        self._second = second
        self._packed = packed
        self._timed = timed
        self._from_ns = from_ns
        self._until_ns = until_ns

    def frames(self) -> Iterator[Send]:
        """Yield every frame in order."""
        if self._capture.kind == "itch":
            return self._timed_messages() if self._timed else self._messages()
        ours = _stream_of(self.address)
        if self._second is None:
            return (send for _, send in self._line(self._capture, ours, other=None))
        capture, found = self._second
        theirs = _stream_of(found.address or self.address)
        same_file = capture.path == self._capture.path
        return _in_time(heapq.merge(
            self._line(self._capture, ours, other=theirs if same_file else None),
            self._second_line(capture, theirs), key=_moment))

    # A file of messages.

    def _content(self) -> Iterator[bytes]:
        until_ns = self._until_ns
        for record in self._capture.records():
            if until_ns is not None and _stamp(record.data) >= until_ns:
                return
            yield record.data

    def _messages(self) -> Iterator[Send]:
        for datagram in frame_messages(self._content(), self.address, packed=self._packed):
            yield Send(datagram.frame, datagram.count, datagram.sequence, None)

    def _timed_messages(self) -> Iterator[Send]:
        """Yield frames of messages with the same stamp, due at that time, never back in time."""
        sequence, latest_ns = self._first_sequence, 0

        def due(message: bytes) -> int | None:
            stamp_ns = _stamp(message)
            return None if stamp_ns < self._from_ns and not latest_ns else stamp_ns

        for due_ns, group in groupby(self._content(), due):
            latest_ns = max(latest_ns, due_ns or 0)
            for datagram in frame_messages(group, self.address, first_sequence=sequence,
                                           packed=self._packed):
                yield Send(datagram.frame, datagram.count, sequence,
                           None if due_ns is None else latest_ns)
                sequence += datagram.count

    # Files of frames.

    def _line(self, capture: Capture, stream: Stream,
              other: Stream | None) -> Iterator[tuple[int, Send]]:
        """Yield time and frame of everything in a file, but for what is of an `other` stream."""
        begun = self._timed and not self._from_ns
        for record in capture.records():
            at_ns = record.captured_ns
            packet = None if record.sliced else packet_of(record.data)
            count, sequence = 0, None
            if packet is not None and packet.stream == stream:
                stamp_ns = timestamp_of(packet)
                if self._until_ns is not None and stamp_ns >= self._until_ns:
                    return
                begun = begun or (self._timed and stamp_ns >= self._from_ns)
                count, sequence = len(packet.messages), packet.sequence
            elif packet is not None and packet.stream == other:
                continue
            frame = None if record.sliced else record.data.ljust(_SHORTEST_FRAME_BYTES, b"\0")
            yield at_ns, Send(frame, count, sequence, at_ns if begun else None)

    def _second_line(self, capture: Capture, stream: Stream) -> Iterator[tuple[int, Send]]:
        """Yield time and frame of a stream's packets, sent where line A's are."""
        for at_ns, send in self._line(capture, stream, other=None):
            if send.sequence is not None and send.frame is not None:
                yield at_ns, send._replace(frame=readdressed(send.frame, self.address))


def _in_time(sends: Iterable[tuple[int, Send]]) -> Iterator[Send]:
    """Yield the frames; once one of either line has a time, all that follow have."""
    begun = False
    for at_ns, send in sends:
        begun = begun or send.due_ns is not None
        yield send._replace(due_ns=at_ns) if begun else send


def _moment(item: tuple[int, Send]) -> tuple[int, int]:
    """Return where a frame stands: stamps may be coarse, so the number decides behind them."""
    at_ns, send = item
    return at_ns, send.sequence or 0


def _stamp(message: bytes) -> int:
    return int.from_bytes(message[_TIMESTAMP], "big")


def _stream_of(address: FeedAddress) -> Stream:
    return Stream(address.group_ip, address.udp_port, address.session)
