"""Answers of the service as JSON, and as text for people."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from control.client.changes import short_name
from control.units import format_clock, format_price

__all__ = ["plain", "render_json", "render_text"]

_PRICE_SUFFIX = "_e4"


def _letter(code: int) -> str:
    """Return what the venue gave as a reason: a letter, a number, or nothing."""
    return chr(code) if 0x21 <= code <= 0x7E else str(code) if code else "-"


#: Fields whose bare value says little to people: how they are called in text, and what is printed.
_SHOWN: dict[str, tuple[str, Callable[[Any], str]]] = {
    "sell": ("side", lambda sells: "sell" if sells else "buy"),
    "day": ("in force", lambda day: "day" if day else "IOC"),
    "reason": ("reason", lambda code: _letter(code) if isinstance(code, int) else code or "-"),
    "venue_ns": ("time at the venue", format_clock),
    "share_e4": ("share", lambda share: f"{share / 100:g} %"),
    "collar_fraction": ("collar", lambda fraction: f"{fraction / 655.36:.3f} %"),
    "core_hz": ("core clock", lambda rate: f"{rate / 1e6:g} MHz"),
    "map_hash": ("map hash", lambda digest: f"0x{digest:08x}"),
}


def plain(message: Message) -> dict[str, Any]:
    """Return a message as plain data: every field by its name, integers as integers.

    A field that may be left out and was is None; bytes are hexadecimal; an enumeration is its
    value's name without the prefix of the type.
    """
    fields = cast(Iterable[FieldDescriptor], message.DESCRIPTOR.fields)
    return {field.name: _field(message, field) for field in fields}


def _field(message: Message, field: FieldDescriptor) -> Any:
    value: Any = getattr(message, field.name)
    if field.is_repeated:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            return dict(sorted(value.items()))
        return [_value(field, item) for item in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    return _value(field, value)


def _value(field: FieldDescriptor, value: Any) -> Any:
    if isinstance(value, Message):
        return plain(value)
    if isinstance(value, bytes):
        return value.hex()
    if field.enum_type is not None:
        known = value in field.enum_type.values_by_number
        return short_name(field.enum_type, value) if known else value
    return value


def render_json(answer: Any) -> str:
    """Return an answer as one line of JSON."""
    return json.dumps(plain(answer) if isinstance(answer, Message) else answer)


def render_text(answer: Any) -> str:
    """Return an answer as text: a line a field, a table for a list of messages.

    Amounts in 1e-4 USD are printed as dollars, and their names lose the suffix; a few other fields
    are printed as people read them. JSON has the plain values.
    """
    values = plain(answer) if isinstance(answer, Message) else answer
    return "\n".join(_lines(cast(Mapping[str, Any], values))) or "nothing"


def _lines(values: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for name, value in values.items():
        if isinstance(value, dict):
            lines += _lines(cast(Mapping[str, Any], value))
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            lines += _table(cast(list[Mapping[str, Any]], value))
        else:
            title, text = _named(name, value)
            lines.append(f"{title}: {text}")
    return lines


def _named(name: str, value: Any) -> tuple[str, str]:
    if name in _SHOWN:
        title, show = _SHOWN[name]
        return title, show(value)
    if name.endswith(_PRICE_SUFFIX) and isinstance(value, int):
        return _title(name), format_price(value)
    if value is None or value == "" or value == []:
        return _title(name), "-"
    if isinstance(value, bool):
        return _title(name), "yes" if value else "no"
    if isinstance(value, list):
        return _title(name), ", ".join(map(str, cast(list[Any], value)))
    return _title(name), str(value)


def _title(name: str) -> str:
    return name.removesuffix(_PRICE_SUFFIX).replace("_", " ")


def _table(rows: list[Mapping[str, Any]]) -> list[str]:
    cells = [[_named(name, value) for name, value in row.items()] for row in rows]
    table = [[title for title, _ in cells[0]], *([text for _, text in row] for row in cells)]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    right = [_is_number(value) for value in rows[0].values()]
    return ["  ".join(text.rjust(width) if number else text.ljust(width)
                      for text, width, number in zip(row, widths, right, strict=True)).rstrip()
            for row in table]


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
