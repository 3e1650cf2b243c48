"""How the demo's appliance is set up: with the commands that a person would type."""

from dataclasses import dataclass
from pathlib import Path

from control.units import format_ipv4, format_price
from demo.desk import Desk
from demo.market import OPENINGS_E4, TICK_E4
from sim.exchange.soup_server import SoupSettings
from sim.exchange.venue import ExchangeSettings

__all__ = ["PASSWORD", "TradingSettings", "set_up"]

_EXCHANGE = ExchangeSettings()
PASSWORD = SoupSettings().password

#: Own end of the order session.
_LOCAL_MAC, _LOCAL_IP, _LOCAL_PORT = "02:00:00:00:00:01", "192.0.2.1", "40001"


@dataclass(frozen=True, kw_only=True)
class TradingSettings:
    """What is traded how, and up to which limits.

    Every second symbol takes (IOC at the far touch), the others rest (day, at the near touch) and
    cancel when the score has turned.

    Attributes
    ----------
    threshold : int
        Score that trades.
    quantity : int
        Shares of an order.
    position : int
        Largest position to either side: small enough that orders are refused.
    cooldown_ns : int
        Least time between two orders of a symbol.
    message_interval_ns, message_burst_ns : int
        Sustained and burst rate of messages of the session.
    watchdog_ns : int
        Silence of the control plane, in simulated time, that kills.
    """

    threshold: int
    quantity: int = 100
    position: int = 400
    cooldown_ns: int = 2_000_000
    message_interval_ns: int = 500_000
    message_burst_ns: int = 5_000_000
    watchdog_ns: int = 2_000_000_000


def set_up(desk: Desk, settings: TradingSettings, model: Path) -> None:
    """Load symbols, limits, model, strategy and addresses; nothing is enabled but the feed."""
    names = [f"{symbol}@XNAS" for symbol in OPENINGS_E4]
    for name in names:
        desk.do("symbols", "set", name, "--tick", format_price(TICK_E4))
    for name, price_e4 in zip(names, OPENINGS_E4.values(), strict=True):
        desk.do("limits", "set", name, "--quantity", str(2 * settings.quantity),
                "--value", format_price(2 * settings.quantity * price_e4),
                "--collar", "2", "--collar-minimum", "0.10",
                "--long", str(settings.position), "--short", str(settings.position),
                "--open-orders", "4")
    desk.do("limits", "session", "--message-interval-ns", str(settings.message_interval_ns),
            "--message-burst-ns", str(settings.message_burst_ns), "--hold-ns", "1000000",
            "--watchdog-ns", str(settings.watchdog_ns))
    desk.do("model", "load", str(model))
    for number, name in enumerate(names):
        how = (["--far", "--ioc"] if number % 2 == 0 else
               ["--near", "--day", "--cancel-buy", "0", "--cancel-sell", "0"])
        desk.do("strategy", "set", name, "--buy", str(settings.threshold),
                "--sell", str(settings.threshold), "--quantity", str(settings.quantity),
                "--cooldown-ns", str(settings.cooldown_ns), *how, "--enable")
    port = _EXCHANGE.order_port
    desk.do("session", "set", "--local-mac", _LOCAL_MAC, "--local-ip", _LOCAL_IP,
            "--local-port", _LOCAL_PORT, "--peer-ip", format_ipv4(port.ip),
            "--peer-port", str(port.port), "--username", _EXCHANGE.soup.username)
    feed = _EXCHANGE.feed
    desk.do("feed", "set", "--group", format_ipv4(feed.group_ip), "--port", str(feed.udp_port),
            "--session", feed.session, "--cut-through", "--record-vectors", "--record-depth",
            "--enable")
