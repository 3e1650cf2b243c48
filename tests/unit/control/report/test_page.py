"""The page: complete in itself, well-formed, and with the numbers of the records."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from control.analysis.run import analyse, summary
from control.analysis.signals import ScoreCheck, Signals
from control.report.data import MOST_POINTS, plot_data, thinned
from control.report.page import render_page
from control.report.words import amount, duration
from control.units import format_clock
from proto.checks import Check
from proto.events import AnswerCode, EventKind, OrderFlag, StateFlag
from tests.support.recordings import Story

MS = 1_000_000
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Reader(HTMLParser):
    """Reads a page, and fails where an element is not closed in order."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open = []
        self.ids = []
        self.attributes = []
        self.texts = {}
        self.cells = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, name, value) for name, value in attrs]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append((tag, dict(attrs).get("id")))
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open and self.open[-1][0] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data):
        for tag, name in self.open:
            self.texts[tag] = self.texts.get(tag, "") + data
            if name:
                self.texts["#" + name] = self.texts.get("#" + name, "") + data
        if self.open and self.open[-1][0] in ("td", "th"):
            self.cells[-1] += data


@pytest.fixture
def run(tmp_path):
    story = Story(tmp_path / "events", commit="0123456789abcdef-dirty")
    for step in range(50):
        story.top((step + 1) * MS, 100_000 + 100 * step, 100_200 + 100 * step, sequence=step,
                  sizes=(100 + step, 50))
        story.top((step + 1) * MS + 500, 50_000, 50_100 if step % 7 else 0, symbol=1)
    for number in range(1, 6):
        ingress = 1_000_000 + 100_000 * number
        story.sent(number, ingress + 30, feed_sequence=9 + number, ingress_cycle=ingress,
                   decision_cycle=ingress + 29, latency=33, price=101_200, score=100 * number,
                   flags=OrderFlag.SELL * (number % 2))
        story.answered(number, AnswerCode.ACCEPTED, 10 * ingress + 6000)
        if number < 4:
            story.answered(number, AnswerCode.EXECUTED, 10 * ingress + 7000, quantity=50,
                           price=101_200, session_sequence=number)
        story.answered(number, AnswerCode.CANCELED, 10 * ingress + 9000,
                       quantity=50 if number < 4 else 100)
    story.add(EventKind.ORDER_REFUSED, symbol=0, ingress_cycle=2_000_000, cycle=2_000_050, count=4,
              mask=Check.POSITION.mask, score=77)
    story.add(EventKind.STATE, cycle=3_000_000, flags=StateFlag.KILLED, cause=1)
    return analyse(story.end())


REPORT = {"seed": 3, "profile": "bench", "model": "m", "strategy": {"threshold": 250},
          "comparison": [{"what": "cash_e4", "exchange": 12_345_600, "order_log": 12_345_600,
                          "appliance": 1, "equal": False}]}


def test_the_page_is_well_formed_and_every_reference_is_inside(run):
    text = render_page(run, title="A <run>", report=REPORT)
    page = Reader(text)
    assert len(set(page.ids)) == len(page.ids)
    assert page.texts["title"] == "A <run>"
    for tag, name, value in page.attributes:
        if name in ("href", "src", "action", "srcset", "data", "poster"):
            assert value.startswith("#") and value[1:] in page.ids, (tag, name, value)
    # Nothing can be fetched, and nobody tries.
    policy, = (value for tag, name, value in page.attributes
               if name == "content" and "default-src" in value)
    assert policy.startswith("default-src 'none'") and "http" not in policy
    style = page.texts["style"]
    assert "url(" not in style and "@import" not in style
    script = page.texts["script"]
    for word in ("fetch(", "XMLHttpRequest", "import(", "WebSocket", "navigator.sendBeacon"):
        assert word not in script
    # The one address is that in the comment which its licence is about.
    assert re.findall(r"https?://[^ ]*", text) == ["https://github.com/leeoniya/uPlot"]
    assert "Copyright (c)" in text and "Leon Sorokin" in text


