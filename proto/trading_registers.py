"""Blocks of the register map from the model to the order session.

Rows of the arrays ``strategy`` and ``limits`` share one shadow row each: words are written, then
``commit`` makes them the row in one cycle. A reader gets the row that is in force, not the shadow,
and from ``state`` whether one is.
"""

from proto.register_forms import codes, flags, text, wide, word
from proto.register_model import Access, BitField, Block, Register

__all__ = [
    "ACCOUNT", "ARP_CACHE", "HISTOGRAM_BINS", "LATENCY", "MODEL", "RISK", "ROW_STATE", "SESSION",
    "limits_block", "positions_block", "strategy_block",
]

_R, _RW, _PULSE = Access.R, Access.RW, Access.PULSE

#: Bins of the latency histogram, one a cycle; the last one holds everything longer.
HISTOGRAM_BINS = 512

_COMMIT = "Makes the shadow row this symbol's row, and marks it loaded."
#: Last word of a row of ``strategy`` and ``limits``.
ROW_STATE = Register(name="state", description="Whether the row is in force.", fields=(
    BitField(name="loaded", width=1, access=_R, lsb=0,
             description="It has been committed, and not been revoked since; else what the other "
                         "registers of the row read means nothing."),
    BitField(name="version", width=16, access=_R, lsb=16,
             description="Commits and revocations of the array up to this row's last commit, that "
                         "one included, modulo 2**16."),
))
_REVOKE = "Marks the row unloaded: the symbol may not be traded."

MODEL = Block(name="model", base=0x0800, description="Two banks of parameters; one scores, the "
                                                     "other may be written.", registers=(
    word("bank", _RW, "Bank to write.", width=1),
    word("address", _RW, "Word to write: a weight from 0 on, in the order of the features, then "
                         "the bias.", width=8),
    word("data", _RW, "The word, signed; a weight uses the lower 16 bits."),
    word("write", _PULSE, "Writes the word, unless the bank is the one that scores.", width=1),
    word("read_bank", _RW, "Bank to read back.", width=1),
    word("read_address", _RW, "Word to read back.", width=8),
    word("read_data", _R, "That word, sign-extended."),
    word("swap_bank", _RW, "Bank to make active.", width=1),
    word("swap_epoch", _RW, "Its epoch: stands in every record of an order that it caused.",
         width=16),
    word("expected_epoch", _RW, "The swap is refused if this is not the present epoch.", width=16),
    word("swap", _PULSE, "Makes the bank active between two scores.", width=1),
    word("epoch", _R, "The present epoch; 0 after reset.", width=16),
    flags("state", _R, "What scores.",
          loaded="A swap has been taken since reset; before it no score is used.",
          active_bank="The bank that scores."),
))

RISK = Block(name="risk", base=0x0880, description="Arming, kill and watchdog; limits of the "
                                                   "session.", registers=(
    flags("command", _PULSE, "What the operator wants; a kill wins over an arming.",
          arm="Arms, unless killed or without a fresh heartbeat.",
          disarm="Disarms: no order to enter leaves any more; cancels pass.",
          kill="Kills and disarms; latched.",
          clear_kill="Forgets a kill if its causes are gone; the appliance stays disarmed.",
          cancel_all="Asks for a cancel of every open order."),
    word("heartbeat", _PULSE, "Feeds the watchdog; the management port writes it for each new "
                              "heartbeat of the session.", width=1),
    *wide("watchdog_timeout", _RW, "longest silence of the control plane; 0 never arms.",
          width=40, unit="ns"),
    flags("state", _R, "State of the gate; armed and killed are never both set.",
          armed="Orders may leave.", killed="Killed, and not cleared.",
          feed_up="The feed is healthy.", session_up="The order session is logged in.",
          orders_ready="The table of own orders has been cleared after reset.",
          sweeping="A cancel of every open order is under way."),
    flags("cause", _R, "Why it was killed, all causes since the last clearing; the last one is "
                       "the watchdog.",
          operator="The command kill.",
          unexpected_answer="The venue answered to an order that is unknown or ended.",
          overfilled="More was executed than was open.",
          broken_trade="The venue broke a trade.",
          answer_lost="Answers came faster than they could be followed.",
          events_full="The event ring is full: a record that must not be lost had no room.",
          watchdog="No heartbeat of the control plane."),
    word("message_interval", _RW, "Time between messages at the sustained rate; 0 allows none.",
         unit="ns"),
    word("message_burst", _RW, "How far a burst may run ahead of the sustained rate.", unit="ns"),
    word("hold", _RW, "Longest time an intent may wait for its verdict.", unit="ns"),
    word("cancel_on_kill", _RW, "1 lets a kill ask for a cancel of every open order.", width=1,
         reset=1),
    word("limits_version", _R, "Commits and revocations of limits since reset, modulo 2**16.",
         width=16),
))

