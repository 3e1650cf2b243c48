"""The demo: a market, an appliance and a control plane trade for a while, and are compared."""

import fcntl
import json
import shutil
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from control.analysis.run import analyse
from control.recorder.origin import Origin
from control.recorder.reader import open_recording
from control.recorder.writer import MANIFEST, Recorder
from control.report.page import render_page
from control.report.signals import recorded_signals
from demo.desk import Desk
from demo.errors import DemoError
from demo.events import EventLog, events_hash, orders_after_kill
from demo.market import population
from demo.model import threshold_of, write_model
from demo.report import Readings, make_report
from demo.settings import TradingSettings, set_up
from demo.stage import Stage, stage
from proto.recording import FILE_NAME as RECORDED_RUN
from sim.recorded import source_commit

__all__ = ["DemoSettings", "failures", "play"]

_MS_NS = 1_000_000
_SECOND_NS = 1_000_000_000
#: From the opening to the first order: the feed is up, the books are full.
_OPENING_NS = 20 * _MS_NS
_SLICE_NS = 100 * _MS_NS
#: What is on its way arrives.
_SETTLE_NS = 5 * _MS_NS
_AFTER_KILL_NS = 100 * _MS_NS
#: Books are compared at a moment at which no message is on its way.
_MOMENTS = 50
_MOMENT_NS = 7_000


@dataclass(frozen=True, kw_only=True)
class DemoSettings:
    """How the demo is played.

    Attributes
    ----------
    seed : int
        Of the market.
    seconds : float
        Simulated time of trading.
    profile : str
        Sizes of the appliance.
    folder : Path
        For everything that it writes.
    listen : str
        Where the management service listens.
    """

    seed: int = 1
    seconds: float = 2.0
    profile: str = "bench"
    folder: Path = Path("build/demo")
    listen: str = "127.0.0.1:0"


def play(settings: DemoSettings, tell: Callable[[str], None]) -> dict[str, Any]:
    """Play the demo; return its report, also in ``report.json`` and with plots ``report.html``.

    Raises
    ------
    DemoError
        If something does not work.
    """
    began = time.monotonic()

    def say(text: str) -> None:
        tell(f"[{time.monotonic() - began:6.1f} s] {text}")

    def show(text: str) -> None:
        tell(f"           $ {text}")

    folder = settings.folder
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        report = _play(settings, say, show)
    report["wall_seconds"] = round(time.monotonic() - began, 1)
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    recording = open_recording(folder)
    page = render_page(analyse(recording, recorded_signals(recording)), report=report,
                       title=f"Tickwire demo, seed {settings.seed}")
    (folder / "report.html").write_text(page, encoding="utf-8")
    say("all processes have ended")
    return report


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    """Let no other demo write to the same folder."""
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(f"another demo writes to {folder}: wait, or choose another with "
                            f"--folder") from None
        yield


def _play(settings: DemoSettings, say: Callable[[str], None],
          show: Callable[[str], None]) -> dict[str, Any]:
    folder = settings.folder
    model = folder / "model.json"
    calibration = write_model(model)
    say(f"model: fitted to {calibration.rows:,} events of another simulated market, explains "
        f"{calibration.explained:.0%} of the next moves there")
    trading = TradingSettings(threshold=threshold_of(calibration.model))
    with stage(folder, seed=settings.seed, profile=settings.profile, population=population(),
               listen=settings.listen, pcap=folder / "orders.pcap", say=say,
               show=show, recording=folder / RECORDED_RUN,
               drop_copy=folder / "drop-copy.pcap") as scene:
        log = EventLog(scene.server, folder / "events.jsonl", _recorder(folder, scene.desk))
        readings = _trade(scene, settings, trading, model, say)
        final = scene.finish()
        log.close()
    return make_report(
        readings, tops=log.tops, schema_version=1, seed=settings.seed, seconds=settings.seconds,
        profile=settings.profile, model=calibration.model.name,
        model_sha256=calibration.model.sha256,
        events={"class_1": len(log.records), "tops_of_book": log.top_records,
                "dropped": log.dropped, "lost": readings.status["status"]["events_lost"]},
        orders_after_kill=orders_after_kill(log.records),
        strategy={"threshold": trading.threshold, "quantity": trading.quantity,
                  "position": trading.position},
        kill_causes=readings.status["status"]["kill_causes"],
        frames_sha256=final["digest"],
        events_sha256=events_hash(log.records, final["digest"]))


