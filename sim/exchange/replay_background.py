"""A capture as the background of an exchange: its messages are the feed and the market."""

from collections.abc import Iterator
from pathlib import Path

from proto.wire import itch50
from proto.wire.itch50 import TradingState
from sim.captures import Capture
from sim.exchange.itch_feed import ItchFeed
from sim.exchange.orders import Instrument, Outcome
from sim.exchange.replay_fills import ReplayMarket
from sim.exchange.tcp_connection import NEVER_NS
from sim.prescan import packet_of, prescan

__all__ = ["ReplayBackground", "instruments_of"]

_TIMESTAMP = itch50.HEADER.field("timestamp").span


def instruments_of(path: Path) -> list[Instrument]:
    """Return the symbols of a capture that have a name and orders.

    Raises
    ------
    CaptureError
        If the file is not what it should be.
    """
    found = prescan(Capture(path))
    return [Instrument(symbol=info.stock, locate=info.locate, tick_e4=info.tick_size)
            for info in found.with_books() if info.stock]


def _messages(path: Path) -> Iterator[bytes]:
    capture = Capture(path)
    for record in capture.records():
        if capture.kind == "itch":
            yield record.data
        elif not record.sliced and (packet := packet_of(record.data)) is not None:
            yield from packet.messages


class ReplayBackground:
    """The messages of a capture, each at the time of its stamp.

    Messages before `start_ns` all come at `start_ns`, in order, with their own stamps.

    Parameters
    ----------
    path : Path
        The capture.
    market : ReplayMarket
        What follows it.
    feed : ItchFeed
        Where the messages are sent.
    start_ns : int
        When it begins.
    """

    def __init__(self, path: Path, market: ReplayMarket, feed: ItchFeed, start_ns: int) -> None:
        self._messages = _messages(path)
        self._market = market
        self._feed = feed
        self._start_ns = start_ns
        self._next = next(self._messages, None)
        self._now_ns = start_ns

    @property
    def next_ns(self) -> int:
        """When the next message comes."""
        if self._next is None:
            return NEVER_NS
        return max(self._now_ns, int.from_bytes(self._next[_TIMESTAMP], "big"))

    def opening(self) -> list[Outcome]:
        """Return nothing: a capture opens by itself."""
        return []

    def set_state(self, symbol: str, state: TradingState, now_ns: int) -> None:
        """Do nothing: a capture cannot be stopped; only our orders are refused."""

    def observe(self, outcome: Outcome) -> None:
        """Do nothing: a capture takes no notice of us."""

    def step(self) -> list[Outcome]:
        """Send and apply the next message."""
        message = self._next
        if message is None:
            return []
        self._now_ns = self.next_ns
        self._feed.publish_raw(self._now_ns, message)
        self._next = next(self._messages, None)
        return [self._market.apply(message)]
