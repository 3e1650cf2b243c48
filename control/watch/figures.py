"""What a watcher wants to know of two snapshots: profit, rates, and what is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass

from control.client import Book, Position
from control.watch.snapshot import Snapshot
from proto.events import BookState

__all__ = ["Figures", "Rate", "SymbolFigures", "figures"]

#: A step of any of these is worth an alert.
_BAD_COUNTERS = (
    "net.frames_bad_fcs", "net.frames_dropped_buffer_full", "ip.bad_header_checksum",
    "ip.bad_udp_checksum", "mold.gaps", "mold.malformed", "itch.bad_length", "itch.unknown_type",
    "book.unknown_reference", "book.duplicate_reference", "book.overfill", "book.table_overflow",
    "decision.dropped", "decision.saturated", "tcp.retransmitted", "tcp.bad_checksum",
    "soup.protocol_error", "soup.peer_timeout", "ouch.malformed", "ouch.unknown",
    "order_net.frames_bad_fcs", "order_net.underrun", "events.lost",
)
#: What leaves every book stale until the feed is reset.
_LASTING = ("mold.gaps", "mold.malformed", "itch.bad_length")
_STALE = str(BookState.STALE.name).lower()
_WRAP = 1 << 32


@dataclass(frozen=True)
class Rate:
    """A count and how fast it grows.

    Attributes
    ----------
    name : str
        What is counted.
    count : int
        Since the beginning.
    per_second : float
        Since the snapshot before.
    """

    name: str
    count: int
    per_second: float


@dataclass(frozen=True, kw_only=True)
class SymbolFigures:
    """A symbol.

    Attributes
    ----------
    book : Book
        Its book.
    position, open_orders : int
        Shares held; open orders, both by the appliance's own sums.
    profit_e4 : int or None
        Cash of its executions plus the position at the mid, 1e-4 USD, no fees; None without a mid,
        or if the order log does not cover the position: the control plane was started after it.
    trading : bool
        Its strategy makes orders.
    """

    book: Book
    position: int
    open_orders: int
    profit_e4: int | None
    trading: bool


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What a snapshot amounts to.

    Attributes
    ----------
    symbols : tuple of SymbolFigures
        By number of the book.
    profit_e4 : int or None
        Cash plus all positions at the mid since the appliance's reset, 1e-4 USD, no fees; None if a
        position has no mid.
    refusals : tuple of Rate
        By check, the fastest first.
    moving : tuple of Rate
        Counters that have moved, the fastest first.
    alerts : tuple of str
        What is wrong, the worst first.
    """

    symbols: tuple[SymbolFigures, ...]
    profit_e4: int | None
    refusals: tuple[Rate, ...]
    moving: tuple[Rate, ...]
    alerts: tuple[str, ...]


def figures(now: Snapshot, before: Snapshot | None = None) -> Figures:
    """Return what a snapshot amounts to, given the one before."""
    counters = _rates({row.name: row.value for row in now.counters},
                      {row.name: row.value for row in before.counters} if before else {},
                      now, before, wrap=_WRAP)
    refusals = _rates({row.check: row.count for row in now.log.refusals},
                      {row.check: row.count for row in before.log.refusals} if before else {},
                      now, before)
    symbols = _symbols(now)
    moving = tuple(rate for rate in counters if rate.per_second)
    return Figures(symbols=symbols, profit_e4=_profit_e4(now), refusals=refusals, moving=moving,
                   alerts=(*_state_alerts(now), *_book_alerts(now, symbols),
                           *_account_alerts(now, before),
                           *(f"{rate.name} grows by {rate.per_second:,.1f} a second"
                             for rate in moving if rate.name in _BAD_COUNTERS)))


