"""Arguments that several nouns share."""

from typing import Annotated, Any

import typer
from google.protobuf.field_mask_pb2 import FieldMask

from control.errors import ControlError, Reason, wrong_field
from control.units import parse_price

__all__ = ["SymbolArgument", "dollars", "given", "natural", "noun"]

SymbolArgument = Annotated[str, typer.Argument(metavar="SYMBOL", help="Such as AAPL@XNAS.")]


def noun(text: str) -> typer.Typer:
    """Return a group of commands."""
    return typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=text)


def given(**options: Any) -> tuple[dict[str, Any], FieldMask]:
    """Return the options that were given, and the mask that names them.

    Raises
    ------
    ControlError
        INVALID_FIELD if none was.
    """
    found = {name: value for name, value in options.items() if value is not None}
    if not found:
        raise ControlError(Reason.INVALID_FIELD, "give at least one setting; see --help")
    return found, FieldMask(paths=list(found))


def dollars(text: str | None, option: str) -> int | None:
    """Return an amount in 1e-4 USD, None if it was not given.

    Raises
    ------
    ControlError
        INVALID_FIELD if it is none.
    """
    return None if text is None else parse_price(text, option)


def natural(value: int | None, option: str) -> int | None:
    """Return a number of an option, None if it was not given.

    Raises
    ------
    ControlError
        INVALID_FIELD if it does not fit 32 bits.
    """
    if value is not None and not 0 <= value < 2**32:
        raise wrong_field(option, f"0 to {2**32 - 1}", value)
    return value
