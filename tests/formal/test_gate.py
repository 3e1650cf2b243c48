"""The gate: nothing but cancels leaves when closed; limits hold; one verdict for each intent."""

import pytest
from amaranth.hdl import Assert, Assume, Cat, Mux, Signal, Value
from amaranth.lib import data

from hdl.orders import IntentKind
from hdl.profile import PROFILES
from hdl.risk.evaluation import Evaluation, OrderTerms
from hdl.risk.gate import RiskGate
from tests.formal.support import Proof, prove

PROFILE = PROFILES["bench"]

#: The arithmetic of the checks; what is proved with it cut holds for any results.
ARITHMETIC = ("evaluation.value", "evaluation.collar")


def past(m, value, name):
    """Return a value of the cycle before."""
    before = Signal(len(Value.cast(value)), name=name)
    m.d.sync += before.eq(value)
    return before


def entering(dut):
    return dut.requests.valid & (dut.requests.p.kind == IntentKind.ENTER)


def steady(m, stream, name):
    """Assume that a stream keeps its payload until it is taken."""
    waits = past(m, stream.valid & ~stream.ready, f"{name}_waits")
    payload = past(m, Value.cast(stream.payload), f"{name}_payload")
    with m.If(waits):
        m.d.comb += Assume(stream.valid & (Value.cast(stream.payload) == payload))


def closed_gate(m, dut, started):
    """An order is offered only in a cycle in which the gate is open."""
    m.d.comb += Assert(~entering(dut) | (dut.armed & ~dut.killed & dut.session_up))


def announced(m, dut, started):
    """An order that is offered at once was announced, and its symbol a cycle before it."""
    orders, symbol = Value.cast(dut.orders), dut.orders_symbol
    for cycle in range(RiskGate.notice):
        orders = past(m, orders, f"orders_{cycle}")
    for cycle in range(RiskGate.notice + 1):
        symbol = past(m, symbol, f"symbol_{cycle}")
    pair, request = data.View(OrderTerms, orders), dut.requests.p
    with m.If(entering(dut) & ~dut.busy):
        m.d.comb += [
            Assert(request.symbol_index == symbol),
            Assert(Cat(request.price, request.quantity) == Mux(
                Value.cast(request.side), Cat(pair.sell_price, pair.sell_quantity),
                Cat(pair.buy_price, pair.buy_quantity))),
        ]


def reservations(m, dut, started):
    """Between two orders that leave, the first one's reservation is absorbed."""
    unabsorbed = Signal()
    sends = entering(dut) & dut.requests.ready
    with m.If(sends):
        m.d.sync += unabsorbed.eq(1)
    with m.Elif(dut.absorbed):
        m.d.sync += unabsorbed.eq(0)
    m.d.comb += Assume(~dut.absorbed | unabsorbed)
    m.d.comb += Assert(~(entering(dut) & unabsorbed))
    # And from then on its result has passed through every stage of the checks.
    since = Signal(range(Evaluation.latency + 2), init=Evaluation.latency + 1)
    with m.If(dut.absorbed | unabsorbed):
        m.d.sync += since.eq(0)
    with m.Elif(since != Evaluation.latency + 1):
        m.d.sync += since.eq(since + 1)
    m.d.comb += Assert(~entering(dut) | (since >= Evaluation.latency))


def limits(m, dut, started):
    """With settings that do not change, an order that is offered is within its limits."""
    for name in ("limits", "limits_loaded", "exposure", "slot_free", "tradable", "spoilt",
                 "feed_up"):
        value = Value.cast(getattr(dut, name))
        with m.If(started):
            m.d.comb += Assume(value == past(m, value, f"past_{name}"))
    request, row, own = dut.requests.p, dut.limits, dut.exposure
    long = own.worst_long + request.quantity
    short = own.worst_short - request.quantity
    selling = Value.cast(request.side)
    with m.If(entering(dut)):
        m.d.comb += [
            Assert(request.quantity >= 1),
            Assert(request.quantity <= row.maximum_quantity),
            Assert(selling | (long <= row.maximum_long)),
            Assert(~selling | (short + row.maximum_short >= 0)),
            Assert(own.count_buy + own.count_sell < row.maximum_open_orders),
            Assert(~row.restricted),
            Assert(dut.limits_loaded & dut.slot_free & dut.feed_up),
            Assert(dut.tradable.bit_select(request.symbol_index, 1)),
            Assert(~dut.spoilt.bit_select(request.symbol_index, 1)),
            Assert(request.short == (selling & (short < 0))),
        ]


def one_verdict_each(m, dut, started):
    """Intents taken less verdicts given is what the gate holds: none lost, none doubled."""
    steady(m, dut.cancels, "cancels")
    balance = Signal(8)
    taken = (dut.intents.valid & ~dut.busy) + (dut.cancels.valid & dut.cancels.ready)
    m.d.sync += balance.eq(balance + taken - dut.verdicts.valid)
    # One in the slot, one of a sweep on its way out, one verdict registered.
    m.d.comb += Assert(balance <= 3)


def cancels_pass(m, dut, started):
    """With session and transmitter ready, a sweep's cancel leaves within three cycles."""
    steady(m, dut.cancels, "cancels")
    waiting = Signal(3)
    leaves = dut.requests.valid & dut.requests.ready & (
        dut.requests.p.kind == IntentKind.CANCEL)
    able = (dut.cancels.valid & (dut.cancels.p.kind == IntentKind.CANCEL) & dut.session_up
            & dut.requests.ready)
    with m.If(able & ~leaves):
        m.d.sync += waiting.eq(waiting + 1)
    with m.Else():
        m.d.sync += waiting.eq(0)
    m.d.comb += Assert(waiting <= 3)


@pytest.mark.slow
@pytest.mark.parametrize(("properties", "mode", "depth", "cut"), [
    (closed_gate, "prove", 3, ("evaluation", "books")),
    (announced, "prove", 6, (*ARITHMETIC, "books", "message_rate")),
    (reservations, "bmc", 20, ("evaluation", "books", "message_rate")),
    (limits, "prove", 8, ARITHMETIC),
    (one_verdict_each, "bmc", 12, ("evaluation", "books", "message_rate")),
    (cancels_pass, "bmc", 12, ("evaluation", "books", "message_rate")),
], ids=lambda value: getattr(value, "__name__", ""))
def test_the_gate_keeps_its_promises(tmp_path, properties, mode, depth, cut):
    prove(tmp_path, Proof(RiskGate(PROFILE), properties), mode=mode, depth=depth, cut=cut)
