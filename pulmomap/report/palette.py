"""One colour for each structure, the same in pictures, surfaces and the 3D view.

Arteries are blue and veins red, as in anatomy atlases of the lung: pulmonary arteries carry deoxygenated blood.
"""

from __future__ import annotations

from pulmomap.case import Vessel

Colour = tuple[int, int, int]
"""sRGB, 0 to 255."""

VESSELS: dict[Vessel, Colour] = {Vessel.ARTERY: (64, 132, 255), Vessel.VEIN: (240, 70, 70)}
NODULE: Colour = (255, 200, 60)
REGION: Colour = (235, 235, 235)
WARNING: Colour = (255, 176, 32)
TEXT: Colour = (255, 255, 255)
BACKGROUND: Colour = (16, 19, 24)


def as_hex(colour: Colour) -> str:
    """#rrggbb, as CSS wants it."""
    return "#{:02x}{:02x}{:02x}".format(*colour)
