"""IgmpMember and QueryListener: when a message is due, and which queries count."""

import random
from itertools import pairwise

import pytest
from scapy.layers.igmp import IGMP_MQ, IGMPv2_MR, IGMPv3_MQ
from scapy.layers.inet import ICMP, IP, UDP, IPOption_Router_Alert
from scapy.layers.l2 import Dot1Q, Ether

from hdl.net.igmp import IgmpMember, QueryListener
from tests.support.streams import run
from tests.support.xgmii import with_fcs

GROUP, OTHER = 0xE9360C6F, 0xE9360C70
TICK_NS = 1 << 20
SECOND = 1_000_000_000


def dotted(address):
    return ".".join(map(str, address.to_bytes(4, "big")))


class Member:
    """A member whose messages are taken as they are due; time goes on in steps of 4 ms."""

    def __init__(self, ctx, dut, version):
        self.ctx, self.dut, self.now_ns = ctx, dut, 10**15
        self.messages = []      # (seconds, change, leave, version 3)
        ctx.set(dut.cfg_version, version)
        ctx.set(dut.cfg_group, GROUP)

    async def step(self, seconds=0.0):
        ctx, dut = self.ctx, self.dut
        for _ in range(max(1, round(seconds / 4e-3))):
            self.now_ns += 4_000_000
            ctx.set(dut.now_ns, self.now_ns)
            for _ in range(4):
                if ctx.get(dut.due):
                    assert ctx.get(dut.group) == GROUP
                    self.messages.append((
                        self.now_ns / SECOND, ctx.get(dut.change), ctx.get(dut.leave),
                        ctx.get(dut.version_3)))
                    ctx.set(dut.taken, 1)
                await ctx.tick()
                ctx.set(dut.taken, 0)

    async def query(self, code, *, old=False):
        self.ctx.set(self.dut.queries.payload, {"code": code, "old": old})
        self.ctx.set(self.dut.queries.valid, 1)
        await self.ctx.tick()
        self.ctx.set(self.dut.queries.valid, 0)

    def take(self):
        taken, self.messages = self.messages, []
        return taken


def scenario_of(dut, version, body):
    async def bench(ctx):
        await body(Member(ctx, dut, version))

    run(dut, bench, cycles=400_000)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_join_is_told_three_times_and_leave_twice(version):
    dut = IgmpMember()

    async def body(member):
        await member.step(0.1)
        assert not member.take()
        start = member.now_ns / SECOND
        member.ctx.set(dut.cfg_join, 1)
        await member.step(4)
        told = member.take()
        assert [kind for _, *kind in told] == [[1, 0, version != 2]] * 3
        assert told[0][0] - start < 0.01
        assert all(0 <= b[0] - a[0] < 1.1 for a, b in pairwise(told))
        member.ctx.set(dut.cfg_group, OTHER)        # that of the membership stays
        member.ctx.set(dut.cfg_join, 0)
        await member.step(4)
        assert [kind for _, *kind in member.take()] == [[1, 1, version != 2]] * 2

    scenario_of(dut, version, body)


@pytest.mark.parametrize("code", [1, 10, 100, 127, 128, 255])
def test_queries_are_answered_in_time_at_random(code):
    dut = IgmpMember()
    limit = min(code, 128) / 10

    async def body(member):
        member.ctx.set(dut.cfg_join, 1)
        await member.step(3)
        member.take()
        delays = []
        for _ in range(8 if code > 50 else 16):
            asked = member.now_ns / SECOND
            await member.query(code)
            await member.step(min(limit, 9) + 0.01)
            told = member.take()
            assert [kind for _, *kind in told] == [[0, 0, 1]]
            delays.append(told[0][0] - asked)
        assert max(delays) <= limit + 0.01 and max(delays) > 0.15 * min(limit, 9)
        assert len(set(delays)) > 3

    scenario_of(dut, 3, body)


def test_a_report_that_is_due_sooner_is_the_answer():
    dut = IgmpMember()

    async def body(member):
        member.ctx.set(dut.cfg_join, 1)
        await member.step(3)
        member.take()
        await member.query(100)
        await member.query(1)
        await member.step(0.12)
        assert len(member.take()) == 1
        await member.query(1)
        await member.query(100)
        await member.step(0.12)
        assert len(member.take()) == 1
        await member.step(8)
        assert not member.take()

    scenario_of(dut, 3, body)


