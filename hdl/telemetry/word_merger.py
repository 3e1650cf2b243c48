"""Records that come word by word, of two sources, in one stream."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.telemetry.message_recorder import RecordWord

__all__ = ["WordMerger"]

_WORDS = stream.Signature(RecordWord)


class WordMerger(wiring.Component):
    """Pass whole records on, in turn if both sources have one.

    Latency: 0 cycles, `first` or `second` to `words`. Throughput: 1 word per cycle. A source whose
    record has been offered keeps the stream to its end.

    Members
    -------
    first, second : ``In(stream.Signature(RecordWord))``
        Records.
    words : ``Out(stream.Signature(RecordWord))``
        All of them.
    """

    first: In(_WORDS)
    second: In(_WORDS)
    words: Out(_WORDS)

    def elaborate(self, platform):
        m = Module()

        offered = Signal()      # a record was offered, and its last word not taken
        turn = Signal()         # of the second
        use_second = Signal()
        ends = Signal()
        m.d.comb += [
            use_second.eq(Mux(offered, turn, self.second.valid & (turn | ~self.first.valid))),
            self.words.valid.eq(Mux(use_second, self.second.valid, self.first.valid)),
            Value.cast(self.words.p).eq(Mux(use_second, Value.cast(self.second.p),
                                            Value.cast(self.first.p))),
            self.first.ready.eq(self.words.ready & ~use_second),
            self.second.ready.eq(self.words.ready & use_second),
            ends.eq(self.words.valid & self.words.ready & self.words.p.last),
        ]
        with m.If(self.words.valid):
            m.d.sync += [offered.eq(~ends), turn.eq(use_second ^ ends)]
        return m
