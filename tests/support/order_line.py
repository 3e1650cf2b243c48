"""A venue in plain Python on the order port of a simulated appliance, in simulated time."""

import struct
from collections.abc import Callable

from sim.appliance import Appliance, SymbolSettings
from sim.framing import FeedAddress, frame_messages
from sim.golden.soupbintcp import SoupServer
from sim.golden.tcp import TcpServer
from sim.library import Line, Received
from sim.order_entry import SessionSettings, configure_session

__all__ = ["Market", "OrderLine", "accepted", "canceled", "executed"]

ADDRESS, PORT = 0x0A0900FE, 8083


def accepted(order: bytes, *, time_ns: int = 0, state: bytes = b"L") -> bytes:
    """Return the Accepted message for an Enter Order message."""
    number = int.from_bytes(order[1:5], "big")
    return (b"A" + time_ns.to_bytes(8, "big") + order[1:26] + order[26:28]
            + (1000 + number).to_bytes(8, "big") + order[28:31] + state + order[31:45] + b"\0\0")


def executed(order: bytes, quantity: int, *, price: int | None = None, match: int = 1,
             time_ns: int = 0) -> bytes:
    """Return an Executed message for an Enter Order message."""
    paid = int.from_bytes(order[18:26], "big") if price is None else price
    return (b"E" + time_ns.to_bytes(8, "big") + order[1:5] + struct.pack(">IQ", quantity, paid)
            + b"R" + match.to_bytes(8, "big") + b"\0\0")


def canceled(order: bytes, quantity: int, *, reason: bytes = b"U", time_ns: int = 0) -> bytes:
    """Return a Canceled message for a message that begins as Enter Order does."""
    return (b"C" + time_ns.to_bytes(8, "big") + order[1:5] + quantity.to_bytes(4, "big") + reason)


class Market:
    """Market data of some symbols, at the feed port of an appliance.

    Parameters
    ----------
    appliance : Appliance
        The appliance; it is made to watch the symbols and to listen.
    symbols : int
        Number of symbols, named ``SYM1`` and up.
    """

    def __init__(self, appliance: Appliance, symbols: int = 1) -> None:
        self.appliance = appliance
        self.address = FeedAddress()
        self.sequence = 1
        self.reference = 0
        appliance.watch([SymbolSettings(f"SYM{n}", n, 100) for n in range(1, symbols + 1)])
        appliance.configure_feed(self.address)
        self.send([b"S" + bytes(10) + b"Q"])
        self.send([b"H" + struct.pack(">HH6x", n, 0) + f"SYM{n}".encode().ljust(8) + b"T" + bytes(5)
                   for n in range(1, symbols + 1)])
        self.send([b"Y" + struct.pack(">HH6x", n, 0) + f"SYM{n}".encode().ljust(8) + b"0"
                   for n in range(1, symbols + 1)])

    def frames(self, messages: list[bytes]) -> list[bytes]:
        """Return the frames of the next messages."""
        datagrams = list(frame_messages(messages, self.address, first_sequence=self.sequence))
        self.sequence += len(messages)
        return [datagram.frame for datagram in datagrams]

    def send(self, messages: list[bytes], **how) -> None:
        """Send messages in one frame; they arrive as the clock runs."""
        self.appliance.send_frames(self.frames(messages), **how)

    def add(self, side: bytes, price: int, shares: int = 100, *, symbol: int = 1) -> bytes:
        """Return an Add of a new order; its reference is `reference` then."""
        self.reference += 1
        return (b"A" + struct.pack(">HH6xQ", symbol, 0, self.reference) + side
                + struct.pack(">I", shares) + f"SYM{symbol}".encode().ljust(8)
                + struct.pack(">I", price))

    def change(self, kind: bytes, reference: int, shares: int = 0, *, price: int = 0,
               symbol: int = 1) -> bytes:
        """Return an Execution, Cancel, Delete or Replace of an order."""
        head = kind + struct.pack(">HH6xQ", symbol, 0, reference)
        if kind == b"E":
            return head + struct.pack(">IQ", shares, 1)
        if kind == b"X":
            return head + struct.pack(">I", shares)
        if kind == b"U":
            self.reference += 1
            return head + struct.pack(">QII", self.reference, shares, price)
        return head


class OrderLine:
    """The golden server at the order port.

    Parameters
    ----------
    appliance : Appliance
        The appliance; its session is configured, and enabled by :meth:`connect`.
    answer : callable
        Takes an unsequenced message, returns the sequenced messages that answer it.
    """

    def __init__(self, appliance: Appliance, answer: Callable[[bytes], list[bytes]]) -> None:
        self.appliance = appliance
        self.answer = answer
        self.server = TcpServer(mac=bytes.fromhex("02000000fe01"), address=ADDRESS, port=PORT,
                                retransmit_ns=1_000_000_000)
        self.messages: list[bytes] = []
        self.soup: SoupServer | None = None
        self.received: list[Received] = []
        self.requests: list[bytes] = []
        self._seen = self._handled = 0
        configure_session(appliance, SessionSettings(peer_address=ADDRESS, peer_port=PORT))

    def step(self, cycles: int = 256) -> list[Received]:
        """Run, then let the server act on what came; return it."""
        simulation = self.appliance.simulation
        simulation.run(cycles)
        frames = simulation.received(Line.ORDER)
        self.received += frames
        now_ns = simulation.time_ns
        for frame in frames:
            assert frame.good
            self.server.receive(frame.frame[:-4], now_ns)
        if self.soup is None and self.server.state != "LISTEN":
            self.soup = SoupServer(self.messages, self.server.send)
        if self.soup is not None:
            if len(self.server.received) > self._seen:
                self.soup.receive(bytes(self.server.received[self._seen:]))
                self._seen = len(self.server.received)
            for request in self.soup.unsequenced[self._handled:]:
                self._handled += 1
                self.requests.append(request)
                self.messages += self.answer(request)
            self.soup.flush()
        self.server.tick(now_ns)
        if self.server.frames:
            self.appliance.send_frames(self.server.frames, line=Line.ORDER)
            self.server.frames = []
        return frames

    def until(self, condition: Callable[[], bool], steps: int = 400) -> None:
        """Step until a condition holds."""
        for _ in range(steps):
            if condition():
                return
            self.step()
        raise TimeoutError(f"not within {steps} steps: {self.server.state}")

    def connect(self) -> None:
        """Enable the session and wait until it is up."""
        self.appliance.write("session.enable", 1)
        self.until(lambda: bool(self.appliance.read("session.state", "up")))
