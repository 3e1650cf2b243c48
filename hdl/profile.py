"""Sizes of an appliance; blocks take a profile or a field of it, never a constant of their own."""

from dataclasses import dataclass, field

from amaranth.utils import bits_for, ceil_log2

__all__ = ["PROFILES", "Profile"]


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
    core_hz : int
        Frequency of the core clock, that of the order transmitter's line.

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
    core_hz: int = 156_250_000

    #: Slots a row and bank of the order table, and banks: two choices of four ways.
    order_ways: int = field(default=4, init=False)
    order_banks: int = field(default=2, init=False)

    def __post_init__(self) -> None:
        """Check every size."""
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
    )
}
