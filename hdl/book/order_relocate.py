"""Relocation in the order table: offers the orders of the CAM another try for a slot of a bank."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.book.order_slot import slots_of_row
from hdl.book.order_store import CAM_ENTRIES, OrderKey
from hdl.profile import Profile

__all__ = ["OrderRelocate"]


class OrderRelocate(wiring.Component):
    """Offer the used CAM slots in turn, each with a way to swap with if its rows are full.

    Latency: 1 cycle, `used` to `valid` if the slot is the one looked at; it looks at the next slot
    in each cycle in which it offers none, so that a full CAM is tried more often than an almost
    empty one. What is offered may be out of date.

    Parameters
    ----------
    profile : Profile
        Sizes.

    Members
    -------
    clear : ``In(1)``
        Forget the offer.
    used : ``In(1)``
        The CAM slot `index` holds an order.
    index : ``Out``
        CAM slot to look at.
    stored_key, stored_rows : ``In``
        The order of the CAM slot `index` and its rows.
    valid : ``Out(1)``
        An order is offered.
    key, rows : ``Out``
        That order and its rows.
    victim : ``Out``
        The way to swap with, bank 0 first; another one each time.
    taken : ``In(1)``
        The offer is taken.
    """

    def __init__(self, profile: Profile):
        rows = data.ArrayLayout(ceil_log2(profile.order_rows), profile.order_banks)
        super().__init__({
            "clear":       In(1),
            "used":        In(1),
            "index":       Out(range(CAM_ENTRIES)),
            "stored_key":  In(OrderKey(profile)),
            "stored_rows": In(rows),
            "valid":       Out(1),
            "key":         Out(OrderKey(profile)),
            "rows":        Out(rows),
            "victim":      Out(ceil_log2(slots_of_row(profile))),
            "taken":       In(1),
        })

    def elaborate(self, platform):
        m = Module()

        key = Signal(self.key.shape(), reset_less=True)
        rows = Signal(self.rows.shape(), reset_less=True)
        m.d.comb += [self.key.eq(key), self.rows.eq(rows)]
        with m.If(~self.valid):
            m.d.sync += key.eq(self.stored_key)
            m.d.sync += rows.eq(self.stored_rows)
            m.d.sync += self.valid.eq(self.used)
            m.d.sync += self.index.eq(self.index + 1)
        with m.If(self.taken):
            m.d.sync += self.valid.eq(0)
            m.d.sync += self.victim.eq(self.victim + 1)
        with m.If(self.clear):
            m.d.sync += self.valid.eq(0)

        return m