def _recorder(folder: Path, desk: Desk) -> Recorder:
    """Return a recorder into ``events``, where what an earlier demo left is removed."""
    place = folder / "events"
    if (place / MANIFEST).exists():
        shutil.rmtree(place)
    status = desk.ask("status")["status"]
    return Recorder(place, Origin(version=status["version"], map_hash=status["map_hash"],
                                  core_hz=status["core_hz"], commit=source_commit()))


def _trade(scene: Stage, settings: DemoSettings, trading: TradingSettings, model: Path,
           say: Callable[[str], None]) -> Readings:
    """Set up, trade, kill; return what the three sides say in the end."""
    desk = scene.desk
    set_up(desk, trading, model)
    scene.run(_OPENING_NS)
    scene.connect()
    say("order session: up")
    desk.do("arm", "--yes")
    began_ns = scene.now_ns
    end_ns = began_ns + round(settings.seconds * _SECOND_NS)
    sweep_ns = (began_ns + end_ns) // 2
    while scene.now_ns < end_ns:
        swept = scene.now_ns >= sweep_ns
        scene.run_until(min(scene.now_ns + _SLICE_NS, end_ns if swept else sweep_ns))
        _progress(scene, began_ns, say)
        if scene.now_ns == sweep_ns:
            desk.do("cancel")
    desk.do("kill", "--reason", "the demo ends")
    scene.run(_AFTER_KILL_NS)
    say("killed, and the market went on without us for 0.1 s")
    desk.do("session", "down")
    scene.run(_SETTLE_NS)
    return _read(scene, desk)


def _progress(scene: Stage, began_ns: int, say: Callable[[str], None]) -> None:
    status = scene.controller.status()
    fills = sum(account["fills"] for account in status["accounts"].values())
    say(f"{(scene.now_ns - began_ns) / 1e9:.1f} s simulated: {status['feed_messages']:,} feed "
        f"messages, {status['orders'].get('entered', 0):,} orders, {fills:,} fills")


def _read(scene: Stage, desk: Desk) -> Readings:
    """Ask all three sides, at a moment at which nothing is on its way from the feed."""
    counters: dict[str, int] = {}
    for _ in range(_MOMENTS):
        counters = {row["name"]: row["value"] for row in desk.ask("counters")["counters"]}
        exchange = scene.controller.status()
        if counters.get("mold.messages") == exchange["feed_messages"]:
            break
        scene.run(_MOMENT_NS)
    return Readings(
        exchange=scene.controller.status(), orders=desk.ask("orders", "--open", "--limit", "1000"),
        positions=desk.ask("positions"), counters=counters, latency=desk.ask("latency"),
        status=desk.ask("status"))


def failures(report: dict[str, Any]) -> list[str]:
    """Return everything that a demo must show and this one does not, in words."""
    found = [f"{row['what']} differs: {row['exchange']} at the exchange, {row['order_log']} in the "
             f"order log, {row['appliance']} in the appliance"
             for row in report["comparison"] if not row["equal"]]
    found += [f"the book of {symbol} differs from the exchange's"
              for symbol, book in report["books"].items() if not book["equal"]]
    if not report["fills"]["count"]:
        found.append("nothing was executed")
    if not sum(report["refusals"].values()):
        found.append("nothing was refused")
    if report["orders_after_kill"]:
        found.append(f"{report['orders_after_kill']} orders left after the kill")
    if report["kill_causes"] != ["operator"]:
        found.append(f"killed by {report['kill_causes']}, not by the operator alone")
    for what in ("dropped", "lost"):
        if report["events"][what]:
            found.append(f"{report['events'][what]} event records {what}")
    return found
