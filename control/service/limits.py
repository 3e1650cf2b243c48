"""LimitsService."""

from dataclasses import asdict

from tickwire.v1 import limits_service_pb2 as pb
from tickwire.v1 import limits_service_pb2_grpc as pb_grpc

from control.actions.settings import (
    LimitsRow,
    list_limits,
    revoke_limits,
    session_limits,
    set_limits,
    set_session_limits,
)
from control.appliance import Appliance
from control.limits import Limits, SessionLimits
from control.service.requests import Context, merged, options
from control.symbols import parse_name

__all__ = ["LimitsServicer"]


def _encode(name: str, limits: Limits | None, version: int = 0) -> pb.Limits:
    return pb.Limits(symbol=name, version=version, **(asdict(limits) if limits else {}))


def _encode_row(row: LimitsRow) -> pb.Limits:
    return _encode(row.symbol.name, row.limits, row.version)


def _decode(message: pb.Limits) -> Limits:
    return Limits(
        maximum_quantity=message.maximum_quantity, maximum_value_e4=message.maximum_value_e4,
        collar_fraction=message.collar_fraction, collar_minimum_e4=message.collar_minimum_e4,
        maximum_long=message.maximum_long, maximum_short=message.maximum_short,
        maximum_open_orders=message.maximum_open_orders, restricted=message.restricted)


def _decode_session(message: pb.SessionLimits) -> SessionLimits:
    return SessionLimits(
        message_interval_ns=message.message_interval_ns,
        message_burst_ns=message.message_burst_ns, hold_ns=message.hold_ns,
        watchdog_timeout_ns=message.watchdog_timeout_ns,
        cancel_on_kill=message.cancel_on_kill)


class LimitsServicer(pb_grpc.LimitsServiceServicer):
    """Sets the limits of each symbol and those of the session."""

    def __init__(self, appliance: Appliance) -> None:
        self._appliance = appliance

    async def ListLimits(self, request: pb.ListLimitsRequest,
                         context: Context) -> pb.ListLimitsResponse:
        found = await list_limits(self._appliance)
        return pb.ListLimitsResponse(
            limits=[_encode_row(row) for row in found.values()],
            limits_version=await self._appliance.device.read("risk.limits_version"),
            revision=self._appliance.revision.number)

    async def UpdateLimits(self, request: pb.UpdateLimitsRequest,
                           context: Context) -> pb.UpdateLimitsResponse:
        stock = parse_name(request.limits.symbol)
        row = await set_limits(
            self._appliance, stock, bool(request.update_mask.paths),
            lambda present: _decode(merged(_encode("", present), request.limits,
                                           request.update_mask.paths)),
            options(request.change, context))
        return pb.UpdateLimitsResponse(limits=_encode_row(row),
                                       revision=self._appliance.revision.number)

    async def RevokeLimits(self, request: pb.RevokeLimitsRequest,
                           context: Context) -> pb.RevokeLimitsResponse:
        await revoke_limits(self._appliance, parse_name(request.symbol),
                            options(request.change, context))
        return pb.RevokeLimitsResponse(revision=self._appliance.revision.number)

    async def GetSessionLimits(self, request: pb.GetSessionLimitsRequest,
                               context: Context) -> pb.GetSessionLimitsResponse:
        limits = await session_limits(self._appliance)
        return pb.GetSessionLimitsResponse(limits=pb.SessionLimits(**asdict(limits)),
                                           revision=self._appliance.revision.number)

    async def UpdateSessionLimits(self, request: pb.UpdateSessionLimitsRequest,
                                  context: Context) -> pb.UpdateSessionLimitsResponse:
        limits = await set_session_limits(
            self._appliance,
            lambda present: _decode_session(merged(pb.SessionLimits(**asdict(present)),
                                                   request.limits, request.update_mask.paths)),
            options(request.change, context))
        return pb.UpdateSessionLimitsResponse(limits=pb.SessionLimits(**asdict(limits)),
                                              revision=self._appliance.revision.number)
