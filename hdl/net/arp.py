"""ARP: answer for our own address.

Ref: RFC 826.
"""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.net.tcp_receiver import capture, compare
from hdl.net.xgmii_receiver import FrameVerdict
from hdl.stream import FrameStream
from proto.wire.ethernet import ARP, MAC, ArpOperation, EtherType

__all__ = ["ArpReply", "ArpResponder"]


class ArpReply(data.Struct):
    """An ARP reply to send: to whom."""

    mac: 48
    address: 32


class ArpResponder(wiring.Component):
    """Reply to requests for our address.

    Latency: 4 cycles, last beat of a request to `replies.valid`. One reply waits to be sent at
    most: requests that come meanwhile are lost, and repeated by who asked.

    Members
    -------
    beats, index, verdicts : inputs
        Received frames, the number of each beat, the verdicts.
    replies : ``Out(stream.Signature(ArpReply))``
        Replies to send.
    cfg_local_address : ``In(32)``
        Our IPv4 address.
    stat_replies : ``Out(1)``
        Pulse per reply sent.
    """

    beats: In(FrameStream(always_ready=True))
    index: In(8)
    verdicts: In(stream.Signature(FrameVerdict, always_ready=True))
    replies: Out(stream.Signature(ArpReply))
    cfg_local_address: In(32)
    stat_replies: Out(1)

    def elaborate(self, platform):
        m = Module()

        def take(base, message, name):
            return capture(m, self.beats, self.index, base, message.field(name))

        def check(base, message, name, value):
            return compare(m, self.beats, self.index, base, message.field(name), value)

        sender_mac = take(MAC.size, ARP, "sender_hardware_address")
        sender = take(MAC.size, ARP, "sender_protocol_address")
        arp, for_us, request = Signal(), Signal(), Signal()
        m.d.sync += [
            arp.eq(check(0, MAC, "ethertype", int(EtherType.ARP))
                   & check(MAC.size, ARP, "hardware_type", 1)
                   & check(MAC.size, ARP, "protocol_type", int(EtherType.IPV4))),
            for_us.eq(check(MAC.size, ARP, "target_protocol_address", self.cfg_local_address)),
            request.eq(check(MAC.size, ARP, "operation", int(ArpOperation.REQUEST))),
        ]
        # Soon enough: the fields are overwritten by the next frame four cycles after its start.
        good = Signal()
        m.d.sync += good.eq(self.verdicts.valid & self.verdicts.p.good)
        reply = self.replies.p
        m.d.sync += self.stat_replies.eq(self.replies.valid & self.replies.ready)
        with m.If(self.replies.valid):
            with m.If(self.replies.ready):
                m.d.sync += self.replies.valid.eq(0)
        with m.Elif(good & arp & for_us & request):
            m.d.sync += [self.replies.valid.eq(1), reply.mac.eq(sender_mac),
                         reply.address.eq(sender)]
        return m
