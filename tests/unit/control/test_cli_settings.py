"""The command line: symbols, limits, models, strategies and the feed are set and read back."""

import json

import pytest

from control.errors import ExitStatus
from proto.features import FEATURES
from tests.unit.control.ready import LIMITS, WEIGHTS


def test_status_says_what_the_appliance_is(plant):
    answer = plant.json("status")
    assert answer["revision"] == 1
    status = answer["status"]
    assert (status["version"], status["symbols"]) == ("0.1.0", 4)
    assert status["map_hash"] == plant.registers.map.hash
    assert not status["armed"] and status["kill_causes"] == []
    _, text, _ = plant.command("status")
    assert "armed: no" in text.splitlines()


def test_symbols_are_watched_and_removed(plant):
    answer = plant.json("symbols", "set", "AAPL@XNAS", "--tick", "0.01", "--locate", "14")
    assert answer == {"revision": 2, "symbol": {"symbol": "AAPL@XNAS", "symbol_index": 0,
                                                "tick_size_e4": 100, "locate": 14}}
    plant.json("symbols", "set", "MSFT", "--tick", "0.0001")
    words = plant.registers
    assert (words["symbols[0].stock_hi"], words["symbols[0].stock_lo"]) == (
        int.from_bytes(b"AAPL", "big"), int.from_bytes(b"    ", "big"))
    assert (words["symbols[0].reciprocal"], words["symbols[0].shift"]) == (83886, 6)
    assert words["symbols[1].locate"] == 0
    listed = plant.json("symbols", "list")["symbols"]
    assert [row["symbol"] for row in listed] == ["AAPL@XNAS", "MSFT@XNAS"]
    assert listed[1]["locate"] is None
    _, text, _ = plant.command("symbols", "list")
    assert "tick size" in text.splitlines()[0] and "0.0001" in text
    for name in ("A", "B"):
        plant.json("symbols", "set", name)
    status, said = plant.refused("symbols", "set", "C")
    assert (status, "at most 4 symbols" in said) == (ExitStatus.REFUSED, True)
    plant.registers.words["positions[0].position"] = 5
    assert "has a position" in plant.refused("symbols", "remove", "AAPL")[1]
    plant.registers.words["positions[0].position"] = 0
    plant.json("symbols", "remove", "AAPL")
    assert plant.json("symbols", "set", "C")["symbol"]["symbol_index"] == 0
    assert plant.refused("symbols", "remove", "ZZZ")[0] == ExitStatus.USAGE


@pytest.mark.parametrize("arguments, says", [
    (("symbols", "set", "TOOLONGNAME"), "symbol must be"),
    (("symbols", "set", "AAPL@XLON"), "symbol must be"),
    (("symbols", "set", "AAPL", "--tick", "0.00001"), "tick must be"),
    (("symbols", "set", "AAPL", "--tick", "7"), "tick must be"),
    (("limits", "set", "AAPL"), "give at least one setting"),
    (("limits", "set", "AAPL", "--value", "x"), "value must be"),
    (("feed", "set", "--group", "300.0.0.1"), "group_ip must be"),
    (("feed", "set", "--group", "239.0.0.1", "--igmp", "auto"), "local_mac must be the own MAC"),
    (("feed", "set", "--group", "10.0.0.9", "--igmp", "2", "--local-mac", "02:00:00:00:00:03"),
     "group_ip must be an address of 224.0.0.0/4"),
    (("feed", "set", "--local-mac", "01:00:5e:00:00:01"), "local_mac must be the address of one"),
    (("feed", "set", "--local-mac", "x"), "local_mac must be a MAC address"),
    (("feed", "set", "--local-ip", "1.2.3"), "local_ip must be"),
    (("feed", "set", "--igmp", "4"), "is not one of"),
    (("arp", "set", "10.0.0", "02:00:00:00:00:01"), "ip must be an IPv4 address"),
    (("arp", "set", "239.0.0.1", "02:00:00:00:00:01"), "ip must be the address of one station"),
    (("arp", "set", "10.0.0.1", "ff:ff:ff:ff:ff:ff"), "mac must be the address of one station"),
    (("arp", "set", "10.0.0.1", "00:00:00:00:00:00"), "mac must be the address of one station"),
    (("arp", "remove", "10.0.0.1"), "ip must be an address in the cache (it has none)"),
    (("session", "set", "--local-mac", "2"), "local_mac must be"),
    (("kill", "clear", "--reason", "x", "--position", "AAPL"), "position must be"),
    (("watch", "events", "--kind", "gossip"), "kinds must be"),
    (("symbols",), "Usage"), (("nonsense",), "No such command"),
])
def test_wrong_usage_is_told(plant, arguments, says):
    status, out, said = plant.command(*arguments)
    assert (status, says in said + out) == (ExitStatus.USAGE, True), said


