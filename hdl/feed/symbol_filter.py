"""Which symbols have a book: stock locate to symbol index, and stock name to stock locate."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.profile import Profile
from proto.wire import itch50

__all__ = ["SymbolFilter"]

_LOCATE_BITS = itch50.STOCK_DIRECTORY.field("stock_locate").bits
_STOCK_BITS = itch50.STOCK_DIRECTORY.field("stock").bits

#: Bits of a name that are compared in one cycle.
_CHUNK_BITS = 16
_CHUNKS = _STOCK_BITS // _CHUNK_BITS


class SymbolFilter(wiring.Component):
    """Look up the book of a stock locate; learn the locate of a watched stock.

    Latency: 1 cycle, `look_up` to `watched` and `symbol_index`, which stay until the next one.
    A `directory` search answers with `learned` or `unknown` 6 cycles later; one may start every
    5 cycles. An entry takes 5 cycles to be written and matches nothing meanwhile.

    Two enabled entries must not have the same locate.

    Parameters
    ----------
    profile : Profile
        Gives the number of symbols.

    Members
    -------
    locate, look_up : ``In``
        Stock locate to look up, and the strobe.
    watched : ``Out(1)``
        An enabled entry has that locate; `symbol_index` is its index.
    symbol_index : ``Out``
    directory, directory_stock, directory_locate : ``In``
        Strobe: today this stock has this locate. Names are compared as eight characters.
    learned : ``Out(1)``
        Pulse: the entry `learned_index` has the stock, and from now on `learned_locate`.
    learned_index, learned_locate : ``Out``
    unknown : ``Out(1)``
        Pulse instead of `learned`: no enabled entry has the stock.
    cfg_write : ``In(1)``
        Pulse: entry `cfg_index` gets the other `cfg_*`; at most one every 5 cycles.
    cfg_index, cfg_stock, cfg_locate, cfg_locate_valid, cfg_enable : ``In``
        The name has its first character most significant. Without ``locate_valid`` the entry waits
        for the directory.
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        super().__init__({
            "locate":           In(_LOCATE_BITS),
            "look_up":          In(1),
            "watched":          Out(1),
            "symbol_index":     Out(profile.symbol_bits),
            "directory":        In(1),
            "directory_stock":  In(_STOCK_BITS),
            "directory_locate": In(_LOCATE_BITS),
            "learned":          Out(1),
            "learned_index":    Out(profile.symbol_bits),
            "learned_locate":   Out(_LOCATE_BITS),
            "unknown":          Out(1),
            "cfg_write":        In(1),
            "cfg_index":        In(profile.symbol_bits),
            "cfg_stock":        In(_STOCK_BITS),
            "cfg_locate":       In(_LOCATE_BITS),
            "cfg_locate_valid": In(1),
            "cfg_enable":       In(1),
        })

    def elaborate(self, platform):
        m = Module()
        symbols = range(self.profile.symbols)

        enables = Signal(self.profile.symbols)
        valids = Signal(self.profile.symbols)
        locates = Array(Signal(_LOCATE_BITS, name=f"locate_{index}", reset_less=True)
                        for index in symbols)

        def encode(one_hot):
            return Cat(Cat(one_hot[index] for index in symbols if index >> bit & 1).any()
                       for bit in range(self.profile.symbol_bits))

        matches = Signal(self.profile.symbols)
        with m.If(self.look_up):
            for index in symbols:
                m.d.sync += matches[index].eq(
                    enables[index] & valids[index] & (locates[index] == self.locate))
        m.d.comb += self.watched.eq(matches.any())
        m.d.comb += self.symbol_index.eq(encode(matches))

        # Names lie in chunks, those of all entries side by side.
        m.submodules.names = names = Memory(
            shape=_CHUNK_BITS * self.profile.symbols, depth=_CHUNKS, init=[])
        write = names.write_port(granularity=_CHUNK_BITS)
        read = names.read_port(domain="comb")

        entry = Signal(self.profile.symbol_bits)
        entry_stock = Signal(_STOCK_BITS, reset_less=True)
        entry_locate = Signal(_LOCATE_BITS, reset_less=True)
        entry_enable = Signal()
        writing = Signal()
        write_chunk = Signal(range(_CHUNKS))
        m.d.comb += [
            write.addr.eq(write_chunk),
            write.data.eq(entry_stock[:_CHUNK_BITS].replicate(self.profile.symbols)),
        ]
        with m.If(self.cfg_write):
            m.d.sync += [
                entry.eq(self.cfg_index), entry_stock.eq(self.cfg_stock),
                entry_locate.eq(self.cfg_locate),
                entry_enable.eq(self.cfg_enable), writing.eq(1), write_chunk.eq(0),
            ]
        with m.Elif(writing):
            m.d.sync += write_chunk.eq(write_chunk + 1)
            m.d.sync += entry_stock.eq(entry_stock >> _CHUNK_BITS)
            with m.If(write_chunk == _CHUNKS - 1):
                m.d.sync += writing.eq(0)

        stock = Signal(_STOCK_BITS, reset_less=True)
        searching = Signal()
        search_chunk = Signal(range(_CHUNKS))
        found = Signal(self.profile.symbols)
        ended = Signal()
        m.d.comb += read.addr.eq(search_chunk)
        m.d.sync += ended.eq(searching & (search_chunk == _CHUNKS - 1))
        with m.If(self.directory):
            m.d.sync += [stock.eq(self.directory_stock), searching.eq(1), search_chunk.eq(0)]
        with m.Elif(searching):
            m.d.sync += [search_chunk.eq(search_chunk + 1), stock.eq(stock >> _CHUNK_BITS)]
            with m.If(search_chunk == _CHUNKS - 1):
                m.d.sync += searching.eq(0)
        with m.If(searching):
            for index in symbols:
                alike = read.data.word_select(index, _CHUNK_BITS) == stock[:_CHUNK_BITS]
                m.d.sync += found[index].eq(
                    alike & enables[index] & (found[index] | (search_chunk == 0)))
        m.d.sync += [
            self.learned.eq(ended & found.any()),
            self.unknown.eq(ended & ~found.any()),
            self.learned_index.eq(encode(found)),
        ]
        pending_locate = Signal(_LOCATE_BITS, reset_less=True)
        with m.If(self.directory):
            m.d.sync += pending_locate.eq(self.directory_locate)
        with m.If(ended):
            m.d.sync += self.learned_locate.eq(pending_locate)

        # One locate is written in a cycle: that of an entry being written is, while nothing is
        # learnt, which takes one of its cycles at most.
        new_locate = Mux(ended, pending_locate, entry_locate)
        for index in symbols:
            learns, written = Signal(name=f"learns_{index}"), Signal(name=f"written_{index}")
            m.d.comb += [
                written.eq(writing & (entry == index)),
                learns.eq(ended & found[index] & ~written
                          & ~(self.cfg_write & (self.cfg_index == index))),
            ]
            with m.If(self.cfg_write & (self.cfg_index == index)):
                m.d.sync += [enables[index].eq(0), valids[index].eq(self.cfg_locate_valid)]
            with m.Elif(written):
                m.d.comb += write.en[index].eq(1)
                m.d.sync += enables[index].eq(entry_enable & (write_chunk == _CHUNKS - 1))
            with m.Elif(learns):
                m.d.sync += valids[index].eq(1)
            with m.If(learns | (written & ~ended)):
                m.d.sync += locates[index].eq(new_locate)

        return m
