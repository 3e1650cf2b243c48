"""From a price to its place in a window of ticks, without a divider."""

from dataclasses import dataclass
from itertools import pairwise

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

__all__ = ["KEY_BITS", "OFFSET_BITS", "TICK_BITS", "Reciprocal", "TickConfig", "TickDivider",
           "reciprocal"]

#: Width of a tick size, in 1e-4 USD.
TICK_BITS = 16

#: Width of a price key: a price, inverted for bids, so that the lower key is the better price.
KEY_BITS = 32

#: Width of the signed distance of a key from the base of a window.
OFFSET_BITS = 36

_FRACTION_BITS = 17


class TickConfig(data.Struct):
    """Tick size of a symbol and its reciprocal, see :func:`reciprocal`."""

    tick_size: TICK_BITS       # 1e-4 USD
    multiplier: 18
    exponent: 4


@dataclass(frozen=True)
class Reciprocal:
    """Reciprocal of a tick size: ``1 / tick = multiplier / 2 ** (17 + exponent)``, rounded."""

    multiplier: int
    exponent: int


def reciprocal(tick_size: int) -> Reciprocal:
    """Return the reciprocal that the price-level memory wants beside a tick size.

    For a multiple ``n`` of the tick up to 32,768 the hardware's quotient of
    ``n * tick_size + tick_size // 2`` is exactly ``n``: the relative error of the multiplier
    is below 2**-17, so the half tick of rounding is never used up.

    Parameters
    ----------
    tick_size : int
        In 1e-4 USD, 1 to 65,535.

    Raises
    ------
    ValueError
        If `tick_size` is out of range.
    """
    if not 1 <= tick_size < 1 << TICK_BITS:
        raise ValueError(f"tick size must be 1 to {(1 << TICK_BITS) - 1}, was {tick_size}")
    exponent = tick_size.bit_length() - 1
    scale = 1 << (_FRACTION_BITS + exponent)
    return Reciprocal((2 * scale + tick_size) // (2 * tick_size), exponent)


class TickDivider(wiring.Component):
    """Divide the distance of a price from the base of a window by the tick size.

    Latency: 4 cycles, `offset` sampled to `index`. Throughput: 1 division per cycle.
    It never stalls; what goes with a division is delayed by the same four cycles outside.

    Parameters
    ----------
    window_ticks : int
        Ticks of the window, a power of two.

    Members
    -------
    offset : ``In(signed(36))``
        Key minus base of the window.
    config : ``In(TickConfig)``
        Of the symbol, together with `offset`.
    index : ``Out(log2(window_ticks))``
        The quotient; defined when `inside`.
    inside : ``Out(1)``
        ``0 <= offset < window_ticks * tick_size``.
    better : ``Out(1)``
        ``offset < 0``: a price better than every tick of the window.
    offset_out, config_out : ``Out``
        The inputs that `index` belongs to.

    Raises
    ------
    ValueError
        If `window_ticks` is not a power of two from 64 to 32,768.
    """

    LATENCY = 4

    def __init__(self, window_ticks):
        if not 64 <= window_ticks <= 32768 or window_ticks & (window_ticks - 1):
            raise ValueError("window_ticks must be a power of two from 64 to 32768, "
                             f"was {window_ticks}")
        self.window_ticks = window_ticks
        super().__init__({
            "offset":     In(signed(OFFSET_BITS)),
            "config":     In(TickConfig),
            "index":      Out(ceil_log2(window_ticks)),
            "inside":     Out(1),
            "better":     Out(1),
            "offset_out": Out(signed(OFFSET_BITS)),
            "config_out": Out(TickConfig),
        })

    def elaborate(self, platform):
        m = Module()

        index_bits = ceil_log2(self.window_ticks)
        span_bits = index_bits + TICK_BITS + 1
        low_bits = 15

        # What travels beside the quotient.
        offsets = [self.offset]
        configs = [self.config]
        for stage in range(self.LATENCY):
            offset = Signal(signed(OFFSET_BITS), name=f"offset_{stage}", reset_less=True)
            config = Signal(TickConfig, name=f"config_{stage}", reset_less=True)
            m.d.sync += [offset.eq(offsets[-1]), config.eq(configs[-1])]
            offsets.append(offset)
            configs.append(config)

        # Round by half a tick; the multiplier sees no sign: an offset outside is not used.
        biased = Signal(span_bits, reset_less=True)
        in_window = [Signal(name=f"inside_{n}", reset_less=True) for n in range(1, 5)]
        m.d.sync += [
            biased.eq(self.offset[:span_bits] + (self.config.tick_size >> 1)),
            in_window[0].eq((self.offset >= 0) &
                            (self.offset < (self.config.tick_size << index_bits))),
            *(after.eq(before) for before, after in pairwise(in_window)),
        ]

        # Two partial products, each of the size of one hardware multiplier.
        multiplier = configs[1].multiplier
        low = Signal(low_bits + 18, reset_less=True)
        high = Signal(span_bits - low_bits + 18, reset_less=True)
        m.d.sync += [low.eq(biased[:low_bits] * multiplier),
                     high.eq(biased[low_bits:] * multiplier)]

        product = Signal(span_bits + 18, reset_less=True)
        m.d.sync += product.eq(low + (high << low_bits))

        with m.Switch(configs[3].exponent):
            for exponent in range(16):
                with m.Case(exponent):
                    start = _FRACTION_BITS + exponent
                    m.d.sync += self.index.eq(product[start:start + index_bits])

        m.d.comb += [
            self.inside.eq(in_window[-1]),
            self.better.eq(offsets[-1] < 0),
            self.offset_out.eq(offsets[-1]),
            self.config_out.eq(configs[-1]),
        ]
        return m
