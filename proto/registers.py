"""The register map of the appliance.

Registers are 32-bit words at byte addresses. Gateware builds the bus from :func:`register_map`,
``control`` its typed access, and ``docs/registers.md`` is printed from it. The map of an appliance
depends on its number of symbols, which stands at a fixed address in the first block; a device
whose ``map_hash`` differs from that of the map is refused.
"""

from proto.counters import COUNTERS
from proto.feed_records import RECORDED_MESSAGES
from proto.management_registers import MANAGEMENT
from proto.register_forms import flags as _flags
from proto.register_forms import wide as _wide
from proto.register_forms import word as _word
from proto.register_model import (
    ADDRESS_BITS,
    WORD_BYTES,
    Access,
    BitField,
    Block,
    Location,
    Register,
    RegisterError,
    RegisterMap,
)
from proto.trading_registers import (
    ACCOUNT,
    ARP_CACHE,
    LATENCY,
    MODEL,
    RISK,
    SESSION,
    limits_block,
    positions_block,
    strategy_block,
)
from proto.wire import itch50

__all__ = [
    "ADDRESS_BITS", "MAGIC", "VERSION", "WORD_BYTES", "Access", "BitField", "Block", "Location",
    "Register", "RegisterError", "RegisterMap", "register_map",
]

#: First register of every appliance: "TICK" in ASCII.
MAGIC = 0x5449434B

#: Version of the appliance: major, minor, patch.
VERSION = (0, 1, 0)

_R, _RW, _PULSE = Access.R, Access.RW, Access.PULSE


def _identity(symbols: int) -> Block:
    major, minor, patch = VERSION
    return Block(name="identity", base=0x0000, description="What the device is.", registers=(
        _word("magic", _R, "The letters TICK; anything else is not this appliance.", reset=MAGIC),
        Register(name="version", description="Version of the appliance.", fields=(
            BitField(name="patch", width=8, access=_R, reset=patch, lsb=0,
                     description="Raised by a repair."),
            BitField(name="minor", width=8, access=_R, reset=minor, lsb=8,
                     description="Raised by an addition."),
            BitField(name="major", width=8, access=_R, reset=major, lsb=16,
                     description="Raised by a change that breaks users."),
        )),
        _word("map_hash", _R, "First 32 bits of the SHA-256 of the map's canonical JSON; the "
                              "device sets it to the hash of the map it was built with."),
        _word("profile_symbols", _R, "Symbols with a book.", reset=symbols),
        _word("profile_window_ticks", _R, "Ticks a side held in the price levels.", unit="ticks"),
        _word("profile_orders", _R, "Slots of the order table."),
        _word("core_hz", _R, "Frequency of the core clock: turns cycles into time.",
             reset=156_250_000, unit="Hz"),
    ))


_CONTROL = Block(name="control", base=0x0100, description="Modes and state of the whole core.",
                 registers=(
    _word("fcs_mode", _RW, "0 store-and-forward: a frame acts after its FCS proved good; "
                           "1 cut-through: its messages act as they complete.", width=1),
    _word("strict", _RW, "1 accepts only valid checksums and the configured group, port and "
                         "session; 0 is the lenient mode, for captures: any checksum of IPv4 and "
                         "UDP, zero as destination address and port, and packets with sequence "
                         "number 0, each as the next one. Change it while feed.enable is 0.",
          width=1, reset=1),
    _word("hold_on_rebuild", _RW, "1 holds the feed while a book is rebuilt, or while there is no "
                                  "room for the record of a message, so that no event is lost; for "
                                  "replay only, a live feed cannot wait.", width=1),
    _word("max_frame_bytes", _RW, "Longest frame of market data or of the venue accepted, "
                                  "destination address to FCS.",
          width=14, reset=1526, unit="bytes"),
    _word("feed_reset", _PULSE, "Forgets every order, book, session and trading state.", width=1),
    _flags("status", _R, "What the core is doing.",
           memories_cleared="All memories are cleared after a reset; until then nothing is "
                            "accepted.",
           upkeep="An operation, a rebuild or a refill of a book is under way.",
           feed_idle="No frame, message or operation is in the feed path."),
    _flags("details", _RW, "What is recorded of each event besides its best bid and offer. With "
                           "hold_on_rebuild an operation then waits until that of its predecessor "
                           "is recorded, and levels known if a search can find them.",
           depth="The five best levels of the side that it concerned.",
           vectors="The features that the model saw, and its score."),
))

def _record() -> Register:
    fields = tuple(
        BitField(name=message.name, width=1, access=_RW, lsb=bit,
                 reset=int(message in RECORDED_MESSAGES), description=f"Type {chr(byte)}.")
        for bit, (byte, message) in enumerate(itch50.MESSAGES.items()))
    every = BitField(name="all_symbols", width=1, access=_RW, lsb=31,
                     description="1 also those of symbols that are not watched.")
    return Register(name="record", fields=(*fields, every), description=(
        "Messages that are recorded as events, by type: those of watched symbols and those that "
        "concern the whole market."))


