"""Messages of the service as frozen dataclasses."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self, cast

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from control.client.changes import short_name

__all__ = ["VALUES", "Value"]

#: The dataclass of each message, by the message's full name.
VALUES: dict[str, "type[Value]"] = {}


@dataclass(frozen=True, kw_only=True)
class Value:
    """A message of the service, read.

    A subclass names its message and has a field for each of the message's, under the same name and
    with the same meaning; the ``.proto`` files describe them. Lists are tuples, enumerations short
    names in lower case, and what was left out is None. `merged` names maps of the message whose
    entries stand in another one here.
    """

    MESSAGE: ClassVar[type[Message]]
    MERGED: ClassVar[Mapping[str, str]]

    def __init_subclass__(cls, *, message: type[Message], merged: Mapping[str, str] | None = None,
                          **more: Any) -> None:
        super().__init_subclass__(**more)
        cls.MESSAGE = message
        cls.MERGED = merged or {}
        VALUES[message.DESCRIPTOR.full_name] = cls

    @classmethod
    def of(cls, message: Message) -> Self:
        """Return what a message says."""
        known = message.DESCRIPTOR.fields_by_name
        values = {field.name: _read(message, cast(FieldDescriptor, known[field.name]))
                  for field in fields(cls)}
        for source, target in cls.MERGED.items():
            values[target] = dict(sorted({**values[target], **getattr(message, source)}.items()))
        return cls(**values)


def _read(message: Message, field: FieldDescriptor) -> Any:
    value: Any = getattr(message, field.name)
    if field.is_repeated:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            return dict(sorted(value.items()))
        return tuple(_one(field, item) for item in cast(Iterable[Any], value))
    if field.has_presence and not message.HasField(field.name):
        return None
    return _one(field, value)


def _one(field: FieldDescriptor, value: Any) -> Any:
    if isinstance(value, Message):
        return VALUES[value.DESCRIPTOR.full_name].of(value)
    if field.enum_type is not None:
        return short_name(field.enum_type, value)
    return value