def test_version_follows_the_querier_and_comes_back():
    dut = IgmpMember()

    async def body(member):
        member.ctx.set(dut.cfg_join, 1)
        await member.step(3)
        assert {version for *_, version in member.take()} == {1}
        await member.query(10, old=True)
        await member.query(0, old=True)
        await member.step(5)
        assert [kind for _, *kind in member.take()] == [[0, 0, 0]]
        member.now_ns += 240 * SECOND
        await member.query(10)
        await member.step(1.1)
        assert [kind for _, *kind in member.take()] == [[0, 0, 0]]
        member.now_ns += 30 * SECOND
        await member.step()
        await member.query(10)
        await member.step(1.1)
        assert [kind for _, *kind in member.take()] == [[0, 0, 1]]

    scenario_of(dut, 1, body)


def test_nobody_joins_what_is_no_group_and_a_lost_link_joins_again():
    dut = IgmpMember()

    async def body(member):
        ctx = member.ctx
        ctx.set(dut.cfg_group, 0x0A000001)
        ctx.set(dut.cfg_join, 1)
        await member.step(0.1)
        ctx.set(dut.cfg_group, GROUP)
        ctx.set(dut.cfg_version, 0)
        await member.step(0.1)
        await member.query(1)
        await member.step(0.2)
        assert not member.take()
        ctx.set(dut.cfg_version, 2)
        await member.step(3)
        assert len(member.take()) == 3
        ctx.set(dut.link_fault, 1)
        await member.step(0.01)
        ctx.set(dut.link_fault, 0)
        await member.step(4)
        assert [kind for _, *kind in member.take()] == [[1, 0, 0]] * 3

    scenario_of(dut, 2, body)


def ip(group=0, *, option=True, **fields):
    """Return headers; what is put behind them as bytes scapy leaves as it is."""
    options = [IPOption_Router_Alert()] if option else []
    return Ether(dst="01:00:5e:00:00:01") / IP(**{
        "src": "10.0.0.254", "dst": dotted(group or 0xE0000001), "ttl": 1, "proto": 2,
        "options": options} | fields)


def test_queries_that_concern_the_group_are_found():
    dut = QueryListener()
    rng = random.Random(5)
    frames = []     # (frame, good, expected (code, old) or None)
    for option in (True, False):
        for group, ours in ((0, True), (GROUP, True), (OTHER, False), (GROUP ^ 1 << 31, False),
                            (GROUP & 0xFFFF0000, False), (GROUP & 0xFFFF, False)):
            for code in (0, 1, 100, 255):
                version_2 = ip(group, option=option) / bytes(IGMP_MQ(gaddr=dotted(group)))
                content = bytearray(bytes(version_2))
                assert content[34 + 4 * option] == 0x11
                content[34 + 4 * option + 1] = code
                frames.append((bytes(content), True, (code, 1) if ours else None))
            version_3 = ip(group, option=option) / bytes(IGMPv3_MQ(
                mrcode=20, gaddr=dotted(group), srcaddrs=["10.0.0.7"] * rng.randrange(3)))
            frames.append((bytes(version_3), True, (20, 0) if ours else None))
        frames += [
            (bytes(ip(option=option) / bytes(IGMP_MQ(mrcode=10))), False, None),
            (bytes(ip(GROUP, option=option) / bytes(IGMPv2_MR(gaddr=dotted(GROUP)))), True, None),
            (bytes(ip(option=option, proto=1) / ICMP(type=0x11)), True, None),
            (bytes(ip(option=option, proto=17) / UDP() / bytes([0x11] * 30)), True, None),
        ]
    query = ip() / bytes(IGMP_MQ(mrcode=10))
    tagged = Ether(dst=query.dst) / Dot1Q(vlan=141) / query.payload
    frames += [(bytes(tagged), True, None), (b"\x11" * 60, True, None)]
    rng.shuffle(frames)
    heard = []

    async def bench(ctx):
        ctx.set(dut.cfg_group, GROUP)

        async def tick():
            if ctx.get(dut.queries.valid):
                heard.append((ctx.get(dut.queries.p.code), ctx.get(dut.queries.p.old)))
            await ctx.tick()

        for frame, good, expected in frames:
            whole = with_fcs(frame)
            count = -(-len(whole) // 8)
            for number in range(count):
                chunk = whole[8 * number:8 * number + 8]
                ctx.set(dut.beats.valid, 1)
                ctx.set(dut.beats.payload, {
                    "data": int.from_bytes(chunk, "little"), "keep": (1 << len(chunk)) - 1,
                    "first": number == 0, "last": number == count - 1})
                await tick()
            ctx.set(dut.beats.valid, 0)
            await tick()
            ctx.set(dut.verdicts.valid, 1)
            ctx.set(dut.verdicts.p.good, good)
            await tick()
            ctx.set(dut.verdicts.valid, 0)
            assert not heard
            await tick()
            assert heard == ([] if expected is None else [expected]), frame.hex()
            heard.clear()

    run(dut, bench, cycles=20_000)
