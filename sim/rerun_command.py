"""``python -m sim rerun``: a recorded run once more, for a waveform of some of its cycles."""

import argparse
from pathlib import Path
from typing import Any

from hdl.profile import PROFILES
from proto.recording import RecordingReader
from sim.progress import Progress
from sim.recording import rerun
from sim.replay_command import cycles
from sim.wave_groups import groups
from sim.waves import Mark, write_view

__all__ = ["add_rerun", "run_rerun"]


def _mark(text: str) -> Mark:
    """Return the mark of ``CYCLE=NAME``."""
    cycle, _, name = text.partition("=")
    if not (cycle.isdigit() and name.isascii() and name.isprintable() and name):
        raise argparse.ArgumentTypeError(f"a mark must be CYCLE=NAME, was {text!r}")
    return Mark(name, int(cycle))


def add_rerun(commands: Any) -> None:
    """Add the command to those of ``python -m sim``."""
    again = commands.add_parser(
        "rerun", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Example: python -m sim rerun build/demo/run.twr --waves order.fst --cycles "
                    "812000:812100\n\nRun a recorded run again and write a waveform of some of "
                    "its cycles.")
    again.add_argument("recording", type=Path, help="what `python -m sim run --record` has written")
    again.add_argument("--waves", type=Path, metavar="FST", required=True, help="file to write")
    again.add_argument("--cycles", type=cycles, required=True, metavar="START:END",
                       help="cycles of the waveform, at the pins")
    again.add_argument("--view", type=Path, metavar="GTKW",
                       help="write a saved view for GTKWave as well: signals by stage")
    again.add_argument("--mark", action="append", type=_mark, default=[], metavar="CYCLE=NAME",
                       help="a marker in that view; may be repeated")


def run_rerun(options: argparse.Namespace) -> str:
    """Run the command; return what it found, for people.

    Raises
    ------
    SimulationError
        As :func:`rerun`.
    RecordingError
        If the file is no recording.
    """
    start, end = options.cycles
    progress = Progress("cycles")
    same = rerun(options.recording, options.waves, start, end, progress=progress)
    progress.end()
    if options.view is not None:
        with RecordingReader(options.recording) as reader:
            profile = PROFILES[reader.head.profile]
        write_view(options.view, options.waves, start, end, options.mark,
                   groups=groups(profile))
    return (f"{same:,} frames of the order line are the same in the same cycles, up to cycle "
            f"{end:,}")
