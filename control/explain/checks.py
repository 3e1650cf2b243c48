"""Each check of the risk gate: its value beside its limit, and what the hardware said."""

from collections.abc import Mapping
from dataclasses import dataclass

from control.explain.account import Account
from control.explain.market import Touch
from control.explain.settings import SettingsInForce
from control.limits import Limits
from proto.checks import Check
from proto.events import BookState, StateFlag

__all__ = ["CheckRow", "Judged", "judge"]

_USD, _SHARES, _NS, _ORDERS, _FLAG = "1e-4 USD", "shares", "ns", "orders", ""
_HALTS = (BookState.HALTED | BookState.OPERATIONAL_HALT | BookState.MARKET_HALT
          | BookState.CLOSED)
_SPOILT = BookState.STALE | BookState.INCOMPLETE
_COLLAR_ONE = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Judged:
    """An order as the gate saw it.

    Attributes
    ----------
    symbol_index, quantity, price_e4 : int
        The order.
    sell : bool
        Its side.
    reference_e4 : int
        Mid that the collar is put round.
    worst_position : int
        Before the order, on its side.
    worst_short : int
        Position less what open orders may sell.
    open_orders : int
        Of the symbol.
    now_ns : int
        The appliance's clock.
    waited_ns : int
        From the intent to its verdict.
    """

    symbol_index: int
    quantity: int
    price_e4: int
    sell: bool
    reference_e4: int
    worst_position: int
    worst_short: int
    open_orders: int
    now_ns: int
    waited_ns: int


@dataclass(frozen=True, kw_only=True)
class CheckRow:
    """One check.

    Attributes
    ----------
    check : Check
        Which.
    rule : str
        What is compared, as ``value relation limit``.
    value, limit : int or None
        Both sides of the comparison; None if the rule does not concern the order.
    relation : str
        Between them.
    unit : str
        Of both; empty of a flag.
    passes : bool or None
        By these numbers; None if nothing recorded tells.
    """

    check: Check
    rule: str
    value: int | None = None
    limit: int | None = None
    relation: str = "<="
    unit: str = _FLAG
    passes: bool | None = None


def _compare(check: Check, rule: str, value: int, relation: str, limit: int,
             unit: str) -> CheckRow:
    passes = {"<=": value <= limit, ">=": value >= limit, "<": value < limit,
              ">": value > limit}[relation]
    return CheckRow(check=check, rule=rule, value=value, limit=limit, relation=relation, unit=unit,
                    passes=passes)


def _flag(check: Check, rule: str, passes: bool | None) -> CheckRow:
    return CheckRow(check=check, rule=rule, relation="", passes=passes)


def _by_limits(order: Judged, limits: Limits) -> dict[Check, CheckRow]:
    band = max(order.reference_e4 * limits.collar_fraction // _COLLAR_ONE,
               limits.collar_minimum_e4)
    if order.sell:
        collar = _compare(Check.COLLAR, "price against mid minus band", order.price_e4, ">=",
                          order.reference_e4 - band, _USD)
        position = _compare(Check.POSITION, "position if all sales execute",
                            order.worst_position - order.quantity, ">=", -limits.maximum_short,
                            _SHARES)
    else:
        collar = _compare(Check.COLLAR, "price against mid plus band", order.price_e4, "<=",
                          order.reference_e4 + band, _USD)
        position = _compare(Check.POSITION, "position if all purchases execute",
                            order.worst_position + order.quantity, "<=", limits.maximum_long,
                            _SHARES)
    quantity = (_compare(Check.QUANTITY, "quantity", order.quantity, "<=",
                         limits.maximum_quantity, _SHARES) if order.quantity else
                _compare(Check.QUANTITY, "quantity", 0, ">=", 1, _SHARES))
    rows = (
        quantity,
        _compare(Check.VALUE, "price times quantity", order.price_e4 * order.quantity, "<=",
                 limits.maximum_value_e4, _USD),
        collar, position,
        _compare(Check.OPEN_ORDERS, "open orders before it", order.open_orders, "<",
                 limits.maximum_open_orders, _ORDERS),
        _flag(Check.RESTRICTED, "on the restricted list" if limits.restricted
              else "not on the restricted list", not limits.restricted),
    )
    return {row.check: row for row in rows}


def _by_book(order: Judged, touch: Touch | None, account: Account) -> list[CheckRow]:
    if touch is None:
        return [_flag(check, "no record of the book before it", None)
                for check in (Check.HALTED, Check.SHORT_SALE, Check.BOOK)]
    state = touch.state
    halts, spoilt = state & _HALTS, state & _SPOILT
    names = ", ".join(flag.name.lower().replace("_", " ") for flag in halts | spoilt if flag.name)
    short = order.sell and order.quantity > order.worst_short
    if not short or not state & BookState.SHORT_RESTRICTED:
        sale = _flag(Check.SHORT_SALE, "no price test" if short else "no short sale", passes=True)
    else:
        sale = _compare(Check.SHORT_SALE, "price of the short sale against the bid",
                        order.price_e4, ">", touch.fields["bid_price"], _USD)
    feed_up = StateFlag.FEED_UP in account.flags
    if touch.usable and feed_up:
        book = "book exact, two sides, feed up"
    else:
        book = "the feed is down" if not feed_up else f"book {names or 'has one side only'}"
    return [_flag(Check.HALTED, f"symbol is {names}" if halts else "symbol is trading",
                  not halts),
            sale, _flag(Check.BOOK, book, touch.usable and feed_up)]


def judge(order: Judged, settings: SettingsInForce, account: Account,
          touch: Touch | None) -> list[CheckRow]:
    """Return every check of an order to enter, lowest number first."""
    limits = settings.limits(order.symbol_index)
    registers: Mapping[str, int] = settings.registers
    rows = [] if limits is None else list(_by_limits(order, limits).values())
    interval_ns, burst_ns = registers["risk.message_interval"], registers["risk.message_burst"]
    if not interval_ns:
        rate = _flag(Check.MESSAGE_RATE, "no message interval is set", passes=False)
    elif account.full_ns is None:
        rate = _flag(Check.MESSAGE_RATE, "times of messages are not recorded here", passes=None)
    else:
        rate = _compare(Check.MESSAGE_RATE, "ahead of the sustained rate",
                        max(0, account.full_ns - order.now_ns), "<=", burst_ns, _NS)
    flags = account.flags
    up, armed, killed = (flag in flags for flag in (
        StateFlag.SESSION_UP, StateFlag.ARMED, StateFlag.KILLED))
    rows += [
        rate, *_by_book(order, touch, account),
        _flag(Check.SESSION, "order session is " + ("up" if up else "down"), up),
        _compare(Check.AGE, "wait for the verdict", order.waited_ns, "<=", registers["risk.hold"],
                 _NS),
        _flag(Check.DISARMED, "armed" if armed else "not armed", armed),
        _flag(Check.KILLED, "killed" if killed else "not killed", not killed),
        _flag(Check.NO_LIMITS, "the symbol has no limits" if limits is None
              else f"limits are loaded, version {settings.limits_version}", limits is not None),
    ]
    return sorted(rows, key=lambda row: row.check)
