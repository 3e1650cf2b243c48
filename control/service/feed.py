"""FeedService."""

from dataclasses import asdict

from tickwire.v1 import feed_service_pb2 as pb
from tickwire.v1 import feed_service_pb2_grpc as pb_grpc

from control.actions.settings import feed, reset_feed, update_feed
from control.appliance import Appliance
from control.errors import wrong_field
from control.feed import IGMP_MODES, FeedSettings
from control.service.requests import Context, merged, options

__all__ = ["FeedServicer"]


#: The modes of IGMP in the order of the register's values.
_IGMP = (pb.IGMP_OFF, pb.IGMP_AUTO, pb.IGMP_VERSION_2, pb.IGMP_VERSION_3)


def _encode(settings: FeedSettings) -> pb.Feed:
    values = asdict(settings)
    return pb.Feed(igmp=_IGMP[IGMP_MODES.index(values.pop("igmp"))], **values)


def _decode(message: pb.Feed) -> FeedSettings:
    igmp = message.igmp or pb.IGMP_OFF
    if igmp not in _IGMP:
        raise wrong_field("igmp", f"one of {', '.join(IGMP_MODES)}", message.igmp)
    return FeedSettings(
        enable=message.enable, group_ip=message.group_ip, udp_port=message.udp_port,
        session=message.session, next_sequence=message.next_sequence,
        cut_through=message.cut_through, timeout_ns=message.timeout_ns,
        recorded_messages=tuple(message.recorded_messages),
        record_all_symbols=message.record_all_symbols, record_depth=message.record_depth,
        record_vectors=message.record_vectors,
        igmp=IGMP_MODES[_IGMP.index(igmp)], local_mac=message.local_mac, local_ip=message.local_ip)


class FeedServicer(pb_grpc.FeedServiceServicer):
    """Sets where market data come from."""

    def __init__(self, appliance: Appliance) -> None:
        self._appliance = appliance

    async def GetFeed(self, request: pb.GetFeedRequest, context: Context) -> pb.GetFeedResponse:
        return pb.GetFeedResponse(feed=_encode(await feed(self._appliance)),
                                  revision=self._appliance.revision.number)

    async def UpdateFeed(self, request: pb.UpdateFeedRequest,
                         context: Context) -> pb.UpdateFeedResponse:
        settings = await update_feed(
            self._appliance,
            lambda present: _decode(merged(_encode(present), request.feed,
                                           request.update_mask.paths)),
            options(request.change, context))
        return pb.UpdateFeedResponse(feed=_encode(settings),
                                     revision=self._appliance.revision.number)

    async def ResetFeed(self, request: pb.ResetFeedRequest,
                        context: Context) -> pb.ResetFeedResponse:
        await reset_feed(self._appliance, options(request.change, context))
        return pb.ResetFeedResponse(revision=self._appliance.revision.number)
