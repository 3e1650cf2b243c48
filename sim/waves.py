"""A saved view of GTKWave for a waveform of the appliance: signals by stage, markers at moments.

Ref: GTKWave 3.3 user's guide, save files.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log2
from pathlib import Path

from proto.features import FEATURES

__all__ = ["GROUPS", "SCOPE", "Mark", "Signal", "fst_time", "write_view"]

#: Where the core is in a waveform: the library's top, the design in it, the core in that.
SCOPE = "TOP.design.design"
#: Two steps a cycle: both edges of the clock.
_STEPS_PER_CYCLE = 2
_MARKERS = 26
#: Formats of GTKWave: hexadecimal, decimal, signed decimal, binary, comment.
_HEXADECIMAL, _DECIMAL, _SIGNED, _BINARY, _COMMENT = 0x22, 0x24, 0x420, 0x28, 0x200
_PIXELS, _PIXELS_PER_FRAME = 1300, 200


@dataclass(frozen=True)
class Signal:
    """A signal of the core.

    Attributes
    ----------
    name : str
        Below :data:`SCOPE`.
    bits : int
        Its width.
    form : int
        How GTKWave shows it.
    """

    name: str
    bits: int = 1
    form: int = _BINARY

    @property
    def full_name(self) -> str:
        """Its name in the waveform, without its range."""
        return f"{SCOPE}.{self.name}"

    @property
    def saved_name(self) -> str:
        """Its name in a save file."""
        return self.full_name if self.bits == 1 else f"{self.full_name}[{self.bits - 1}:0]"


@dataclass(frozen=True)
class Mark:
    """A moment with a name: a cycle at the pins."""

    name: str
    cycle: int


def _signals(prefix: str, *names: str) -> tuple[Signal, ...]:
    """Return signals of ``name``, ``name:bits`` (hexadecimal), ``name:bits d`` or ``s``."""
    forms = {"": _HEXADECIMAL, "d": _DECIMAL, "s": _SIGNED}
    found: list[Signal] = []
    for text in names:
        name, _, rest = text.partition(":")
        bits, _, form = rest.partition(" ")
        found.append(Signal(prefix + name, int(bits), forms[form]) if bits
                     else Signal(prefix + name))
    return tuple(found)


_DECISION = "orders.decision."
_TOP, _OPERATION = "recorder.top_of_book__", "feed.operations__"

#: Signals by stage, in the order in which a message meets them, of an appliance with eight books
#: behind XGMII; :func:`sim.wave_groups.groups` has those of another profile.
GROUPS: dict[str, tuple[Signal, ...]] = {
    "time": _signals("", "now_cycles:48 d", "now_ns:64 d"),
    "feed pins": _signals("", "feed_a_rx_data:64", "feed_a_rx_control:8"),
    "behind the elastic buffer": _signals("elastic.word.", "data:64", "control:8"),
    "frame, from the UDP payload on": _signals(
        "receiver.", "beats__valid", "beats__payload.data:64", "beats__payload.keep:8",
        "beats__payload.last", "outcomes__valid", "outcomes__payload"),
    "messages": _signals(
        "feed.", "messages__valid", "messages__payload.data:128", "messages__payload.first",
        "messages__payload.last", "messages__payload.accept", "messages__payload.sequence:64 d"),
    "book operation": _signals(
        _OPERATION, "valid", "ready", "payload.kind:2", "payload.symbol_index:3 d",
        "payload.reference:64 d", "payload.side", "payload.shares:32 d", "payload.price:32 d"),
    "top of book": _signals(
        _TOP, "valid", "payload.changed", "payload.exact", "payload.symbol_index:3 d",
        "payload.bid.price:32 d", "payload.bid.quantity:32 d", "payload.ask.price:32 d",
        "payload.ask.quantity:32 d"),
    "features": _signals(
        f"{_DECISION}features.vectors__", "valid", "payload.usable",
        *(f"payload.features.[{number}]:16 s" for number in range(len(FEATURES)))),
    "score": _signals(
        f"{_DECISION}engine.scores__", "valid", "payload.usable", "payload.epoch:16 d",
        "payload.score:32 s"),
    "intent": _signals(
        f"{_DECISION}gate.intents__", "valid", "payload.kind", "payload.side",
        "payload.price:32 d", "payload.quantity:32 d"),
    "risk gate": _signals(
        f"{_DECISION}gate.", "requests__valid", "requests__ready", "busy", "verdicts__valid",
        "verdicts__payload.mask:64", "state.reference:32 d", "state.worst_long:44 s",
        "state.worst_short:44 s", "state.open_orders:10 d"),
    "sent": _signals(_DECISION, "sent__valid", "sent__payload.user_ref_num:32 d"),
    "order pins": _signals("", "order_tx_data:64", "order_tx_control:8"),
}


def fst_time(cycle: int) -> int:
    """Return the time in a waveform at which the state of a cycle at the pins begins."""
    return _STEPS_PER_CYCLE * cycle


def _lines(waves: Path, start: int, end: int, marks: Sequence[Mark],
           groups: Mapping[str, Sequence[Signal]]) -> Iterator[str]:
    steps = fst_time(end) - fst_time(start)
    zoom = -log2(max(1.0, steps * _PIXELS_PER_FRAME / _PIXELS))
    times = [fst_time(mark.cycle) for mark in marks[:_MARKERS]]
    markers = [*times, *[-1] * (_MARKERS - len(times))]
    yield "[*] Tickwire: signals by stage; `gtkwave WAVES VIEW` opens it"
    yield f'[dumpfile] "{waves.name}"'
    yield f"[timestart] {fst_time(start)}"
    yield "[size] 1800 1000"
    yield f"*{zoom:.6f} {times[0] if times else fst_time(start)} {' '.join(map(str, markers))}"
    for number, mark in enumerate(marks[:_MARKERS]):
        yield f"[markername] {chr(ord('A') + number)}{mark.name}"
    yield "[signals_width] 420"
    for group, signals in groups.items():
        yield f"@{_COMMENT:x}"
        yield f"-{group}"
        for signal in signals:
            yield f"@{signal.form:x}"
            yield signal.saved_name


def write_view(path: Path, waves: Path, start: int, end: int, marks: Sequence[Mark] = (), *,
               groups: Mapping[str, Sequence[Signal]] = GROUPS) -> None:
    """Write a view of some cycles at the pins.

    Parameters
    ----------
    path : Path
        The file.
    waves : Path
        The waveform, beside it.
    start, end : int
        What is seen at first.
    marks : sequence of Mark
        Become markers A to Z.
    groups : mapping
        Signals by stage.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    path.write_text("\n".join(_lines(waves, start, end, marks, groups)) + "\n", encoding="ascii")
