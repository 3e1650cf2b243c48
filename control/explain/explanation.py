"""The life of one order, or what became of a signal, as plain data."""

from collections.abc import Sequence
from typing import Any

from control.broker import DecodedEvent
from control.explain.account import Account, account_at
from control.explain.checks import CheckRow, Judged, judge
from control.explain.frame import decode_frame, shown
from control.explain.market import FeedMessage, Touch
from control.explain.run import Run
from control.orders import OrderLog
from proto.checks import Check, failed_checks
from proto.events import NO_SYMBOL, AnswerCode, BookState, OrderFlag
from proto.features import FEATURES
from proto.wire.ouch50_codes import CancelReason, RejectReason

__all__ = [
    "account_of", "books_of", "explain_order", "explain_refusal", "list_run", "recording_of",
    "signal_of", "stages_of", "trigger_of",
]

_BOOK = ("bid_price", "bid_quantity", "bid_count", "ask_price", "ask_quantity", "ask_count")


def recording_of(run: Run) -> dict[str, Any]:
    """Return what the explanation is made from."""
    history = run.history
    return {"path": str(history.path), "profile": history.head.profile,
            "core_hz": history.head.core_hz, "complete": history.complete,
            "recorded": history.recorded, "tops_dropped": run.market.dropped}


def trigger_of(run: Run, message: FeedMessage) -> dict[str, Any]:
    """Return a message of the feed and the frame that brought it."""
    layout = message.layout
    named = run.settings(message.last_cycle).name_of(index) \
        if (index := run.market.symbol_of(message.locate)) is not None else None
    return {
        "sequence": message.sequence, "session": message.session,
        "name": layout.name if layout is not None else "unknown",
        "type": message.body[:1].decode("latin-1"), "symbol": named,
        "fields": {name: value for name, value in message.fields.items() if name != "message_type"},
        "text": {field.name: shown(field, message.fields[field.name])
                 for field in (layout or ()) if field.name in message.fields},
        "bytes": message.body.hex(), "offset_bytes": message.offset,
        "messages_in_frame": message.in_frame, "frame_bytes": len(message.frame.content),
        "arrived_ns": run.history.time_ns(message.frame.cycle),
        "cut_through": bool(run.settings(message.last_cycle).registers["control.fcs_mode"]),
    }


def stages_of(run: Run, message: FeedMessage | None, event: DecodedEvent | None,
              symbol_index: int | None, sequence: int) -> list[dict[str, Any]]:
    """Return the stamps between a trigger and its order, in their order."""
    found: list[tuple[int, str, str]] = []
    fields = {} if event is None else event.fields
    if message is not None:
        found += [
            (message.frame.cycle, "Start of the trigger's frame at the feed pins", "feed"),
            (message.last_cycle, "last byte of the message at the feed pins", "feed"),
        ]
    top = None if symbol_index is None else run.top_record(symbol_index, sequence)
    if top is not None:
        found.append((top.fields["cycle"], "new best bid and offer recorded", "book"))
        fields = {"ingress_cycle": top.fields["ingress_cycle"], **fields}
    if fields.get("ingress_cycle"):
        found.append((fields["ingress_cycle"], "Start behind the elastic buffer (ingress stamp)",
                      "feed"))
    if fields.get("decision_cycle"):
        found.append((fields["decision_cycle"], "the strategy asks the risk gate", "strategy"))
    if event is not None and "decision_cycle" in fields:
        frame = run.frame_of(event)
        found.append((fields["cycle"], "Start of the order's frame at the order pins", "order"))
        if frame is not None:
            found.append((frame.end_cycle, "last byte of the order's frame", "order"))
    found.sort(key=lambda stamp: stamp[0])
    rows: list[dict[str, Any]] = []
    for number, (cycle, name, stage) in enumerate(found):
        step = cycle - found[max(0, number - 1)][0]
        rows.append({"name": name, "stage": stage, "cycle": cycle, "step_cycles": step,
                     "step_ns": run.history.ns(step), "total_cycles": cycle - found[0][0],
                     "total_ns": run.history.ns(cycle - found[0][0])})
    return rows


