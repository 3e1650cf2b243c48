"""Commands of ``tickwire`` as a person would type them, in this process."""

import io
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from control.cli.environment import Environment
from control.cli.main import run
from control.errors import ExitStatus
from demo.errors import DemoError
from demo.processes import ROOT

__all__ = ["Desk"]

#: No command takes longer.
_LONGEST_S = 90.0


class Desk:
    """A desk at a management service.

    The commands are those of the command line, and reach the service over gRPC as from a shell;
    only that no process is started for each.

    Parameters
    ----------
    server : str
        ``HOST:PORT`` of the service.
    show : callable
        Takes the text of each command that changes something.
    password : str
        Of the order session.
    """

    def __init__(self, server: str, *, show: Callable[[str], None], password: str = "") -> None:
        # The writer is that of a shell of the same user, who may go on without waiting.
        self._variables = {"TICKWIRE_SERVER": server, "TICKWIRE_PASSWORD": password}
        if writer := os.environ.get("TICKWIRE_WRITER"):
            self._variables["TICKWIRE_WRITER"] = writer
        self._show = show

    def do(self, *arguments: str) -> dict[str, Any]:
        """Run a command that changes something, and show it; return what it prints.

        Raises
        ------
        DemoError
            If it fails.
        """
        self._show(f"tickwire {shlex.join(arguments)}")
        return self.ask(*arguments)

    def ask(self, *arguments: str) -> dict[str, Any]:
        """Run a command and return what it prints.

        Raises
        ------
        DemoError
            If it fails.
        """
        out, err = io.StringIO(), io.StringIO()
        environment = Environment(stdin=io.StringIO(), stdout=out, stderr=err,
                                  variables=self._variables)
        status = run([*arguments, "--output", "json"], environment)
        return _answer(arguments, status, out.getvalue(), err.getvalue())

    def beside(self, *arguments: str) -> "Beside":
        """Start a command that waits for something, in a process of its own."""
        self._show(f"tickwire {shlex.join(arguments)}")
        process = subprocess.Popen(
            [sys.executable, "-m", "control", *arguments, "--output", "json"], cwd=ROOT, text=True,
            env={**os.environ, **self._variables}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        return Beside(arguments, process)


class Beside:
    """A command that runs beside the desk's others."""

    def __init__(self, arguments: tuple[str, ...], process: subprocess.Popen[str]) -> None:
        self._arguments = arguments
        self._process = process

    @property
    def ended(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._process.poll() is not None

    def end(self) -> dict[str, Any]:
        """Wait for its end and return what it printed; raises as :meth:`Desk.do`."""
        out, err = self._process.communicate(timeout=_LONGEST_S)
        return _answer(self._arguments, self._process.returncode, out, err)


def _answer(arguments: tuple[str, ...], status: int, out: str, err: str) -> dict[str, Any]:
    if status == ExitStatus.INTERRUPTED:
        raise KeyboardInterrupt
    if status:
        raise DemoError(f"tickwire {shlex.join(arguments)}: status {status}\n    {_reason(err)}")
    found: dict[str, Any] = json.loads(out)
    return found


def _reason(err: str) -> str:
    """Return what a command has said, the error that it told as JSON in words."""
    *before, last = err.strip().splitlines() or [""]
    with suppress(ValueError, KeyError, TypeError):
        last = f"tickwire: {json.loads(last)['error']['message']}"
    return "\n    ".join([*before, last])
