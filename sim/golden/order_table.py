"""What the order table must do: a dictionary, a model of where orders fit, a check of walks."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from itertools import combinations
from typing import Protocol

__all__ = ["Kind", "Name", "Operation", "Order", "OrderTable", "Placement", "TwoChoicePlacement",
           "Update", "UpdateKind", "WalkChecker", "toeplitz_row"]


class Kind(Enum):
    """What an operation does."""

    ADD = 0
    REDUCE = 1
    DELETE = 2
    REPLACE = 3


class UpdateKind(Enum):
    """What an update means."""

    ADD = 0
    REMOVE = 1
    NONE = 2
    WALK_END = 3


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One message that names an order; shares, prices in 1e-4 USD, side 0 buys."""

    kind: Kind
    symbol_index: int
    reference: int
    new_reference: int = 0
    side: int = 0
    shares: int = 0
    price: int = 0
    execution: int = 0
    tag: int = 0


@dataclass(frozen=True, kw_only=True)
class Order:
    """One open order."""

    symbol_index: int
    side: int
    price: int
    shares: int


@dataclass(frozen=True, kw_only=True)
class Update:
    """One change of one level; price, quantity and side of a NONE mean nothing."""

    kind: UpdateKind
    symbol_index: int
    side: int = 0
    price: int = 0
    quantity: int = 0
    final: int = 0
    event_last: int = 1
    suspect: int = 0
    overflow: int = 0
    execution: int = 0
    tag: int = 0
    #: Order that an ADD of a stored reference has replaced; its shares stay in the levels.
    replaced: Order | None = None


def toeplitz_row(reference: int, key: int, row_bits: int) -> int:
    """Return the row of a reference, by the matrix: entry (i, j) is bit i + j of the key."""
    row = 0
    for i in range(row_bits):
        bit = 0
        for j in range(64):
            bit ^= (reference >> j) & (key >> (i + j)) & 1
        row |= bit << i
    return row


#: (Shares, orders) of each price.
Levels = dict[int, tuple[int, int]]

#: What identifies an order: reference and symbol.
Name = tuple[int, int]

#: Bank and row, or the CAM.
Slot = tuple[int, int] | None


class Placement(Protocol):
    """Which orders find a slot, each named by (reference, symbol)."""

    def insert(self, name: Name) -> bool:
        """Find a slot. False if there is none."""
        ...

    def remove(self, name: Name) -> None:
        """Free the slot."""
        ...


@dataclass
class TwoChoicePlacement:
    """Which orders find a slot: two banks of four ways, then sixteen slots for whatever.

    A new order takes the bank with fewer used ways in its row, the first bank if they are equal.
    An order beyond the banks may try again, and takes the place of another if need be.

    Attributes
    ----------
    row_bits : int
        Width of a row number.
    keys : tuple of int
        Hash key of each bank.
    """

    row_bits: int
    keys: tuple[int, int]
    ways: int = 4
    cam_entries: int = 16
    names: defaultdict[Slot, list[Name]] = field(
        default_factory=lambda: defaultdict[Slot, list[Name]](list))
    place: dict[Name, Slot] = field(default_factory=dict[Name, Slot])
    rows: dict[Name, tuple[int, int]] = field(default_factory=dict[Name, tuple[int, int]])
    victim: int = 0

    @property
    def beyond(self) -> int:
        """Orders that are in neither bank."""
        return len(self.names[None])

    def insert(self, name: Name, rows: tuple[int, int] | None = None) -> bool:
        """Find a slot for (reference, symbol); `rows` spares the hash. False if there is none."""
        if rows is None:
            rows = (toeplitz_row(name[0], self.keys[0], self.row_bits),
                    toeplitz_row(name[0], self.keys[1], self.row_bits))
        slot = self._emptier(rows)
        if slot is None and self.beyond == self.cam_entries:
            return False
        self.rows[name] = rows
        self._put(name, slot)
        return True

    def remove(self, name: Name) -> None:
        """Free the slot of (reference, symbol)."""
        self.names[self.place.pop(name)].remove(name)
        del self.rows[name]

    def retry(self) -> None:
        """Let the first order beyond the banks into a row, by a swap if both are full."""
        if not self.beyond:
            return
        name = self.names[None].pop(0)
        rows = self.rows[name]
        slot = self._emptier(rows)
        if slot is None:
            bank, way = divmod(self.victim, self.ways)
            self.victim = (self.victim + 1) % (2 * self.ways)
            slot = (bank, rows[bank])
            self._put(self.names[slot].pop(way), None)
        self._put(name, slot)

    def _emptier(self, rows: tuple[int, int]) -> Slot:
        first, second = (0, rows[0]), (1, rows[1])
        slot = second if len(self.names[second]) < len(self.names[first]) else first
        return None if len(self.names[slot]) == self.ways else slot

    def _put(self, name: Name, slot: Slot) -> None:
        self.names[slot].append(name)
        self.place[name] = slot


