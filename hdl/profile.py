"""Sizes of an appliance; blocks take a profile or a field of it, never a constant of their own."""

from dataclasses import dataclass, field

from amaranth.utils import bits_for, ceil_log2

__all__ = ["LINE_HZ", "PROFILES", "Profile"]

#: Clock of a kind of line, and of a core behind it: that of the order transmitter.
LINE_HZ = {"xgmii": 156_250_000, "gmii": 125_000_000}


def _power_of_two(value: int) -> bool:
    return value > 0 and value & (value - 1) == 0


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Sizes of one appliance.

    Attributes
    ----------
    name : str
        How people and reports call it.
    symbols : int
        Books kept at once.
    window_ticks : int
        Ticks a side whose price levels are held in memory; a power of two, at least 64.
    orders : int
        Slots of the order table; 60 % of them are guaranteed to be usable.
    cached_levels : int
        Best levels a side kept beside the datapath.
    frame_buffer_bytes : int
        Receive buffer of one feed port.
    tcp_ring_bytes : int
        Retransmission ring of one order session.
    event_ring_bytes : int
        Events kept until they are read.
    line : str
        Kind of its lines: ``xgmii`` (10GbE) or ``gmii`` (1GbE).

    Raises
    ------
    ValueError
        If a size is not a power of two where the hardware needs one.
    """

    name: str
    symbols: int
    window_ticks: int
    orders: int
    cached_levels: int = 8
    frame_buffer_bytes: int
    tcp_ring_bytes: int
    event_ring_bytes: int
    line: str = "xgmii"

    #: Slots a row and bank of the order table, and banks: two choices of four ways.
    order_ways: int = field(default=4, init=False)
    order_banks: int = field(default=2, init=False)

    def __post_init__(self) -> None:
        """Check every size."""
        if self.line not in LINE_HZ:
            raise ValueError(f"profile {self.name}: line must be one of {', '.join(LINE_HZ)}, "
                             f"was {self.line!r}")
        for name in ("window_ticks", "orders", "frame_buffer_bytes", "tcp_ring_bytes",
                     "event_ring_bytes"):
            value = getattr(self, name)
            if not _power_of_two(value):
                raise ValueError(f"profile {self.name}: {name} must be a power of two, was {value}")
        if self.window_ticks < 64:
            raise ValueError(f"profile {self.name}: window_ticks must be >= 64, "
                             f"was {self.window_ticks}")
        if self.orders < 64:
            raise ValueError(f"profile {self.name}: orders must be >= 64, was {self.orders}")
        if not 1 <= self.symbols <= 1024:
            raise ValueError(f"profile {self.name}: symbols must be 1 to 1024, was {self.symbols}")
        if not 2 <= self.cached_levels <= 16:
            raise ValueError(f"profile {self.name}: cached_levels must be 2 to 16, "
                             f"was {self.cached_levels}")

    @property
    def core_hz(self) -> int:
        """Frequency of the core clock, that of the order transmitter's line."""
        return LINE_HZ[self.line]

    @property
    def symbol_bits(self) -> int:
        """Width of a symbol index."""
        return max(1, ceil_log2(self.symbols))

    @property
    def order_rows(self) -> int:
        """Rows of one bank of the order table."""
        return self.orders // (self.order_ways * self.order_banks)

    @property
    def count_bits(self) -> int:
        """Width of a number of orders, enough for every slot of the table and its overflow."""
        return bits_for(self.orders + 16)


#: The named presets. ``bench`` has the sizes of ``ecp5`` behind a 10GbE line.
PROFILES = {
    profile.name: profile
    for profile in (
        Profile(name="sim", symbols=16, window_ticks=4096, orders=65536,
                frame_buffer_bytes=512 * 1024, tcp_ring_bytes=16 * 1024,
                event_ring_bytes=256 * 1024),
        Profile(name="bench", symbols=8, window_ticks=1024, orders=8192, cached_levels=6,
                frame_buffer_bytes=32 * 1024, tcp_ring_bytes=4 * 1024,
                event_ring_bytes=32 * 1024),
        Profile(name="ecp5", symbols=8, window_ticks=1024, orders=8192, cached_levels=6,
                frame_buffer_bytes=32 * 1024, tcp_ring_bytes=4 * 1024,
                event_ring_bytes=32 * 1024, line="gmii"),
        Profile(name="ecp5_45", symbols=4, window_ticks=512, orders=4096, cached_levels=6,
                frame_buffer_bytes=16 * 1024, tcp_ring_bytes=4 * 1024,
                event_ring_bytes=16 * 1024, line="gmii"),
        Profile(name="us", symbols=64, window_ticks=4096, orders=262144,
                frame_buffer_bytes=1024 * 1024, tcp_ring_bytes=16 * 1024,
                event_ring_bytes=1024 * 1024),
    )
}
