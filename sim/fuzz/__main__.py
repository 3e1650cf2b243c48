"""Fuzz the simulated appliance: ``python -m sim.fuzz --help``."""

import argparse
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from hdl.profile import PROFILES
from sim.errors import SimulationError
from sim.fuzz.feed_round import FeedRound
from sim.fuzz.trading_round import TradingRound

#: Frames of a round at the feed port; each round has a new appliance.
_FRAMES_A_ROUND = 4000
#: Every so many rounds the appliance trades.
_TRADING_EVERY = 4


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sim.fuzz", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Example: python -m sim.fuzz --frames 100000 --seed 7\n\nSend valid, damaged, "
                    "foreign and random frames to all ports of simulated appliances, and hold what "
                    "comes\nof them against models: counters, books, orders, settings. Status 1 if "
                    "anything is not as it must be.")
    parser.add_argument("--frames", type=_natural, default=20_000,
                        help="sent in all, at least; whole rounds (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1,
                        help="of the first round; each round has the next one (default: 1)")
    parser.add_argument("--profile", default="bench", choices=sorted(PROFILES),
                        help="sizes (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="file to write figures to")
    return parser


def _natural(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"frames must be a number from 1 on, was {text!r}")
    return value


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def fuzz(frames: int, seed: int, profile: str) -> dict[str, Any]:
    """Run rounds until so many frames were sent; return what happened."""
    kinds: Counter[str] = Counter()
    wrong: list[dict[str, Any]] = []
    rounds = rows = orders = 0
    began = time.monotonic()
    while kinds.total() < frames:
        number = seed + rounds
        # By the seed alone, so that a round can be repeated.
        trades = number % _TRADING_EVERY == 0
        cut_through = bool((number // _TRADING_EVERY if trades else number) % 2)
        if trades:
            trading = TradingRound(profile, number, cut_through=cut_through)
            found, name = trading.run(_FRAMES_A_ROUND), "trading"
            orders += trading.orders
            kinds += trading.kinds
        else:
            feed = FeedRound(profile, number, cut_through=cut_through)
            found, name = feed.run(_FRAMES_A_ROUND), "feed"
            rows += feed.rows
            kinds += feed.kinds
        rounds += 1
        if found:
            wrong.append({"round": name, "seed": number, "cut_through": cut_through,
                          "wrong": found})
            _tell("".join(f"{name}, seed {number}: {text}\n" for text in found).rstrip())
        passed = time.monotonic() - began
        left = passed * max(0, frames - kinds.total()) / kinds.total()
        _tell(f"{kinds.total():,} of {frames:,} frames, {rounds} rounds, {len(wrong)} wrong, "
              f"{left:.0f} s left")
    return {"frames": kinds.total(), "rounds": rounds, "seed": seed, "profile": profile,
            "rows_right": rows, "orders": orders, "frames_by_kind": dict(sorted(kinds.items())),
            "wrong": wrong, "seconds": round(time.monotonic() - began, 1)}


def main(arguments: list[str] | None = None) -> int:
    """Fuzz; return the exit status."""
    options = _arguments().parse_args(arguments)
    try:
        found = fuzz(options.frames, options.seed, options.profile)
    except SimulationError as error:
        _tell(f"error: {error}")
        return 1
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{found['frames']:,} frames in {found['rounds']} rounds from seed {found['seed']} on, "
          f"profile {found['profile']}: {found['rows_right']:,} rows of books right, "
          f"{found['orders']:,} orders, {len(found['wrong'])} rounds with something wrong")
    return 1 if found["wrong"] else 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # the native libraries' memory goes with the process
