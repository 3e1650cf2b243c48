"""A person at the command line, as a process: ``python -m tests.support.operator``.

Each line of standard input is a JSON list of arguments of ``tickwire``; each is answered by a line
with the exit status, what was printed and what was said. One process for many commands, since
starting Python for each takes longer than what is tested.
"""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["ControlServer", "Operator"]

ROOT = Path(__file__).resolve().parents[2]


class ControlServer:
    """The management service as a process of its own, so that it can be killed for real.

    Parameters
    ----------
    device : str
        Management port of the appliance.
    arguments : str
        Further arguments of ``tickwire serve``.
    """

    def __init__(self, device: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "control", "serve", "--device", device, "--listen",
             "127.0.0.1:0", *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=False)
        assert self.process.stderr is not None
        os.set_blocking(self.process.stderr.fileno(), False)
        self.said = b""

    def address(self) -> str:
        """Return where it listens; empty as long as it does not."""
        assert self.process.stderr is not None
        self.said += self.process.stderr.read() or b""
        assert self.process.poll() is None, self.said.decode()
        _, found, rest = self.said.partition(b"listening on ")
        line, ended, _ = rest.partition(b"\n")
        return line.decode() if found and ended else ""

    def kill(self) -> None:
        """End it by signal 9: it can do nothing about it."""
        self.process.kill()
        assert self.process.wait(timeout=10) == -9
        self.close()

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def terminate(self) -> None:
        """Ask it to end."""
        self.process.terminate()

    def close(self) -> None:
        """Close its pipe."""
        assert self.process.stderr is not None
        self.process.stderr.close()


class Operator:
    """The other end of the process of this module."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.operator"], cwd=ROOT, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=False)
        assert self.process.stdin is not None and self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        self._answer = b""

    def fileno(self) -> int:
        """Return the descriptor of the answers, for select."""
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def begin(self, *arguments: str) -> None:
        """Give a command."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(arguments).encode() + b"\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any] | None:
        """Return the answer to the command, None as long as there is none."""
        assert self.process.stdout is not None
        self._answer += self.process.stdout.read() or b""
        if not self._answer.endswith(b"\n"):
            assert self.process.poll() is None
            return None
        line, self._answer = self._answer, b""
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(timeout=10)
        self.process.stdout.close()


def main() -> None:
    """Obey until the end of standard input."""
    from control.cli.environment import Environment
    from control.cli.main import run

    out = sys.stdout
    for line in sys.stdin:
        environment = Environment(stdin=io.StringIO(), stdout=io.StringIO(), stderr=io.StringIO(),
                                  variables={"TICKWIRE_WRITER": "operator"})
        status = run(json.loads(line), environment)
        out.write(json.dumps({"status": int(status), "out": environment.stdout.getvalue(),
                              "said": environment.stderr.getvalue()}) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
