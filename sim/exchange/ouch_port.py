"""The orders of one account: OUCH 5.0 messages in, market actions and OUCH 5.0 messages out.

Ref: Nasdaq OUCH 5.0 Order Entry Specification, revision 1.04. Taken are Enter, Replace, Cancel,
Modify (quantity only), Mass Cancel and Account Query. What this venue does not offer (pegs, minimum
quantity, reserves, crosses, channels) is rejected by the reason for it; a message that cannot be
decoded is counted and dropped.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from proto.wire import itch50, ouch50
from proto.wire.message import Value, WireError
from proto.wire.ouch50 import OuchMessage
from proto.wire.ouch50_codes import (
    CancelReason,
    CrossType,
    Display,
    EventCode,
    OrderState,
    PostOnly,
    PriceType,
    RejectReason,
    Side,
    TimeInForce,
)
from sim.exchange import orders
from sim.exchange.orders import Fill, Market, NewOrder, Outcome, Report

__all__ = ["OuchPort", "OwnOrder"]

_SELLS = frozenset({Side.SELL, Side.SELL_SHORT, Side.SELL_SHORT_EXEMPT})
_DISPLAYS = frozenset({Display.VISIBLE, Display.HIDDEN, Display.ATTRIBUTABLE})
_TIMES_IN_FORCE = {TimeInForce.DAY: orders.TimeInForce.DAY, TimeInForce.GTX: orders.TimeInForce.DAY,
                   TimeInForce.IOC: orders.TimeInForce.IOC}
#: Options that an order may carry without any effect here.
_CARRIED = frozenset({"firm", "customer_type", "trade_now", "group_id", "shares_located",
                      "locate_broker", "aiq_strategy", "aiq_group_id", "handle_inst"})
_LIQUIDITY_ADDED, _LIQUIDITY_REMOVED = "A", "R"
_LIQUIDITY_CROSS = {itch50.CrossType.OPENING: "O", itch50.CrossType.CLOSING: "C",
                    itch50.CrossType.HALT_OR_IPO: "K"}

Fields = dict[str, Value]


@dataclass(slots=True)
class OwnOrder:
    """An order of the account.

    Attributes
    ----------
    user_ref_num : int
        Its number at the client; that of the last replacement.
    reference : int
        Its number in the market.
    fields, options : dict
        As entered or replaced.
    open_quantity, executed : int
        Shares; executed ones of the whole chain of replacements.
    """

    user_ref_num: int
    reference: int
    fields: Fields
    options: Fields
    open_quantity: int = 0
    executed: int = 0


@dataclass(slots=True)
class _State:
    """What the port remembers."""

    last_user_ref_num: int = 0
    by_number: dict[int, OwnOrder] = field(default_factory=dict[int, OwnOrder])
    by_reference: dict[int, OwnOrder] = field(default_factory=dict[int, OwnOrder])


class OuchPort:
    """One port with one account behind it.

    Parameters
    ----------
    account : str
        Name under which its orders enter the market.
    market : Market
        Where they go.
    apply : callable
        Takes every outcome: publishes its events and routes its reports (also back to this port).
    send : callable
        Takes every sequenced message.
    refusal : callable
        Tells why no order in a symbol is taken now, or None.

    Attributes
    ----------
    counters : Counter
        ``entered``, ``accepted``, ``rejected``, ``duplicate``, ``ignored`` and ``malformed``.
    """

    def __init__(self, account: str, market: Market, *, apply: Callable[[Outcome], None],
                 send: Callable[[bytes], None],
                 refusal: Callable[[str], RejectReason | None]) -> None:
        self.account = account
        self.counters: Counter[str] = Counter()
        self._market = market
        self._apply = apply
        self._send = send
        self._refusal = refusal
        self._state = _State()
        self._handlers: dict[str, Callable[[Fields, Fields, int], None]] = {
            ouch50.ENTER_ORDER.name: self._enter,
            ouch50.REPLACE_ORDER.name: self._replace,
            ouch50.CANCEL_ORDER.name: self._cancel,
            ouch50.MODIFY_ORDER.name: self._modify,
            ouch50.MASS_CANCEL.name: self._mass_cancel,
            ouch50.ACCOUNT_QUERY.name: self._account_query,
        }

    @property
    def live_orders(self) -> list[OwnOrder]:
        """Orders with open shares, in order of entry."""
        return [order for order in self._state.by_number.values() if order.open_quantity]

    def receive(self, message: bytes, now_ns: int) -> None:
        """Take in one message of the client."""
        table = ouch50.INBOUND.get(message[0]) if message else None
        handler = None if table is None else self._handlers.get(table.name)
        if table is None or handler is None:
            self.counters["malformed" if table is None else "ignored"] += 1
            return
        try:
            fields, options = table.decode(message)
        except WireError:
            self.counters["malformed"] += 1
            return
        del fields["message_type"]      # what is left has the same names in the answers
        handler(fields, options, now_ns)

    def report(self, report: Report) -> None:
        """Tell the client of a fill or a cancellation of one of its orders."""
        order = self._state.by_reference.get(report.reference)
        if order is None:
            return
        order.open_quantity -= report.quantity
        if isinstance(report, Fill):
            order.executed += report.quantity
            self._put(ouch50.ORDER_EXECUTED, report.ts_ns, user_ref_num=order.user_ref_num,
                      quantity=report.quantity, price=report.price_e4,
                      liquidity_flag=_liquidity_flag(report),
                      match_number=report.match_number)
        else:
            self._put(ouch50.ORDER_CANCELED, report.ts_ns, user_ref_num=order.user_ref_num,
                      quantity=report.quantity, reason=report.reason)
        if not order.open_quantity:
            self._state.by_reference.pop(order.reference, None)

    def system_event(self, code: EventCode, now_ns: int) -> None:
        """Tell of the start or the end of the day."""
        self._put(ouch50.SYSTEM_EVENT, now_ns, event_code=code)

    def cancel_all(self, now_ns: int, reason: CancelReason) -> None:
        """Cancel every order of the account."""
        for order in self.live_orders:
            self._take_off(order, order.open_quantity, now_ns, reason)

    def _put(self, table: OuchMessage, now_ns: int, options: Fields | None = None,
             **values: Value) -> None:
        allowed = {name: value for name, value in (options or {}).items()
                   if name in table.options}
        self._send(table.encode({**values, "timestamp": now_ns}, allowed))

    def _is_new(self, number: int) -> bool:
        """Tell whether a number is one of a new transaction; an old one is silently ignored."""
        if number <= self._state.last_user_ref_num:
            self.counters["duplicate"] += 1
            return False
        return True

    def _reject(self, fields: Fields, reason: RejectReason, now_ns: int) -> None:
        self.counters["rejected"] += 1
        self._state.last_user_ref_num = int(fields["user_ref_num"])
        self._put(ouch50.REJECTED, now_ns, user_ref_num=fields["user_ref_num"], reason=reason,
                  cl_ord_id=fields["cl_ord_id"])

    def _enter(self, fields: Fields, options: Fields, now_ns: int) -> None:
        number = int(fields["user_ref_num"])
        if not self._is_new(number):
            return
        self.counters["entered"] += 1
        reason = self._why_not(fields, options)
        if reason is not None:
            self._reject(fields, reason, now_ns)
            return
        self._state.last_user_ref_num = number
        outcome = self._market.enter(NewOrder(
            symbol=str(fields["symbol"]), side=_market_side(fields),
            quantity=int(fields["quantity"]), price_e4=int(fields["price"]),
            time_in_force=_TIMES_IN_FORCE[TimeInForce(str(fields["time_in_force"]))],
            account=self.account, displayed=fields["display"] != Display.HIDDEN,
            post_only=options.get("post_only") == PostOnly.POST_ONLY), now_ns)
        self.counters["accepted"] += 1
        order = OwnOrder(number, outcome.reference, fields, options, int(fields["quantity"]))
        self._remember(order)
        self._put(ouch50.ORDER_ACCEPTED, now_ns, options, **fields,
                  order_reference_number=outcome.reference, order_state=OrderState.LIVE)
        self._apply(outcome)

    def _why_not(self, fields: Fields, options: Fields) -> RejectReason | None:
        """Return the first reason against an order, or None."""
        instrument = self._market.instrument(str(fields["symbol"]))
        if instrument is None:
            return RejectReason.INVALID_SYMBOL
        price_e4 = int(fields["price"])
        price_is_good = 0 < price_e4 <= ouch50.HIGHEST_LIMIT_PRICE and \
            price_e4 % instrument.tick_e4 == 0
        rules = (
            (fields["side"] in {*_SELLS, Side.BUY}, RejectReason.INVALID_SIDE),
            (1 <= int(fields["quantity"]) <= ouch50.MAXIMUM_QUANTITY,
             RejectReason.INVALID_QUANTITY),
            (price_is_good, RejectReason.INVALID_PRICE),
            (fields["display"] in _DISPLAYS, RejectReason.INVALID_DISPLAY),
            (fields["cross_type"] == CrossType.CONTINUOUS, RejectReason.INVALID_CROSS_ORDER),
            (fields["time_in_force"] in _TIMES_IN_FORCE, RejectReason.OTHER),
            (not options.get("min_qty"), RejectReason.INVALID_MIN_QUANTITY),
            (not options.get("max_floor"), RejectReason.INVALID_MAX_FLOOR),
            (options.get("price_type", PriceType.LIMIT) == PriceType.LIMIT,
             RejectReason.PEGGING_NOT_ALLOWED),
            (options.keys() <= _CARRIED | {"min_qty", "max_floor", "price_type", "post_only"},
             RejectReason.OTHER),
        )
        for good, reason in rules:
            if not good:
                return reason
        return self._refusal(instrument.symbol)

    def _remember(self, order: OwnOrder) -> None:
        self._state.by_number[order.user_ref_num] = order
        self._state.by_reference[order.reference] = order

    def _replace(self, fields: Fields, options: Fields, now_ns: int) -> None:
        number = int(fields["user_ref_num"])
        old = self._state.by_number.get(int(fields["orig_user_ref_num"]))
        if not self._is_new(number):
            return
        if old is None or not old.open_quantity:
            self.counters["ignored"] += 1
            return
        merged = {**old.fields, **{name: value for name, value in fields.items()
                                   if name in old.fields}}
        kept = {**old.options, **options}
        open_quantity = int(fields["quantity"]) - old.executed
        if self._why_not(merged, kept) is not None or open_quantity <= 0:
            # Bad details cancel the original and leave the new number free.
            self._take_off(old, old.open_quantity, now_ns, CancelReason.USER_REQUESTED)
            return
        self._state.last_user_ref_num = number
        if _is_immediate(merged):
            # A replacement that may not rest is a deletion and a new order.
            self._replace_by_entry(old, number, merged, kept, open_quantity, now_ns)
            return
        del self._state.by_reference[old.reference]
        old.open_quantity = 0
        outcome = self._market.replace(old.reference, open_quantity, int(fields["price"]), now_ns)
        self._replaced(old, number, merged, kept, open_quantity, outcome, now_ns)

    def _replace_by_entry(self, old: OwnOrder, number: int, fields: Fields, options: Fields,
                          open_quantity: int, now_ns: int) -> None:
        del self._state.by_reference[old.reference]     # its cancellation is not told
        self._apply(self._market.reduce(old.reference, old.open_quantity, now_ns))
        old.open_quantity = 0
        outcome = self._market.enter(NewOrder(
            symbol=str(fields["symbol"]), side=_market_side(fields), quantity=open_quantity,
            price_e4=int(fields["price"]), time_in_force=orders.TimeInForce.IOC,
            account=self.account), now_ns)
        self._replaced(old, number, fields, options, open_quantity, outcome, now_ns)

    def _replaced(self, old: OwnOrder, number: int, fields: Fields, options: Fields,
                  open_quantity: int, outcome: Outcome, now_ns: int) -> None:
        order = OwnOrder(number, outcome.reference, fields, options, open_quantity, old.executed)
        self._remember(order)
        told = {**fields, "quantity": open_quantity, "user_ref_num": number}
        self._put(ouch50.ORDER_REPLACED, now_ns, options, **told,
                  orig_user_ref_num=old.user_ref_num, order_reference_number=outcome.reference,
                  order_state=OrderState.LIVE)
        self._apply(outcome)

    def _cancel(self, fields: Fields, options: Fields, now_ns: int) -> None:
        order = self._state.by_number.get(int(fields["user_ref_num"]))
        if order is not None:
            keep = max(0, int(fields["quantity"]) - order.executed)
            self._take_off(order, order.open_quantity - keep, now_ns, CancelReason.USER_REQUESTED)

    def _modify(self, fields: Fields, options: Fields, now_ns: int) -> None:
        order = self._state.by_number.get(int(fields["user_ref_num"]))
        if order is None or not order.open_quantity:
            return
        if fields["side"] != order.fields["side"]:
            self.counters["ignored"] += 1
            return
        keep = max(0, int(fields["quantity"]) - order.executed)
        less = order.open_quantity - keep
        if less > 0:
            del self._state.by_reference[order.reference]   # told as a modification instead
            self._apply(self._market.reduce(order.reference, less, now_ns))
            order.open_quantity = keep
            if keep:
                self._state.by_reference[order.reference] = order
            self._put(ouch50.ORDER_MODIFIED, now_ns, user_ref_num=order.user_ref_num,
                      side=fields["side"], quantity=keep)

    def _mass_cancel(self, fields: Fields, options: Fields, now_ns: int) -> None:
        number = int(fields["user_ref_num"])
        if not self._is_new(number):
            return
        self._state.last_user_ref_num = number
        self._put(ouch50.MASS_CANCEL_RESPONSE, now_ns, options, user_ref_num=number,
                  firm=fields["firm"], symbol=fields["symbol"])
        for order in self.live_orders:
            same_symbol = not fields["symbol"] or fields["symbol"] == order.fields["symbol"]
            if same_symbol and options.get("side", order.fields["side"]) == order.fields["side"]:
                self._take_off(order, order.open_quantity, now_ns, CancelReason.USER_REQUESTED)

    def _account_query(self, fields: Fields, options: Fields, now_ns: int) -> None:
        self._put(ouch50.ACCOUNT_QUERY_RESPONSE, now_ns,
                  next_user_ref_num=self._state.last_user_ref_num + 1)

    def _take_off(self, order: OwnOrder, quantity: int, now_ns: int, reason: CancelReason) -> None:
        if quantity > 0:
            self._apply(self._market.reduce(order.reference, quantity, now_ns, reason))


def _liquidity_flag(fill: Fill) -> str:
    if fill.cross is not None:
        return _LIQUIDITY_CROSS[fill.cross]
    return _LIQUIDITY_ADDED if fill.added else _LIQUIDITY_REMOVED


def _market_side(fields: Fields) -> orders.Side:
    return orders.Side.SELL if fields["side"] in _SELLS else orders.Side.BUY


def _is_immediate(fields: Fields) -> bool:
    return fields["time_in_force"] == TimeInForce.IOC
