"""The market data of an exchange: events become ITCH 5.0 messages in MoldUDP64 packets.

Ref: Nasdaq TotalView-ITCH 5.0; MoldUDP64 1.00. Messages of the same instant share datagrams as far
as they fit; a datagram never holds messages of two instants.
"""

from collections.abc import Iterable

from proto.wire import ethernet, itch50, moldudp64
from proto.wire.itch50 import (
    Authenticity,
    EventCode,
    FinancialStatus,
    Flag,
    IpoFlag,
    LuldTier,
    MarketCategory,
    PriceVariation,
    RegShoAction,
    TradingState,
)
from proto.wire.itch50 import Side as ItchSide
from proto.wire.message import Message, Value
from sim.exchange.orders import (
    Added,
    Broken,
    Crossed,
    Deleted,
    Executed,
    ExecutedWithPrice,
    Imbalance,
    Instrument,
    Reduced,
    Replaced,
    StateChanged,
    SystemTold,
    Traded,
    VenueEvent,
)
from sim.exchange.packets import Endpoint, UdpTemplate
from sim.framing import FeedAddress

__all__ = ["ItchFeed", "encode_event"]

_SECOND_NS = 1_000_000_000
_LARGEST_PAYLOAD_BYTES = 1500 - ethernet.IPV4.size - ethernet.UDP.size
_SOURCE_MAC = 0x020000000001
#: Least whole percent of each indicator, most first.
_VARIATIONS = (
    (30, PriceVariation.FROM_30_PERCENT), (20, PriceVariation.FROM_20_PERCENT),
    (10, PriceVariation.FROM_10_PERCENT), (9, PriceVariation.FROM_9_PERCENT),
    (8, PriceVariation.FROM_8_PERCENT), (7, PriceVariation.FROM_7_PERCENT),
    (6, PriceVariation.FROM_6_PERCENT), (5, PriceVariation.FROM_5_PERCENT),
    (4, PriceVariation.FROM_4_PERCENT), (3, PriceVariation.FROM_3_PERCENT),
    (2, PriceVariation.FROM_2_PERCENT), (1, PriceVariation.FROM_1_PERCENT),
    (0, PriceVariation.BELOW_1_PERCENT),
)


def _encode(table: Message, locate: int, ts_ns: int, **values: Value) -> bytes:
    return table.encode({**values, "stock_locate": locate, "tracking_number": 0,
                         "timestamp": ts_ns})


def _variation(event: Imbalance) -> PriceVariation:
    """Return by how much the near price is off the reference price."""
    if not event.near_price_e4 or not event.reference_price_e4:
        return PriceVariation.NOT_AVAILABLE
    off = abs(event.near_price_e4 - event.reference_price_e4)
    percent = 100 * off // event.reference_price_e4
    return next(code for least, code in _VARIATIONS if percent >= least)


