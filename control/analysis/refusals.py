"""What the risk gate has refused, and why."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from control.analysis.columns import column, symbols_of
from control.analysis.quotes import FeedClock
from proto.checks import failed_checks
from proto.events import OrderFlag

__all__ = ["Refusal", "by_check", "by_symbol_and_check", "refusals_of"]


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """One record of refusals.

    Attributes
    ----------
    ts_ns : int
        The exchange's time of the frame that caused the last of them, ns since midnight.
    symbol : str
        Symbol of the last of them; empty if the record names none, as they were of several.
    checks : tuple of str
        Checks that any of them failed, in lower case.
    count : int
        How many.
    cancel, sell : bool
        What the last of them was.
    quantity, price_e4, score : int
        Of the last of them.
    """

    ts_ns: int
    symbol: str
    checks: tuple[str, ...]
    count: int
    cancel: bool
    sell: bool
    quantity: int
    price_e4: int
    score: int


def refusals_of(records: pa.Table, clock: FeedClock) -> list[Refusal]:
    """Return the refusals of a recording, in order."""
    ingress = column(records, "ingress_cycle")
    times = clock.ns_of(np.where(ingress > 0, ingress, column(records, "cycle"))).tolist()
    names = ("mask", "count", "flags", "quantity", "price", "score")
    rows = zip(*(column(records, name).tolist() for name in names), strict=True)
    return [Refusal(ts_ns=ts_ns, symbol=symbol, count=count, quantity=quantity, price_e4=price,
                    score=score, cancel=bool(flags & OrderFlag.CANCEL),
                    sell=bool(flags & OrderFlag.SELL),
                    checks=tuple(check.name.lower() for check in failed_checks(mask)))
            for ts_ns, symbol, (mask, count, flags, quantity, price, score) in
            zip(times, symbols_of(records), rows, strict=True)]


def by_check(refusals: Iterable[Refusal]) -> Counter[str]:
    """Return the refusals by check; one that failed several counts for each."""
    found: Counter[str] = Counter()
    for refusal in refusals:
        for check in refusal.checks:
            found[check] += refusal.count
    return found


def by_symbol_and_check(refusals: Iterable[Refusal]) -> Counter[tuple[str, str]]:
    """Return the refusals by symbol and check, as :func:`by_check`."""
    found: Counter[tuple[str, str]] = Counter()
    for refusal in refusals:
        for check in refusal.checks:
            found[refusal.symbol, check] += refusal.count
    return found
