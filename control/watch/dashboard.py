"""``tickwire watch`` and ``tickwire book`` on a whole screen."""

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Footer, Static

from control.watch import panels
from control.watch.figures import Figures, figures
from control.watch.ladder import ladder_head
from control.watch.screen import LiveApp, Panel
from control.watch.snapshot import LadderView, Snapshot

__all__ = ["Dashboard", "LadderApp"]

_STYLE = """
Screen { layout: vertical; background: $background; }
Panel { border-top: solid $primary-darken-2; border-title-color: $text-muted; height: 1fr;
        width: 1fr; padding: 0; }
#head { dock: top; height: 1; width: 100%; }
#symbols { height: auto; max-height: 50%; scrollbar-size: 1 1; }
#books { height: auto; }
Horizontal { height: 1fr; min-height: 3; }
#lower { min-height: 7; }
#latency { width: 21; }
#alerts { height: auto; min-height: 2; max-height: 25%; }
#ladder { height: 1fr; }
"""
#: Alerts that are shown even in a low terminal.
_ALERTS = 3


class Dashboard(LiveApp[Snapshot]):
    """The whole appliance at a glance; takes what :class:`LiveApp` does."""

    CSS = _STYLE

    #: What the snapshot shown amounts to; the one before tells rates.
    found: Figures
    _before: Snapshot | None = None
    _latest: Snapshot | None = None

    def compose(self) -> ComposeResult:
        """Return the panels."""
        yield Static(id="head")
        with VerticalScroll(id="symbols"):
            yield Panel("books and positions", "books")
        with Horizontal():
            yield Panel("open orders", "orders")
            yield Panel("last fills", "fills")
        with Horizontal(id="lower"):
            yield Panel("refusals", "refusals")
            yield Panel("tick to trade", "latency")
            yield Panel("counters that move", "moving")
        yield Panel("alerts", "alerts")
        yield Footer()

    def take(self, seen: Snapshot) -> None:
        """Work out rates."""
        self._before, self._latest = self._latest, seen
        if not self.paused:
            self.found = figures(seen, self._before)

    def draw(self) -> None:
        """Draw every panel."""
        seen, found = self.seen, self.found
        self.query_one("#head", Static).update(
            panels.head(seen, found, self.server, paused=self.paused))
        log = seen.log
        self._panel("books").show(lambda rows: panels.books(found))
        orders = self._panel("orders")
        orders.border_title = f"open orders: {len(log.orders)} of {log.total:,}"
        orders.show(lambda rows: panels.orders(seen, rows - 1))
        fills = self._panel("fills")
        fills.border_title = f"last fills of {log.fills:,}"
        fills.show(lambda rows: panels.fills(seen, rows - 1))
        refusals = self._panel("refusals")
        refusals.border_title = f"refusals: {log.refused:,}"
        refusals.show(lambda rows: panels.refusals(found, rows - 1))
        self._panel("latency").show(lambda rows: panels.latency(seen))
        self._panel("moving").show(lambda rows: panels.moving(found, rows - 1))
        texts = [*self.problems, *found.alerts]
        alerts = self._panel("alerts")
        alerts.border_title = f"alerts: {len(texts)}" if texts else "alerts"
        alerts.show(lambda rows: panels.alerts(texts, max(_ALERTS, self.size.height // 4 - 1)))

    def _panel(self, name: str) -> Panel:
        return self.query_one(f"#{name}", Panel)


class LadderApp(LiveApp[LadderView]):
    """One book; takes what :class:`LiveApp` does."""

    CSS = _STYLE

    def compose(self) -> ComposeResult:
        """Return the panels."""
        yield Static(id="head")
        yield Panel("", "ladder")
        yield Footer()

    def take(self, seen: LadderView) -> None:
        """Nothing has to be worked out."""

    def draw(self) -> None:
        """Draw the ladder."""
        seen = self.seen
        line = Text(ladder_head(seen), "bold red" if seen.book.states else "bold",
                    no_wrap=True, overflow="ellipsis")
        if self.paused:
            line.append("  PAUSED", "bold yellow")
        for problem in self.problems:
            line.append(f"  {problem}", "bold red")
        self.query_one("#head", Static).update(line)
        self.query_one("#ladder", Panel).show(lambda rows: panels.ladder(seen))
