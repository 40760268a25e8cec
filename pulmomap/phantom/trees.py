"""Airways, arteries and veins of a patient.

Airways grow first: trachea, main and lobar bronchi, a named bronchus for each of 18 segments, then the periphery.
Arteries run beside the airways and grow on; veins keep away from them, run along the planes between the segments, and
drain by four trunks into the left atrium. Both carry the short side branches that real pulmonary vessels have in larger
number than the branches that follow the airways (supernumerary vessels, Elliott and Reid 1965). No two of the three run
through each other: the thinner tree gives way (:mod:`pulmomap.phantom.separation`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pulmomap.phantom.airways import grow_airways
from pulmomap.phantom.anatomy import Anatomy
from pulmomap.phantom.arteries import grow_arteries
from pulmomap.phantom.fields import Coarse, Point
from pulmomap.phantom.generations import levels
from pulmomap.phantom.growth import Tree, smooth
from pulmomap.phantom.population import Patient
from pulmomap.phantom.separation import Obstacles, give_way, never_touching, tubes, without_touching
from pulmomap.phantom.space import Branching, Walls, off_the_pleura
from pulmomap.phantom.supernumerary import Twigs, sprout
from pulmomap.phantom.threads import Threads, grow_threads
from pulmomap.phantom.variants import Variants
from pulmomap.phantom.veins import grow_veins


@dataclass(frozen=True)
class Vasculature:
    """The three trees, and what goes on where two of them end, too fine for a label.

    ``airways.radii`` are lumens, ``airway_wall`` the walls; mm, at each node.
    """

    airways: Branching
    airway_wall: Point
    arteries: Branching
    veins: Branching
    artery_threads: Threads
    vein_threads: Threads


REGROWN = 4  # times at most, where veins were taken off that found no way past what stands
SMOOTHED = 3  # times, before a tree gives way once more
# Surface to surface, mm. An artery may lean on the airway it runs with.
BESIDE_AIRWAY = 0.1
DENT = 0.6  # what an airway's wall may press into an artery that found no other way
BESIDE_VESSEL = 0.4
TOUCH = 0.05  # what nothing may come nearer to a vein than
# A segmenter learns to tell an artery by the bronchus beside it. Walls that are too thick, or lumens that are always
# wide, teach what no scan shows.
NARROW_BELOW, NARROWING = (1.2, 2.8), (0.0, 2.2)  # mm; exponent; between people
WALL_LEAST, WALL_SHARE = 0.1, 0.17  # mm, and of the lumen's radius
WALL_FACTOR = (1.25, 2.8)  # between people
ARTERY_TWIGS, VEIN_TWIGS = Twigs(every=6.0), Twigs(every=5.5)


def grow(patient: Patient, variants: Variants, anatomy: Anatomy, coarse: Coarse) -> Vasculature:
    """Grow all three trees. Draws from ``coarse.rng``."""
    walls = Walls(anatomy, coarse)
    airways = grow_airways(patient, anatomy, coarse, walls)
    sheath = np.maximum(0.7, 0.22 * airways.radii)  # the room that an airway's wall, and what lies around it, may take
    bronchi = tubes(airways.tree, airways.radii, sheath)
    artery, artery_radii = grow_arteries(patient, variants, anatomy, coarse, airways, walls)
    _part(artery, artery_radii, Obstacles([bronchi]), BESIDE_AIRWAY, coarse.rng, walls)
    standing = Obstacles([bronchi, tubes(artery, artery_radii)])
    vein, drainage = grow_veins(patient, variants, anatomy, coarse, standing, walls)
    vein_radii = drainage.radii(vein)
    _part(vein, vein_radii, standing, BESIDE_VESSEL, coarse.rng, walls)
    _part(artery, artery_radii, Obstacles([bronchi, tubes(vein, vein_radii)]), BESIDE_AIRWAY, coarse.rng, walls)
    artery, artery_radii = without_touching(artery, artery_radii, Obstacles([bronchi]), -DENT)
    standing = Obstacles([bronchi, tubes(artery, artery_radii)])
    _part(vein, vein_radii, standing, BESIDE_VESSEL, coarse.rng, walls)
    vein, vein_radii = without_touching(vein, vein_radii, standing, 0.5 * BESIDE_VESSEL)
    undrained = drainage.undrained(vein)
    for _ in range(REGROWN):
        grown = drainage.again(vein, standing, walls)
        radii = drainage.radii(grown)
        _part(grown, radii, standing, BESIDE_VESSEL, coarse.rng, walls)
        grown, radii = without_touching(grown, radii, standing, 0.5 * BESIDE_VESSEL)
        left = drainage.undrained(grown)
        if left < undrained:  # else what was gained was lost elsewhere: once more, with other noise
            vein, vein_radii, undrained = grown, radii, left
    inside = off_the_pleura(anatomy, coarse)
    artery_radii = sprout(
        artery, artery_radii, ARTERY_TWIGS, inside, Obstacles([bronchi, tubes(vein, vein_radii)]), coarse.rng
    )
    standing = Obstacles([bronchi, tubes(artery, artery_radii)])
    vein_radii = sprout(vein, vein_radii, VEIN_TWIGS, inside, standing, coarse.rng)
    artery, artery_radii = never_touching(artery, artery_radii, Obstacles([bronchi]), -DENT)
    standing = Obstacles([bronchi, tubes(artery, artery_radii)])
    vein, vein_radii = never_touching(vein, vein_radii, standing, TOUCH)
    for tree in (artery, vein):
        segments = coarse.at(anatomy.segments, np.array(tree.points))
        tree.segments[:] = np.where(np.array(tree.lobes) > 0, segments, 0).tolist()
    arteries = Branching(artery, artery_radii, levels(artery, artery_radii))
    veins = Branching(vein, vein_radii, levels(vein, vein_radii))
    lumen = _narrowed(airways.radii, coarse.rng)
    wall = _wall(lumen, sheath, coarse.rng)
    threads = [grow_threads(tree, anatomy, coarse) for tree in (artery, vein)]
    return Vasculature(Branching(airways.tree, lumen, airways.levels), wall, arteries, veins, *threads)


def _narrowed(lumen: Point, rng: np.random.Generator) -> Point:
    """Lumen radii, mm, with the small airways as narrow as they are in one person: from wide to hardly to be seen."""
    return lumen * np.minimum(1.0, lumen / rng.uniform(*NARROW_BELOW)) ** rng.uniform(*NARROWING)


def _wall(lumen: Point, sheath: Point, rng: np.random.Generator) -> Point:
    """Thickness of an airway's wall, mm: thin where the airway is thin, in some people twice what it is in others."""
    return np.minimum(rng.uniform(*WALL_FACTOR) * (WALL_LEAST + WALL_SHARE * lumen), sheath)


def _part(tree: Tree, radii: Point, obstacles: Obstacles, gap: float, rng: np.random.Generator, walls: Walls) -> None:
    """Move a tree, all but its root, off what stands, inside the chest; twice, what was bent smoothed in between."""
    fixed = np.zeros(len(tree), dtype=bool)
    fixed[0] = True
    give_way(tree, radii, obstacles, gap, fixed, rng, walls.keep_vessels)
    smooth(tree, SMOOTHED)
    give_way(tree, radii, obstacles, gap, fixed, rng, walls.keep_vessels)
