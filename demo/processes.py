"""Processes that belong together: started one after the other, ended together."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from demo.errors import DemoError

__all__ = ["ROOT", "Processes", "tail"]

#: Where ``python -m`` finds the packages.
ROOT = Path(__file__).resolve().parents[1]

_LOOK_S = 0.02
_TELL_S = 15.0
#: A process that was asked to end is killed after this.
_GRACE_S = 10.0
_TAIL_LINES = 12
_ABOUT_TO_S = 2.0


def tail(path: Path, lines: int = _TAIL_LINES) -> str:
    """Return the last lines of a log, each indented."""
    try:
        content = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        content = []
    return "\n".join(f"    {line}" for line in content[-lines:]) or "    (it said nothing)"


class Processes:
    """Python modules of this project as processes; leaving the block ends all of them.

    Each is the leader of a session of its own, so Ctrl-C reaches only who has started them, and
    writes a log and a file with its number.

    Parameters
    ----------
    folder : Path
        For ``<name>.log`` and ``<name>.pid``.
    say : callable
        Takes lines about progress.
    """

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._say = say
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        """Return this group; leaving the block ends all processes."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """End what still runs, the youngest first."""
        self.end()

    def log(self, name: str) -> Path:
        """Return where a process writes its log."""
        return self._folder / f"{name}.log"

    def start(self, name: str, arguments: Sequence[str], ready: str, *, timeout_s: float = 60.0,
              slow: str = "") -> str:
        """Start a module and wait until a line of its log tells that it is ready.

        Parameters
        ----------
        name : str
            How it is called.
        arguments : sequence of str
            Module and arguments, as after ``python -m``.
        ready : str
            Regular expression that is found in the log then.
        timeout_s : float
            Longest wait.
        slow : str
            What to tell about a wait that lasts.

        Returns
        -------
        str
            The first group of the expression.

        Raises
        ------
        DemoError
            If it ends, or is not ready in time; with the end of its log.
        """
        with self.log(name).open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"})
        self._running[name] = process
        self._pid(name).write_text(f"{process.pid}\n", encoding="ascii")
        began = told = time.monotonic()
        while True:
            content = self.log(name).read_text(encoding="utf-8", errors="replace")
            if found := re.search(ready, content):
                return found.group(1)
            self.check()
            now = time.monotonic()
            if now - began > timeout_s:
                raise DemoError(f"{name} is not ready after {timeout_s:.0f} s; the end of "
                                f"{self.log(name)}:\n{tail(self.log(name))}")
            if slow and now - told > _TELL_S:
                told = now
                self._say(f"{slow}, {now - began:.0f} s so far")
            time.sleep(_LOOK_S)

    def check(self) -> None:
        """Make sure that every process runs.

        Raises
        ------
        DemoError
            If one has ended; with the end of its log.
        """
        for name, process in self._running.items():
            if (status := process.poll()) is not None:
                raise DemoError(f"{name} has ended by itself, {_how(status)}; the end of "
                                f"{self.log(name)}:\n{tail(self.log(name))}")

    def find_ended(self) -> None:
        """Make sure that every process runs, given that one is about to end; see :meth:`check`."""
        limit = time.monotonic() + _ABOUT_TO_S
        while time.monotonic() < limit:
            self.check()
            time.sleep(_LOOK_S)

    def stop(self, name: str) -> None:
        """Ask a process to end, and wait for it.

        Raises
        ------
        DemoError
            If it fails, or does not end.
        """
        self._running[name].send_signal(signal.SIGTERM)
        self.join(name)

    def join(self, name: str) -> None:
        """Wait for a process that ends by itself.

        Raises
        ------
        DemoError
            If it fails, or does not end.
        """
        try:
            status = self._running[name].wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            raise DemoError(f"{name} does not end; the end of {self.log(name)}:\n"
                            f"{tail(self.log(name))}") from None
        del self._running[name]
        self._pid(name).unlink(missing_ok=True)
        if status:
            raise DemoError(f"{name} has failed, {_how(status)}; the end of {self.log(name)}:\n"
                            f"{tail(self.log(name))}")

    def end(self) -> None:
        """End what still runs, the youngest first, by force if need be."""
        for name, process in reversed(self._running.items()):
            process.terminate()
            try:
                process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            self._pid(name).unlink(missing_ok=True)
        self._running.clear()

    def _pid(self, name: str) -> Path:
        return self._folder / f"{name}.pid"


def _how(status: int) -> str:
    if status < 0:
        return f"by signal {signal.Signals(-status).name}"
    return f"with status {status}"
