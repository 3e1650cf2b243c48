"""All checks of one symbol's two candidate orders, while the model is still scoring."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.order.own_orders import Exposure
from hdl.profile import Profile
from hdl.risk.limits import CHECK_LATENCY, OPEN_ORDER_BITS, QUANTITY_BITS, LimitRow, Proposal
from hdl.risk.open_orders import OpenOrders
from hdl.risk.order_quantity import OrderQuantity
from hdl.risk.order_value import OrderValue
from hdl.risk.price_collar import PriceCollar
from hdl.risk.worst_position import WorstPosition
from proto.checks import Check

__all__ = ["Evaluation", "EvaluationState", "OrderPair"]

#: What the checks of an evaluation knew; part of the verdict's record.
EvaluationState = data.StructLayout({
    "reference": 32,
    "worst_long": Exposure["worst_long"].shape,
    "worst_short": Exposure["worst_short"].shape,
    "open_orders": OPEN_ORDER_BITS,
})


def OrderPair(profile: Profile) -> data.StructLayout:  # noqa: N802
    """Return the layout of an order of each side of one symbol."""
    return data.StructLayout({
        "symbol_index": profile.symbol_bits,
        "buy_price": 32, "sell_price": 32,
        "buy_quantity": 32, "sell_quantity": 32,
    })


class Evaluation(wiring.Component):
    """Judge an order of each side by every check that needs more than a flag.

    Latency: 4 cycles, `orders` to `judged` and all other outputs. Throughput: 1 pair per cycle; a
    pair that stays is judged anew each cycle, by the state of 4 cycles before the result.

    Parameters
    ----------
    profile : :class:`Profile`
        Sizes.

    Members
    -------
    orders : ``In(OrderPair(profile))``
        Orders to judge.
    symbol_index : ``Out(profile.symbol_bits)``
        Symbol whose state is wanted, in the same cycle: the next members.
    limits, loaded : ``In``
        Limits of the symbol, and whether there are any.
    exposure : ``In(Exposure)``
        Own orders of the symbol.
    slot_free : ``In(1)``
        The table of own orders can take another order.
    reference, halted, unusable : ``In``
        Book of the symbol.
    judged : ``Out(OrderPair(profile))``
        The orders that the results concern.
    failed : ``Out(2)``
        By side: at least one check failed.
    masks : ``Out(data.ArrayLayout(64, 2))``
        By side: failed checks; bit n-1 is check n.
    state : ``Out(EvaluationState)``
        What they were judged by.
    """

    #: Cycles from `orders` to the outputs.
    latency = 1 + CHECK_LATENCY

    def __init__(self, profile: Profile):
        self.profile = profile
        super().__init__({
            "orders": In(OrderPair(profile)),
            "symbol_index": Out(profile.symbol_bits),
            "limits": In(LimitRow),
            "loaded": In(1),
            "exposure": In(Exposure),
            "slot_free": In(1),
            "reference": In(32),
            "halted": In(1), "unusable": In(1),
            "judged": Out(OrderPair(profile)),
            "failed": Out(2),
            "masks": Out(data.ArrayLayout(64, 2)),
            "state": Out(EvaluationState),
        })

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.symbol_index.eq(self.orders.symbol_index)

        # First cycle: state of the symbol.
        proposal = Signal(Proposal, reset_less=True)
        flags = Signal(5, reset_less=True)
        open_orders = self.exposure.count_buy + self.exposure.count_sell
        m.d.sync += [
            proposal.buy_price.eq(self.orders.buy_price),
            proposal.sell_price.eq(self.orders.sell_price),
            proposal.buy_quantity.eq(self.orders.buy_quantity),
            proposal.sell_quantity.eq(self.orders.sell_quantity),
            proposal.buy_oversize.eq(self.orders.buy_quantity[QUANTITY_BITS:].any()),
            proposal.sell_oversize.eq(self.orders.sell_quantity[QUANTITY_BITS:].any()),
            proposal.reference.eq(self.reference),
            proposal.worst_long.eq(self.exposure.worst_long),
            proposal.worst_short.eq(self.exposure.worst_short),
            proposal.open_orders.eq(open_orders),
            Value.cast(proposal.limits).eq(Value.cast(self.limits)),
            flags.eq(Cat(self.limits.restricted, self.halted, self.unusable, ~self.loaded,
                         ~self.slot_free)),
        ]

        # The checks.
        results = {}
        for check, component in ((Check.QUANTITY, OrderQuantity()), (Check.VALUE, OrderValue()),
                                 (Check.COLLAR, PriceCollar()), (Check.POSITION, WorstPosition()),
                                 (Check.OPEN_ORDERS, OpenOrders())):
            m.submodules[check.name.lower()] = component
            m.d.comb += Value.cast(component.proposal).eq(Value.cast(proposal))
            results[check] = component.failed

        def delayed(value: Value, cycles: int, name: str) -> Value:
            for n in range(cycles):
                later = Signal(len(value), name=f"{name}_{n + 1}", reset_less=True)
                m.d.sync += later.eq(value)
                value = later
            return value

        restricted, halted, unusable, unlimited, full = delayed(flags, CHECK_LATENCY, "flags")
        results[Check.OPEN_ORDERS] = results[Check.OPEN_ORDERS] | full.replicate(2)
        for check, flag in ((Check.RESTRICTED, restricted), (Check.HALTED, halted),
                            (Check.BOOK, unusable), (Check.NO_LIMITS, unlimited)):
            results[check] = flag.replicate(2)

        # Orders and state go along.
        judged = delayed(Value.cast(self.orders), self.latency, "orders")
        state = Signal(EvaluationState)
        m.d.comb += [state[name].eq(proposal[name]) for name, _ in EvaluationState]
        m.d.comb += [
            Value.cast(self.judged).eq(judged),
            Value.cast(self.state).eq(delayed(Value.cast(state), CHECK_LATENCY, "state")),
        ]
        for side in range(2):
            m.d.comb += [self.masks[side][check - 1].eq(result[side])
                         for check, result in results.items()]
            m.d.comb += self.failed[side].eq(Cat(
                result[side] for result in results.values()).any())
        return m
