"""PortServices: ARP, ICMP echo and IGMP messages against plain Python and scapy."""

import random

import pytest
from amaranth import Module, Value
from amaranth.lib import wiring
from scapy.layers.igmp import IGMPv2_LG, IGMPv2_MR, IGMPv3_MR
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Ether

from hdl.net.port_services import PortServices
from hdl.net.tcp_receiver import SegmentParser
from sim.golden.services import (
    AddressCache,
    arp_reply,
    arp_request,
    echo_reply,
    membership_message,
    solicited_address,
)
from tests.support.streams import run
from tests.support.xgmii import with_fcs

MAC, ADDRESS = bytes.fromhex("020000000001"), bytes([10, 0, 0, 1])
HOP, HOP_MAC = bytes([10, 0, 0, 254]), bytes.fromhex("001c7385bfb3")
FEED_MAC, FEED_ADDRESS = bytes.fromhex("020000000007"), bytes([10, 1, 0, 1])
GROUP = bytes([233, 182, 12, 111])      # its second byte shows that one bit goes
RETRY_NS = 50_000
MILLISECOND = 1 << 20
STATS = ("arp_requests", "arp_replies", "arp_unanswered", "arp_unsolicited", "icmp_replies",
         "icmp_refused", "igmp_sent")


class Port(wiring.Component):
    """The services with the block that checks headers for them."""

    def __init__(self):
        self.services, self.parser = PortServices(), SegmentParser()
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        m.submodules.services, m.submodules.parser = services, parser = self.services, self.parser
        m.d.comb += [
            services.beats.valid.eq(parser.passing.valid),
            Value.cast(services.beats.p).eq(Value.cast(parser.passing.p)),
            services.verdicts.valid.eq(parser.judged.valid),
            services.verdicts.p.good.eq(parser.judged.p.good),
            services.index.eq(parser.index), services.datagram_good.eq(parser.datagram_good),
            parser.cfg_addresses.local_address.eq(services.cfg_local_address),
        ]
        return m


