"""Box plots as SVG: sharp on paper, and small inside a page. Every case is a dot, so that few cases look like few."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from training.cohort_plot import Axis
from training.evaluation.results import Column, Results
from training.evaluation.rows import CECT_VESSELS, NCCT, NCCT_VESSELS, SYN, SYN_VESSELS

WIDTH, HEIGHT = 250, 210
LEFT, TOP, RIGHT, BOTTOM = 44.0, 28.0, 8.0, 34.0
BOX, DOT, SPREAD = 34.0, 2.4, 9.0
COLOURS = ("#6b7280", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
"""No model, ours, the true CECT, then other arms; told apart by colour-blind readers too (Okabe and Ito 2008)."""

SHORT = {NCCT: "NCCT", SYN: "Syn-CECT", NCCT_VESSELS: "NCCT", SYN_VESSELS: "Syn-CECT", CECT_VESSELS: "CECT"}
"""Names under the boxes."""


@dataclass(frozen=True)
class Panel:
    """One plot: which figure of which task, and its title (↓ where less is better)."""

    task: str
    figure: str
    title: str


PANELS: Mapping[str, tuple[Panel, ...]] = {
    "Image against the CECT": (
        Panel("synthesis", "psnr", "PSNR, dB"),
        Panel("synthesis", "vessel_psnr", "PSNR in PA and PV, dB"),
        Panel("synthesis", "ms_ssim", "MS-SSIM"),
        Panel("synthesis", "vessel_mae", "MAE in PA and PV, HU ↓"),
    ),
    "Vessels of the whole scan": (
        Panel("segmentation", "dice_pa", "Dice, PA"),
        Panel("segmentation", "dice_pv", "Dice, PV"),
        Panel("segmentation", "length_pa", "tree length found, PA"),
        Panel("segmentation", "length_pv", "tree length found, PV"),
        Panel("segmentation", "hd95_pa", "HD95, PA, mm ↓"),
        Panel("segmentation", "hd95_pv", "HD95, PV, mm ↓"),
        Panel("segmentation", "sensitivity", "sensitivity"),
        Panel("segmentation", "mcs", "artery/vein confusion (MCS) ↓"),
    ),
    "Within 50 mm around the nodules": (
        Panel("nodules", "local_dice_pa", "LocalDice, PA"),
        Panel("nodules", "local_dice_pv", "LocalDice, PV"),
        Panel("nodules", "frag_index_pa", "FragIndex, PA, /cm³ ↓"),
        Panel("nodules", "frag_index_pv", "FragIndex, PV, /cm³ ↓"),
        Panel("nodules", "local_hd95_pa", "HD95, PA, mm ↓"),
        Panel("nodules", "local_hd95_pv", "HD95, PV, mm ↓"),
        Panel("nodules", "local_assd_pa", "ASSD, PA, mm ↓"),
        Panel("nodules", "local_assd_pv", "ASSD, PV, mm ↓"),
    ),
}


def plots(results: Results) -> dict[str, list[str]]:
    """The SVG drawings by heading; headings without any value are left out."""
    found = {}
    for heading, panels in PANELS.items():
        drawn = [_of_panel(results, panel) for panel in panels]
        if any(drawn):
            found[heading] = [one for one in drawn if one]
    return found


def _of_panel(results: Results, panel: Panel) -> str:
    groups = {SHORT.get(row, row): results.column(panel.task, row, panel.figure) for row in results.rows(panel.task)}
    kept = {name: values for name, values in groups.items() if np.isfinite(values).any()}
    return box_plot(panel.title, kept) if kept else ""


def box_plot(title: str, groups: Mapping[str, Column]) -> str:
    """Boxes side by side (quartiles, median; whiskers to the last value within 1.5 box lengths: Tukey 1977).

    Args:
        title: above the plot.
        groups: by name, one value a case in one order, NaN where it has none. Lines join a case's values.
    """
    every = np.concatenate([values[np.isfinite(values)] for values in groups.values()])
    axis = Axis.around(every, HEIGHT - BOTTOM, TOP)
    step = (WIDTH - LEFT - RIGHT) / len(groups)
    centres = [LEFT + step * (place + 0.5) for place in range(len(groups))]
    parts = [_frame(title, axis), _joined(list(groups.values()), centres, axis)]
    for (name, values), centre, colour in zip(groups.items(), centres, COLOURS * len(groups), strict=False):
        parts.append(_box(values[np.isfinite(values)], centre, min(BOX, 0.7 * step), axis, colour))
        short = name if len(name) <= 12 else f"{name[:11]}…"
        parts.append(_text(centre, HEIGHT - BOTTOM + 14, short, "middle"))
        parts.append(_text(centre, HEIGHT - BOTTOM + 26, f"n = {np.isfinite(values).sum()}", "middle", "quiet"))
    label = escape(f"Box plot of {title}: " + ", ".join(_spoken(name, values) for name, values in groups.items()))
    start = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}" xmlns="http://www.w3.org/2000/svg">'
    return start + "".join(parts) + "</svg>"


def whiskers(values: Column) -> tuple[float, float, float, float, float]:
    """Lower whisker, lower quartile, median, upper quartile, upper whisker."""
    low, middle, high = (float(value) for value in np.percentile(values, [25, 50, 75]))
    reach = 1.5 * (high - low)
    return float(values[values >= low - reach].min()), low, middle, high, float(values[values <= high + reach].max())


def _frame(title: str, axis: Axis) -> str:
    parts = [f'<text x="{LEFT}" y="15" class="title">{escape(title)}</text>']
    for tick in axis.ticks():
        y = axis.place(tick)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        parts.append(_text(LEFT - 5, y + 3.5, f"{tick:.6g}", "end"))
    return "".join(parts)


def _joined(columns: Sequence[Column], centres: Sequence[float], axis: Axis) -> str:
    lines = []
    for values in zip(*columns, strict=True):
        ends = [f"{x:.1f},{axis.place(float(y)):.1f}" for x, y in zip(centres, values, strict=True) if np.isfinite(y)]
        if len(ends) > 1:
            lines.append(f'<polyline points="{" ".join(ends)}" class="pair"/>')
    return "".join(lines)


def _box(values: Column, x: float, width: float, axis: Axis, colour: str) -> str:
    bottom, low, middle, high, top = (axis.place(value) for value in whiskers(values))
    left, right = x - width / 2, x + width / 2
    height = max(low - high, 0.5)
    parts = [
        f'<g stroke="{colour}" fill="{colour}">',
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{bottom:.1f}" y2="{low:.1f}"/>',
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{high:.1f}" y2="{top:.1f}"/>',
        f'<rect x="{left:.1f}" y="{high:.1f}" width="{width:.1f}" height="{height:.1f}" fill-opacity=".18"/>',
        f'<line x1="{left:.1f}" x2="{right:.1f}" y1="{middle:.1f}" y2="{middle:.1f}" stroke-width="2.2"/>',
    ]
    for place, value in enumerate(values):  # spread by a fixed pattern: the same figures, the same bytes
        shift = SPREAD * (((place * 0.618034) % 1) - 0.5)
        parts.append(f'<circle cx="{x + shift:.1f}" cy="{axis.place(float(value)):.1f}" r="{DOT}" stroke="none"/>')
    return "".join([*parts, "</g>"])


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{style}>{escape(text)}</text>'


def _spoken(name: str, values: Column) -> str:
    return f"{name} median {np.nanmedian(values):.4g}"
