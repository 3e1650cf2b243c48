"""Where the real market data lie; tests without them skip, or fail where they are required."""

import os
from pathlib import Path

import pytest

__all__ = ["data_path"]

_ROOT = Path(__file__).resolve().parents[2]


def data_path(*parts: str) -> Path:
    """Return the path of a file of the market data.

    The data are looked for in the folder that ``TICKWIRE_DATA`` names, else in ``shared/data`` in
    the project or beside it. Without the file the calling test is skipped; with
    ``TICKWIRE_REQUIRE_DATA=1`` it fails.
    """
    named = os.environ.get("TICKWIRE_DATA")
    folders = [Path(named)] if named else [_ROOT / "shared/data", _ROOT.parent / "shared/data"]
    for folder in folders:
        path = folder.joinpath(*parts)
        if path.exists():
            return path
    reason = (f"market data {'/'.join(parts)} not found in "
              f"{' or '.join(str(folder) for folder in folders)}; set TICKWIRE_DATA")
    if os.environ.get("TICKWIRE_REQUIRE_DATA") == "1":
        pytest.fail(reason)
    pytest.skip(reason, allow_module_level=True)
