"""A venue that answers every order at random: accepted, executed in part or whole, cancelled.

It has no book of its own: what is measured is the appliance, and its position shall move.
"""

import random
from dataclasses import dataclass

from proto.wire import ouch50
from proto.wire.message import Value
from proto.wire.ouch50_codes import CancelReason, OrderState, TimeInForce
from sim.appliance import Appliance
from sim.errors import SimulationError
from sim.exchange.packets import Endpoint
from sim.exchange.soup_server import SoupConnection, SoupSettings, SoupStream
from sim.exchange.tcp_server import TcpServer
from sim.library import Line, Received
from sim.order_entry import SessionSettings, configure_session

__all__ = ["Counterparty", "OrderFrame"]

_ENDPOINT = Endpoint(mac=0x020000000002, ip=0x0A0900FE, port=26400)
_FCS_BYTES = 4


@dataclass(frozen=True, slots=True)
class OrderFrame:
    """An order to enter, as it left the appliance; ``start`` is the position of its Start."""

    start: int
    side: str
    quantity: int
    price: int
    symbol: str


@dataclass(slots=True)
class _Working:
    user_ref_num: int
    open_quantity: int
    price: int


class Counterparty:
    """The venue's end of an appliance's order session.

    Parameters
    ----------
    appliance : Appliance
        Its session is configured; :meth:`connect` brings it up.
    seed : int
        Of the answers.

    Attributes
    ----------
    entered : dict of int to OrderFrame
        Orders to enter by UserRefNum.
    cancels : int
        Cancels that came.
    """

    def __init__(self, appliance: Appliance, *, seed: int = 1) -> None:
        soup = SoupSettings()
        self.entered: dict[int, OrderFrame] = {}
        self.cancels = 0
        self._appliance = appliance
        self._rng = random.Random(seed)
        self._resting: dict[int, _Working] = {}
        self._stream = SoupStream(soup)
        self._match_number = 0
        self._start = 0
        self._server = TcpServer(_ENDPOINT, self._connection, seed=seed)
        configure_session(appliance, SessionSettings(
            peer_address=_ENDPOINT.ip, peer_port=_ENDPOINT.port, username=soup.username,
            password=soup.password))

    def connect(self, *, steps: int = 400, cycles: int = 256) -> None:
        """Bring the session up.

        Raises
        ------
        SimulationError
            If it does not come up.
        """
        self._appliance.write("session.enable", 1)
        for _ in range(steps):
            self.step(cycles)
            if self._appliance.read("session.state", "up"):
                return
        raise SimulationError(f"the order session was not up after {steps * cycles} cycles")

    def step(self, cycles: int) -> None:
        """Run the appliance, then answer what it sent.

        Raises
        ------
        SimulationError
            If a frame of the appliance is bad.
        """
        simulation = self._appliance.simulation
        simulation.run(cycles)
        now_ns = simulation.time_ns
        for frame in simulation.received(Line.ORDER):
            self._receive(frame, now_ns)
        self._age(now_ns)
        self._server.advance(now_ns)
        if answers := self._server.take_frames():
            self._appliance.send_frames(answers, line=Line.ORDER)

    def _receive(self, frame: Received, now_ns: int) -> None:
        if not frame.good:
            raise SimulationError(f"a bad frame left the order port: {frame!r}")
        self._start = frame.start
        self._server.receive(frame.frame[:-_FCS_BYTES], now_ns)

    def _connection(self) -> SoupConnection:
        return SoupConnection(self._stream, self._deliver, lambda now_ns: None,
                              self._appliance.simulation.time_ns)

    def _deliver(self, message: bytes, now_ns: int) -> None:
        table = ouch50.INBOUND[message[0]]
        fields, options = table.decode(message)
        if table is ouch50.ENTER_ORDER:
            self._enter(fields, options, now_ns)
        elif table is ouch50.CANCEL_ORDER:
            self.cancels += 1
            order = self._resting.pop(int(fields["user_ref_num"]), None)
            if order is not None:
                self._put(ouch50.ORDER_CANCELED, now_ns, user_ref_num=order.user_ref_num,
                          quantity=order.open_quantity, reason=CancelReason.USER_REQUESTED)

    def _enter(self, fields: dict[str, Value], options: dict[str, Value], now_ns: int) -> None:
        number, quantity = int(fields["user_ref_num"]), int(fields["quantity"])
        if number in self.entered:
            raise SimulationError(f"order {number} was entered twice")
        self.entered[number] = OrderFrame(self._start, str(fields["side"]), quantity,
                                          int(fields["price"]), str(fields["symbol"]))
        kept = {name: value for name, value in fields.items() if name != "message_type"}
        allowed = {name: value for name, value in options.items()
                   if name in ouch50.ORDER_ACCEPTED.options}
        self._send(ouch50.ORDER_ACCEPTED.encode(
            {**kept, "timestamp": now_ns, "order_reference_number": 1000 + number,
             "order_state": OrderState.LIVE}, allowed))
        order = _Working(number, quantity, int(fields["price"]))
        if fields["time_in_force"] == TimeInForce.IOC:
            self._end(order, now_ns)
        else:
            self._resting[number] = order

    def _age(self, now_ns: int) -> None:
        """End some of the orders that rest."""
        for number in list(self._resting):
            if self._rng.random() < 0.3:
                self._end(self._resting.pop(number), now_ns)

    def _end(self, order: _Working, now_ns: int) -> None:
        """Execute some or all of an order, and cancel what is left."""
        filled = self._rng.choice((0, order.open_quantity,
                                   self._rng.randint(0, order.open_quantity)))
        if filled:
            self._match_number += 1
            self._put(ouch50.ORDER_EXECUTED, now_ns, user_ref_num=order.user_ref_num,
                      quantity=filled, price=order.price, liquidity_flag="R",
                      match_number=self._match_number)
        if filled < order.open_quantity:
            self._put(ouch50.ORDER_CANCELED, now_ns, user_ref_num=order.user_ref_num,
                      quantity=order.open_quantity - filled,
                      reason=CancelReason.IMMEDIATE_OR_CANCEL)

    def _put(self, table: ouch50.OuchMessage, now_ns: int, **values: Value) -> None:
        self._send(table.encode({**values, "timestamp": now_ns}))

    def _send(self, message: bytes) -> None:
        self._stream.append(message)
