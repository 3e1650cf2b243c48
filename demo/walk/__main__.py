"""Walk through a page: ``python -m demo.walk --help``."""

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

from control.client.connection import DEFAULT_SERVER
from demo.walk.compare import differences, lasting
from demo.walk.page import Block, PageError, Picture, parse, rendered
from demo.walk.shell import Shell, copy_project, free_port
from sim.market_data import DATA_VARIABLE, data_folder

__all__ = ["PAGE", "main", "walk"]

_ROOT = Path(__file__).resolve().parents[2]

#: The page that is walked through.
PAGE = _ROOT / "docs/first-hour.md"

#: Commands print without colours; pictures have them.
_COLOURED = "env -u NO_COLOR TERM=xterm-256color COLORTERM=truecolor"
_FAILED = "failed, exit status"


def walk(page: Path, folder: Path, *, write: bool = False, pictures: bool = False) -> list[str]:
    """Run the commands of a page in a copy of the project; return what is not as the page says.

    Parameters
    ----------
    page : Path
        Markdown.
    folder : Path
        Where the copy shall stand; empty.
    write : bool
        Put what was printed into the page, unless a command failed.
    pictures : bool
        Make its pictures anew.
    """
    page = page.resolve()       # the shell is elsewhere
    text = page.read_text(encoding="utf-8")
    parts = parse(text)
    copy_project(folder)
    data, server = data_folder(), f"127.0.0.1:{free_port()}"
    shell = Shell(folder, {"TICKWIRE_SERVER": server, "UP": f"--listen {server}",
                           **({DATA_VARIABLE: str(data)} if data else {})})
    wrong: list[str] = []
    outputs: dict[int, list[str]] = {}
    try:
        for part in parts:
            if isinstance(part, Picture):
                wrong += _picture(shell, page, part, make=pictures)
            elif not part.data or data is not None:
                wrong += _run(shell, part, outputs)
    finally:
        shell.run("make down >/dev/null 2>&1")
        shell.close()
    if write and not _failures(wrong):
        # As it looks where the address is the usual one.
        shown = {number: [line.replace(f" --server {server}", "").replace(server, DEFAULT_SERVER)
                          for line in output] for number, output in outputs.items()}
        page.write_text(rendered(text, lambda step: shown.get(step.line)), encoding="utf-8")
    return wrong


def _failures(wrong: list[str]) -> bool:
    """Return whether a command failed, which is more than another output."""
    return any(_FAILED in line for line in wrong)


def _run(shell: Shell, block: Block, outputs: dict[int, list[str]]) -> list[str]:
    """Run the commands of a block; return what is wrong, and keep what changes."""
    wrong: list[str] = []
    for step, after in zip(block.steps, [*block.steps[1:], None], strict=True):
        began = time.monotonic()
        status, output = shell.run(step.command)
        shown = block.shown(lasting(output))
        sys.stderr.write(f"{time.monotonic() - began:6.1f} s  {step.command.splitlines()[0]}\n")
        if found := differences(step.output, shown, live=block.live):
            wrong += [f"line {step.line}: $ {step.command}", *found]
        if found or block.live:
            outputs[step.line] = shown
        told = after is not None and after.command == "echo $?"
        if status and not told:
            wrong += [f"line {step.line}: $ {step.command}", f"{_FAILED} {status}",
                      *output[-10:]]
    return wrong


def _picture(shell: Shell, page: Path, picture: Picture, *, make: bool) -> list[str]:
    target = page.parent / picture.path
    if make:
        status, output = shell.run(
            f"{_COLOURED} python -m demo.walk.pictures {picture.words} {target}")
        return [f"{picture.path}: {_FAILED} {status}", *output] if status else []
    return [] if target.exists() else [f"line {picture.line + 1}: no picture {target}"]


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo.walk", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Example: python -m demo.walk --write\n\nRun the commands of a page in a copy "
                    "of the project, and compare what they print with what it shows.\nStatus 1 if "
                    "something is different, or a command fails that the page does not say of.")
    parser.add_argument("page", type=Path, nargs="?", default=PAGE,
                        help="Markdown (default: docs/first-hour.md)")
    parser.add_argument("--write", action="store_true",
                        help="put what is printed into the page")
    parser.add_argument("--pictures", action="store_true", help="make its pictures anew")
    return parser


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(arguments: list[str] | None = None) -> int:
    """Walk; return the exit status."""
    options = _arguments().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupt)       # the market must be ended
    try:
        with tempfile.TemporaryDirectory(prefix="walk-") as folder:
            wrong = walk(options.page, Path(folder), write=options.write,
                         pictures=options.pictures)
    except KeyboardInterrupt:
        return 130
    except (PageError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write("".join(f"{line}\n" for line in wrong))
    failed = _failures(wrong) if options.write else bool(wrong)
    if options.write:
        sys.stdout.write(f"{options.page} is as it was, as a command failed\n" if failed else
                         f"written: {options.page}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
