"""The client of the management service, for programs; ``tickwire.client`` is another name of it.

>>> from tickwire.client import Appliance
>>> with Appliance("127.0.0.1:5450") as appliance:
...     print(appliance.status().armed)
"""

from control.client.appliance import Appliance
from control.client.changes import Changing
from control.client.connection import Connection
from control.client.readings import (
    Account,
    Book,
    BookLevel,
    Counter,
    Event,
    Fill,
    Latency,
    LatencyBin,
    LatencyPercentile,
    LoggedPosition,
    Order,
    OrderLog,
    Position,
    Refusals,
    Risk,
    Status,
)
from control.client.settings import (
    ArpEntry,
    Feed,
    Limits,
    Model,
    Session,
    SessionLimits,
    SessionState,
    Strategy,
    Symbol,
)
from control.client.telemetry import EventStream
from control.errors import ControlError, ExitStatus, Reason
from control.units import dollars, format_price, parse_price

__all__ = [
    "Account", "Appliance", "ArpEntry", "Book", "BookLevel", "Changing", "Connection",
    "ControlError", "Counter", "Event", "EventStream", "ExitStatus", "Feed", "Fill", "Latency",
    "LatencyBin", "LatencyPercentile", "Limits", "LoggedPosition", "Model", "Order", "OrderLog",
    "Position", "Reason", "Refusals", "Risk", "Session", "SessionLimits", "SessionState", "Status",
    "Strategy", "Symbol", "dollars", "format_price", "parse_price",
]
