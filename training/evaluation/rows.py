"""The rows of every table, and which of them are compared."""

from __future__ import annotations

NCCT, SYN, CECT = "NCCT (no model)", "Syn-CECT", "CECT"
"""Images, against the CECT."""

NCCT_VESSELS, SYN_VESSELS, CECT_VESSELS = "NCCT twice (no model)", "NCCT + Syn-CECT", "NCCT + true CECT"
"""Second channels of the segmenter, against the reference map. The last is the most that synthesis could give."""

COMPARED = {
    "synthesis": (NCCT, SYN),
    "segmentation": (NCCT_VESSELS, SYN_VESSELS),
    "nodules": (NCCT_VESSELS, SYN_VESSELS),
}
"""Ours is compared with no model, patient by patient."""

LOWER = ("mae", "hd95", "mcs", "frag", "assd", "false", "holes", "invented")
"""Figures that are better when lower have one of these words in their names."""


def lower_is_better(figure: str) -> bool:
    """Whether a figure is an error, a distance or a count of fragments."""
    return any(word in figure for word in LOWER)