def test_what_the_script_looks_for_is_there(run):
    text = render_page(run, title="t")
    page = Reader(text)
    script = page.texts["script"].rpartition('"use strict"')[2]
    wanted = set(re.findall(r'byId\("([a-z-]+)"\)', script)) - {"data"}
    assert len(wanted) > 8 and wanted <= set(page.ids)
    for name in ("price", "spread", "imbalance", "score"):
        assert {f"plot-{name}", f"n-{name}"} <= set(page.ids)
    for stage in range(4):
        assert f"plot-latency-{stage}" in page.ids


def test_every_plot_has_a_title_with_unit_and_n(run):
    text = render_page(run, title="t")
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", text)
    assert len(captions) >= 8
    for caption in captions:
        if "The market round it" in caption or "Best bid and offer" in caption:
            continue      # the script tells their n
        assert re.search(r"n = \d", caption), caption
    for unit in ("USD", "shares", "cents a share", "core cycles"):
        assert any(unit in caption for caption in captions)


def test_the_numbers_are_those_of_the_records(run):
    numbers = summary(run)
    page = Reader(render_page(run, title="t", report=REPORT))
    result = page.texts["#result"]
    for value in (amount(numbers["profit_e4"], sign=True), f"{numbers['orders']:,}",
                  amount(numbers["turnover_e4"]), "33 cycles", "330.0 ns median"):
        assert value in result
    assert "1,234.56" in result and "DIFFERENT" in result
    assert page.texts["#refusals"].count("position") >= 1 and "n = 4" in page.texts["#refusals"]
    assert "killed (operator)" in page.texts["#states"]
    assert "commit 0123456789ab, sources changed" in page.texts["p"]
    orders = [row for row in page.attributes if row[1] == "data-order"]
    assert len(orders) == numbers["orders"] == 5


def test_the_plots_draw_the_records(run):
    data = json.loads(Reader(render_page(run, title="t", report=REPORT)).texts["#data"])
    assert data == json.loads(json.dumps(plot_data(run, REPORT["strategy"])))
    assert data["symbols"] == ["A@XNAS", "B@XNAS"] and data["threshold"] == 250
    zero_ns = run.began_ns
    assert [t + zero_ns for t in data["equity"]["t"]] == run.curve.ts_ns.tolist()
    assert data["equity"]["v"] == run.curve.equity_e4.tolist()
    assert data["positions"]["v"][0][-1] == summary(run)["positions"]["A@XNAS"]
    quotes = data["quotes"][0]
    assert len(quotes["t"]) == 50 and quotes["bidq"][:3] == [100, 101, 102]
    assert quotes["micro"][0] == pytest.approx(
        (100_000 * 50 + 100_200 * 100) / 150, abs=0.06)
    assert data["quotes"][1]["ask"][0] is None and data["quotes"][1]["micro"][0] is None
    first = data["orders"][0]
    assert (first["n"], first["sell"], first["score"]) == (1, True, 100)
    assert first["sent"] + zero_ns == 11 * MS + 300
    assert first["fills"] == [[11 * MS + 7000 - zero_ns, 50, 101_200]]
    assert first["status"] == "canceled, 50 executed"
    assert ["tick to trade", "33 cycles, 330.0 ns"] in first["facts"]
    assert data["latency"][3] == {"cycles": [33], "orders": [5]}
    assert data["refusals"] == {"checks": ["position"], "t": [20 * MS - zero_ns], "sums": [[4]]}
    assert data["refused"] == [[20 * MS - zero_ns, 0, 77]]
    assert data["marks"][0]["text"] == "killed (operator)"


def test_text_of_a_record_cannot_end_the_data(run):
    text = render_page(run, title="</title><script>", report={**REPORT, "model": "</script>"})
    assert Reader(text).texts["h1"] == "</title><script>"


def test_an_empty_recording_is_a_page_too(tmp_path):
    story = Story(tmp_path)
    text = render_page(analyse(story.end()), title="nothing")
    page = Reader(text)
    for words in ("No order was recorded", "Nothing was executed", "Nothing was refused"):
        assert words in page.texts["main"]
    data = json.loads(page.texts["#data"])
    assert data["equity"] == {"t": [], "v": []} and data["orders"] == []


