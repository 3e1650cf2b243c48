"""Run Python in a copy of this process that has forgotten the project but not what it stands on.

Amaranth, scapy and pytest take longer to import than most tests to fail.
"""

import importlib
import os
import runpy
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Finished", "run_module", "run_pytest"]

_PROJECT = ("proto", "hdl", "control", "sim", "demo", "tests")
_FOUNDATIONS = ("numpy", "pytest", "amaranth", "amaranth.back.rtlil", "amaranth.lib.wiring",
                "amaranth.lib.data", "amaranth.lib.memory", "amaranth.sim", "scapy.layers.inet",
                "scapy.layers.l2")
_POLL_SECONDS = 0.05
_WALL_SECONDS = 3600


@dataclass(frozen=True)
class Finished:
    """What a run has left: its status, -1 if it had to be ended, and all that it printed."""

    status: int
    text: str


def run_pytest(root: Path, arguments: list[str], environment: dict[str, str]) -> Finished:
    """Run pytest in a project at `root`."""
    def start() -> int:
        import pytest
        return int(pytest.main(arguments))

    return _run(start, root, environment)


def run_module(root: Path, module: str, arguments: list[str],
               environment: dict[str, str]) -> Finished:
    """Run ``python -m module`` in a project at `root`."""
    def start() -> int:
        sys.argv = [module, *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        return 0

    return _run(start, root, environment)


def _run(start: Callable[[], int], root: Path, environment: dict[str, str]) -> Finished:
    for name in _FOUNDATIONS:
        importlib.import_module(name)
    sys.stdout.flush()
    sys.stderr.flush()
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
                # Whatever has taken their place in this process, such as a test that captures.
                sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
                os.chdir(root)
                os.environ.clear()
                os.environ.update(environment)
                for name in list(sys.modules):
                    if name.partition(".")[0] in _PROJECT:
                        del sys.modules[name]
                sys.path[0] = str(root)
                status = start()
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        status = _wait(child)
        output.seek(0)
        return Finished(status, output.read().decode(errors="replace"))


def _wait(child: int) -> int:
    end = time.monotonic() + _WALL_SECONDS
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(_POLL_SECONDS)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return -1
