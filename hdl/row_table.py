"""Settings of every symbol, each row replaced as a whole in one cycle."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

__all__ = ["RowTable", "RowWord", "WORD_BITS", "row_words"]

#: Width of the words in which software writes a row.
WORD_BITS = 32


class RowWord:
    """Part of a field that one word holds.

    Attributes
    ----------
    field : str
        Name of the field.
    offset : int
        Bit of the field at bit 0 of the word.
    width : int
        Bits of the field in the word.
    """

    def __init__(self, field: str, offset: int, width: int):
        self.field = field
        self.offset = offset
        self.width = width


def row_words(layout: data.StructLayout) -> tuple[RowWord, ...]:
    """Return the words of a row by address: each field begins a word, low half first."""
    return tuple(
        RowWord(name, offset, min(WORD_BITS, field.width - offset))
        for name, field in layout
        for offset in range(0, field.width, WORD_BITS)
    )


class RowTable(wiring.Component):
    """Keep a row of settings a symbol, with a shadow row that software fills word by word.

    Latency: 0 cycles, ``row_<n>`` to ``settings_<n>``; 1 cycle, `cfg_commit` to the new row.
    Reset makes every row unloaded; the memory behind it keeps its old content, unseen.

    Parameters
    ----------
    layout : :class:`data.StructLayout`
        A row; see :func:`row_words` for the addresses of its words.
    rows : int
        Number of rows.
    reads : int
        Number of independent readers.

    Members
    -------
    cfg_word, cfg_data, cfg_write : ``In``
        Write a word of the shadow row; a word that does not exist is ignored.
    cfg_row, cfg_commit, cfg_revoke : ``In``
        Pulses: make the shadow the row `cfg_row`, and mark it loaded; or mark it unloaded.
    cfg_read_row, cfg_read_word : ``In``
        Word to read back.
    read_data : ``Out(32)``
        That word of the row, unsigned, 2 cycles later.
    version : ``Out(16)``
        Number of commits and revocations since reset, modulo 2**16.
    row_<n> : ``In``
        Row of reader n.
    settings_<n>, loaded_<n> : ``Out``
        Its content, and whether it holds what software committed; undefined if not.

    Raises
    ------
    ValueError
        If there is no row or no reader.
    """

    def __init__(self, layout: data.StructLayout, rows: int, *, reads: int = 1):
        if rows < 1 or reads < 1:
            raise ValueError(f"rows and reads must be >= 1, were {rows} and {reads}")
        self.layout = layout
        self.rows = rows
        self.reads = reads
        self.words = row_words(layout)
        row_bits = max(1, ceil_log2(rows))
        word_bits = max(1, ceil_log2(len(self.words)))
        super().__init__({
            "cfg_word": In(word_bits),
            "cfg_data": In(WORD_BITS),
            "cfg_write": In(1),
            "cfg_row": In(row_bits),
            "cfg_commit": In(1),
            "cfg_revoke": In(1),
            "cfg_read_row": In(row_bits),
            "cfg_read_word": In(word_bits),
            "read_data": Out(WORD_BITS),
            "version": Out(16),
            **{f"row_{n}": In(row_bits) for n in range(reads)},
            **{f"settings_{n}": Out(layout) for n in range(reads)},
            **{f"loaded_{n}": Out(1) for n in range(reads)},
        })

    def elaborate(self, platform):
        m = Module()

        shadow = Signal(self.layout)
        with m.If(self.cfg_write), m.Switch(self.cfg_word):
            for address, word in enumerate(self.words):
                with m.Case(address):
                    part = Value.cast(shadow[word.field])[word.offset:word.offset + word.width]
                    m.d.sync += part.eq(self.cfg_data)

        m.submodules.memory = memory = Memory(shape=self.layout, depth=self.rows, init=[])
        loaded = Signal(self.rows)
        write = memory.write_port()
        m.d.comb += [
            write.addr.eq(self.cfg_row),
            Value.cast(write.data).eq(Value.cast(shadow)),
            write.en.eq(self.cfg_commit),
        ]
        with m.If(self.cfg_commit):
            m.d.sync += loaded.bit_select(self.cfg_row, 1).eq(1)
        with m.Elif(self.cfg_revoke):
            m.d.sync += loaded.bit_select(self.cfg_row, 1).eq(0)
        with m.If(self.cfg_commit | self.cfg_revoke):
            m.d.sync += self.version.eq(self.version + 1)

        for n in range(self.reads):
            read = memory.read_port(domain="comb")
            row = getattr(self, f"row_{n}")
            m.d.comb += [
                read.addr.eq(row),
                Value.cast(getattr(self, f"settings_{n}")).eq(Value.cast(read.data)),
                getattr(self, f"loaded_{n}").eq(loaded.bit_select(row, 1)),
            ]

        back = memory.read_port(domain="comb")
        held = Signal(self.layout, reset_less=True)
        m.d.comb += back.addr.eq(self.cfg_read_row)
        m.d.sync += Value.cast(held).eq(Value.cast(back.data))
        with m.Switch(self.cfg_read_word):
            for address, word in enumerate(self.words):
                with m.Case(address):
                    part = Value.cast(held[word.field])[word.offset:word.offset + word.width]
                    m.d.sync += self.read_data.eq(part)
        return m