class OrderTable:
    """The orders by (reference, symbol).

    Parameters
    ----------
    placement : Placement or None
        Where orders fit; without it all of them do.
    """

    def __init__(self, placement: Placement | None = None):
        self.placement = placement
        self.orders: dict[Name, Order] = {}
        self.counts: Counter[str] = Counter()

    def apply(self, operation: Operation) -> list[Update]:
        """Do one operation; return its updates."""
        if operation.kind is Kind.ADD:
            return [self._add(operation, operation.reference, operation.side)]
        removal, order = self._remove(operation)
        if operation.kind is Kind.REPLACE and order is not None:
            return [removal, self._add(operation, operation.new_reference, order.side)]
        return [removal]

    def levels(self, symbol_index: int, side: int) -> Levels:
        """Return (shares, orders) of each price of one side of a symbol."""
        return _levels(order for order in self.orders.values()
                       if (order.symbol_index, order.side) == (symbol_index, side))

    def _add(self, operation: Operation, reference: int, side: int) -> Update:
        name = (reference, operation.symbol_index)
        replaced = self.orders.get(name)
        stored = (replaced is not None or self.placement is None
                  or self.placement.insert(name))
        if stored:
            self.orders[name] = Order(symbol_index=operation.symbol_index, side=side,
                                      price=operation.price, shares=operation.shares)
        self.counts["duplicate"] += replaced is not None
        self.counts["overflow"] += not stored
        return Update(
            kind=UpdateKind.ADD, symbol_index=operation.symbol_index, side=side,
            price=operation.price, quantity=operation.shares, suspect=int(replaced is not None),
            overflow=int(not stored), execution=operation.execution, tag=operation.tag,
            replaced=replaced)

    def _remove(self, operation: Operation) -> tuple[Update, Order | None]:
        name = (operation.reference, operation.symbol_index)
        order = self.orders.get(name)
        if order is None:
            self.counts["unknown"] += 1
            return Update(kind=UpdateKind.NONE, symbol_index=operation.symbol_index, suspect=1,
                          execution=operation.execution, tag=operation.tag), None
        overfill = operation.kind is Kind.REDUCE and operation.shares > order.shares
        quantity = order.shares
        if operation.kind is Kind.REDUCE:
            quantity = min(quantity, operation.shares)
        final = operation.kind is not Kind.REDUCE or quantity == order.shares
        if final:
            del self.orders[name]
            if self.placement is not None:
                self.placement.remove(name)
        else:
            self.orders[name] = Order(symbol_index=order.symbol_index, side=order.side,
                                      price=order.price, shares=order.shares - quantity)
        self.counts["overfill"] += overfill
        return Update(
            kind=UpdateKind.REMOVE, symbol_index=operation.symbol_index, side=order.side,
            price=order.price, quantity=quantity, final=int(final),
            event_last=int(operation.kind is not Kind.REPLACE), suspect=int(overfill),
            execution=operation.execution, tag=operation.tag), order


@dataclass
class WalkChecker:
    """Rebuild one side from the updates since its walk began, as the price levels do.

    A duplicate ADD leaves shares of the order it replaced in the levels, if they were there: known
    if the new order is of the walked side (`touch_levels`), else either is right.
    """

    table: OrderTable
    symbol_index: int
    side: int
    levels: Levels = field(default_factory=dict[int, tuple[int, int]])
    left_behind: list[Order] = field(default_factory=list[Order])
    perhaps: list[Order] = field(default_factory=list[Order])

    def walked(self, price: int, quantity: int) -> None:
        """Take an update with ``walk``."""
        _change(self.levels, price, quantity, 1)

    def updated(self, update: Update, *, touch_levels: bool) -> None:
        """Take the update of an operation."""
        if update.symbol_index != self.symbol_index:
            return
        replaced = update.replaced
        if replaced is not None and replaced.side == self.side:
            if update.side != self.side:
                self.perhaps.append(replaced)
            elif touch_levels:
                self.left_behind.append(replaced)
        if update.side != self.side or not touch_levels:
            return
        if update.kind is UpdateKind.ADD:
            _change(self.levels, update.price, update.quantity, 1)
        elif update.kind is UpdateKind.REMOVE:
            _change(self.levels, update.price, -update.quantity, -update.final)

    def exact(self) -> bool:
        """Return whether the levels are those of the stored orders."""
        stored = [order for order in self.table.orders.values()
                  if (order.symbol_index, order.side) == (self.symbol_index, self.side)]
        stored += self.left_behind
        return any(self.levels == _levels([*stored, *some])
                   for count in range(len(self.perhaps) + 1)
                   for some in combinations(self.perhaps, count))


def _levels(orders: Iterable[Order]) -> Levels:
    levels: Levels = {}
    for order in orders:
        _change(levels, order.price, order.shares, 1)
    return levels


def _change(levels: Levels, price: int, shares: int, orders: int) -> None:
    before = levels.get(price, (0, 0))
    levels[price] = (before[0] + shares, before[1] + orders)
    if levels[price] == (0, 0):
        del levels[price]
