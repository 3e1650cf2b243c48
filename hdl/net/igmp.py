"""Membership in the multicast group of the market data: when which IGMP message is due.

Ref: RFC 2236, 3376.
"""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.net.udp_checksum import network_words
from hdl.net.xgmii_receiver import FrameVerdict
from hdl.stream import BEAT_BYTES, FrameStream
from proto.wire.ethernet import IGMP, IPV4, MAC, ROUTER_ALERT, EtherType, IgmpType, IpProtocol

__all__ = ["IgmpMember", "IgmpQuery", "QueryListener"]

#: A tick of the timers: 2**20 ns, about a millisecond.
_TICK_BIT = 20
_TIMER_BITS = 16
#: Random part of the time between two unsolicited reports, in ticks: a second at most.
_UNSOLICITED_BITS = 10
#: A unit of the maximum response time, 0.1 s, is more than 2**6 ticks.
_UNIT_BITS = 6
#: A query of version 1 has no maximum response time: it is 10 s; 2**6 units are below it.
_VERSION_1_POWER = 6
#: Times that a change of membership is told again.
_JOINS_AGAIN, _LEAVES_AGAIN = 2, 1
#: For how long a querier of an older version is believed to be there, in 2**32 ns: 262 s.
_OLD_QUERIER_BIT, _OLD_QUERIER_TIME = 32, 61


class IgmpQuery(data.Struct):
    """A membership query.

    ``code``: maximum response time in units of 0.1 s, from 128 on at least 12.8 s; 0 in version 1.
    ``old``: its version is 1 or 2.
    """

    code: 8
    old: 1