def test_limits_are_committed_and_read_back(plant):
    plant.json("symbols", "set", "AAPL")
    status, said = plant.refused("limits", "set", "AAPL", "--quantity", "500")
    assert (status, "no limits yet" in said) == (ExitStatus.REFUSED, True)
    answer = plant.json("limits", "set", "AAPL", *LIMITS)["limits"]
    assert answer["maximum_value_e4"] == 2_500_000_000
    assert answer["collar_fraction"] == 3276    # 5 %, rounded down
    words = plant.registers
    assert words["limits[0].maximum_value_lo"] == 2_500_000_000
    assert words["limits[0].collar_minimum"] == 1000
    changed = plant.json("limits", "set", "AAPL", "--quantity", "7")["limits"]
    assert changed == {**answer, "maximum_quantity": 7, "version": answer["version"] + 1}
    assert answer["version"] == plant.json("limits", "list")["limits_version"] - 1
    assert plant.json("limits", "list")["limits"] == [changed]
    status, said = plant.refused("limits", "set", "AAPL", "--quantity", "0")
    assert "maximum_quantity must be 1 to 999999" in said
    assert plant.json("status")["status"]["limited"] == ["AAPL@XNAS"]
    plant.json("limits", "revoke", "AAPL")
    assert plant.json("limits", "list")["limits"] == []
    status = plant.json("status")["status"]
    assert (status["limited"], status["limits_version"]) == ([], answer["version"] + 2)


def test_what_the_tables_hold_without_a_commit_is_not_in_force(plant):
    plant.json("symbols", "set", "AAPL")
    plant.json("limits", "set", "AAPL", *LIMITS)
    plant.json("strategy", "set", "AAPL", "--buy", "5", "--quantity", "1", "--enable")
    # As after a reset, which leaves the memory of the tables as it was.
    for array in ("limits", "strategy"):
        plant.registers.set_fields(f"{array}[0].state", loaded=0)
    assert plant.json("limits", "list")["limits"] == []
    assert plant.refused("limits", "set", "AAPL", "--quantity", "5")[0] == ExitStatus.REFUSED
    row, = plant.json("strategy", "list")["strategies"]
    assert (row["loaded"], row["enable"], row["quantity"]) == (False, False, 0)
    status = plant.json("status")["status"]
    assert (status["limited"], status["trading"]) == ([], [])


def test_a_row_that_is_not_in_force_after_its_commit_is_told(plant):
    plant.json("symbols", "set", "AAPL")
    plant.registers.commits_work = False
    status, said = plant.refused("limits", "set", "AAPL", *LIMITS)
    assert (status, "must be loaded after its commit" in said) == (ExitStatus.FAILED, True)


def test_a_dry_run_and_a_refused_change_do_nothing(plant):
    plant.json("symbols", "set", "AAPL")
    before = dict(plant.registers.words)
    plant.json("limits", "set", "AAPL", *LIMITS, "--dry-run")
    assert plant.refused("limits", "set", "AAPL", *LIMITS, "--expected-revision",
                         "1")[0] == ExitStatus.CONFLICT
    assert plant.refused("limits", "set", "AAPL", *LIMITS,
                         writer="you")[0] == ExitStatus.CONFLICT
    assert plant.registers.words == before
    assert plant.json("status")["revision"] == 2
    plant.json("limits", "set", "AAPL", *LIMITS, "--expected-revision", "2", "--take-over",
               writer="you")
    assert plant.refused("symbols", "set", "B")[1].startswith("tickwire: you is changing things")


