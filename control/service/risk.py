"""RiskService."""

from dataclasses import asdict

from tickwire.v1 import risk_service_pb2 as pb
from tickwire.v1 import risk_service_pb2_grpc as pb_grpc

from control.actions import risk
from control.appliance import Appliance
from control.service.requests import Context, options
from control.symbols import name_of, parse_name

__all__ = ["RiskServicer"]


def _encode(view: risk.RiskView) -> pb.Risk:
    return pb.Risk(**asdict(view))


class RiskServicer(pb_grpc.RiskServiceServicer):
    """Opens and closes the gate."""

    def __init__(self, appliance: Appliance) -> None:
        self._appliance = appliance

    @property
    def _revision(self) -> int:
        return self._appliance.revision.number

    async def GetRisk(self, request: pb.GetRiskRequest, context: Context) -> pb.GetRiskResponse:
        view = await risk.read_risk(self._appliance)
        return pb.GetRiskResponse(risk=_encode(view), revision=self._revision)

    async def Arm(self, request: pb.ArmRequest, context: Context) -> pb.ArmResponse:
        view = await risk.arm(self._appliance, options(request.change, context))
        return pb.ArmResponse(risk=_encode(view), revision=self._revision)

    async def Disarm(self, request: pb.DisarmRequest, context: Context) -> pb.DisarmResponse:
        view = await risk.disarm(self._appliance)
        return pb.DisarmResponse(risk=_encode(view), revision=self._revision)

    async def Kill(self, request: pb.KillRequest, context: Context) -> pb.KillResponse:
        view = await risk.kill(self._appliance, request.reason)
        return pb.KillResponse(risk=_encode(view), revision=self._revision)

    async def ClearKill(self, request: pb.ClearKillRequest,
                        context: Context) -> pb.ClearKillResponse:
        reconciled = {name_of(parse_name(row.symbol, "positions.symbol")): row.position
                      for row in request.positions}
        view = await risk.clear_kill(self._appliance, request.reason, reconciled,
                                     options(request.change, context))
        return pb.ClearKillResponse(risk=_encode(view), revision=self._revision)

    async def CancelAll(self, request: pb.CancelAllRequest,
                        context: Context) -> pb.CancelAllResponse:
        view = await risk.cancel_all(self._appliance)
        return pb.CancelAllResponse(risk=_encode(view), revision=self._revision)
