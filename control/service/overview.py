"""StatusService."""

import asyncio
from collections.abc import AsyncIterator

from tickwire.v1 import status_service_pb2 as pb
from tickwire.v1 import status_service_pb2_grpc as pb_grpc

from control.actions.readings import StatusView, status
from control.appliance import Appliance
from control.service.requests import Context, within

__all__ = ["StatusServicer"]

_INTERVAL_MS = 500


class StatusServicer(pb_grpc.StatusServiceServicer):
    """Reads what the appliance is and does."""

    def __init__(self, appliance: Appliance) -> None:
        self._appliance = appliance

    def _encode(self, view: StatusView) -> pb.Status:
        device = self._appliance.device
        return pb.Status(
            version=device.version, map_hash=device.map.hash, symbols=device.symbols,
            core_hz=device.core_hz, memories_cleared=view.memories_cleared,
            feed_enabled=view.feed_enabled, feed_up=view.feed_up, session_up=view.session_up,
            armed=view.armed, killed=view.killed, kill_causes=view.causes,
            model_loaded=view.model_loaded, model_epoch=view.model_epoch,
            model_name=view.model_name, watched=view.watched, events_lost=view.events_lost,
            limited=view.limited, limits_version=view.limits_version, trading=view.trading)

    async def GetStatus(self, request: pb.GetStatusRequest,
                        context: Context) -> pb.GetStatusResponse:
        return pb.GetStatusResponse(status=self._encode(await status(self._appliance)),
                                    revision=self._appliance.revision.number)

    async def WatchStatus(self, request: pb.WatchStatusRequest,
                          context: Context) -> AsyncIterator[pb.WatchStatusResponse]:
        interval_ms = within("interval_ms", request.interval_ms, 10, 60_000, _INTERVAL_MS)
        sequence = 0
        last: tuple[StatusView, int] | None = None
        while True:
            revision = self._appliance.revision.number   # never newer than the status
            seen = (await status(self._appliance), revision)
            if seen != last:
                yield pb.WatchStatusResponse(sequence=sequence, status=self._encode(seen[0]),
                                             revision=seen[1])
                sequence, last = sequence + 1, seen
            await asyncio.sleep(interval_ms / 1000)
