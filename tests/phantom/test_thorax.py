"""A drawn patient: anatomy where it belongs, blood as bright as drawn, the same bytes for the same seed."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.ndimage import binary_erosion
from scipy.spatial import cKDTree

from pulmomap.phantom.body import Body, compose
from pulmomap.phantom.lobes import LOBE_OF, Lobe, Segment
from pulmomap.phantom.space import Branching
from pulmomap.phantom.thorax import Phantom, breathe, draw, scanned

SEEDS = (11, 12)


@cache
def body_of(seed: int) -> Body:
    return compose(seed)


@pytest.fixture(scope="module", params=SEEDS)
def phantom(request: pytest.FixtureRequest) -> Phantom:
    return scanned(body_of(request.param), 2.5)


def mask(phantom: Phantom, *names: str) -> np.ndarray:
    return np.isin(phantom.labels.array, [phantom.label_names[name] for name in names])


def centre(phantom: Phantom, voxels: np.ndarray) -> np.ndarray:
    """Centroid in LPS mm."""
    return (phantom.labels.affine @ [*np.argwhere(voxels).mean(axis=0), 1.0])[:3]


def test_same_seed_same_bytes_other_seed_other_patient() -> None:
    first, again, other = draw(3, 4.0), draw(3, 4.0), draw(4, 4.0)
    for name in ("ncct", "vnc", "cect", "vessels", "labels", "segments", "lungs"):
        assert np.array_equal(getattr(first, name).array, getattr(again, name).array), name
    assert first.ncct.spatial_shape != other.ncct.spatial_shape or not np.array_equal(
        first.ncct.array, other.ncct.array
    )


def test_left_is_left(phantom: Phantom) -> None:
    """LPS: x grows to the patient's left."""
    for name in ("lobe_right_upper", "lobe_right_middle", "lobe_right_lower", "right_atrium", "superior_vena_cava"):
        assert centre(phantom, mask(phantom, name))[0] < 0, name
    for name in ("lobe_left_upper", "lobe_left_lower", "left_ventricle"):
        assert centre(phantom, mask(phantom, name))[0] > 0, name
    assert centre(phantom, mask(phantom, "lobe_left_upper"))[2] > centre(phantom, mask(phantom, "lobe_left_lower"))[2]
    assert centre(phantom, mask(phantom, "left_atrium"))[1] > centre(phantom, mask(phantom, "right_ventricle"))[1]


def test_lungs_are_whole_and_of_human_size(phantom: Phantom) -> None:
    lungs = phantom.lungs.array > 0
    assert not lungs[0].any()
    assert not lungs[-1].any()
    litres = lungs.sum() * phantom.lungs.voxel_volume / 1e6
    assert 2.0 < litres < 9.0


@pytest.mark.parametrize("tree", ["airways", "arteries", "veins"])
def test_trees_are_connected_and_thin_out(phantom: Phantom, tree: str) -> None:
    branching = getattr(phantom.trees, tree)
    points, parents = branching.tree.arrays()
    assert (parents[0], (parents < 0).sum()) == (-1, 1)
    assert (parents[1:] < np.arange(1, len(parents))).all()
    links = np.linalg.norm(points[1:] - points[parents[1:]], axis=1)
    assert links.max() < 45.0
    assert (branching.radii[1:] <= branching.radii[parents[1:]] + 1e-9).all()


def test_arteries_and_veins_keep_out_of_the_airways(phantom: Phantom) -> None:
    lumen = mask(phantom, "airway_lumen")
    assert lumen.any()
    assert not (lumen & (phantom.vessels.array > 0)).any()


def test_vessels_lie_in_lungs_or_between_them(phantom: Phantom) -> None:
    """Every vessel voxel lies in the chest's cavity and off the abdomen, give or take a cell of the shapes' grid."""
    body = phantom.body
    voxels = np.argwhere(phantom.vessels.array > 0)
    places = (phantom.vessels.affine @ np.vstack([voxels.T, np.ones(len(voxels))]))[:3].T
    outside = np.maximum(body.anatomy.cavity, -body.anatomy.shapes["abdomen"])
    assert body.coarse.at(outside, places).max() < 3.0


