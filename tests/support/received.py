"""What a MAC receiver delivers, gathered and checked cycle by cycle."""

from hdl.net.xgmii_receiver import VERDICT_CYCLES

__all__ = ["PULSES", "Received"]

#: Pulses of a receiver; the first five come with a verdict, one of them with each.
PULSES = ("frames_good", "bad_fcs", "runt", "oversize", "error_char", "bad_preamble", "fault")
_WITH_VERDICT = PULSES[:5]
#: Those that also come without one, for a frame that has no byte.
_EMPTY = ("runt", "error_char")


class Received:
    """Everything that came out: frames, their stamps, verdicts, cycles and counts.

    ``empty`` counts the frames that were counted without having a byte.
    """

    def __init__(self, dut):
        self.frames = []
        self.stamps = []
        self.beat_cycles = []
        self.first_cycles = []
        self.last_cycles = []
        self.verdicts = []
        self.verdict_cycles = []
        self.counts = dict.fromkeys(PULSES, 0)
        self.empty = 0
        self._dut = dut
        self._current = None

    async def tick(self, ctx, cycle: int) -> None:
        """Let a cycle pass and take what it brings; fail if a beat is none of a frame."""
        dut = self._dut
        (_, _, valid, beat, info, verdict_valid, good, *pulses) = await ctx.tick().sample(
            dut.beats.valid, dut.beats.payload, dut.frame_info, dut.verdicts.valid,
            dut.verdicts.payload.good, *(getattr(dut, f"stat_{name}") for name in PULSES))
        if valid:
            assert beat.first == (self._current is None)
            if beat.first:
                self._current = b""
                self.stamps.append(info.start_cycles)
                self.first_cycles.append(cycle)
            self.beat_cycles.append(cycle)
            count = beat.keep.bit_count()
            assert beat.keep == (1 << count) - 1 and (count == 8 or beat.last) and count
            octets = beat.data.to_bytes(8, "little")
            assert not any(octets[count:])
            self._current += octets[:count]
            if beat.last:
                self.frames.append(self._current)
                self.last_cycles.append(cycle)
                self._current = None
        if verdict_valid:
            self.verdicts.append(good)
            self.verdict_cycles.append(cycle)
        pulsed = [name for name, pulse in zip(PULSES, pulses, strict=True) if pulse]
        reasons = [name for name in pulsed if name in (_WITH_VERDICT if verdict_valid else _EMPTY)]
        assert reasons == [name for name in pulsed if name in _WITH_VERDICT]
        assert len(reasons) == 1 if verdict_valid else len(reasons) <= 1
        self.empty += len(reasons) if not verdict_valid else 0
        for name in pulsed:
            self.counts[name] += 1

    def finish(self) -> None:
        """Check that frames are whole, with a verdict and one reason each, in time."""
        assert self._current is None
        assert self.verdict_cycles == [cycle + VERDICT_CYCLES for cycle in self.last_cycles]
        assert len(self.frames) + self.empty == sum(self.counts[name] for name in _WITH_VERDICT)
        assert sum(self.verdicts) == self.counts["frames_good"]
