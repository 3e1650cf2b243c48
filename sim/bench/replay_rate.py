"""How fast a capture is replayed: a seeded flow as a BinaryFILE, through `sim.replay`."""

import time
from pathlib import Path
from typing import Any

from proto.wire import moldudp64
from sim.appliance import Appliance
from sim.bench.flow import OrderFlow, directory
from sim.bench.latency import symbols_of
from sim.errors import SimulationError
from sim.golden.book import bbo_rows
from sim.replay import COLUMNS, Replay

__all__ = ["measure_replay_rate", "write_capture"]


def write_capture(path: Path, *, messages: int, seed: int = 1) -> list[bytes]:
    """Write so many messages of a seeded flow, after those that open a day; return all of them."""
    symbols = symbols_of(8)
    flow = OrderFlow(symbols, seed=seed, resting=4000, spread=100)
    content = directory(symbols) + flow.messages(messages)
    path.parent.mkdir(parents=True, exist_ok=True)
    block = moldudp64.BLOCK.size
    path.write_bytes(b"".join(
        len(message).to_bytes(block, "big") + message for message in content))
    return content


def measure_replay_rate(profile: str, folder: Path, *, messages: int, seed: int = 1
                        ) -> dict[str, Any]:
    """Replay so many messages, as many in a frame as go in, and check every row.

    Reading the file, making frames, simulating and fetching the event records is all in the time;
    it runs on one core. Wall time shows what else the machine does, time on the processor does not.

    Parameters
    ----------
    profile : str
        Sizes of the appliance.
    folder : Path
        Where the capture is written.
    messages : int
        How many.
    seed : int
        Of the flow.

    Raises
    ------
    SimulationError
        If a row is wrong.
    """
    capture = folder / "replay.itch"
    content = write_capture(capture, messages=messages, seed=seed)
    replay = Replay(capture, profile=profile)
    Appliance(profile, trading=False).close()  # so that the library is there
    processor = time.process_time()
    rows, summary = replay.run()
    processor = time.process_time() - processor
    columns = [rows[name].tolist() for name in COLUMNS.values()]
    expected = [tuple(row) for row in bbo_rows(content)]
    if list(zip(*columns, strict=True)) != expected:
        raise SimulationError(f"{capture}: the rows of the replay are wrong")
    return {
        "messages_per_second": round(summary.messages_per_second),
        "cycles_per_second": round(summary.cycles_per_second),
        "messages_per_processor_second": round(summary.messages / processor),
        "cycles_per_processor_second": round(summary.cycles / processor),
        "messages": summary.messages, "cycles": summary.cycles, "rows": summary.rows,
        "seconds": round(summary.seconds, 3), "processor_seconds": round(processor, 3),
        "profile": profile, "seed": seed,
    }
