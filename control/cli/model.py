"""``tickwire model``: load the model that scores."""

from pathlib import Path
from typing import Annotated

import typer
from tickwire.v1 import model_service_pb2, model_service_pb2_grpc

from control.cli.forms import noun
from control.cli.options import Invocation, asking, changing
from control.errors import ControlError, Reason

__all__ = ["model"]

model = noun("Example: tickwire model load linear.json\n\nLoad the model that scores.")


@model.command("show", help="Example: tickwire model show\n\nPrint the model that scores, as read "
                            "from the appliance.")
@asking
def model_show(how: Invocation) -> None:
    """Print the model."""
    how.send(model_service_pb2_grpc.ModelServiceStub, "GetModel",
             model_service_pb2.GetModelRequest())


@model.command("load", help="Example: tickwire model load linear.json\n\nCheck a model file, write "
                            "it to the idle bank, read it back, and make it score.")
@changing
def model_load(
    how: Invocation,
    file: Annotated[Path, typer.Argument(help="Model file, tickwire-model/1.")],
) -> None:
    """Load a model."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ControlError(Reason.INVALID_MODEL, f"{file} cannot be read: {error}") from error
    try:
        how.send(model_service_pb2_grpc.ModelServiceStub, "LoadModel",
                 model_service_pb2.LoadModelRequest(text=text, change=how.change))
    except ControlError as error:
        if error.reason is not Reason.INVALID_MODEL:
            raise
        raise ControlError(error.reason, f"{file}: {error.message}", field=error.field,
                           metadata=error.metadata) from error
