"""Signals of a waveform by stage, as an appliance of a profile has them."""

from dataclasses import replace

from hdl.profile import Profile
from sim.waves import GROUPS, Signal

__all__ = ["groups"]

#: Names below the core and bits, of what a line of 1GbE has in the place of XGMII's.
_GMII = {
    "feed pins": (("feed_a_rx_data", 8), ("feed_a_rx_control", 2)),
    "behind the elastic buffer": (("elastic.word.data", 8), ("elastic.word.enable", 1),
                                  ("elastic.word.error", 1), ("elastic.word.present", 1)),
    "order pins": (("order_tx_data", 8), ("order_tx_control", 2)),
}
_SYMBOL_INDEX = ".symbol_index"


def groups(profile: Profile) -> dict[str, tuple[Signal, ...]]:
    """Return the signals of a profile by stage, in the order in which a message meets them."""
    found: dict[str, tuple[Signal, ...]] = {}
    for stage, signals in GROUPS.items():
        if profile.line == "gmii" and stage in _GMII:
            form = signals[0].form
            found[stage] = tuple(Signal(name, bits, form) if bits > 1 else Signal(name)
                                 for name, bits in _GMII[stage])
        else:
            found[stage] = tuple(replace(signal, bits=profile.symbol_bits)
                                 if signal.name.endswith(_SYMBOL_INDEX) else signal
                                 for signal in signals)
    return found
