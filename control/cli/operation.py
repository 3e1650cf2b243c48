"""Commands that watch and steer a running appliance."""

from typing import Annotated

import typer
from tickwire.v1 import (
    risk_service_pb2,
    risk_service_pb2_grpc,
    status_service_pb2,
    status_service_pb2_grpc,
    telemetry_service_pb2,
    telemetry_service_pb2_grpc,
)

from control.cli.completion import complete_position
from control.cli.options import Invocation, asking, changing
from control.errors import ControlError, Reason, wrong_field

__all__ = ["KILL", "add_to"]

_RISK = risk_service_pb2_grpc.RiskServiceStub
_TELEMETRY = telemetry_service_pb2_grpc.TelemetryServiceStub


@asking
def status(how: Invocation) -> None:
    """Print the appliance's status."""
    how.send(status_service_pb2_grpc.StatusServiceStub, "GetStatus",
             status_service_pb2.GetStatusRequest())


@asking
def counters(
    how: Invocation,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are zero.")] = False,
) -> None:
    """Print the counters."""
    how.send(_TELEMETRY, "ListCounters",
             telemetry_service_pb2.ListCountersRequest(nonzero=not everything))


@asking
def latency(
    how: Invocation,
    clear: Annotated[bool, typer.Option("--clear", help="Empty the histogram then.")] = False,
) -> None:
    """Print the latency of the orders."""
    how.send(_TELEMETRY, "GetLatency", telemetry_service_pb2.GetLatencyRequest(clear=clear))


@asking
def positions(how: Invocation) -> None:
    """Print positions, open orders and cash."""
    how.send(_TELEMETRY, "ListPositions", telemetry_service_pb2.ListPositionsRequest())


@asking
def orders(
    how: Invocation,
    still_open: Annotated[bool, typer.Option("--open", help="Only those that may still be "
                                             "executed.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, the latest.")] = 100,
) -> None:
    """Print the order log."""
    how.send(_TELEMETRY, "ListOrders",
             telemetry_service_pb2.ListOrdersRequest(open=still_open, limit=limit))


@asking
def fills(
    how: Invocation,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, the latest.")] = 100,
) -> None:
    """Print the latest executions."""
    how.send(_TELEMETRY, "ListFills", telemetry_service_pb2.ListFillsRequest(limit=limit))


@changing
def arm(
    how: Invocation,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Let orders out."""
    sure = yes or how.dry_run or how.environment.confirm("Arm: orders will go to the venue?")
    if not sure:
        raise ControlError(Reason.NOT_READY, "not armed: not confirmed")
    how.send(_RISK, "Arm", risk_service_pb2.ArmRequest(change=how.change))


@asking
def disarm(how: Invocation) -> None:
    """Let no order out any more."""
    how.send(_RISK, "Disarm", risk_service_pb2.DisarmRequest())


@asking
def cancel(how: Invocation) -> None:
    """Ask for a cancel of every open order."""
    how.send(_RISK, "CancelAll", risk_service_pb2.CancelAllRequest())


KILL = typer.Typer(rich_markup_mode=None, invoke_without_command=True, help=(
    "Example: tickwire kill --reason 'prices look wrong'\n\nLet no order out any more, latch, and "
    "cancel what is open, unless `tickwire limits session --keep-on-kill` says not to. Asks "
    "nothing. `tickwire kill clear` forgets it."))


@KILL.callback()
@asking
def kill(
    how: Invocation,
    reason: Annotated[str, typer.Option(help="Why, for the records.")] = "",
) -> None:
    """Kill, unless a command of the group follows."""
    if how.context.invoked_subcommand is None:
        how.send(_RISK, "Kill", risk_service_pb2.KillRequest(reason=reason))


@KILL.command("clear", help="Example: tickwire kill clear --reason 'feed is back' --position "
                            "AAPL@XNAS=100\n\nForget a kill. Every position that is not zero must "
                            "be given as the venue knows it. The appliance stays disarmed.")
@changing
def kill_clear(
    how: Invocation,
    reason: Annotated[str, typer.Option(help="Why it may be forgotten.")],
    position: Annotated[list[str] | None, typer.Option(
        metavar="SYMBOL=SHARES", autocompletion=complete_position,
        help="A position that is not zero; may be repeated.")] = None,
) -> None:
    """Forget a kill."""
    rows = [_position(text) for text in position or []]
    how.send(_RISK, "ClearKill",
             risk_service_pb2.ClearKillRequest(reason=reason, positions=rows, change=how.change))


def _position(text: str) -> risk_service_pb2.ReconciledPosition:
    symbol, _, shares = text.rpartition("=")
    try:
        return risk_service_pb2.ReconciledPosition(symbol=symbol, position=int(shares))
    except ValueError:
        raise wrong_field("position", "SYMBOL=SHARES, such as AAPL@XNAS=-100", text) from None


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for function, text in (
        (status, "Example: tickwire status\n\nPrint what the appliance is and does."),
        (counters, "Example: tickwire counters\n\nPrint the counters that are not zero."),
        (latency, "Example: tickwire latency --output json\n\nPrint percentiles of the latency: "
                  "start of the frame with the trigger to start of the order's frame, at the pins "
                  "of the core."),
        (positions, "Example: tickwire positions\n\nPrint positions, open orders and cash."),
        (orders, "Example: tickwire orders --open\n\nPrint the order log: orders, positions, cash "
                 "and refusals as the event records tell them."),
        (fills, "Example: tickwire fills --limit 10\n\nPrint the latest executions, oldest first, "
                "as the event records tell them."),
        (arm, "Example: tickwire arm --yes\n\nLet orders out; asks first."),
        (disarm, "Example: tickwire disarm\n\nLet no order out any more; cancels pass."),
        (cancel, "Example: tickwire cancel\n\nAsk for a cancel of every open order."),
    ):
        app.command(function.__name__, help=text)(function)
    app.add_typer(KILL, name="kill")