def test_what_is_missing_is_told(tmp_path):
    story = Story(tmp_path)
    story.top(1000, 100, 200)
    story.answered(5, AnswerCode.EXECUTED, 2000, quantity=1, price=1)
    story._recorder.drop(7)
    recording = story.end()
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "00000.parquet.partial").write_bytes(b"")
    manifest = tmp_path / "recording.json"
    manifest.write_text(manifest.read_text().replace('"closed": true', '"closed": false'))
    recording = type(recording)(recording.folder, recording.origin, False, recording.dropped,
                                (tmp_path / "state" / "00000.parquet.partial",))
    header = Reader(render_page(analyse(recording), title="t")).texts["header"]
    for words in ("did not end in order", "1 file(s) were not complete", "7 records were dropped",
                  "1 answers are to orders that were sent before"):
        assert words in header


def test_long_lines_keep_their_extremes():
    values = np.arange(100_000) % 977
    values[51_234], values[77_777] = -5000, 9000
    rows = thinned(1000, values)
    assert len(rows) <= 1100 and rows[0] == 0 and rows[-1] == 99_999
    assert {51_234, 77_777} <= set(rows.tolist())
    assert np.all(np.diff(rows) > 0)
    assert thinned(MOST_POINTS, values[:100]).tolist() == list(range(100))


def test_scores_between_orders_are_drawn_where_they_are_known(run):
    assert plot_data(run, {})["signals"] is None
    times = np.arange(1, 101) * MS
    signals = {"A@XNAS": Signals("A@XNAS", times, np.arange(100), times // MS * 10)}
    known = analyse(run.recording, signals)
    found = plot_data(known, {})["signals"]
    # From 20 ms before the first order at 11 ms to 20 ms after the end of the last one at 15 ms.
    assert [t + known.began_ns for t in found[0]["t"]] == [step * MS for step in range(1, 36)]
    assert found[0]["score"][:2] == [10, 20] and found[1] == {"t": [], "score": []}
    # Orders 1 to 5, caused by messages 10 to 14, say 100 to 500.
    assert known.score_check == ScoreCheck(equal=0, different=5)
    assert "those of 5 of 5 orders differ" in render_page(known, title="t")
    right = {"A@XNAS": Signals("A@XNAS", times, np.arange(100), (np.arange(100) - 9) * 100)}
    known = analyse(run.recording, right)
    assert known.score_check == ScoreCheck(equal=5, different=0)
    assert "caused 5 orders they equal the hardware's" in render_page(known, title="t")


def test_of_a_long_run_only_the_books_round_its_orders_are_kept(run, monkeypatch):
    monkeypatch.setattr("control.report.data.MOST_ROWS", 10)
    monkeypatch.setattr("control.report.data.MOST_ORDERS", 2)
    data = plot_data(run, {})
    assert [order["n"] for order in data["orders"]] == [4, 5]
    # From 20 ms before the fourth order at 14 ms to 20 ms after the fifth one's end at 15 ms.
    assert [t + run.began_ns for t in data["quotes"][0]["t"]] == [
        step * MS for step in range(1, 36)]
    assert data["quotes"][1]["t"] == []


@pytest.mark.parametrize("given, told", [
    (34_200_000_000_000, "09:30:00.000000000"), (86_399_999_999_999, "23:59:59.999999999"),
])
def test_times_of_day(given, told):
    assert format_clock(given) == told


def test_amounts_and_durations():
    assert [amount(value) for value in (0, 123, -12_345_678, 10_000_000_000)] == [
        "0.00", "0.0123", "-1,234.5678", "1,000,000.00"]
    assert amount(5000, sign=True) == "+0.50" and amount(0, sign=True) == "0.00"
    assert [duration(ns) for ns in (0, 999, 1500, 2_500_000, 1_000_000_000)] == [
        "0 ns", "999 ns", "1.5 us", "2.5 ms", "1 s"]
