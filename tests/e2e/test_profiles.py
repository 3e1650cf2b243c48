"""Profiles: their books against the plain-Python ones, and an order from message to wire."""

import re

import pytest

from hdl.profile import PROFILES
from proto.events import EventKind
from sim import verilate
from sim.appliance import Appliance, SymbolSettings
from sim.framing import FeedAddress, frame_messages
from sim.golden.book import bbo_rows
from sim.library import byte_cycle
from sim.order_entry import LimitSettings, StrategySettings, arm, configure_risk, load_linear_model
from sim.replay import COLUMNS
from sim.wave_groups import groups
from sim.waves import SCOPE
from tests.support.order_flow import OrderFlow
from tests.support.order_line import Market, OrderLine, accepted, canceled

pytestmark = pytest.mark.e2e

BID, ASK = 1_000_000, 1_000_100
MESSAGES = 3000
#: Cycles of an Add, EOT to SOF, cut-through: 10GbE as of tests/e2e/test_tick_to_trade.py. At GMII
#: a beat is full up to seven bytes after the message's last one, and known to be after one more.
LEAST, MOST = {"xgmii": 15, "gmii": 16}, {"xgmii": 15, "gmii": 23}


#: Those that other tests do not run.
NAMES = ("ecp5", "ecp5_45", "us")


@pytest.fixture(params=NAMES)
def profile(request):
    return PROFILES[request.param]


@pytest.fixture
def appliance(profile):
    with Appliance(profile.name) as made:
        yield made


def test_it_says_what_it_is(profile, appliance):
    found = {name: appliance.read(f"identity.{name}") for name in (
        "core_hz", "profile_symbols", "profile_window_ticks", "profile_orders")}
    assert found == {"core_hz": profile.core_hz, "profile_symbols": profile.symbols,
                     "profile_window_ticks": profile.window_ticks,
                     "profile_orders": profile.orders}
    assert appliance.simulation.lanes == {"xgmii": 8, "gmii": 1}[profile.line]


@pytest.mark.parametrize("cut_through", [0, 1])
def test_every_row_of_a_random_flow(profile, appliance, cut_through):
    locates = tuple(range(1, profile.symbols + 1))
    # As wide as the window, so that it moves.
    flow = OrderFlow(seed=10 + cut_through, locates=locates, spread=profile.window_ticks // 2,
                     resting=1000)
    messages = flow.messages(MESSAGES)
    appliance.write("control.hold_on_rebuild", 1)
    appliance.write("control.fcs_mode", cut_through)
    appliance.watch([SymbolSettings(f"SYM{locate}", locate, flow.tick_size)
                     for locate in locates])
    appliance.configure_feed(FeedAddress())
    appliance.simulation.set_paced(True)
    appliance.send_frames([datagram.frame for datagram in
                           frame_messages(messages, FeedAddress(), packed=True)])
    appliance.settle()
    events = appliance.events()
    rows = list(zip(*(events[name].tolist() for name in COLUMNS.values()), strict=True))
    wanted = [tuple(row) for row in bbo_rows(messages)]
    assert rows == wanted and len(rows) > MESSAGES // 40
    counters = appliance.counters()
    assert counters["book.rebuilds"] > 3 and counters["book.refills"] > 50


def test_an_order_goes_from_message_to_wire(profile, appliance):
    simulation = appliance.simulation
    appliance.write("control.fcs_mode", 1)
    market = Market(appliance)
    line = OrderLine(appliance, lambda message: [
        accepted(message), canceled(message, int.from_bytes(message[6:10], "big"))])
    line.connect()
    load_linear_model(appliance, {"imbalance_top1": 16}, 0, epoch=1)
    configure_risk(appliance, [LimitSettings()],
                   [StrategySettings(buy_threshold=1000, sell_threshold=1 << 30)])

    def run() -> None:
        for _ in range(12):
            line.step(128)

    for side, price, shares in ((b"B", BID, 800), (b"S", ASK, 100), (b"S", ASK, 700)):
        market.send([market.add(side, price, shares)])
        run()
    assert arm(appliance)
    assert line.requests == []

    for size in (8000, 9000):
        simulation.starts()
        line.received.clear()
        frame, = market.frames([market.add(b"B", BID, size)])
        appliance.send_frames([frame])
        run()
        start, = simulation.starts().tolist()
        order, = (found for found in line.received if found.frame[56:58] == b"UO")
        assert order.good and order.start % 8 == 0
        record, = (record for kind, record in appliance.order_events()
                   if kind is EventKind.ORDER_SENT)
        assert (record["quantity"], record["price"]) == (100, ASK)
        assert record["latency"] == order.start // 8 - start // 8
        cycles = order.start // 8 - byte_cycle(start, len(frame) - 1, lanes=simulation.lanes)
        assert LEAST[profile.line] <= cycles <= MOST[profile.line]
        # The order is final before the next one may leave.
        market.send([market.change(b"D", market.reference)])
        run()
    assert [request[:1] for request in line.requests] == [b"O", b"O"]
    counters = appliance.counters()
    assert (counters["order.enters"], counters["order.answers"]) == (2, 4)
    wrong = [name for name, count in counters.items() if count and any(
        word in name for word in ("bad", "underrun", "overrun", "dropped", "malformed", "lost"))]
    assert not wrong


#: A declaration of the emitted Verilog: an escaped name ends with a space.
DECLARED = re.compile(r"^  (?:input|output|wire|reg|output reg) (?:signed )?(?:\[(\d+):0\] )?"
                      r"(?:\\(\S+) |(\w+)) ?(?:=.*)?;$", re.MULTILINE)


def declared(verilog):
    """Return the bits of every signal of a design, by its name in a waveform."""
    found = {}
    for part in verilog.read_text().split("\nmodule ")[1:]:
        module = part.split("(", 1)[0].strip().lstrip("\\")
        for top, escaped, plain in DECLARED.findall(part):
            found[f"TOP.{module}.{escaped or plain}"] = int(top or 0) + 1
    return found


@pytest.mark.parametrize("name", ["bench", *NAMES])
def test_the_saved_view_of_a_waveform_names_signals_of_the_design(name):
    found = declared(verilate.emit(verilate.APPLIANCE, {"profile": name}).verilog)
    stages = groups(PROFILES[name])
    assert f"{SCOPE}.now_cycles" in found
    for signal in (signal for stage in stages.values() for signal in stage):
        # An element of an array is below it in a waveform.
        assert found.get(signal.full_name.replace(".[", "[")) == signal.bits, signal
