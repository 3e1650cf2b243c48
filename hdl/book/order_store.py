"""Where orders rest: one bank of the order table, and the overflow CAM beside it."""

from amaranth import *
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.book.order_hash import REFERENCE_BITS
from hdl.profile import Profile

__all__ = ["CAM_ENTRIES", "OrderBank", "OrderCam", "OrderKey", "OrderPayload", "StoredOrder"]

#: Orders that fit in neither bank and are still kept.
CAM_ENTRIES = 16


def OrderKey(profile: Profile) -> data.StructLayout:  # noqa: N802
    """Return the layout of what identifies an order; a hit needs all of it."""
    return data.StructLayout({"reference": REFERENCE_BITS, "symbol_index": profile.symbol_bits})


#: What is known of a resting order: side, price in 1e-4 USD, open shares.
OrderPayload = data.StructLayout({"side": 1, "price": 32, "shares": 32})


def StoredOrder(profile: Profile) -> data.StructLayout:  # noqa: N802
    """Return the layout of a slot of a bank."""
    return data.StructLayout({
        "valid": 1,
        "key": OrderKey(profile),
        "payload": OrderPayload,
        "other_row": ceil_log2(profile.order_rows),  # row of the order in the other bank
    })


class OrderBank(wiring.Component):
    """One bank: rows of four ways in block RAM, one row read and one way written a cycle.

    Latency: 2 cycles, `read_row` to `ways` (address register, output register), counted in cycles
    with `enable`. A read that meets a write of the same way gets undefined bits of that way; the
    table never uses them, and says so to the synthesiser, which otherwise adds a bypass.

    Parameters
    ----------
    profile : Profile
        Sizes.

    Members
    -------
    enable : ``In(1)``
        The read side moves on.
    read_row : ``In(row_bits)``
        Row to read.
    ways : ``Out(ArrayLayout(StoredOrder, 4))``
        The row that was asked for two enabled cycles before.
    write_row, write_ways, write_order : ``In``
        Write `write_order` to the ways of `write_row` whose bit is set.
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        self.slot = StoredOrder(profile)
        rows = range(profile.order_rows)
        super().__init__({
            "enable":      In(1),
            "read_row":    In(rows),
            "ways":        Out(data.ArrayLayout(self.slot, profile.order_ways)),
            "write_row":   In(rows),
            "write_ways":  In(profile.order_ways),
            "write_order": In(self.slot),
        })

    def elaborate(self, platform):
        m = Module()

        for way in range(self.profile.order_ways):
            slots = memory.Memory(shape=self.slot.size, depth=self.profile.order_rows, init=[],
                                  attrs={"no_rw_check": 1})
            m.submodules[f"way_{way}"] = slots
            write = slots.write_port()
            m.d.comb += [
                write.addr.eq(self.write_row),
                write.data.eq(self.write_order.as_value()),
                write.en.eq(self.write_ways[way]),
            ]
            # An asynchronous read and its register: the form whose collision Yosys lets be free.
            read = slots.read_port(domain="comb")
            fetched = Signal(self.slot.size, name=f"fetched_{way}", reset_less=True)
            output = Signal(self.slot.size, name=f"output_{way}", reset_less=True)
            m.d.comb += read.addr.eq(self.read_row)
            with m.If(self.enable):
                m.d.sync += fetched.eq(read.data)
                m.d.sync += output.eq(fetched)
            m.d.comb += self.ways[way].eq(output)

        return m


class OrderCam(wiring.Component):
    """Sixteen slots that are searched by key.

    Latency: 2 cycles, `key` to `hit`, `index` and `payload`, counted in cycles with `enable`;
    the payload is that of the moment. Writes take effect in the next cycle.

    Parameters
    ----------
    profile : Profile
        Sizes.

    Members
    -------
    enable : ``In(1)``
        The search moves on.
    clear : ``In(1)``
        Forget every slot.
    key : ``In(OrderKey)``
        What to look for.
    scan, scan_index : ``In``
        One cycle after the key: show the slot `scan_index` in place of the one that was found.
    hit, index : ``Out``
        The slot that holds the key; with `scan`, whether the slot is used.
    symbol_index, payload : ``Out``
        Contents of the slot.
    full, free_index : ``Out``
        The first free slot, now.
    retry_index : ``In``
        Slot to show with its rows.
    retry_used, retry_key, retry_rows : ``Out``
        What it is in this cycle.
    write, write_used, write_index, write_key, write_rows, write_payload : ``In``
        Set or free a slot.
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        index = range(CAM_ENTRIES)
        rows = data.ArrayLayout(ceil_log2(profile.order_rows), profile.order_banks)
        super().__init__({
            "enable":        In(1),
            "clear":         In(1),
            "key":           In(OrderKey(profile)),
            "scan":          In(1),
            "scan_index":    In(index),
            "hit":           Out(1),
            "index":         Out(index),
            "symbol_index":  Out(profile.symbol_bits),
            "payload":       Out(OrderPayload),
            "full":          Out(1),
            "free_index":    Out(index),
            "retry_index":   In(index),
            "retry_used":    Out(1),
            "retry_key":     Out(OrderKey(profile)),
            "retry_rows":    Out(rows),
            "write":         In(1),
            "write_used":    In(1),
            "write_index":   In(index),
            "write_key":     In(OrderKey(profile)),
            "write_rows":    In(rows),
            "write_payload": In(OrderPayload),
        })

    def elaborate(self, platform):
        m = Module()

        used = Signal(CAM_ENTRIES)
        keys = [Signal(self.key.shape(), name=f"key_{slot}", reset_less=True)
                for slot in range(CAM_ENTRIES)]
        matches = Signal(CAM_ENTRIES)
        with m.If(self.enable):
            m.d.sync += matches.eq(Cat(
                used[slot] & (key.as_value() == self.key.as_value())
                for slot, key in enumerate(keys)))

        found = Cat(Cat(matches[slot] for slot in range(CAM_ENTRIES) if slot >> bit & 1).any()
                    for bit in range(len(self.index)))
        with m.If(self.enable):
            m.d.sync += self.index.eq(Mux(self.scan, self.scan_index, found))
            m.d.sync += self.hit.eq(
                Mux(self.scan, used.bit_select(self.scan_index, 1), matches.any()))

        contents = memory.Memory(
            shape=data.StructLayout({"symbol_index": self.profile.symbol_bits,
                                     "payload": OrderPayload}).size,
            depth=CAM_ENTRIES, init=[])
        m.submodules.contents = contents
        read = contents.read_port(domain="comb")
        write = contents.write_port()
        m.d.comb += [
            read.addr.eq(self.index),
            Cat(self.symbol_index, self.payload.as_value()).eq(read.data),
            write.addr.eq(self.write_index),
            write.data.eq(Cat(self.write_key.symbol_index, self.write_payload.as_value())),
            write.en.eq(self.write),
        ]

        self._show_for_retry(m, used)

        m.d.comb += self.full.eq(used.all())
        for slot in reversed(range(CAM_ENTRIES)):
            with m.If(~used[slot]):
                m.d.comb += self.free_index.eq(slot)

        for slot, key in enumerate(keys):
            with m.If(self.write & (self.write_index == slot)):
                m.d.sync += used[slot].eq(self.write_used)
                m.d.sync += key.eq(self.write_key)
        with m.If(self.clear):
            m.d.sync += used.eq(0)

        return m

    def _show_for_retry(self, m: Module, used: Signal) -> None:
        """Keep keys and rows a second time, to be read by index."""
        shape = data.StructLayout({"key": self.key.shape(), "rows": self.write_rows.shape()})
        kept = memory.Memory(shape=shape, depth=CAM_ENTRIES, init=[])
        m.submodules.retry = kept
        read = kept.read_port(domain="comb")
        write = kept.write_port()
        m.d.comb += [
            read.addr.eq(self.retry_index),
            self.retry_key.eq(read.data.key),
            self.retry_rows.eq(read.data.rows),
            self.retry_used.eq(used.bit_select(self.retry_index, 1)),
            write.addr.eq(self.write_index),
            write.data.key.eq(self.write_key),
            write.data.rows.eq(self.write_rows),
            write.en.eq(self.write),
        ]