class Bench:
    """Frames in, frames out."""

    def __init__(self, seed=0):
        self.dut = Port()
        self.rng = random.Random(seed)
        self.sent = []          # (cycle of valid, frame without padding, aside)
        self.stats = dict.fromkeys(STATS, 0)
        self.skipped_ns = 0
        self.cycle = 0
        self.send_delay = 0

    @property
    def now_ns(self):
        return 64 * self.cycle + self.skipped_ns

    async def start(self, ctx, **values):
        self.ctx = ctx
        defaults = {"local_mac": MAC, "local_address": ADDRESS, "next_hop": HOP}
        for name, value in defaults.items():
            ctx.set(getattr(self.dut.services, f"cfg_{name}"), int.from_bytes(value, "big"))
        for name, value in {"feed_mac": FEED_MAC, "feed_address": FEED_ADDRESS,
                            "group": GROUP}.items():
            ctx.set(getattr(self.dut.services, name), int.from_bytes(value, "big"))
        ctx.set(self.dut.services.cfg_retry_ns, RETRY_NS)
        await self.step(2)

    async def step(self, cycles=1, beat=None, verdict=None):
        ctx, services, parser = self.ctx, self.dut.services, self.dut.parser
        for _ in range(cycles):
            ctx.set(services.now_ns, self.now_ns)
            ctx.set(parser.beats.valid, beat is not None)
            if beat is not None:
                ctx.set(parser.beats.payload, beat)
            ctx.set(parser.verdicts.valid, verdict is not None)
            ctx.set(parser.verdicts.p.good, bool(verdict))
            for name in STATS:
                self.stats[name] += ctx.get(getattr(services, f"stat_{name}"))
            await ctx.tick()
            self.cycle += 1

    async def receive(self, frame, *, good=True, then=None):
        """Give a frame, and its verdict two cycles after the last beat: with the next one's first.

        The frame is padded, and its FCS put behind it.
        """
        whole = with_fcs(frame)
        count = -(-len(whole) // 8)
        for number in range(count):
            chunk = whole[8 * number:8 * number + 8]
            await self.step(beat={
                "data": int.from_bytes(chunk, "little"), "keep": (1 << len(chunk)) - 1,
                "first": number == 0, "last": number == count - 1})
        await self.step()
        await self.step(verdict=good)

    async def take(self, cycles=500):
        """Return the next frame that is sent, or None; take it as the transmitter does."""
        services, ctx = self.dut.services, self.ctx
        for _ in range(cycles):
            if ctx.get(services.frames.valid):
                break
            await self.step()
        else:
            return None
        at = self.cycle
        await self.step(self.rng.randrange(20) + self.send_delay)
        head = ctx.get(services.head)
        length = ctx.get(services.frames.p.length)
        aside = ctx.get(services.frames.p.aside)
        ctx.set(services.frames.ready, 1)
        await self.step()
        ctx.set(services.frames.ready, 0)
        content = head.to_bytes(16, "little")
        for index in range(2, -(-length // 8)):
            ctx.set(services.word_index, index)
            ctx.set(services.sent, index == -(-length // 8) - 1)
            await ctx.delay(0)
            content += ctx.get(services.word).to_bytes(8, "little")
            await self.step()
        ctx.set(services.sent, 0)
        assert ctx.get(services.head) == head
        self.sent.append((at, content[:length], aside))
        return content[:length]

    def run(self, scenario, **values):
        async def bench(ctx):
            await self.start(ctx, **values)
            await scenario()

        run(self.dut, bench, cycles=400_000)


def echo_request(rng, data=None, **ip):
    """Return an echo request as scapy makes it."""
    data = rng.randbytes(rng.randrange(83)) if data is None else data
    return bytes(Ether(dst=MAC.hex(":"), src="02:00:00:00:00:99")
                 / IP(**{"src": "10.0.0.99", "dst": "10.0.0.1", "ttl": rng.randrange(1, 256),
                         "id": rng.randrange(1 << 16), "tos": rng.choice([0, 0, 16]),
                         "flags": rng.choice([0, 2])} | ip)
                 / ICMP(type=8, id=rng.randrange(1 << 16), seq=rng.randrange(1 << 16)) / data)


def test_echo_requests_are_answered_as_scapy_would():
    bench = Bench()
    rng = random.Random(1)

    async def scenario():
        for size in [0, 1, 2, 55, 56, 81, 82, *(rng.randrange(83) for _ in range(12))]:
            request = echo_request(rng, rng.randbytes(size))
            bench.skipped_ns += MILLISECOND
            before = bench.cycle
            await bench.receive(request)
            padded = request.ljust(60, b"\0")
            reply = await bench.take()
            assert reply == echo_reply(padded, MAC, ADDRESS)
            asked, told = Ether(request), Ether(reply)
            assert (told.src, told.dst) == (asked.dst, asked.src)
            assert (told[IP].src, told[IP].dst, told[IP].ttl) == (asked[IP].dst, asked[IP].src, 64)
            assert (told[ICMP].type, told[ICMP].id, told[ICMP].seq) == (
                0, asked[ICMP].id, asked[ICMP].seq)
            assert bytes(told[ICMP].payload) == bytes(asked[ICMP].payload)
            again = IP(bytes(told[IP])[:told[IP].len])
            del again.chksum, again[ICMP].chksum
            again = IP(bytes(again))
            assert (again.chksum, again[ICMP].chksum) == (told[IP].chksum, told[ICMP].chksum)
            assert bench.sent[-1][0] - before < 250
        assert bench.stats["icmp_replies"] == len(bench.sent) and not bench.sent[-1][2]

    bench.run(scenario)


@pytest.mark.parametrize("seed", range(3))
def test_damaged_and_foreign_frames_are_judged_as_by_the_model(seed):
    bench = Bench(seed)
    rng = random.Random(seed)

    async def scenario():
        answers = 0
        for _ in range(90):
            frame = bytearray(echo_request(rng))
            if rng.random() < 0.2:
                frame = bytearray(arp_request(b"\x02\0\0\0\0\x77", bytes([10, 0, 0, 9]), ADDRESS))
            good = rng.random() < 0.9
            match rng.randrange(6):
                case 0:
                    frame[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
                case 1:
                    frame = frame[:rng.randrange(14, len(frame))]
                case 2:
                    frame += rng.randbytes(rng.randrange(1, 30))
                case 3:
                    frame = bytearray(echo_request(rng, rng.randbytes(rng.randrange(80, 200))))
            padded = bytes(frame).ljust(60, b"\0")
            want = arp_reply(padded, MAC, ADDRESS) or echo_reply(padded, MAC, ADDRESS)
            bench.skipped_ns += MILLISECOND
            await bench.receive(bytes(frame), good=good)
            got = await bench.take(cycles=260)
            assert got == (want if good else None), frame.hex()
            answers += got is not None
        assert answers > 20
        assert bench.stats["icmp_replies"] + bench.stats["arp_replies"] == answers
        assert bench.stats["icmp_refused"] > 0

    bench.run(scenario)


def test_replies_are_paced_and_what_comes_meanwhile_is_not_looked_at():
    bench = Bench()
    rng = random.Random(3)

    async def scenario():
        bench.skipped_ns += MILLISECOND
        await bench.receive(echo_request(rng))
        first = await bench.take()
        assert first is not None
        for _ in range(3):
            await bench.receive(echo_request(rng))
            assert await bench.take(260) is None
        assert bench.stats["icmp_refused"] == 3
        bench.skipped_ns += MILLISECOND
        request = echo_request(rng)
        await bench.receive(request)
        # The next frame follows at once; another one comes while the reply waits for the line.
        await bench.receive(echo_request(rng))
        await bench.step(300)
        await bench.receive(echo_request(rng))
        assert await bench.take() == echo_reply(request.ljust(60, b"\0"), MAC, ADDRESS)
        assert await bench.take(300) is None

    bench.run(scenario)


def test_nothing_of_an_earlier_frame_leaks_into_a_reply():
    bench = Bench()
    rng = random.Random(4)

    async def scenario():
        await bench.receive(bytes(Ether(dst=MAC.hex(":")) / IP(dst="10.0.0.1") / UDP()
                                  / (b"\xEE" * 90)))
        await bench.step(10)
        short = echo_request(rng, b"", len=100)     # says 100 bytes, has 28 and padding
        bench.skipped_ns += MILLISECOND
        await bench.receive(short)
        assert await bench.take(300) is None
        tiny = echo_request(rng, b"", len=24)
        await bench.receive(tiny)
        assert await bench.take(300) is None

    bench.run(scenario)


def arp_answer(mac, address, *, to=(MAC, ADDRESS), operation=2):
    return bytes(Ether(dst=to[0].hex(":"), src=mac.hex(":"))
                 / ARP(op=operation, hwsrc=mac.hex(":"), psrc=".".join(map(str, address)),
                       hwdst=to[0].hex(":"), pdst=".".join(map(str, to[1]))))


def test_only_the_answer_to_a_request_is_believed():
    bench = Bench()
    services = bench.dut.services

    async def scenario():
        ctx = bench.ctx
        lies = [arp_answer(b"\x02\0\0\0\0\x66", HOP),
                arp_answer(b"\x02\0\0\0\0\x66", HOP, to=(b"\xFF" * 6, HOP)),        # gratuitous
                arp_answer(b"\x02\0\0\0\0\x66", HOP, to=(b"\xFF" * 6, HOP), operation=1)]
        for lie in lies:
            await bench.receive(lie)
            assert await bench.take(200) is None
        assert bench.stats["arp_unsolicited"] == 1 and not ctx.get(services.entries_used)
        ctx.set(services.resolve, 1)
        for wait in range(3):       # nobody answers
            assert await bench.take(1000) == arp_request(MAC, ADDRESS, HOP)
            assert bench.stats["arp_unanswered"] == wait
        for lie in [*lies[1:], arp_answer(b"\x02\0\0\0\0\x66", bytes([10, 0, 0, 253])),
                    arp_answer(b"\x02\0\0\0\0\x66", HOP, to=(MAC, HOP)),
                    arp_answer(b"\x02\0\0\0\0\x66", HOP, to=(HOP_MAC, ADDRESS))]:
            await bench.receive(lie)
            await bench.step(120)
            assert not ctx.get(services.known)
        await bench.receive(arp_answer(HOP_MAC, HOP))
        await bench.step(250)
        assert ctx.get(services.known)
        assert ctx.get(services.peer_mac) == int.from_bytes(HOP_MAC, "big")
        for lie in lies:            # nor is anything believed later
            await bench.receive(lie)
            await bench.step(200)
        assert ctx.get(services.peer_mac) == int.from_bytes(HOP_MAC, "big")
        assert bench.stats["arp_unsolicited"] == 3 and len(bench.sent) == 3

    bench.run(scenario)


async def write_entry(bench, entry, address, mac):
    """Do what software does to fix an entry."""
    ctx, services = bench.ctx, bench.dut.services
    ctx.set(services.cfg_entry, entry)
    content = address + mac
    for half in range(5):
        ctx.set(services.cfg_entry_half, half)
        ctx.set(services.cfg_entry_data, int.from_bytes(content[2 * half:2 * half + 2], "big"))
        ctx.set(services.entry_write, 1)
        await bench.step()
        ctx.set(services.entry_write, 0)
        await bench.step(3)
        assert ctx.get(services.entry_data) == ctx.get(services.cfg_entry_data)
    ctx.set(services.entry_set, 1)
    await bench.step()
    ctx.set(services.entry_set, 0)


@pytest.mark.parametrize("fixed", [(), (1,), (0, 2), (0, 1, 2, 3)])
def test_cache_equals_the_model(fixed):
    bench = Bench(7)
    rng = random.Random(f"cache{fixed}")
    model = AddressCache()
    hosts = [bytes([10, 0, 0, n]) for n in range(2, 9)]
    services = bench.dut.services

    async def scenario():
        ctx = bench.ctx
        for entry in fixed:
            mac = rng.randbytes(6)
            model.entries[entry] = (hosts[entry], mac, None)
            await write_entry(bench, entry, hosts[entry], mac)
        asked = hits = 0
        for _ in range(24):
            hop = rng.choice(hosts)
            bench.skipped_ns += rng.choice([0, 1 << 34, 1 << 38, 1 << 40])
            ctx.set(services.cfg_next_hop, int.from_bytes(hop, "big"))
            ctx.set(services.resolve, 1)
            want = model.look_up(hop, bench.now_ns)
            if want is None:
                asked += 1
                assert await bench.take(400) == arp_request(MAC, ADDRESS, hop)
                want = rng.randbytes(6)
                answer = arp_answer(want, hop)
                assert solicited_address(answer, MAC, ADDRESS, hop) == want
                await bench.receive(answer)
                model.learn(hop, want, bench.now_ns)
            else:
                hits += 1
            await bench.step(300)
            assert ctx.get(services.known)
            assert ctx.get(services.peer_mac) == int.from_bytes(want, "big")
            ctx.set(services.resolve, 0)
            await bench.step(5)
            assert [bool(ctx.get(services.entries_used) >> n & 1) for n in range(4)] == [
                entry is not None for entry in model.entries]
        assert bench.stats["arp_requests"] == asked and hits > 2
        if not fixed:
            ctx.set(services.forget, 1)
            await bench.step(3)
        assert ctx.get(services.entries_used) == ctx.get(services.entries_fixed) or fixed

    bench.run(scenario)


def test_static_address_and_forgotten_entries():
    bench = Bench()
    services = bench.dut.services

    async def scenario():
        ctx = bench.ctx
        ctx.set(services.cfg_static, 1)
        ctx.set(services.cfg_static_mac, 0x123456789ABC)
        ctx.set(services.resolve, 1)
        await bench.step(60)
        assert ctx.get(services.known) and ctx.get(services.peer_mac) == 0x123456789ABC
        assert not bench.sent and not ctx.get(services.entries_used)
        ctx.set(services.resolve, 0)
        await bench.step(2)
        ctx.set(services.cfg_static, 0)
        await write_entry(bench, 2, HOP, HOP_MAC)
        ctx.set(services.resolve, 1)
        await bench.step(100)
        assert ctx.get(services.known)
        assert ctx.get(services.peer_mac) == int.from_bytes(HOP_MAC, "big")
        assert (ctx.get(services.entries_used), ctx.get(services.entries_fixed)) == (4, 4)
        ctx.set(services.entry_clear, 1)
        await bench.step()
        ctx.set(services.entry_clear, 0)
        await bench.step()
        assert (ctx.get(services.entries_used), ctx.get(services.entries_fixed)) == (0, 0)

    bench.run(scenario)


@pytest.mark.parametrize("version", [2, 3])
def test_membership_messages_equal_the_model_and_scapy(version):
    bench = Bench()
    services = bench.dut.services

    async def scenario():
        ctx = bench.ctx
        for leave, change in ((0, 1), (0, 0), (1, 1)):
            ctx.set(services.version_3, version == 3)
            ctx.set(services.leave, leave)
            ctx.set(services.change, change)
            ctx.set(services.membership, 1)
            frame = await bench.take(600)
            ctx.set(services.membership, 0)
            assert frame == membership_message(
                version=version, group=GROUP, mac=FEED_MAC, address=FEED_ADDRESS,
                leave=bool(leave), change=bool(change))
            assert bench.sent[-1][2]
            await bench.step(5)
            packet = Ether(frame)
            again = IP(bytes(packet[IP]))
            kind = IGMPv3_MR if version == 3 else IGMPv2_LG if leave else IGMPv2_MR
            assert kind in again
            del again.chksum, again[kind].chksum
            again = IP(bytes(again))
            assert (again.chksum, again[kind].chksum) == (packet[IP].chksum, packet[kind].chksum)
            assert packet[IP].ttl == 1 and bytes(again)[20:24] == b"\x94\x04\0\0"
            if version == 3:
                assert packet[IP].dst == "224.0.0.22"
                assert packet[kind].records[0].maddr == ".".join(map(str, GROUP))
        assert bench.stats["igmp_sent"] == 3

    bench.run(scenario)
