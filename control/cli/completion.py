"""What a shell may complete: symbols of the server if it answers soon, kinds of event records."""

import typer

from control.cli.environment import environment_of
from control.client import Appliance, ControlError
from control.client.connection import Connection
from proto.events import EVENTS

__all__ = ["complete_kind", "complete_position", "complete_symbol"]

#: Nobody waits longer for a completion.
_PATIENCE_S = 1.0


def complete_symbol(context: typer.Context, incomplete: str) -> list[str]:
    """Return the watched symbols that begin so; none if the server does not answer."""
    variables = environment_of(context).variables
    try:
        with Appliance(connection=Connection.from_variables(
                variables, context.params.get("server"), timeout_s=_PATIENCE_S)) as appliance:
            names = [row.symbol for row in appliance.symbols()]
    except ControlError:
        return []
    return [name for name in names if name.startswith(incomplete)]


def complete_position(context: typer.Context, incomplete: str) -> list[str]:
    """Return the watched symbols that begin so, each with an equals sign."""
    return [f"{name}=" for name in complete_symbol(context, incomplete)]


def complete_kind(incomplete: str) -> list[str]:
    """Return the kinds of event records that begin so."""
    names = (kind.name.lower() for kind in EVENTS)
    return [name for name in names if name.startswith(incomplete)]