def _rates(counts: Mapping[str, int], earlier: Mapping[str, int], now: Snapshot,
           before: Snapshot | None, wrap: int = 0) -> tuple[Rate, ...]:
    seconds = now.seconds - before.seconds if before is not None else 0.0
    found: list[Rate] = []
    for name, count in counts.items():
        step = count - earlier.get(name, 0)
        if step < 0:    # it wrapped, or began anew
            step = step + wrap if wrap and -step > wrap // 2 else count
        found.append(Rate(name, count, step / seconds if seconds > 0 else 0.0))
    return tuple(sorted(found, key=lambda rate: (-rate.per_second, -rate.count, rate.name)))


def _symbols(now: Snapshot) -> tuple[SymbolFigures, ...]:
    held = {row.symbol: row for row in now.account.positions}
    logged = {row.symbol: row for row in now.log.positions}
    found: list[SymbolFigures] = []
    for book in now.books:
        position = held[book.symbol].position if book.symbol in held else 0
        account = logged.get(book.symbol)
        profit_e4: int | None = None
        if (account.position if account else 0) == position:
            worth_e4 = book.worth_e4(position) if position else 0
            profit_e4 = (None if worth_e4 is None
                         else worth_e4 + (account.cash_e4 if account else 0))
        found.append(SymbolFigures(
            book=book, position=position, open_orders=_open_orders(held.get(book.symbol)),
            profit_e4=profit_e4, trading=book.symbol in now.status.trading))
    return tuple(found)


def _open_orders(row: Position | None) -> int:
    return row.orders_buy + row.orders_sell if row else 0


def _profit_e4(now: Snapshot) -> int | None:
    books = {book.symbol: book for book in now.books}
    total_e4 = now.account.cash_e4
    for row in now.account.positions:
        if row.position:
            worth_e4 = books[row.symbol].worth_e4(row.position) if row.symbol in books else None
            if worth_e4 is None:
                return None
            total_e4 += worth_e4
    return total_e4


def _state_alerts(now: Snapshot) -> list[str]:
    status, found = now.status, list[str]()
    if status.killed:
        reason = f": {now.risk.reason}" if now.risk.reason else ""
        found.append(f"killed by {', '.join(status.kill_causes) or 'a cause not told'}{reason}")
    if not status.memories_cleared:
        found.append("the appliance is still clearing its memories")
    if not status.feed_enabled:
        found.append("the feed is not enabled")
    elif not status.feed_up:
        found.append("the feed is silent or unhealthy: every order is refused")
    if not status.session_up:
        found.append("the order session is down: every order is refused")
    if not status.model_loaded:
        found.append("no model is loaded: nothing is scored")
    if status.events_lost:
        found.append(f"{status.events_lost:,} event records were lost: the order log is not whole")
    found += [f"{name} has a strategy and no limits" for name in status.trading
              if name not in status.limited]
    return found


def _book_alerts(now: Snapshot, symbols: tuple[SymbolFigures, ...]) -> list[str]:
    found = [f"{row.book.symbol} cannot be traded: {', '.join(row.book.states)}"
             for row in symbols if row.book.states]
    counts = {row.name: row.value for row in now.counters}
    causes = [f"{name} {counts[name]:,}" for name in _LASTING if counts.get(name)]
    if causes and any(_STALE in row.book.states for row in symbols):
        found.append(f"a book that stays stale has lost messages ({', '.join(causes)} so far): "
                     "tickwire feed reset")
    return found


def _account_alerts(now: Snapshot, before: Snapshot | None) -> list[str]:
    found: list[str] = []
    if now.log.unexplained:
        found.append(f"{now.log.unexplained:,} answers of the venue to orders that nobody saw sent")
    # What is read at two moments may differ by an execution between them; that does not last.
    lasting = _differing(now) & (_differing(before) if before is not None else set())
    found += [f"{name}: the appliance and the order log hold different positions"
              for name in sorted(lasting)]
    return found


def _differing(seen: Snapshot) -> set[str]:
    logged = {row.symbol: row.position for row in seen.log.positions}
    return {row.symbol for row in seen.account.positions
            if row.position != logged.get(row.symbol, 0)}
