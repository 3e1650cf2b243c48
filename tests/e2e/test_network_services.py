"""ARP, ping and IGMP against the Linux network stack: the appliance's ports behind a TAP."""

import json
import subprocess

import pytest
from scapy.layers.igmp import IGMPv2_LG, IGMPv2_MR, IGMPv3_MR
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import ARP, Ether

from sim.appliance import Appliance
from sim.golden.services import arp_request
from sim.library import Line
from sim.order_entry import SessionSettings, configure_session
from tests.support.tap import tap_with_address

pytestmark = pytest.mark.e2e

KERNEL, OWN = "10.9.0.254", "10.9.0.1"
FEED_MAC, GROUP = 0x020000000007, "233.54.12.111"


@pytest.fixture
def tap():
    with tap_with_address(f"{KERNEL}/24") as made:
        yield made


@pytest.fixture(scope="module")
def appliance():
    with Appliance() as made:
        configure_session(made, SessionSettings(peer_address=0x0A0900FE, peer_port=8083))
        made.write("session.arp_retry", 50_000_000)
        yield made


def in_namespace(tap, *command, check=True):
    return subprocess.run(tap.command(command), check=check, capture_output=True, text=True).stdout


def run(appliance, tap, seconds, line=Line.ORDER):
    """Join a line to the TAP for some wall time; return the frames that the appliance sent."""
    appliance.simulation.bridge(tap.descriptor, int(seconds * 1e9), line)
    return [Ether(frame) for _, out, frame in appliance.simulation.bridged() if out]


def ping(appliance, tap, *options):
    """Let Linux ping; return what the appliance sent, and the report."""
    with subprocess.Popen(tap.command(["ping", *options, OWN]), stdout=subprocess.PIPE,
                          text=True) as process:
        sent = []
        while process.poll() is None:
            sent += run(appliance, tap, 0.05)
        return sent, process.communicate()[0]


def test_linux_pings_and_resolves_the_appliance(appliance, tap):
    before = appliance.counters()
    sent, report = ping(appliance, tap, "-c", "4", "-i", "0.2", "-W", "5")
    assert "4 packets transmitted, 4 received" in report, report
    assert "02:00:00:00:00:01" in in_namespace(tap, "ip", "neighbor", "show", OWN)
    # 100 bytes of data are more than the longest frame beside orders has room for.
    more, report = ping(appliance, tap, "-c", "1", "-s", "100", "-W", "1")
    assert "0 received" in report
    sent += more
    after = appliance.counters()
    count = {name: after[name] - before[name] for name in after}
    assert count["icmp.replies"] == len([f for f in sent if ICMP in f]) == 4
    assert count["icmp.refused"] == 1
    assert count["arp.replies"] == len([f for f in sent if ARP in f]) >= 1
    assert count["tcp.bad_checksum"] == 0


def test_the_appliance_asks_linux_and_believes_its_answer_alone(appliance, tap):
    before = appliance.counters()
    appliance.write("session.enable", 1)
    sent = []
    for _ in range(40):
        sent += run(appliance, tap, 0.05)
        if any(IP in frame for frame in sent):
            break
    kernel = in_namespace(tap, "cat", f"/sys/class/net/{tap.name}/address").strip()
    assert bytes(sent[0])[:42] == arp_request(bytes.fromhex("020000000001"), bytes([10, 9, 0, 1]),
                                              bytes([10, 9, 0, 254]))
    segments = [frame for frame in sent if IP in frame]
    assert segments and {frame.dst for frame in segments} == {kernel}
    assert appliance.read("arp_cache.used") == 1 and appliance.read("arp_cache.fixed") == 0
    assert appliance.counters()["arp.requests"] - before["arp.requests"] == len(
        [frame for frame in sent if ARP in frame and frame[ARP].op == 1])
    # Nobody listens: the connection is refused. The next one needs no question.
    appliance.write("session.enable", 0)
    run(appliance, tap, 0.05)
    requests = appliance.counters()["arp.requests"]
    appliance.write("session.enable", 1)
    again = run(appliance, tap, 0.3)
    assert any(IP in frame for frame in again)
    assert appliance.counters()["arp.requests"] == requests
    appliance.write("session.enable", 0)
    run(appliance, tap, 0.05)


def groups(tap):
    """Return the groups that the bridge sends to the TAP."""
    entries = json.loads(in_namespace(tap, "bridge", "-j", "mdb", "show"))
    return {entry["grp"] for place in entries for entry in place.get("mdb", ())
            if entry["port"] == tap.name}


@pytest.mark.parametrize("version", [2, 3])
def test_a_linux_bridge_that_snoops_learns_the_membership(appliance, tap, version):
    for command in (
            ("ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "1",
             "mcast_querier", "1", "mcast_igmp_version", str(version),
             "mcast_query_use_ifaddr", "1", "mcast_query_response_interval", "20"),
            ("ip", "address", "flush", "dev", tap.name),
            ("ip", "address", "add", f"{KERNEL}/24", "dev", "br0"),
            ("ip", "link", "set", tap.name, "master", "br0")):
        done = subprocess.run(tap.command(command), check=False, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no bridge: {done.stderr.strip()}")
    before = appliance.counters()
    appliance.write("feed.enable", 0)
    # 1 follows the querier, whose version stays known for minutes.
    appliance.write("feed.igmp", 1 if version == 2 else 3)
    appliance.write_number("feed.local_mac", FEED_MAC)
    appliance.write("feed.local_address", 0x0A090007)
    appliance.write("feed.group_ip", int.from_bytes(bytes(map(int, GROUP.split("."))), "big"))
    assert GROUP not in groups(tap)
    in_namespace(tap, "ip", "link", "set", "br0", "up")
    appliance.write("feed.enable", 1)
    sent = []
    for _ in range(60):
        sent += run(appliance, tap, 0.1, Line.FEED_A)
        if GROUP in groups(tap) and len(sent) >= 3:
            break
    assert GROUP in groups(tap)
    assert {frame.src for frame in sent} == {"02:00:00:00:00:07"}
    # The bridge queries as it comes up; a query of version 2 makes the appliance speak version 2.
    assert appliance.counters()["igmp.queries"] > before["igmp.queries"]
    appliance.write("feed.enable", 0)
    left = []
    for _ in range(40):
        left += run(appliance, tap, 0.1, Line.FEED_A)
        if GROUP not in groups(tap):
            break
    assert GROUP not in groups(tap)
    reports = [frame for frame in sent if IGMPv2_MR in frame or IGMPv3_MR in frame]
    assert len(reports) == len(sent)
    assert any((IGMPv2_LG if version == 2 else IGMPv3_MR) in frame for frame in left)
    counters = appliance.counters()
    assert counters["igmp.sent"] - before["igmp.sent"] == len(sent) + len(left)
    # None of it left at the order port.
    assert not appliance.simulation.received(Line.ORDER)
    appliance.write("feed.igmp", 0)
