"""A simulated appliance that trades all the time and is managed over gRPC by other processes.

The simulation runs in the process of the test, which so decides in which cycle a datagram of the
control plane arrives; the control plane and the person in front of it are processes of their own.
"""

import select
import time
from collections.abc import Callable
from math import ceil
from types import TracebackType
from typing import Any, Self

from proto.events import EVENT_BYTES, EVENTS, HEADER, EventKind, Sequence
from proto.wire import ethernet
from proto.wire import management as wire
from proto.wire.management import Code, Kind
from sim.appliance import Appliance
from sim.library import Line, byte_cycle
from sim.management_bridge import ManagementBridge
from sim.order_entry import LimitSettings, StrategySettings, configure_risk, load_linear_model
from tests.support.operator import ControlServer, Operator
from tests.support.order_line import Market, OrderLine, accepted, canceled

__all__ = ["PERIOD", "Managed"]

#: Cycles from one order of the flow to the next: its frame, the gap, and the wait for the answers,
#: of which the appliance takes a byte a cycle.
PERIOD = 128

BID, ASK = 1_000_000, 1_000_100
TAKERS, RESTING, IDLE = (1, 2, 3, 4), 5, 6
DAY = 1
_NEVER = 1 - (1 << 31)    # no score is below
#: Turns without a pause after a datagram.
_BUSY_TURNS = 6
_STEP_CYCLES = 32


