"""A kill by register in every phase of an order: when the last frame starts, what still leaves."""

import pytest

from proto.checks import Check
from proto.events import EventKind, StateFlag
from sim.appliance import Appliance
from sim.order_entry import LimitSettings, StrategySettings, arm, configure_risk, load_linear_model
from tests.support.order_line import Market, OrderLine, accepted, canceled

pytestmark = pytest.mark.e2e

#: From the cycle in which the register's write is at the pins: the first cycle in which no frame
#: with an order to enter starts any more. Two are the bus, one the latch, one the transmitter.
KILL_CYCLES = 4

KILL, CLEAR = 1 << 2, 1 << 3
BID, ASK = 1_000_000, 1_000_100
DAY = 1


class Scene:
    """Symbol 1 takes, symbol 2 rests; the venue cancels what is taken, and accepts what rests."""

    def __init__(self, appliance: Appliance) -> None:
        self.appliance = appliance
        self.resting: dict[int, bytes] = {}
        self.market = Market(appliance, symbols=2)
        self.line = OrderLine(appliance, self.answer)
        self.line.connect()
        load_linear_model(appliance, {"imbalance_top1": 16}, 0, epoch=1)
        thresholds = {"buy_threshold": 1000, "sell_threshold": 1000}
        configure_risk(appliance, [LimitSettings()] * 2, [
            StrategySettings(**thresholds),
            StrategySettings(**thresholds, near=1, time_in_force=DAY)])
        for symbol in (1, 2):
            self.market.send([self.market.add(b"B", BID, 800, symbol=symbol),
                              self.market.add(b"S", ASK, 800, symbol=symbol)])
        self.run()

    def answer(self, message: bytes) -> list[bytes]:
        """Answer as the venue."""
        number = int.from_bytes(message[1:5], "big")
        if message[:1] == b"X":
            order = self.resting.pop(number, None)
            return [canceled(order, int.from_bytes(order[6:10], "big"))] if order else []
        if message[10:14] == b"SYM2":
            self.resting[number] = message
            return [accepted(message)]
        return [accepted(message), canceled(message, int.from_bytes(message[6:10], "big"))]

    def run(self, steps: int = 12) -> None:
        """Let everything settle."""
        for _ in range(steps):
            self.line.step(128)

    def lopsided(self, symbol: int) -> list[bytes]:
        """Return the message that makes the symbol's score buy."""
        return [self.market.add(b"B", BID, 8000, symbol=symbol)]

    def level(self, symbol: int) -> None:
        """Take it back."""
        self.market.send([self.market.change(b"D", self.market.reference, symbol=symbol)])

    def killed_after(self, cycles: int) -> tuple[int, list[tuple[int, bytes]]]:
        """Kill so long after the trigger's Start; return the cycle and the orders' starts after.

        The starts are those since the trigger, and tell the payload.
        """
        appliance, simulation = self.appliance, self.appliance.simulation
        assert arm(appliance)
        self.market.send(self.lopsided(2))
        self.run(8)
        self.level(2)
        self.run(4)
        assert len(self.resting) == 1
        self.line.received.clear()
        begin = simulation.cycle + 16
        self.market.send(self.lopsided(1), not_before=begin)
        simulation.run(begin + cycles - simulation.cycle)
        kill = simulation.cycle + 1
        appliance.write("risk.command", KILL)
        self.run()
        frames = [(frame.start // 8, frame.frame[54:-4]) for frame in self.line.received]
        assert all(frame.good for frame in self.line.received)
        # Trading goes on being refused, whatever comes.
        self.level(1)
        self.market.send(self.lopsided(1))
        self.level(1)
        self.run(4)
        assert self.line.received[-1].start // 8 <= simulation.cycle
        assert appliance.read("risk.state", "killed") and not appliance.read("risk.state", "armed")
        appliance.write("risk.command", CLEAR)
        assert not appliance.read("risk.state", "killed")
        return kill, frames


def test_kill_in_every_phase_of_an_order():
    with Appliance() as appliance:
        appliance.write("control.fcs_mode", 1)
        scene = Scene(appliance)
        left = []
        last = 0
        for phase in range(10, 70):
            number = len(scene.line.requests)
            kill, frames = scene.killed_after(phase)
            enters = [start for start, payload in frames if payload[2:4] == b"UO"]
            cancels = [start for start, payload in frames if payload[2:4] == b"UX"]
            assert len(enters) <= 1
            for start in enters:
                assert start < kill + KILL_CYCLES, f"phase {phase}"
                last = max(last, start - kill)
            # The order that rested is cancelled, and so is one that was already on its way.
            assert cancels and min(cancels) > kill, f"phase {phase}"
            requests = scene.line.requests[number:]
            assert [r[:1] for r in requests].count(b"O") == 1 + len(enters)
            assert not scene.resting
            left.append(bool(enters))
        # Both happened, and only one edge lies between.
        assert left == sorted(left) and left[0] is False and left[-1] is True
        assert last == KILL_CYCLES - 1
        records = appliance.order_events()
    refused = [record for kind, record in records if kind is EventKind.ORDER_REFUSED]
    assert refused
    for record in refused:
        assert record["mask"] & (Check.KILLED.mask | Check.DISARMED.mask)
    states = [record for kind, record in records if kind is EventKind.STATE]
    kills = [a for a, b in zip(states[1:], states, strict=False)
             if a["flags"] & StateFlag.KILLED and not b["flags"] & StateFlag.KILLED]
    assert len(kills) == len(left) and all(record["cause"] == 1 for record in kills)