def book_of(touch: Touch | None) -> dict[str, Any] | None:
    """Return a best bid and offer."""
    if touch is None:
        return None
    values = {f"{name}_e4" if name.endswith("price") else name: touch.fields[name]
              for name in _BOOK}
    return {**values, "mid_e4": touch.mid_e4, "state": state_names(touch.state),
            "feed_sequence": touch.fields["feed_sequence"]}


def state_names(state: BookState) -> list[str]:
    """Return the names of the flags of a book."""
    return [flag.name.lower() for flag in BookState if state & flag and flag.name]


def signal_of(run: Run, message: FeedMessage | None, symbol_index: int, cycle: int,
              recorded: int | None) -> dict[str, Any]:
    """Return features, score and thresholds after a message, as of a cycle."""
    settings = run.settings(cycle)
    vector, score = (None, None) if message is None else run.score(symbol_index, message)
    model = settings.model(len(FEATURES))
    strategy = settings.strategy(symbol_index)
    rows: list[dict[str, Any]] = []
    if vector is not None and vector.usable:
        weights = model[0] if model is not None else (0,) * len(FEATURES)
        rows = [{"name": feature.name, "value": value, "unit": feature.unit, "weight": weight,
                 "product": weight * value, "formula": feature.formula,
                 "as_of": feature.as_of.value}
                for feature, value, weight in zip(FEATURES, vector.features, weights, strict=True)]
    file = run.model
    known = file is not None and model is not None and (
        (file.weights, file.bias) == (model[0], model[1]))
    return {
        "known": message is not None, "recorded": vector is not None, "features": rows,
        "bias": None if model is None else model[1],
        "score": score, "recorded_score": recorded,
        "score_equal": None if recorded is None or score is None else score == recorded,
        "epoch": settings.epoch,
        "model": file.name if known and file is not None else None,
        "fraction_bits": file.fraction_bits if known and file is not None else None,
        "strategy": None if strategy is None else {
            "buy_threshold": strategy.buy_threshold, "sell_threshold": strategy.sell_threshold,
            "cancel_buy_threshold": strategy.cancel_buy_threshold,
            "cancel_sell_threshold": strategy.cancel_sell_threshold,
            "quantity": strategy.quantity, "offset_e4": strategy.offset_e4,
            "cooldown_ns": strategy.cooldown_ns, "near": strategy.near, "day": strategy.day,
            "enable": strategy.enable},
    }


def check_rows(rows: Sequence[CheckRow], mask: int) -> list[dict[str, Any]]:
    """Return checks with what the hardware said of each."""
    failed = failed_checks(mask)
    known = {row.check: row for row in rows}
    return [{"number": int(check), "check": check.name.lower(),
             "rule": row.rule if row else "not known without limits",
             "value": row.value if row else None, "relation": row.relation if row else "",
             "limit": row.limit if row else None, "unit": row.unit if row else "",
             "failed": check in failed, "recomputed_passes": row.passes if row else None}
            for check in Check for row in [known.get(check)]]


def account_of(account: Account, symbol_index: int) -> dict[str, Any]:
    """Return position and money."""
    return {"position": account.position(symbol_index),
            "open_buy": account.open_quantity(symbol_index, sell=False),
            "open_sell": account.open_quantity(symbol_index, sell=True),
            "cash_e4": account.log.total.cash_e4, "fills": account.log.total.fills}


def _judged(run: Run, event: DecodedEvent, account: Account, touch: Touch | None, *,
            decided: int, verdict: int) -> Judged:
    """Return an order as the gate saw it, from its record where that has it."""
    fields = event.fields
    index, sell = run.symbol_index(event), bool(fields["flags"] & OrderFlag.SELL)
    recorded = "reference_price" in fields
    return Judged(
        symbol_index=index, quantity=fields["quantity"], price_e4=fields["price"], sell=sell,
        reference_e4=(fields["reference_price"] if recorded
                      else touch.mid_e4 if touch is not None else 0),
        worst_position=(fields["worst_position"] if recorded
                        else account.worst_position(index, sell=sell)),
        worst_short=account.worst_position(index, sell=True),
        open_orders=(fields["open_orders"] if recorded else len(account.open_orders(index))),
        now_ns=run.history.time_ns(verdict),
        waited_ns=(0 if not fields["flags"] & OrderFlag.WAITED else
                   run.history.time_ns(verdict) - run.history.time_ns(decided)
                   if run.history.recorded else round(run.history.ns(verdict - decided))))


