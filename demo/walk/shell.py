"""A shell that goes on from command to command, in a copy of the project."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import IO

from demo.walk.page import PageError

__all__ = ["Shell", "copy_project", "free_port"]

_ROOT = Path(__file__).resolve().parents[2]
#: Made once, found by their hash, and so shared by all copies.
_SHARED = ("verilog", "verilated")


def copy_project(folder: Path) -> None:
    """Copy what git knows of the project, as it stands, with the built simulations and .venv.

    Every file is older than what set-up has installed, so that nothing is installed again: it would
    be installed for the copy, and for the project no more.
    """
    listed = subprocess.run(["git", "-C", str(_ROOT), "ls-files", "-z", "--cached", "--others",
                             "--exclude-standard"], check=True, capture_output=True, text=True)
    environment = _ROOT / ".venv"
    past = min([time.time(), *(path.stat().st_mtime for name in (".installed", ".stubs")
                               if (path := environment / name).exists())]) - 60
    for name in filter(None, listed.stdout.split("\0")):
        source, target = _ROOT / name, folder / name
        if not source.is_file() or source.is_symlink():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
        os.utime(target, (past, past))
    (folder / "build").mkdir()
    (folder / ".venv").symlink_to(environment)
    built = Path(os.environ.get("TICKWIRE_BUILD", _ROOT / "build"))
    for name in _SHARED:
        (built / name).mkdir(parents=True, exist_ok=True)
        (folder / "build" / name).symlink_to(built / name)
    # A clone is asked for its commit, and can take a change back.
    for arguments in (["init", "-q"], ["add", "."],
                      ["-c", "user.name=walk", "-c", "user.email=walk@localhost", "commit", "-q",
                       "-m", "the project"]):
        subprocess.run(["git", "-C", str(folder), *arguments], check=True)


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Shell:
    """A bash in a folder, with both streams of output in one.

    Parameters
    ----------
    folder : Path
        Where it is.
    variables : dict
        Environment variables besides those of this process.
    """

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        # With CI set pytest prints more.
        inherited = {name: value for name, value in os.environ.items() if name != "CI"
                     and not name.startswith(("PYTEST_", "MAKE", "MFLAGS", "TICKWIRE_BUILD"))}
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"], cwd=folder, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1,
            env={**inherited, "PYTHONPATH": str(folder), "NO_COLOR": "1", "TERM": "dumb",
                 "COLUMNS": "100", "LC_ALL": "C.UTF-8", "NO_APT": "1", **variables},
            start_new_session=True)

    def run(self, command: str) -> tuple[int, list[str]]:
        """Run a command; return its exit status and what it printed.

        Raises
        ------
        PageError
            If the shell ends.
        """
        mark = f"end-{secrets.token_hex(8)}"
        stdin, stdout = self._pipes()
        stdin.write(f"{{ {command}\n}} </dev/null; set -- $?; printf '\\n{mark} %d\\n' $1; "
                    f"(exit $1)\n")
        stdin.flush()
        lines: list[str] = []
        for line in stdout:
            if line.startswith(mark):
                if lines and not lines[-1]:      # of the line break before the mark
                    lines.pop()
                return int(line.split()[1]), lines
            lines.append(line.rstrip("\n"))
        raise PageError(f"the shell ended in: {command}")

    def close(self) -> None:
        """End it, with what it has started and not put into the background."""
        stdin, stdout = self._pipes()
        stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait()
        stdout.close()

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        return stdin, stdout