def encode_event(event: VenueEvent, locate: int) -> bytes:
    """Return the ITCH message that tells of an event."""
    match event:
        case Added():
            values: dict[str, Value] = {
                "stock": event.symbol, "order_reference_number": event.reference,
                "price": event.price_e4, "buy_sell_indicator": event.side,
                "shares": event.quantity}
            if event.mpid:
                return _encode(itch50.ADD_ORDER_MPID, locate, event.ts_ns, **values,
                               attribution=event.mpid)
            return _encode(itch50.ADD_ORDER, locate, event.ts_ns, **values)
        case Executed():
            return _encode(itch50.ORDER_EXECUTED, locate, event.ts_ns,
                           order_reference_number=event.reference,
                           executed_shares=event.quantity, match_number=event.match_number)
        case ExecutedWithPrice():
            return _encode(itch50.ORDER_EXECUTED_WITH_PRICE, locate, event.ts_ns,
                           order_reference_number=event.reference,
                           executed_shares=event.quantity, match_number=event.match_number,
                           printable=Flag.YES if event.printable else Flag.NO,
                           execution_price=event.price_e4)
        case Reduced():
            return _encode(itch50.ORDER_CANCEL, locate, event.ts_ns,
                           order_reference_number=event.reference,
                           cancelled_shares=event.quantity)
        case Deleted():
            return _encode(itch50.ORDER_DELETE, locate, event.ts_ns,
                           order_reference_number=event.reference)
        case Replaced():
            return _encode(itch50.ORDER_REPLACE, locate, event.ts_ns,
                           original_order_reference_number=event.original_reference,
                           new_order_reference_number=event.reference,
                           shares=event.quantity, price=event.price_e4)
        case Traded():
            return _encode(itch50.TRADE, locate, event.ts_ns, order_reference_number=0,
                           buy_sell_indicator=ItchSide.BUY, shares=event.quantity,
                           stock=event.symbol, price=event.price_e4,
                           match_number=event.match_number)
        case Crossed():
            return _encode(itch50.CROSS_TRADE, locate, event.ts_ns, shares=event.quantity,
                           stock=event.symbol, cross_price=event.price_e4,
                           match_number=event.match_number, cross_type=event.cross_type)
        case Imbalance():
            return _encode(itch50.NOII, locate, event.ts_ns, paired_shares=event.paired,
                           imbalance_shares=event.imbalance, imbalance_direction=event.direction,
                           stock=event.symbol, far_price=event.far_price_e4,
                           near_price=event.near_price_e4,
                           current_reference_price=event.reference_price_e4,
                           cross_type=event.cross_type,
                           price_variation_indicator=_variation(event))
        case Broken():
            return _encode(itch50.BROKEN_TRADE, locate, event.ts_ns,
                           match_number=event.match_number)
        case StateChanged():
            return _encode(itch50.STOCK_TRADING_ACTION, locate, event.ts_ns, stock=event.symbol,
                           trading_state=event.state, reserved="", reason=event.reason)
        case SystemTold():
            return _encode(itch50.SYSTEM_EVENT, 0, event.ts_ns, event_code=event.code)


def _template(address: FeedAddress, source_mac: int) -> UdpTemplate:
    return UdpTemplate(Endpoint(source_mac, address.source_ip, address.source_port),
                       Endpoint(address.group_mac, address.group_ip, address.udp_port),
                       vlan=address.vlan)


