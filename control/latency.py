"""Percentiles of a latency histogram."""

from collections.abc import Mapping, Sequence

__all__ = ["SHARES_E4", "percentiles"]

#: The shares that are told, in 1e-4.
SHARES_E4 = (5000, 9000, 9900, 9990, 10000)


def percentiles(bins: Mapping[int, int], maximum: int,
                shares_e4: Sequence[int] = SHARES_E4) -> dict[int, int]:
    """Return, for each share, the least latency that so many of the orders do not exceed.

    Parameters
    ----------
    bins : mapping of int to int
        Orders by latency; the highest bin may stand for everything longer.
    maximum : int
        Longest latency that was seen; it stands for what is in the highest possible bin.
    shares_e4 : sequence of int
        Shares, in 1e-4.
    """
    total = sum(bins.values())
    if not total:
        return {}
    found: dict[int, int] = {}
    for share in shares_e4:
        wanted = -(-total * share // 10_000)
        seen = 0
        for latency in sorted(bins):
            seen += bins[latency]
            if seen >= wanted:
                found[share] = maximum if seen == total else latency
                break
    return found