class Managed:
    """An appliance, a venue, a market, a control plane and a person.

    Symbols 1 to 4 take in turn, and the venue cancels what they take; symbol 5 rests; 6 is not
    traded.

    Attributes
    ----------
    states : list of dict
        STATE records that the appliance has sent, in their order.
    numbers : list of int
        Sequence numbers of all records of class 1.
    deaf : bool
        The venue hears nothing.
    order_cycles : int
        From Start of a trigger's frame to Start of its order, once it has been measured.
    withhold : callable
        Told the payload of a datagram of the control plane; True keeps it in `withheld`.
    """

    #: Offset of a datagram in its frame.
    payload = ethernet.MAC.size + ethernet.IPV4.size + ethernet.UDP.size

    def __init__(self, profile: str = "bench") -> None:
        self.appliance = Appliance(profile)
        self.simulation = self.appliance.simulation
        self.simulation.set_events_ready(False)
        self.bridge = ManagementBridge()
        self.operator = Operator()
        self.server: ControlServer | None = None
        self.address = ""
        self.states: list[dict[str, Any]] = []
        self.numbers: list[int] = []
        self.withhold: Callable[[bytes], bool] = lambda payload: False
        self.withheld: list[bytes] = []
        self.deaf = False
        self.order_cycles = 0
        self.resting: dict[int, bytes] = {}
        self._period_ns = 1e9 / self.appliance.read("identity.core_hz")
        self._next_record = 0
        self._busy = 0
        self._taker = 0
        self._last: tuple[int, int] | None = None    # symbol and reference of the last trigger
        self._trade()

    def _trade(self) -> None:
        self.appliance.write("control.fcs_mode", 1)
        self.market = Market(self.appliance, symbols=IDLE)
        self.line = OrderLine(self.appliance, self._answer)
        hear = self.line.server.receive
        self.line.server.receive = lambda frame, now_ns: None if self.deaf else hear(frame, now_ns)
        self.line.connect()
        load_linear_model(self.appliance, {"imbalance_top1": 16}, 0, epoch=1)
        scores = {"buy_threshold": 1000, "sell_threshold": 1000,
                  "cancel_buy_threshold": _NEVER, "cancel_sell_threshold": _NEVER}
        configure_risk(self.appliance, [LimitSettings()] * RESTING,
                       [StrategySettings(**scores)] * len(TAKERS)
                       + [StrategySettings(**scores, near=1, time_in_force=DAY)])
        for symbol in (*TAKERS, RESTING, IDLE):
            self.market.send([self.market.add(b"B", BID, 800, symbol=symbol),
                              self.market.add(b"S", ASK, 800, symbol=symbol)])
        self.run(1000)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End every process."""
        if self.server is not None and self.server.running:
            self.server.terminate()
            while self.server.running:    # it says farewell to the appliance
                self.turn(pause_s=0.005)
            self.server.close()
        self.operator.close()
        self.bridge.close()
        self.appliance.close()

    def _answer(self, message: bytes) -> list[bytes]:
        """Answer as the venue."""
        number = int.from_bytes(message[1:5], "big")
        if message[:1] == b"X":
            order = self.resting.pop(number, None)
            return [canceled(order, int.from_bytes(order[6:10], "big"))] if order else []
        if message[10:18].rstrip() == f"SYM{RESTING}".encode():
            self.resting[number] = message
            return [accepted(message)]
        return [accepted(message), canceled(message, int.from_bytes(message[6:10], "big"))]

    # The control plane.

    def serve(self, *arguments: str) -> None:
        """Start a control plane, and wait until it listens."""
        self.server = ControlServer(f"127.0.0.1:{self.bridge.port}", *arguments)
        while not (address := self.server.address()):
            self.turn(pause_s=0.005)
        self.address = address

    def begin(self, *command: str) -> None:
        """Give a command of ``tickwire``."""
        self.operator.begin(*command, "--server", self.address)

    def finish(self) -> dict[str, Any]:
        """Go on until the command is answered."""
        while (answer := self.operator.answer()) is None:
            self.turn(pause_s=0.002)
        return answer

    def ask(self, *command: str) -> dict[str, Any]:
        """Give a command and return its answer."""
        self.begin(*command)
        return self.finish()

    def until(self, condition: Callable[[], bool], limit_s: float = 20.0) -> None:
        """Go on until something has become true."""
        end = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < end
            self.turn(pause_s=0.002)

    def turn(self, cycles: int = 128, *, pause_s: float = 0.0) -> bool:
        """Carry datagrams both ways and run; return whether there were any."""
        frames: list[bytes] = []
        for frame in self.bridge.frames():
            if self.withhold(frame[self.payload:]):
                self.withheld.append(frame)
            else:
                frames.append(frame)
        if frames:
            self.simulation.send(frames, Line.MANAGEMENT)
        self.line.step(cycles)
        moved = bool(frames) + self.deliver()
        self._busy = _BUSY_TURNS if moved else max(0, self._busy - 1)
        if pause_s and not self._busy:
            select.select([self.bridge, self.operator], [], [], pause_s)
        return bool(moved)

    def deliver(self) -> int:
        """Hand on what the appliance has sent on its management port; return the frames."""
        received = self.simulation.received(Line.MANAGEMENT)
        for one in received:
            assert one.good
            self._take_records(one.frame[self.payload:-ethernet.FCS_BYTES])
        self.bridge.deliver(one.frame for one in received)
        return len(received)

    def _take_records(self, payload: bytes) -> None:
        head = wire.HEADER.decode_from(payload)
        if head["kind"] != Kind.EVENTS:
            return
        for place in range(int(head["count"])):
            record = payload[wire.HEADER.size + EVENT_BYTES * place:][:EVENT_BYTES]
            if int(head["sequence"]) + place < self._next_record:
                continue    # sent again
            self._next_record = int(head["sequence"]) + place + 1
            header = HEADER.decode_from(record)
            if EventKind(int(header["kind"])).sequence is Sequence.ORDERS:
                self.numbers.append(int(header["event_sequence"]))
            if header["kind"] == EventKind.STATE:
                self.states.append(dict(EVENTS[EventKind.STATE].decode(record)))

    def is_kill(self, payload: bytes) -> bool:
        """Return whether a datagram asks for a kill."""
        head = wire.HEADER.decode_from(payload)
        command = self.appliance.map["risk.command"]
        for place in range(int(head["count"]) if head["kind"] == Kind.REQUEST else 0):
            operation = wire.OPERATION.decode_from(
                payload, wire.HEADER.size + wire.OPERATION.size * place)
            if (operation["address"], operation["code"]) == (command.address, Code.WRITE) and (
                    command.register.field("kill").extract(int(operation["value"]))):
                return True
        return False

    @staticmethod
    def is_of(kind: Kind, payload: bytes) -> bool:
        """Return whether a datagram is of a kind."""
        return wire.HEADER.decode_from(payload)["kind"] == kind

    @property
    def cycle_offset(self) -> int:
        """What the cycle of a record is ahead of that of the pins."""
        return self.simulation.now_cycles - self.simulation.cycle

    @staticmethod
    def frame_cycles(frame: bytes) -> int:
        """Return from the word with Start to that with the last byte of a frame without FCS."""
        return byte_cycle(0, len(frame) + ethernet.FCS_BYTES - 1)

    def to_management(self, frame: bytes, start_cycle: int) -> Callable[[], int]:
        """Let a frame arrive; return what tells the cycle of its last word, once it has begun."""
        self.simulation.starts(Line.MANAGEMENT)
        self.simulation.send([frame], Line.MANAGEMENT, not_before=start_cycle)

        def last_word() -> int:
            start, = self.simulation.starts(Line.MANAGEMENT).tolist()
            return byte_cycle(start, len(frame) + ethernet.FCS_BYTES - 1)
        return last_word

    # The market, and time.

    def jump(self, duration_ns: int) -> None:
        """Let the appliance's clock jump ahead."""
        self.simulation.set_time(self.simulation.time_ns + duration_ns)
        self.run(256)

    def time_at(self, cycle: int) -> int:
        """Return the time in a cycle, as if the clock had never jumped."""
        return self.simulation.time_ns - round((self.simulation.cycle - cycle) * self._period_ns)

    def cycle_at(self, time_ns: int) -> int:
        """Return the first cycle of a later time, as long as the clock does not jump."""
        return self.simulation.cycle + ceil((time_ns + 1 - self.simulation.time_ns)
                                            / self._period_ns)

    def jump_to(self, time_ns: int, *, cycles: int) -> None:
        """Let the clock jump so that it is `time_ns` in so many cycles."""
        self.simulation.set_time(time_ns - round(cycles * self._period_ns))

    def run(self, cycles: int) -> None:
        """Run, the venue answering."""
        end = self.simulation.cycle + cycles
        while (left := end - self.simulation.cycle) > 0:
            self.line.step(min(left, _STEP_CYCLES))

    def flow(self, begin: int, count: int, *, noisy: bool = False) -> None:
        """Queue triggers from a cycle on, one a period: each makes an order if that is allowed."""
        for number in range(count):
            self._taker += 1
            symbol = TAKERS[self._taker % len(TAKERS)]
            messages = [*self._level(), self.market.add(b"B", BID, 8000, symbol=symbol)]
            self._last = symbol, self.market.reference
            self.market.send(messages, not_before=begin + PERIOD * number)
            if noisy:
                self.noise()

    def learn_order_cycles(self) -> None:
        """Measure how long after Start of a trigger's frame its order starts."""
        self.line.received.clear()
        begin = self.simulation.cycle + PERIOD
        self.flow(begin, 2)
        self.run(4 * PERIOD)
        self.order_cycles = self.starts(b"O")[1] - begin - PERIOD

    def _level(self) -> list[bytes]:
        """Return what takes the last trigger back."""
        if self._last is None:
            return []
        symbol, reference = self._last
        return [self.market.change(b"D", reference, symbol=symbol)]

    def noise(self) -> None:
        """Queue frames that make 16 records of book events, and no orders."""
        self.market.send([self.market.add(b"B", BID, 1, symbol=IDLE) for _ in range(8)])
        self.market.send([self.market.change(b"D", self.market.reference - number, symbol=IDLE)
                          for number in range(8)])

    def fill_window(self) -> None:
        """Make records of book events until the host has to acknowledge some, and none moves."""
        for _ in range(40):
            self.noise()
            self.run(1024)
            if not self.deliver():
                return
        raise TimeoutError("records are sent without an acknowledgement")

    def rest(self) -> None:
        """Let an order of symbol 5 rest at the venue."""
        self.market.send([*self._level(),
                          self.market.add(b"B", BID, 8000, symbol=RESTING)])
        self._last = RESTING, self.market.reference
        self.run(512)
        assert len(self.resting) == 1

    def starts(self, letter: bytes) -> list[int]:
        """Return the cycles of Start of frames with messages of a type, since the last clearing.

        A frame that repeats what an earlier one has carried is left out.
        """
        seen: set[bytes] = set()
        found: list[int] = []
        for frame in self.line.received:
            sequence, payload = frame.frame[38:42], frame.frame[54:-ethernet.FCS_BYTES]
            if payload[2:4] == b"U" + letter and sequence not in seen:
                found.append(frame.start // 8)
                seen.add(sequence)
        return found