def test_arteries_accompany_the_airways_and_veins_do_not(phantom: Phantom) -> None:
    airways = phantom.trees.airways
    small = airways.tree.arrays()[0][np.array(airways.tree.lobes) > 0]
    to_artery = cKDTree(phantom.trees.arteries.tree.arrays()[0]).query(small)[0]
    to_vein = cKDTree(phantom.trees.veins.tree.arrays()[0]).query(small)[0]
    assert np.median(to_artery) < 6.0
    assert np.median(to_vein) > 1.5 * np.median(to_artery)


def test_blood_is_as_bright_as_drawn(phantom: Phantom) -> None:
    blood = phantom.blood
    assert 30 <= blood.plain <= 55
    for name, gain in (("aorta", blood.aorta), ("left_atrium", blood.vein), ("right_ventricle", blood.right_ventricle)):
        inner = binary_erosion(mask(phantom, name), iterations=2)
        assert inner.any(), name
        assert np.median(phantom.ncct.array[inner]) == pytest.approx(blood.plain, abs=8), name
        assert np.median(phantom.cect.array[inner]) == pytest.approx(blood.plain + gain, abs=12), name
        assert np.median(phantom.vnc.array[inner]) == pytest.approx(blood.plain + 0.03 * gain, abs=8), name


def test_scans_differ_only_where_contrast_goes(phantom: Phantom) -> None:
    """Outside the body and in the lungs' air the two scans differ by noise, whose mean is nothing."""
    quiet = phantom.ncct.array < -700
    difference = phantom.cect.array[quiet].astype(float) - phantom.ncct.array[quiet]
    assert abs(difference.mean()) < 2.0


def test_organs_are_as_large_at_every_spacing() -> None:
    """One continuous description: labelled volumes do not depend on the grid."""
    organs = ["aorta", "left_atrium", "right_ventricle", "left_ventricle"]
    lobes = [f"lobe_{lobe.name.lower()}" for lobe in Lobe]
    volumes = []
    for spacing in (2.0, 3.0):
        phantom = scanned(body_of(11), spacing)
        voxels = [mask(phantom, name).sum() for name in organs + lobes] + [phantom.lungs.array.sum()]
        volumes.append(np.array(voxels) * spacing**3)
    change = np.abs(volumes[1] / volumes[0] - 1.0)
    assert change.max() < 0.03, dict(zip([*organs, *lobes, "lungs"], change, strict=True))


def test_nodules_are_where_the_truth_says(phantom: Phantom) -> None:
    assert phantom.nodules
    for number, nodule in enumerate(phantom.nodules, start=1):
        assert 4.0 <= nodule.diameter <= 30.0
        index = np.rint(phantom.labels.inverse_affine @ [*nodule.centre, 1.0]).astype(int)[:3]
        near = tuple(slice(max(i - 2, 0), i + 3) for i in index)
        assert phantom.lungs.array[near].any()
        assert f"nodule_{number}" in phantom.label_names


def test_the_same_patient_at_every_spacing() -> None:
    """Trees belong to the body, not to the grid."""
    first, second = draw(13, 5.0), draw(13, (4.0, 6.0, 5.5))
    for name in ("airways", "arteries", "veins"):
        assert np.array_equal(getattr(first.trees, name).tree.points, getattr(second.trees, name).tree.points), name


def test_levels_run_from_the_trunk_to_the_periphery(phantom: Phantom) -> None:
    for vessel, branching in (("pulmonary_artery", phantom.trees.arteries), ("pulmonary_vein", phantom.trees.veins)):
        parents = np.array(branching.tree.parents)
        assert branching.levels[0] == 0
        assert (branching.levels[1:] >= branching.levels[parents[1:]]).all()
        mean = [branching.radii[branching.levels == level].mean() for level in range(4)]
        assert mean == sorted(mean, reverse=True)
        for level in range(4):
            assert mask(phantom, f"{vessel}_level{level}").any(), (vessel, level)
    levels = [value for name, value in phantom.label_names.items() if "_level" in name]
    assert np.array_equal(np.isin(phantom.labels.array, levels), phantom.vessels.array > 0)


