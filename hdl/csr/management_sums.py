"""The checksums of a datagram that is sent.

Ref: RFC 768, 791, 1071.
"""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.csr.management_layouts import LENGTH_BITS
from hdl.net.udp_checksum import network_words
from proto.wire.ethernet import IPV4, UDP, IpProtocol, Ipv4Flag

__all__ = ["SETTLE_CYCLES", "TIME_TO_LIVE", "VERSION_IHL", "DatagramSums"]

VERSION_IHL = 0x45
TIME_TO_LIVE = 64

#: Cycles from the last word to the checksum.
SETTLE_CYCLES = 5

#: Words of the IPv4 header that are always the same, and what the total length has of its own.
_CONSTANT_SUM = ((VERSION_IHL << 8) + Ipv4Flag.DONT_FRAGMENT + (TIME_TO_LIVE << 8) + IpProtocol.UDP
                 + IPV4.size + UDP.size)
#: The same of UDP, whose length is summed twice.
_UDP_CONSTANT_SUM = IpProtocol.UDP + 2 * UDP.size


class DatagramSums(wiring.Component):
    """Sum IPv4 header, pseudo-header, UDP header and payload of a datagram.

    Latency: 5 cycles, last `word` to `checksum`. Throughput: 1 word per cycle, after the 9 cycles
    of `busy` that follow `start`.

    Members
    -------
    start : ``In(1)``
        Pulse: begin; length, addresses and ports must be stable from then on.
    busy : ``Out(1)``
        The headers are being summed.
    length : ``In``
        Bytes of the payload.
    source_address, destination_address, source_port, destination_port : ``In``
        Who sends to whom.
    word, valid : ``In(64)``, ``In(1)``
        Payload, zero past its end.
    header_checksum, checksum : ``Out(16)``
        Of IPv4, and of UDP.
    """

    start: In(1)
    busy: Out(1)
    length: In(LENGTH_BITS)
    source_address: In(32)
    destination_address: In(32)
    source_port: In(16)
    destination_port: In(16)
    word: In(64)
    valid: In(1)
    header_checksum: Out(16)
    checksum: Out(16)

    def elaborate(self, platform):
        m = Module()

        # Header words one after the other: value, in the sum of IPv4, in that of UDP.
        terms = [
            (self.source_address[16:], 1, 1), (self.source_address[:16], 1, 1),
            (self.destination_address[16:], 1, 1), (self.destination_address[:16], 1, 1),
            (self.source_port, 0, 1), (self.destination_port, 0, 1),
            (self.length, 1, 0), (self.length, 0, 1), (self.length, 0, 1),
        ]
        step = Signal(range(len(terms) + 1))
        part = Signal(18, reset_less=True)
        in_ip, in_udp = Signal(), Signal()
        words = network_words(self.word)
        m.d.comb += self.busy.eq(step != 0)
        m.d.sync += [
            part.eq((words[0] + words[1]) + (words[2] + words[3])),
            in_ip.eq(0), in_udp.eq(self.valid),
        ]
        with m.If(self.start):
            m.d.sync += step.eq(len(terms))
        with m.Elif(self.busy):
            m.d.sync += step.eq(step - 1)
            with m.Switch(step):
                for number, (value, ip, udp) in enumerate(terms):
                    with m.Case(len(terms) - number):
                        m.d.sync += [part.eq(value), in_ip.eq(ip), in_udp.eq(udp)]

        ip_total, udp_total = Signal(20, reset_less=True), Signal(28, reset_less=True)
        with m.If(in_ip):
            m.d.sync += ip_total.eq(ip_total + part)
        with m.If(in_udp):
            m.d.sync += udp_total.eq(udp_total + part)
        with m.If(self.start):
            m.d.sync += [ip_total.eq(_CONSTANT_SUM), udp_total.eq(_UDP_CONSTANT_SUM)]

        for total, result in ((ip_total, self.header_checksum), (udp_total, self.checksum)):
            once = Signal(17, reset_less=True, name=f"{result.name}_once")
            twice = Signal(16, reset_less=True, name=f"{result.name}_twice")
            m.d.sync += [once.eq(total[:16] + total[16:]), twice.eq(once[:16] + once[16])]
            if result is self.checksum:
                # Zero would mean that there is none.
                m.d.sync += result.eq(Mux(twice.all(), 0xFFFF, ~twice))
            else:
                m.d.sync += result.eq(~twice)
        return m
