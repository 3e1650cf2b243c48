"""TotalView-ITCH 5.0 messages to book operations and news of trading state."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.feed.sequence_tracker import big_endian
from hdl.profile import Profile
from hdl.records import (
    EXCHANGE_TIME_BITS,
    HIDDEN_TRADE_BITS,
    TAG_BITS,
    AdminKind,
    AdminMessage,
    BookOperation,
    FeedMessage,
    MessageContext,
    OperationAhead,
    OperationKind,
)
from hdl.stream import BEAT_BYTES
from proto.features import HIDDEN_TRADES_MAXIMUM, TIME_SHIFT
from proto.wire import itch50
from proto.wire.message import Field

__all__ = ["ItchDecoder"]

_LENGTH_BITS = max(message.size for message in itch50.MESSAGES.values()).bit_length()

#: Operation of every message type that changes a book.
_OPERATIONS = {
    itch50.ADD_ORDER: OperationKind.ADD,
    itch50.ADD_ORDER_MPID: OperationKind.ADD,
    itch50.ORDER_EXECUTED: OperationKind.REDUCE,
    itch50.ORDER_EXECUTED_WITH_PRICE: OperationKind.REDUCE,
    itch50.ORDER_CANCEL: OperationKind.REDUCE,
    itch50.ORDER_DELETE: OperationKind.DELETE,
    itch50.ORDER_REPLACE: OperationKind.REPLACE,
}

#: Kind, code field and market field of every message type that concerns trading state.
_ADMIN = {
    itch50.SYSTEM_EVENT: (AdminKind.SYSTEM_EVENT, "event_code", None),
    itch50.STOCK_DIRECTORY: (AdminKind.DIRECTORY, None, None),
    itch50.STOCK_TRADING_ACTION: (AdminKind.TRADING_ACTION, "trading_state", None),
    itch50.OPERATIONAL_HALT:
        (AdminKind.OPERATIONAL_HALT, "operational_halt_action", "market_code"),
    itch50.MWCB_STATUS: (AdminKind.MWCB_STATUS, "breached_level", None),
    itch50.REG_SHO_RESTRICTION: (AdminKind.REG_SHO, "reg_sho_action", None),
}

#: Messages that concern the whole market, whatever their stock locate.
_MARKET_WIDE = (itch50.SYSTEM_EVENT, itch50.MWCB_DECLINE_LEVEL, itch50.MWCB_STATUS)

_TypeFlags = data.StructLayout({
    "known": 1,
    "length": _LENGTH_BITS,
    "operation": 1,
    "kind": OperationKind,
    "execution": 1,
    "admin": 1,
    "admin_kind": AdminKind,
    "market_wide": 1,
    "record": 1,
    "hidden_trade": 1,
})

#: What is known of an event when its top is published.
_Stamp = data.StructLayout({
    "start_cycles": 48,
    "time": EXCHANGE_TIME_BITS,
    "hidden_trades": HIDDEN_TRADE_BITS,
})

#: Place of the last byte that any field is taken from.
_LAST_BYTE = max(message.field(name).end for message in _OPERATIONS for name in ("price", "shares")
                 if name in message) - 1


def _shared(name: str, *messages) -> Field:
    """Return the field `name` that all messages have at the same place.

    Raises
    ------
    ValueError
        If they have not.
    """
    places = {(message.field(name).offset, message.field(name).end) for message in messages}
    if len(places) != 1:
        raise ValueError(f"{name} must be at one place, was at {places}")
    return messages[0].field(name)


_REFERENCE = _shared("order_reference_number", *(
    message for message, kind in _OPERATIONS.items() if kind is not OperationKind.REPLACE))
_ADDS = (itch50.ADD_ORDER, itch50.ADD_ORDER_MPID)
_EXECUTIONS = (itch50.ORDER_EXECUTED, itch50.ORDER_EXECUTED_WITH_PRICE)


class ItchDecoder(wiring.Component):
    """Decode the messages that concern watched symbols or the market.

    Latency: 1 cycle, `messages` transfer of a message's last window to `operations.valid`; from
    there 2 cycles to `admin.valid`, about 8 for the directory of a stock.
    Throughput: 1 window per cycle while each operation is taken in its first cycle; a message's
    last window waits while an operation is held, and the first one behind a message that may be
    one to record waits a cycle. `messages.ready` comes from registers.

    Each message that yields an operation or an admin message, and each directory, gets the next
    tag; what caused it can be read by that tag until thirty-two more have followed.
    A message of a known type and a wrong length is not acted on, and data are in doubt from there.
    Unknown types, other symbols and messages not accepted are passed over.

    Parameters
    ----------
    profile : Profile
        Gives the width of a symbol index.

    Members
    -------
    messages : ``In(stream.Signature(FeedMessage))``
        Messages in order.
    operations : ``Out(stream.Signature(BookOperation(profile)))``
        Operations on books, in order.
    ahead : ``Out(OperationAhead(profile))``
        What is known of an operation in the cycle before `operations.valid` rises.
    admin : ``Out(stream.Signature(AdminMessage(profile), always_ready=True))``
        News of trading state.
    frame_settled, frame_good : ``In(1)``
        Pulse: every message of a frame is in, and whether its checksum was right.
    stale_symbols : ``Out(symbols)``
        One-cycle pulse: books changed by a frame whose checksum proved wrong.
    stream_stale : ``Out(1)``
        Pulse: data are in doubt for every symbol.
    locate, look_up, watched, symbol_index, directory, directory_stock, directory_locate, \
