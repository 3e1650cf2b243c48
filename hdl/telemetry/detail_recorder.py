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

    Class 2: what comes while an earlier one of its kind waits to be written, or finds the ring
    full, is dropped. Of an event usually its levels come first.

    Latency: 11 cycles, `vectors` transfer to `words.valid`, empty before. Throughput: 1 vector per
    5 cycles, the levels of 1 side per 9, or both of an event per 10, in; 1 word per cycle out.

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

        depth_waits, vector_waits = Signal(), Signal()
        take_depth, take_vector = Signal(), Signal()
        depth_rows = self._depth(m, depth_waits, take_depth, sequence)
        vector_rows = self._vector(m, vector_waits, take_vector, sequence, time_ns)

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
        dropped, done = Signal(), Signal()
        m.d.comb += done.eq(writing & (part == _ROWS - 1))
        kind = Mux(of_vector, int(EventKind.FEATURE_VECTOR), Mux(
            self._depth_side, int(EventKind.ASK_DEPTH), int(EventKind.BID_DEPTH)))
        header = {
            "schema_version": C(events.SCHEMA_VERSION, 8), "kind": kind,
            "symbol_index": Mux(of_vector, self._vector_symbol, self._depth_symbol),
            "event_sequence": number, "cycle": self.now_cycles,
        }
        m.d.comb += [
            write.addr.eq(head[:index_bits]), write.en.eq(writing),
            take_vector.eq(done & of_vector), take_depth.eq(done & ~of_vector),
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
        with m.Elif((vector_waits | depth_waits) & room):
            m.d.sync += [writing.eq(1), of_vector.eq(vector_waits)]
        with m.Elif(vector_waits | depth_waits):
            # It is lost, and its number shows it.
            m.d.comb += [take_vector.eq(vector_waits), take_depth.eq(~vector_waits),
                         dropped.eq(1)]
        missed = self._missed
        m.d.sync += [
            number.eq(number + (done + dropped + missed[0] + missed[1])),
            self.stat_recorded.eq(done), self.stat_dropped.eq(dropped | missed.any()),
        ]

        self._read(m, read, written, tail)
        # A vector follows the levels of its event by three cycles.
        follows = Signal(3)
        m.d.sync += follows.eq(Cat(self.sides.valid, follows))
        m.d.comb += [
            self.busy.eq(follows.any() | self._held | writing | ~roomy),
            self.empty.eq((written == tail) & ~(self._held | writing | self._fetched
                                                | self.words.valid)),
        ]
        return m

    def _depth(self, m, waits: Signal, take: Value, sequence: Value) -> list[Value]:
        """Keep the levels of a side until they are written; return the rows."""
        side = self.sides.p
        # The context of an event is known 3 cycles after its levels.
        age = Signal(3)
        last_side = Signal(1 + len(side.symbol_index))
        this_side = Cat(side.side, side.symbol_index)
        settled = Signal()          # there was an event, and none since
        wanted = Signal()
        m.d.comb += wanted.eq(self.cfg_depth & self.sides.valid & ~side.waits & (
            side.event | (settled & (last_side == this_side))))
        with m.If(self.sides.valid & side.event):
            m.d.sync += [last_side.eq(this_side), settled.eq(1)]
        kept = Signal(side.shape(), reset_less=True)
        held = Signal()
        mine = Signal(64, reset_less=True)
        with m.If(wanted & ~held):
            m.d.sync += [Value.cast(kept).eq(Value.cast(side)), held.eq(1), age.eq(1)]
        with m.Elif(held & ~waits):
            m.d.sync += age.eq(age << 1)
            with m.If(age[-1]):
                m.d.sync += [waits.eq(1), mine.eq(sequence)]
        with m.If(take):
            m.d.sync += [waits.eq(0), held.eq(0)]
        self._depth_missed, self._depth_held = wanted & held, held
        self._depth_symbol, self._depth_side = kept.symbol_index, Value.cast(kept.side)
        names = [f"{name}_{n}" for n in range(DEPTH_LEVELS) for name in ("price", "quantity")]
        unknown = events.UNKNOWN_PRICE
        values = {"feed_sequence": mine}
        for n, level in enumerate(kept.levels):
            hidden = kept.unknown & ~kept.valid[n]
            values[f"price_{n}"] = level.price | (Mux(hidden, unknown, 0))
            values[f"quantity_{n}"] = level.quantity
        return _rows(values, events.BID_DEPTH, ["feed_sequence", *names])

    def _vector(self, m, waits: Signal, take: Value, sequence: Value, time_ns: Value
                ) -> list[Value]:
        """Keep a vector until it is written with its score; return the rows."""
        vector, score = self.vectors.p, self.scores.p
        features = Signal.like(vector.features, reset_less=True)
        symbol_index = Signal.like(vector.symbol_index, reset_less=True)
        usable = Signal(reset_less=True)
        mine, mine_ns = (Signal.like(value, name=name, reset_less=True)
                         for name, value in (("mine", sequence), ("mine_ns", time_ns)))
        scored = Signal.like(score.score, reset_less=True)
        epoch = Signal.like(score.epoch, reset_less=True)
        loaded = Signal(reset_less=True)
        held, complete = Signal(), Signal()
        age = Signal(2)
        wanted = self.cfg_vectors & self.vectors.valid
        with m.If(wanted & ~held):
            m.d.sync += [
                Value.cast(features).eq(Value.cast(vector.features)),
                symbol_index.eq(vector.symbol_index), usable.eq(vector.usable),
                held.eq(1), age.eq(1),
            ]
        with m.Elif(held & ~complete):
            m.d.sync += age.eq(age << 1)
            with m.If(age[0]):
                m.d.sync += [mine.eq(sequence), mine_ns.eq(time_ns)]
            with m.If(age[1]):
                m.d.sync += [complete.eq(1), scored.eq(score.score), epoch.eq(score.epoch),
                             loaded.eq(score.usable)]
        # Complete, it moves on, and the next one can come while it is written.
        whole = {
            "symbol_index": symbol_index, "usable": usable, "feed_sequence": mine,
            "ts_ns": mine_ns, "score": scored, "epoch": epoch, "loaded": loaded,
            **{feature.name: features[n] for n, feature in enumerate(FEATURES)},
        }
        shown = {name: Signal(len(value), name=f"shown_{name}", reset_less=True)
                 for name, value in whole.items()}
        with m.If(take):
            m.d.sync += waits.eq(0)
        with m.If(complete & (~waits | take)):
            m.d.sync += [complete.eq(0), held.eq(0), waits.eq(1)]
            m.d.sync += [shown[name].eq(value) for name, value in whole.items()]
        self._missed = Cat(wanted & held, self._depth_missed)
        self._held = held | waits | self._depth_held
        self._vector_symbol = shown["symbol_index"]
        flags = (Mux(shown["usable"], int(VectorFlag.USABLE), 0)
                 | Mux(shown["loaded"], int(VectorFlag.SCORED), 0))
        values = {**shown, "flags": flags, "reserved": C(0, 8)}
        return _rows(values, events.FEATURE_VECTOR, [
            field.name for field in events.FEATURE_VECTOR.fields[len(events.HEADER.fields):]])

    def _read(self, m, read, written: Signal, tail: Signal) -> None:
        """Give rows out, word by word, without a pause in a record."""
        words = self.words
        half = Signal()
        part = Signal(range(_ROWS))
        row = Signal(_ROW_BITS, reset_less=True)
        shown = Signal(_ROW_BITS, reset_less=True)
        fetched = Signal()
        self._fetched = fetched
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


def _packed(values: dict, fields) -> Value:
    """Return fields one behind the other, each as wide as its table says."""
    return Value.cast(Cat(Cat(Value.cast(values[field.name]), C(0, field.bits))[:field.bits]
                          for field in fields))


def _rows(values: dict, message, names: list[str]) -> list[Value]:
    """Return the rows of a record behind the header."""
    packed = _packed(values, [message.field(name) for name in names])
    return [Value.cast(packed[n:n + _ROW_BITS]) for n in range(0, len(packed), _ROW_BITS)]
