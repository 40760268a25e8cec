"""The pictures, pixel by pixel: the right thing at the right place, whichever way the volume is stored."""

from __future__ import annotations

import dataclasses
import itertools
from functools import cache
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from pulmomap.case import Measurements, Nodule, Vessel
from pulmomap.report.drawing import LUNG, MEDIASTINAL, Canvas
from pulmomap.report.figures import CLOSE_MM, Panel, as_webp, overview, panels
from pulmomap.report.palette import NODULE as NODULE_COLOUR
from pulmomap.report.palette import VESSELS
from pulmomap.report.planes import Plane, Vector, View
from pulmomap.report.surfaces import vessel_surfaces
from tests.report.made_case import AFFINE, ARTERY, NODULE, VEIN, make_case

LAYOUTS = [
    tuple(pair[sign] for pair, sign in zip(axes, signs, strict=True))
    for axes in itertools.permutations(("LR", "PA", "HF"))
    for signs in itertools.product((0, 1), repeat=3)
]


def pixel(image: Image.Image, plane: Plane, point: Vector) -> npt.NDArray[np.float64]:
    """Mean colour of the 3 x 3 pixels around a point."""
    across, down = plane.locate(point)
    column, row = int(across * image.width), int(down * image.height)
    return np.asarray(np.asarray(image, dtype=float)[row - 1 : row + 2, column - 1 : column + 2].mean(axis=(0, 1)))


@cache
def standard() -> Panel:
    """The pictures of the standard case; made once."""
    return panels(make_case())[0]


def close(view: View, centre: Vector = NODULE) -> Plane:
    return Plane(view, centre, CLOSE_MM, CLOSE_MM, 0.5)


def is_blue(colour: npt.NDArray[Any]) -> bool:
    return bool(colour[2] > colour[0] + 40)


def is_red(colour: npt.NDArray[Any]) -> bool:
    return bool(colour[0] > colour[2] + 40)


def test_artery_is_blue_at_its_place() -> None:
    """The tube behind the nodule: below it on the axial picture, right of it on the sagittal one."""
    panel = standard()
    for view, row in zip(View, panel.rows, strict=True):
        syn, plane = row[2], close(view)
        assert syn.plain is not None
        if view is not View.CORONAL:  # the tube lies behind the coronal plane of the nodule
            assert is_blue(pixel(syn.image, plane, ARTERY)), view
            assert not is_blue(pixel(row[1].image, plane, ARTERY)), view
            grey = pixel(syn.plain, plane, ARTERY)
            assert grey.max() - grey.min() < 3, view
    across, down = close(View.AXIAL).locate(ARTERY)
    assert across == pytest.approx(0.5)
    assert down > 0.6


def test_vein_in_the_left_lung_is_red_on_the_right_of_the_picture() -> None:
    nodule = Nodule("Middle", (0.0, 90.0, -450.0), 5.0, "settings", "2.25.1")
    (panel,) = panels(make_case(nodules=(nodule,)))
    # A close-up reaches 55 mm to either side: the tubes, 6 mm thick, begin at 54 mm.
    syn = panel.rows[0][2].image
    plane = close(View.AXIAL, nodule.centre)
    assert is_red(pixel(syn, plane, (54.6, 90.0, -450.0)))
    assert is_blue(pixel(syn, plane, (-54.6, 112.0, -450.0)))
    assert plane.locate(VEIN)[0] > 1 > 0 > plane.locate(ARTERY)[0]


