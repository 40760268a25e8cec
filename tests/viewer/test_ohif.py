"""OHIF shows the results: by the viewer's own state, and by the pixels on the screen at places known from the DICOM."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
from highdicom.seg import segread
from PIL import Image
from pydicom import Dataset, dcmread

if TYPE_CHECKING:
    from tests.viewer.conftest import Shown

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]  # the first one waits for the whole chain

Pixels = npt.NDArray[np.int_]
SYNTHETIC = "Syn-CECT SYNTHETIC - not for diagnosis"
VESSELS = "Pulmonary arteries and veins - research use only"
MEASUREMENTS = "Perinodular vessel measurements - research use only"
VIEWPORT = "window.cornerstone.getRenderingEngines()[0].getViewports()[0]"


def open_study(page: Any, address: str) -> None:
    page.goto(address)
    page.wait_for_function(
        "() => window.cornerstone?.getRenderingEngines?.()[0]?.getViewports()[0]?.getImageIds?.().length > 1"
    )
    page.get_by_text("Confirm and hide").click()


def drawn(page: Any, picture: Path | None = None) -> Pixels:
    """The screen after the next drawing, (rows, columns, RGB)."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.wait_for_timeout(500)
    shot = page.screenshot(path=picture) if picture else page.screenshot()
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)


def on_screen(page: Any, points: Sequence[Sequence[float]]) -> npt.NDArray[np.int_]:
    """Where points of the patient (LPS, mm) are drawn, (points, (row, column)) in screen pixels."""
    found = page.evaluate(
        f"""(points) => {{
          const viewport = {VIEWPORT};
          const box = viewport.canvas.getBoundingClientRect();
          return points.map((point) => {{
            const [x, y] = viewport.worldToCanvas(point);
            return [box.top + y, box.left + x];
          }});
        }}""",
        [[float(value) for value in point] for point in points],
    )
    return np.asarray(found).round().astype(int)


def sample(screen: Pixels, places: npt.NDArray[np.int_]) -> Pixels:
    return np.asarray(screen[places[:, 0], places[:, 1]])


def blue(rgb: Pixels) -> npt.NDArray[np.bool_]:
    return np.asarray(rgb[..., 2] > rgb[..., 0] + 25)


def red(rgb: Pixels) -> npt.NDArray[np.bool_]:
    return np.asarray(rgb[..., 0] > rgb[..., 2] + 25)


def busiest_slice(path: Path) -> tuple[float, dict[str, npt.NDArray[np.float64]]]:
    """The height of the slice with most of the rarer vessel, and each vessel's voxel centres there, LPS mm."""
    seg = segread(path)
    volume = seg.get_volume(combine_segments=True)
    labels = volume.array
    rarer = np.minimum((labels == 1).sum(axis=(1, 2)), (labels == 2).sum(axis=(1, 2)))
    number = int(rarer.argmax())
    assert rarer[number] > 3
    centres = {
        name: volume.map_indices_to_reference(
            np.column_stack([np.full((labels[number] == value).sum(), number), np.argwhere(labels[number] == value)])
        )
        for name, value in (("artery", 1), ("vein", 2))
    }
    return float(volume.map_indices_to_reference(np.array([[number, 0, 0]]))[0, 2]), centres


def show_slice(page: Any, z: float) -> None:
    """Turn to the slice at this height, mm."""
    page.evaluate(
        f"""(z) => {{
          const viewport = {VIEWPORT};
          const heights = viewport.getImageIds().map(
            (id) => window.cornerstone.metaData.get('imagePlaneModule', id).imagePositionPatient[2]);
          const nearest = heights.map((one, index) => [Math.abs(one - z), index]).sort((a, b) => a[0] - b[0])[0];
          return viewport.setImageIdIndex(nearest[1]);
        }}""",
        z,
    )


def test_study_list_describes_the_study(page: Any, shown: Shown, tmp_path: Path) -> None:
    page.goto(shown.site.origin)
    page.get_by_text("Confirm and hide").click()
    page.get_by_text("Procedural thorax phantom").wait_for()
    drawn(page, tmp_path / "list.png")