SESSION = Block(name="session", base=0x0900, description="The order session: TCP, SoupBinTCP, "
                                                         "OUCH. Change addresses and the login "
                                                         "while it is down.", registers=(
    word("enable", _RW, "Its rise connects and logs in; its fall logs out and closes.", width=1),
    flags("command", _PULSE, "What to do once.",
          abort="Resets the connection.",
          query="Asks the venue for the next UserRefNum (OUCH Account Query).",
          load_user_ref_num="Makes user_ref_num the number of the next order."),
    *wide("local_mac", _RW, "own MAC address, its first byte most significant.", width=48),
    word("local_address", _RW, "Own IPv4 address."),
    word("local_port", _RW, "Own TCP port.", width=16),
    word("peer_address", _RW, "The venue's IPv4 address."),
    word("peer_port", _RW, "The venue's TCP port.", width=16),
    word("next_hop", _RW, "IPv4 address of the venue, or of the gateway to it; asked by ARP."),
    word("static", _RW, "1 uses static_mac for the next hop, whatever the cache holds, and asks "
                        "nobody.", width=1),
    *wide("static_mac", _RW, "MAC address of the next hop.", width=48),
    word("arp_retry", _RW, "Time between ARP requests, while the next hop is unknown.",
         reset=1_000_000_000, unit="ns"),
    word("initial_sequence", _RW, "Secret part of TCP's initial sequence number."),
    word("retransmit", _RW, "First retransmission time; it doubles.", reset=20_000_000, unit="ns"),
    word("retries", _RW, "Retransmissions before the connection is given up.", width=4, reset=8),
    *wide("time_wait", _RW, "time in TIME-WAIT, and for the peer to close after us.", width=36,
          reset=1_000_000_000, unit="ns"),
    *text("username", _RW, "user of the login.", size=6),
    *text("password", _RW, "password of the login.", size=10),
    *text("requested", _RW, "session asked for, right aligned; blank for the active one.",
          size=10),
    *text("sequence", _RW, "sequence number asked for, decimal, right aligned.", size=20,
          reset="1".rjust(20)),
    *wide("heartbeat", _RW, "time without data after which a heartbeat is sent.", width=36,
          reset=1_000_000_000, unit="ns"),
    *wide("peer_timeout", _RW, "silence of the peer after which the connection is aborted.",
          width=36, reset=15_000_000_000, unit="ns"),
    codes("order_codes", "OUCH codes of side and time in force.",
          buy=("B", "Code of a buy."), sell=("S", "Code of a sale that the position covers."),
          ioc=("3", "Code of immediate-or-cancel."), day=("0", "Code of a day order.")),
    codes("order_short", "OUCH code of side of a sale that the position does not cover.",
          code=("T", "Side of a sale that the position does not cover: T or E.")),
    codes("order_terms", "OUCH codes that every order has.",
          display=("Y", "Display."), capacity=("P", "Capacity."),
          sweep=("N", "InterMarket Sweep Eligibility."), cross_type=("N", "Cross type.")),
    *text("cl_ord_id", _RW, "client order identifier.", size=14, reset="TICKWI"),
    flags("order_options", _RW, "Optional parts of an order.",
          cl_ord_id_hex="The last eight characters of ClOrdID are UserRefNum in hexadecimal.",
          firm="The option Firm is sent."),
    *text("firm", _RW, "firm.", size=4),
    word("user_ref_num", _RW, "Number of the next order, taken with load_user_ref_num.", reset=1),
    Register(name="state", description="State of the connection and of the session.", fields=(
        BitField(name="tcp", width=4, access=_R, lsb=0, description="See TcpState."),
        BitField(name="close_reason", width=3, access=_R, lsb=4, description="See CloseReason."),
        BitField(name="session", width=3, access=_R, lsb=8, description="See SessionState."),
        BitField(name="up", width=1, access=_R, lsb=12, description="Orders may be sent."),
        BitField(name="day_ended", width=1, access=_R, lsb=13,
                 description="The venue has ended the day."),
    )),
    word("reject_reason", _R, "Why a login was refused, an ASCII letter.", width=8),
    *wide("next_sequence", _R, "sequence number of the next sequenced message.", width=64),
    *text("joined", _R, "session joined last.", size=10),
    word("next_user_ref_num", _R, "UserRefNum that the next order gets."),
    word("venue_user_ref_num", _R, "Answer to the last Account Query; 0 before one."),
))

ARP_CACHE = Block(name="arp_cache", base=0x0AC0, description="MAC addresses by IPv4 address, four "
                                                             "of them: learnt by ARP, or set here "
                                                             "and then never replaced.", registers=(
    word("entry", _RW, "Entry to read or write.", width=2),
    word("half", _RW, "Its halfword: 0 and 1 the IPv4 address, 2 to 4 the MAC address, first bytes "
                      "first.", width=3),
    word("data", _RW, "Halfword to write.", width=16),
    flags("command", _PULSE, "What to do with the entry.",
          write="Writes the halfword, and takes the entry out of use.",
          set="Puts the entry into use until it is cleared or written.",
          clear="Takes the entry out of use."),
    word("read_data", _R, "The halfword, while no frame is answered.", width=16),
    word("used", _R, "Entries in use, entry 0 in bit 0.", width=4),
    word("fixed", _R, "Entries in use that were set here.", width=4),
))