class QueryListener(wiring.Component):
    """Find the membership queries that concern a group, in frames without a VLAN tag.

    Latency: 1 cycle, verdict to `queries.valid`. A general query counts, and one for the group,
    with or without the Router Alert option. The FCS is checked; the checksums of IPv4 and IGMP are
    not: the worst that a wrong one causes is a report that nobody asked for.

    Members
    -------
    beats, verdicts : inputs
        Received frames and their verdicts.
    cfg_group : ``In(32)``
        The group.
    queries : ``Out(stream.Signature(IgmpQuery, always_ready=True))``
        Queries.
    """

    beats: In(FrameStream(always_ready=True))
    verdicts: In(stream.Signature(FrameVerdict, always_ready=True))
    cfg_group: In(32)
    queries: Out(stream.Signature(IgmpQuery, always_ready=True))

    def elaborate(self, platform):
        m = Module()
        beat = self.beats.p
        number = Signal(3)
        following = Signal(3)
        m.d.comb += number.eq(Mux(beat.first, 0, following))
        with m.If(self.beats.valid):
            m.d.sync += following.eq(number + ~number.all())

        words = network_words(beat.data)
        lanes = [beat.data.word_select(lane, 8) for lane in range(BEAT_BYTES)]

        def at(place: int):
            """Return a condition under which the byte of the frame is in the beat."""
            return m.If(self.beats.valid & (number == place // BEAT_BYTES))

        def word(place: int) -> Value:
            return words[place % BEAT_BYTES // 2]

        def byte(place: int) -> Value:
            return lanes[place % BEAT_BYTES]

        header, alert = MAC.size + IPV4.size, ROUTER_ALERT.size
        ipv4, plain, optional, is_igmp = Signal(), Signal(), Signal(), Signal()
        with at(MAC.field("ethertype").offset):
            version = byte(MAC.size)
            m.d.sync += [ipv4.eq(word(MAC.field("ethertype").offset) == int(EtherType.IPV4)),
                         plain.eq(version == 0x45), optional.eq(version == 0x46)]
        long = Signal(reset_less=True)
        with at(MAC.size + IPV4.field("total_length").offset):
            total = word(MAC.size + IPV4.field("total_length").offset)
            least = IPV4.size + IGMP.size + 4
            m.d.sync += [
                is_igmp.eq(ipv4 & (plain | optional) & (
                    byte(MAC.size + IPV4.field("protocol").offset) == int(IpProtocol.IGMP))),
                long.eq(Mux(optional, total >= least + alert, total >= least)),
            ]

        # The message begins in the same beat with and without the option, the group need not.
        is_query, code = Signal(), Signal(8, reset_less=True)
        upper_zero, upper_ours = Signal(), Signal()
        kind, time = IGMP.field("type").offset, IGMP.field("maximum_response_time").offset
        group = IGMP.field("group_address").offset
        ours_upper, ours_lower = self.cfg_group[16:], self.cfg_group[:16]
        with at(header + kind):
            m.d.sync += [
                is_query.eq(is_igmp & (Mux(optional, byte(header + alert + kind),
                                           byte(header + kind)) == int(IgmpType.QUERY))),
                code.eq(Mux(optional, byte(header + alert + time), byte(header + time))),
                upper_zero.eq(word(header + group) == 0),
                upper_ours.eq(word(header + group) == ours_upper),
            ]
        concerns = Signal()
        with at(header + group + 2):
            upper, lower = word(header + alert + group), Signal(16)
            m.d.comb += lower.eq(Mux(optional, word(header + alert + group + 2),
                                     word(header + group + 2)))
            m.d.sync += concerns.eq(is_query & (
                (Mux(optional, upper == 0, upper_zero) & (lower == 0))
                | (Mux(optional, upper == ours_upper, upper_ours) & (lower == ours_lower))))
        m.d.sync += [
            self.queries.valid.eq(self.verdicts.valid & self.verdicts.p.good & concerns),
            self.queries.p.code.eq(code), self.queries.p.old.eq(~long),
        ]
        with m.If(self.beats.valid & beat.first):
            m.d.sync += concerns.eq(0)
        return m


class IgmpMember(wiring.Component):
    """Join the group, answer queries, leave it.

    Latency: 2 cycles, rise of `cfg_join` to `due`.

    A join is told three times and a leave twice, the first time at once, then after a random time
    of up to a second; a join is told anew when the link has been lost. A query is answered after a
    random time: up to two thirds of the maximum response time rounded down to a power of two, and
    8.6 s at most. A report that is due anyway is the answer. Reports of others are not listened to
    (RFC 2236 allows it, RFC 3376 wants it).

    Version 3 tells that nothing is excluded, which any source may send to. With `cfg_version` 1 it
    is spoken until a query of an older version comes, and again 262 s after the last one.

    Members
    -------
    queries : ``In(stream.Signature(IgmpQuery, always_ready=True))``
        Queries.
    link_fault : ``In(1)``
        The link is down.
    cfg_version : ``In(2)``
        2 or 3, or 1 for that of the querier; 0 neither joins nor answers.
    cfg_join : ``In(1)``
        Be a member.
    cfg_group : ``In(32)``
        Of this group, if it is one; sampled as a join begins.
    heard : ``Out(1)``
        Pulse per query.
    due, taken : ``Out(1)``, ``In(1)``
        A message must be sent; its pulse when it is made.
    group, version_3, leave, change : ``Out(32)``, ``Out(1)``, ``Out(1)``, ``Out(1)``
        Which one: the group; the version; leave, not join; change, not state.
    now_ns : ``In(64)``
        The nanosecond clock.
    """

    queries: In(stream.Signature(IgmpQuery, always_ready=True))
    link_fault: In(1)
    cfg_version: In(2)
    cfg_join: In(1)
    cfg_group: In(32)
    heard: Out(1)
    due: Out(1)
    taken: In(1)
    group: Out(32)
    version_3: Out(1)
    leave: Out(1)
    change: Out(1)
    now_ns: In(64)

    def elaborate(self, platform):
        m = Module()
        tick = Signal(_TIMER_BITS)
        m.d.comb += [tick.eq(self.now_ns[_TICK_BIT:]), self.heard.eq(self.queries.valid)]

        chance = Signal(_TIMER_BITS, init=1)
        m.d.sync += chance.eq(Cat(chance[15] ^ chance[14] ^ chance[12] ^ chance[3], chance))

        # Who queries: with an older version, until so long after the last one.
        old = Signal()
        until = Signal(8)
        coarse = self.now_ns[_OLD_QUERIER_BIT:_OLD_QUERIER_BIT + 8]
        rest = Signal(8)
        m.d.comb += rest.eq(until - coarse)
        query = self.queries.p
        with m.If(self.queries.valid & query.old):
            m.d.sync += [old.eq(1), until.eq(coarse + _OLD_QUERIER_TIME)]
        with m.Elif(rest[7] | (rest == 0)):
            m.d.sync += old.eq(0)
        m.d.sync += self.version_3.eq((self.cfg_version == 3) | ((self.cfg_version == 1) & ~old))

        # Random times, in ticks.
        mask = Signal(_UNIT_BITS + 7)
        power = Mux(query.code == 0, 1 << _VERSION_1_POWER, query.code)
        for bit in range(8):
            with m.If(power[bit]):
                m.d.comb += mask.eq((1 << (_UNIT_BITS + bit)) - 1)
        asked = Signal()
        answer_at = Signal(_TIMER_BITS, reset_less=True)
        again_at = Signal(_TIMER_BITS, reset_less=True)
        m.d.sync += [asked.eq(self.queries.valid), answer_at.eq(tick + (chance & mask)),
                     again_at.eq(tick + chance[:_UNSOLICITED_BITS])]

        member, pending = Signal(), Signal()
        again = Signal(range(_JOINS_AGAIN + 1))
        when = Signal(_TIMER_BITS, reset_less=True)
        wait, sooner = Signal(_TIMER_BITS), Signal(_TIMER_BITS)
        m.d.comb += [wait.eq(tick - when), sooner.eq(answer_at - when)]
        joining = Signal()
        m.d.sync += joining.eq(self.cfg_join & (self.cfg_version != 0)
                               & (self.cfg_group[28:] == 0xE))
        m.d.sync += self.due.eq(pending & ~wait[-1] & ~self.taken)
        with m.If(self.taken):
            m.d.sync += [pending.eq(self.change & (again != 0)), again.eq(again - (again != 0)),
                         when.eq(again_at)]
            with m.If(again == 0):
                m.d.sync += self.change.eq(0)
                with m.If(self.leave):
                    m.d.sync += [member.eq(0), self.leave.eq(0)]
        with m.Elif(~member & joining):
            m.d.sync += [member.eq(1), self.group.eq(self.cfg_group), pending.eq(1),
                         self.change.eq(1), again.eq(_JOINS_AGAIN), when.eq(tick)]
        with m.Elif(member & ~joining & ~self.leave & ~self.due):
            m.d.sync += [self.leave.eq(1), pending.eq(1), self.change.eq(1),
                         again.eq(_LEAVES_AGAIN), when.eq(tick)]
        with m.Elif(member & ~self.leave & self.link_fault & ~self.due):
            m.d.sync += [pending.eq(1), self.change.eq(1), again.eq(_JOINS_AGAIN),
                         when.eq(again_at)]
        with m.Elif(asked & member & ~self.leave & (~pending | sooner[-1])):
            m.d.sync += [pending.eq(1), when.eq(answer_at)]
        return m
