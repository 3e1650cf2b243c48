"""States of the order session as software reads them."""

from enum import IntEnum

__all__ = ["CloseReason", "SessionState", "TcpState"]


class TcpState(IntEnum):
    """State of the TCP connection; RESOLVE waits for the next hop's address."""

    CLOSED = 0
    RESOLVE = 1
    SYN_SENT = 2
    ESTABLISHED = 3
    FIN_WAIT_1 = 4
    FIN_WAIT_2 = 5
    CLOSING = 6
    TIME_WAIT = 7
    CLOSE_WAIT = 8
    LAST_ACK = 9


class CloseReason(IntEnum):
    """Why the connection was left last."""

    NONE = 0
    LOCAL = 1       #: closed or given up by us
    PEER = 2        #: the peer closed first
    RESET = 3       #: by the peer
    REFUSED = 4     #: by the peer, in answer to SYN
    TIMEOUT = 5     #: no acknowledgment after all retransmissions


class SessionState(IntEnum):
    """State of the SoupBinTCP session."""

    DOWN = 0        #: no connection
    LOGIN = 1       #: the login has not been answered
    UP = 2          #: logged in
    REJECTED = 3    #: the login was refused
    ENDED = 4       #: the server has ended the session, or we have logged out
