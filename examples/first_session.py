# %% [markdown]
# # A first session with the Python client
#
# Run `make up`, then this file: cell by cell in an editor that knows `# %%`, or as a script with
# `.venv/bin/python examples/first_session.py`. Everything here goes over gRPC; nothing needs the
# machine of the appliance but the address in `TICKWIRE_SERVER` (default: 127.0.0.1:5450).

# %%
"""Connect, load the model, arm, watch for a while, and show what happened."""

import os
from collections import Counter
from pathlib import Path

from tickwire.client import Appliance, ControlError, Fill, dollars, format_price

MODEL = Path(os.environ.get("TICKWIRE_MODEL", "build/run/model.json"))
SECONDS = float(os.environ.get("TICKWIRE_SECONDS", "20"))

appliance = Appliance()
status = appliance.status()
print(f"appliance {status.version}, {status.symbols} books, core at {status.core_hz / 1e6} MHz")
print(f"watched: {', '.join(status.watched)}")

# %% [markdown]
# ## Books
#
# Prices are integers in 1e-4 USD, so that nothing is rounded; `format_price` and `dollars` make
# text and decimals of them. A book is exact, or its `states` say what keeps it from being traded.

# %%
for book in appliance.books():
    if book.bid is None or book.ask is None:
        print(f"{book.symbol:<10} no bid or no ask yet")
        continue
    print(f"{book.symbol:<10} {format_price(book.bid.price_e4):>8} x {book.bid.quantity:<6}"
          f"{format_price(book.ask.price_e4):>8} x {book.ask.quantity:<6}"
          f"{', '.join(book.states) or 'exact'}")

# %% [markdown]
# ## The model
#
# It is checked, written to the idle bank, read back, and made to score between two messages; the
# orders that it causes carry its epoch.

# %%
model = appliance.load_model(MODEL)
print(f"{model.name} scores with epoch {model.epoch}; weights {model.weights}, bias {model.bias}")

# %% [markdown]
# ## Arm, and follow the records
#
# An error has a reason to act upon. `events` ends by itself after a while here; without `seconds`
# it goes on for ever.

# %%
try:
    appliance.arm()
except ControlError as error:
    raise SystemExit(f"{error.reason.name}: {error.message}") from error

kinds = Counter[str]()
latencies: list[int] = []
with appliance.events(["order_sent", "order_refused", "venue_answer", "state"],
                      seconds=SECONDS) as events:
    for event in events:
        kinds[event.kind] += 1
        if event.kind == "order_sent" and event.fields["latency"]:
            latencies.append(event.fields["latency"])
appliance.disarm()
print(f"in {SECONDS:g} s: {dict(sorted(kinds.items()))}, {events.dropped} dropped")
if latencies:
    ns = 1e9 / status.core_hz
    print(f"tick to trade: {min(latencies)} to {max(latencies)} cycles, "
          f"{min(latencies) * ns:.1f} to {max(latencies) * ns:.1f} ns")

# %% [markdown]
# ## What it has brought
#
# Cash and positions at the mid, apart for each symbol, no fees.

# %%
log = appliance.orders(limit=1000)
books = {book.symbol: book for book in appliance.books()}
total_e4 = 0
for row in log.positions:
    worth_e4 = books[row.symbol].worth_e4(row.position) if row.symbol in books else None
    profit_e4 = row.cash_e4 + (worth_e4 or 0)
    total_e4 += profit_e4
    print(f"{row.symbol:<10} {row.fills:>4} fills  position {row.position:>+6}  "
          f"P&L {dollars(profit_e4):>+10.2f} USD")
print(f"{'all':<10} {log.fills:>4} fills  {'':>15}  P&L {dollars(total_e4):>+10.2f} USD")
print(f"refused: {', '.join(f'{row.check} {row.count}' for row in log.refusals) or 'nothing'}")

# %% [markdown]
# ## A picture
#
# Cash and position after each execution are easily followed; with matplotlib installed this draws
# the value of all positions at their last execution's price, else it prints a line a row.


# %%
def equity(fills: tuple[Fill, ...]) -> list[float]:
    """Return cash plus positions at the price of each symbol's last execution, in USD."""
    cash_e4, held, marks = 0, Counter[str](), dict[str, int]()
    values: list[float] = []
    for fill in fills:
        shares = -fill.quantity if fill.sell else fill.quantity
        held[fill.symbol] += shares
        cash_e4 -= shares * fill.price_e4
        marks[fill.symbol] = fill.price_e4
        worth_e4 = sum(count * marks[symbol] for symbol, count in held.items())
        values.append(float(dollars(cash_e4 + worth_e4)))
    return values


curve = equity(appliance.fills(limit=1000))
try:
    import matplotlib.pyplot as plt  # pyright: ignore[reportMissingImports]
except ImportError:
    step = max(1, len(curve) // 20)
    top = max((abs(value) for value in curve), default=0.0) or 1.0
    for number in range(0, len(curve), step):
        value = curve[number]
        bar = ("-" if value < 0 else "+") * round(abs(value) / top * 30)
        print(f"{number + 1:>5} {value:>+10.2f} USD {bar}".rstrip())
else:
    plt.step(range(1, len(curve) + 1), curve, where="post")
    plt.xlabel("executions")
    plt.ylabel("USD, at the last execution's price")
    plt.title("Equity")
    plt.show()

# %%
appliance.close()
