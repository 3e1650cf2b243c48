"""``tickwire session``: set up the order session, connect and disconnect it."""

from typing import Annotated

import typer
from tickwire.v1 import session_service_pb2, session_service_pb2_grpc

from control.cli.forms import noun
from control.cli.options import Invocation, asking, changing

__all__ = ["session"]

session = noun("Example: tickwire session up\n\nSet up the order session, connect and "
               "disconnect it.")


@session.command("show", help="Example: tickwire session show\n\nPrint settings and state of the "
                              "order session.")
@asking
def session_show(how: Invocation) -> None:
    """Print settings and state."""
    how.send(session_service_pb2_grpc.SessionServiceStub, "GetSession",
             session_service_pb2.GetSessionRequest())


@session.command("set", help="Example: tickwire session set --local-ip 10.0.0.2 --peer-ip "
                             "10.0.0.1 --peer-port 9000 --username TICK\n\nChange settings; those "
                             "not given stay. The password comes from TICKWIRE_PASSWORD.")
@changing
def session_set(
    how: Invocation,
    local_mac: Annotated[str | None, typer.Option(help="Own MAC address.")] = None,
    local_ip: Annotated[str | None, typer.Option(help="Own IPv4 address.")] = None,
    local_port: Annotated[int | None, typer.Option(min=1, max=65535, help="Own port.")] = None,
    peer_ip: Annotated[str | None, typer.Option(help="The venue's IPv4 address.")] = None,
    peer_port: Annotated[int | None, typer.Option(min=1, max=65535,
                                                  help="The venue's port.")] = None,
    gateway_ip: Annotated[str | None, typer.Option(help="Gateway; empty for none.")] = None,
    next_hop_mac: Annotated[str | None, typer.Option(
        help="MAC address of the next hop; empty asks by ARP.")] = None,
    username: Annotated[str | None, typer.Option(help="User of the login.")] = None,
    requested_session: Annotated[str | None, typer.Option(
        help="Session asked for; empty for the active one.")] = None,
    sequence: Annotated[int | None, typer.Option(
        min=0, help="Sequence number asked for; 1 from the start.")] = None,
    user_ref_num: Annotated[int | None, typer.Option(
        min=1, max=2**32 - 1, help="UserRefNum of the next order.")] = None,
) -> None:
    """Change settings of the session."""
    how.update(session_service_pb2_grpc.SessionServiceStub, "UpdateSession",
               session_service_pb2.UpdateSessionRequest, {
                   "local_mac": local_mac, "local_ip": local_ip, "local_port": local_port,
                   "peer_ip": peer_ip, "peer_port": peer_port, "gateway_ip": gateway_ip,
                   "next_hop_mac": next_hop_mac, "username": username,
                   "requested_session": requested_session, "sequence": sequence,
                   "user_ref_num": user_ref_num,
                   "password": how.environment.variables.get("TICKWIRE_PASSWORD")})


@session.command("up", help="Example: tickwire session up --timeout-ms 2000\n\nConnect, log in, "
                            "and wait for the outcome.")
@changing
def session_up(
    how: Invocation,
    timeout_ms: Annotated[int, typer.Option(min=1, max=60000, help="Longest wait.")] = 5000,
) -> None:
    """Connect and log in."""
    how.send(session_service_pb2_grpc.SessionServiceStub, "ConnectSession",
             session_service_pb2.ConnectSessionRequest(timeout_ms=timeout_ms, change=how.change))


@session.command("down", help="Example: tickwire session down\n\nLog out and close.")
@changing
def session_down(how: Invocation) -> None:
    """Log out and close."""
    how.send(session_service_pb2_grpc.SessionServiceStub, "DisconnectSession",
             session_service_pb2.DisconnectSessionRequest(change=how.change))
