"""An explanation as text of at most 100 columns."""

from collections.abc import Mapping, Sequence
from typing import Any

from control.units import format_price

__all__ = ["render", "time_of_day"]

_COLUMNS = 100
_NS_PER_SECOND = 1_000_000_000
_PRICE_UNIT = "1e-4 USD"
_BYTES_A_LINE = 8

Row = Mapping[str, Any]


def time_of_day(time_ns: int) -> str:
    """Return ns since midnight as a time."""
    seconds, rest = divmod(time_ns, _NS_PER_SECOND)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:09d}"


def _duration(duration_ns: int) -> str:
    for unit, scale in (("s", 10**9), ("ms", 10**6), ("us", 10**3)):
        if abs(duration_ns) >= scale:
            return f"{duration_ns / scale:,.3f} {unit}"
    return f"{duration_ns} ns"


def _amount(value: int | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{format_price(value)} USD" if unit == _PRICE_UNIT else f"{value:,} {unit}".rstrip()


def _title(name: str) -> str:
    return name.replace("_", " ")


def _cut(line: str) -> str:
    return line if len(line) <= _COLUMNS else line[:_COLUMNS - 3] + "..."


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return ["", title, *(f"  {line}" for line in lines)] if lines else []


def _order(order: Row) -> str:
    if order["cancel"]:
        return f"cancel of {'a sale' if order['sell'] else 'a purchase'} of {order['symbol']}"
    side = "sell" + (" short" if order.get("short") else "") if order["sell"] else "buy"
    return (f"{side} {order['quantity']:,} {order['symbol']} at {format_price(order['price_e4'])}, "
            f"{'day' if order['day'] else 'IOC'}")


def _outcome(order: Row) -> str:
    text = order["status"]
    if order["executed_quantity"]:
        price = order["executed_value_e4"] // order["executed_quantity"]
        exact = price * order["executed_quantity"] == order["executed_value_e4"]
        text += (f", {order['executed_quantity']:,} of {order['quantity']:,} at "
                 f"{'' if exact else 'about '}{format_price(price)}")
    return text


def _head(found: Row) -> list[str]:
    recording = found["recording"]
    order: Row = found.get(found["what"], {})
    if found["what"] == "order":
        lines = [f"Order {order['user_ref_num']}: {_order(order)}",
                 f"  sent {'' if recording['recorded'] else 'about '}"
                 f"{time_of_day(order['sent_ns'])}; {_outcome(order)}"]
    elif found["what"] == "message":
        lines = [f"Message {found['trigger']['sequence']}: {_named(found['trigger'])}",
                 "  caused " + (", ".join(found["caused"]) or "no order")]
    else:
        times = f", {order['count']:,} times in a row" if order["count"] > 1 else ""
        times += ", of several symbols, this one last" if order["several_symbols"] else ""
        lines = [f"Refusal {order['event_sequence']}: {_order(order)}",
                 f"  {time_of_day(order['refused_ns'])}{times}; failed: "
                 f"{', '.join(order['failed'])}"]
    if recording["recorded"]:
        lines.append(f"  {recording['path']}, profile {recording['profile']}, core clock "
                     f"{recording['core_hz'] / 1e6:g} MHz, simulated")
    else:
        lines += [f"  from event records that the control plane at {recording['path']} has kept;",
                  f"  limits and parameters are those of now; core clock "
                  f"{recording['core_hz'] / 1e6:g} MHz"]
        if order["limits_shown"] != order["limits_version"]:
            lines.append(f"  limits have been changed since: version {order['limits_version']} "
                         f"then, {order['limits_shown']} now")
    if not recording["complete"]:
        lines.append("  the recording ends early: what came later is not known")
    if recording["tops_dropped"]:
        lines.append(f"  {recording['tops_dropped']:,} records of best bids and offers are "
                     f"missing: books and features may be wrong")
    return lines


def _named(trigger: Row) -> str:
    symbol = trigger["symbol"] or ("not watched" if trigger["fields"].get("stock_locate") else "")
    return f"{_title(trigger['name'])}{', ' if symbol else ''}{symbol}"


def _trigger(found: Row) -> list[str]:
    trigger = found["trigger"]
    if trigger is None:
        return _section("Trigger", ["none: a command, a kill or a timer, not a message"])
    if trigger["name"] is None:
        which = f"message {trigger['sequence']:,} of the feed" if trigger["sequence"] else (
            "a message of the feed that changed no best price")
        return _section("Trigger", [f"{which}; the feed itself is not recorded here"])
    names = [name for name in trigger["text"] if name != "message_type"]
    width = max((len(name) for name in names), default=0)
    frame = (f"from byte {trigger['offset_bytes']} on in a frame of {trigger['frame_bytes']} bytes "
             f"with {trigger['messages_in_frame']} "
             f"message{'s' if trigger['messages_in_frame'] > 1 else ''}; "
             f"{'cut-through' if trigger['cut_through'] else 'store-and-forward'}")
    lines = [f"message {trigger['sequence']:,} of session {trigger['session'].strip()}, arrived "
             f"{time_of_day(trigger['arrived_ns'])}", frame,
             f"{trigger['type']!r} {_named(trigger)}"]
    lines += [f"  {name:{width}}  {trigger['text'][name]}" for name in names]
    return _section("Trigger", lines)


def _stages(found: Row) -> list[str]:
    rows = found["stages"]
    lines = [f"{'':51}{'cycle':>13}{'+ cycles':>10}{'+ ns':>8}{'sum ns':>9}"] if rows else []
    lines += [f"{row['name']:51}{row['cycle']:13,}{row['step_cycles']:10,}{row['step_ns']:8,.1f}"
              f"{row['total_ns']:9,.1f}" for row in rows]
    return _section("Stages", lines)


def _book(found: Row) -> list[str]:
    before, after = found["book"]["before"], found["book"]["after"]
    if after is None:
        return []
    def side(book: Row | None, name: str) -> str:
        if book is None or not book[f"{name}_count"]:
            return "-"
        return (f"{format_price(book[f'{name}_price_e4'])} x {book[f'{name}_quantity']:,} "
                f"({book[f'{name}_count']})")

    lines = [f"{'':12}{'before':28}{'after':28}"]
    lines += [f"{name:12}{side(before, name):28}{side(after, name):28}" for name in ("ask", "bid")]
    state = ", ".join(map(_title, after["state"])) or "exact, tradable"
    lines += [f"{'mid':12}{format_price(before['mid_e4']) if before else '-':28}"
              f"{format_price(after['mid_e4']):28}", f"{'state':12}{state}"]
    return _section("Best bid and offer: price x shares (orders), from event records", lines)


def _signal(found: Row) -> list[str]:
    signal = found["signal"]
    if signal is None:
        return []
    bits = signal["fraction_bits"]

    def ticks(score: int | None) -> str:
        return "" if bits is None or score is None else f"  = {score / 2**bits:+.4f} ticks"

    lines: list[str] = []
    if signal["features"]:
        lines.append(f"{'':24}{'value':>10}{'x weight':>10}{'=':>16}  unit of the value")
        lines += [f"{row['name']:24}{row['value']:10,}{row['weight']:10,}{row['product']:16,}  "
                  f"{row['unit']}" for row in signal["features"]]
        if signal["bias"] is not None:
            lines.append(f"{'bias':44}{signal['bias']:16,}")
        lines.append(f"{'score, recomputed here':44}{signal['score'] or 0:16,}"
                     f"{ticks(signal['score'])}" if signal["score"] is not None
                     else "no model was loaded")
    elif signal["known"] and signal["recorded"]:
        lines.append("nothing to score: the book was not exact or had one side only")
    elif signal["known"]:
        lines.append("features were not recorded: `tickwire feed set --record-vectors` does it")
    if signal["recorded_score"] is not None:
        equal = {True: "  equal", False: "  DIFFERENT: what is recomputed is not what was scored",
                 None: ""}[signal["score_equal"]]
        lines.append(f"{'score in the hardware record':44}{signal['recorded_score']:16,}{equal}")
    if (strategy := signal["strategy"]) is not None:
        lines.append(f"{'buys at or above':44}{strategy['buy_threshold']:16,}"
                     f"{ticks(strategy['buy_threshold'])}")
        lines.append(f"{'sells at or below':44}{-strategy['sell_threshold']:16,}"
                     f"{ticks(-strategy['sell_threshold'])}")
        touch = "near" if strategy["near"] else "far"
        lines.append(f"then {strategy['quantity']:,} shares at the {touch} touch"
                     f"{_offset(strategy['offset_e4'])}, {'day' if strategy['day'] else 'IOC'}, "
                     f"cooldown {_duration(strategy['cooldown_ns'])}")
    name = f"model {signal['model']}, " if signal["model"] else ""
    if not signal["known"]:
        return _section(f"Score (epoch {signal['epoch']}); features need a recorded run", lines)
    return _section(f"Features as the model saw them, and its score ({name}epoch "
                    f"{signal['epoch']})", lines)


def _offset(offset_e4: int) -> str:
    return f" {'+' if offset_e4 > 0 else '-'} {format_price(abs(offset_e4))}" if offset_e4 else ""


def _checks(found: Row) -> list[str]:
    rows = found["checks"]
    lines: list[str] = []
    for row in rows:
        if row["value"] is None:
            comparison = ""
        else:
            comparison = (f"{_amount(row['value'], row['unit']):>18} {row['relation']:2} "
                          f"{_amount(row['limit'], row['unit'])}")
        verdict = "FAIL" if row["failed"] else "pass"
        passes = row["recomputed_passes"]
        note = ""
        if passes is not None and passes == row["failed"]:
            note = "  (by these numbers it passes)" if passes else "  (by these numbers it fails)"
        lines.append(_cut(f"{verdict}  {row['number']:2}  {_title(row['check']):13} "
                          f"{row['rule']:33}{comparison}".rstrip() + note))
    said = ("all passed: the order left" if found["what"] == "order"
            else "verdicts of the hardware record")
    if found["what"] == "refusal" and found["refusal"]["count"] > 1:
        said += ": what any of the row failed; numbers are of the last"
    return _section(f"Risk checks; {said}", lines)


def _frame(found: Row) -> list[str]:
    frame = found.get("frame")
    if frame is None:
        return []
    lines: list[str] = []
    layer = ""
    for field in frame["fields"]:
        shown = field["layer"] if field["layer"] != layer else ""
        layer = field["layer"]
        raw = bytes.fromhex(field["bytes"])
        parts = [raw[at:at + _BYTES_A_LINE] for at in range(0, len(raw), _BYTES_A_LINE)]
        lines.append(_cut(f"{field['offset']:3}  {shown:11}{parts[0].hex(' '):25}"
                          f"{field['name']:31}{field['text']}"))
        lines += [f"{'':16}{part.hex(' ')}" for part in parts[1:]]
    return _section(f"Frame of {len(frame['bytes']) // 2} bytes, FCS included, in cycles "
                    f"{frame['cycle']:,} to {frame['end_cycle']:,}", lines)


def _venue(found: Row) -> list[str]:
    lines: list[str] = []
    for row in found.get("venue", ()):
        what = _title(row["what"])
        detail = f"{row['quantity']:,} shares" if row["quantity"] else ""
        if row["what"] == "executed":
            detail += f" at {format_price(row['price_e4'])}"
        if row["order_reference"]:
            detail += f", reference {row['order_reference']}"
        if row["reason"]:
            detail += f"{', ' if detail else ''}{row['reason']}"
        lines.append(_cut(f"{time_of_day(row['time_ns'])}  {'+' + _duration(row['after_ns']):>14}  "
                          f"{what:12} {detail}".rstrip()))
    return _section("Venue", lines)


def _reasons(found: Row) -> list[str]:
    return _section("Why no order", [_cut(reason) for reason in found.get("reasons", ())])


def _account(found: Row) -> list[str]:
    account = found.get("account", {})
    if not account:
        return []
    names = [name for name in ("before", "after") if name in account]
    rows = [f"{'':12}" + "".join(f"{name:>16}" for name in names)]
    for title, key in (("position", "position"), ("open buys", "open_buy"),
                       ("open sales", "open_sell"), ("cash", "cash_e4"), ("fills", "fills")):
        values = [account[name][key] for name in names]
        cells = [format_price(value) if key.endswith("_e4") else f"{value:,}" for value in values]
        rows.append(f"{title:12}" + "".join(f"{cell:>16}" for cell in cells))
    symbol = found.get(found["what"], found["trigger"])["symbol"]
    return _section(f"Account: shares of {symbol}, money of all symbols, from event records", rows)


def _run(found: Row) -> list[str]:
    recording = found["recording"]
    lines = [f"{recording['path']}: {len(found['orders'])} orders, {len(found['refusals'])} "
             f"records of refusals"]
    lines += _section("Orders: `tickwire explain NUMBER`", [
        f"{row['user_ref_num']:8}  {_order(row):46}{row['latency_cycles']:5} cycles  "
        f"{row['status']}" for row in found["orders"]])
    lines += _section("Refusals: `tickwire explain --refusal NUMBER`", [
        _cut(f"{row['event_sequence']:8}  {_order(row):46}{row['count']:5} x  "
             f"{', '.join(row['failed'])}") for row in found["refusals"]])
    return lines


def render(found: Row) -> str:
    """Return an explanation as text."""
    if found["what"] == "run":
        return "\n".join(_run(found))
    sections = (_head, _trigger, _stages, _book, _signal, _checks, _frame, _venue,
                _reasons, _account)
    return "\n".join(line.rstrip() for section in sections for line in section(found))
