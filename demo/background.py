"""A market, an appliance and a control plane that go on in the background: up and down.

A keeper, a process of its own, starts the three, sets them up and lets time run, at most as fast as
on the wall. It ends all of them when it is asked to, or when one of them ends. What it is doing
stands in ``state.json``, what it said in ``keeper.log``.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from demo.errors import DemoError
from demo.market import population
from demo.model import threshold_of, write_model
from demo.processes import ROOT, tail
from demo.settings import TradingSettings, set_up
from demo.stage import APPLIANCE, CONTROL, EXCHANGE, stage
from sim.errors import SimulationError

__all__ = ["FOLDER", "UpSettings", "bring_down", "bring_up", "keep"]

FOLDER = Path("build/run")

_KEEPER = "keeper"
_MODULES = {_KEEPER: "demo", EXCHANGE: "sim.exchange", APPLIANCE: "sim", CONTROL: "control"}
#: Quiet enough to be played with at about the speed of the wall clock.
_ACTIONS_PER_SECOND = 250
_OPENING_NS = 20_000_000
_SLICE_NS = 10_000_000
_LOOK_S = 0.1
_GRACE_S = 60.0

_STARTING, _UP, _FAILED, _ENDED = "starting", "up", "failed", "ended"


@dataclass(frozen=True, kw_only=True)
class UpSettings:
    """What is kept up.

    Attributes
    ----------
    seed : int
        Of the market.
    profile : str
        Sizes of the appliance.
    listen : str
        Where the management service listens.
    folder : Path
        For state, logs and numbers of processes.
    """

    seed: int = 1
    profile: str = "bench"
    listen: str = "127.0.0.1:5450"
    folder: Path = FOLDER


class _EndedError(Exception):
    """The keeper was asked to end before everything was up."""


def bring_up(settings: UpSettings, tell: Callable[[str], None]) -> bool:
    """Start the keeper and wait until everything is up; return False if it was up already.

    Raises
    ------
    DemoError
        If something does not come up; nothing is left running then.
    """
    folder = settings.folder
    if _pid(folder, _KEEPER) is not None:
        if _state(folder).get("state") != _UP:
            raise DemoError("it is being started by somebody else; `make down` ends that")
        return False
    _end_left_over(folder, tell)
    _check_free(settings.listen)
    folder.mkdir(parents=True, exist_ok=True)
    _set_state(folder, _STARTING)
    log = folder / f"{_KEEPER}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "demo", "keep", "--seed", str(settings.seed), "--profile",
             settings.profile, "--listen", settings.listen, "--folder", str(folder.resolve())],
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    (folder / f"{_KEEPER}.pid").write_text(f"{process.pid}\n", encoding="ascii")
    try:
        _follow(process, folder, log, tell)
    except KeyboardInterrupt:
        process.terminate()
        process.wait(_GRACE_S)
        raise
    return True


def _check_free(listen: str) -> None:
    """Refuse an address that somebody else listens at, before anything is started."""
    host, _, port = listen.rpartition(":")
    if not port.isdigit():
        raise DemoError(f"listen must be HOST:PORT, was {listen!r}")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except (OSError, OverflowError) as error:
            raise DemoError(f"{listen} cannot be had ({error}): choose another address, "
                            f"make up UP=\"--listen 127.0.0.1:PORT\"") from None


def _follow(process: "subprocess.Popen[bytes]", folder: Path, log: Path,
            tell: Callable[[str], None]) -> None:
    """Repeat what the keeper says until everything is up."""
    shown = 0
    while True:
        ended = process.poll() is not None
        state = _state(folder).get("state")
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        for line in lines[shown:]:
            tell(line)
        shown = len(lines)
        if ended:
            (folder / f"{_KEEPER}.pid").unlink(missing_ok=True)
            _set_state(folder, _ENDED)      # why has been told
            raise DemoError(f"it did not come up; logs are in {folder}")
        if state == _UP:
            return
        time.sleep(_LOOK_S)


def bring_down(folder: Path, tell: Callable[[str], None]) -> bool:
    """End everything; return False if nothing was up.

    Raises
    ------
    DemoError
        If it cannot be ended.
    """
    state = _state(folder)
    keeper = _pid(folder, _KEEPER)
    if state.get("state") == _FAILED:
        tell(f"it had ended by itself: {state.get('reason')}")
    if keeper is None:
        left = _end_left_over(folder, tell)
        _set_state(folder, _ENDED)
        return left
    os.kill(keeper, signal.SIGTERM)
    limit = time.monotonic() + _GRACE_S
    while _pid(folder, _KEEPER) is not None:
        if time.monotonic() > limit:
            tell(f"the keeper does not end, it is killed; the end of its log:\n"
                 f"{tail(folder / f'{_KEEPER}.log')}")
            os.kill(keeper, signal.SIGKILL)
            break
        time.sleep(_LOOK_S)
    (folder / f"{_KEEPER}.pid").unlink(missing_ok=True)
    _end_left_over(folder, tell)
    _set_state(folder, _ENDED)
    return True


def keep(settings: UpSettings, tell: Callable[[str], None]) -> None:
    """Start the three, and let time run until this process is asked to end.

    Raises
    ------
    DemoError
        If one of them does not start, or ends by itself.
    """
    folder = settings.folder
    keeper = _Keeper()
    try:
        model = folder / "model.json"
        calibration = write_model(model)
        tell("model: fitted")
        with stage(folder, seed=settings.seed, profile=settings.profile,
                   population=population(_ACTIONS_PER_SECOND), listen=settings.listen, pcap=None,
                   say=tell, show=lambda text: None) as scene:
            set_up(scene.desk, TradingSettings(threshold=threshold_of(calibration.model)), model)
            scene.run(_OPENING_NS)
            scene.connect()
            tell("order session: up; disarmed")
            keeper.up = True
            _set_state(folder, _UP, server=scene.server, exchange=scene.address)
            try:
                while not keeper.asked:
                    scene.run(_SLICE_NS)
                tell("ending")
                scene.finish()
            except (DemoError, SimulationError) as error:
                _set_state(folder, _FAILED, reason=str(error))    # before the others are ended
                raise
        _set_state(folder, _ENDED)
    except _EndedError:
        _set_state(folder, _ENDED)
    except BaseException as error:
        _set_state(folder, _FAILED, reason=str(error) or type(error).__name__)
        raise


class _Keeper:
    """Whether this process was asked to end; before everything is up that ends it at once."""

    def __init__(self) -> None:
        self.up = False
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)

    def _end(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            return
        self.asked = True
        if not self.up:
            raise _EndedError


def _set_state(folder: Path, state: str, **more: str) -> None:
    if not folder.is_dir():
        return
    written = folder / "state.json.new"
    written.write_text(json.dumps({"state": state, **more}) + "\n", encoding="utf-8")
    written.replace(folder / "state.json")


def _state(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _pid(folder: Path, name: str) -> int | None:
    """Return the number of a process of ours that runs; numbers are used again by others."""
    try:
        pid = int((folder / f"{name}.pid").read_text(encoding="ascii"))
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if _MODULES[name].encode() in words else None


def _end_left_over(folder: Path, tell: Callable[[str], None]) -> bool:
    """End processes whose keeper has gone; return whether there were any."""
    found = False
    for name in (CONTROL, APPLIANCE, EXCHANGE):
        pid = _pid(folder, name)
        if pid is not None:
            tell(f"{name} was left over; it is ended")
            os.kill(pid, signal.SIGKILL)
            found = True
        (folder / f"{name}.pid").unlink(missing_ok=True)
    return found
