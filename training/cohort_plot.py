"""Scatter plots with Pillow: one panel an index, one colour a group, each group's least squares line and slope."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import stats

Colour = tuple[int, int, int]
Points = tuple[NDArray[np.float64], NDArray[np.float64]]

SIZE = (560, 420)
"""Pixels of a panel."""
MARGINS = (66, 72, 16, 46)
"""Pixels left, above, right and below the axes."""
COLOURS: tuple[Colour, ...] = ((213, 94, 0), (0, 114, 178))
"""Of the groups in their order; told apart by colour-blind readers too (Okabe and Ito 2008)."""
INK: Colour = (40, 44, 52)
PAPER: Colour = (255, 255, 255)
GRID: Colour = (226, 229, 234)
_OVERSAMPLING = 2
_RADIUS = 3


@dataclass(frozen=True)
class Panel:
    """One scatter plot: a title, the name of the x axis, and x and y of one or two groups by name."""

    title: str
    x_name: str
    groups: Mapping[str, Points]


@dataclass(frozen=True)
class Axis:
    """A linear scale from values to pixels, with round ticks.

    Attributes:
        low, high: values at its ends.
        start, end: pixels at its ends.
    """

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def around(cls, values: NDArray[np.float64], start: float, end: float) -> Axis:
        """An axis with 5 % to spare at both ends."""
        low, high = float(values.min()), float(values.max())
        spare = 0.05 * (high - low) or 0.5
        return cls(low - spare, high + spare, start, end)

    def place(self, value: float) -> float:
        """Pixels."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Multiples of 1, 2 or 5 times a power of ten, four to eleven of them."""
        rough = (self.high - self.low) / 4
        power = 10.0 ** math.floor(math.log10(rough))
        step = max(multiple * power for multiple in (1, 2, 5) if multiple * power <= rough)
        return [step * i for i in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]


def draw(panels: Sequence[Panel]) -> Image.Image:
    """The panels, two in a row."""
    rows = math.ceil(len(panels) / 2)
    sheet = Image.new("RGB", (2 * SIZE[0], rows * SIZE[1]), PAPER)
    for place, panel in enumerate(panels):
        sheet.paste(_drawn(panel), (place % 2 * SIZE[0], place // 2 * SIZE[1]))
    return sheet


def axes(panel: Panel) -> tuple[Axis, Axis]:
    """The x and y axis of a panel, in its pixels."""
    left, top, right, bottom = MARGINS
    x, y = (np.concatenate([points[axis] for points in panel.groups.values()]) for axis in (0, 1))
    return Axis.around(x, left, SIZE[0] - right), Axis.around(y, SIZE[1] - bottom, top)


def _drawn(panel: Panel) -> Image.Image:
    image = Image.new("RGB", (SIZE[0] * _OVERSAMPLING, SIZE[1] * _OVERSAMPLING), PAPER)
    pen = ImageDraw.Draw(image)
    x_axis, y_axis = axes(panel)
    _frame(pen, panel, x_axis, y_axis)
    for order, ((name, points), colour) in enumerate(zip(panel.groups.items(), COLOURS, strict=False)):
        for x, y in zip(*points, strict=True):
            _dot(pen, x_axis.place(x), y_axis.place(y), colour)
        _line(pen, points, x_axis, y_axis, colour)
        _text(pen, (MARGINS[0], 30 + 17 * order), legend(name, points), "la", colour)
    return image.reduce(_OVERSAMPLING)


def legend(name: str, points: Points) -> str:
    """Name and size of a group, and the slope ± standard error of its least squares line if it has one."""
    fit = _fit(points)
    return f"{name}: n = {points[0].size}" + (f", slope {fit.slope:.4g} ± {fit.stderr:.2g}" if fit else "")


def _fit(points: Points) -> Any:
    """The least squares line; None for fewer than three points, or points at one x."""
    x, y = points
    return stats.linregress(x, y) if x.size > 2 and np.ptp(x) > 0 else None


def _frame(pen: ImageDraw.ImageDraw, panel: Panel, x_axis: Axis, y_axis: Axis) -> None:
    for tick in x_axis.ticks():
        x = x_axis.place(tick)
        _stroke(pen, (x, y_axis.start), (x, y_axis.end), GRID, 1)
        _text(pen, (x, y_axis.start + 6), f"{tick:g}", "ma")
    for tick in y_axis.ticks():
        y = y_axis.place(tick)
        _stroke(pen, (x_axis.start, y), (x_axis.end, y), GRID, 1)
        _text(pen, (x_axis.start - 7, y), f"{tick:g}", "rm")
    _stroke(pen, (x_axis.start, y_axis.start), (x_axis.end, y_axis.start), INK, 1)
    _stroke(pen, (x_axis.start, y_axis.start), (x_axis.start, y_axis.end), INK, 1)
    _text(pen, (MARGINS[0], 10), panel.title, "la", size=14)
    _text(pen, ((x_axis.start + x_axis.end) / 2, SIZE[1] - 8), panel.x_name, "md")


def _line(pen: ImageDraw.ImageDraw, points: Points, x_axis: Axis, y_axis: Axis, colour: Colour) -> None:
    fit = _fit(points)
    if fit is None:
        return
    ends = [
        (x_axis.place(at), y_axis.place(fit.intercept + fit.slope * at)) for at in (points[0].min(), points[0].max())
    ]
    _stroke(pen, ends[0], ends[1], colour, 2)


def _dot(pen: ImageDraw.ImageDraw, x: float, y: float, colour: Colour) -> None:
    box = [_OVERSAMPLING * value for value in (x - _RADIUS, y - _RADIUS, x + _RADIUS, y + _RADIUS)]
    pen.ellipse(box, fill=colour)


def _stroke(
    pen: ImageDraw.ImageDraw, start: tuple[float, float], end: tuple[float, float], colour: Colour, width: int
) -> None:
    pen.line([_OVERSAMPLING * value for value in (*start, *end)], fill=colour, width=width * _OVERSAMPLING)


def _text(
    pen: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    anchor: str,
    colour: Colour = INK,
    size: float = 12,
) -> None:
    at = (place[0] * _OVERSAMPLING, place[1] * _OVERSAMPLING)
    pen.text(at, text, fill=colour, font=ImageFont.load_default(size * _OVERSAMPLING), anchor=anchor)
