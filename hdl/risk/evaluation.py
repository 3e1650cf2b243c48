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
from hdl.risk.short_sale import ShortSale
from hdl.risk.worst_position import WorstPosition
from proto.checks import Check

__all__ = ["Evaluation", "EvaluationState", "OrderTerms"]

#: What the checks of an evaluation knew; part of the verdict's record.
EvaluationState = data.StructLayout({
    "reference": 32,
    "worst_long": Exposure["worst_long"].shape,
    "worst_short": Exposure["worst_short"].shape,
    "open_orders": OPEN_ORDER_BITS,
})


#: What an order of each side would be; of which symbol is known before.
OrderTerms = data.StructLayout({
    "buy_price": 32, "sell_price": 32,
    "buy_quantity": 32, "sell_quantity": 32,
})


class Evaluation(wiring.Component):
    """Judge an order of each side by every check that needs more than a flag.

    Latency: 2 cycles, `orders` to all outputs; their symbol, and its state, come a cycle before
    them. Throughput: 1 pair per cycle; a pair that stays is judged anew each cycle,
    by the state of 3 cycles before the result.

    Parameters
    ----------
    profile : :class:`Profile`
        Sizes.

    Members
    -------
    symbol_index : ``In(profile.symbol_bits)``
        Symbol of the orders that come in the next cycle; the next members are its state.
    limits, loaded : ``In``
        Limits of the symbol, and whether there are any.
    exposure : ``In(Exposure)``
        Own orders of the symbol.
    slot_free : ``In(1)``
        The table of own orders can take another order.
    reference, best_bid, halted, unusable, price_test : ``In``
        Book of the symbol.
    orders : ``In(OrderTerms)``
        Orders to judge, of the symbol of the cycle before.
    judged_symbol : ``Out(profile.symbol_bits)``
        Symbol of the orders that the results concern.
    short : ``Out(1)``
        The sale must be marked short.
    failed : ``Out(2)``
        By side: at least one check failed.
    masks : ``Out(data.ArrayLayout(64, 2))``
        By side: failed checks; bit n-1 is check n.
    state : ``Out(EvaluationState)``
        What they were judged by.
    """

    #: Cycles from `symbol_index` and its state to the outputs.
    latency = 1 + CHECK_LATENCY

    def __init__(self, profile: Profile):
        self.profile = profile
        super().__init__({
            "symbol_index": In(profile.symbol_bits),
            "limits": In(LimitRow),
            "loaded": In(1),
            "exposure": In(Exposure),
            "slot_free": In(1),
            "reference": In(32), "best_bid": In(32),
            "halted": In(1), "unusable": In(1), "price_test": In(1),
            "orders": In(OrderTerms),
            "judged_symbol": Out(profile.symbol_bits),
            "short": Out(1),
            "failed": Out(2),
            "masks": Out(data.ArrayLayout(64, 2)),
            "state": Out(EvaluationState),
        })

    def elaborate(self, platform):
        m = Module()

        # State of the symbol, then the orders beside it.
        known = Signal(EvaluationState, reset_less=True)
        limits = Signal(LimitRow, reset_less=True)
        flags = Signal(5, reset_less=True)
        best_bid = Signal(32, reset_less=True)
        price_test = Signal(reset_less=True)
        m.d.sync += [
            best_bid.eq(self.best_bid), price_test.eq(self.price_test),
            known.reference.eq(self.reference),
            known.worst_long.eq(self.exposure.worst_long),
            known.worst_short.eq(self.exposure.worst_short),
            known.open_orders.eq(self.exposure.count_buy + self.exposure.count_sell),
            Value.cast(limits).eq(Value.cast(self.limits)),
            flags.eq(Cat(self.limits.restricted, self.halted, self.unusable, ~self.loaded,
                         ~self.slot_free)),
        ]
        proposal = Signal(Proposal)
        orders = self.orders
        m.d.comb += [
            proposal.buy_price.eq(orders.buy_price), proposal.sell_price.eq(orders.sell_price),
            proposal.buy_quantity.eq(orders.buy_quantity),
            proposal.sell_quantity.eq(orders.sell_quantity),
            proposal.buy_oversize.eq(orders.buy_quantity[QUANTITY_BITS:].any()),
            proposal.sell_oversize.eq(orders.sell_quantity[QUANTITY_BITS:].any()),
            proposal.best_bid.eq(best_bid), proposal.price_test.eq(price_test),
            *[proposal[name].eq(known[name]) for name, _ in EvaluationState],
            Value.cast(proposal.limits).eq(Value.cast(limits)),
        ]

        def delayed(value: Value, cycles: int, name: str) -> Value:
            for n in range(cycles):
                later = Signal(len(value), name=f"{name}_{n + 1}", reset_less=True)
                m.d.sync += later.eq(value)
                value = later
            return value

        # The checks. Those that need one cycle are joined in the next, so that the slower ones find
        # one bit a side beside them.
        quick, slow = {}, {}
        short_sale = ShortSale()
        for results, components in (
                (quick, {Check.QUANTITY: OrderQuantity(), Check.OPEN_ORDERS: OpenOrders(),
                         Check.SHORT_SALE: short_sale}),
                (slow, {Check.VALUE: OrderValue(), Check.COLLAR: PriceCollar(),
                        Check.POSITION: WorstPosition()})):
            for check, component in components.items():
                m.submodules[check.name.lower()] = component
                m.d.comb += Value.cast(component.proposal).eq(Value.cast(proposal))
                results[check] = component.failed
        restricted, halted, unusable, unlimited, full = delayed(flags, 1, "flags")
        quick[Check.OPEN_ORDERS] = quick[Check.OPEN_ORDERS] | full.replicate(2)
        for check, flag in ((Check.RESTRICTED, restricted), (Check.HALTED, halted),
                            (Check.BOOK, unusable), (Check.NO_LIMITS, unlimited)):
            quick[check] = flag.replicate(2)
        any_quick = [delayed(Cat(result[side] for result in quick.values()).any(), 1,
                             f"quick_{side}") for side in range(2)]
        results = {**slow, **{check: delayed(Value.cast(result), 1, check.name.lower())
                              for check, result in quick.items()}}
        for side in range(2):
            m.d.comb += [self.masks[side][check - 1].eq(result[side])
                         for check, result in results.items()]
            m.d.comb += self.failed[side].eq(Cat(
                any_quick[side], *[result[side] for result in slow.values()]).any())

        m.d.comb += self.short.eq(delayed(short_sale.short, 1, "short"))

        # Symbol and state go along.
        m.d.comb += self.judged_symbol.eq(delayed(self.symbol_index, self.latency, "symbol"))
        m.d.comb += Value.cast(self.state).eq(
            delayed(Value.cast(known), CHECK_LATENCY, "state"))
        return m
