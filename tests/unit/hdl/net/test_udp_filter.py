"""UdpFilter where tags are not looked through, beside the one that looks through them."""

import random

from hdl.net.udp_filter import UdpFilter
from sim.golden.ethernet import receive, verdict
from tests.support.streams import run
from tests.unit.hdl.net.test_datagram_receiver import GROUP, PORT, random_datagram

REASONS = ("not_ipv4", "options", "bad_header_checksum", "fragments", "not_udp",
           "other_destination", "bad_length", "bad_udp_checksum", "tagged")
VERDICT_CYCLES = 2
TPIDS = (0x8100, 0x88A8)


def judgements(frames, *, tagged):
    """Return what is said of each frame: good, wanted, and the pulses after it."""
    dut = UdpFilter(tagged=tagged)
    out = []

    async def bench(ctx):
        ctx.set(dut.cfg_group_ip, GROUP)
        ctx.set(dut.cfg_udp_port, PORT)
        for frame in frames:
            good = verdict(frame) == "frames_good"
            for offset in range(0, len(frame), 8):
                chunk = frame[offset:offset + 8]
                ctx.set(dut.beats.valid, 1)
                ctx.set(dut.beats.payload, {
                    "data": int.from_bytes(chunk, "little"), "keep": (1 << len(chunk)) - 1,
                    "first": offset == 0, "last": offset + 8 >= len(frame)})
                await ctx.tick()
            ctx.set(dut.beats.valid, 0)
            await ctx.tick().repeat(VERDICT_CYCLES - 1)
            ctx.set(dut.verdicts.valid, 1)
            ctx.set(dut.verdicts.payload.good, good)
            judged = (ctx.get(dut.judged.payload.good), ctx.get(dut.judged.payload.wanted))
            await ctx.tick()
            ctx.set(dut.verdicts.valid, 0)
            out.append((*judged, [name for name in REASONS
                                  if ctx.get(getattr(dut, f"stat_{name}"))]))
            await ctx.tick()

    run(dut, bench, cycles=200_000)
    return out


def test_a_tag_is_the_reason_of_a_good_frame_and_all_others_are_judged_alike():
    rng = random.Random(8)
    frames = [random_datagram(rng) for _ in range(600)]
    both, untagged = (judgements(frames, tagged=tagged) for tagged in (True, False))
    seen = set()
    for frame, either, strict in zip(frames, both, untagged, strict=True):
        expected = receive(frame, group_ip=GROUP, udp_port=PORT)
        assert "tagged" not in either[2]
        assert either[0] == expected.good
        has_tag = int.from_bytes(frame[12:14], "big") in TPIDS
        if not has_tag:
            assert strict == either
        elif verdict(frame) == "frames_good":
            assert strict == (True, False, ["tagged"])
        else:
            assert not strict[0] and not strict[1] and not strict[2]
        seen.add((has_tag, *strict[2]))
    assert {(True, "tagged"), (False,), (False, "not_ipv4"), (False, "bad_length"),
            (False, "bad_udp_checksum"), (True,)} <= seen