def test_every_segment_has_its_bronchus_and_lies_in_its_lobe(phantom: Phantom) -> None:
    airways = phantom.trees.airways.tree
    assert set(airways.segments) - {0} == set(Segment)
    table = np.array([0, *(LOBE_OF[segment] for segment in Segment)])
    lobes = table[phantom.segments.array]
    for lobe in Lobe:
        voxels = mask(phantom, f"lobe_{lobe.name.lower()}")
        assert (lobes[voxels] == lobe).all(), lobe


def test_veins_enter_the_heart_as_wide_as_measured() -> None:
    """Four patients; published means of the four veins are 5.7 to 8.7 mm. Had they Murray's widths alone, 4.5."""
    widths = []
    for seed in (*SEEDS, 1, 2):
        body = body_of(seed)
        central = np.flatnonzero(np.array(body.trees.veins.tree.lobes) == 0)
        points = np.array(body.trees.veins.tree.points)[central]
        for ostium in body.anatomy.marks.ostia.values():
            nearest = central[np.argmin(np.linalg.norm(points - ostium, axis=1))]
            widths.append(float(body.trees.veins.radii[nearest]))
    assert 5.7 < np.mean(widths) < 8.7


@pytest.mark.parametrize("seed", [*SEEDS, 1, 8])  # in 8 the left artery was once pushed into the aorta
def test_arteries_keep_out_of_the_aorta_and_feed_the_left_upper_lobe_from_three_places(seed: int) -> None:
    body = body_of(seed)
    arteries = body.trees.arteries
    tree, radii = arteries.tree, arteries.radii
    points, parents = tree.arrays()
    # A twig that runs past the aorta may be as near as its own wall lets it.
    assert (body.coarse.at(body.anatomy.shapes["aorta"], points) - np.minimum(radii, 1.0)).min() > 0.5
    lobes = np.array(tree.lobes)
    origins = ((lobes == Lobe.LEFT_UPPER) & (lobes[parents] == 0)).sum()
    assert origins == (2 if body.variants.mediastinal_lingular else 3)


def test_veins_run_between_the_segments() -> None:
    """Veins wider than 1.5 mm lie nearer to a border of segments than arteries of the same width, in four patients."""
    distance: dict[str, list[np.ndarray]] = {"arteries": [], "veins": []}
    for seed in (*SEEDS, 1, 2):
        body = body_of(seed)
        for name, found in distance.items():
            branching = getattr(body.trees, name)
            large = (np.array(branching.tree.lobes) > 0) & (branching.radii > 1.5)
            found.append(body.coarse.at(body.anatomy.border, np.array(branching.tree.points)[large]))
    assert np.median(np.concatenate(distance["veins"])) < 0.6 * np.median(np.concatenate(distance["arteries"]))


def test_no_large_vessel_crosses_a_fissure(phantom: Phantom) -> None:
    body = phantom.body
    for branching in (body.trees.arteries, body.trees.veins):
        inner = np.flatnonzero((np.array(branching.tree.lobes) > 0) & (branching.radii > 1.2))
        points = np.array(branching.tree.points)[inner]
        near = body.coarse.at(body.anatomy.fissure, points) < branching.radii[inner]
        in_lung = body.coarse.at(body.anatomy.lungs, points) < -8.0
        assert (near & in_lung).mean() < 0.03


