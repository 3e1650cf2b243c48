"""A venue on a real TCP socket: SoupBinTCP by nasdaq-protocols, OUCH 5.0 from its specification.

Run as a process: ``python -m tests.support.ouch_venue ADDRESS PORT``. It prints a line of JSON for
each thing that happens, and ends after the client has logged out.
"""

import asyncio
import json
import struct
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import attrs
from nasdaq_protocols import soup

#: Ref: OUCH 5.0, Enter Order, without the appendage.
ENTER = struct.Struct(">cIcI8sQccccc14sH")
CANCEL = struct.Struct(">cII")

#: Logout Request of SoupBinTCP.
LOGOUT = b"\0\1O"

DAY, IOC = b"0", b"3"


def report(event: str, **fields: Any) -> None:
    """Print what happened."""
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


@dataclass
class Order:
    """An order at the venue."""

    number: int
    side: bytes
    quantity: int
    symbol: bytes
    price: int
    open: int


@dataclass
class Book:
    """Orders and what they came to; answers are made here."""

    orders: dict[int, Order] = field(default_factory=dict)
    position: dict[str, int] = field(default_factory=dict)
    cash: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, what: str) -> None:
        """Count something."""
        self.counts[what] = self.counts.get(what, 0) + 1

    def answer(self, message: bytes) -> list[bytes]:
        """Return the answers to an unsequenced message."""
        if message[:1] == b"O":
            return self._enter(message)
        if message[:1] == b"X":
            return self._cancel(message)
        raise ValueError(f"unexpected message {message!r}")

    def _enter(self, message: bytes) -> list[bytes]:
        (_, number, side, quantity, symbol, price, life, display, capacity, sweep, cross, name,
         appendage) = ENTER.unpack(message[:ENTER.size])
        if len(message) != ENTER.size + appendage:
            raise ValueError(f"appendage is {appendage}, message has {len(message)} bytes")
        self.count("orders")
        if number <= max(self.orders, default=0):
            raise ValueError(f"UserRefNum must rise, was {number}")
        order = Order(number, side, quantity, symbol, price, quantity)
        self.orders[number] = order
        if life == IOC and number % 4 == 0:
            order.open = 0
            self.count("rejects")
            return [struct.pack(">cQIH14sH", b"J", self.now(), number, 0x0001, name, 0)]
        answers = [struct.pack(">cQIcI8sQccQcccc14sH", b"A", self.now(), number, side, quantity,
                               symbol, price, life, display, 5000 + number, capacity, sweep, cross,
                               b"L", name, 0)]
        self.count("accepts")
        if life == DAY:
            if number % 2:
                answers.append(self._fill(order, quantity // 4))
        elif number % 4 == 1:
            answers.append(self._fill(order, quantity))
        elif number % 4 == 2:
            answers += [self._fill(order, quantity // 2), self._fill(order, quantity // 4)]
        if life == IOC and order.open:
            answers.append(self._canceled(order, b"I"))
        return answers

    def _fill(self, order: Order, quantity: int) -> bytes:
        self.count("fills")
        order.open -= quantity
        sign = 1 if order.side == b"B" else -1
        name = order.symbol.decode().strip()
        self.position[name] = self.position.get(name, 0) + sign * quantity
        # A better price than asked for: what was paid must come from the execution.
        price = order.price - sign * 100
        self.cash -= sign * quantity * price
        return struct.pack(">cQIIQcQH", b"E", self.now(), order.number, quantity, price, b"R",
                           self.counts["fills"], 0)

    def _canceled(self, order: Order, reason: bytes) -> bytes:
        self.count("cancels")
        answer = struct.pack(">cQIIc", b"C", self.now(), order.number, order.open, reason)
        order.open = 0
        return answer

    def _cancel(self, message: bytes) -> list[bytes]:
        _, number, quantity = CANCEL.unpack(message[:CANCEL.size])
        order = self.orders.get(number)
        if order is None or quantity or not order.open:
            return []
        return [self._canceled(order, b"U")]

    @staticmethod
    def now() -> int:
        """Return the time of the day."""
        return time.time_ns() % 86_400_000_000_000


@attrs.define(auto_attribs=True)
class Session(soup.SoupServerSession, session_type="server"):
    """One connection."""

    book: Book = attrs.field(kw_only=True, factory=Book)
    ended: asyncio.Event = attrs.field(kw_only=True, factory=asyncio.Event)
    tail: bytes = attrs.field(init=False, default=b"")

    def eof_received(self) -> bool:
        """Keep the connection: what came before the client's FIN is still to be read."""
        return True

    async def on_login(self, msg: soup.LoginRequest) -> soup.LoginAccepted:
        """Let anybody in."""
        report("login", user=msg.user, password=msg.password, sequence=msg.sequence)
        return soup.LoginAccepted("DAY1", 1)

    async def on_unsequenced(self, msg: soup.UnSequencedData) -> None:
        """Answer an order or a cancel."""
        answers = self.book.answer(msg.data)
        for answer in answers:
            self.send_seq_msg(answer)
        report("request", kind=msg.data[:1].decode(), number=int.from_bytes(msg.data[1:5], "big"),
               answers=[answer[:1].decode() for answer in answers])

    def data_received(self, data: bytes) -> None:
        """Remember the end of what came: the library closes on a logout, and hands it to nobody."""
        self.tail = (self.tail + data)[-len(LOGOUT):]
        super().data_received(data)

    async def close(self, drain: bool = False) -> None:
        """Report how the session ended."""
        if not self.ended.is_set():
            self.ended.set()
            book = self.book
            report("logout" if self.tail == LOGOUT else "lost", position=book.position,
                   cash=book.cash, counts=book.counts,
                   open={order.number: order.open for order in book.orders.values() if order.open})
        await super().close(drain)


async def serve(address: str, port: int) -> None:
    """Serve until a client has logged out."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    # The library's server takes its own interval as the client's, and the other way round.
    server = await loop.create_server(
        lambda: Session(ended=ended, client_heartbeat_interval=1, server_heartbeat_interval=5),
        address, port)
    report("listening")
    await ended.wait()
    await asyncio.sleep(1)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
