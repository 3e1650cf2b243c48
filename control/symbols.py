"""Watched symbols: names, tick sizes, and the registers that hold them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from control.errors import ControlError, Reason, wrong_field

__all__ = ["VENUE", "WatchedSymbol", "choose_index", "find", "name_of", "parse_name",
           "reciprocal", "symbol_of", "symbol_registers"]

#: The one venue of this version.
VENUE = "XNAS"

_STOCK_BYTES = 8
_FRACTION_BITS = 17
_LOCATE_VALID = 1 << 16


@dataclass(frozen=True, kw_only=True)
class WatchedSymbol:
    """A symbol with a book.

    Attributes
    ----------
    stock : str
        Name at the venue, at most eight characters.
    index : int
        Number of its book.
    tick_size_e4 : int
        Distance of two prices, in 1e-4 USD.
    locate : int or None
        Stock locate; None lets the appliance learn it.
    """

    stock: str
    index: int
    tick_size_e4: int
    locate: int | None = None

    @property
    def name(self) -> str:
        """What people write, such as ``AAPL@XNAS``."""
        return name_of(self.stock)


def name_of(stock: str) -> str:
    """Return the name of a stock with its venue."""
    return f"{stock}@{VENUE}"


def parse_name(text: str, field: str = "symbol") -> str:
    """Return the stock of a name with or without its venue.

    Raises
    ------
    ControlError
        If it is no name of a symbol of this venue.
    """
    stock, _, venue = text.partition("@")
    if not re.fullmatch(r"[\x21-\x3f\x41-\x7e]{1,8}", stock) or venue not in ("", VENUE):
        raise wrong_field(field, f"a symbol of at most {_STOCK_BYTES} characters at {VENUE}, "
                                 f"such as AAPL@{VENUE}", text)
    return stock


def reciprocal(tick_size_e4: int) -> tuple[int, int]:
    """Return the registers ``reciprocal`` and ``shift`` that belong to a tick size.

    Raises
    ------
    ControlError
        If the tick size is not 1 to 65535.
    """
    if not 1 <= tick_size_e4 <= 0xFFFF:
        raise wrong_field("tick_size_e4", "1 to 65535", tick_size_e4)
    shift = tick_size_e4.bit_length() - 1
    numerator = 1 << (_FRACTION_BITS + shift)
    return (2 * numerator + tick_size_e4) // (2 * tick_size_e4), shift


def symbol_registers(symbol: WatchedSymbol) -> dict[str, int]:
    """Return the registers of a watched symbol's element of ``symbols``, ``enable`` included.

    Raises
    ------
    ControlError
        If the locate or the tick size is out of range.
    """
    if symbol.locate is not None and not 0 <= symbol.locate <= 0xFFFF:
        raise wrong_field("locate", "0 to 65535", symbol.locate)
    multiplier, shift = reciprocal(symbol.tick_size_e4)
    stock = symbol.stock.encode("ascii").ljust(_STOCK_BYTES)
    return {
        "stock_lo": int.from_bytes(stock[4:], "big"),
        "stock_hi": int.from_bytes(stock[:4], "big"),
        "locate": 0 if symbol.locate is None else _LOCATE_VALID | symbol.locate,
        "tick_size": symbol.tick_size_e4,
        "reciprocal": multiplier,
        "shift": shift,
        "enable": 1,
    }


def symbol_of(index: int, registers: Mapping[str, int]) -> WatchedSymbol | None:
    """Return the symbol that an element of ``symbols`` holds, None if it is not watched."""
    if not registers["enable"] & 1:
        return None
    stock = (registers["stock_hi"] << 32 | registers["stock_lo"]).to_bytes(_STOCK_BYTES, "big")
    locate = registers["locate"]
    return WatchedSymbol(
        stock=stock.decode("latin-1").rstrip(" "), index=index,
        tick_size_e4=registers["tick_size"] & 0xFFFF,
        locate=locate & 0xFFFF if locate & _LOCATE_VALID else None)


def find(watched: Mapping[int, WatchedSymbol], stock: str) -> WatchedSymbol:
    """Return the watched symbol of a stock.

    Raises
    ------
    ControlError
        UNKNOWN_SYMBOL if it is not watched.
    """
    for symbol in watched.values():
        if symbol.stock == stock:
            return symbol
    raise ControlError(Reason.UNKNOWN_SYMBOL, f"{name_of(stock)} is not watched: set it first",
                       metadata={"symbol": name_of(stock)})


def choose_index(watched: Mapping[int, WatchedSymbol], stock: str, books: int) -> int:
    """Return the book of a stock, or the first free one.

    Raises
    ------
    ControlError
        SYMBOLS_FULL if all are taken.
    """
    for index, symbol in watched.items():
        if symbol.stock == stock:
            return index
    free = sorted(set(range(books)) - watched.keys())
    if not free:
        raise ControlError(Reason.SYMBOLS_FULL, f"at most {books} symbols can be watched: remove "
                                                f"one")
    return free[0]
