"""Airways, arteries and veins of a patient.

Airways grow first: trachea, main and lobar bronchi, a named bronchus for each of 18 segments, then the periphery.
Arteries run beside the airways and grow on; veins keep away from them, run along the planes between the segments, and
drain by four trunks into the left atrium. Both carry the short side branches that real pulmonary vessels have in larger
number than the branches that follow the airways (supernumerary vessels, Elliott and Reid 1965).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pulmomap.phantom.airways import grow_airways
from pulmomap.phantom.anatomy import Anatomy
from pulmomap.phantom.arteries import grow_arteries
from pulmomap.phantom.fields import Coarse, Point
from pulmomap.phantom.population import Patient
from pulmomap.phantom.space import Branching, Walls
from pulmomap.phantom.variants import Variants
from pulmomap.phantom.veins import grow_veins


@dataclass(frozen=True)
class Vasculature:
    """The three trees. ``airways.radii`` is that of the lumen; ``airway_wall`` the wall's thickness at each node."""

    airways: Branching
    airway_wall: Point
    arteries: Branching
    veins: Branching


def grow(patient: Patient, variants: Variants, anatomy: Anatomy, coarse: Coarse) -> Vasculature:
    """Grow all three trees. Draws from ``coarse.rng``."""
    walls = Walls(anatomy, coarse)
    airways = grow_airways(patient, anatomy, coarse, walls)
    arteries = grow_arteries(patient, variants, anatomy, coarse, airways, walls)
    veins = grow_veins(patient, variants, anatomy, coarse, airways, arteries, walls)
    for branching in (arteries, veins):
        places = np.array(branching.tree.points)
        segments = coarse.at(anatomy.segments, places)
        branching.tree.segments[:] = np.where(np.array(branching.tree.lobes) > 0, segments, 0).tolist()
    return Vasculature(airways, np.maximum(0.7, 0.22 * airways.radii), arteries, veins)