def _order_row(run: Run, event: DecodedEvent, symbol: str) -> dict[str, Any]:
    fields = event.fields
    flags = OrderFlag(fields["flags"])
    return {"symbol": symbol, "sell": OrderFlag.SELL in flags, "quantity": fields["quantity"],
            "price_e4": fields["price"], "day": OrderFlag.DAY in flags,
            "cancel": OrderFlag.CANCEL in flags, "waited": OrderFlag.WAITED in flags,
            "score": fields["score"], "epoch": fields["epoch"],
            "limits_version": fields["limits_version"],
            "limits_shown": run.settings(fields["cycle"]).limits_version}


def books_of(run: Run, symbol_index: int, sequence: int) -> dict[str, Any]:
    """Return the best bid and offer before and after a message."""
    if not sequence:
        return {"before": None, "after": None}
    return {"before": book_of(run.market.touch(symbol_index, sequence - 1)),
            "after": book_of(run.market.touch(symbol_index, sequence))}


def _cause(run: Run, event: DecodedEvent) -> dict[str, Any]:
    """Return trigger, stages, books and signal of a record."""
    message, index = run.trigger(event), run.symbol_index(event)
    sequence = run.cause(event)
    cycle = event.fields["cycle"] if message is None else message.last_cycle
    trigger = None if message is None else trigger_of(run, message)
    if trigger is None and event.fields["ingress_cycle"]:
        trigger = {"sequence": sequence, "name": None}
    return {
        "trigger": trigger,
        "stages": stages_of(run, message, event, index, sequence),
        "book": books_of(run, index, sequence),
        "signal": (None if trigger is None else
                   signal_of(run, message, index, cycle, event.fields["score"])),
    }


def explain_order(run: Run, token: str) -> dict[str, Any]:
    """Return the life of an order that was sent.

    Raises
    ------
    ControlError
        NOT_RECORDED.
    """
    event = run.order(token)
    fields = event.fields
    index, number = fields["symbol_index"], fields["user_ref_num"]
    cycle, decided = fields["cycle"], fields["decision_cycle"] or fields["cycle"]
    settings = run.settings(decided)
    before = account_at(run.history, settings, decided)
    sequence = run.cause(event)
    touch = run.market.touch(index, sequence) if sequence else None
    judged = _judged(run, event, before, touch, decided=decided, verdict=cycle)
    answers = run.answers(number)
    last = answers[-1] if answers else event
    after = account_at(run.history, settings, last.fields["cycle"], through=(last,))
    final = after.log.orders.get(number)
    return {
        "what": "order", "recording": recording_of(run),
        "order": {**_order_row(run, event, settings.name_of(index)), "user_ref_num": number,
                  "short": bool(fields["flags"] & OrderFlag.SHORT),
                  "status": str(final.status) if final else "sent",
                  "executed_quantity": final.executed_quantity if final else 0,
                  "executed_value_e4": final.executed_value_e4 if final else 0,
                  "open_quantity": final.open_quantity if final else 0,
                  "sent_ns": run.history.time_ns(cycle), "latency_cycles": fields["latency"],
                  "latency_ns": run.history.ns(fields["latency"])},
        **_cause(run, event),
        "checks": check_rows(judge(judged, settings, before, touch), 0),
        "frame": _frame(run, event),
        "venue": _venue(run, event, answers),
        "account": {"before": account_of(before, index), "after": account_of(after, index)},
    }


def explain_refusal(run: Run, token: str) -> dict[str, Any]:
    """Return why an order or cancel did not leave.

    Raises
    ------
    ControlError
        NOT_RECORDED.
    """
    event = run.refusal(token)
    fields = event.fields
    index = run.symbol_index(event)
    message, sequence = run.trigger(event), run.cause(event)
    top = run.top_record(index, sequence) if sequence else None
    # The record is made later, by then it may have counted others; the trigger tells when.
    decided = max(message.last_cycle if message else 0, top.fields["cycle"] if top else 0,
                  fields["ingress_cycle"]) or fields["cycle"]
    settings = run.settings(decided)
    account = account_at(run.history, settings, decided)
    touch = run.market.touch(index, sequence) if sequence else None
    judged = _judged(run, event, account, touch, decided=decided, verdict=decided)
    cancel = bool(fields["flags"] & OrderFlag.CANCEL)
    rows = judge(judged, settings, account, touch) if index != NO_SYMBOL else []
    return {
        "what": "refusal", "recording": recording_of(run),
        "refusal": {**_order_row(run, event, settings.name_of(index)),
                    "event_sequence": fields["event_sequence"], "count": fields["count"],
                    "several_symbols": fields["symbol_index"] == NO_SYMBOL,
                    "failed": [check.name.lower() for check in failed_checks(fields["mask"])],
                    "reported_cycle": fields["cycle"],
                    "refused_ns": run.history.time_ns(decided)},
        **_cause(run, event),
        "checks": [] if cancel else check_rows(rows, fields["mask"]),
        "account": {"before": account_of(account, index)},
    }


