"""The only place where prices, addresses and signed words are converted."""

import ipaddress
import re
from decimal import Decimal, InvalidOperation

from control.errors import wrong_field

__all__ = [
    "cycles_to_ns", "dollars", "format_clock", "format_ipv4", "format_mac", "format_price",
    "parse_ipv4", "parse_mac", "parse_price", "signed", "unsigned",
]

_PRICE_SCALE = 4


def parse_price(text: str, field: str = "price") -> int:
    """Return a decimal number of dollars as an integer in 1e-4 USD.

    Raises
    ------
    ControlError
        If it is no such number, or finer than 1e-4.
    """
    wanted = f"dollars with at most {_PRICE_SCALE} decimals, such as 12.34"
    try:
        value = Decimal(text.strip()).scaleb(_PRICE_SCALE)
    except InvalidOperation:
        raise wrong_field(field, wanted, text) from None
    if not value.is_finite() or value != value.to_integral_value():
        raise wrong_field(field, wanted, text)
    return int(value)


def format_price(price_e4: int) -> str:
    """Return an amount in 1e-4 USD as dollars: at least two decimals, no needless others."""
    sign = "-" if price_e4 < 0 else ""
    whole, part = divmod(abs(price_e4), 10**_PRICE_SCALE)
    decimals = f"{part:0{_PRICE_SCALE}d}"
    while len(decimals) > 2 and decimals.endswith("0"):
        decimals = decimals[:-1]
    return f"{sign}{whole}.{decimals}"


def dollars(value_e4: int) -> Decimal:
    """Return an amount in 1e-4 USD as a decimal number of dollars, exactly."""
    return Decimal(value_e4).scaleb(-_PRICE_SCALE)


def format_clock(ts_ns: int) -> str:
    """Return a time since midnight as a time of day, to the nanosecond."""
    seconds, rest = divmod(ts_ns, 1_000_000_000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:09d}"


def parse_ipv4(text: str, field: str) -> int:
    """Return a dotted address as an integer.

    Raises
    ------
    ControlError
        If it is none.
    """
    try:
        return int(ipaddress.IPv4Address(text))
    except ipaddress.AddressValueError:
        raise wrong_field(field, "an IPv4 address such as 10.0.0.1", text) from None


def format_ipv4(address: int) -> str:
    """Return an address as dotted text."""
    return str(ipaddress.IPv4Address(address))


def parse_mac(text: str, field: str) -> int:
    """Return a MAC address as an integer, its first byte most significant.

    Raises
    ------
    ControlError
        If it is none.
    """
    if not re.fullmatch(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}", text):
        raise wrong_field(field, "a MAC address such as 02:00:00:00:00:01", text)
    return int(text.replace(":", ""), 16)


def format_mac(address: int) -> str:
    """Return a MAC address as text."""
    return address.to_bytes(6, "big").hex(":")


def signed(value: int, bits: int = 32) -> int:
    """Return the two's complement number in the lower `bits` of `value`."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def unsigned(value: int, bits: int = 32) -> int:
    """Return a signed number as the word that stands for it."""
    return value & ((1 << bits) - 1)


def cycles_to_ns(cycles: int, core_hz: int) -> int:
    """Return the time of some core cycles in ns, rounded up."""
    return -(-cycles * 1_000_000_000 // core_hz)
