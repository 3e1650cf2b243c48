"""Exchange, appliance and control plane as three processes in lockstep."""

import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.desk import Desk
from demo.errors import DemoError
from demo.market import exchange_arguments
from demo.processes import Processes
from demo.settings import PASSWORD
from sim.exchange.lockstep import LockstepController, LockstepError
from sim.exchange.population_settings import PopulationSettings

__all__ = ["APPLIANCE", "CONTROL", "EXCHANGE", "Stage", "stage"]

EXCHANGE, APPLIANCE, CONTROL = "exchange", "appliance", "control"

#: The simulation is built the first time.
_BUILD_S = 1800.0
_MS_NS = 1_000_000


@dataclass
class Stage:
    """The processes, once they run.

    Attributes
    ----------
    processes : Processes
        All three.
    controller : LockstepController
        Lets time run.
    desk : Desk
        Commands.
    server : str
        ``HOST:PORT`` of the management service.
    address : str
        Where the exchange takes commands.
    now_ns : int
        Simulated time, ns since midnight.
    """

    processes: Processes
    controller: LockstepController
    desk: Desk
    server: str
    address: str
    now_ns: int

    def run(self, duration_ns: int) -> None:
        """Let time run.

        Raises
        ------
        DemoError
            If a process has ended.
        """
        self.run_until(self.now_ns + duration_ns)

    def run_until(self, until_ns: int) -> None:
        """Let time run up to a moment; see :meth:`run`."""
        try:
            self.now_ns = self.controller.run_until(until_ns)
        except LockstepError:
            self.processes.find_ended()     # says more than that somebody is gone
            raise
        self.processes.check()

    def connect(self) -> None:
        """Bring the order session up; the time that it takes is always the same.

        Raises
        ------
        DemoError
            If it does not come up.
        """
        came_up = self.desk.beside("session", "up", "--timeout-ms", "60000")
        # The command has taken effect while time stands still; its outcome needs time.
        while (self.desk.ask("session", "show")["state"]["tcp"] == "closed"
               and not came_up.ended):
            self.processes.check()
        self.run(10 * _MS_NS)
        came_up.end()

    def finish(self) -> dict[str, Any]:
        """End the control plane, then the day, and wait for the processes.

        Returns
        -------
        dict
            The exchange's final status.

        Raises
        ------
        DemoError
            If a process fails.
        """
        self.processes.stop(CONTROL)
        final = self.controller.finish()
        self.processes.join(APPLIANCE)
        self.processes.join(EXCHANGE)
        return final


@contextmanager
def stage(folder: Path, *, seed: int, profile: str, population: PopulationSettings,
          listen: str, pcap: Path | None, say: Callable[[str], None],
          show: Callable[[str], None], recording: Path | None = None,
          drop_copy: Path | None = None) -> Generator[Stage]:
    """Start the processes for the length of a block; time stands still.

    Parameters
    ----------
    folder : Path
        For logs and numbers of the processes.
    seed : int
        Of the market.
    profile : str
        Sizes of the appliance.
    population : PopulationSettings
        The market.
    listen : str
        Where the management service listens; port 0 takes a free one.
    pcap : Path or None
        File for the frames of the order line.
    say, show : callable
        Take lines about progress, and commands.
    recording : Path or None
        File for what goes into the appliance and comes out.
    drop_copy : Path or None
        File for the venue's answers, each once.

    Raises
    ------
    DemoError
        If a process does not start.
    """
    with (tempfile.TemporaryDirectory(prefix="tickwire-") as place,
          Processes(folder, say) as processes):
        address = str(Path(place) / "exchange")    # short: paths of sockets must be
        processes.start(EXCHANGE, [
            "sim.exchange", "serve", "--listen", address, "--seed", str(seed),
            *exchange_arguments(population), *(["--pcap", str(pcap.resolve())] if pcap else [])],
            r"listening on (\S+)")
        say("exchange: up")
        port = processes.start(
            APPLIANCE, ["sim", "run", "--profile", profile, "--port", "0", "--exchange", address,
                        *(["--record", str(recording.resolve())] if recording else []),
                        *(["--drop-copy", str(drop_copy.resolve())] if drop_copy else [])],
            r"managed at 127\.0\.0\.1:(\d+)", timeout_s=_BUILD_S,
            slow="appliance: the simulation is being built, once, in a minute or two")
        say(f"appliance: up, profile {profile}")
        server = processes.start(
            CONTROL, ["control", "serve", "--device", f"127.0.0.1:{port}", "--listen", listen],
            r"listening on (\S+)")
        say(f"control plane: up at {server}")
        try:
            controller = LockstepController(address, "demo")
        except OSError as error:
            raise DemoError(f"the exchange cannot be reached: {error}") from error
        with controller:
            yield Stage(processes, controller,
                        Desk(server, show=show, password=PASSWORD), server, address,
                        int(controller.welcome["now_ns"]))
