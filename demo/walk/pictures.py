"""Pictures of what the commands of a page show: ``python -m demo.walk.pictures KIND ... FILE``.

``watch`` and ``book SYMBOL`` are the screens of ``tickwire watch`` and ``tickwire book``, drawn
without a terminal, as SVG; ``report PAGE HEIGHT`` is the top of a report's page as PNG, and needs
Chromium.
"""

import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from control.client import Appliance
from control.watch.dashboard import Dashboard, LadderApp
from control.watch.snapshot import see, see_ladder

__all__ = ["main"]

_SIZE = (100, 30)
_LADDER_SIZE = (70, 16)
#: Looks before the picture is taken: rates need two.
_LOOKS = 3
_INTERVAL_S = 1.0
_WIDTH = 1100
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def _drawn(app: Any, size: tuple[int, int]) -> str:
    """Return the screen of an application after some looks, as SVG that fetches nothing."""
    async def draw() -> str:
        async with app.run_test(size=size) as pilot:
            await pilot.pause(_LOOKS * _INTERVAL_S)
            return app.export_screenshot(title=" ")

    picture = asyncio.run(draw())
    return re.sub(r"\s*@font-face \{.*?\}", "", picture, flags=re.DOTALL)


def _watch() -> str:
    with Appliance() as appliance:
        return _drawn(Dashboard(look=lambda: see(appliance), kill=appliance.kill,
                                server="127.0.0.1:5450", first=see(appliance),
                                interval_s=_INTERVAL_S), _SIZE)


def _book(symbol: str) -> str:
    with Appliance() as appliance:
        return _drawn(LadderApp(look=lambda: see_ladder(appliance, symbol), kill=appliance.kill,
                                server="127.0.0.1:5450", first=see_ladder(appliance, symbol),
                                interval_s=_INTERVAL_S), _LADDER_SIZE)


def _report(page: str, height: str, target: Path) -> None:
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser is None:
        raise OSError(f"none of {', '.join(_BROWSERS)} is installed")
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run([browser, "--headless=new", "--no-sandbox", "--disable-gpu",
                        f"--user-data-dir={profile}", "--hide-scrollbars",
                        f"--window-size={_WIDTH},{int(height)}", "--virtual-time-budget=10000",
                        f"--screenshot={target.resolve()}", Path(page).resolve().as_uri()],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       timeout=300)


def main(arguments: list[str]) -> int:
    """Make a picture; return the exit status."""
    *words, name = arguments
    target = Path(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    match words:
        case ["watch"]:
            target.write_text(_watch(), encoding="utf-8")
        case ["book", symbol]:
            target.write_text(_book(symbol), encoding="utf-8")
        case ["report", page, height]:
            _report(page, height, target)
        case _:
            sys.stderr.write(f"{__doc__}")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
