"""``tickwire limits``: set the limits of the risk gate."""

from typing import Annotated

import typer
from tickwire.v1 import limits_service_pb2, limits_service_pb2_grpc

from control.cli.forms import SymbolArgument, dollars, natural, noun
from control.cli.options import Invocation, asking, changing
from control.client.changes import WHOLE_LIMITS
from control.errors import wrong_field
from control.units import parse_price

__all__ = ["limits"]

limits = noun("Example: tickwire limits set AAPL@XNAS --quantity 500\n\nSet the limits of the "
              "risk gate.")


@limits.command("list", help="Example: tickwire limits list --output json\n\nPrint the limits of "
                             "all symbols that have any.")
@asking
def limits_list(how: Invocation) -> None:
    """Print the limits."""
    how.send(limits_service_pb2_grpc.LimitsServiceStub, "ListLimits",
             limits_service_pb2.ListLimitsRequest())


@limits.command("set", help="Example: tickwire limits set AAPL@XNAS --quantity 500 --value 250000 "
                            "--collar 5 --collar-minimum 0.10 --long 2000 --short 2000 "
                            "--open-orders 4\n\nSet limits of a symbol; once it has some, those "
                            "not given stay.")
@changing
def limits_set(
    how: Invocation, symbol: SymbolArgument,
    quantity: Annotated[int | None, typer.Option(help="Largest order, shares.")] = None,
    value: Annotated[str | None, typer.Option(
        metavar="DOLLARS", help="Largest price times quantity.")] = None,
    collar: Annotated[str | None, typer.Option(
        metavar="PERCENT", help="Price band round the mid, rounded down to 2**-16.")] = None,
    collar_minimum: Annotated[str | None, typer.Option(
        metavar="DOLLARS", help="Least width of the band to each side.")] = None,
    long: Annotated[int | None, typer.Option("--long", help="Largest position, shares.")] = None,
    short: Annotated[int | None, typer.Option("--short",
                                              help="Largest short position, shares.")] = None,
    open_orders: Annotated[int | None, typer.Option(help="Most open orders.")] = None,
    restricted: Annotated[bool | None, typer.Option("--restricted/--unrestricted",
                                                    help="Let no order pass.")] = None,
) -> None:
    """Set limits of a symbol."""
    how.update(limits_service_pb2_grpc.LimitsServiceStub, "UpdateLimits",
               limits_service_pb2.UpdateLimitsRequest, {
                   "maximum_quantity": natural(quantity, "quantity"),
                   "maximum_value_e4": _money(value, "value"),
                   "collar_fraction": _percent(collar),
                   "collar_minimum_e4": _money(collar_minimum, "collar-minimum", 2**32),
                   "maximum_long": natural(long, "long"), "maximum_short": natural(short, "short"),
                   "maximum_open_orders": natural(open_orders, "open-orders"),
                   "restricted": restricted,
               }, whole=WHOLE_LIMITS, symbol=symbol)


def _money(text: str | None, option: str, limit: int = 2**64) -> int | None:
    value = dollars(text, option)
    if value is not None and not 0 <= value < limit:
        raise wrong_field(option, "an amount of dollars that is not negative", text)
    return value


def _percent(text: str | None) -> int | None:
    if text is None:
        return None
    hundredths = parse_price(text, "collar")    # 1e-4 of a percent
    if not 0 <= hundredths < 1_000_000:
        raise wrong_field("collar", "0 to 99.99 percent", text)
    return hundredths * 65536 // 1_000_000


@limits.command("revoke", help="Example: tickwire limits revoke AAPL@XNAS\n\nTake the limits of a "
                               "symbol away: it may not be traded.")
@changing
def limits_revoke(how: Invocation, symbol: SymbolArgument) -> None:
    """Take limits away."""
    how.send(limits_service_pb2_grpc.LimitsServiceStub, "RevokeLimits",
             limits_service_pb2.RevokeLimitsRequest(symbol=symbol, change=how.change))


@limits.command("session", help="Example: tickwire limits session --message-interval-ns 1000000 "
                                "--watchdog-ns 1000000000\n\nPrint the limits of the session, or "
                                "change those that are given.")
@changing
def limits_session(
    how: Invocation,
    message_interval_ns: Annotated[int | None, typer.Option(
        help="Time between messages; 0 allows none.")] = None,
    message_burst_ns: Annotated[int | None, typer.Option(
        help="How far a burst may run ahead.")] = None,
    hold_ns: Annotated[int | None, typer.Option(help="Longest wait for a verdict.")] = None,
    watchdog_ns: Annotated[int | None, typer.Option(
        help="Silence of the control plane that kills.")] = None,
    cancel_on_kill: Annotated[bool | None, typer.Option(
        "--cancel-on-kill/--keep-on-kill", help="Whether a kill asks for a cancel of every open "
                                                "order.")] = None,
) -> None:
    """Print or change the limits of the session."""
    stub = limits_service_pb2_grpc.LimitsServiceStub
    wanted = {
        "message_interval_ns": natural(message_interval_ns, "message-interval-ns"),
        "message_burst_ns": natural(message_burst_ns, "message-burst-ns"),
        "hold_ns": natural(hold_ns, "hold-ns"), "watchdog_timeout_ns": watchdog_ns,
        "cancel_on_kill": cancel_on_kill,
    }
    if watchdog_ns is not None and not 0 <= watchdog_ns < 2**40:
        raise wrong_field("watchdog-ns", f"0 to {2**40 - 1}", watchdog_ns)
    if all(value is None for value in wanted.values()):
        how.send(stub, "GetSessionLimits", limits_service_pb2.GetSessionLimitsRequest())
        return
    how.update(stub, "UpdateSessionLimits", limits_service_pb2.UpdateSessionLimitsRequest, wanted)
