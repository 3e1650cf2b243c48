"""A whole order session with an independent SoupBinTCP client on Linux's own TCP stack."""

import pytest

from proto.wire import ouch50
from sim.exchange.soup_server import SoupSettings
from sim.exchange.tcp_connection import TcpState
from sim.exchange.venue import ExchangeSettings, simulated_exchange
from tests.unit.sim.exchange.test_ouch_session import cancel, decode, enter
from tests.unit.sim.exchange.test_tcp_server import LOCAL

CLIENT = """
import asyncio, warnings
warnings.simplefilter("ignore")
from nasdaq_protocols import soup

messages = [bytes.fromhex(text) for text in {messages!r}]

async def main():
    session = await soup.connect_async(("10.9.0.2", 26400), "USER", "SECRET", "", 1)
    for message in messages:
        session.send_unseq_data(message)
    data = b""
    while data[:1] != b"Q":
        data = (await asyncio.wait_for(session.receive_msg(), 10)).data
        print(data.hex())
    session.logout()
    await asyncio.sleep(0.2)

asyncio.run(main())
"""


class Clocked:
    """An exchange as a server on the wall clock; its background stands still."""

    def __init__(self, exchange):
        self.exchange = exchange
        self.counters = exchange.server.counters

    @property
    def next_ns(self):
        return self.exchange.server.next_ns

    def receive(self, frame, now_ns):
        self.exchange.now_ns = now_ns
        self.exchange.server.receive(frame, now_ns)

    def advance(self, now_ns):
        self.exchange.now_ns = now_ns
        self.exchange.server.advance(now_ns)

    def take_frames(self):
        return self.exchange.server.take_frames()


def test_independent_client_logs_in_trades_and_logs_out(tap):
    pytest.importorskip("nasdaq_protocols")
    settings = ExchangeSettings(order_port=LOCAL, soup=SoupSettings(
        username="user", password="secret", session="S1"))
    exchange = simulated_exchange({"AAPL": 1_000_000}, seed=1, settings=settings)
    exchange.start()
    asked = [enter(1, price_e4=1_010_000, quantity=200, tif="3"), enter(1), enter(2, symbol="IBM"),
             enter(3, price_e4=900_000), cancel(3), ouch50.ACCOUNT_QUERY.encode({})]
    wanted = [decode(item) for item in exchange.session.stream.messages]
    script = CLIENT.format(messages=[item.hex() for item in asked])
    told = [decode(bytes.fromhex(line))
            for line in tap.serve(Clocked(exchange), tap.start(script)).split()]
    kinds = [kind for kind, _ in told]
    fills = [fields for kind, fields in told if kind == "E"]
    assert told[:1] == wanted, "the start of the day is replayed"
    assert [kind for kind in kinds if kind != "E"] == ["S", "A", "J", "A", "C", "Q"]
    assert sum(fields["quantity"] for fields in fills) == 200
    account = exchange.ledger.accounts["user"]
    assert account.positions == {"AAPL": 200}
    assert account.cash_e4 == -sum(f["quantity"] * f["price"] for f in fills)
    assert {item.state for item in exchange.server.connections} <= {TcpState.TIME_WAIT}
