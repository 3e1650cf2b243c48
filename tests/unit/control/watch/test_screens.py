"""The dashboard and the ladder on a screen, driven by a pilot."""

import dataclasses
import time

import pytest

from control.client import ControlError, Reason
from control.watch.dashboard import Dashboard, LadderApp
from control.watch.snapshot import LadderView
from tests.unit.control.watch.scenes import book, changed, order, running, screen_text, visit

EXPECTED = """\
 ARMED   feed up  session up  model demo #1  P&L +6.50  09:30:05  here:5450
─books and positions────────────────────────────────────────────────────────────
symbol       bid shares    ask shares spread position open   P&L state
AAPL@XNAS 188.72    200 188.73     50   0.01     +100    1 +2.50 trading
MSFT@XNAS 412.07    200 412.09     50   0.02     -200    0 +4.00 trading
─open orders: 1 of 12────────────────────last fills of 2────────────────────────
order side shares symbol  price status  time     side shares symbol  price
   12 buy     100 AAPL   188.71 live    09:30:01 sell    200 MSFT   412.10
                                        09:30:00 buy     100 AAPL   188.70




─refusals: 255────────────────tick to trade────────counters that move───────────
check    refused  /s         share cycles  ns     counter /s
position     250 0.0          50 %     33 212
collar         5 0.0          90 %     33 212
                              99 %     41 263
                             100 %     41 263


─alerts─────────────────────────────────────────────────────────────────────────
nothing is wrong
 p pause  k kill  q quit"""


class World:
    """What a view looks at; looks and kills are counted."""

    def __init__(self, seen):
        self.seen = seen
        self.looks = 0
        self.kills = []
        self.error = None

    def look(self):
        self.looks += 1
        if self.error is not None:
            raise self.error
        return self.seen

    def kill(self, reason):
        if self.error is not None:
            raise self.error
        self.kills.append(reason)
        self.seen = changed(self.seen, status={
            "armed": False, "killed": True, "kill_causes": ("operator",)})

    def app(self, kind=Dashboard):
        return kind(look=self.look, kill=self.kill, server="here:5450", first=self.seen,
                    interval_s=0.02)


async def until(pilot, condition, seconds=10.0):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "\n".join(screen_text(pilot.app))
        await pilot.pause(0.02)


def shows(pilot, text):
    return lambda: any(text in line for line in screen_text(pilot.app))


def test_all_is_there_on_a_terminal_of_80_by_24():
    app = World(running()).app()

    async def walk(pilot):
        assert "\n".join(screen_text(app)) == EXPECTED
        await pilot.resize_terminal(120, 40)
        await until(pilot, lambda: len(screen_text(app)) == 40)
        await until(pilot, shows(pilot, "nothing is wrong"))

    visit(app, (80, 24), walk)


@pytest.mark.parametrize("size", [(40, 10), (60, 16), (200, 60)])
def test_other_sizes_show_the_gate_and_the_keys(size):
    app = World(running()).app()

    async def walk(pilot):
        assert screen_text(app)[0].startswith(" ARMED ")
        assert "q quit" in screen_text(app)[-1]

    visit(app, size, walk)


def test_a_pause_keeps_what_is_shown_until_it_ends():
    world = World(running())
    app = world.app()

    async def walk(pilot):
        await pilot.press("p")
        await until(pilot, shows(pilot, "PAUSED"))
        world.seen = changed(world.seen, seconds=101.0, log={"fills": 77})
        looks = world.looks
        await until(pilot, lambda: world.looks > looks + 2)
        assert not shows(pilot, "fills of 77")()
        await pilot.press("p")
        await until(pilot, shows(pilot, "fills of 77"))
        assert not shows(pilot, "PAUSED")()

    visit(app, (80, 24), walk)


def test_a_kill_asks_and_only_y_kills():
    world = World(running())
    app = world.app()

    async def walk(pilot):
        for key in ("n", "escape", "q"):
            await pilot.press("k")
            await until(pilot, shows(pilot, "Kill the appliance at here:5450?"))
            await pilot.press(key)
            await until(pilot, shows(pilot, " ARMED "))
        assert world.kills == []
        await pilot.press("k", "y")
        await until(pilot, shows(pilot, " KILLED "))
        await until(pilot, shows(pilot, "killed by operator"))

    visit(app, (80, 24), walk)
    assert world.kills == ["from the dashboard"]


def test_a_service_that_does_not_answer_is_an_alert_and_a_failed_kill_is_told():
    world = World(running())
    app = world.app()

    async def walk(pilot):
        world.error = ControlError(Reason.DEVICE_UNREACHABLE, "the server does not answer")
        await until(pilot, shows(pilot, "the server does not answer"))
        await pilot.press("k", "y")
        await until(pilot, shows(pilot, "NOT KILLED: the server does not answer"))
        world.error = None
        await pilot.press("k", "y")
        await until(pilot, shows(pilot, " KILLED "))
        assert not shows(pilot, "NOT KILLED")() and len(world.kills) == 1

    visit(app, (80, 24), walk)


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
def test_it_ends(key):
    app = World(running()).app()

    async def walk(pilot):
        await pilot.press(key)

    visit(app, (80, 24), walk)
    assert app.return_code == 0


def test_the_ladder_follows_the_book():
    world = World(LadderView(book=book(), own=(order(1),)))
    app = world.app(LadderApp)

    async def walk(pilot):
        assert screen_text(app)[0] == (
            "AAPL@XNAS  exact  spread 0.01  09:30:00.123456  message 7,659")
        assert screen_text(app)[3:6] == [
            "                     188.73   50      2", "              2  200 188.72",
            "     100             188.71"]
        world.seen = dataclasses.replace(world.seen, book=book(bid=1_887_100, states=("stale",)))
        await until(pilot, shows(pilot, "AAPL@XNAS  stale  spread 0.02"))

    visit(app, (80, 24), walk)
