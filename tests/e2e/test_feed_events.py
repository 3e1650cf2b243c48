"""Messages of the feed through the gateware, the management port and gRPC, to a person."""

import json
import struct

import pytest

from proto.wire import itch50
from tests.support.managed import Managed

pytestmark = pytest.mark.e2e

NOII = {"stock_locate": 2, "tracking_number": 3, "timestamp": 34_200_000_000_001,
        "paired_shares": 2**40 + 1, "imbalance_shares": 5, "imbalance_direction": "B",
        "stock": "SYM2", "far_price": 1_000_000, "near_price": 1_000_100,
        "current_reference_price": 1_000_200, "cross_type": "O", "price_variation_indicator": "L"}
DECLINE = {"stock_locate": 0, "tracking_number": 0, "timestamp": 7, "level_1": 2**40,
           "level_2": 2**39, "level_3": 2**38}


def test_messages_reach_a_reader_with_the_names_of_their_fields():
    with Managed() as managed:
        managed.serve("--heartbeat-ms", "20")
        answer = managed.ask("feed", "show", "--output", "json")
        assert answer["status"] == 0, answer["said"]
        assert "noii" in json.loads(answer["out"])["feed"]["recorded_messages"]
        # Messages that are not recorded, of a symbol that is not watched, and recorded ones.
        messages = [managed.market.add(b"B", 990_000, 1, symbol=6),
                    b"Y" + struct.pack(">HH6x", 99, 0) + b"OTHER   0",
                    itch50.NOII.encode(NOII), itch50.MWCB_DECLINE_LEVEL.encode(DECLINE)]
        managed.begin("watch", "events", "--kind", "feed_message", "--count", "6", "--output",
                      "json")
        sent, turns = [], 0
        while (answer := managed.operator.answer()) is None:
            if turns % 100 == 0:
                sent.append(managed.market.sequence)
                managed.market.send(messages)
            turns += 1
            managed.turn(pause_s=0.002)
        assert answer["status"] == 0, answer["said"]
        events = [json.loads(line) for line in answer["out"].splitlines()]
        events = [event for event in events if event["fields"]["feed_sequence"] >= sent[0]]
        assert len(events) >= 2
        for event in events:
            noii = event["message"] == "noii"
            assert event["symbol"] == ("SYM2@XNAS" if noii else "")
            wanted = NOII if noii else DECLINE
            own = {name: value for name, value in {**event["fields"], **event["texts"]}.items()
                   if name in wanted}
            assert own == wanted
            place = 2 if noii else 3
            assert event["fields"]["feed_sequence"] - place in sent
            assert len(bytes.fromhex(event["record"])) == 64
        assert {event["message"] for event in events} == {"noii", "mwcb_decline_level"}
        counters = managed.appliance.counters()
        assert counters["itch.recorded"] >= len(events)
