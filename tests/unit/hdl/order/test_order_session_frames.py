"""Frames that are none of the session's: damaged, foreign, forged, ARP."""

from sim.golden.tcp import arp_packet
from tests.unit.hdl.order.bench import SessionBench
from tests.unit.hdl.order.requests import enter


def test_wrong_resets_and_syn_are_challenged_not_taken():
    bench = SessionBench()

    async def scenario():
        await bench.until(bench.up)
        await bench.step(200)
        server = bench.server
        before = len(bench.frames)
        for flags, offset in ((4, 1), (4, 5000), (2, 0), (2, 99)):
            server._emit(flags, server.next + offset)
            await bench.step(150)
        server._emit(4, server.next - 1)        # outside the window: not even challenged
        server._emit(4, server.next + 20000)
        await bench.step(300)
        assert bench.up()
        assert bench.stats["stat_connection_challenged"] == 4
        assert len(bench.frames) == before + 4
        bench.request(**enter(0))
        await bench.until(lambda: len(bench.soup.unsequenced) == 1)

    bench.run(scenario)


def test_acknowledgment_of_what_was_not_sent_is_ignored():
    bench = SessionBench()

    async def scenario():
        await bench.until(bench.up)
        await bench.step(200)
        server = bench.server
        expected = server.expected
        server.expected = (expected + 1000) % 2**32
        server._emit(16, server.next)
        server.expected = expected
        await bench.step(200)
        bench.request(**enter(0))
        await bench.until(lambda: len(bench.soup.unsequenced) == 1)
        assert bench.up()

    bench.run(scenario)


def test_damaged_and_foreign_frames_change_nothing():
    bench = SessionBench()

    async def scenario():
        await bench.until(bench.up)
        await bench.step(200)
        server = bench.server
        server.send(b"\0\1H" + b"\0\x0b+0123456789")
        server.tick(bench.now_ns)
        frame = server.frames.pop()
        payload = len(frame)
        damage = []
        for at in (12, 14, 16, 17, 20, 23, 24, 26, 30, 34, 36, 38, 46, 50, payload - 1):
            broken = bytearray(frame)
            broken[at] ^= 0x21
            damage.append(bytes(broken))
        for broken in damage:
            bench.inject(broken)
        bench.inject(frame, good=False)
        before = len(bench.frames)
        await bench.step(600)
        assert len(bench.frames) == before and bench.up()
        assert "stat_soup_heartbeats" not in bench.stats
        counted = sum(bench.stats.get(f"stat_parser_{name}", 0)
                      for name in ("bad_checksum", "ignored"))
        assert counted >= len(damage)
        bench.inject(frame)
        await bench.until(lambda: bench.stats.get("stat_soup_heartbeats") == 1)

    bench.run(scenario)


def test_arp_is_asked_again_and_answered():
    bench = SessionBench()

    async def scenario():
        bench.server.arp_replies = False
        await bench.step(3600)
        asked = [f for _, f in bench.frames if f[12:14] == b"\x08\x06"]
        assert 2 <= len(asked) <= 4 and len(asked) == len(bench.frames)
        who = (bytes.fromhex("020000000077"), 0x0A000077)
        for target in (0x0A000001, 0x0A000002):
            bench.inject(arp_packet(1, who, (bytes(6), target), b"\xff" * 6))
        await bench.step(400)
        replies = [f for _, f in bench.frames if f[20:22] == b"\0\2"]
        assert [f[:6] for f in replies] == [who[0]]
        assert replies[0][22:42] == bytes.fromhex("020000000001") + b"\x0a\0\0\1" + who[0] \
            + who[1].to_bytes(4, "big")
        bench.server.arp_replies = True
        await bench.until(bench.up, 8000)

    bench.run(scenario)


def test_static_address_needs_no_arp():
    bench = SessionBench(settings={"static": 1, "static_mac": 0x001C7385BFB3})

    async def scenario():
        await bench.until(bench.up)

    bench.run(scenario)
    assert all(frame[12:14] == b"\x08\x00" for _, frame in bench.frames)
