"""ARP: find the next hop's address, answer for our own.

Ref: RFC 826.
"""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.net.tcp_receiver import capture, compare
from hdl.net.tcp_transmitter import ArpPacket
from hdl.net.xgmii_receiver import FrameVerdict
from hdl.stream import FrameStream
from proto.wire.ethernet import ARP, MAC, ArpOperation, EtherType

__all__ = ["ArpResolver"]


class ArpResolver(wiring.Component):
    """Resolve one next hop on demand, and reply to requests for our address.

    Latency: 4 cycles, last beat of a reply to `known`. One reply waits to be sent at most: requests
    that come meanwhile are lost, and repeated by who asked. While `resolve` is high and nothing is
    known, a request goes out every `cfg_retry_ns`, the first at once. An address once known stays
    until `resolve` falls and rises again.

    Members
    -------
    beats, index, verdicts : inputs
        Received frames, the number of each beat, the verdicts.
    packets : ``Out(stream.Signature(ArpPacket))``
        Packets to send.
    resolve : ``In(1)``
        The address is wanted.
    known, mac : ``Out(1)``, ``Out(48)``
        The next hop's address; stable while `known`.
    now_ns : ``In(64)``
        The nanosecond clock.
    cfg_local_address, cfg_next_hop : ``In(32)``
        IPv4 addresses, of us and of the peer or the gateway to it.
    cfg_static, cfg_static_mac : ``In(1)``, ``In(48)``
        Use this address, ask nobody.
    cfg_retry_ns : ``In(32)``
        Time between requests.
    stat_requests, stat_replies : ``Out(1)``
        Pulse per request sent, and per reply sent.
    """

    beats: In(FrameStream(always_ready=True))
    index: In(8)
    verdicts: In(stream.Signature(FrameVerdict, always_ready=True))
    packets: Out(stream.Signature(ArpPacket))
    resolve: In(1)
    known: Out(1)
    mac: Out(48)
    now_ns: In(64)
    cfg_local_address: In(32)
    cfg_next_hop: In(32)
    cfg_static: In(1)
    cfg_static_mac: In(48)
    cfg_retry_ns: In(32, init=1_000_000_000)
    stat_requests: Out(1)
    stat_replies: Out(1)

    def elaborate(self, platform):
        m = Module()

        def take(base, message, name):
            return capture(m, self.beats, self.index, base, message.field(name))

        def check(base, message, name, value):
            return compare(m, self.beats, self.index, base, message.field(name), value)

        sender_mac = take(MAC.size, ARP, "sender_hardware_address")
        sender = take(MAC.size, ARP, "sender_protocol_address")
        arp, for_us, from_hop, request = Signal(), Signal(), Signal(), Signal()
        m.d.sync += [
            arp.eq(check(0, MAC, "ethertype", int(EtherType.ARP))
                   & check(MAC.size, ARP, "hardware_type", 1)
                   & check(MAC.size, ARP, "protocol_type", int(EtherType.IPV4))),
            for_us.eq(check(MAC.size, ARP, "target_protocol_address", self.cfg_local_address)),
            from_hop.eq(sender == self.cfg_next_hop),
            request.eq(check(MAC.size, ARP, "operation", int(ArpOperation.REQUEST))),
        ]
        # Soon enough: the fields are overwritten by the next frame four cycles after its start.
        good = Signal()
        m.d.sync += good.eq(self.verdicts.valid & self.verdicts.p.good)
        arrived = good & arp

        # Learn from any packet of the next hop, but only while nothing is known.
        with m.If(~self.resolve):
            m.d.sync += self.known.eq(0)
        with m.Elif(self.cfg_static):
            m.d.sync += self.known.eq(1)
            with m.If(~self.known):
                m.d.sync += self.mac.eq(self.cfg_static_mac)
        with m.Elif(arrived & from_hop & ~self.known):
            m.d.sync += [self.known.eq(1), self.mac.eq(sender_mac)]

        asking = Signal()
        age = Signal(33)
        asked_ns = Signal(32, reset_less=True)
        m.d.sync += age.eq(self.now_ns[:32] - asked_ns)
        wanted = self.resolve & ~self.known & ~self.cfg_static
        packet = self.packets.p
        m.d.sync += [self.stat_requests.eq(0), self.stat_replies.eq(0)]
        with m.If(~wanted):
            m.d.sync += asking.eq(0)
        with m.If(self.packets.valid):
            with m.If(self.packets.ready):
                m.d.sync += [self.packets.valid.eq(0), self.stat_replies.eq(packet.reply),
                             self.stat_requests.eq(~packet.reply)]
        with m.Elif(arrived & for_us & request):
            m.d.sync += [self.packets.valid.eq(1), packet.reply.eq(1), packet.mac.eq(sender_mac),
                         packet.address.eq(sender)]
        with m.Elif(wanted & (~asking | (age[:32] >= self.cfg_retry_ns))):
            m.d.sync += [self.packets.valid.eq(1), packet.reply.eq(0),
                         packet.address.eq(self.cfg_next_hop), asking.eq(1),
                         asked_ns.eq(self.now_ns[:32]), age.eq(0)]
        return m
