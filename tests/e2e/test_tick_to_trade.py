"""Cycles from the last byte of a message at the feed's pins to Start of the order at the port."""

from collections.abc import Callable

import pytest

from proto.events import EventKind
from sim.appliance import Appliance
from sim.library import FrameFlag, byte_cycle
from sim.order_entry import LimitSettings, StrategySettings, arm, configure_risk, load_linear_model
from tests.support.order_line import Market, OrderLine, accepted, canceled

pytestmark = pytest.mark.e2e

BID, ASK = 1_000_000, 1_000_100

#: Most cycles, EOT to SOF: cut-through, Start of the trigger's frame in lane 0.
CUT_THROUGH = {"add": 15, "execute": 20, "cancel": 20, "delete": 20, "replace": 20}
#: A frame whose Start is in lane 4 has the upper half of each beat a word later.
LANE_4 = 1


class Bench:
    """One symbol whose book is level; a trigger makes it buy, immediate-or-cancel."""

    def __init__(self, appliance: Appliance) -> None:
        self.appliance = appliance
        self.market = Market(appliance)
        self.line = OrderLine(appliance, lambda message: [
            accepted(message), canceled(message, int.from_bytes(message[6:10], "big"))])
        self.line.connect()
        load_linear_model(appliance, {"imbalance_top1": 16}, 0, epoch=1)
        configure_risk(appliance, [LimitSettings()],
                       [StrategySettings(buy_threshold=1000, sell_threshold=1 << 30)])
        self.market.send([self.market.add(b"B", BID, 800)])
        self.market.send([self.market.add(b"S", ASK, 100)])
        self.market.send([self.market.add(b"S", ASK, 700)])
        self.run()
        assert arm(appliance)

    def run(self) -> None:
        for _ in range(8):
            self.line.step(128)

    def measure(self, message: bytes, lane: FrameFlag) -> int:
        """Return the cycles from the last byte of a message to Start of the order it makes."""
        simulation = self.appliance.simulation
        self.line.received.clear()
        simulation.starts()
        frame, = self.market.frames([message])
        self.appliance.send_frames([frame], flags=lane)
        self.run()
        start = int(simulation.starts()[0])
        order, = (f for f in self.line.received if f.frame[56:58] == b"UO")
        assert order.start % 8 == 0
        cycles = order.start // 8 - byte_cycle(start, len(frame) - 1)
        record = [record for kind, record in self.appliance.order_events()
                  if kind is EventKind.ORDER_SENT][-1]
        assert record["latency"] == order.start // 8 - start // 8
        return cycles

    def silently(self, *messages: bytes) -> None:
        """Send what makes no order."""
        self.market.send(list(messages))
        self.run()
        self.appliance.order_events()


def add(bench: Bench, lane: FrameFlag) -> int:
    cycles = bench.measure(bench.market.add(b"B", BID, 8000), lane)
    bench.silently(bench.market.change(b"D", bench.market.reference))
    return cycles


def with_ask(change: Callable[[Market, int], bytes], left: int):
    """Return the trigger that changes an order of 700 at the ask."""
    def trigger(bench: Bench, lane: FrameFlag) -> int:
        market = bench.market
        cycles = bench.measure(change(market, bench.ask), lane)
        gone = [market.change(b"D", market.reference if left == 2 else bench.ask)] if left else []
        bench.silently(*gone, market.add(b"S", ASK, 700))
        bench.ask = market.reference
        return cycles
    return trigger


TRIGGERS = {
    "add": add,
    "execute": with_ask(lambda market, ask: market.change(b"E", ask, 690), 1),
    "cancel": with_ask(lambda market, ask: market.change(b"X", ask, 690), 1),
    "delete": with_ask(lambda market, ask: market.change(b"D", ask), 0),
    "replace": with_ask(lambda market, ask: market.change(b"U", ask, 10, price=ASK), 2),
}


def figures(cut_through: int, lane: FrameFlag, times: int = 4) -> dict[str, list[int]]:
    with Appliance() as appliance:
        appliance.write("control.fcs_mode", cut_through)
        bench = Bench(appliance)
        bench.ask = bench.market.reference
        return {name: sorted(trigger(bench, lane) for _ in range(times))
                for name, trigger in TRIGGERS.items()}


@pytest.mark.parametrize("lane", [FrameFlag.LANE_0, FrameFlag.LANE_4])
def test_cut_through(lane):
    found = figures(1, lane)
    for name, cycles in found.items():
        assert cycles[-1] <= CUT_THROUGH[name] + (LANE_4 if lane is FrameFlag.LANE_4 else 0), found


def test_store_and_forward_sends_after_the_verdict():
    found = figures(0, FrameFlag.LANE_0)
    cut = figures(1, FrameFlag.LANE_0)
    for name, cycles in found.items():
        # A frame of these lengths is 12 to 14 words; all are passed on once the FCS proved good.
        assert 10 <= cycles[0] - cut[name][0] <= 20, (found, cut)
