"""Full-screen views that look again and again: pause, kill, quit."""

import threading
from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, Generic, TypeVar

from rich.console import RenderableType
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from control.client import ControlError

__all__ = ["KillScreen", "LiveApp", "Panel"]

_T = TypeVar("_T")

#: Reason of a kill from here.
KILL_REASON = "from the dashboard"


class Panel(Static):
    """A part of the screen with a title, drawn anew when it has another size.

    Parameters
    ----------
    title : str
        Its title.
    name : str
        For the style sheet.
    """

    def __init__(self, title: str, name: str) -> None:
        super().__init__(id=name)
        self.border_title = title
        self._draw: Callable[[int], RenderableType] | None = None

    def show(self, draw: Callable[[int], RenderableType]) -> None:
        """Show what `draw` returns for the number of rows that there are."""
        self._draw = draw
        self.update(draw(max(1, self.size.height)))

    def on_resize(self, event: Resize) -> None:
        """Draw anew."""
        if self._draw is not None:
            self.update(self._draw(max(1, event.size.height)))


class KillScreen(ModalScreen[bool]):
    """The question whether to kill; only `y` does.

    Parameters
    ----------
    server : str
        Of the appliance.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "kill"), Binding("n,escape,q", "answer(False)", "back"),
    ]
    CSS = """
    KillScreen { align: center middle; }
    #question { width: 58; height: 6; border: heavy red; background: $surface; padding: 0 1; }
    """

    def __init__(self, server: str) -> None:
        super().__init__()
        self._server = server

    def compose(self) -> ComposeResult:
        """Return the question."""
        yield Static(f"Kill the appliance at {self._server}?\nNo order leaves any more, and open "
                     f"ones are cancelled.\n\n[b]y[/b] kill    [b]n[/b] back", id="question")

    def action_answer(self, sure: bool) -> None:
        """Leave with an answer."""
        self.dismiss(sure)


class LiveApp(App[None], Generic[_T]):
    """A view that looks again and again.

    Parameters
    ----------
    look : callable
        Returns what there is to see; may raise ControlError.
    kill : callable
        Kills, given a reason; may raise ControlError.
    server : str
        ``HOST:PORT``, for people.
    first : object
        What has been seen already.
    interval_s : float
        Time between looks.
    """

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pause", "pause"), Binding("k", "kill", "kill"),
        Binding("q", "quit", "quit"), Binding("ctrl+c", "quit", "quit", show=False, priority=True),
    ]

    def __init__(self, *, look: Callable[[], _T], kill: Callable[[str], object], server: str,
                 first: _T, interval_s: float) -> None:
        super().__init__()
        self.server = server
        self.paused = False
        self._failure = ""
        self._kill_failure = ""
        self.seen: _T = first
        self._look = look
        self._kill = kill
        self._interval_s = interval_s
        self._ended = threading.Event()
        self._wake = threading.Event()

    @abstractmethod
    def draw(self) -> None:
        """Draw what was seen last."""

    @abstractmethod
    def take(self, seen: _T) -> None:
        """Take what was seen; called whether paused or not."""

    def compose(self) -> ComposeResult:
        """Return the line of keys."""
        yield Footer()

    def on_mount(self) -> None:
        """Begin to look."""
        self.take(self.seen)
        self.draw()
        self.run_worker(self._looking, thread=True, name="look")

    def on_unmount(self) -> None:
        """End looking."""
        self._ended.set()
        self._wake.set()

    def action_pause(self) -> None:
        """Stand still, or go on."""
        self.paused = not self.paused
        self.draw()

    def action_kill(self) -> None:
        """Kill, if the user is sure."""
        def decided(sure: bool | None) -> None:
            if sure:
                self.run_worker(self._killing, thread=True, name="kill")
        self.push_screen(KillScreen(self.server), decided)

    def _killing(self) -> None:
        try:
            self._kill(KILL_REASON)
        except ControlError as error:
            self._tell(self._not_killed, error.message)
            return
        self._kill_failure = ""
        self._wake.set()

    @property
    def problems(self) -> list[str]:
        """What has gone wrong here, the worst first."""
        return [text for text in (self._kill_failure, self._failure) if text]

    def _not_killed(self, message: str) -> None:
        self._kill_failure = f"NOT KILLED: {message}"
        self._redraw()

    def _looking(self) -> None:
        while True:
            self._wake.wait(self._interval_s)
            self._wake.clear()
            if self._ended.is_set():
                return
            try:
                seen = self._look()
            except ControlError as error:
                self._tell(self._failed, error.message)
            else:
                self._tell(self._saw, seen)

    def _tell(self, function: Callable[..., object], *arguments: object) -> None:
        """Run a function where widgets may be changed, unless all is over."""
        if self._ended.is_set():
            return
        try:
            self.call_from_thread(function, *arguments)
        except RuntimeError:
            if not self._ended.is_set() and self.is_running:
                raise

    def _saw(self, seen: _T) -> None:
        self._failure = ""
        self.take(seen)
        if not self.paused:
            self.seen = seen
            self._redraw()

    def _failed(self, message: str) -> None:
        self._failure = message
        self._redraw()

    def _redraw(self) -> None:
        """Draw, unless the panels are gone already as all is ending."""
        if self.query(Panel):
            self.draw()
