"""What every request has in common: who asks, how to change, which fields to take."""

from collections.abc import Iterable
from typing import Any, TypeVar

from google.protobuf.message import Message
from grpc import aio
from tickwire.v1 import types_pb2

from control.appliance import ChangeOptions
from control.errors import wrong_field
from control.metadata import TAKE_OVER_KEY, WRITER_KEY

__all__ = ["Context", "merged", "options", "within"]

#: Call of a servicer's method.
Context = aio.ServicerContext[Any, Any]

_M = TypeVar("_M", bound=Message)


def options(change: types_pb2.Change, context: Context) -> ChangeOptions:
    """Return how a request wants its change to be made."""
    metadata = dict(context.invocation_metadata() or ())
    expected = change.expected_revision if change.HasField("expected_revision") else None
    writer = metadata.get(WRITER_KEY, "")
    return ChangeOptions(
        writer=writer if isinstance(writer, str) and writer else context.peer(),
        take_over=metadata.get(TAKE_OVER_KEY) == "1",
        expected_revision=expected, validate_only=change.validate_only)


def merged(present: _M, wanted: _M, paths: Iterable[str]) -> _M:
    """Return `wanted`, or `present` with the fields `paths` of `wanted`.

    Raises
    ------
    ControlError
        INVALID_FIELD if there is no such field.
    """
    paths = list(paths)
    if not paths:
        return wanted
    result = type(wanted)()
    result.CopyFrom(present)
    names = [field.name for field in wanted.DESCRIPTOR.fields]
    for path in paths:
        if path not in names:
            raise wrong_field("update_mask", f"some of {', '.join(names)}", path)
        if wanted.DESCRIPTOR.fields_by_name[path].is_repeated:
            result.ClearField(path)
            getattr(result, path).extend(getattr(wanted, path))
        else:
            setattr(result, path, getattr(wanted, path))
    return result


def within(field: str, value: int, low: int, high: int, default: int) -> int:
    """Return a number of a request, or what 0 stands for.

    Raises
    ------
    ControlError
        INVALID_FIELD if it is out of range.
    """
    if value == 0:
        return default
    if not low <= value <= high:
        raise wrong_field(field, f"{low} to {high}", value)
    return value