def test_rings_have_their_size() -> None:
    """The nodule's ring crosses the picture 8 mm from its centre; the region's is dashed at 25 mm."""
    panel = standard()
    image, plane = panel.rows[0][1].image, close(View.AXIAL)
    row = np.asarray(image).astype(int)[image.height // 2]
    yellow = np.flatnonzero((row[:, 0] > 150) & (row[:, 0] - row[:, 2] > 70))
    pixels_a_mm = image.width / CLOSE_MM
    assert np.ptp(yellow) == pytest.approx(16 * pixels_a_mm, abs=3)
    assert yellow.mean() == pytest.approx(image.width / 2, abs=2)
    angles = np.radians(np.arange(0, 360, 0.5))
    on_ring = [
        pixel(image, plane, (NODULE[0] + 25 * np.cos(a), NODULE[1] + 25 * np.sin(a), NODULE[2])).mean() for a in angles
    ]
    dark = pixel(image, plane, (NODULE[0] + 21, NODULE[1], NODULE[2])).mean()
    assert dark < 20
    assert 0.3 < np.mean(np.asarray(on_ring) > 40) < 0.9


def test_a_nodule_without_diameter_gets_a_crosshair() -> None:
    (panel,) = panels(make_case(nodules=(Nodule("P", NODULE, None, "settings", "2.25.1"),)))
    colours = np.asarray(panel.rows[0][1].image).astype(int)
    assert np.any(np.abs(colours - NODULE_COLOUR).sum(axis=-1) < 40)


def test_syn_cect_carries_the_warning_burnt_in() -> None:
    for row in standard().rows:
        for image in (row[2].image, row[2].plain):
            assert image is not None
            corner = np.asarray(image).astype(int)[-40:, : image.width // 2]
            orange = (corner[..., 0] > 200) & (corner[..., 1] > 120) & (corner[..., 2] < 120)
            assert orange.sum() > 100
        plain_ncct = np.asarray(row[1].image).astype(int)[-40:, : row[1].image.width // 2 - 30]
        assert np.ptp(plain_ncct, axis=-1).max() < 3


def test_pixels_are_square_whatever_the_spacing() -> None:
    """The tube's width (12 mm) and length (120 mm, here cut by the picture) on the sagittal picture."""
    image = standard().rows[2][2].image
    plane = close(View.SAGITTAL)
    rgb = np.asarray(image).astype(int)
    row = int(plane.locate((*NODULE[:2], NODULE[2] - 40))[1] * image.height)
    blue = np.flatnonzero(rgb[row, :, 2] > rgb[row, :, 0] + 40)
    assert np.ptp(blue) * CLOSE_MM / image.width == pytest.approx(12, abs=1.8)
    assert image.size == (480, 480)


@pytest.fixture(scope="module")
def small_panel() -> Panel:
    """The reference for the layouts; small pictures, for there are many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pulmomap.report.figures._SIDES_PX", (96, 96))
        return panels(make_case())[0]


@pytest.mark.parametrize("layout", LAYOUTS, ids="".join)
def test_same_pictures_in_every_storage_layout(
    small_panel: Panel, layout: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pulmomap.report.figures._SIDES_PX", (96, 96))
    other = panels(make_case(layout=layout))[0]
    for row, expected in zip(other.rows, small_panel.rows, strict=True):
        for picture, wanted in zip(row, expected, strict=True):
            difference = np.abs(np.asarray(picture.image).astype(int) - np.asarray(wanted.image).astype(int))
            assert difference.max() <= 1


def test_without_nodule_pictures_go_through_the_vessels() -> None:
    (panel,) = panels(make_case(nodules=()))
    rgb = np.asarray(panel.rows[0][2].image).astype(int)
    assert np.any(rgb[..., 2] > rgb[..., 0] + 40) or np.any(rgb[..., 0] > rgb[..., 2] + 40)
    assert len(panels(make_case(nodules=(), empty=True))[0].rows) == 3


def test_many_nodules_get_smaller_pictures() -> None:
    nodules = tuple(Nodule(f"Nodule {n}", NODULE, 8.0, "settings", f"2.25.{n}") for n in range(1, 8))
    result = panels(make_case(nodules=nodules))
    assert [panel.title for panel in result] == [nodule.label for nodule in nodules]
    sizes = {picture.image.width for panel in result for row in panel.rows for picture in row}
    assert max(sizes) < 480


def test_overview_shows_the_artery_on_the_left() -> None:
    case = make_case()
    picture = overview(case, vessel_surfaces(case))
    assert picture is not None
    rgb = np.asarray(picture.image).astype(int)
    blue, red = (np.argwhere(mask) for mask in (rgb[..., 2] > rgb[..., 0] + 60, rgb[..., 0] > rgb[..., 2] + 90))
    assert blue[:, 1].mean() < rgb.shape[1] / 2 < red[:, 1].mean()
    assert overview(make_case(nodules=(), empty=True), ()) is None


def test_volumes_on_other_grids_are_refused_by_name() -> None:
    case = make_case()
    moved = AFFINE.copy()
    moved[2, 3] += 1
    labels = hd.Volume(case.vessels.labels.array, moved, "PATIENT")
    wrong = Measurements(dataclasses.replace(case.vessels, labels=labels), case.nodules)
    with pytest.raises(ValueError, match=r"the vessel map \(.*-539\.00\) mm\) does not lie on the grid of the NCCT"):
        panels(wrong)


def test_windows() -> None:
    hu = np.array([-1000, 40, 1000, 40 - 175, 40 + 175], np.float32)
    assert MEDIASTINAL.apply(hu) == pytest.approx([0, 127.5, 255, 0, 255])
    assert LUNG.apply(np.array([-600], np.float32)) == pytest.approx([127.5])


def test_overlay_covers_the_share_above_one_half() -> None:
    plane = Plane(View.AXIAL, (0, 0, 0), 20, 20, 1)
    share = np.zeros((20, 20), np.float32)
    share[5:15, 5:15] = 1
    canvas = Canvas(plane, np.zeros((20, 20), np.float32), 200)
    canvas.overlay(share, VESSELS[Vessel.VEIN])
    assert (np.asarray(canvas.finish())[..., 0] > 60).sum() == pytest.approx(100 * 100, rel=0.04)


def test_same_picture_same_bytes(tmp_path: Path) -> None:
    first, second = (as_webp(panel.rows[1][2].image) for panel in (standard(), panels(make_case())[0]))
    assert first == second
    (tmp_path / "a.webp").write_bytes(first)
    assert Image.open(tmp_path / "a.webp").size == (480, 480)