def test_a_model_is_loaded_into_the_idle_bank(plant, model_file):
    first = plant.json("model", "load", str(model_file))["model"]
    assert (first["epoch"], first["bank"], first["name"]) == (1, 0, "demo")
    assert first["weights"] == list(WEIGHTS) and first["bias"] == -1000
    second = plant.json("model", "load", str(model_file))["model"]
    assert (second["epoch"], second["bank"]) == (2, 1)
    assert plant.json("model", "show")["model"] == second
    assert len(first["weights"]) == len(FEATURES)
    plant.registers.words["model.epoch"] = 0xFFFF
    assert plant.json("model", "load", str(model_file))["model"]["epoch"] == 1


def test_a_wrong_model_is_not_loaded(plant, model_file, tmp_path):
    content = json.loads(model_file.read_text())
    other = tmp_path / "other.json"
    other.write_text(json.dumps({**content, "bias": 5}))
    status, said = plant.refused("model", "load", str(other))
    assert (status, "sha256 must be" in said) == (ExitStatus.FAILED, True)
    assert plant.refused("model", "load", str(tmp_path / "none"))[0] == ExitStatus.FAILED
    plant.registers.broken_weight = True
    status, said = plant.refused("model", "load", str(model_file))
    assert (status, "the old model goes on" in said) == (ExitStatus.FAILED, True)
    assert plant.registers["model.epoch"] == 0


def test_strategy_is_committed_and_read_back(plant):
    plant.json("symbols", "set", "AAPL")
    row = plant.json("strategy", "set", "AAPL", "--buy", "-5", "--sell", "6", "--quantity", "100",
                     "--offset", "-0.01", "--near", "--day", "--enable")["strategy"]
    assert (row["offset_e4"], row["price_reference"], row["time_in_force"]) == (-100, "near", "day")
    assert plant.registers["strategy[0].buy_threshold"] == 2**32 - 5
    assert plant.registers["strategy[0].offset"] == 2**32 - 100
    changed = plant.json("strategy", "set", "AAPL", "--far")["strategy"]
    assert changed == {**row, "price_reference": "far", "version": row["version"] + 1}
    assert row["loaded"] and plant.json("status")["status"]["trading"] == ["AAPL@XNAS"]
    assert plant.json("strategy", "list")["strategies"] == [changed]
    assert "quantity must be" in plant.refused("strategy", "set", "AAPL", "--quantity", "0")[1]


def test_feed_settings_that_are_not_given_stay(plant):
    first = plant.json("feed", "set", "--group", "239.0.0.1", "--port", "5", "--session", "ABC",
                       "--timeout-ns", "8589934593", "--cut-through")["feed"]
    words = plant.registers
    assert words["feed.session_hi"] == int.from_bytes(b"ABC ", "big")
    assert (words["feed.timeout_hi"], words["feed.timeout_lo"]) == (2, 1)
    assert words["control.fcs_mode"] == 1 and words["feed.session_learn"] == 0
    second = plant.json("feed", "set", "--enable", "--next-sequence", "0")["feed"]
    assert second == {**first, "enable": True, "next_sequence": 0}
    assert plant.json("feed", "show")["feed"] == second
    assert words["feed.sequence_learn"] == 1


def test_the_group_of_the_feed_is_joined_with_addresses_of_the_port(plant):
    plant.json("session", "set", "--local-mac", "02:00:00:00:00:0a")
    present = plant.json("feed", "show")["feed"]
    assert (present["igmp"], present["local_mac"], present["local_ip"]) == ("off", "", "")
    joining = ("feed", "set", "--group", "239.0.0.1", "--port", "5", "--igmp")
    status, said = plant.refused(*joining, "auto", "--local-mac", "02:00:00:00:00:0A")
    assert (status, "than the order session's" in said) == (ExitStatus.USAGE, True)
    for mode, (name, value) in {"auto": ("auto", 1), "2": ("version_2", 2), "3": ("version_3", 3),
                                "off": ("off", 0)}.items():
        found = plant.json(*joining, mode, "--local-mac", "02:00:00:00:00:0b",
                           "--local-ip", "10.0.0.11")["feed"]
        assert (found["igmp"], found["local_mac"], found["local_ip"]) == (
            name, "02:00:00:00:00:0b", "10.0.0.11")
        assert plant.registers["feed.igmp"] == value
    words = plant.registers
    assert (words["feed.local_mac_hi"], words["feed.local_mac_lo"]) == (0x0200, 0x0000000B)
    assert words["feed.local_address"] == 0x0A00000B
    cleared = plant.json("feed", "set", "--local-mac", "", "--local-ip", "")["feed"]
    assert (cleared["local_mac"], words["feed.local_mac_hi"]) == ("", 0)
    assert plant.json("feed", "show")["feed"] == cleared


