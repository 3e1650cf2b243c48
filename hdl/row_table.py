"""Settings of every symbol, each row replaced as a whole in one cycle."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

__all__ = ["RowPort", "RowTable", "RowWord", "VERSION_BITS", "WORD_BITS", "row_words"]

#: Width of the words in which software writes a row.
WORD_BITS = 32

#: Width of the number of commits and revocations.
VERSION_BITS = 16


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


def RowPort(layout: data.StructLayout, rows: int) -> wiring.Signature:  # noqa: N802
    """Return the signature, seen from software, of the settings of a table.

    ``word``, ``data``, ``write``: write a word of the shadow row; a word that does not exist is
    ignored. ``row``, ``commit``, ``revoke``: pulses; make the shadow the row, and mark it loaded,
    or mark the row unloaded. ``read_row``, ``read_word``: word to read back; ``read_data``: that
    word of the row, unsigned, 2 cycles later; with it ``read_loaded``, whether the row is loaded,
    and ``read_version``, the version that its last commit made. ``version``: number of commits and
    revocations since reset, modulo 2**16.
    """
    row_bits = max(1, ceil_log2(rows))
    word_bits = max(1, ceil_log2(len(row_words(layout))))
    return wiring.Signature({
        "word": Out(word_bits), "data": Out(WORD_BITS), "write": Out(1),
        "row": Out(row_bits), "commit": Out(1), "revoke": Out(1),
        "read_row": Out(row_bits), "read_word": Out(word_bits), "read_data": In(WORD_BITS),
        "read_loaded": In(1), "read_version": In(VERSION_BITS),
        "version": In(VERSION_BITS),
    })


class RowTable(wiring.Component):
    """Keep a row of settings a symbol, with a shadow row that software fills word by word.

    Latency: 0 cycles, ``row_<n>`` to ``settings_<n>``; 1 cycle, ``cfg.commit`` to the new row.
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
    cfg : ``In(RowPort(layout, rows))``
        Software's side.
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
        super().__init__({
            "cfg": In(RowPort(layout, rows)),
            **{f"row_{n}": In(row_bits) for n in range(reads)},
            **{f"settings_{n}": Out(layout) for n in range(reads)},
            **{f"loaded_{n}": Out(1) for n in range(reads)},
        })

    def elaborate(self, platform):
        m = Module()

        shadow = Signal(self.layout)
        with m.If(self.cfg.write), m.Switch(self.cfg.word):
            for address, word in enumerate(self.words):
                with m.Case(address):
                    part = Value.cast(shadow[word.field])[word.offset:word.offset + word.width]
                    m.d.sync += part.eq(self.cfg.data)

        m.submodules.memory = memory = Memory(shape=self.layout, depth=self.rows, init=[])
        loaded = Signal(self.rows)
        write = memory.write_port()
        m.d.comb += [
            write.addr.eq(self.cfg.row),
            Value.cast(write.data).eq(Value.cast(shadow)),
            write.en.eq(self.cfg.commit),
        ]
        with m.If(self.cfg.commit):
            m.d.sync += loaded.bit_select(self.cfg.row, 1).eq(1)
        with m.Elif(self.cfg.revoke):
            m.d.sync += loaded.bit_select(self.cfg.row, 1).eq(0)
        following = Signal(VERSION_BITS)
        m.d.comb += following.eq(self.cfg.version + 1)
        with m.If(self.cfg.commit | self.cfg.revoke):
            m.d.sync += self.cfg.version.eq(following)
        m.submodules.versions = versions = Memory(shape=VERSION_BITS, depth=self.rows, init=[])
        noted = versions.write_port()
        m.d.comb += [
            noted.addr.eq(self.cfg.row), noted.data.eq(following), noted.en.eq(self.cfg.commit),
        ]

        for n in range(self.reads):
            read = memory.read_port(domain="comb")
            row = getattr(self, f"row_{n}")
            m.d.comb += [
                read.addr.eq(row),
                Value.cast(getattr(self, f"settings_{n}")).eq(Value.cast(read.data)),
                getattr(self, f"loaded_{n}").eq(loaded.bit_select(row, 1)),
            ]

        # The row waits for its word, which may come a cycle later.
        row = Signal.like(self.cfg.read_row, reset_less=True)
        back = memory.read_port(domain="comb")
        version = versions.read_port(domain="comb")
        m.d.comb += [back.addr.eq(row), version.addr.eq(row)]
        m.d.sync += [
            row.eq(self.cfg.read_row),
            self.cfg.read_loaded.eq(loaded.bit_select(row, 1)),
            self.cfg.read_version.eq(version.data),
        ]
        with m.Switch(self.cfg.read_word):
            for address, word in enumerate(self.words):
                with m.Case(address):
                    part = Value.cast(back.data[word.field])[word.offset:word.offset + word.width]
                    m.d.sync += self.cfg.read_data.eq(part)
        return m
