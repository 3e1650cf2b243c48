"""Requests as OUCH 5.0 messages in SoupBinTCP packets, with the sums that TCP needs of them.

Ref: Nasdaq OUCH 5.0, Enter Order and Cancel Order; SoupBinTCP 3.00, Unsequenced Data Packet.
"""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.net.tcp_layouts import PAYLOAD_WORDS, octets, payload_words
from hdl.order.wire import type_code
from hdl.orders import IntentKind, OrderRequest, TimeInForce
from hdl.profile import Profile
from hdl.records import Side
from proto.wire import ouch50
from proto.wire.soupbintcp import LENGTH_BYTES, UNSEQUENCED_DATA

__all__ = [
    "CANCEL_BYTES", "ENTER_BYTES", "FIRM_BYTES", "OuchEncoder", "OuchSettings",
]

_HEADER = UNSEQUENCED_DATA.size
_ENTER = ouch50.ENTER_ORDER.layout
_CANCEL = ouch50.CANCEL_ORDER.layout
_OPTION_TAG, _FIRM = next((tag, field) for tag, field in ouch50.OPTIONS.items()
                          if field.name == "firm")
#: Bytes of the Firm option: its length, its tag, its value.
FIRM_BYTES = 2 + _FIRM.size
#: Bytes of the packet of an Enter Order without options, and of a Cancel Order.
ENTER_BYTES = _HEADER + ouch50.ENTER_ORDER.size
CANCEL_BYTES = _HEADER + _CANCEL.size

#: Characters of ClOrdID that the hexadecimal UserRefNum replaces.
_HEX_CHARACTERS = 8


class OuchSettings(data.Struct):
    """What every order of a session has in common.

    Codes are ASCII; in a text the first character is in bits 7:0.
    """

    buy_code: 8
    sell_code: 8            #: of a sale that the position covers: ``S`` sell
    short_code: 8           #: of any other: ``T`` sell short, ``E`` sell short exempt
    ioc_code: 8
    day_code: 8
    display: 8
    capacity: 8
    sweep: 8                #: InterMarket Sweep Eligibility
    cross_type: 8
    cl_ord_id: 112
    cl_ord_id_hex: 1        #: the last eight characters are UserRefNum in hexadecimal
    firm_enable: 1          #: send the Firm option
    firm: 32


def _lanes(value) -> list[Value]:
    value = Value.cast(value)
    return [value[bit:bit + 8] for bit in range(0, len(value), 8)]


def _terms(content: list[Value], chosen: set[int]) -> list:
    """Return the 16-bit words of `content` that have bytes in `chosen`, the other bytes zero."""
    picked = [byte if at in chosen else C(0, 8) for at, byte in enumerate(content)]
    picked.append(C(0, 8))
    return [Cat(picked[at + 1], picked[at]) for at in range(0, len(content), 2)
            if {at, at + 1} & chosen]


