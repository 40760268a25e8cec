"""Are the slices of a stack evenly spaced, and if not: is one missing, and where?"""

from __future__ import annotations

from itertools import islice

import numpy as np
import numpy.typing as npt

from pulmomap.refusals import Refusal, Refused

Array = npt.NDArray[np.float64]

_NEIGHBOURS = 1.5
"""Steps below this multiple of the smallest one are between neighbours; a step over one gap is 2."""
_SHARE_OF_NEIGHBOURS = 0.25
"""At least this share of the steps must be between neighbours; else the smallest step is a misplaced slice."""
_NAMED = 8
"""So many missing places are written out."""


def check_distances(positions: Array, distances: Array, fraction: float) -> None:
    """Require a regular grid along the normal.

    Args:
        positions: (n, 3) LPS mm, ordered; n at least 2.
        distances: (n,) along the normal, mm, strictly ascending.
        fraction: how far a slice may lie from its place on the grid, as a fraction of the spacing.

    Raises:
        Refused: MISSING_SLICES, naming number and places; IRREGULAR_SPACING.
    """
    steps = np.diff(distances)
    neighbours = steps[steps < _NEIGHBOURS * steps.min()]
    multiples = np.rint(steps / neighbours.mean())
    grid = np.concatenate([[0.0], np.cumsum(multiples)])
    unit, start = _fit_line(grid, distances)
    off = float(np.abs(distances - (start + unit * grid)).max())
    if len(neighbours) < _SHARE_OF_NEIGHBOURS * len(steps) or off > fraction * unit:
        raise Refused(
            Refusal.IRREGULAR_SPACING,
            f"the slices are {steps.min():.2f} to {steps.max():.2f} mm apart; send a reconstruction with even spacing",
        )
    if multiples.max() > 1:
        raise _missing_slices(positions, multiples, unit)


def name_place(position: Array, direction: Array) -> str:
    """A plane's place in words: its coordinate on the patient axis that the stack follows ("z = -120.5 mm")."""
    axis = int(np.argmax(np.abs(direction)))
    return f"{'xyz'[axis]} = {position[axis]:.1f} mm"


def _fit_line(grid: Array, distances: Array) -> tuple[float, float]:
    unit, start = np.polyfit(grid, distances, 1)
    return float(unit), float(start)


def _missing_slices(positions: Array, multiples: Array, unit: float) -> Refused:
    direction = positions[-1] - positions[0]
    count = int((multiples - 1).sum())
    places = (
        name_place(positions[step] + (positions[step + 1] - positions[step]) * part / multiples[step], direction)
        for step in np.flatnonzero(multiples > 1)
        for part in range(1, int(multiples[step]))
    )
    named = ", ".join(islice(places, _NAMED)) + (f" and {count - _NAMED} more" if count > _NAMED else "")
    noun = "slice is" if count == 1 else "slices are"
    return Refused(
        Refusal.MISSING_SLICES,
        f"{count} {noun} missing at {named} (spacing {unit:.2f} mm); send the whole series",
    )
