"""An entry of the cache of MAC addresses, and the halfwords that hold it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from control.errors import wrong_field
from control.units import format_ipv4, format_mac, parse_ipv4, parse_mac

__all__ = ["ArpEntry"]

_HALF_BITS = 16
_ADDRESS_HALVES, _MAC_HALVES = 2, 3
#: First address that is none of a station: that of a group or beyond.
_GROUPS = 0xE0000000
#: Of a MAC address: it is that of a group.
_GROUP_BIT = 1 << 40


@dataclass(frozen=True)
class ArpEntry:
    """The MAC address of an IPv4 address.

    Attributes
    ----------
    ip, mac : str
        The addresses.
    fixed : bool
        It was set, and no answer replaces it; else it was learnt.
    """

    HALVES: ClassVar[int] = _ADDRESS_HALVES + _MAC_HALVES

    ip: str
    mac: str
    fixed: bool

    @classmethod
    def checked(cls, ip: str, mac: str) -> Self:
        """Return the entry to set.

        Raises
        ------
        ControlError
            INVALID_FIELD if one of the addresses cannot be that of a station.
        """
        address, hardware = parse_ipv4(ip, "ip"), parse_mac(mac, "mac")
        if not 0 < address < _GROUPS:
            raise wrong_field("ip", "the address of one station, such as 10.0.0.1", ip)
        if not hardware or hardware & _GROUP_BIT:
            raise wrong_field("mac", "the address of one station, such as 02:00:00:00:00:01", mac)
        return cls(format_ipv4(address), format_mac(hardware), fixed=True)

    def halves(self) -> list[int]:
        """Return the halfwords of address and MAC address, first bytes first."""
        number = parse_ipv4(self.ip, "ip") << _HALF_BITS * _MAC_HALVES | parse_mac(self.mac, "mac")
        return [number >> _HALF_BITS * place & 0xFFFF for place in reversed(range(self.HALVES))]

    @classmethod
    def from_halves(cls, halves: Sequence[int], *, fixed: bool) -> Self:
        """Return the entry of which these are the halfwords."""
        number = 0
        for half in halves:
            number = number << _HALF_BITS | half
        address, mac = divmod(number, 1 << _HALF_BITS * _MAC_HALVES)
        return cls(format_ipv4(address), format_mac(mac), fixed)