class OuchEncoder(wiring.Component):
    """Hold the packet of the last request, and have the sum of most of the next one ready.

    Latency: 2 cycles, `hold` to `words`, `sum_a` and `sum_b`; `symbol_sum` 1 cycle. Throughput: one
    request in 11 cycles (the sum of the next UserRefNum must have settled).

    The one's complement sum of the payload is that of ``ready_sums[kind]``, known before the
    request, and `symbol_sum`, `sum_a` and `sum_b`, which follow it.

    Parameters
    ----------
    profile : Profile
        Sizes.

    Members
    -------
    hold : ``In(1)``
        `request` may leave now: hold it.
    take : ``In(1)``
        It did so in the cycle before: use up a UserRefNum if it is an ENTER.
    request : ``In(OrderRequest(profile))``
        The request.
    held : ``Out(OrderRequest(profile))``
        The request held last; its UserRefNum filled in.
    words : ``Out(ArrayLayout(64, 8))``
        Its packet, the first byte in lane PAYLOAD_LANE of the first word, zero past its end.
    bytes : ``Out(ArrayLayout(7, 2))``
        Length of the packet by kind.
    ready_sums : ``Out(ArrayLayout(16, 2))``
        By kind: folded sum of what does not depend on the request.
    symbol_sum : ``Out(16)``, sum_a, sum_b : ``Out(18)``
        Sums of the rest.
    user_ref_num : ``Out(32)``
        Number of the next ENTER.
    cfg_order : ``In(OuchSettings)``
        Settings; they may change 64 cycles before the next request at the latest.
    cfg_user_ref_num, cfg_user_ref_num_load : ``In(32)``, ``In(1)``
        Number of the next ENTER; taken with the pulse.
    cfg_symbol_index, cfg_symbol, cfg_symbol_write : ``In(...)``, ``In(64)``, ``In(1)``
        Name of a symbol, padded with spaces, first character in bits 7:0; taken with the pulse.
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        super().__init__({
            "hold":       In(1),
            "take":       In(1),
            "request":    In(OrderRequest(profile)),
            "held":       Out(OrderRequest(profile)),
            "words":      Out(data.ArrayLayout(64, PAYLOAD_WORDS)),
            "bytes":      Out(data.ArrayLayout(7, 2)),
            "ready_sums": Out(data.ArrayLayout(16, 2)),
            "symbol_sum": Out(16),
            "sum_a":      Out(18),
            "sum_b":      Out(18),
            "user_ref_num": Out(32, init=1),
            "cfg_order":             In(OuchSettings),
            "cfg_user_ref_num":      In(32),
            "cfg_user_ref_num_load": In(1),
            "cfg_symbol_index":      In(profile.symbol_bits),
            "cfg_symbol":            In(64),
            "cfg_symbol_write":      In(1),
        })

    def elaborate(self, platform):
        m = Module()
        cfg = self.cfg_order

        is_enter = self.request.kind == IntentKind.ENTER
        with m.If(self.cfg_user_ref_num_load):
            m.d.sync += self.user_ref_num.eq(self.cfg_user_ref_num)
        with m.Elif(self.take & (self.held.kind == IntentKind.ENTER)):
            m.d.sync += self.user_ref_num.eq(self.user_ref_num + 1)

        held = self.held
        with m.If(self.hold):
            m.d.sync += Value.cast(held).eq(Value.cast(self.request))
            with m.If(is_enter):
                m.d.sync += held.user_ref_num.eq(self.user_ref_num)
        enter = Signal()
        m.d.comb += enter.eq(held.kind == IntentKind.ENTER)

        name, name_sum = self._names(m, held.symbol_index)
        name_held = Signal(64, reset_less=True)
        m.d.sync += name_held.eq(name)
        m.d.comb += self.symbol_sum.eq(Mux(enter, name_sum, 0))

        # Text of the number: of the next ENTER for the sum, held beside the request for the words.
        next_text = Signal(8 * _HEX_CHARACTERS, reset_less=True)
        text = Signal(8 * _HEX_CHARACTERS, reset_less=True)
        for place in range(_HEX_CHARACTERS):
            nibble = self.user_ref_num.word_select(_HEX_CHARACTERS - 1 - place, 4)
            m.d.sync += next_text.word_select(place, 8).eq(
                Mux(nibble < 10, nibble + ord("0"), nibble + (ord("A") - 10)))
        with m.If(self.hold):
            m.d.sync += text.eq(next_text)

        enter_bytes, classes = self._enter(held.user_ref_num, text, name_held)
        cancel_bytes = [*octets(C(CANCEL_BYTES - LENGTH_BYTES, 16)),
                        C(type_code(UNSEQUENCED_DATA), 8), C(type_code(_CANCEL), 8),
                        *octets(held.user_ref_num), *[C(0, 8)] * 4]
        assert len(cancel_bytes) == CANCEL_BYTES
        for word, (of_enter, of_cancel) in enumerate(zip(payload_words(enter_bytes),
                                                         payload_words(cancel_bytes),
                                                         strict=True)):
            m.d.comb += self.words[word].eq(Mux(enter, of_enter, of_cancel))
        m.d.comb += [
            self.bytes[IntentKind.ENTER.value].eq(
                Mux(cfg.firm_enable, ENTER_BYTES + FIRM_BYTES, ENTER_BYTES)),
            self.bytes[IntentKind.CANCEL.value].eq(CANCEL_BYTES),
        ]

        # What the request decides: a cycle to add.
        terms = _terms(enter_bytes, classes["request"])
        numbers = _terms(cancel_bytes, set(range(4, 8)))
        with m.If(enter):
            m.d.sync += [self.sum_a.eq(sum(terms[:3])), self.sum_b.eq(sum(terms[3:]))]
        with m.Else():
            m.d.sync += [self.sum_a.eq(sum(numbers)), self.sum_b.eq(0)]

        # What is known before: the template, summed round and round, and the next number.
        next_bytes, _ = self._enter(self.user_ref_num, next_text, C(0, 64))
        template = _terms(next_bytes, classes["template"])
        total, template_sum = Signal(17, reset_less=True), Signal(16)
        step = Signal(range(len(template) + 1))
        term, summed = Signal(16, reset_less=True), Signal()
        m.d.sync += [step.eq(Mux(step == len(template), 0, step + 1)),
                     term.eq(Array(template)[step]), summed.eq(step == len(template))]
        with m.If(summed):
            m.d.sync += [total.eq(0), template_sum.eq(total[:16] + total[16])]
        with m.Else():
            m.d.sync += total.eq(total[:16] + total[16] + term)

        changing = _terms(next_bytes, classes["number"])
        low, high = Signal(19, reset_less=True), Signal(19, reset_less=True)
        both, folded = Signal(20, reset_less=True), Signal(17, reset_less=True)
        middle = len(changing) // 2
        m.d.sync += [
            low.eq(sum(changing[:middle])), high.eq(sum(changing[middle:])),
            both.eq(low + high + template_sum),
            folded.eq(both[:16] + both[16:]),
            self.ready_sums[IntentKind.ENTER.value].eq(folded[:16] + folded[16]),
            self.ready_sums[IntentKind.CANCEL.value].eq(
                CANCEL_BYTES - LENGTH_BYTES
                + (type_code(UNSEQUENCED_DATA) << 8 | type_code(_CANCEL))),
        ]
        return m

    def _names(self, m, index):
        """Add the table of names; return the name at `index` and its sum, combinationally."""
        profile = self.profile
        offset = _HEADER + _ENTER.field("symbol").offset
        m.submodules.names = names = Memory(shape=80, depth=max(2, profile.symbols), init=[])
        write, read = names.write_port(), names.read_port(domain="comb")
        name = Signal(64, reset_less=True)
        at = Signal(profile.symbol_bits, reset_less=True)
        stages = Signal(3)
        content = [C(0, 8)] * (offset % 2) + _lanes(name) + [C(0, 8)] * (offset % 2)
        words = [Cat(content[place + 1], content[place]) for place in range(0, len(content), 2)]
        total, folded = Signal(19, reset_less=True), Signal(17, reset_less=True)
        m.d.sync += [stages.eq(Cat(self.cfg_symbol_write, stages)),
                     total.eq(sum(words)), folded.eq(total[:16] + total[16:])]
        with m.If(self.cfg_symbol_write):
            m.d.sync += [name.eq(self.cfg_symbol), at.eq(self.cfg_symbol_index)]
        # The name stays in its register until the next write, which comes four cycles later.
        m.d.comb += [write.en.eq(stages[2]), write.addr.eq(at),
                     write.data.eq(Cat(name, (folded[:16] + folded[16])[:16])),
                     read.addr.eq(index)]
        return read.data[:64], read.data[64:]

    def _enter(self, number, text, name):
        """Return the bytes of an Enter Order packet and the places of each class of bytes."""
        cfg, held = self.cfg_order, self.held
        identifier = _lanes(cfg.cl_ord_id)
        plain = len(identifier) - _HEX_CHARACTERS
        hexadecimal = [Mux(cfg.cl_ord_id_hex, digit, byte)
                       for digit, byte in zip(_lanes(text), identifier[plain:], strict=True)]
        fields = {
            "message_type": [C(type_code(_ENTER), 8)],
            "user_ref_num": octets(number),
            "side": [Mux(held.side == Side.BUY, cfg.buy_code,
                         Mux(held.short, cfg.short_code, cfg.sell_code))],
            "quantity": octets(held.quantity),
            "symbol": _lanes(name),
            "price": [*[C(0, 8)] * 4, *octets(held.price)],
            "time_in_force": [Mux(held.time_in_force == TimeInForce.IOC, cfg.ioc_code,
                                  cfg.day_code)],
            "display": [cfg.display], "capacity": [cfg.capacity],
            "inter_market_sweep_eligibility": [cfg.sweep],
            "cross_type": [cfg.cross_type],
            "cl_ord_id": identifier[:plain] + hexadecimal,
        }
        length = ENTER_BYTES - LENGTH_BYTES
        content = [*octets(Mux(cfg.firm_enable, C(length + FIRM_BYTES, 16), C(length, 16))),
                   C(type_code(UNSEQUENCED_DATA), 8)]
        classes = {"template": set(), "number": set(), "request": set(), "symbol": set()}
        owner = {"user_ref_num": "number", "side": "request", "quantity": "request",
                 "price": "request", "time_in_force": "request", "symbol": "symbol"}
        for field in _ENTER.fields:
            assert len(content) == _HEADER + field.offset
            place = range(len(content), len(content) + field.size)
            classes[owner.get(field.name, "template")] |= set(place)
            assert len(fields[field.name]) == field.size
            content += fields[field.name]
        last = _HEADER + _ENTER.field("cl_ord_id").end
        digits = set(range(last - _HEX_CHARACTERS, last))
        classes["number"] |= digits
        classes["template"] -= digits

        def optional(byte):
            return Mux(cfg.firm_enable, byte, C(0, 8))

        content += [C(0, 8), optional(C(FIRM_BYTES, 8)), optional(C(1 + _FIRM.size, 8)),
                    optional(C(_OPTION_TAG, 8)), *map(optional, _lanes(cfg.firm))]
        classes["template"] |= set(range(last, len(content))) | set(range(_HEADER))
        return content, classes
