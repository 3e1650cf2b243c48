"""What became of a message of the feed: an order, a refusal, or nothing, and then why."""

from typing import Any

from control.broker import DecodedEvent
from control.explain.account import account_at
from control.explain.explanation import (
    account_of,
    books_of,
    recording_of,
    signal_of,
    stages_of,
    trigger_of,
)
from control.explain.market import FeedMessage
from control.explain.run import Run
from control.units import format_price
from proto.events import OrderFlag

__all__ = ["explain_message"]


def _same_side(event: DecodedEvent, symbol_index: int, *, sell: bool) -> bool:
    flags = OrderFlag(event.fields["flags"])
    return (event.fields["symbol_index"] == symbol_index and OrderFlag.CANCEL not in flags
            and (OrderFlag.SELL in flags) == sell)


def _records(run: Run, message: FeedMessage, symbol_index: int) -> list[str]:
    """Return what event records say that the message caused."""
    lines: list[str] = []
    for event in run.history.of_kind("order_sent"):
        if event.fields["feed_sequence"] == message.sequence:
            number = event.fields["user_ref_num"]
            what = "the cancel of order" if event.fields["flags"] & OrderFlag.CANCEL else "order"
            lines.append(f"{what} {number}: `tickwire explain {number}`")
    for event in run.refusals():
        if event.fields["symbol_index"] == symbol_index and run.trigger(event) is message:
            number = event.fields["event_sequence"]
            lines.append(f"refusal {number}: `tickwire explain --refusal {number}`")
    return lines


def _cooldown(run: Run, message: FeedMessage, symbol_index: int, cooldown_ns: int) -> str | None:
    """Return what an earlier intent of the symbol still forbids, if it does."""
    now_ns = run.history.time_ns(message.last_cycle)
    intents = [(event.fields["decision_cycle"], f"order {event.fields['user_ref_num']}")
               for event in run.sent() if event.fields["symbol_index"] == symbol_index]
    intents += [(event.fields["ingress_cycle"], f"refusal {event.fields['event_sequence']}")
                for event in run.refusals() if event.fields["symbol_index"] == symbol_index
                and not event.fields["flags"] & OrderFlag.CANCEL]
    before = [intent for intent in intents if 0 < intent[0] < message.last_cycle]
    if not before:
        return None
    cycle, name = max(before)
    left_ns = run.history.time_ns(cycle) + cooldown_ns - now_ns
    return f"the cooldown after {name} goes on for {left_ns:,} ns" if left_ns > 0 else None


def _reasons(run: Run, message: FeedMessage, symbol_index: int) -> list[str]:
    """Return why the strategy made no intent, as far as it can be told."""
    settings = run.settings(message.last_cycle)
    strategy = settings.strategy(symbol_index)
    vector, score = run.score(symbol_index, message)
    if vector is None:
        return ["its features were not recorded: `tickwire feed set --record-vectors` does it"]
    if not vector.usable:
        return ["the book was not exact, or had one side only: no score is used"]
    if score is None:
        return ["no model was loaded"]
    if strategy is None or not strategy.enable:
        return ["the symbol has no strategy in force" if strategy is None
                else "the symbol's strategy is not enabled"]
    if -strategy.sell_threshold < score < strategy.buy_threshold:
        return [f"the score {score:,} is between {-strategy.sell_threshold:,}, which sells, and "
                f"{strategy.buy_threshold:,}, which buys"]
    sell = score < strategy.buy_threshold
    reasons = [f"the score {score:,} {'sells' if sell else 'buys'}, but:"]
    account = account_at(run.history, settings, message.last_cycle)
    reasons += [f"order {order.user_ref_num} of that side is open: {order.open_quantity:,} at "
                f"{format_price(order.price_e4)}"
                for order in account.open_orders(symbol_index) if order.sell == sell]
    if (cooling := _cooldown(run, message, symbol_index, strategy.cooldown_ns)) is not None:
        reasons.append(cooling)
    if len(reasons) == 1:
        counted = next((event for event in run.refusals()
                        if _same_side(event, symbol_index, sell=sell)
                        and event.fields["count"] > 1
                        and event.fields["ingress_cycle"] > message.frame.cycle), None)
        reasons.append("an intent was on its way, or the risk gate was busy" if counted is None
                       else f"it is probably one of the {counted.fields['count']:,} refusals that "
                            f"record {counted.fields['event_sequence']} counts: `tickwire explain "
                            f"--refusal {counted.fields['event_sequence']}`")
    return reasons


def explain_message(run: Run, sequence: int) -> dict[str, Any]:
    """Return what became of a message of the feed.

    Raises
    ------
    ControlError
        NOT_RECORDED.
    """
    message = run.message(sequence)
    index = run.market.symbol_of(message.locate)
    found: dict[str, Any] = {
        "what": "message", "recording": recording_of(run), "trigger": trigger_of(run, message),
        "stages": stages_of(run, message, None, index, sequence),
        "book": {"before": None, "after": None},
        "signal": None, "checks": [], "caused": [], "reasons": []}
    if index is None or not message.changes_book:
        found["reasons"] = ["its symbol is not watched" if index is None and message.changes_book
                            else "it changes no book: nothing is scored"]
        return found
    found["book"] = books_of(run, index, sequence)
    found["signal"] = signal_of(run, message, index, message.last_cycle, None)
    found["caused"] = _records(run, message, index)
    if not found["caused"]:
        found["reasons"] = _reasons(run, message, index)
    settings = run.settings(message.last_cycle)
    found["account"] = {"before": account_of(
        account_at(run.history, settings, message.last_cycle), index)}
    return found
