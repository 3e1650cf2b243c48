"""ModelService."""

from tickwire.v1 import model_service_pb2 as pb
from tickwire.v1 import model_service_pb2_grpc as pb_grpc

from control.actions.models import ActiveModel, active_model, load
from control.appliance import Appliance
from control.service.requests import Context, options

__all__ = ["ModelServicer"]


def _encode(model: ActiveModel) -> pb.Model:
    return pb.Model(
        epoch=model.epoch, loaded=model.loaded, bank=model.bank, weights=model.weights,
        bias=model.bias, name=model.origin.name if model.origin else "",
        sha256=model.origin.sha256 if model.origin else "")


class ModelServicer(pb_grpc.ModelServiceServicer):
    """Loads models."""

    def __init__(self, appliance: Appliance) -> None:
        self._appliance = appliance

    async def GetModel(self, request: pb.GetModelRequest,
                       context: Context) -> pb.GetModelResponse:
        return pb.GetModelResponse(model=_encode(await active_model(self._appliance)),
                                   revision=self._appliance.revision.number)

    async def LoadModel(self, request: pb.LoadModelRequest,
                        context: Context) -> pb.LoadModelResponse:
        model = await load(self._appliance, request.text, options(request.change, context))
        return pb.LoadModelResponse(model=_encode(model),
                                    revision=self._appliance.revision.number)
