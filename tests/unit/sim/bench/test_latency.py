"""Cycles from trigger to order: by hand, and on a tiny run of the simulated appliance."""

import pytest

from proto.checks import Check
from proto.wire.itch50 import Side
from sim.appliance import Appliance
from sim.bench.checks import CheckTour
from sim.bench.flow import Kind, OrderFlow
from sim.bench.latency import measure_latency, symbols_of
from sim.bench.trading import Trading, message_cycles
from sim.framing import FeedAddress, frame_messages
from sim.library import FrameFlag
from sim.order_entry import LimitSettings, configure_risk, load_linear_model


def test_messages_are_found_in_their_frame():
    # Ethernet 14, IPv4 20, UDP 8, MoldUDP64 20, then 2 bytes of length and the message. Start of
    # the preamble is 8 bytes before the frame.
    messages = [bytes(36), bytes(19)]
    datagram, = frame_messages(messages, FeedAddress())
    places = message_cycles(80, len(datagram.frame), messages)
    first = 80 + 8 + 14 + 20 + 8 + 20 + 2
    assert places == [(first // 8, (first + 35) // 8),
                      ((first + 38) // 8, (first + 38 + 18) // 8)]
    assert len(datagram.frame) == 62 + 38 + 21


@pytest.mark.e2e
@pytest.mark.parametrize("lane", [FrameFlag.LANE_0, FrameFlag.LANE_4])
def test_one_trigger_is_counted_as_the_appliance_counts_it(lane):
    with Appliance() as appliance:
        appliance.write("control.fcs_mode", 1)
        symbols = symbols_of(2)
        trading = Trading(appliance, symbols)
        flow = OrderFlow(symbols, seed=1)
        load_linear_model(appliance, {"imbalance_top1": 16}, 0, epoch=1)
        configure_risk(appliance, [LimitSettings()] * 2, [])
        failed = CheckTour(trading, flow).run()
        assert failed == list(Check)
        message = flow.add(symbols[1], Side.BUY, symbols[1].centre - 100, 8000)
        trading.publish([message], flags=lane)
        trading.settle()
        order, = trading.collect()[0]
        assert order.kind is Kind.ADD and not order.queued and trading.outstanding == 0
        # The appliance's own figure is from Start of the frame to Start of the order.
        assert order.sof_cycle > order.eot_cycle > order.som_cycle
        assert order.eot_cycle - order.som_cycle in (4, 5)
        frame_bytes = 62 + 2 + len(message)
        start_to_last = (8 + frame_bytes - 1 + (4 if lane is FrameFlag.LANE_4 else 0)) // 8
        recorded = trading.last_record["latency"]
        assert order.eot_sof_cycles == recorded - start_to_last


@pytest.mark.e2e
@pytest.mark.parametrize("mode", ["cut_through", "store_and_forward"])
def test_a_tiny_run_adds_up(mode):
    figures = measure_latency("sim", mode, orders=2, seed=3)
    orders = figures["orders"]
    assert orders["sent"] == orders["measured"] + orders["queued"] + orders["trigger_unknown"]
    assert sum(spread["n"] for spread in figures["eot_sof_cycles"].values()) == orders["measured"]
    assert sum(spread["n"] for spread in
               figures["eot_sof_queued_cycles"].values()) == orders["queued"]
    for kind in Kind:
        spread = figures["eot_sof_cycles"][kind.value]
        assert spread["n"] >= 2 and 0 < spread["min"] <= spread["median"] <= spread["max"]
        assert spread["min"] < figures["som_sof_cycles"][kind.value]["min"]
    assert {"B", "T"} <= set(orders["sides"]) <= {"B", "S", "T"}   # short unless covered
    assert figures["checks_failed"] == [check.name.lower() for check in Check]


def test_the_same_seed_gives_the_same_messages():
    first, second = (OrderFlow(symbols_of(3), seed=5).messages(500) for _ in range(2))
    assert first == second
