"""The example scripts run, against a fake appliance."""

import os
import subprocess
import sys
import threading
from pathlib import Path

from proto.events import AnswerCode, EventKind, OrderFlag
from tests.unit.control.plant import running_plant
from tests.unit.control.ready import make_ready, order_event

ROOT = Path(__file__).resolve().parents[3]


def records(number):
    """An order and its execution."""
    return (order_event(EventKind.ORDER_SENT, user_ref_num=number, quantity=100, latency=33,
                        price=1_887_200, flags=OrderFlag.SELL if number % 2 else 0),
            order_event(EventKind.VENUE_ANSWER, user_ref_num=number, answer=AnswerCode.EXECUTED,
                        quantity=100, price=1_887_200 + number, venue_ns=number))


def test_the_first_session(model_file):
    with running_plant() as plant:
        make_ready(plant, model_file)
        plant.call(plant.fake.record, order_event(
            EventKind.TOP_OF_BOOK, bid_price=1_887_200, bid_quantity=200, ask_price=1_887_300,
            ask_quantity=50))
        over = threading.Event()

        def trade():
            number = 0
            while not over.wait(0.1):
                if plant.registers.fields("risk.state")["armed"]:
                    number += 1
                    for record in records(number):
                        plant.call(plant.fake.record, record)

        market = threading.Thread(target=trade)
        market.start()
        try:
            done = subprocess.run(
                [sys.executable, "examples/first_session.py"], cwd=ROOT, text=True, timeout=120,
                capture_output=True, check=False, env={
                    **os.environ, "TICKWIRE_SERVER": plant.address, "TICKWIRE_WRITER": "me",
                    "TICKWIRE_MODEL": str(model_file), "TICKWIRE_SECONDS": "2",
                    "MPLBACKEND": "agg", "PYTHONPATH": os.pathsep.join(
                        [str(ROOT), os.environ.get("PYTHONPATH", "")])})
        finally:
            over.set()
            market.join()
        assert done.returncode == 0, done.stderr
        assert "AAPL@XNAS    188.72 x 200     188.73 x 50    exact" in done.stdout
        assert "demo scores with epoch 2" in done.stdout
        assert "tick to trade: 33 to 33 cycles, 211.2 to 211.2 ns" in done.stdout
        assert "refused: nothing" in done.stdout
        assert not plant.registers.fields("risk.state")["armed"]


def test_the_first_session_says_why_it_cannot_arm(model_file):
    with running_plant() as plant:
        done = subprocess.run(
            [sys.executable, "examples/first_session.py"], cwd=ROOT, text=True, timeout=120,
            capture_output=True, check=False, env={
                **os.environ, "TICKWIRE_SERVER": plant.address, "TICKWIRE_WRITER": "me",
                "TICKWIRE_MODEL": str(model_file), "PYTHONPATH": os.pathsep.join(
                    [str(ROOT), os.environ.get("PYTHONPATH", "")])})
        assert done.returncode == 1
        assert "NOT_READY: cannot arm: no symbol is watched" in done.stderr
