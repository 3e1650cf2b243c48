"""The command line: sessions, arming and kills, and lines that fail."""

import time

from control.errors import ExitStatus
from proto.session_states import TcpState
from tests.unit.control.fake_appliance import FakeAppliance
from tests.unit.control.plant import running_plant
from tests.unit.control.ready import make_ready


def test_a_kill_cancels_unless_it_is_told_not_to(plant):
    shown = plant.json("limits", "session")["limits"]
    assert shown["cancel_on_kill"] is True
    plant.json("kill")
    assert plant.registers.cancels == 1
    plant.json("kill")    # of a killed appliance: once more
    assert plant.registers.cancels == 2
    plant.json("kill", "clear", "--reason", "over")
    changed = plant.json("limits", "session", "--keep-on-kill")["limits"]
    assert changed == {**shown, "cancel_on_kill": False}
    cancels = plant.registers.cancels
    assert plant.json("kill")["risk"]["killed"]
    assert plant.registers.cancels == cancels
    plant.json("cancel")
    assert plant.registers.cancels == cancels + 1
    assert plant.json("limits", "session", "--cancel-on-kill")["limits"] == shown


def test_session_is_set_up_and_down(plant, model_file):
    make_ready(plant, model_file)
    shown = plant.json("session", "show")
    assert shown["state"]["up"] and shown["state"]["session"] == "up"
    assert shown["session"]["password"] == ""
    words = plant.registers
    assert words["session.local_mac_lo"] == 2 and words["session.local_mac_hi"] == 0x0200
    assert words["session.username_0"] == int.from_bytes(b"TICK", "little")
    assert words["session.password_0"] == int.from_bytes(b"SECR", "little")
    assert words["session.sequence_4"] == int.from_bytes(b"   1", "little")
    assert words["session.next_hop"] == 0x0A000001
    assert plant.refused("session", "set", "--peer-port", "1")[0] == ExitStatus.REFUSED
    assert not plant.json("session", "down")["state"]["up"]
    plant.json("session", "set", "--peer-port", "1", "--user-ref-num", "77")
    assert words["session.next_user_ref_num"] == 77
    assert words["session.password_0"] == int.from_bytes(b"SECR", "little")


def test_a_session_without_addresses_is_not_tried(plant):
    plant.json("session", "set", "--username", "TICK")
    status, said = plant.refused("session", "up")
    assert (status, "set local_mac, local_ip" in said) == (ExitStatus.REFUSED, True)
    assert plant.registers["session.enable"] == 0


def test_a_refused_login_and_no_login_are_told(plant, model_file):
    make_ready(plant, model_file)
    plant.json("session", "down")
    plant.registers.login_works = False
    status, said = plant.refused("session", "up")
    assert (status, "refused the login, reason 'A'" in said) == (ExitStatus.REFUSED, True)
    assert plant.registers["session.enable"] == 0
    plant.registers.log_in = lambda: plant.registers.set_fields("session.state",
                                                                tcp=TcpState.SYN_SENT, session=0)
    status, said = plant.refused("session", "up", "--timeout-ms", "60")
    assert (status, "TCP syn-sent" in said) == (ExitStatus.FAILED, True)
    assert plant.registers["session.enable"] == 0


def test_arming_needs_everything_and_a_yes(plant, model_file):
    status, said = plant.refused("arm", "--yes")
    assert status == ExitStatus.REFUSED
    for what in ("no symbol", "no model", "feed", "session is down", "message_interval",
                 "watchdog"):
        assert what in said
    make_ready(plant, model_file)
    assert "not confirmed" in plant.refused("arm", stdin="n\n")[1]
    assert not plant.registers.fields("risk.state")["armed"]
    plant.json("arm", "--dry-run")
    assert not plant.registers.fields("risk.state")["armed"]
    assert plant.json("arm", stdin="y\n")["risk"]["armed"]
    assert plant.refused("symbols", "set", "AAPL", "--tick", "0.05")[0] == ExitStatus.REFUSED
    assert plant.refused("session", "down")[0] == ExitStatus.REFUSED
    assert not plant.json("disarm")["risk"]["armed"]
    assert not plant.json("disarm")["risk"]["armed"]


def test_kill_asks_nobody_and_clearing_needs_positions_and_a_reason(plant, model_file):
    make_ready(plant, model_file)
    plant.json("arm", "--yes")
    plant.registers.words["positions[0].position"] = 2**32 - 100
    killed = plant.json("kill", "--reason", "odd prices", writer="you")["risk"]
    assert killed["killed"] and not killed["armed"]
    assert (killed["causes"], killed["reason"]) == (["operator"], "odd prices")
    assert plant.json("kill")["risk"]["killed"]
    assert plant.refused("arm", "--yes")[0] == ExitStatus.REFUSED
    assert plant.refused("kill", "clear", "--reason", " ")[0] == ExitStatus.USAGE
    status, said = plant.refused("kill", "clear", "--reason", "fine")
    assert (status, "AAPL@XNAS is -100 in the appliance" in said) == (ExitStatus.REFUSED, True)
    plant.registers.cause_present = True
    clear = ("kill", "clear", "--reason", "fine", "--position", "AAPL@XNAS=-100")
    assert "still present" in plant.refused(*clear)[1]
    plant.registers.cause_present = False
    cleared = plant.json(*clear)["risk"]
    assert not cleared["killed"] and not cleared["armed"] and cleared["reason"] == ""
    assert "not killed" in plant.refused(*clear)[1]


def test_a_control_plane_that_dies_is_noticed_by_the_watchdog(plant, model_file):
    make_ready(plant, model_file)
    plant.json("limits", "session", "--watchdog-ns", "200000000")
    plant.json("arm", "--yes")
    time.sleep(0.4)
    assert plant.registers.fields("risk.state")["armed"]     # it is fed
    plant.call(plant.running.cancel)
    plant.until(lambda: plant.registers.fields("risk.state")["killed"])
    assert plant.json("status")["status"]["kill_causes"] == ["watchdog"]


def test_an_appliance_that_is_silent_is_unreachable_and_found_again(plant):
    plant.fake.port.lease_ns = 0
    plant.fake.mute = True
    status, said = plant.refused("status")
    assert (status, "no answer" in said or "no session" in said) == (ExitStatus.UNREACHABLE, True)
    plant.fake.mute = False
    plant.until(lambda: plant.command("status")[0] == 0)


def test_no_server_is_unreachable(plant):
    status, said = plant.refused("status", "--server", "127.0.0.1:1")
    assert (status, "does not answer" in said) == (ExitStatus.UNREACHABLE, True)


def test_the_whole_way_works_over_a_bad_line(model_file):
    with running_plant(FakeAppliance(seed=3, faults=(0.1, 0.1))) as plant:
        make_ready(plant, model_file)
        assert plant.json("arm", "--yes")["risk"]["armed"]
        assert plant.json("kill")["risk"]["killed"]
