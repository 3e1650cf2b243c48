"""The control plane against the registers of the Verilated appliance, as software sees them."""

import pytest

from control.models import linear_model
from proto.features import FEATURES
from sim.appliance import Appliance
from tests.unit.control.fake_appliance import FakeAppliance
from tests.unit.control.plant import running_plant
from tests.unit.control.ready import WEIGHTS

pytestmark = pytest.mark.e2e

#: Cycles between two operations, at least.
OPERATION_CYCLES = 8


class GatewareRegisters:
    """The register bus of a simulated appliance; time passes with the host's questions."""

    def __init__(self, appliance):
        self.map = appliance.map
        self._simulation = appliance.simulation

    def read(self, address):
        return self._simulation.csr_read(address)

    def write(self, address, value):
        self._simulation.csr_write(address, value)
        self._simulation.run(OPERATION_CYCLES)

    def watchdog(self):
        """Let some time pass."""
        self._simulation.run(1000)


@pytest.fixture(scope="module")
def plant():
    with Appliance() as appliance, running_plant(
            FakeAppliance(GatewareRegisters(appliance))) as plant:
        yield plant


def register(plant, name):
    return plant.call(plant.registers.read, plant.registers.map[name].address)


def test_rows_are_read_back_from_the_tables_that_use_them(plant):
    plant.json("symbols", "set", "AAPL", "--locate", "14")
    plant.json("symbols", "set", "MSFT")
    limits = plant.json("limits", "set", "MSFT", "--quantity", "500", "--value", "900000000",
                        "--collar", "5", "--collar-minimum", "0.10", "--long", "2000", "--short",
                        "1000", "--open-orders", "4")["limits"]
    assert limits["maximum_value_e4"] == 9_000_000_000_000
    row = plant.json("strategy", "set", "MSFT", "--buy", "-5", "--sell", "6", "--quantity", "100",
                     "--offset", "-0.01", "--near", "--day", "--enable")["strategy"]
    assert plant.json("limits", "list")["limits"] == [limits]
    assert plant.json("strategy", "list")["strategies"][1] == row
    plant.json("limits", "revoke", "MSFT")
    assert plant.json("limits", "list")["limits"] == []


def test_models_go_to_the_idle_bank(plant, tmp_path):
    model = linear_model(name="demo", weights=WEIGHTS, bias=-1000, fraction_bits=8,
                         vectors=[range(len(FEATURES))])
    path = tmp_path / "model.json"
    path.write_text(model.to_json())
    for epoch, bank in ((1, 0), (2, 1), (3, 0)):
        loaded = plant.json("model", "load", str(path))["model"]
        assert (loaded["epoch"], loaded["bank"], loaded["loaded"]) == (epoch, bank, True)
        assert (loaded["weights"], loaded["bias"]) == (list(WEIGHTS), -1000)


def test_kill_latches_until_it_is_cleared(plant):
    killed = plant.json("kill", "--reason", "test")["risk"]
    assert killed["killed"] and killed["causes"] == ["operator"]
    cleared = plant.json("kill", "clear", "--reason", "over")["risk"]
    assert not cleared["killed"] and not cleared["armed"] and cleared["causes"] == []


def test_the_watchdog_wants_its_heartbeat(plant):
    arm = (plant.registers.map["risk.command"].address, 1)
    plant.json("limits", "session", "--watchdog-ns", "0")
    plant.call(plant.registers.write, *arm)
    assert not plant.json("status")["status"]["armed"]
    plant.json("limits", "session", "--watchdog-ns", "1000000000")
    plant.call(plant.registers.write, *arm)
    assert plant.json("status")["status"]["armed"]
    plant.json("limits", "session", "--watchdog-ns", "1")
    plant.until(lambda: plant.json("status")["status"]["killed"])
    assert plant.json("status")["status"]["kill_causes"] == ["watchdog"]
    plant.json("limits", "session", "--watchdog-ns", "1000000000")
    plant.json("kill", "clear", "--reason", "over")


def test_session_settings_and_state(plant):
    plant.json("session", "set", "--local-mac", "02:00:00:00:00:02", "--local-ip", "10.0.0.2",
               "--local-port", "40000", "--peer-ip", "10.0.0.1", "--peer-port", "9000",
               "--username", "TICK", "--user-ref-num", "77")
    shown = plant.json("session", "show")
    assert shown["session"]["username"] == "TICK" and shown["state"]["next_user_ref_num"] == 77
    status, said = plant.refused("session", "up", "--timeout-ms", "100")
    assert (status, "TCP resolve" in said) == (1, True)       # nobody answers by ARP
    assert register(plant, "session.enable") == 0


def test_positions_money_and_latency_can_be_read(plant):
    account = plant.json("positions")
    assert [row["symbol"] for row in account["positions"]] == ["AAPL@XNAS", "MSFT@XNAS"]
    assert account["cash_e4"] == account["turnover_e4"] == 0
    load = plant.registers.map["positions[1].load"].address
    plant.call(plant.registers.write, plant.registers.map["account.load_position"].address,
               2**32 - 40)
    plant.call(plant.registers.write, load, 1)
    plant.call(plant.registers.watchdog)
    assert [row["position"] for row in plant.json("positions")["positions"]] == [0, -40]
    assert plant.json("latency")["orders"] == 0


def test_arp_entries_are_read_back_from_the_cache_of_the_port(plant):
    entries = [{"ip": f"10.{number}.0.254", "mac": f"02:00:5e:{number:02x}:ab:{255 - number:02x}",
                "fixed": True} for number in range(4)]
    for entry in entries:
        assert plant.json("arp", "set", entry["ip"], entry["mac"])["entry"] == entry
    assert plant.json("arp", "list")["entries"] == entries
    entries[2]["mac"] = "02:00:00:00:00:07"
    plant.json("arp", "set", entries[2]["ip"], entries[2]["mac"])
    plant.json("arp", "remove", entries.pop(1)["ip"])
    assert plant.json("arp", "list")["entries"] == entries
    assert register(plant, "arp_cache.fixed") == 0b1101


def test_the_feeds_own_addresses_are_read_back(plant):
    found = plant.json("feed", "set", "--group", "239.1.2.3", "--igmp", "2", "--local-mac",
                       "02:00:00:00:00:03", "--local-ip", "10.0.0.3")["feed"]
    assert plant.json("feed", "show")["feed"] == found and found["igmp"] == "version_2"
    assert register(plant, "feed.igmp") == 2
