"""A book as a ladder: a row a price, bids to the left, asks to the right, our orders marked."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from control.units import format_price
from control.watch.snapshot import LadderView

__all__ = ["LADDER_TITLES", "Rung", "clock", "ladder_data", "ladder_head", "ladder_text", "rungs"]

LADDER_TITLES = ("our buys", "orders", "bids", "price", "asks", "orders", "our sales")
_NS = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Rung:
    """A price of a ladder; numbers are shares or orders, 0 for none.

    Attributes
    ----------
    price_e4 : int
        1e-4 USD.
    bid, bid_orders, ask, ask_orders : int
        What the book holds there.
    own_buy, own_sell : int
        Shares of our open orders.
    """

    price_e4: int
    bid: int = 0
    bid_orders: int = 0
    ask: int = 0
    ask_orders: int = 0
    own_buy: int = 0
    own_sell: int = 0

    def cells(self) -> tuple[str, ...]:
        """Return the texts of a row, as in LADDER_TITLES."""
        numbers = (self.own_buy, self.bid_orders, self.bid, self.ask, self.ask_orders,
                   self.own_sell)
        texts = [f"{number:,}" if number else "" for number in numbers]
        return (*texts[:3], format_price(self.price_e4), *texts[3:])


def rungs(view: LadderView) -> tuple[Rung, ...]:
    """Return the rows of a ladder, highest price first."""
    bids = {level.price_e4: level for level in view.book.bids}
    asks = {level.price_e4: level for level in view.book.asks}
    buys, sales = Counter[int](), Counter[int]()
    for order in view.own:
        (sales if order.sell else buys)[order.price_e4] += order.open_quantity
    found: list[Rung] = []
    for price_e4 in sorted(bids.keys() | asks.keys() | buys.keys() | sales.keys(), reverse=True):
        bid, ask = bids.get(price_e4), asks.get(price_e4)
        found.append(Rung(
            price_e4=price_e4, bid=bid.quantity if bid else 0, bid_orders=bid.orders if bid else 0,
            ask=ask.quantity if ask else 0, ask_orders=ask.orders if ask else 0,
            own_buy=buys[price_e4], own_sell=sales[price_e4]))
    return tuple(found)


def clock(ts_ns: int) -> str:
    """Return a time since midnight as text, to the microsecond."""
    seconds, rest = divmod(ts_ns, _NS)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest // 1000:06d}"


def ladder_head(view: LadderView) -> str:
    """Return what stands above a ladder."""
    book = view.book
    if not book.known:
        return f"{book.symbol}  no record of its book has come yet"
    spread = "-" if book.spread_e4 is None else format_price(book.spread_e4)
    return (f"{book.symbol}  {', '.join(book.states) or 'exact'}  spread {spread}  "
            f"{clock(book.ts_ns)}  message {book.feed_sequence:,}")


def ladder_text(view: LadderView) -> str:
    """Return a ladder as text."""
    table = [LADDER_TITLES, *(rung.cells() for rung in rungs(view))]
    widths = [max(len(row[column]) for row in table) for column in range(len(LADDER_TITLES))]
    return "\n".join([ladder_head(view), *(
        "  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in table)])


def ladder_data(view: LadderView) -> dict[str, Any]:
    """Return a ladder as data for JSON."""
    return {"book": asdict(view.book), "own_orders": [asdict(order) for order in view.own],
            "ladder": [asdict(rung) for rung in rungs(view)]}
