"""Block of the register map of the management port."""

from proto.register_forms import flags, wide, word
from proto.register_model import Access, Block
from proto.wire.management import UDP_PORT

__all__ = ["DEFAULT_ADDRESS", "DEFAULT_MAC", "MANAGEMENT"]

_R, _RW = Access.R, Access.RW

#: Addresses after reset: a locally administered MAC address, and 192.168.1.10.
DEFAULT_MAC = 0x02_54_49_43_4B_01
DEFAULT_ADDRESS = 0xC0_A8_01_0A

MANAGEMENT = Block(name="management", base=0x0A80, description="The management port. A change of "
                                                              "its addresses ends what goes on "
                                                              "over the old ones.", registers=(
    *wide("mac", _RW, "own MAC address, its first byte most significant.", width=48,
          reset=DEFAULT_MAC),
    word("address", _RW, "Own IPv4 address.", reset=DEFAULT_ADDRESS),
    word("udp_port", _RW, "Own UDP port.", width=16, reset=UDP_PORT),
    flags("state", _R, "State of the protocol.", open="A host has a session."),
))
