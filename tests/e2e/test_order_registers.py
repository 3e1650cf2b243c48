"""Registers of the order side: what is written is in force, and what is told is true."""

from dataclasses import asdict

import pytest

from proto.events import EventKind
from proto.features import FEATURES
from proto.trading_registers import HISTOGRAM_BINS
from sim.appliance import Appliance
from sim.order_entry import LimitSettings, StrategySettings, arm, configure_risk, load_linear_model
from tests.support.order_line import Market, OrderLine, accepted, executed

pytestmark = pytest.mark.e2e

BID, ASK = 1_000_000, 1_000_100
ABORT, QUERY, LOAD_USER_REF_NUM = 1, 2, 4
NEXT_NUMBER = 0x01020305


def answer(message: bytes) -> list[bytes]:
    if message[:1] == b"Q":
        return [b"Q" + bytes(8) + NEXT_NUMBER.to_bytes(4, "big")]
    return [accepted(message), executed(message, int.from_bytes(message[6:10], "big"))]


def read_row(appliance: Appliance, array: str, index: int, names) -> dict[str, int]:
    wide = {"maximum_value"}
    return {name: appliance.read_wide(f"{array}[{index}].{name}") if name in wide
            else appliance.read(f"{array}[{index}].{name}") for name in names}


@pytest.fixture(scope="module")
def bench():
    with Appliance() as appliance:
        market = Market(appliance, symbols=2)
        line = OrderLine(appliance, answer)
        line.connect()
        yield appliance, market, line


def test_rows_are_read_back_as_they_are_in_force(bench):
    appliance, _, _ = bench
    limits = [LimitSettings(maximum_quantity=1000 + n, maximum_value=(n + 1 << 40) + n,
                            maximum_long=n, maximum_short=2**31 - 1 - n) for n in range(2)]
    strategies = [StrategySettings(buy_threshold=1000 + n, sell_threshold=-n, offset=-100 * n,
                                   quantity=100 + n, near=n, time_in_force=1 - n)
                  for n in range(2)]
    version = appliance.read("risk.limits_version")
    strategy_version = appliance.read("strategy[1].state", "version")
    assert not any(appliance.read(f"{array}[{index}].state", "loaded")
                   for array in ("limits", "strategy") for index in range(2))
    configure_risk(appliance, limits, strategies)
    for array, rows in (("limits", limits), ("strategy", strategies)):
        for index, row in enumerate(rows):
            wanted = {name: value % 2**64 if name == "maximum_value" else value % 2**32
                      for name, value in asdict(row).items()}
            assert read_row(appliance, array, index, wanted) == wanted
    assert appliance.read("risk.limits_version") == version + 2
    # Words of the shadow row are in force only from the commit on.
    appliance.write("limits[0].maximum_quantity", 7)
    assert appliance.read("limits[0].maximum_quantity") == 1000
    appliance.write("limits[0].revoke", 1)
    assert appliance.read("risk.limits_version") == version + 3
    states = [(appliance.read(f"limits[{index}].state", "loaded"),
               appliance.read(f"limits[{index}].state", "version")) for index in range(2)]
    assert states == [(0, version + 1), (1, version + 2)]
    assert appliance.read("strategy[1].state") == (strategy_version + 2) << 16 | 1
    assert appliance.read("limits[0].revoke") == appliance.read("limits[0].commit") == 0


def test_model_is_read_back_and_swapped_only_from_the_expected_epoch(bench):
    appliance, _, _ = bench
    weights = {feature.name: number * number - 7 for number, feature in enumerate(FEATURES)}
    load_linear_model(appliance, weights, -5, epoch=9)
    assert appliance.read("model.epoch") == 9 and appliance.read("model.state", "loaded")
    appliance.write("model.read_bank", appliance.read("model.state", "active_bank"))
    words = []
    for address in range(len(FEATURES) + 1):
        appliance.write("model.read_address", address)
        appliance.simulation.run(2)
        words.append(appliance.read("model.read_data"))
    assert words == [word % 2**32 for word in (*weights.values(), -5)]
    refused = appliance.counters()["model.swap_refused"]
    appliance.write("model.expected_epoch", 8)
    appliance.write("model.swap_bank", 1 - appliance.read("model.state", "active_bank"))
    appliance.write("model.swap", 1)
    assert appliance.read("model.epoch") == 9
    assert appliance.counters()["model.swap_refused"] == refused + 1


def test_positions_numbers_and_latency(bench):
    appliance, market, line = bench
    appliance.write("session.command", QUERY)
    line.until(lambda: appliance.read("session.venue_user_ref_num") == NEXT_NUMBER)
    appliance.write("session.user_ref_num", NEXT_NUMBER)
    appliance.write("session.command", LOAD_USER_REF_NUM)
    assert appliance.read("session.next_user_ref_num") == NEXT_NUMBER

    appliance.write("account.load_position", -40 % 2**32)
    appliance.write("positions[1].load", 1)
    line.step()
    assert appliance.read("positions[1].position") == -40 % 2**32
    assert appliance.read("positions[0].position") == 0

    load_linear_model(appliance, {"imbalance_top1": 16}, 0, epoch=10)
    strategy = StrategySettings(buy_threshold=1000, sell_threshold=1000)
    configure_risk(appliance, [LimitSettings()] * 2, [strategy] * 2)
    assert arm(appliance)
    for symbol in (1, 2):
        for side, price, shares in ((b"B", BID, 800), (b"S", ASK, 800), (b"B", BID, 8000)):
            market.send([market.add(side, price, shares, symbol=symbol)])
            for _ in range(8):
                line.step(128)
    position = [appliance.read(f"positions[{n}].position") for n in range(2)]
    orders = [request for request in line.requests if request[:1] == b"O"]
    assert int.from_bytes(orders[0][1:5], "big") == NEXT_NUMBER
    bought = [sum(int.from_bytes(o[6:10], "big") * (1 if o[5:6] == b"B" else -1) for o in orders
                  if o[10:14] == b"SYM%d" % symbol) for symbol in (1, 2)]
    assert position == [bought[0] % 2**32, (bought[1] - 40) % 2**32]

    counts = []
    for number in range(HISTOGRAM_BINS):
        appliance.write("latency.bin", number)
        appliance.simulation.run(2)
        counts.append(appliance.read("latency.count"))
    latencies = [record["latency"] for kind, record in appliance.order_events()
                 if kind is EventKind.ORDER_SENT]
    assert counts == [latencies.count(number) for number in range(HISTOGRAM_BINS)]
    assert appliance.read("latency.orders") == len(orders) == len(latencies) > 0
    assert appliance.read("latency.minimum") == min(latencies)
    assert appliance.read("latency.maximum") == max(latencies)

    appliance.write("session.command", ABORT)
    line.until(lambda: line.server.resets == 1)
    assert not appliance.read("session.state", "up")


def test_a_silent_control_plane_and_a_silent_feed_stop_trading(bench):
    appliance, _, _ = bench
    appliance.write_number("risk.watchdog_timeout", 1_000_000_000)
    assert arm(appliance)
    simulation = appliance.simulation
    simulation.set_time(simulation.time_ns + 900_000_000)
    simulation.run(100)
    assert appliance.read("risk.state", "armed")
    simulation.set_time(simulation.time_ns + 200_000_000)
    simulation.run(100)
    assert appliance.read("risk.state", "killed")
    assert appliance.read("risk.cause", "watchdog")
    assert appliance.read("risk.state", "feed_up")
    simulation.set_time(simulation.time_ns + 15_000_000_000)
    simulation.run(100)
    assert not appliance.read("risk.state", "feed_up")
