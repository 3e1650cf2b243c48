"""Stylised facts as a drawing: SVG, written by hand, so that nothing has to be installed for it."""

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

from sim.exchange.facts import Facts

__all__ = ["plot"]

_COLOURS = ("#1f4e79", "#c55a11", "#548235", "#7030a0", "#7f6000")
_WIDTH, _HEIGHT = 460, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 34, 44
_PANELS_A_ROW = 2
_LEGEND = 34
_GRID_LINES = 5

Point = tuple[float, float]


class _Panel:
    """One diagram: axes, grid and a line for each market.

    Parameters
    ----------
    title, across, up : str
        What it shows, and what its axes are.
    lines : sequence of sequence of Point
        One a market, in order.
    log : bool
        Whether the axis across is logarithmic.
    """

    def __init__(self, title: str, across: str, up: str, lines: Sequence[Sequence[Point]], *,
                 log: bool = False) -> None:
        self._labels = title, across, up
        self._lines = lines
        self._log = log
        points = [point for line in lines for point in line]
        self._x = min(self._at(x) for x, _ in points), max(self._at(x) for x, _ in points)
        low = min(0.0, *(y for _, y in points))
        self._y = low, max(y for _, y in points) * 1.05 or 1.0

    def _at(self, x: float) -> float:
        return math.log10(x) if self._log else x

    def _place(self, x: float, y: float) -> Point:
        (x0, x1), (y0, y1) = self._x, self._y
        across = (self._at(x) - x0) / ((x1 - x0) or 1)
        return (_LEFT + across * (_WIDTH - _LEFT - _RIGHT),
                _HEIGHT - _BOTTOM - (y - y0) / (y1 - y0) * (_HEIGHT - _TOP - _BOTTOM))

    def draw(self) -> str:
        """Return the panel as SVG, its corner at the origin."""
        title, across, up = map(escape, self._labels)
        middle = (_LEFT + _WIDTH - _RIGHT) / 2
        parts = [
            f'<text x="{middle}" y="20" class="title">{title}</text>',
            f'<text x="{middle}" y="{_HEIGHT - 8}" class="label">{across}</text>',
            f'<text transform="translate(14 {_HEIGHT / 2}) rotate(-90)" class="label">{up}</text>',
            *self._axes()]
        for number, line in enumerate(self._lines):
            places = " ".join(f"{x:.1f},{y:.1f}" for x, y in (self._place(*p) for p in line))
            colour = _COLOURS[number % len(_COLOURS)]
            parts.append(f'<polyline points="{places}" fill="none" stroke="{colour}" '
                         f'stroke-width="1.8"/>')
        return "\n".join(parts)

    def _axes(self) -> list[str]:
        parts: list[str] = []
        (x0, x1), (y0, y1) = self._x, self._y
        for value in _marks(y0, y1):
            _, y = self._place(10**x0 if self._log else x0, value)
            parts += [f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" '
                      f'class="grid"/>',
                      f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" class="number">{value:g}</text>']
        marks = [10**power for power in range(math.ceil(x0), math.floor(x1) + 1)] \
            if self._log else _marks(x0, x1)
        for value in marks:
            x, _ = self._place(value, y0)
            parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 16}" class="label">'
                         f'{value:g}</text>')
        return parts


def _marks(low: float, high: float) -> list[float]:
    """Return round numbers between two values."""
    step = 10 ** math.floor(math.log10((high - low) / _GRID_LINES))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (factor * step)
                 <= _GRID_LINES + 1)
    first = math.ceil(low / step)
    return [round(number * step, 10) for number in range(first, math.floor(high / step) + 1)]


def plot(columns: Mapping[str, Facts]) -> str:
    """Return the facts of some markets as one SVG."""
    def lines(of: Callable[[Facts], Mapping[int, float]]) -> list[list[Point]]:
        return [[(float(x), y) for x, y in sorted(of(facts).items())]
                for facts in columns.values()]

    panels = [
        _Panel("Spread", "spread over its median", "share of messages below",
               [_distribution(facts) for facts in columns.values()]),
        _Panel("Signs of trades", "lag, trades", "autocorrelation",
               lines(lambda facts: facts.sign_autocorrelation), log=True),
        _Panel("Moves of the mid: fat tails", "messages that a move spans", "excess kurtosis",
               lines(lambda facts: facts.kurtosis), log=True),
        _Panel("Moves of the mid over 100 messages: absolute values", "lag, moves",
               "autocorrelation", lines(lambda facts: facts.volatility_autocorrelation), log=True),
        _Panel("Life of orders", "messages", "share that has ended",
               [_deciles(facts) for facts in columns.values()], log=True),
        _Panel("Size of orders", "shares", "share of at least that size",
               lines(lambda facts: facts.order_sizes), log=True),
    ]
    rows = -(-len(panels) // _PANELS_A_ROW)
    width, height = _PANELS_A_ROW * _WIDTH, rows * _HEIGHT + _LEGEND
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="12">',
        "<style>.title{font-weight:bold;text-anchor:middle}.label{text-anchor:middle}"
        ".number{text-anchor:end}.grid{stroke:#d9d9d9}</style>",
        f'<rect width="{width}" height="{height}" fill="white"/>']
    for number, name in enumerate(columns):
        x = 40 + number * 260
        colour = _COLOURS[number % len(_COLOURS)]
        parts.append(f'<line x1="{x}" x2="{x + 26}" y1="18" y2="18" stroke="{colour}" '
                     f'stroke-width="3"/><text x="{x + 34}" y="22">{escape(name)}</text>')
    for number, panel in enumerate(panels):
        row, column = divmod(number, _PANELS_A_ROW)
        parts.append(f'<g transform="translate({column * _WIDTH} {_LEGEND + row * _HEIGHT})">\n'
                     f"{panel.draw()}\n</g>")
    return "\n".join([*parts, "</svg>", ""])


def _distribution(facts: Facts) -> list[Point]:
    """Return the share of messages with a spread of at most x medians, up to three."""
    total, points = 0.0, [(0.0, 0.0)]
    for ticks, share in sorted(facts.spread_share.items()):
        total += share
        x = ticks / (facts.spread_ticks["median"] or 1)
        if x <= 3:
            points.append((x, total))
    return points


def _deciles(facts: Facts) -> list[Point]:
    """Return the share of orders that have ended after so many messages."""
    return [(max(1.0, messages), share) for share, messages in sorted(facts.life_shares.items())]