LATENCY = Block(name="latency", base=0x0A00, description="Start of the frame with the trigger to "
                                                         "start of the order's frame, both at "
                                                         "the pins of the core.", registers=(
    word("bin", _RW, f"Bin to read, 0 to {HISTOGRAM_BINS - 1}; its number is the latency, the "
                     f"last bin holds everything longer.", width=9, unit="core cycles"),
    word("count", _R, "Orders in that bin.", unit="orders"),
    word("orders", _R, "Orders in all bins.", unit="orders"),
    word("minimum", _R, "Shortest latency; all ones before the first order.", unit="core cycles"),
    word("maximum", _R, "Longest latency.", unit="core cycles"),
    word("clear", _PULSE, "Empties the histogram.", width=1),
))

ACCOUNT = Block(name="account", base=0x0A40, description="Money since reset.", registers=(
    *wide("cash", _R, "what sales brought minus what purchases cost, signed, saturating.",
          width=64, unit="1e-4 USD"),
    *wide("turnover", _R, "value of all executions, saturating.", width=64, unit="1e-4 USD"),
    word("load_position", _RW, "Position, signed, for the pulse load of a symbol.", unit="shares"),
))


def strategy_block(symbols: int) -> Block:
    """Return the parameters of the threshold strategy, a row a symbol."""
    score = "in the unit of the score, signed"
    return Block(name="strategy", base=0x10000, count=symbols,
                 description="Parameters of the threshold strategy.", registers=(
        word("buy_threshold", _RW, f"A score at or above it buys; {score}."),
        word("sell_threshold", _RW, f"A score at or below minus it sells; {score}."),
        word("cancel_buy_threshold", _RW, f"A score below it cancels a resting order to buy; "
                                          f"{score}."),
        word("cancel_sell_threshold", _RW, f"A score above minus it cancels a resting order to "
                                           f"sell; {score}."),
        word("quantity", _RW, "Quantity of an order.", width=20, unit="shares"),
        word("offset", _RW, "Added to the reference price of a buy, taken off that of a sale; "
                            "signed.", unit="1e-4 USD"),
        word("cooldown", _RW, "Time after an intent to enter in which there is no other.",
             unit="ns"),
        word("near", _RW, "Reference price: 0 the far touch, 1 the near touch.", width=1),
        word("time_in_force", _RW, "0 immediate-or-cancel, 1 day.", width=1),
        word("enable", _RW, "1 lets the symbol make intents.", width=1),
        word("commit", _PULSE, _COMMIT, width=1),
        word("revoke", _PULSE, _REVOKE, width=1),
        ROW_STATE,
    ))


def limits_block(symbols: int) -> Block:
    """Return the limits of the risk gate, a row a symbol."""
    return Block(name="limits", base=0x20000, count=symbols,
                 description="Limits of the risk gate, all inclusive; without a committed row no "
                             "order passes.", registers=(
        word("maximum_quantity", _RW, "Largest order.", width=20, unit="shares"),
        *wide("maximum_value", _RW, "largest price times quantity.", width=52, unit="1e-4 USD"),
        word("collar_fraction", _RW, "Relative band round the mid.", width=16, unit="2**-16"),
        word("collar_minimum", _RW, "Least width of the band to each side.", unit="1e-4 USD"),
        word("maximum_long", _RW, "Largest position if every open buy executes.", width=31,
             unit="shares"),
        word("maximum_short", _RW, "Largest short position if every open sale executes.", width=31,
             unit="shares"),
        word("maximum_open_orders", _RW, "Most open orders, both sides.", width=10),
        word("restricted", _RW, "1 lets no order of the symbol pass.", width=1),
        word("commit", _PULSE, _COMMIT, width=1),
        word("revoke", _PULSE, _REVOKE, width=1),
        ROW_STATE,
    ))


def positions_block(symbols: int) -> Block:
    """Return positions and open quantities, a symbol each."""
    return Block(name="positions", base=0x30000, count=symbols,
                 description="What is held and what is open at the venue.", registers=(
        word("position", _R, "Shares held, signed.", unit="shares"),
        *wide("open_buy", _R, "shares of open orders to buy.", width=40, unit="shares"),
        *wide("open_sell", _R, "shares of open orders to sell.", width=40, unit="shares"),
        Register(name="open_orders", description="Open orders.", fields=(
            BitField(name="buy", width=16, access=_R, lsb=0, description="Open orders to buy."),
            BitField(name="sell", width=16, access=_R, lsb=16, description="Open orders to sell."),
        )),
        word("load", _PULSE, "Makes account.load_position the position, as reconciled.", width=1),
    ))