def _frame(run: Run, event: DecodedEvent) -> dict[str, Any] | None:
    frame = run.frame_of(event)
    if frame is None:
        return None
    return {"cycle": frame.cycle, "end_cycle": frame.end_cycle,
            "bytes": (frame.content + frame.fcs).hex(),
            "fields": [{"offset": field.offset, "layer": field.layer, "name": field.name,
                        "bytes": field.raw.hex(), "value": field.value, "text": field.text}
                       for field in decode_frame(frame)]}


def _reason(answer: AnswerCode, reason: int) -> str:
    """Return why an order was canceled or rejected, in words."""
    codes: type[CancelReason] | type[RejectReason] | None = {
        AnswerCode.CANCELED: CancelReason, AnswerCode.REJECTED: RejectReason}.get(answer)
    if codes is None or not reason:
        return ""
    value = chr(reason) if codes is CancelReason else reason
    found = next((code for code in codes if code.value == value), None)
    return str(value) if found is None else found.name.lower().replace("_", " ")


def _venue(run: Run, event: DecodedEvent, answers: list[DecodedEvent]) -> list[dict[str, Any]]:
    """Return what the venue said, and the cancels that were sent, by time."""
    sent = event.fields["cycle"]
    began_ns = run.history.time_ns(sent)
    rows: list[dict[str, Any]] = []
    for answer in answers:
        fields = answer.fields
        code = AnswerCode(fields["answer"])
        rows.append({
            "what": code.name.lower(), "cycle": fields["cycle"], "time_ns": fields["now_ns"],
            "after_ns": fields["now_ns"] - began_ns, "venue_ns": fields["venue_ns"],
            "quantity": fields["quantity"], "price_e4": fields["price"],
            "order_reference": fields["order_reference"],
            "session_sequence": fields["session_sequence"],
            "reason": _reason(code, fields["reason"])})
    for cancel in run.cancels(event.fields["user_ref_num"]):
        fields = cancel.fields
        if fields["cycle"] < sent:
            continue
        time_ns = run.history.time_ns(fields["cycle"])
        rows.append({
            "what": "cancel_sent", "cycle": fields["cycle"], "time_ns": time_ns,
            "after_ns": time_ns - began_ns, "venue_ns": 0, "quantity": 0, "price_e4": 0,
            "order_reference": 0, "session_sequence": 0,
            "reason": (f"score {cancel.fields['score']} after message {fields['feed_sequence']}"
                       if fields["decision_cycle"] else "a sweep: kill or cancel of everything")})
    return sorted(rows, key=lambda row: row["cycle"])


def list_run(run: Run) -> dict[str, Any]:
    """Return every order and refusal of a run, a row each."""
    log = OrderLog()
    for event in run.history.records:
        log.take(event.kind, event.fields)
    orders = [{"user_ref_num": event.fields["user_ref_num"],
               **_order_row(run, event, run.settings(event.fields["cycle"]).name_of(
                   event.fields["symbol_index"])),
               "latency_cycles": event.fields["latency"],
               "status": str(log.orders[event.fields["user_ref_num"]].status)}
              for event in run.sent() if event.fields["user_ref_num"] in log.orders]
    refusals = [{"event_sequence": event.fields["event_sequence"],
                 **_order_row(run, event, run.settings(event.fields["cycle"]).name_of(
                     event.fields["symbol_index"])), "count": event.fields["count"],
                 "failed": [check.name.lower() for check in failed_checks(event.fields["mask"])]}
                for event in run.refusals()]
    return {"what": "run", "recording": recording_of(run), "orders": orders, "refusals": refusals}
