"""A comparison of plans as one self-contained SVG picture.

On the left the cost of a request by rank on a logarithmic scale, with a line where each plan's
revenue per request is; on the right the Lorenz curve. Positions are for the eye, so floats do.
"""

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from html import escape

from agentmeter.model.money import CONTEXT, plain
from agentmeter.report.compare import Comparison
from agentmeter.report.compare_text import money_text
from agentmeter.report.tail import Tail, ratio

_WIDTH, _HEIGHT, _SIDE = 960, 440, 340
_LEFT, _RIGHT, _TOP = 70, 580, 50
_LABEL = 14
"""How far apart labels are, so that none covers another."""
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Told apart by people with any colour vision (Okabe and Ito, 2008)."""

Point = tuple[float, float]


def comparison_svg(made: Comparison) -> str:
    """The picture; a note where nothing was recorded."""
    body = _empty() if made.tail is None else _body(made, made.tail)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
            f'width="{_WIDTH}" height="{_HEIGHT}" font-family="sans-serif" font-size="12" '
            'role="img">',
            "<title>Cost of a request, and what plans bring in</title>",
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
            *body,
            "</svg>\n",
        ]
    )


def _empty() -> Iterator[str]:
    yield _text((_WIDTH / 2, _HEIGHT / 2), "No requests were recorded.", "middle")


def _body(made: Comparison, tail: Tail) -> Iterator[str]:
    prices = [
        (one.plan, ratio(one.margin.revenue, Decimal(one.margin.requests)))
        for one in made.plans
        if one.margin.requests
    ]
    yield from _distribution(made, tail, prices)
    yield from _lorenz(tail)


def _distribution(
    made: Comparison, tail: Tail, prices: Sequence[tuple[str, Decimal]]
) -> Iterator[str]:
    shown = [*tail.sample, tail.largest, *(price for _, price in prices)]
    low, high = _decades(shown)

    def place(part: float, amount: Decimal) -> Point:
        level = math.log10(amount) if amount > 0 else low
        height = (max(low, level) - low) / (high - low)
        return _LEFT + part * (_SIDE + 60), _TOP + _SIDE * (1 - height)

    yield _text(
        (_LEFT, 24), f"Cost of a request, {made.currency}, the cheapest first", weight="bold"
    )
    for level in range(low, high + 1):
        _, y = place(0, Decimal(10) ** level)
        yield _line((_LEFT, y), (_LEFT + _SIDE + 60, y), "#ddd")
        yield _text((_LEFT - 6, y + 4), f"{Decimal(10) ** level:f}", "end")
    last = len(tail.sample) - 1
    curve = [place(at / last, amount) for at, amount in enumerate(tail.sample)]
    yield _path(curve, "#333", 2)
    yield from _percents(_LEFT, _SIDE + 60)
    lowest = float(_TOP)
    for number, (name, price) in enumerate(sorted(prices, key=lambda one: one[1], reverse=True)):
        colour = _COLOURS[number % len(_COLOURS)]
        _, y = place(0, price)
        yield _line((_LEFT, y), (_LEFT + _SIDE + 60, y), colour, "6 3")
        lowest = max(y - 4, lowest + _LABEL)
        label = f"{name}: {_amount(price)} for a request"
        yield _text((_LEFT + 8, lowest), label, fill=colour)
    yield _text((_LEFT, _HEIGHT - 8), f"true cost {money_text(made.cost, made.currency)}")


def _decades(amounts: Sequence[Decimal]) -> tuple[int, int]:
    levels = [math.log10(amount) for amount in amounts if amount > 0] or [0.0]
    low, high = math.floor(min(levels)), math.ceil(max(levels))
    return low, max(high, low + 1)


def _lorenz(tail: Tail) -> Iterator[str]:
    def place(part: float, share: float) -> Point:
        return _RIGHT + part * _SIDE, _TOP + _SIDE * (1 - share)

    dearest = _whole(tail.dearest["1"])
    title = f"Share of cost: 1 % of the requests make {dearest} %"
    yield _text((_RIGHT, 24), title, weight="bold")
    for tenth in range(0, 11, 2):
        _, y = place(0, tenth / 10)
        yield _line((_RIGHT, y), (_RIGHT + _SIDE, y), "#ddd")
        yield _text((_RIGHT - 6, y + 4), f"{tenth * 10} %", "end")
    yield _line(place(0, 0), place(1, 1), "#999", "4 4")
    last = len(tail.curve) - 1
    yield _path(
        [place(at / last, float(share)) for at, share in enumerate(tail.curve)], "#0072b2", 2
    )
    yield from _percents(_RIGHT, _SIDE)


def _whole(percent: Decimal) -> str:
    return f"{CONTEXT.quantize(percent, Decimal(1)):f}"


def _amount(price: Decimal) -> str:
    return plain(CONTEXT.quantize(price, Decimal("0.000001")))


def _percents(left: float, width: float) -> Iterator[str]:
    for tenth in range(0, 11, 2):
        x = left + width * tenth / 10
        yield _text((x, _TOP + _SIDE + 16), f"{tenth * 10} %", "middle")


def _text(
    at: Point, said: str, anchor: str = "start", weight: str = "normal", fill: str = "#333"
) -> str:
    return (
        f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" text-anchor="{anchor}" font-weight="{weight}" '
        f'fill="{fill}" stroke="#fff" stroke-width="3" paint-order="stroke">{escape(said)}</text>'
    )


def _line(start: Point, end: Point, colour: str, dashes: str = "") -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" '
        f'stroke="{colour}"{dashed}/>'
    )


def _path(points: Sequence[Point], colour: str, width: int) -> str:
    through = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{through}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
