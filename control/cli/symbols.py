"""``tickwire symbols``: choose the watched symbols."""

from typing import Annotated

import typer
from tickwire.v1 import symbol_service_pb2, symbol_service_pb2_grpc

from control.cli.forms import SymbolArgument, noun
from control.cli.options import Invocation, asking, changing
from control.errors import wrong_field
from control.units import parse_price

__all__ = ["symbols"]

symbols = noun("Example: tickwire symbols set AAPL@XNAS --tick 0.01\n\nChoose the symbols with "
               "a book.")


@symbols.command("list", help="Example: tickwire symbols list\n\nPrint the watched symbols.")
@asking
def symbols_list(how: Invocation) -> None:
    """Print the watched symbols."""
    how.send(symbol_service_pb2_grpc.SymbolServiceStub, "ListSymbols",
             symbol_service_pb2.ListSymbolsRequest())


@symbols.command("set", help="Example: tickwire symbols set AAPL@XNAS --tick 0.01 --locate 14\n\n"
                             "Watch a symbol, or change how.")
@changing
def symbols_set(
    how: Invocation, symbol: SymbolArgument,
    tick: Annotated[str, typer.Option(metavar="DOLLARS", help="Distance of two prices.")] = "0.01",
    locate: Annotated[int | None, typer.Option(
        min=0, max=65535, help="Stock locate; else learnt from the directory.")] = None,
) -> None:
    """Watch a symbol."""
    wanted = symbol_service_pb2.Symbol(symbol=symbol, tick_size_e4=_positive(tick, "tick"),
                                       locate=locate)
    how.send(symbol_service_pb2_grpc.SymbolServiceStub, "UpdateSymbol",
             symbol_service_pb2.UpdateSymbolRequest(symbol=wanted, change=how.change))


def _positive(text: str, option: str) -> int:
    value = parse_price(text, option)
    if not 0 < value <= 0xFFFF:
        raise wrong_field(option, "0.0001 to 6.5535 dollars", text)
    return value


@symbols.command("remove", help="Example: tickwire symbols remove AAPL@XNAS\n\nEnd watching a "
                                "symbol; revokes its limits and disables its strategy.")
@changing
def symbols_remove(how: Invocation, symbol: SymbolArgument) -> None:
    """End watching a symbol."""
    how.send(symbol_service_pb2_grpc.SymbolServiceStub, "RemoveSymbol",
             symbol_service_pb2.RemoveSymbolRequest(symbol=symbol, change=how.change))
