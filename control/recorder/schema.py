"""Columns of a recording: those of :mod:`proto.events`, as Arrow types.

A record's fields are columns of the same names, in the same order, signed where the table says so.
``symbol``, the name that the management service gives the number of a book, stands
behind ``symbol_index``; reserved fields are left out. Units, meanings and names of values are
metadata of the columns. Records of a kind that is not known keep their header and their bytes.
"""
# The stubs of pyarrow leave type arguments open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import json
from collections.abc import Sequence
from enum import IntEnum, IntFlag
from typing import Any

import numpy as np
import pyarrow as pa

from proto.errors import ProtoError
from proto.events import (
    EVENT_BYTES,
    EVENTS,
    HEADER,
    AnswerCode,
    BookState,
    EventKind,
    OrderFlag,
    StateFlag,
    VectorFlag,
)
from proto.wire.message import Field, Kind, Message

__all__ = ["KIND_NAMES", "RECORD", "SYMBOL", "UNKNOWN", "arrow_schema", "record_batch"]

#: Name of the kind of records that this version has no layout of.
UNKNOWN = "unknown"
#: Every kind that a recording may hold, as the service names them.
KIND_NAMES = (*(kind.name.lower() for kind in EventKind if kind in EVENTS), UNKNOWN)
#: Columns that no record has: the symbol's name; the bytes of a record of unknown kind.
SYMBOL, RECORD = "symbol", "record"

_VALUES: dict[tuple[EventKind, str], type[IntEnum] | type[IntFlag]] = {
    (EventKind.TOP_OF_BOOK, "state"): BookState, (EventKind.ORDER_SENT, "flags"): OrderFlag,
    (EventKind.ORDER_REFUSED, "flags"): OrderFlag, (EventKind.VENUE_ANSWER, "answer"): AnswerCode,
    (EventKind.STATE, "flags"): StateFlag, (EventKind.FEATURE_VECTOR, "flags"): VectorFlag,
}
_NATIVE_BYTES = (1, 2, 4, 8)
_SYMBOL_TYPE = pa.dictionary(pa.int32(), pa.string())


def _layout(name: str) -> tuple[EventKind | None, Message]:
    if name == UNKNOWN:
        return None, HEADER
    try:
        kind = EventKind[name.upper()]
        return kind, EVENTS[kind]
    except KeyError:
        raise ProtoError(f"kind must be one of {', '.join(KIND_NAMES)}, was {name!r}") from None


def _stored(message: Message) -> list[Field]:
    return [field for field in message if not field.name.startswith("reserved")]


def arrow_schema(name: str) -> pa.Schema:
    """Return the columns of a kind, given its name in lower case.

    Raises
    ------
    ProtoError
        If there is no such kind.
    """
    kind, message = _layout(name)
    columns: list[pa.Field[Any]] = []
    for field in _stored(message):
        columns.append(pa.field(field.name, _type(field), nullable=False,
                                metadata=_metadata(kind, field)))
        if field.name == "symbol_index":
            columns.append(pa.field(SYMBOL, _SYMBOL_TYPE, metadata={
                "description": "name and venue; null = the record concerns none"}))
    if kind is None:
        columns.append(pa.field(RECORD, pa.binary(EVENT_BYTES), nullable=False,
                                metadata={"description": "as it came"}))
    return pa.schema(columns)


def record_batch(name: str, records: Sequence[bytes], symbols: Sequence[str]) -> pa.RecordBatch:
    """Return records of one kind as columns.

    Parameters
    ----------
    name : str
        Kind, in lower case.
    records : sequence of bytes
        64 bytes each.
    symbols : sequence of str
        Name of each record's symbol, empty for none.

    Raises
    ------
    ProtoError
        If there is no such kind, or records are not of its size.
    """
    kind, message = _layout(name)
    if any(len(record) != EVENT_BYTES for record in records):
        raise ProtoError(f"records must have {EVENT_BYTES} bytes")
    schema = arrow_schema(name)
    rows = np.frombuffer(b"".join(records), np.uint8).reshape(-1, EVENT_BYTES)
    arrays: list[pa.Array[Any]] = []
    for field in _stored(message):
        wanted = schema.field(field.name).type
        if field.kind in (Kind.UINT, Kind.SINT) and field.size in _NATIVE_BYTES:
            numbers = np.ascontiguousarray(rows[:, field.span]).view(_format(message, field))
            arrays.append(pa.array(numbers.reshape(-1), wanted))
        else:
            arrays.append(pa.array([message.decode_from(record)[field.name]
                                    for record in records], wanted))
        if field.name == "symbol_index":
            arrays.append(pa.array([text or None for text in symbols], pa.string())
                          .dictionary_encode().cast(_SYMBOL_TYPE))
    if kind is None:
        arrays.append(pa.array(records, pa.binary(EVENT_BYTES)))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _format(message: Message, field: Field) -> str:
    order = "<" if message.byteorder == "little" else ">"
    return f"{order}{'i' if field.kind is Kind.SINT else 'u'}{field.size}"


def _type(field: Field) -> pa.DataType:
    if field.kind in (Kind.UINT, Kind.SINT):
        bits = 8 * next(size for size in _NATIVE_BYTES if size >= field.size)
        signed: dict[int, pa.DataType] = {8: pa.int8(), 16: pa.int16(), 32: pa.int32(),
                                          64: pa.int64()}
        unsigned: dict[int, pa.DataType] = {8: pa.uint8(), 16: pa.uint16(), 32: pa.uint32(),
                                            64: pa.uint64()}
        return (signed if field.kind is Kind.SINT else unsigned)[bits]
    if field.kind is Kind.OCTETS:
        return pa.binary(field.size)
    return pa.int64() if field.kind is Kind.DIGITS else pa.string()


def _metadata(kind: EventKind | None, field: Field) -> dict[str, str]:
    found = {"unit": field.unit, "description": field.description}
    if kind is not None and (kind, field.name) in _VALUES:
        members = _VALUES[kind, field.name]
        found["values"] = _names(members)
    elif field.name == "kind":
        found["values"] = _names(EventKind)
    return {name: text for name, text in found.items() if text}


def _names(members: type[IntEnum] | type[IntFlag]) -> str:
    return json.dumps({str(member.name).lower(): int(member) for member in members})
