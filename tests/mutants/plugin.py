"""A plugin of pytest: the cheapest tests first, and none much longer than without a mutant.

Time is processor time of this process, so that a busy machine changes nothing.
"""

import json
import os
import signal
import time
from collections.abc import Generator
from itertools import accumulate
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

__all__ = ["BUDGET_VARIABLE", "LIMIT_FACTOR", "LIMIT_SECONDS", "LIMIT_TEXT", "VARIABLE"]

#: Names a JSON file, node id to seconds. Without the file it is written, with it it is used.
VARIABLE = "TICKWIRE_TEST_SECONDS"

#: Seconds that all tests together may take; the dearest are left out.
BUDGET_VARIABLE = "TICKWIRE_TEST_BUDGET"

#: What a test is taken for that has not been measured.
UNKNOWN_SECONDS = 2.0

#: A test may take this many times its usual time and this much more.
LIMIT_FACTOR = 4
LIMIT_SECONDS = 10.0

#: What a test fails with that took longer.
LIMIT_TEXT = "ran out of processor time"

_seconds: dict[str, float] = {}
_measured: dict[str, float] = {}


def _file() -> Path:
    return Path(os.environ[VARIABLE])


def _usual(item: pytest.Item) -> float:
    return _seconds.get(item.nodeid, UNKNOWN_SECONDS)


def pytest_configure(config: pytest.Config) -> None:
    """Read what tests take; without the file they are measured, and none is limited."""
    if _file().exists():
        _seconds.update(json.loads(_file().read_text(encoding="utf-8")))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort: the files as named on the command line, the first one alone, in it by time."""
    first = config.args[0].split("::")[0] if config.args else ""
    items.sort(key=lambda item: (not item.nodeid.startswith(first), _usual(item)))
    if budget := os.environ.get(BUDGET_VARIABLE):
        sums = list(accumulate(map(_usual, items)))
        items[:] = [item for item, total in zip(items, sums, strict=True)
                    if total <= max(float(budget), sums[0])]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Limit a test, and measure it."""
    limit = LIMIT_SECONDS + LIMIT_FACTOR * _usual(item)

    def expired(number: int, frame: FrameType | None) -> None:
        pytest.fail(f"{LIMIT_TEXT}: {limit:.0f} s")

    before, start = signal.signal(signal.SIGVTALRM, expired), time.process_time()
    if _file().exists():
        signal.setitimer(signal.ITIMER_VIRTUAL, limit)
    try:
        result = yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    _measured[item.nodeid] = round(time.process_time() - start, 2)
    return result


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write what tests took that nobody knew of; without the file, if all passed."""
    if _file().exists() or exitstatus == 0:
        _file().write_text(json.dumps({**_measured, **_seconds}, indent=1), encoding="utf-8")
