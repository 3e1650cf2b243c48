"""Numbers of the pre-trade checks; bit n-1 of a verdict's mask of failed checks is check n."""

from enum import IntEnum

__all__ = ["Check", "failed_checks"]


class Check(IntEnum):
    """A check of the risk gate; numbers as in the list of pre-trade risk controls."""

    QUANTITY = 1          #: quantity is zero or above the maximum
    VALUE = 2             #: price times quantity is above the maximum
    COLLAR = 4            #: price is beyond the band round the reference on the aggressive side
    POSITION = 9          #: worst-case position would leave its limits
    OPEN_ORDERS = 12      #: too many open orders, or no slot for another
    MESSAGE_RATE = 13     #: token bucket is empty
    RESTRICTED = 17       #: symbol is on the restricted list
    HALTED = 19           #: symbol may not be traded now
    SHORT_SALE = 22       #: short sale at or below the best bid while the price test is active
    BOOK = 31             #: book is stale, incomplete or one-sided, or the feed is unhealthy
    SESSION = 32          #: order session is down
    AGE = 33              #: decision had to wait too long
    DISARMED = 56         #: not armed
    KILLED = 57           #: killed, and not cleared
    NO_LIMITS = 58        #: no limits are loaded for the symbol

    @property
    def mask(self) -> int:
        """The check's bit in a mask."""
        return 1 << self - 1


def failed_checks(mask: int) -> tuple[Check, ...]:
    """Return the checks of a mask, lowest number first.

    Raises
    ------
    ValueError
        If a bit stands for no check.
    """
    return tuple(Check(bit + 1) for bit in range(mask.bit_length()) if mask >> bit & 1)
