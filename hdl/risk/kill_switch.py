"""Arming, the kill latch and the watchdog."""

from collections.abc import Sequence

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["KillSwitch"]


class KillSwitch(wiring.Component):
    """Keep the gate closed until armed, and after a kill until cleared and armed anew.

    Latency: 1 cycle, any cause to `killed`. Reset leaves the switch disarmed and not killed.

    A kill latches and disarms; all causes seen stay in `cause`. While a cause is present nothing
    clears it. The watchdog kills an armed appliance when no `heartbeat` has come for longer than
    `cfg_timeout_ns`; arming needs a heartbeat within that time, so a timeout of 0 never arms.
    When a kill and an arming meet, the kill wins.

    Parameters
    ----------
    causes : sequence of str
        Names of the bits of `triggers`.

    Members
    -------
    triggers : ``In(len(causes))``
        Levels or pulses that kill.
    arm, disarm, clear : ``In(1)``
        Pulses: arm if not killed and the heartbeat is fresh, else pulse `refused`; disarm; forget a
        kill if no trigger is present, else pulse `refused`.
    heartbeat : ``In(1)``
        Pulse: the control plane lives.
    now_ns : ``In(64)``
        Hardware time.
    cfg_timeout_ns : ``In(40)``
        Longest silence of the control plane.
    armed, killed : ``Out(1)``
        State; never both.
    cause : ``Out(len(causes) + 1)``
        Triggers since the last clearing; the last bit is the watchdog.
    tripped : ``Out(1)``
        Pulse: the state has just become killed.
    refused : ``Out(1)``
        Pulse: see above.

    Raises
    ------
    ValueError
        If there is no cause.
    """

    def __init__(self, causes: Sequence[str]):
        if not causes:
            raise ValueError("causes must name at least one trigger")
        self.causes = (*causes, "watchdog")
        super().__init__({
            "triggers": In(len(causes)),
            "arm": In(1), "disarm": In(1), "clear": In(1),
            "heartbeat": In(1),
            "now_ns": In(64),
            "cfg_timeout_ns": In(40),
            "armed": Out(1), "killed": Out(1),
            "cause": Out(len(self.causes)),
            "tripped": Out(1), "refused": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        beat_ns = Signal(64)
        beaten = Signal()
        silence_ns = Signal(64, reset_less=True)
        overdue = Signal(init=1)
        with m.If(self.heartbeat):
            m.d.sync += [beat_ns.eq(self.now_ns), beaten.eq(1)]
        m.d.sync += [
            silence_ns.eq(self.now_ns - beat_ns),
            overdue.eq(~beaten | (silence_ns > self.cfg_timeout_ns)),
        ]

        present = Signal(len(self.causes))
        m.d.comb += present.eq(Cat(self.triggers, overdue & self.armed))
        arms = self.arm & ~self.killed & ~overdue
        clears = self.clear & ~present.any()

        m.d.sync += [
            self.tripped.eq(present.any() & ~self.killed),
            self.refused.eq((self.arm & ~arms) | (self.clear & ~clears)),
        ]
        with m.If(present.any()):
            m.d.sync += [self.killed.eq(1), self.armed.eq(0), self.cause.eq(self.cause | present)]
        with m.Elif(self.disarm):
            m.d.sync += self.armed.eq(0)
        with m.Elif(clears):
            m.d.sync += [self.killed.eq(0), self.cause.eq(0), self.armed.eq(0)]
        with m.Elif(arms):
            m.d.sync += self.armed.eq(1)
        return m
