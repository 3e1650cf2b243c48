"""Good, damaged, foreign and random frames at all ports; `make fuzz` sends more of them."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sim.fuzz import feed_round
from sim.fuzz.feed_round import FeedRound
from sim.fuzz.trading_round import TradingRound
from sim.golden.ethernet import receive

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("cut_through", [False, True])
def test_counters_and_books_are_what_the_models_say(cut_through):
    fuzzed = FeedRound("bench", 11, cut_through=cut_through)
    assert fuzzed.run(1500) == []
    assert all(fuzzed.kinds[name] for name in (
        "valid", "changed", "garbage", "packet", "order port", "management port"))
    assert fuzzed.rows > (100 if not cut_through else 0)


@pytest.mark.parametrize("cut_through", [False, True])
def test_only_an_armed_appliance_sends_orders(cut_through):
    fuzzed = TradingRound("bench", 12, cut_through=cut_through)
    assert fuzzed.run(1200) == []
    assert fuzzed.orders > 10


def test_what_the_models_do_not_say_is_seen(monkeypatch):
    monkeypatch.setattr(feed_round, "receive", without_udp_checksum)
    wrong = FeedRound("bench", 11, cut_through=False).run(1500)
    assert any("ip.bad_udp_checksum" in text for text in wrong)


def without_udp_checksum(frame, **how):
    """Judge a frame as one would that does not look at the checksum of UDP."""
    fate = receive(frame, **how)
    return replace(fate, reason="other_destination") if fate.reason == "bad_udp_checksum" else fate


def test_wrong_arguments_are_told_in_a_line():
    done = subprocess.run([sys.executable, "-m", "sim.fuzz", "--frames", "-4"], cwd=ROOT,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "frames must be a number from 1 on, was '-4'" in done.stderr
