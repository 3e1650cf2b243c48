"""Random but consistent ITCH order flow: adds, reductions, deletes and replaces of live orders."""

import random
import struct
from dataclasses import dataclass, field

__all__ = ["OrderFlow"]


@dataclass
class _Order:
    locate: int
    side: bytes
    shares: int


@dataclass
class OrderFlow:
    """A source of messages.

    Attributes
    ----------
    seed : int
        Of the random numbers.
    locates : tuple of int
        Stock locates.
    centre, spread : int
        Prices are within `spread` ticks of `centre` (1e-4 USD), buys below and sells above on
        average, crossed books included.
    tick_size : int
        Grid of the prices, 1e-4 USD.
    resting : int
        Orders live on average, of all symbols.
    wander : int
        Ticks by which the centre moves at most from one message to the next.
    """

    seed: int
    locates: tuple[int, ...] = (1,)
    centre: int = 1_000_000
    spread: int = 20
    tick_size: int = 100
    resting: int = 200
    wander: int = 0
    orders: dict[int, _Order] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Seed the source."""
        self._rng = random.Random(self.seed)
        self._ts_ns = 34_200_000_000_000
        self._references: list[int] = []

    def messages(self, count: int) -> list[bytes]:
        """Return the next messages."""
        return [self._next() for _ in range(count)]

    def _header(self, kind: bytes, locate: int) -> bytes:
        self._ts_ns += self._rng.randrange(1000)
        return kind + struct.pack(">HH", locate, 0) + self._ts_ns.to_bytes(6, "big")

    def _price(self, side: bytes) -> int:
        offset = self._rng.randint(-self.spread // 4, self.spread)
        return self.centre + (-offset if side == b"B" else offset) * self.tick_size

    def _next(self) -> bytes:
        rng = self._rng
        if self.wander:
            self.centre += rng.randint(-self.wander, self.wander) * self.tick_size
        live = len(self._references)
        if not live or rng.random() < (0.7 if live < self.resting else 0.3):
            return self._add()
        # Often the order touched last, for the hazards of a pipeline.
        at = -1 if rng.random() < 0.4 else rng.randrange(live)
        reference = self._references[at]
        order = self.orders[reference]
        kind = rng.choice(b"DDUUEEXC")
        if kind == ord("D"):
            self._forget(at)
            return self._header(b"D", order.locate) + struct.pack(">Q", reference)
        if kind == ord("U"):
            self._forget(at)
            new, shares = rng.getrandbits(64), rng.randint(1, 1000)
            price = self._price(order.side)
            self._remember(new, _Order(order.locate, order.side, shares))
            return (self._header(b"U", order.locate) +
                    struct.pack(">QQII", reference, new, shares, price))
        shares = order.shares if rng.random() < 0.4 else rng.randint(1, order.shares)
        order.shares -= shares
        if order.shares == 0:
            self._forget(at)
        body = struct.pack(">QI", reference, shares)
        if kind == ord("E"):
            body += struct.pack(">Q", rng.getrandbits(40))
        elif kind == ord("C"):
            body += struct.pack(">QcI", rng.getrandbits(40), b"Y", self._price(b"B"))
        return self._header(bytes([kind]), order.locate) + body

    def _add(self) -> bytes:
        rng = self._rng
        locate, side = rng.choice(self.locates), rng.choice((b"B", b"S"))
        reference, shares = rng.getrandbits(64), rng.randint(1, 1000)
        self._remember(reference, _Order(locate, side, shares))
        kind = rng.choice((b"A", b"F"))
        return (self._header(kind, locate) + struct.pack(">Q", reference) + side +
                struct.pack(">I", shares) + f"SYM{locate}".encode().ljust(8) +
                struct.pack(">I", self._price(side)) + (b"MPID" if kind == b"F" else b""))

    def _remember(self, reference: int, order: _Order) -> None:
        self.orders[reference] = order
        self._references.append(reference)

    def _forget(self, at: int) -> None:
        del self.orders[self._references[at]]
        self._references[at], self._references[-1] = self._references[-1], self._references[at]
        self._references.pop()
