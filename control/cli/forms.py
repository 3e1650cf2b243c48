"""Arguments that several nouns share."""

from typing import Annotated

import typer

from control.cli.completion import complete_symbol
from control.errors import wrong_field
from control.units import parse_price

__all__ = ["SymbolArgument", "dollars", "natural", "noun"]

SymbolArgument = Annotated[str, typer.Argument(
    metavar="SYMBOL", help="Such as AAPL@XNAS.", autocompletion=complete_symbol)]


def noun(text: str) -> typer.Typer:
    """Return a group of commands."""
    return typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=text)


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
