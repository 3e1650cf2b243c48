"""``tickwire feed``: set where market data come from."""

from enum import StrEnum
from typing import Annotated

import typer
from tickwire.v1 import feed_service_pb2, feed_service_pb2_grpc

from control.cli.forms import noun
from control.cli.options import Invocation, asking, changing

__all__ = ["feed"]


class Igmp(StrEnum):
    """How the network is asked for the stream."""

    OFF = "off"
    AUTO = "auto"
    VERSION_2 = "2"
    VERSION_3 = "3"

    @property
    def mode(self) -> str:
        """Its name in the service."""
        return self.name.lower()


feed = noun("Example: tickwire feed set --group 233.54.12.111 --port 26477 --enable\n\nSet where "
            "market data come from.")


@feed.command("show", help="Example: tickwire feed show\n\nPrint the settings of the stream.")
@asking
def feed_show(how: Invocation) -> None:
    """Print the settings."""
    how.send(feed_service_pb2_grpc.FeedServiceStub, "GetFeed", feed_service_pb2.GetFeedRequest())


@feed.command("set", help="Example: tickwire feed set --group 233.54.12.111 --port 26477 "
                          "--enable\n\nChange settings of the stream; those not given stay.")
@changing
def feed_set(
    how: Invocation,
    enable: Annotated[bool | None, typer.Option("--enable/--disable",
                                                help="Accept market data.")] = None,
    group: Annotated[str | None, typer.Option(help="IPv4 address of the stream.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="UDP port.")] = None,
    session: Annotated[str | None, typer.Option(
        help="MoldUDP64 session; empty takes that of the first packet.")] = None,
    next_sequence: Annotated[int | None, typer.Option(
        min=0, help="Sequence number expected next; 0 takes that of the first packet.")] = None,
    cut_through: Annotated[bool | None, typer.Option(
        "--cut-through/--store-and-forward",
        help="Act before the frame's FCS has proved good.")] = None,
    timeout_ns: Annotated[int | None, typer.Option(
        min=0, max=2**40 - 1, help="Silence of the feed after which no order leaves.")] = None,
    record: Annotated[list[str] | None, typer.Option(
        help="Type of message that becomes an event record, such as noii; may be repeated. "
             "\"none\" records none.")] = None,
    record_all_symbols: Annotated[bool | None, typer.Option(
        "--record-all-symbols/--record-watched-symbols",
        help="Record also messages of symbols that are not watched.")] = None,
    record_depth: Annotated[bool | None, typer.Option(
        "--record-depth/--no-record-depth",
        help="Record the five best levels after each event of a book.")] = None,
    record_vectors: Annotated[bool | None, typer.Option(
        "--record-vectors/--no-record-vectors",
        help="Record features and score of each event of a book.")] = None,
    igmp: Annotated[Igmp | None, typer.Option(
        help="Ask the network for the stream: by this version of IGMP, or by that of the querier; "
             "wants --local-mac.")] = None,
    local_mac: Annotated[str | None, typer.Option(
        help="Own MAC address at the feed port, not that of another port; empty for none.")] = None,
    local_ip: Annotated[str | None, typer.Option(
        help="Own IPv4 address at the feed port; empty will do.")] = None,
) -> None:
    """Change settings of the stream."""
    how.update(feed_service_pb2_grpc.FeedServiceStub, "UpdateFeed",
               feed_service_pb2.UpdateFeedRequest, {
                   "enable": enable, "group_ip": group, "udp_port": port, "session": session,
                   "next_sequence": next_sequence, "cut_through": cut_through,
                   "timeout_ns": timeout_ns, "record_all_symbols": record_all_symbols,
                   "record_depth": record_depth, "record_vectors": record_vectors,
                   "igmp": None if igmp is None else igmp.mode, "local_mac": local_mac,
                   "local_ip": local_ip,
                   "recorded_messages": [] if record == ["none"] else record or None})


@feed.command("reset", help="Example: tickwire feed reset\n\nForget every order, book, session and "
                            "trading state, and begin again as the settings say: after a gap, or "
                            "for a new session.")
@changing
def feed_reset(how: Invocation) -> None:
    """Begin again."""
    how.send(feed_service_pb2_grpc.FeedServiceStub, "ResetFeed",
             feed_service_pb2.ResetFeedRequest(change=how.change))
