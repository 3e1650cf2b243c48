"""What was sent and is not acknowledged yet, a slot per segment."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.net.tcp_layouts import PAYLOAD_WORDS

__all__ = ["RetransmissionRing"]

_SLOT_BYTES = 8 * PAYLOAD_WORDS


class RetransmissionRing(wiring.Component):
    """Keep the payload of segments until it is acknowledged.

    Latency: 2 cycles, `index` to `word`; at most 12 cycles, a change of `acknowledged` to `oldest`.
    Payload is stored as it stands in the frame, so that it needs no shifting when it leaves again.

    Parameters
    ----------
    size_bytes : int
        Size of the ring; a power of two.

    Members
    -------
    push, sequence, length : ``In(1)``, ``In(32)``, ``In(7)``
        A segment of new data starts; its words follow.
    kept, kept_index, kept_word : inputs
        A word of it.
    acknowledged : ``In(32)``
        First sequence number that the peer has not acknowledged.
    oldest_valid, oldest_sequence, oldest_length : ``Out(1)``, ``Out(32)``, ``Out(7)``
        The oldest segment that is not acknowledged whole.
    select : ``In(1)``
        From now on `word` is one of the oldest segment.
    index, word : ``In(3)``, ``Out(64)``
        Payload word wanted, and the word two cycles later.
    room, empty : ``Out(1)``
        Two more segments fit; nothing is kept. They follow a `push` after 2 cycles.
    clear : ``In(1)``
        Forget everything.

    Raises
    ------
    ValueError
        If `size_bytes` is no power of two, or less than eight slots.
    """

    def __init__(self, *, size_bytes: int):
        if size_bytes < 8 * _SLOT_BYTES or size_bytes & (size_bytes - 1):
            raise ValueError(f"size_bytes must be a power of two, at least {8 * _SLOT_BYTES}, "
                             f"was {size_bytes}")
        self.size_bytes = size_bytes
        super().__init__({
            "push":            In(1),
            "sequence":        In(32),
            "length":          In(7),
            "kept":            In(1),
            "kept_index":      In(3),
            "kept_word":       In(64),
            "acknowledged":    In(32),
            "oldest_valid":    Out(1),
            "oldest_sequence": Out(32),
            "oldest_length":   Out(7),
            "select":          In(1),
            "index":           In(3),
            "word":            Out(64),
            "room":            Out(1),
            "empty":           Out(1, init=1),
            "clear":           In(1),
        })

    def elaborate(self, platform):
        m = Module()
        slots = self.size_bytes // _SLOT_BYTES
        bits = (slots - 1).bit_length()
        # What is written in a cycle is not read in it: no bypass around the memories.
        m.submodules.words = words = Memory(shape=64, depth=slots * PAYLOAD_WORDS, init=[],
                                            attrs={"no_rw_check": 1})
        entry = data.StructLayout({"sequence": 32, "length": 7})
        m.submodules.entries = entries = Memory(
            shape=entry, depth=slots, init=[],
            attrs={"no_rw_check": 1, "ram_style": "block"})

        head, tail = Signal(bits + 1), Signal(bits + 1)
        writing, reading = Signal(bits), Signal(bits)
        used = Signal(bits + 1)
        m.d.sync += [used.eq(head - tail), self.room.eq(used < slots - 2), self.empty.eq(used == 0)]

        write, read = words.write_port(), words.read_port(domain="comb")
        m.d.comb += [
            write.addr.eq(Cat(self.kept_index, writing)), write.data.eq(self.kept_word),
            write.en.eq(self.kept), read.addr.eq(Cat(self.index, reading)),
        ]
        fetched = Signal(64, reset_less=True)
        m.d.sync += [fetched.eq(read.data), self.word.eq(fetched)]
        note, look = entries.write_port(), entries.read_port(domain="comb")
        looked = Signal(entry, reset_less=True)
        m.d.sync += looked.eq(look.data)
        m.d.comb += [
            note.addr.eq(head[:bits]), note.data.sequence.eq(self.sequence),
            note.data.length.eq(self.length), note.en.eq(self.push),
            look.addr.eq(tail[:bits]),
        ]
        with m.If(self.push):
            m.d.sync += [head.eq(head + 1), writing.eq(head[:bits])]
        with m.If(self.select):
            m.d.sync += reading.eq(tail[:bits])

        # Look at the oldest entry, round and round; drop it if it is acknowledged whole.
        step = Signal(range(6))
        known = Signal()
        end, beyond = Signal(32, reset_less=True), Signal(32, reset_less=True)
        before = Signal(32, reset_less=True)
        m.d.sync += before.eq(self.acknowledged)
        with m.Switch(step):
            with m.Case(0):
                m.d.sync += [step.eq(1), known.eq(head != tail)]
            with m.Case(1):
                m.d.sync += step.eq(2)
            with m.Case(2):
                m.d.sync += [step.eq(3), self.oldest_sequence.eq(looked.sequence),
                             self.oldest_length.eq(looked.length)]
            with m.Case(3):
                m.d.sync += [step.eq(4), end.eq(self.oldest_sequence + self.oldest_length)]
            with m.Case(4):
                m.d.sync += [step.eq(5), beyond.eq(self.acknowledged - end)]
            with m.Case(5):
                m.d.sync += step.eq(0)
                with m.If(known):
                    m.d.sync += [tail.eq(tail + ~beyond[31]), self.oldest_valid.eq(beyond[31])]
        with m.If((before != self.acknowledged) | (head == tail)):
            m.d.sync += self.oldest_valid.eq(0)
        with m.If((before != self.acknowledged) & (step > 3)):
            m.d.sync += step.eq(0)      # judged by the number of before: look again

        with m.If(self.clear):
            m.d.sync += [head.eq(0), tail.eq(0), step.eq(0), self.oldest_valid.eq(0)]
        return m