def axis_of(branching: Branching, wall: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Points along all edges, 0.5 mm apart, and the radii there, graded as the tubes are painted."""
    points, parents = branching.tree.arrays()
    radii = branching.radii + wall
    lobes = np.array(branching.tree.lobes)
    places, widths = [], []
    for node in range(1, len(points)):
        parent = parents[node]
        count = int(np.linalg.norm(points[node] - points[parent]) / 0.5) + 1
        part = np.arange(1, count + 1) / count
        places.append(points[parent] + part[:, None] * (points[node] - points[parent]))
        upper = radii[parent] if lobes[parent] == lobes[node] else radii[node]
        widths.append(upper + part * (radii[node] - upper))
    return np.concatenate(places), np.concatenate(widths)


def deepest(first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]) -> float:
    """How deep one set of tubes enters the other, mm; negative if apart. Every pair in reach is looked at."""
    near = cKDTree(first[0]).query_ball_point(second[0], second[1] + first[1].max())
    return max(
        float((first[1][close] + width - np.linalg.norm(first[0][close] - place, axis=1)).max())
        for close, place, width in zip(near, *second, strict=True)
        if close
    )


@pytest.mark.parametrize("seed", [*SEEDS, 101])  # in 101 a vein's tip once lay in an artery behind a thinner one
def test_airways_arteries_and_veins_never_run_through_each_other(seed: int) -> None:
    trees = body_of(seed).trees
    arteries, veins, lumen = axis_of(trees.arteries), axis_of(trees.veins), axis_of(trees.airways)
    assert deepest(arteries, veins) < 0.05
    assert deepest(axis_of(trees.airways, trees.airway_wall), veins) < 0.05
    assert deepest(lumen, arteries) < 0.0  # an airway's wall may dent an artery; its lumen is its own


def test_no_lung_lies_in_a_vessel_of_the_mediastinum(phantom: Phantom) -> None:
    for name in ("aorta", "superior_vena_cava", "inferior_vena_cava", "azygos", "oesophagus"):
        inside = phantom.body.anatomy.shapes[name] < 0
        assert not (inside & (phantom.body.anatomy.lungs < 0)).any(), name


@pytest.mark.parametrize("tree", ["airways", "arteries", "veins"])
def test_branches_of_the_lobes_stay_out_of_heart_abdomen_and_wall(phantom: Phantom, tree: str) -> None:
    body = phantom.body
    branching = getattr(body.trees, tree)
    inner = np.array(branching.tree.lobes) > 0
    shapes = body.anatomy.shapes
    wall = np.minimum.reduce([shapes["pericardium"], shapes["abdomen"], -body.anatomy.cavity])
    assert body.coarse.at(wall, np.array(branching.tree.points)[inner]).min() > -1.0


def test_threads_are_seen_and_not_labelled(phantom: Phantom) -> None:
    """The lung is brighter on a thread than beside it, with contrast more so, and no label says why."""
    trees, affine = phantom.trees, phantom.ncct.inverse_affine
    vessels = cKDTree(np.vstack([trees.arteries.tree.arrays()[0], trees.veins.tree.arrays()[0]]))
    for threads in (trees.artery_threads, trees.vein_threads):
        assert 0 < threads.radii.max() <= 0.5
        assert (threads.radii[: (threads.radii == 0).sum()] == 0).all()  # the vessels' own nodes come first
        points = np.array(threads.tree.points)[threads.radii > 0]
        points = points[vessels.query(points)[0] > 6.0]
        assert len(points) > 500
        on, beside = (
            tuple(np.rint(affine @ np.vstack([(points + shift).T, np.ones(len(points))])).astype(int)[:3])
            for shift in (0.0, [5.0, 0.0, 0.0])
        )
        assert (phantom.vessels.array[on] > 0).mean() < 0.01
        rise = [np.median(scan.array[on].astype(int) - scan.array[beside]) for scan in (phantom.ncct, phantom.cect)]
        assert rise[0] > 5
        assert rise[1] > rise[0]


def test_a_breath_moves_the_patient_exactly(phantom: Phantom) -> None:
    breathing = breathe(phantom.body, 2.5)
    breath, points = breathing.breath, np.array(phantom.trees.arteries.tree.points)
    moved = points + breath.displacement(points)
    assert np.abs(breath.resting(moved) - points).max() < 0.01
    # The trunk is there where the displacement says: its nodes are artery in both scans.
    trunk = (phantom.trees.arteries.radii > 8.0) & (phantom.trees.arteries.levels == 0)
    for scan, places in ((phantom, points), (breathing, moved)):
        index = np.rint(scan.vessels.inverse_affine @ np.vstack([places[trunk].T, np.ones(trunk.sum())])).astype(int)
        assert (scan.vessels.array[tuple(index[:3])] == 1).mean() > 0.95
    before, after = (scan.lungs.array.sum() * scan.lungs.voxel_volume for scan in (phantom, breathing))
    assert np.sign(after - before) == np.sign(breath.descent)
    air = [scan.ncct.array[binary_erosion(scan.lungs.array > 0, iterations=2)] for scan in (phantom, breathing)]
    assert np.sign(np.median(air[0]) - np.median(air[1])) == np.sign(breath.descent)


@pytest.mark.parametrize("name", ["emphysema", "mass", "effusion", "device", "consolidation", "fibrosis"])
def test_switches_add_and_take_away(name: str) -> None:
    without, with_it = draw(14, 5.0, switches=[f"no-{name}"]), draw(14, 5.0, switches=[name])
    assert (getattr(without.findings, name), getattr(with_it.findings, name)) == (False, True)
    assert np.array_equal(without.trees.arteries.tree.points, with_it.trees.arteries.tree.points)
    lungs = with_it.lungs.array > 0
    change = with_it.ncct.array[lungs].mean() - without.ncct.array[lungs].mean()
    assert change < -2 if name == "emphysema" else change > 2 if name in {"effusion", "mass", "consolidation"} else True
    if name in {"effusion", "mass"}:
        assert mask(with_it, name).any()
        assert not mask(without, name).any()
    if name == "device":
        assert with_it.ncct.array.max() > without.ncct.array.max() + 300


def test_unknown_switch_is_refused() -> None:
    with pytest.raises(ValueError, match="no finding 'gout'"):
        draw(14, 5.0, switches=["gout"])


@pytest.mark.parametrize("seed", SEEDS)
def test_an_artery_lies_on_no_certain_side_of_its_bronchus(seed: int) -> None:
    """A segmenter that learned a side would call every artery a vein where it is on another."""
    trees = body_of(seed).trees
    points, parents = trees.airways.tree.arrays()
    along = points - points[np.maximum(parents, 0)]
    small = np.flatnonzero((np.array(trees.airways.tree.segments) > 0) & (trees.airways.radii < 2.5))
    arteries = np.array(trees.arteries.tree.points)
    sides = []
    for node, near in zip(small, cKDTree(arteries).query_ball_point(points[small], 6.0), strict=True):
        if near:
            side = arteries[near[int(np.argmax(trees.arteries.radii[near]))]] - points[node]
            side -= (side @ along[node]) * along[node] / (along[node] @ along[node])
            sides.append(side / np.linalg.norm(side))
    assert len(sides) > 50
    assert np.linalg.norm(np.mean(sides, axis=0)) < 0.5


@pytest.mark.parametrize("seed", SEEDS)
def test_small_bronchi_have_walls_as_thin_as_real_ones(seed: int) -> None:
    trees = body_of(seed).trees
    lumen, wall = trees.airways.radii, trees.airway_wall
    small = (np.array(trees.airways.tree.segments) > 0) & (lumen > 1.0) & (lumen < 2.0)
    assert 0.54 < np.median((lumen / (lumen + wall))[small]) < 0.78  # published 0.66, SD 0.06


def test_the_narrowest_bronchi_have_no_thick_walls() -> None:
    """In four patients together: in some, no bronchus is as narrow."""
    trees = [body_of(seed).trees for seed in (*SEEDS, 1, 2)]
    walls = np.concatenate([one.airway_wall[one.airways.radii < 0.8] for one in trees])
    assert len(walls) > 100
    assert walls.max() < 0.7