def test_addresses_that_arp_knows_are_set_and_removed(plant):
    first = {"ip": "10.0.0.254", "mac": "02:00:00:00:00:01", "fixed": True}
    assert plant.json("arp", "list")["entries"] == []
    assert plant.json("arp", "set", "10.0.0.254", "02:00:00:00:00:01")["entry"] == first
    plant.registers.learn_arp(1, [0x0A00, 0x0009, 0x0200, 0xABCD, 0x0009])
    learnt = {"ip": "10.0.0.9", "mac": "02:00:ab:cd:00:09", "fixed": False}
    assert plant.json("arp", "list")["entries"] == [first, learnt]
    # Once more is a change; two more take what is free, and the next one what was learnt.
    first["mac"] = "02:00:00:00:00:02"
    assert plant.json("arp", "set", "10.0.0.254", "02:00:00:00:00:02")["entry"] == first
    assert plant.json("arp", "list")["entries"] == [first, learnt]
    for number in (1, 2, 3):
        plant.json("arp", "set", f"10.0.0.{number}", "02:00:00:00:00:0a", "--dry-run")
        plant.json("arp", "set", f"10.0.0.{number}", "02:00:00:00:00:0a")
    assert [entry["ip"] for entry in plant.json("arp", "list")["entries"]] == [
        "10.0.0.254", "10.0.0.3", "10.0.0.1", "10.0.0.2"]
    status, said = plant.refused("arp", "set", "10.0.0.4", "02:00:00:00:00:0b")
    assert (status, "all 4 entries" in said) == (ExitStatus.REFUSED, True)
    plant.json("arp", "remove", "10.0.0.3")
    assert plant.registers["arp_cache.used"] == plant.registers["arp_cache.fixed"] == 0b1101
    plant.registers.arp_writes_work = False
    status, said = plant.refused("arp", "set", "10.0.0.4", "02:00:00:00:00:0b")
    assert (status, "ARP entry 1 must be" in said) == (ExitStatus.FAILED, True)


def test_the_feed_is_disabled_while_it_is_changed_or_reset(plant):
    def writes():
        found = [(name, value) for name, value in plant.registers.writes
                 if name in ("feed.enable", "feed.udp_port", "control.feed_reset",
                             "feed.load_sequence")]
        plant.registers.writes.clear()
        return found

    plant.json("feed", "set", "--group", "239.0.0.1", "--port", "5", "--enable")
    changed = [("feed.enable", 0), ("feed.udp_port", 5), ("feed.load_sequence", 1),
               ("feed.enable", 1)]
    assert writes() == changed
    plant.json("feed", "reset")
    assert writes() == [changed[0], ("control.feed_reset", 1), *changed[1:]]
    plant.json("feed", "reset", "--dry-run")
    assert writes() == []


def test_messages_to_record_are_set_by_name(plant):
    present = plant.json("feed", "show")["feed"]
    assert "noii" in present["recorded_messages"]
    assert "add_order" not in present["recorded_messages"]
    changed = plant.json("feed", "set", "--record", "add_order", "--record", "system_event",
                         "--record-all-symbols")["feed"]
    assert changed == {**present, "recorded_messages": ["system_event", "add_order"],
                       "record_all_symbols": True}
    assert plant.registers["feed.record"] == 1 << 31 | 1 << 10 | 1
    assert plant.json("feed", "set", "--record", "none")["feed"]["recorded_messages"] == []
    assert plant.registers["feed.record"] == 1 << 31
    refused = plant.refused("feed", "set", "--record", "trades")[1]
    assert "recorded_messages must be some of system_event" in refused and "trades" in refused


def test_a_file_that_is_no_model_is_named(plant, tmp_path):
    file = tmp_path / "notes.md"
    file.write_text("# Notes")
    status, _, err = plant.command("model", "load", str(file))
    assert status == 1 and f"{file}: model must be JSON" in err
