"""Best levels of sides, and vectors of features, as event records."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.orders import FeatureVector, Score
from hdl.profile import Profile
from hdl.records import MessageContext, SideDepth
from hdl.stream import BEAT_BYTES
from hdl.telemetry.message_recorder import RecordWord
from hdl.telemetry.staged_queue import StagedQueue
from proto import events
from proto.events import EventKind, VectorFlag
from proto.features import DEPTH_LEVELS, FEATURES

__all__ = ["DetailRecorder"]

_WORD_BITS = 8 * BEAT_BYTES
_RECORD_WORDS = events.EVENT_BYTES // BEAT_BYTES
_ROW_WORDS = 2                              # in a row of the ring
_ROWS = _RECORD_WORDS // _ROW_WORDS         # of a record
_ROW_BITS = _ROW_WORDS * _WORD_BITS


class DetailRecorder(wiring.Component):
    """Record what is asked for of each event: levels of its side, its features and score.

    Class 2: what finds no room is dropped. Sixteen vectors can wait to be written, and the levels
    after sixteen events. Of an event usually its levels come first.

    Latency: 10 cycles, `vectors` transfer to `words.valid`, empty before. Throughput: 1 record per
    5 cycles in, bursts of 16 of each kind in every cycle; 1 word per cycle out.

    Parameters
    ----------
    profile : Profile
        ``event_ring_bytes`` is the size of the largest ring; this one has an eighth, and room for
        16 records at least.

    Members
    -------
    sides : ``In(stream.Signature(SideDepth(profile), always_ready=True))``
        Levels after each event. What becomes known later is recorded if it concerns the side of
        the last event.
    vectors : ``In(stream.Signature(FeatureVector(profile), always_ready=True))``
        Features of each event; its `sides` came no more than 2 cycles earlier, or come later.
    scores : ``In(stream.Signature(Score(profile), always_ready=True))``
        Their scores, 2 cycles later.
    context, context_valid : ``In(MessageContext)``, ``In(1)``
        What caused the event of `vectors`, in the same cycle; valid also if there is no vector.
    now_cycles : ``In(48)``
        Cycle counter; each record has its value as it is written.
    cfg_depth, cfg_vectors : ``In(1)``
        Record them.
    words : ``Out(stream.Signature(RecordWord))``
        Records, word by word; once one has begun its words follow.
    busy : ``Out(1)``
        A record is being made, or may be, or the ring has no room for several of each kind.
    empty : ``Out(1)``
        No record is made or waits.
    stat_recorded, stat_dropped : ``Out(1)``
        One-cycle pulse per record; of two dropped at once, one.
    """

    def __init__(self, profile: Profile):
        self.profile = profile
        self.records = max(16, profile.event_ring_bytes // events.EVENT_BYTES // 8)
        super().__init__({
            "sides": In(stream.Signature(SideDepth(profile), always_ready=True)),
            "vectors": In(stream.Signature(FeatureVector(profile), always_ready=True)),
            "scores": In(stream.Signature(Score(profile), always_ready=True)),
            "context": In(MessageContext),
            "context_valid": In(1),
            "now_cycles": In(48),
            "cfg_depth": In(1),
            "cfg_vectors": In(1),
            "words": Out(stream.Signature(RecordWord)),
            "busy": Out(1),
            "empty": Out(1),
            "stat_recorded": Out(1),
            "stat_dropped": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        # The event that was published last.
        sequence = Signal(64, reset_less=True)
        time_ns = Signal(48, reset_less=True)
        with m.If(self.context_valid):
            m.d.sync += [sequence.eq(self.context.sequence),
                         time_ns.eq(self.context.timestamp_ns)]

        # A vector, in the next cycle what caused it, after that its score; the levels of a side,
        # when a top that was published with them has its cause.
        m.submodules.vectors = vectors = StagedQueue({
            "vector": (FeatureVector(self.profile), 0), "sequence": (64, 1), "time_ns": (48, 1),
            "score": (Score(self.profile), 2)})
        m.submodules.depths = depths = StagedQueue({
            "side": (SideDepth(self.profile), 0), "sequence": (64, 3)})
        vector, depth = vectors.entries, depths.entries
        m.d.comb += [
            vectors.begins.eq(self.cfg_vectors & self.vectors.valid),
            Value.cast(vectors.parts.vector).eq(Value.cast(self.vectors.p)),
            vectors.parts.sequence.eq(sequence), vectors.parts.time_ns.eq(time_ns),
            Value.cast(vectors.parts.score).eq(Value.cast(self.scores.p)),
            depths.begins.eq(self._concerns(m)),
            Value.cast(depths.parts.side).eq(Value.cast(self.sides.p)),
            depths.parts.sequence.eq(sequence),
        ]
        vector_rows, depth_rows = _vector_rows(vector.p), _depth_rows(depth.p)

        # The ring; no row is read in the cycle in which it is written.
        index_bits = ceil_log2(self.records * _ROWS)
        m.submodules.ring = ring = Memory(
            shape=_ROW_BITS, depth=self.records * _ROWS, init=[],
            attrs={"no_rw_check": 1, "ram_style": "block"})
        write, read = ring.write_port(), ring.read_port(domain="comb")
        head, written, tail = (Signal(index_bits + 1, name=name)
                               for name in ("head", "written", "tail"))
        room = Signal(init=1)
        roomy = Signal(init=1)
        level = Signal(index_bits + 1)
        m.d.sync += [level.eq(head - tail), room.eq(level <= (self.records - 2) * _ROWS),
                     roomy.eq(level <= (self.records - 8) * _ROWS)]

        number = Signal(events.HEADER.field("event_sequence").bits)
        part = Signal(range(_ROWS))
        of_vector = Signal()
        writing = Signal()
        done = Signal()
        m.d.comb += done.eq(writing & (part == _ROWS - 1))
        kind = Mux(of_vector, int(EventKind.FEATURE_VECTOR), Mux(
            depth.p.side.side, int(EventKind.ASK_DEPTH), int(EventKind.BID_DEPTH)))
        header = {
            "schema_version": C(events.SCHEMA_VERSION, 8), "kind": kind,
            "symbol_index": Mux(of_vector, vector.p.vector.symbol_index, depth.p.side.symbol_index),
            "event_sequence": number, "cycle": self.now_cycles,
        }
        m.d.comb += [
            write.addr.eq(head[:index_bits]), write.en.eq(writing),
            vector.ready.eq(done & of_vector), depth.ready.eq(done & ~of_vector),
        ]
        with m.Switch(part):
            with m.Case(0):
                m.d.comb += write.data.eq(_packed(header, events.HEADER.fields))
            for row in range(1, _ROWS):
                with m.Case(row):
                    m.d.comb += write.data.eq(
                        Mux(of_vector, vector_rows[row - 1], depth_rows[row - 1]))
        with m.If(writing):
            m.d.sync += [part.eq(part + 1), head.eq(head + 1)]
            with m.If(done):
                m.d.sync += [writing.eq(0), written.eq(head + 1)]
        with m.Elif((vector.valid | depth.valid) & room):
            m.d.sync += [writing.eq(1), of_vector.eq(
                vector.valid & ~(depth.valid & of_vector))]
        m.d.sync += [
            number.eq(number + (done + vectors.missed + depths.missed)),
            self.stat_recorded.eq(done), self.stat_dropped.eq(vectors.missed | depths.missed),
        ]

        fetched = self._read(m, read, written, tail)
        held = vectors.held | depths.held
        # A vector follows the levels of its event by three cycles.
        follows = Signal(3)
        m.d.sync += follows.eq(Cat(self.sides.valid, follows))
        m.d.comb += [
            self.busy.eq(follows.any() | held | writing | ~roomy),
            self.empty.eq((written == tail) & ~(held | writing | fetched | self.words.valid)),
        ]
        return m

    def _concerns(self, m) -> Value:
        """Return whether `sides` are levels to record: of an event, or of the side of the last."""
        side = self.sides.p
        last_side = Signal(1 + len(side.symbol_index))
        this_side = Cat(side.side, side.symbol_index)
        settled = Signal()          # there was an event
        with m.If(self.sides.valid & side.event):
            m.d.sync += [last_side.eq(this_side), settled.eq(1)]
        return self.cfg_depth & self.sides.valid & ~side.waits & (
            side.event | (settled & (last_side == this_side)))

    def _read(self, m, read, written: Signal, tail: Signal) -> Signal:
        """Give rows out, word by word, without a pause in a record; return whether one is read."""
        words = self.words
        half = Signal()
        part = Signal(range(_ROWS))
        row = Signal(_ROW_BITS, reset_less=True)
        shown = Signal(_ROW_BITS, reset_less=True)
        fetched = Signal()
        moves, leaves = Signal(), Signal()
        m.d.comb += [
            read.addr.eq(tail[:len(read.addr)]),
            leaves.eq(words.valid & words.ready & half),
            moves.eq(fetched & (~words.valid | leaves)),
            words.p.data.eq(Mux(half, shown[_WORD_BITS:], shown[:_WORD_BITS])),
            words.p.last.eq(half & (part == _ROWS - 1)),
        ]
        with m.If(~fetched | moves):
            m.d.sync += [row.eq(read.data), fetched.eq(written != tail),
                         tail.eq(tail + (written != tail))]
        with m.If(moves):
            m.d.sync += shown.eq(row)
        m.d.sync += words.valid.eq(moves | (words.valid & ~leaves))
        with m.If(words.valid & words.ready):
            m.d.sync += half.eq(~half)
            m.d.sync += part.eq(part + half)
        return fetched


def _depth_rows(kept) -> list[Value]:
    """Return the rows of the levels of a side."""
    names = [f"{name}_{n}" for n in range(DEPTH_LEVELS) for name in ("price", "quantity")]
    values = {"feed_sequence": kept.sequence}
    for n, level in enumerate(kept.side.levels):
        hidden = kept.side.unknown & ~kept.side.valid[n]
        values[f"price_{n}"] = level.price | (Mux(hidden, events.UNKNOWN_PRICE, 0))
        values[f"quantity_{n}"] = level.quantity
    return _rows(values, events.BID_DEPTH, ["feed_sequence", *names])


def _vector_rows(kept) -> list[Value]:
    """Return the rows of a vector with its score."""
    flags = (Mux(kept.vector.usable, int(VectorFlag.USABLE), 0)
             | Mux(kept.score.usable, int(VectorFlag.SCORED), 0))
    values = {
        "feed_sequence": kept.sequence, "ts_ns": kept.time_ns, "score": kept.score.score,
        "epoch": kept.score.epoch, "flags": flags, "reserved": C(0, 8),
        **{feature.name: kept.vector.features[n] for n, feature in enumerate(FEATURES)},
    }
    return _rows(values, events.FEATURE_VECTOR, [
        field.name for field in events.FEATURE_VECTOR.fields[len(events.HEADER.fields):]])


def _packed(values: dict, fields) -> Value:
    """Return fields one behind the other, each as wide as its table says."""
    return Value.cast(Cat(Cat(Value.cast(values[field.name]), C(0, field.bits))[:field.bits]
                          for field in fields))


def _rows(values: dict, message, names: list[str]) -> list[Value]:
    """Return the rows of a record behind the header."""
    packed = _packed(values, [message.field(name) for name in names])
    return [Value.cast(packed[n:n + _ROW_BITS]) for n in range(0, len(packed), _ROW_BITS)]
