"""``tickwire report`` on recordings that were made up."""

import io
import json

import pyarrow.parquet as pq
import pytest

from control.cli.environment import Environment
from control.cli.main import run
from proto.events import AnswerCode, OrderFlag
from tests.support.recordings import Story


@pytest.fixture
def folder(tmp_path):
    story = Story(tmp_path / "events")
    story.top(1000, 100_000, 100_200, sequence=1)
    story.sent(1, 125, price=100_000, latency=28, ingress_cycle=100, decision_cycle=120,
               flags=OrderFlag.SELL, feed_sequence=1)
    story.answered(1, AnswerCode.EXECUTED, 2000, quantity=100, price=100_000, session_sequence=1)
    story.end()
    return tmp_path


def command(*arguments):
    environment = Environment(stdin=io.StringIO(), stdout=io.StringIO(), stderr=io.StringIO(),
                              variables={})
    status = run(["report", *map(str, arguments)], environment)
    return status, environment.stdout.getvalue(), environment.stderr.getvalue()


def test_numbers_as_text_and_as_json(folder):
    status, text, said = command(folder)
    assert status == 0 and said == ""
    for line in ("orders            1", "positions         A@XNAS -100", "profit            -1.00",
                 "cash              1000.00", "latency cycles    50% 28"):
        assert line in text
    status, text, _ = command(folder / "events", "--output", "json")
    found = json.loads(text)
    assert status == 0 and found["profit_e4"] == -10_000 and found["positions"] == {"A@XNAS": -100}


def test_the_page_is_written_and_takes_the_demos_report(folder):
    report = {"seed": 9, "profile": "bench", "model": "demo-linear", "comparison": []}
    (folder / "report.json").write_text(json.dumps(report))
    page = folder / "page.html"
    status, _, said = command(folder, "--html", page, "--title", "Monday")
    text = page.read_text()
    assert status == 0 and "written" in said and "<title>Monday</title>" in text
    assert "seed 9" in text
    # The same if the recording itself is named.
    assert command(folder / "events", "--html", page)[0] == 0 and "seed 9" in page.read_text()


def test_tables_are_written(folder):
    status, _, said = command(folder, "--tables", folder / "new" / "t")
    assert status == 0 and "orders.parquet" in said
    order, = pq.read_table(folder / "new" / "t" / "orders.parquet").to_pylist()
    assert order["side"] == "sell" and order["latency_cycles"] == 28
    assert order["decide_cycles"] == 20 and order["accepted_ns"] is None
    assert (order["trigger_ns"], order["sent_ns"], order["ended_ns"]) == (1000, 1250, 2000)
    fill, = pq.read_table(folder / "new" / "t" / "fills.parquet").to_pylist()
    assert fill["cost_e4_x2"] == 200 and fill["markout_0ns_e4_x2"] is None
    equity = pq.read_table(folder / "new" / "t" / "equity.parquet")
    assert equity["equity_e4"].to_pylist() == [0, -10_000]
    assert equity["position_A@XNAS"].to_pylist() == [0, -100]
    assert equity.schema.metadata[b"tickwire.kind"] == b"equity"


@pytest.mark.parametrize("arguments, status, told", [
    (["DIR", "--tables", "DIR/events/recording.json"], 2, "tables must be a folder"),
    (["nowhere"], 1, "there is no such folder"),
    ([], 2, "DIR"),
    (["DIR", "--html", "DIR"], 2, "html must be a file that can be written"),
    (["DIR", "--html", "DIR/a/b.html"], 2, "html must be a file that can be written"),
    (["DIR", "--output", "xml"], 2, "xml"),
])
def test_what_is_wrong_is_told(folder, arguments, status, told):
    got, text, said = command(*(argument.replace("DIR", str(folder)) for argument in arguments))
    assert got == status and told in said and text == ""


def test_a_foreign_report_or_recording_is_refused(folder):
    (folder / "report.json").write_text("{")
    status, _, said = command(folder, "--html", folder / "x.html")
    assert status == 1 and "must be a demo's report" in said
    (folder / "events" / "recording.json").write_text('{"format": "other"}')
    status, _, said = command(folder)
    assert status == 1 and "format of" in said
