"""``tickwire strategy``: set how scores become orders."""

from typing import Annotated

import typer
from tickwire.v1 import strategy_service_pb2, strategy_service_pb2_grpc

from control.cli.forms import SymbolArgument, dollars, natural, noun
from control.cli.options import Invocation, asking, changing
from control.errors import wrong_field

__all__ = ["strategy"]

strategy = noun("Example: tickwire strategy set AAPL@XNAS --quantity 100 --enable\n\nSet how "
                "scores become orders.")


@strategy.command("list", help="Example: tickwire strategy list\n\nPrint the parameters of every "
                               "watched symbol.")
@asking
def strategy_list(how: Invocation) -> None:
    """Print the parameters."""
    how.send(strategy_service_pb2_grpc.StrategyServiceStub, "ListStrategies",
             strategy_service_pb2.ListStrategiesRequest())


@strategy.command("set", help="Example: tickwire strategy set AAPL@XNAS --buy 5000 --sell 5000 "
                              "--quantity 100 --enable\n\nSet parameters of a symbol; those not "
                              "given stay.")
@changing
def strategy_set(
    how: Invocation, symbol: SymbolArgument,
    buy: Annotated[int | None, typer.Option(help="A score at or above it buys.")] = None,
    sell: Annotated[int | None, typer.Option(help="A score at or below minus it sells.")] = None,
    cancel_buy: Annotated[int | None, typer.Option(
        help="A score below it cancels a resting buy.")] = None,
    cancel_sell: Annotated[int | None, typer.Option(
        help="A score above minus it cancels a resting sale.")] = None,
    quantity: Annotated[int | None, typer.Option(help="Shares of an order.")] = None,
    offset: Annotated[str | None, typer.Option(
        metavar="DOLLARS", help="Added to the price of a buy, taken off that of a sale.")] = None,
    cooldown_ns: Annotated[int | None, typer.Option(
        help="Time after an order without another.")] = None,
    near: Annotated[bool | None, typer.Option(
        "--near/--far", help="Start from the near or the far touch.")] = None,
    day: Annotated[bool | None, typer.Option(
        "--day/--ioc", help="Let orders rest, or cancel what is not executed at once.")] = None,
    enable: Annotated[bool | None, typer.Option("--enable/--disable",
                                                help="Make orders.")] = None,
) -> None:
    """Set parameters of a symbol."""
    how.update(strategy_service_pb2_grpc.StrategyServiceStub, "UpdateStrategy",
               strategy_service_pb2.UpdateStrategyRequest, {
                   "buy_threshold": _score(buy, "buy"), "sell_threshold": _score(sell, "sell"),
                   "cancel_buy_threshold": _score(cancel_buy, "cancel-buy"),
                   "cancel_sell_threshold": _score(cancel_sell, "cancel-sell"),
                   "quantity": natural(quantity, "quantity"),
                   "offset_e4": _score(dollars(offset, "offset"), "offset"),
                   "cooldown_ns": natural(cooldown_ns, "cooldown-ns"), "enable": enable,
                   "price_reference": None if near is None else "near" if near else "far",
                   "time_in_force": None if day is None else "day" if day else "ioc",
               }, symbol=symbol)


def _score(value: int | None, option: str) -> int | None:
    if value is not None and not -2**31 <= value < 2**31:
        raise wrong_field(option, f"{-2**31} to {2**31 - 1}", value)
    return value
