"""How a client wants something to be changed, and the requests that say so."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from tickwire.v1 import types_pb2

from control.errors import ControlError, Reason, wrong_field

__all__ = ["WHOLE_LIMITS", "Changing", "short_name", "update_request"]

#: With all of these a symbol needs no limits before.
WHOLE_LIMITS = ("maximum_quantity", "maximum_value_e4", "collar_fraction", "collar_minimum_e4",
                "maximum_long", "maximum_short", "maximum_open_orders")

_M = TypeVar("_M", bound=Message)


@dataclass(frozen=True, kw_only=True)
class Changing:
    """How a change is to be made.

    Attributes
    ----------
    expected_revision : int or None
        Change nothing unless this is the present revision.
    dry_run : bool
        Only check; change nothing.
    take_over : bool
        Change things although somebody else is at it.
    """

    expected_revision: int | None = None
    dry_run: bool = False
    take_over: bool = False

    @property
    def message(self) -> types_pb2.Change:
        """The same, for a request."""
        return types_pb2.Change(expected_revision=self.expected_revision,
                                validate_only=self.dry_run)


def update_request(request: type[_M], values: Mapping[str, Any], how: Changing, *,
                   whole: Collection[str] | None = None, **key: str) -> _M:
    """Return a request that changes the settings that are given, and leaves the others.

    Parameters
    ----------
    request : type
        An ``Update...Request``: its first field takes the settings.
    values : mapping of str to object
        Settings by name; those that are None are not given.
    how : Changing
        How to change.
    whole : collection of str, optional
        If all of these are given they are the new settings, whatever there was before.
    **key : str
        Which settings they are, such as ``symbol``.

    Raises
    ------
    ControlError
        INVALID_FIELD if none is given, or there is no such setting.
    """
    wanted = {name: value for name, value in values.items() if value is not None}
    if not wanted:
        raise ControlError(Reason.INVALID_FIELD, "give at least one setting; see --help")
    subject = request.DESCRIPTOR.fields[0]
    settings = subject.message_type
    assert settings is not None
    names = [field.name for field in settings.fields if field.name not in key]
    for name in wanted:
        if name not in names:
            raise wrong_field("a setting", f"one of {', '.join(names)}", name)
    paths = [] if whole is not None and wanted.keys() >= set(whole) else list(wanted)
    message = request(update_mask=FieldMask(paths=paths), change=how.message)
    target = getattr(message, subject.name)
    for name, value in {**key, **wanted}.items():
        field = cast(FieldDescriptor, settings.fields_by_name[name])
        try:
            if field.is_repeated:
                getattr(target, name).extend(value)
            else:
                setattr(target, name, _value(field, value))
        except (TypeError, ValueError) as error:
            raise wrong_field(name, f"what fits its type ({error})", value) from error
    return message


def _value(field: FieldDescriptor, value: Any) -> Any:
    """Return a value for a field; one of an enumeration may be given by its short name."""
    if field.enum_type is None or not isinstance(value, str):
        return value
    names = {short_name(field.enum_type, number): number
             for number in field.enum_type.values_by_number if number}
    if value not in names:
        raise ValueError(f"it is one of {', '.join(names)}")
    return names[value]


def short_name(kind: EnumDescriptor, number: int) -> str:
    """Return the name of a value of an enumeration, in lower case, without that of the type.

    Raises
    ------
    KeyError
        If there is no such value.
    """
    names = kind.values_by_number
    common = names[0].name.removesuffix("UNSPECIFIED")
    return names[number].name.removeprefix(common).lower()