learned, learned_index, unknown
        To a :class:`~hdl.feed.symbol_filter.SymbolFilter`.
    context_tag : ``In(TAG_BITS)``
        Tag to read; of an operation, from the cycle after `operations.valid` rose.
    context : ``Out(MessageContext)``
        What caused it, 1 cycle later.
    order_context_turn, order_context_tag, order_context_busy, order_context : \
``In(1)``, ``In(TAG_BITS)``, ``Out(1)``, ``Out(MessageContext)``
        The same for another reader, in a cycle in which the first needs nothing and it is not busy.
    stamp_tag, stamp_cycles, stamp_time, stamp_hidden_trades : ``In(TAG_BITS)``, ``Out``
        Of an operation, in the same cycle: ``start_cycles`` and exchange time of its context, and
        trades of hidden orders of its symbol since the operation before.
    hold, hold_first : ``In(1)``
        No window, or no first window of a message, may be taken.
    record : ``Out(1)``
        Pulse, in the cycle after the last window of a message was taken: it shall be recorded. In
        that cycle no window is taken.
    record_sequence : ``Out(64)``
        Its sequence number, until the next message ends.
    cfg_record : ``In(types)``
        Types of messages to record, a bit each, in the order of `itch50.MESSAGES`.
    cfg_record_all : ``In(1)``
        Also those of symbols that are not watched.
    stat_operations, stat_admin, stat_unwatched, stat_unknown_type, stat_bad_length : ``Out(1)``
        One-cycle pulses, at most one of them a message.
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        locate_bits = itch50.HEADER.field("stock_locate").bits
        super().__init__({
            "messages":          In(stream.Signature(FeedMessage)),
            "operations":        Out(stream.Signature(BookOperation(profile))),
            "ahead":             Out(OperationAhead(profile)),
            "admin":             Out(stream.Signature(AdminMessage(profile), always_ready=True)),
            "frame_settled":     In(1),
            "frame_good":        In(1),
            "stale_symbols":     Out(profile.symbols),
            "stream_stale":      Out(1),
            "locate":            Out(locate_bits),
            "look_up":           Out(1),
            "watched":           In(1),
            "symbol_index":      In(profile.symbol_bits),
            "directory":         Out(1),
            "directory_stock":   Out(itch50.STOCK_DIRECTORY.field("stock").bits),
            "directory_locate":  Out(locate_bits),
            "learned":           In(1),
            "learned_index":     In(profile.symbol_bits),
            "unknown":           In(1),
            "context_tag":       In(TAG_BITS),
            "context":           Out(MessageContext),
            "order_context_turn": In(1),
            "order_context_tag": In(TAG_BITS),
            "order_context_busy": Out(1),
            "order_context":     Out(MessageContext),
            "stamp_tag":         In(TAG_BITS),
            "stamp_cycles":      Out(48),
            "stamp_time":        Out(EXCHANGE_TIME_BITS),
            "stamp_hidden_trades": Out(HIDDEN_TRADE_BITS),
            "hold":              In(1),
            "hold_first":        In(1),
            "record":            Out(1),
            "record_sequence":   Out(64),
            "cfg_record":        In(len(itch50.MESSAGES)),
            "cfg_record_all":    In(1),
            "stat_operations":   Out(1),
            "stat_admin":        Out(1),
            "stat_unwatched":    Out(1),
            "stat_unknown_type": Out(1),
            "stat_bad_length":   Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        window = self.messages.p
        operation = self.operations.p
        take = Signal()
        keep = Signal()     # the message that has just ended may be one to record
        m.d.comb += self.messages.ready.eq(~(
            (self.operations.valid & window.last) | (self.hold_first & window.first)
            | self.hold | keep))
        m.d.comb += take.eq(self.messages.valid & self.messages.ready)
        ends = take & window.last

        at, present, before, soon = self._bytes(m, take)

        def number(field, source=present):
            return Cat(reversed(source[field.span]))

        # The type is in the first window; an operation has at least two.
        flags = Signal(_TypeFlags)
        held_flags = Signal(_TypeFlags)
        message_type = window.data.word_select(itch50.HEADER.field("message_type").offset, 8)
        self._type_flags(m, flags, message_type)
        held_type = Signal(8, reset_less=True)
        locate = itch50.HEADER.field("stock_locate")
        m.d.comb += self.look_up.eq(take & window.first)
        m.d.comb += self.locate.eq(big_endian(window.data, locate.offset, locate.size))
        with m.If(take & window.first):
            m.d.sync += [held_flags.eq(flags), held_type.eq(message_type)]

        # ---- The operation, as the last window passes ----
        tag = Signal(TAG_BITS)
        act = Signal()
        m.d.comb += act.eq(ends & ~window.first & held_flags.operation & window.accept
                           & self.watched & (window.length == held_flags.length))
        replace = held_flags.kind == OperationKind.REPLACE
        add = held_flags.kind == OperationKind.ADD
        replacing = itch50.ORDER_REPLACE.field

        def last(field, *messages):
            return self._in_last_window(window.data, at, before, field, messages)

        side = _shared("buy_sell_indicator", *_ADDS)
        m.d.comb += [
            self.ahead.load.eq(ends),
            self.ahead.symbol_index.eq(self.symbol_index),
            self.ahead.reference.eq(number(_REFERENCE, soon)),
            self.ahead.near.eq(self.messages.valid & window.last & ~window.first),
            # An ADD's side has always come before the window in which it ends.
            self.ahead.side.eq(number(side, before) != itch50.Side.BUY.byte),
        ]
        with m.If(ends):
            m.d.sync += [
                operation.kind.eq(held_flags.kind),
                operation.symbol_index.eq(self.symbol_index),
                operation.tag.eq(tag),
                operation.reference.eq(self.ahead.reference),
                operation.new_reference.eq(
                    last(replacing("new_order_reference_number"), itch50.ORDER_REPLACE)),
                operation.side.eq(self.ahead.side),
                operation.shares.eq(
                    Mux(replace, last(replacing("shares"), itch50.ORDER_REPLACE),
                        Mux(add, last(_shared("shares", *_ADDS), *_ADDS),
                            number(_shared("executed_shares", *_EXECUTIONS), soon)))),
                operation.price.eq(Mux(replace, last(replacing("price"), itch50.ORDER_REPLACE),
                                       last(_shared("price", *_ADDS), *_ADDS))),
                operation.execution.eq(held_flags.execution),
            ]
            m.d.sync += self.operations.valid.eq(act)
        with m.Elif(self.operations.ready):
            m.d.sync += self.operations.valid.eq(0)

        touched = Signal(self.profile.symbols)
        m.d.sync += self.stale_symbols.eq(0)
        with m.If(self.frame_settled):
            m.d.sync += touched.eq(0)
            with m.If(~self.frame_good):
                m.d.sync += self.stale_symbols.eq(touched)
        with m.If(act):
            m.d.sync += touched.bit_select(self.symbol_index, 1).eq(1)

        # ---- Everything else, a cycle later; the next message cannot end in that cycle and be an
        # operation, so one tag and one write port are enough. ----
        ended = Signal()
        acted = Signal()
        acted_tag = Signal(TAG_BITS, reset_less=True)
        accepted = Signal(reset_less=True)
        length = Signal.like(window.length, reset_less=True)
        kept = Signal(_TypeFlags, reset_less=True)
        cause = Signal(MessageContext, reset_less=True)
        codes = self._codes(number)
        code = Signal(8, reset_less=True)
        market = Signal(8, reset_less=True)
        m.d.sync += [ended.eq(ends), acted.eq(act)]
        with m.If(ends):
            m.d.sync += [
                acted_tag.eq(tag), accepted.eq(window.accept), length.eq(window.length),
                kept.eq(Mux(window.first, flags, held_flags)),
                cause.sequence.eq(window.sequence),
                cause.timestamp_ns.eq(number(itch50.HEADER.field("timestamp"))),
                cause.start_cycles.eq(window.start_cycles),
                cause.locate.eq(number(locate)),
                cause.message_type.eq(Mux(window.first, message_type, held_type)),
            ]
            admin_kind = Mux(window.first, flags.admin_kind, held_flags.admin_kind)
            with m.Switch(admin_kind):
                for kind, (code_value, market_value) in codes.items():
                    with m.Case(kind):
                        m.d.sync += [code.eq(code_value), market.eq(market_value)]

        known = kept.known & length.any()
        right = known & (length == kept.length)
        listed = kept.admin_kind == AdminKind.DIRECTORY
        concerned = self.watched | kept.market_wide | (kept.admin & listed)
        inform = Signal()
        m.d.comb += inform.eq(ended & accepted & right & kept.admin & concerned)
        m.d.comb += [
            self.directory.eq(inform & listed),
            self.directory_stock.eq(number(itch50.STOCK_DIRECTORY.field("stock"), before)),
            self.directory_locate.eq(cause.locate),
        ]
        with m.If(act | inform):
            m.d.sync += tag.eq(tag + 1)

        # What is to be recorded: the next message waits until that is known.
        m.d.sync += keep.eq(ends & Mux(
            window.first, flags.record,
            held_flags.record & (self.watched | held_flags.market_wide | self.cfg_record_all)))
        m.d.comb += [
            self.record.eq(keep & accepted & right
                           & (self.watched | kept.market_wide | self.cfg_record_all)),
            self.record_sequence.eq(cause.sequence),
        ]

        learned = Signal()
        learned_tag = Signal(TAG_BITS, reset_less=True)
        out = self.admin.p
        with m.If(self.directory):
            m.d.sync += learned_tag.eq(tag)
        with m.If(inform & ~listed):
            m.d.sync += [out.kind.eq(kept.admin_kind), out.code.eq(code), out.market.eq(market),
                         out.symbol_index.eq(self.symbol_index), out.tag.eq(tag)]
        with m.Elif(learned):
            m.d.sync += [out.kind.eq(AdminKind.DIRECTORY), out.code.eq(0), out.market.eq(0),
                         out.symbol_index.eq(self.learned_index), out.tag.eq(learned_tag)]
        m.d.sync += self.admin.valid.eq((inform & ~listed) | learned)
        with m.If(self.learned):
            m.d.sync += learned.eq(1)
        with m.Elif(~(inform & ~listed)):
            m.d.sync += learned.eq(0)

        # Contexts in block RAM, with one port for both readers. An asynchronous read and its
        # register: the form whose collision Yosys lets be free. The second reader, which may come
        # late, is kept from one; the first has its answer before its tag is given away again.
        m.submodules.contexts = contexts = Memory(
            shape=MessageContext, depth=1 << TAG_BITS, init=[],
            attrs={"no_rw_check": 1, "ram_style": "block"})
        write, read = contexts.write_port(), contexts.read_port(domain="comb")
        m.d.comb += [write.en.eq(acted | inform), write.data.eq(cause),
                     write.addr.eq(Mux(acted, acted_tag, tag))]
        looked_up = Signal(MessageContext, reset_less=True)
        m.d.comb += [
            read.addr.eq(Mux(self.order_context_turn, self.order_context_tag, self.context_tag)),
            self.context.eq(looked_up), self.order_context.eq(looked_up),
            self.order_context_busy.eq(~self.order_context_turn | (
                write.en & (write.addr == self.order_context_tag))),
        ]
        m.d.sync += looked_up.eq(read.data)

        # What a decision takes along once more, in LUT RAM: it must not wait for it.
        hidden = Array(Signal(HIDDEN_TRADE_BITS, name=f"hidden_trades_{n}")
                       for n in range(self.profile.symbols))
        symbol_hidden = hidden[self.symbol_index]
        with m.If(acted):
            m.d.sync += symbol_hidden.eq(0)
        with m.Elif(ended & accepted & right & kept.hidden_trade & self.watched
                    & (symbol_hidden != HIDDEN_TRADES_MAXIMUM)):
            m.d.sync += symbol_hidden.eq(symbol_hidden + 1)
        m.submodules.stamps = stamps = Memory(shape=_Stamp, depth=1 << TAG_BITS, init=[])
        stamp_write, stamp = stamps.write_port(), stamps.read_port(domain="comb")
        m.d.comb += [
            stamp_write.en.eq(write.en), stamp_write.addr.eq(write.addr),
            stamp_write.data.start_cycles.eq(cause.start_cycles),
            stamp_write.data.time.eq(cause.timestamp_ns >> TIME_SHIFT),
            stamp_write.data.hidden_trades.eq(symbol_hidden),
            stamp.addr.eq(self.stamp_tag), self.stamp_cycles.eq(stamp.data.start_cycles),
            self.stamp_time.eq(stamp.data.time),
            self.stamp_hidden_trades.eq(stamp.data.hidden_trades),
        ]

        relevant = ended & accepted
        m.d.sync += [
            self.stat_operations.eq(acted),
            self.stat_admin.eq(self.admin.valid),
            self.stat_unwatched.eq(
                self.unknown
                | (relevant & right & (kept.operation | kept.admin) & ~concerned)),
            self.stat_unknown_type.eq(relevant & ~known),
            self.stat_bad_length.eq(relevant & known & ~right),
        ]
        m.d.comb += self.stream_stale.eq(self.stat_bad_length)

        return m

    def _bytes(self, m, take):
        """Return which window it is, each byte of the message up to it, and those kept before it.

        A byte is in the lower half of one window, from which it is kept, and in the upper half of
        the one before, where it counts only if the message ends there. The last answer is as the
        second, two levels shorter, for messages that do not end in their first window.
        """
        window = self.messages.p
        position = Signal(_LAST_BYTE // BEAT_BYTES)  # one-hot, of the windows after the first
        with m.If(take):
            m.d.sync += position.eq(Cat(window.first, Mux(window.first, 0, position)))
        at = [window.first, *(bit & ~window.first for bit in position)]

        now = [Signal(8, name=f"byte_{place}") for place in range(_LAST_BYTE + 1)]
        kept = [Signal(8, name=f"kept_{place}", reset_less=True) for place in range(len(now))]
        soon = []
        for place, (present, before) in enumerate(zip(now, kept, strict=True)):
            beat, lane = divmod(place, BEAT_BYTES)
            upper = window.data.word_select(lane + BEAT_BYTES, 8)
            lower = window.data.word_select(lane, 8)
            m.d.comb += present.eq(before)
            if beat:
                with m.If(at[beat - 1]):
                    m.d.comb += present.eq(upper)
            with m.If(at[beat]):
                m.d.comb += present.eq(lower)
            with m.If(take & at[beat]):
                m.d.sync += before.eq(lower)
            value = before
            if beat > 1:
                value = Mux(position[beat - 2], upper, value)
            if beat:
                value = Mux(position[beat - 1], lower, value)
            soon.append(Value.cast(value))
        return at, now, kept, soon

    @staticmethod
    def _in_last_window(window, at, kept, field, messages) -> Value:
        """Return a field of messages that end in the same window, as that one passes.

        They may also end in the next one, as the upper half of a window may not be there yet.
        """
        (last,) = {-(-(message.size - 2 * BEAT_BYTES) // BEAT_BYTES) for message in messages}

        def lane(place, window_index):
            start = place - window_index * BEAT_BYTES
            return kept[place] if start < 0 else window.word_select(start, 8)

        return Value.cast(Cat(Mux(at[last + 1], lane(place, last + 1), lane(place, last))
                              for place in reversed(range(field.offset, field.end))))

    @staticmethod
    def _codes(number):
        """Return, by kind of admin message, the values of its code and of its market."""
        return {
            kind: tuple(0 if name is None else number(message.field(name))
                        for name in (code, market))
            for message, (kind, code, market) in _ADMIN.items()
        }

    def _type_flags(self, m, flags, message_type) -> None:
        with m.Switch(message_type):
            for number, (value, message) in enumerate(itch50.MESSAGES.items()):
                with m.Case(value):
                    m.d.comb += [flags.known.eq(1), flags.length.eq(message.size),
                                 flags.record.eq(self.cfg_record[number]),
                                 flags.market_wide.eq(message in _MARKET_WIDE),
                                 flags.hidden_trade.eq(message is itch50.TRADE)]
                    if message in _OPERATIONS:
                        m.d.comb += [flags.operation.eq(1),
                                     flags.kind.eq(_OPERATIONS[message]),
                                     flags.execution.eq(message in _EXECUTIONS)]
                    if message in _ADMIN:
                        m.d.comb += [flags.admin.eq(1),
                                     flags.admin_kind.eq(_ADMIN[message][0])]
