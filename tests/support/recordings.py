"""Recordings made up record by record."""

from pathlib import Path

from control.recorder.origin import Origin
from control.recorder.reader import Recording, open_recording
from control.recorder.writer import Recorder
from proto.events import EVENTS, NO_SYMBOL, SCHEMA_VERSION, EventKind
from proto.wire.message import Value

__all__ = ["CORE_HZ", "Story"]

#: Ten nanoseconds a cycle.
CORE_HZ = 100_000_000
_NAMES = ("A@XNAS", "B@XNAS")


class Story:
    """Records in the order in which an appliance would make them; sequence numbers are added."""

    def __init__(self, folder: Path, *, core_hz: int = CORE_HZ, commit: str = "") -> None:
        self.folder = folder
        self._recorder = Recorder(folder, Origin(version="0.1.0", map_hash=0xABCD,
                                                 core_hz=core_hz, commit=commit))
        self._sequences = {True: 0, False: 0}

    def add(self, kind: EventKind, *, symbol: int | None = None, sequence: int | None = None,
            **values: int) -> None:
        """Add a record; fields that are not given are 0."""
        sampled = kind is EventKind.TOP_OF_BOOK
        if sequence is None:
            sequence = self._sequences[sampled]
            self._sequences[sampled] += 1
        layout = EVENTS[kind]
        fields: dict[str, Value] = dict.fromkeys((field.name for field in layout), 0)
        fields.update({"schema_version": SCHEMA_VERSION, "kind": int(kind),
                       "event_sequence": sequence,
                       "symbol_index": NO_SYMBOL if symbol is None else symbol})
        fields.update({name: int(value) for name, value in values.items()})
        self._recorder.take(layout.encode(fields), "" if symbol is None else _NAMES[symbol])

    def top(self, ts_ns: int, bid: int, ask: int, *, symbol: int = 0, sizes: tuple[int, int] = (
            100, 100), sequence: int = 0, ingress: int | None = None, state: int = 0) -> None:
        """Add a best bid and offer, in 1e-4 USD; its frame came ten cycles a 100 ns."""
        cycle = ts_ns // 10 if ingress is None else ingress
        self.add(EventKind.TOP_OF_BOOK, symbol=symbol, ts_ns=ts_ns, bid_price=bid, ask_price=ask,
                 bid_quantity=sizes[0], ask_quantity=sizes[1], feed_sequence=sequence, state=state,
                 ingress_cycle=cycle, cycle=cycle + 12)

    def sent(self, number: int, cycle: int, **values: int) -> None:
        """Add an order of symbol 0 that was sent."""
        self.add(EventKind.ORDER_SENT, **{"symbol": 0, "user_ref_num": number, "cycle": cycle,
                                          "quantity": 100, **values})

    def answered(self, number: int, answer: int, venue_ns: int, **values: int) -> None:
        """Add an answer of the venue, a microsecond later at the appliance."""
        self.add(EventKind.VENUE_ANSWER, user_ref_num=number, answer=answer, venue_ns=venue_ns,
                 **{"now_ns": venue_ns + 1000, "cycle": venue_ns // 10 + 100, **values})

    def end(self) -> Recording:
        """Complete the recording and open it."""
        self._recorder.close()
        return open_recording(self.folder)
