"""``tickwire model``: load the model that scores."""

from pathlib import Path
from typing import Annotated

import typer
from tickwire.v1 import model_service_pb2, model_service_pb2_grpc

from control.cli.environment import (
    DryRunOption,
    ExpectedOption,
    Output,
    OutputOption,
    ServerOption,
    TakeOverOption,
    call,
    change_of,
    emit,
)
from control.cli.forms import noun
from control.errors import ControlError, Reason

__all__ = ["model"]

model = noun("Example: tickwire model load linear.json\n\nLoad the model that scores.")


@model.command("show", help="Example: tickwire model show\n\nPrint the model that scores, as read "
                            "from the appliance.")
def model_show(context: typer.Context, server: ServerOption = None,
               output: OutputOption = Output.TEXT) -> None:
    """Print the model."""
    emit(context, output, call(context, server, model_service_pb2_grpc.ModelServiceStub,
                               "GetModel", model_service_pb2.GetModelRequest()))


@model.command("load", help="Example: tickwire model load linear.json\n\nCheck a model file, write "
                            "it to the idle bank, read it back, and make it score.")
def model_load(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Model file, tickwire-model/1.")],
    expected: ExpectedOption = None, dry_run: DryRunOption = False,
    take_over: TakeOverOption = False, server: ServerOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Load a model."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ControlError(Reason.INVALID_MODEL, f"{file} cannot be read: {error}") from error
    emit(context, output, call(
        context, server, model_service_pb2_grpc.ModelServiceStub, "LoadModel",
        model_service_pb2.LoadModelRequest(text=text, change=change_of(expected, dry_run)),
        take_over=take_over))