_FEED = Block(name="feed", base=0x0200, description="The market data stream; change it while "
                                                    "enable is 0.", registers=(
    _word("enable", _RW, "1 accepts market data.", width=1),
    _word("group_ip", _RW, "Destination IPv4 address of the stream."),
    _word("udp_port", _RW, "Destination UDP port of the stream.", width=16),
    _word("session_hi", _RW, "Characters 1 to 4 of the MoldUDP64 session, first one most "
                             "significant."),
    _word("session_mid", _RW, "Characters 5 to 8 of the session."),
    _word("session_lo", _RW, "Characters 9 and 10 of the session.", width=16),
    _word("session_learn", _RW, "1 takes the session of the first packet instead of the one set.",
          width=1, reset=1),
    _word("sequence_learn", _RW, "1 takes the sequence number of the first packet as the next one "
                                 "expected.", width=1),
    _word("next_sequence_lo", _RW, "Lower half of the sequence number to expect next.", reset=1),
    _word("next_sequence_hi", _RW, "Upper half of the sequence number to expect next."),
    _word("load_sequence", _PULSE, "Makes next_sequence the number expected next.", width=1),
    _word("market_code", _RW, "Market whose operational halts count, an ASCII letter.", width=8,
          reset=ord("Q")),
    _word("trading_events", _RW, "System events after which trading is allowed: bits 0 to 5 for "
                                 "O, S, Q, M, E, C.", width=6, reset=0b000100),
    _word("lift_market_halt", _PULSE, "Ends the market-wide halt; the feed has no message that "
                                      "does.", width=1),
    _word("igmp", _RW, "0 joins no group; else group_ip is joined while enable is 1: by IGMP of "
                       "version 2 or 3, by 1 that of the querier.", width=2),
    *_wide("local_mac", _RW, "own MAC address at the feed port, its first byte most significant; "
                             "not that of another port.", width=48),
    _word("local_address", _RW, "Own IPv4 address at the feed port; 0 will do for IGMP."),
    *_wide("timeout", _RW, "longest silence of the feed, heartbeats included, before no order "
                           "leaves; 0 never lets one leave.", width=40, reset=15_000_000_000,
           unit="ns"),
    _record(),
))

_ORDER_TABLE = Block(name="order_table", base=0x0300,
                     description="Keys of the two Toeplitz hashes; sampled while the table is "
                                 "empty.", registers=(
    _word("seed_0_lo", _RW, "Bits 31 to 0 of the key of bank 0.", reset=0x2F0B7B1D),
    _word("seed_0_mid", _RW, "Bits 63 to 32 of the key of bank 0.", reset=0x9A6C3E57),
    _word("seed_0_hi", _RW, "Bits 95 to 64 of the key of bank 0.", reset=0x6D5A56DA),
    _word("seed_1_lo", _RW, "Bits 31 to 0 of the key of bank 1.", reset=0xC3F4A815),
    _word("seed_1_mid", _RW, "Bits 63 to 32 of the key of bank 1.", reset=0x51D2996B),
    _word("seed_1_hi", _RW, "Bits 95 to 64 of the key of bank 1.", reset=0xB81E77A3),
))


def _counters() -> Block:
    return Block(name="counters", base=0x0400,
                 description="How often each thing happened since reset; 32 bits, they wrap.",
                 registers=tuple(_word(counter.register, _R, counter.description)
                                 for counter in COUNTERS))


def _symbols(count: int) -> Block:
    return Block(name="symbols", base=0x8000, count=count,
                 description="A watched symbol; all settings take effect together on commit.",
                 registers=(
        _word("stock_lo", _RW, "Characters 5 to 8 of the symbol, padded with spaces, first one "
                               "most significant.", reset=0x20202020),
        _word("stock_hi", _RW, "Characters 1 to 4 of the symbol.", reset=0x20202020),
        Register(name="locate", description="Stock locate of the day.", fields=(
            BitField(name="value", width=16, access=_RW, lsb=0, description="Stock locate."),
            BitField(name="valid", width=1, access=_RW, lsb=16,
                     description="0 lets the hardware learn it from the directory."),
        )),
        _word("tick_size", _RW, "Distance of two prices of the grid.", width=16, reset=100,
              unit="1e-4 USD"),
        _word("reciprocal", _RW, "The rounded 2 ** (17 + shift) / tick_size.", width=18,
              reset=83886),
        _word("shift", _RW, "The largest power of two that is not above tick_size, as exponent.",
              width=4, reset=6),
        _word("enable", _RW, "1 watches the symbol.", width=1),
        _word("commit", _PULSE, "Makes the settings of this symbol take effect.", width=1),
    ))


def register_map(*, symbols: int) -> RegisterMap:
    """Return the map of an appliance of `symbols` books.

    Raises
    ------
    RegisterError
        If so many symbols do not fit.
    """
    if not 1 <= symbols <= 1024:
        raise RegisterError(f"symbols must be 1 to 1024, was {symbols}")
    return RegisterMap((_identity(symbols), _CONTROL, _FEED, _ORDER_TABLE, _counters(),
                        MODEL, RISK, SESSION, LATENCY, ACCOUNT, MANAGEMENT, ARP_CACHE,
                        _symbols(symbols), strategy_block(symbols), limits_block(symbols),
                        positions_block(symbols)))
