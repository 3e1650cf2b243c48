"""SessionService."""

from dataclasses import asdict

from tickwire.v1 import session_service_pb2 as pb
from tickwire.v1 import session_service_pb2_grpc as pb_grpc

from control.actions.arp import list_entries, remove_entry, set_entry
from control.actions.session import connect, disconnect, read_session, update_session
from control.appliance import Appliance
from control.arp import ArpEntry
from control.service.requests import Context, merged, options, within
from control.session import SessionSettings, SessionView

__all__ = ["SessionServicer"]

_LOGIN_MS = 5000


def _encode(settings: SessionSettings, *, password: bool = False) -> pb.Session:
    message = pb.Session(**asdict(settings))
    if not password:
        message.ClearField("password")
    return message


def _decode(message: pb.Session) -> SessionSettings:
    return SessionSettings(
        local_mac=message.local_mac, local_ip=message.local_ip, local_port=message.local_port,
        peer_ip=message.peer_ip, peer_port=message.peer_port, gateway_ip=message.gateway_ip,
        next_hop_mac=message.next_hop_mac, username=message.username,
        password=message.password, requested_session=message.requested_session,
        sequence=message.sequence, user_ref_num=message.user_ref_num)


def _encode_entry(entry: ArpEntry) -> pb.ArpEntry:
    return pb.ArpEntry(**asdict(entry))


def _encode_state(view: SessionView) -> pb.SessionState:
    return pb.SessionState(**asdict(view))


class SessionServicer(pb_grpc.SessionServiceServicer):
    """Connects to the venue."""

    def __init__(self, appliance: Appliance) -> None:
        self._appliance = appliance

    async def GetSession(self, request: pb.GetSessionRequest,
                         context: Context) -> pb.GetSessionResponse:
        settings, view = await read_session(self._appliance)
        return pb.GetSessionResponse(session=_encode(settings), state=_encode_state(view),
                                     revision=self._appliance.revision.number)

    async def UpdateSession(self, request: pb.UpdateSessionRequest,
                            context: Context) -> pb.UpdateSessionResponse:
        settings = await update_session(
            self._appliance,
            lambda present: _decode(merged(_encode(present, password=True), request.session,
                                           request.update_mask.paths)),
            options(request.change, context))
        return pb.UpdateSessionResponse(session=_encode(settings),
                                        revision=self._appliance.revision.number)

    async def ConnectSession(self, request: pb.ConnectSessionRequest,
                             context: Context) -> pb.ConnectSessionResponse:
        timeout_ms = within("timeout_ms", request.timeout_ms, 1, 60_000, _LOGIN_MS)
        view = await connect(self._appliance, timeout_ms / 1000,
                             options(request.change, context))
        return pb.ConnectSessionResponse(state=_encode_state(view),
                                         revision=self._appliance.revision.number)

    async def DisconnectSession(self, request: pb.DisconnectSessionRequest,
                                context: Context) -> pb.DisconnectSessionResponse:
        view = await disconnect(self._appliance, options(request.change, context))
        return pb.DisconnectSessionResponse(state=_encode_state(view),
                                            revision=self._appliance.revision.number)

    async def ListArpEntries(self, request: pb.ListArpEntriesRequest,
                             context: Context) -> pb.ListArpEntriesResponse:
        entries = await list_entries(self._appliance)
        return pb.ListArpEntriesResponse(entries=map(_encode_entry, entries.values()),
                                         revision=self._appliance.revision.number)

    async def SetArpEntry(self, request: pb.SetArpEntryRequest,
                          context: Context) -> pb.SetArpEntryResponse:
        entry = await set_entry(self._appliance, request.ip, request.mac,
                                options(request.change, context))
        return pb.SetArpEntryResponse(entry=_encode_entry(entry),
                                      revision=self._appliance.revision.number)

    async def RemoveArpEntry(self, request: pb.RemoveArpEntryRequest,
                             context: Context) -> pb.RemoveArpEntryResponse:
        await remove_entry(self._appliance, request.ip, options(request.change, context))
        return pb.RemoveArpEntryResponse(revision=self._appliance.revision.number)
