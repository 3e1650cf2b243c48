"""Verilator's lint over the emitted Verilog of profiles: ``python -m sim.lint [PROFILE ...]``."""

import argparse
import subprocess
import sys
from pathlib import Path

from hdl.profile import PROFILES
from sim import verilate

__all__ = ["lint", "main"]

#: What is said of the way in which Yosys writes Verilog, not of a design: it extends operands by
#: the rules of the language, leaves cases open whose values were assigned before, compares with
#: constants whatever they are, and keeps records in one vector, whose fields look like loops.
_OF_THE_WRITER = ("WIDTHEXPAND", "WIDTHTRUNC", "CASEINCOMPLETE", "UNSIGNED", "CMPCONST",
                  "UNOPTFLAT")


def lint(verilog: Path) -> str:
    """Return what Verilator finds; nothing if it is clean."""
    done = subprocess.run(
        [*verilate.verilator(), "--lint-only", "--top-module", "design",
         *(f"-Wno-{name}" for name in _OF_THE_WRITER), str(verilog)],
        env=verilate.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False)
    if done.returncode and not done.stdout:
        return f"status {done.returncode}"
    return done.stdout if done.returncode or "%Warning" in done.stdout else ""


def main(argv: list[str] | None = None) -> int:
    """Lint profiles; status 1 if anything is found."""
    parser = argparse.ArgumentParser(
        prog="python -m sim.lint", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Example: python -m sim.lint ecp5\n\n"
                    "Check the emitted Verilog of profiles with Verilator's lint.")
    parser.add_argument("profile", nargs="*", metavar="PROFILE",
                        help=f"{', '.join(PROFILES)} (default: every one)")
    options = parser.parse_args(argv)
    if unknown := set(options.profile) - set(PROFILES):
        parser.error(f"PROFILE must be one of {', '.join(PROFILES)}, was {sorted(unknown)[0]!r}")
    found = False
    for profile in options.profile or PROFILES:
        # What tests simulate, so it has often been emitted before.
        verilog = verilate.emit(verilate.APPLIANCE, {"profile": profile}).verilog
        findings = lint(verilog)
        found = found or bool(findings)
        sys.stdout.write(f"{findings}{profile}: {'findings' if findings else 'clean'}\n")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