class ItchFeed:
    """One stream.

    Parameters
    ----------
    instruments : iterable of Instrument
        What the directory lists.
    address : FeedAddress
        Session and addresses of the packets.
    source_mac : int
        Ethernet address of the sender.
    heartbeat_ns : int
        Silence after which a heartbeat is sent.
    second : FeedAddress, optional
        Where the same packets are sent a second time: line B.

    Attributes
    ----------
    next_sequence : int
        Number of the next message.
    messages : int
        Messages sent.
    """

    def __init__(self, instruments: Iterable[Instrument], address: FeedAddress | None = None, *,
                 source_mac: int = _SOURCE_MAC, heartbeat_ns: int = _SECOND_NS,
                 second: FeedAddress | None = None) -> None:
        self.address = address or FeedAddress()
        self.next_sequence = 1
        self._instruments = {item.symbol: item for item in instruments}
        self._template = _template(self.address, source_mac)
        self._second = None if second is None else _template(second, source_mac)
        self._heartbeat_ns = heartbeat_ns
        self._last_packet_ns = 0
        self._pending_ns = 0
        self._pending: list[bytes] = []
        self._frames: list[tuple[int, bytes]] = []
        self._second_frames: list[tuple[int, bytes]] = []
        self._ended = False

    @property
    def messages(self) -> int:
        """Messages sent and pending."""
        return self.next_sequence - 1 + len(self._pending)

    @property
    def next_ns(self) -> int:
        """When the next heartbeat is due."""
        return self._last_packet_ns + self._heartbeat_ns

    def start(self, now_ns: int, *, market_hours: bool = True) -> None:
        """Send what opens a day: events, directory, trading actions, short sale states.

        Without `market_hours` their start is left to be told when it comes.
        """
        self.system_event(EventCode.START_OF_MESSAGES, now_ns)
        for item in self._instruments.values():
            self.publish_raw(now_ns, _encode(
                itch50.STOCK_DIRECTORY, item.locate, now_ns, stock=item.symbol,
                market_category=MarketCategory.NASDAQ_GLOBAL_SELECT,
                financial_status_indicator=FinancialStatus.NORMAL, round_lot_size=item.round_lot,
                round_lots_only=Flag.NO, issue_classification="C", issue_sub_type="Z",
                authenticity=Authenticity.PRODUCTION, short_sale_threshold_indicator=Flag.NO,
                ipo_flag=IpoFlag.NOT_NEW_IPO, luld_reference_price_tier=LuldTier.TIER_1,
                etp_flag=Flag.NO, etp_leverage_factor=0, inverse_indicator=Flag.NO))
        for symbol in self._instruments:
            self.trading_action(symbol, TradingState.TRADING, now_ns)
        for item in self._instruments.values():
            self.publish_raw(now_ns, _encode(
                itch50.REG_SHO_RESTRICTION, item.locate, now_ns, stock=item.symbol,
                reg_sho_action=RegShoAction.NO_PRICE_TEST))
        self.system_event(EventCode.START_OF_SYSTEM_HOURS, now_ns)
        if market_hours:
            self.system_event(EventCode.START_OF_MARKET_HOURS, now_ns)

    def system_event(self, code: EventCode, now_ns: int) -> None:
        """Send a system event."""
        self.publish([SystemTold(now_ns, code)])

    def trading_action(self, symbol: str, state: TradingState, now_ns: int,
                       reason: str = "") -> None:
        """Send the trading state of a symbol."""
        self.publish([StateChanged(now_ns, symbol, state, reason)])

    def publish(self, events: Iterable[VenueEvent]) -> None:
        """Send events, in order of time."""
        for event in events:
            locate = (0 if isinstance(event, SystemTold)
                      else self._instruments[event.symbol].locate)
            self.publish_raw(event.ts_ns, encode_event(event, locate))

    def publish_raw(self, now_ns: int, message: bytes) -> None:
        """Send a message as it is."""
        if now_ns != self._pending_ns:
            self.flush()
        self._pending_ns = now_ns
        self._pending.append(message)

    def advance(self, now_ns: int) -> None:
        """Send what is pending, or a heartbeat if it is time."""
        self.flush()
        if now_ns >= self.next_ns:
            count = moldudp64.END_OF_SESSION if self._ended else moldudp64.HEARTBEAT
            self._packet(now_ns, count, b"")

    def end(self, now_ns: int) -> None:
        """Send the events that close a day and the end of the session, which then repeats."""
        for code in (EventCode.END_OF_MARKET_HOURS, EventCode.END_OF_SYSTEM_HOURS,
                     EventCode.END_OF_MESSAGES):
            self.system_event(code, now_ns)
        self.flush()
        self._ended = True
        self._packet(now_ns, moldudp64.END_OF_SESSION, b"")

    def take_frames(self) -> list[tuple[int, bytes]]:
        """Return and forget (time, frame without FCS) of every packet, flushed ones only."""
        frames, self._frames = self._frames, []
        return frames

    def take_second_frames(self) -> list[tuple[int, bytes]]:
        """Return and forget those of line B; see :meth:`take_frames`."""
        frames, self._second_frames = self._second_frames, []
        return frames

    def flush(self) -> None:
        """Send what is pending."""
        room = _LARGEST_PAYLOAD_BYTES - moldudp64.HEADER.size
        blocks, count = bytearray(), 0
        for message in self._pending:
            block = len(message).to_bytes(moldudp64.BLOCK.size, "big") + message
            if count and len(blocks) + len(block) > room:
                self._packet(self._pending_ns, count, bytes(blocks))
                blocks, count = bytearray(), 0
            blocks += block
            count += 1
        if count:
            self._packet(self._pending_ns, count, bytes(blocks))
        self._pending.clear()

    def _packet(self, now_ns: int, count: int, blocks: bytes) -> None:
        header = moldudp64.HEADER.encode({
            "session": self.address.session, "sequence_number": self.next_sequence,
            "message_count": count})
        if count != moldudp64.END_OF_SESSION:
            self.next_sequence += count
        self._last_packet_ns = now_ns
        self._frames.append((now_ns, self._template.frame(header + blocks)))
        if self._second is not None:
            self._second_frames.append((now_ns, self._second.frame(header + blocks)))
