"""Our own orders at the venue: what is open, what we hold, what it cost."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.orders import AnswerKind, IntentKind, OrderIntent, OrderSent, TimeInForce, VenueAnswer
from hdl.profile import Profile
from hdl.records import Side

__all__ = ["Exposure", "OwnOrders", "POSITION_BITS", "WORST_BITS", "exposure_layout"]

#: Width of a position in shares, signed; it saturates, and that is unexpected.
POSITION_BITS = 32

#: Width of a worst-case position: the position and every open order of a full table.
WORST_BITS = 44

_ANSWER_FIFO = 16


def exposure_layout(size: int) -> data.StructLayout:
    """Return what is kept a symbol, for a table of `size` orders; quantities in shares."""
    open_bits = 32 + ceil_log2(size)
    return data.StructLayout({
        "position": signed(POSITION_BITS),
        "open_buy": open_bits, "open_sell": open_bits,
        "count_buy": ceil_log2(size + 1), "count_sell": ceil_log2(size + 1),
        "worst_long": signed(WORST_BITS),    # position + open_buy
        "worst_short": signed(WORST_BITS),   # position - open_sell
    })


#: What is kept a symbol with the usual table of 256 orders.
Exposure = exposure_layout(256)


def _extended(number: Value, bits: int) -> Value:
    """Return a signed number in more bits."""
    return Value.cast(Cat(number, number[-1].replicate(bits - len(number))))


def _moved(number: Value, amount: Value, down: Value) -> Value:
    """Return a number plus an amount, or minus it, by one carry chain; as wide as the number."""
    change = Cat(amount, C(0, len(number) - len(amount))) ^ down.replicate(len(number))
    return Value.cast((Cat(down, number) + Cat(down, change))[1:len(number) + 1])


class OwnOrders(wiring.Component):
    """Follow every order from its frame to its end, and keep positions and open quantities.

    Latency: 8 cycles, `sent` transfer of an ENTER to `absorbed`, when nothing else is being worked
    on; at most 17 when an execution is. Answers take 7 to 10 cycles each; 16 of them may wait.

    An order is known from `sent` on: its open quantity counts until the venue takes it off by
    executing, cancelling, rejecting it or declaring it dead. Fills after a cancel request are
    normal. A fill beyond the open quantity moves the position all the same and pulses `overfilled`;
    so does a fill of an order that has ended. An answer to an order that is not in the table
    changes nothing and pulses `unexpected`. Both, and `lost` and `broken`, mean that positions need
    reconciling: wire them to the kill switch. A slot is found by the low bits of UserRefNum;
    `slot_free` is low while the next number's slot still holds a live order.

    After reset the table is cleared, a slot a cycle; `ready` is low until then.

    Parameters
    ----------
    profile : :class:`Profile`
        Sizes.
    size : int
        Slots; a power of two, at least 4.

    Members
    -------
    sent : ``In(stream.Signature(OrderSent(profile), always_ready=True))``
        Frames that have begun; an ENTER must not follow another before its `absorbed`.
    answers : ``In(stream.Signature(VenueAnswer, always_ready=True))``
        What the venue said, in order.
    absorbed, absorbed_symbol, absorbed_side : ``Out``
        Pulse: an ENTER is part of every output.
    symbol_index : ``In(profile.symbol_bits)``
        Symbol whose exposure the gate wants.
    exposure : ``Out(Exposure)``
        That symbol's, in the same cycle.
    held_symbol, held : ``In(profile.symbol_bits)``, ``Out(signed(POSITION_BITS))``
        Position in a symbol, in the same cycle.
    slot_free : ``Out(1)``
        The next order has a slot.
    working, resting : ``Out(2 * profile.symbols)``
        Bit ``2 * symbol + side``: orders are open; the latest of them is a day order.
    lookup_symbol, buy_user_ref_num, sell_user_ref_num : ``In``, ``Out``
        Latest order numbers of a symbol, in the same cycle.
    read_symbol, read_exposure : ``In``, ``Out``
        Exposure of a symbol for software, a cycle later.
    load, load_symbol, load_position : ``In``
        Pulse: set a position, as reconciled; not again before the next 20 cycles are over.
    cash : ``Out(signed(64))``
        What sales brought minus what purchases cost since reset, 1e-4 USD, saturating.
    turnover : ``Out(64)``
        Value of all executions since reset, 1e-4 USD, saturating.
    sweep : ``In(1)``
        Pulse: walk the table from its beginning and ask for a cancel of every live order.
    sweeping : ``Out(1)``
        A walk is not over.
    cancels : ``Out(stream.Signature(OrderIntent(profile)))``
        CANCEL intents of the walk.
    ready : ``Out(1)``
        The table has been cleared.
    unexpected, overfilled, broken, lost : ``Out(1)``
        Pulses: see above; an execution was broken; `sent` or `answers` came faster than allowed.

    Raises
    ------
    ValueError
        If `size` is no power of two or too small.
    """

    def __init__(self, profile: Profile, *, size: int = 256):
        if size < 4 or size & (size - 1):
            raise ValueError(f"size must be a power of two and >= 4, was {size}")
        self.profile = profile
        self.size = size
        self.exposure_layout = exposure_layout(size)
        symbol = profile.symbol_bits
        super().__init__({
            "sent": In(stream.Signature(OrderSent(profile), always_ready=True)),
            "answers": In(stream.Signature(VenueAnswer, always_ready=True)),
            "absorbed": Out(1), "absorbed_symbol": Out(symbol), "absorbed_side": Out(Side),
            "symbol_index": In(symbol), "exposure": Out(self.exposure_layout),
            "held_symbol": In(symbol), "held": Out(signed(POSITION_BITS)),
            "slot_free": Out(1),
            "working": Out(2 * profile.symbols), "resting": Out(2 * profile.symbols),
            "lookup_symbol": In(symbol),
            "buy_user_ref_num": Out(32), "sell_user_ref_num": Out(32),
            "read_symbol": In(symbol), "read_exposure": Out(self.exposure_layout),
            "load": In(1), "load_symbol": In(symbol), "load_position": In(signed(POSITION_BITS)),
            "cash": Out(signed(64)), "turnover": Out(64),
            "sweep": In(1), "sweeping": Out(1),
            "cancels": Out(stream.Signature(OrderIntent(profile))),
            "ready": Out(1),
            "unexpected": Out(1), "overfilled": Out(1), "broken": Out(1), "lost": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        slot_bits = ceil_log2(self.size)
        entry_layout = data.StructLayout({
            "used": 1, "live": 1, "accepted": 1,
            "symbol_index": self.profile.symbol_bits, "side": Side,
            "price": 32, "open": 32, "number_high": 32 - slot_bits,
        })

        # Memories.
        m.submodules.table = table = Memory(shape=entry_layout, depth=self.size, init=[])
        table_read = table.read_port(domain="comb")
        table_write = table.write_port()
        # A register that a write stops: synthesis sees that it needs no bypass, and takes it into
        # the block RAM.
        found = Signal(entry_layout, reset_less=True)
        with m.If(~table_write.en):
            m.d.sync += Value.cast(found).eq(Value.cast(table_read.data))
        m.submodules.exposures = exposures = Memory(
            shape=self.exposure_layout, depth=self.profile.symbols, init=[])
        for_gate = exposures.read_port(domain="comb")
        for_software = exposures.read_port(domain="comb")
        for_update = exposures.read_port(domain="comb")
        for_features = exposures.read_port(domain="comb")
        exposure_write = exposures.write_port()
        m.d.comb += [
            for_gate.addr.eq(self.symbol_index),
            Value.cast(self.exposure).eq(Value.cast(for_gate.data)),
            for_software.addr.eq(self.read_symbol),
            for_features.addr.eq(self.held_symbol),
            self.held.eq(for_features.data.position),
        ]
        m.d.sync += Value.cast(self.read_exposure).eq(Value.cast(for_software.data))

        latest_writes = []
        for side, output in ((Side.BUY, self.buy_user_ref_num),
                             (Side.SELL, self.sell_user_ref_num)):
            latest = Memory(shape=32, depth=self.profile.symbols, init=[])
            m.submodules[f"latest_{side.name.lower()}"] = latest
            read = latest.read_port(domain="comb")
            m.d.comb += [read.addr.eq(self.lookup_symbol), output.eq(read.data)]
            latest_writes.append(latest.write_port())

        # What waits: one order, one position, some answers, one walk.
        order = Signal(OrderSent(self.profile), reset_less=True)
        order_waits = Signal()
        enters = self.sent.valid & (self.sent.p.kind == IntentKind.ENTER)
        with m.If(enters & ~order_waits):
            m.d.sync += [order_waits.eq(1), Value.cast(order).eq(Value.cast(self.sent.p))]

        loads = Signal()
        load_symbol = Signal.like(self.load_symbol, reset_less=True)
        load_position = Signal.like(self.load_position, reset_less=True)
        with m.If(self.load):
            m.d.sync += [loads.eq(1), load_symbol.eq(self.load_symbol),
                         load_position.eq(self.load_position)]

        queued_layout = data.StructLayout(
            {"kind": AnswerKind, "user_ref_num": 32, "quantity": 32, "price": 32})
        m.submodules.waiting = waiting = SyncFIFOBuffered(
            width=queued_layout.size, depth=_ANSWER_FIFO)
        arriving = Signal(queued_layout)
        m.d.comb += [arriving[name].eq(self.answers.p[name]) for name, _ in queued_layout]
        m.d.comb += [waiting.w_data.eq(Value.cast(arriving)), waiting.w_en.eq(self.answers.valid)]
        m.d.sync += self.lost.eq((self.answers.valid & ~waiting.w_rdy) | (enters & order_waits))

        walk = Signal(slot_bits)
        with m.If(self.sweep):
            m.d.sync += [self.sweeping.eq(1), walk.eq(0)]
        with m.If(self.cancels.ready):
            m.d.sync += self.cancels.valid.eq(0)

        # What is being worked on.
        answer = Signal(queued_layout, reset_less=True)
        is_order = Signal()
        is_load = Signal()
        is_walk = Signal()
        number = Signal(32, reset_less=True)
        entry = Signal(entry_layout, reset_less=True)
        before = Signal(self.exposure_layout, reset_less=True)
        symbol_index = Signal(self.profile.symbol_bits, reset_less=True)
        selling = Signal(reset_less=True)
        filled = Signal(32, reset_less=True)    # moves the position
        ends = Signal(reset_less=True)          # the order is no longer live
        # By side: what joins the open quantity, or the complement of what leaves it.
        changes = [Signal(33, name=f"change_{side.name.lower()}", reset_less=True)
                   for side in Side]
        partial = [Signal(32, name=f"partial_{n}", reset_less=True) for n in range(4)]
        product = Signal(64, reset_less=True)
        after = Signal(self.exposure_layout, reset_less=True)
        clear = Signal(range(max(self.size, self.profile.symbols)))
        next_free = Signal(init=1)

        # Found out about an answer's order before it is evaluated.
        known, exceeds, reaches = (Signal(name=name) for name in ("known", "exceeds", "reaches"))
        m.d.sync += [
            known.eq(entry.used & (entry.number_high == number[slot_bits:])),
            exceeds.eq(answer.quantity > entry.open), reaches.eq(answer.quantity >= entry.open),
        ]
        open_after = Signal(32)
        m.d.comb += [
            table_write.addr.eq(number[:slot_bits]),
            exposure_write.addr.eq(symbol_index),
            Value.cast(exposure_write.data).eq(Value.cast(after)),
            # The complement of what leaves is one less than minus it.
            open_after.eq(entry.open + (changes[0][:32] | changes[1][:32])
                          + (changes[0][32] | changes[1][32])),
            self.slot_free.eq(next_free & self.ready & ~order_waits),
        ]
        m.d.sync += [self.absorbed.eq(0), self.unexpected.eq(0), self.overfilled.eq(0),
                     self.broken.eq(0)]

        def begin_order():
            m.d.sync += [is_order.eq(1), number.eq(order.user_ref_num), next_free.eq(0)]
            m.d.comb += table_read.addr.eq(order.user_ref_num)
            m.next = "READ"

        with m.FSM(init="CLEAR") as fsm:
            m.d.comb += self.ready.eq(~fsm.ongoing("CLEAR"))

            with m.State("CLEAR"):
                m.d.comb += [
                    table_write.addr.eq(clear), table_write.en.eq(1),
                    exposure_write.addr.eq(clear), Value.cast(exposure_write.data).eq(0),
                    exposure_write.en.eq(clear < self.profile.symbols),
                ]
                m.d.sync += clear.eq(clear + 1)
                with m.If(clear == max(self.size, self.profile.symbols) - 1):
                    m.next = "IDLE"

            with m.State("IDLE"):
                m.d.sync += [is_order.eq(0), is_load.eq(0), is_walk.eq(0)]
                m.d.sync += Value.cast(answer).eq(waiting.r_data)
                with m.If(order_waits):
                    begin_order()
                with m.Elif(loads):
                    m.d.sync += [is_load.eq(1), loads.eq(0)]
                    m.next = "READ"
                with m.Elif(waiting.r_rdy):
                    m.d.comb += waiting.r_en.eq(1)
                    queued = data.View(queued_layout, waiting.r_data)
                    m.d.sync += number.eq(queued.user_ref_num)
                    m.d.comb += table_read.addr.eq(queued.user_ref_num)
                    m.next = "READ"
                with m.Elif(self.sweeping & ~self.cancels.valid):
                    m.d.sync += [is_walk.eq(1), number.eq(walk)]
                    m.d.comb += table_read.addr.eq(walk)
                    m.next = "READ"

            with m.State("READ"):
                m.d.sync += Value.cast(entry).eq(Value.cast(found))
                m.next = "COMPARE"
                with m.If(is_order | is_load | is_walk):
                    m.next = "EVALUATE"

            with m.State("COMPARE"):
                m.next = "EVALUATE"

            with m.State("EVALUATE"):
                is_answer = known & ~is_order & ~is_load & ~is_walk
                self._evaluate(m, order, answer, entry, is_answer, is_order, exceeds, reaches,
                               changes, filled, ends)
                m.d.sync += [
                    Value.cast(before).eq(Value.cast(for_update.data)),
                    symbol_index.eq(for_update.addr),
                    selling.eq(Mux(is_order, Value.cast(order.side), Value.cast(entry.side))),
                ]
                m.d.comb += for_update.addr.eq(
                    Mux(is_order, order.symbol_index,
                        Mux(is_load, load_symbol, entry.symbol_index)))
                with m.If(is_walk):
                    self._walk(m, entry, walk)
                    m.next = "IDLE"
                with m.Elif(is_order | is_load | known):
                    m.next = "MOVE"
                with m.Else():
                    m.d.sync += self.unexpected.eq(answer.kind != AnswerKind.OTHER)
                    m.next = "IDLE"

            with m.State("MOVE"):
                self._move(m, before, after, selling, changes, filled, ends,
                           is_order, is_load, load_position)
                for n, signal in enumerate(partial):
                    m.d.sync += signal.eq(filled.word_select(n & 1, 16)
                                          * answer.price.word_select(n >> 1, 16))
                written = table_write.data
                with m.If(~is_load):
                    m.d.comb += table_write.en.eq(1)
                with m.If(is_order):
                    m.d.comb += [
                        written.used.eq(1), written.live.eq(1),
                        written.symbol_index.eq(order.symbol_index), written.side.eq(order.side),
                        written.price.eq(order.price), written.open.eq(order.quantity),
                        written.number_high.eq(number[slot_bits:]),
                    ]
                with m.Else():
                    m.d.comb += [
                        Value.cast(written).eq(Value.cast(entry)),
                        written.live.eq(entry.live & ~ends),
                        written.open.eq(open_after),
                        written.accepted.eq(entry.accepted | (answer.kind == AnswerKind.ACCEPTED)),
                    ]
                m.next = "WORST"

            with m.State("WORST"):
                m.d.sync += [
                    after.worst_long.eq(after.position + after.open_buy),
                    after.worst_short.eq(after.position - after.open_sell),
                    product.eq(Cat(partial[0], partial[3]) + ((partial[1] + partial[2]) << 16)),
                ]
                m.next = "WRITE"

            with m.State("WRITE"):
                m.d.comb += exposure_write.en.eq(1)
                bit = (symbol_index << 1) | selling
                count = Mux(selling, after.count_sell, after.count_buy)
                with m.If(~is_load):
                    m.d.sync += self.working.bit_select(bit, 1).eq(count != 0)
                for n, write in enumerate(latest_writes):
                    m.d.comb += [write.addr.eq(symbol_index), write.data.eq(number),
                                 write.en.eq(is_order & (selling == n))]
                with m.If(is_order):
                    m.d.sync += self.resting.bit_select(bit, 1).eq(
                        order.time_in_force == TimeInForce.DAY)
                    m.d.comb += table_read.addr.eq(number + 1)
                    m.next = "PROBE"
                with m.Else():
                    with m.If(ends & (number[:slot_bits] == (order.user_ref_num + 1)[:slot_bits])):
                        m.d.sync += next_free.eq(1)
                    self._account(m, product, selling, filled)
                    m.next = "IDLE"
                    with m.If(order_waits):
                        m.d.sync += is_load.eq(0)
                        begin_order()

            with m.State("PROBE"):
                m.d.sync += [
                    next_free.eq(~found.live),
                    order_waits.eq(0),
                    self.absorbed.eq(1),
                    self.absorbed_symbol.eq(order.symbol_index),
                    self.absorbed_side.eq(order.side),
                ]
                m.next = "IDLE"
        return m

    def _evaluate(self, m, order, answer, entry, is_answer, is_order, exceeds, reaches, changes,
                  filled, ends):
        """Find what an item does to its order."""
        open_left = entry.open      # zero of an order that is not live
        kind = answer.kind
        kills = Signal()     # takes off all that is left, whatever the quantity
        takes = Signal()     # takes off a quantity
        m.d.comb += [
            kills.eq((kind == AnswerKind.DEAD) | (kind == AnswerKind.REJECTED)),
            takes.eq((kind == AnswerKind.EXECUTED) | (kind == AnswerKind.CANCELED)),
        ]
        taken = Mux(exceeds | kills, open_left, answer.quantity)
        moves = is_order | (is_answer & (kills | takes))
        amount = Cat(Mux(is_order, order.quantity, ~taken), ~is_order)
        m.d.sync += [filled.eq(0), ends.eq(0)]
        selling = Mux(is_order, Value.cast(order.side), Value.cast(entry.side))
        for side, signal in enumerate(changes):
            m.d.sync += signal.eq(Mux(moves & (selling == side), amount, 0))
        with m.If(is_order):
            m.d.sync += self.unexpected.eq(entry.live)
        with m.Elif(is_answer):
            with m.If(kills | (takes & reaches)):
                m.d.sync += ends.eq(entry.live)
            with m.Switch(kind):
                with m.Case(AnswerKind.EXECUTED):
                    m.d.sync += [filled.eq(answer.quantity), self.overfilled.eq(exceeds)]
                with m.Case(AnswerKind.CANCELED):
                    m.d.sync += self.unexpected.eq(exceeds)
                with m.Case(AnswerKind.BROKEN):
                    m.d.sync += self.broken.eq(1)

    def _walk(self, m, entry, walk):
        """Ask for a cancel of a live order and go on."""
        cancel = self.cancels.p
        with m.If(entry.live):
            m.d.sync += [
                self.cancels.valid.eq(1),
                Value.cast(cancel).eq(0),
                cancel.kind.eq(IntentKind.CANCEL),
                cancel.symbol_index.eq(entry.symbol_index),
                cancel.side.eq(entry.side),
                cancel.user_ref_num.eq(Cat(walk, entry.number_high)),
            ]
        with m.If(~self.sweep):
            m.d.sync += [walk.eq(walk + 1), self.sweeping.eq(walk != self.size - 1)]

    def _move(self, m, before, after, selling, changes, filled, ends, is_order, is_load,
              load_position):
        """Compute a symbol's new position and open quantities."""
        bits = POSITION_BITS + 2
        moved = Signal(signed(bits))
        high = moved[POSITION_BITS - 1:]
        fits = ~high.any() | high.all()
        limit = Cat((~moved[-1]).replicate(POSITION_BITS - 1), moved[-1])
        m.d.comb += moved.eq(_moved(_extended(before.position, bits), filled, selling))
        with m.If(is_load):
            m.d.sync += after.position.eq(load_position)
        with m.Else():
            m.d.sync += [
                after.position.eq(Mux(fits, moved[:POSITION_BITS], limit).as_signed()),
                self.unexpected.eq(~fits),
            ]
        for side, name in ((0, "buy"), (1, "sell")):
            opened, count = before[f"open_{name}"], before[f"count_{name}"]
            falls = changes[side][-1]
            leaves = ends & (selling == side)
            step = Cat((is_order & (selling == side)) | leaves, leaves.replicate(len(count) - 1))
            m.d.sync += [
                after[f"open_{name}"].eq((Cat(falls, opened) + Cat(
                    falls, changes[side][:-1], falls.replicate(len(opened) - 32)))[1:]),
                after[f"count_{name}"].eq(count + step),
            ]

    def _account(self, m, product, selling, filled):
        """Add an execution to cash and turnover."""
        total = Signal(65)
        money = Signal(signed(66))
        fits = ~money[63:].any() | money[63:].all()
        m.d.comb += [
            total.eq(self.turnover + product),
            money.eq(_moved(_extended(self.cash, 66), product, ~selling)),
        ]
        with m.If(filled != 0):
            m.d.sync += [
                self.turnover.eq(total[:64] | total[64].replicate(64)),
                self.cash.eq(Mux(fits, money[:64], Cat((~money[-1]).replicate(63), money[-1]))),
            ]