def test_vessels_lie_over_the_ct(page: Any, shown: Shown, tmp_path: Path) -> None:
    open_study(page, shown.address)
    page.wait_for_function("() => window.services.segmentationService.getSegmentations().length > 0")
    listed = "displaySetService.getActiveDisplaySets().map((one) => [one.Modality, one.SeriesDescription])"
    sets = page.evaluate(f"() => window.services.{listed}")
    assert {("CT", SYNTHETIC), ("SEG", VESSELS), ("SR", MEASUREMENTS)} <= {tuple(one) for one in sets}
    segments = page.evaluate("() => window.services.segmentationService.getSegmentations()[0].segments")
    assert [segment["label"] for segment in segments.values()] == ["Pulmonary artery", "Pulmonary vein"]

    z, vessels = busiest_slice(shown.the("SEG"))
    show_slice(page, z)
    screen = drawn(page, tmp_path / "vessels.png")
    artery = sample(screen, on_screen(page, vessels["artery"].tolist()))
    vein = sample(screen, on_screen(page, vessels["vein"].tolist()))
    assert blue(artery).mean() > 0.9
    assert red(vein).mean() > 0.9
    # Without the overlay the same places are grey: the colours above are the vessels', not the viewer's.
    page.evaluate("() => window.services.segmentationService.clearSegmentationRepresentations('default')")
    grey = drawn(page, tmp_path / "without.png")
    assert not blue(sample(grey, on_screen(page, vessels["artery"].tolist()))).any()
    assert not red(sample(grey, on_screen(page, vessels["vein"].tolist()))).any()


def diameters(sr: Dataset) -> list[tuple[str, npt.NDArray[np.float64]]]:
    """Each line of the report: the slice that it lies on, and its ends, LPS mm."""
    found = []

    def search(item: Dataset) -> None:
        for child in item.get("ContentSequence", ()):
            if child.ValueType == "SCOORD":
                found.append((str(child.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID), child))
            search(child)

    search(sr)
    return [(uid, np.reshape(np.array(line.GraphicData, dtype=float), (-1, 2))) for uid, line in found]


def test_measurement_is_drawn_on_its_slice(page: Any, shown: Shown, tmp_path: Path) -> None:
    sr = dcmread(shown.the("SR"))
    uid, ends = diameters(sr)[0]
    image = next(
        dataset
        for dataset in (dcmread(path, stop_before_pixels=True) for path in (shown.study / "ncct").iterdir())
        if dataset.SOPInstanceUID == uid
    )
    # SCOORD counts from the corner of the first pixel, patient positions from its centre (PS3.3 C.18.6.1.1).
    column, row = (ends - 0.5).T
    position, orientation = np.array(image.ImagePositionPatient, float), np.array(image.ImageOrientationPatient, float)
    height, width = map(float, image.PixelSpacing)
    line = position + np.outer(column * width, orientation[:3]) + np.outer(row * height, orientation[3:])

    open_study(page, shown.address.partition("&")[0])
    page.get_by_text("Perinodular vessel").first.dblclick()
    page.wait_for_function(f"(uid) => {VIEWPORT}?.getCurrentImageId?.()?.includes(uid)", arg=uid)
    page.wait_for_timeout(1000)
    page.evaluate(f"() => {VIEWPORT}.render()")
    screen = drawn(page, tmp_path / "measurement.png")
    along = line[0] + np.linspace(0.15, 0.85, 15)[:, None] * (line[1] - line[0])
    places = on_screen(page, along.tolist())
    green = (screen[..., 1] > screen[..., 0] + 60) & (screen[..., 1] > screen[..., 2] + 60)
    near = [green[row - 1 : row + 2, column - 2 : column + 3].any() for row, column in places]
    assert np.mean(near) > 0.5  # the line is dashed
    assert green[:, : places[:, 1].min() - 300].sum() == 0
    label = page.locator("svg text").all_text_contents()
    assert any("Diameter" in text and "mm" in text for text in label)
