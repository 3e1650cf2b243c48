"""The exchange's side of an order session: SoupBinTCP and OUCH 5.0, bytes in and bytes out.

The session outlives its connections: sequenced messages are stored and replayed from the number
that a login asks for, and orders stay unless they are to be cancelled on disconnection.
"""

from collections.abc import Callable

from proto.wire.ouch50_codes import CancelReason, EventCode, RejectReason
from sim.exchange.orders import Market, Outcome
from sim.exchange.ouch_port import OuchPort
from sim.exchange.soup_server import SoupConnection, SoupSettings, SoupStream

__all__ = ["OuchSession"]


class OuchSession:
    """One order session with one account.

    Parameters
    ----------
    market : Market
        Where the orders go.
    settings : SoupSettings
        Login, session and timers; the user name is the account.
    apply : callable
        Takes every outcome of the market: publishes its events and routes its reports, also back
        to `port`.
    refusal : callable, optional
        Tells why no order in a symbol is taken now, or None; by default always None.
    cancel_on_disconnect : bool
        Whether losing the connection cancels all orders.

    Attributes
    ----------
    port : OuchPort
        The account's orders.
    stream : SoupStream
        Every message sent.
    """

    def __init__(self, market: Market, settings: SoupSettings, *,
                 apply: Callable[[Outcome], None],
                 refusal: Callable[[str], RejectReason | None] | None = None,
                 cancel_on_disconnect: bool = False) -> None:
        self.settings = settings
        self.stream = SoupStream(settings)
        self._cancel_on_disconnect = cancel_on_disconnect
        self.port = OuchPort(settings.username, market, apply=apply, send=self.stream.append,
                             refusal=refusal or (lambda symbol: None))

    def connect(self, now_ns: int) -> SoupConnection:
        """Return the application of a new connection."""
        return SoupConnection(self.stream, self.port.receive, self._lost, now_ns)

    def start_of_day(self, now_ns: int) -> None:
        """Open: the first sequenced message."""
        self.port.system_event(EventCode.START_OF_DAY, now_ns)

    def end_of_day(self, now_ns: int) -> None:
        """Cancel what is open, and end the session."""
        self.port.cancel_all(now_ns, CancelReason.CLOSED)
        self.port.system_event(EventCode.END_OF_DAY, now_ns)
        self.stream.end()

    def _lost(self, now_ns: int) -> None:
        if self._cancel_on_disconnect:
            self.port.cancel_all(now_ns, CancelReason.SUPERVISORY)
