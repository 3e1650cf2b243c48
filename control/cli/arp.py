"""``tickwire arp``: MAC addresses that the order port knows."""

from typing import Annotated

import typer
from tickwire.v1 import session_service_pb2, session_service_pb2_grpc

from control.cli.forms import noun
from control.cli.options import Invocation, asking, changing

__all__ = ["arp"]

arp = noun("Example: tickwire arp set 10.0.0.1 02:00:00:00:00:01\n\nSee and set the MAC addresses "
           "that the order port knows.")

_IpArgument = Annotated[str, typer.Argument(metavar="IP", help="IPv4 address.")]


@arp.command("list", help="Example: tickwire arp list\n\nPrint the cache: what was learnt, and "
                          "what was set (fixed) and stays.")
@asking
def arp_list(how: Invocation) -> None:
    """Print the cache."""
    how.send(session_service_pb2_grpc.SessionServiceStub, "ListArpEntries",
             session_service_pb2.ListArpEntriesRequest())


@arp.command("set", help="Example: tickwire arp set 10.0.0.1 02:00:00:00:00:01\n\nSet the MAC "
                         "address of an IPv4 address, that of the venue or the gateway; no answer "
                         "replaces it. A connection keeps the address it began with.")
@changing
def arp_set(
    how: Invocation, ip: _IpArgument,
    mac: Annotated[str, typer.Argument(metavar="MAC", help="MAC address.")],
) -> None:
    """Set an entry."""
    how.send(session_service_pb2_grpc.SessionServiceStub, "SetArpEntry",
             session_service_pb2.SetArpEntryRequest(ip=ip, mac=mac, change=how.change))


@arp.command("remove", help="Example: tickwire arp remove 10.0.0.1\n\nForget an entry, learnt or "
                            "set; the next connection asks.")
@changing
def arp_remove(how: Invocation, ip: _IpArgument) -> None:
    """Forget an entry."""
    how.send(session_service_pb2_grpc.SessionServiceStub, "RemoveArpEntry",
             session_service_pb2.RemoveArpEntryRequest(ip=ip, change=how.change))
