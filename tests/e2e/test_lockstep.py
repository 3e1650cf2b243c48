"""Simulated time against wall time: heartbeats come by the one, the watchdog counts the other."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from demo.errors import DemoError
from demo.model import threshold_of, write_model
from demo.settings import TradingSettings, set_up
from demo.stage import CONTROL, stage
from sim.exchange.population_settings import PopulationSettings

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
MS_NS = 1_000_000
WATCHDOG_NS = 1000 * MS_NS
#: So quiet that simulated time could run many times as fast as wall time.
QUIET = PopulationSettings(actions_per_second=20)


def status(server: str) -> dict:
    found = subprocess.run(
        [sys.executable, "-m", "control", "status", "--server", server, "--output", "json"],
        cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(found.stdout)["status"]


def test_the_watchdog_spares_a_control_plane_that_lives_and_finds_one_that_was_killed(tmp_path):
    model = tmp_path / "model.json"
    threshold = threshold_of(write_model(model).model)
    with stage(tmp_path, seed=3, profile="bench", population=QUIET, listen="127.0.0.1:0",
               pcap=None, say=lambda text: None, show=lambda text: None) as scene:
        set_up(scene.desk, TradingSettings(threshold=threshold, watchdog_ns=WATCHDOG_NS), model)
        scene.run(20 * MS_NS)
        scene.connect()
        scene.desk.do("arm", "--yes")
        scene.run(2 * WATCHDOG_NS)
        assert scene.desk.ask("status")["status"]["armed"]

        device = (tmp_path / "appliance.log").read_text().split()[2].rstrip(",")
        os.kill(int((tmp_path / f"{CONTROL}.pid").read_text()), signal.SIGKILL)
        # Time goes on without it, and nobody but the hardware is left to stop trading.
        scene.controller.run_until(scene.now_ns + 2 * WATCHDOG_NS)
        with pytest.raises(DemoError, match="control has ended by itself, by signal SIGKILL"):
            scene.processes.check()
        again = subprocess.Popen(
            [sys.executable, "-m", "control", "serve", "--device", device, "--take-over",
             "--listen", "127.0.0.1:0"], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        try:
            line = again.stderr.readline()
            found = status(line.split()[-1])
        finally:
            again.terminate()
            again.communicate()
        assert found["killed"] and not found["armed"] and found["kill_causes"] == ["watchdog"]
