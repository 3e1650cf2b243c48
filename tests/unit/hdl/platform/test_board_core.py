"""The core as a board has it."""

import re

from amaranth.back import rtlil

from hdl.platform.board_core import BoardCore
from hdl.profile import PROFILES

LINES = {f"{line}_{part}"
         for line in ("feed_a_rx", "order_rx", "management_rx", "feed_a_tx", "order_tx",
                      "management_tx")
         for part in ("data", "control")}


def drivers(text: str) -> dict[str, str]:
    """Return what drives each wire of the module ``board``, constants and ports."""
    body = re.search(r"^module \\board$(.*?)^end$", text, re.M | re.S)
    assert body is not None
    return dict(re.findall(r"^connect \\([^\s$]+)\S* (.*)$", body[1], re.M))


def test_its_ports_are_the_lines():
    assert set(BoardCore(PROFILES["bench"]).signature.members) == LINES


def test_what_drives_a_simulation_is_tied_and_nothing_else():
    driven = drivers(rtlil.convert(BoardCore(PROFILES["bench"]), name="board"))
    tied = {name for name, value in driven.items() if re.fullmatch(r"\d+'0+", value)}
    assert tied == {"csr_address", "csr_write_data", "csr_write", "csr_read", "events_ready",
                    "words_ready", "time_ns", "time_hold"}
    assert driven.keys() == tied | LINES
