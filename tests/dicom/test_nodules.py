"""Nodules from SEG, RTSTRUCT, SR and settings, and what is not believed."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import numpy.typing as npt
import pytest
from dicom_factory import FRAME_UID, SERIES_UID, UID_ROOT, ct_series, save
from highdicom import sr
from pydantic import ValidationError
from pydicom import Dataset, dcmread
from pydicom.sequence import Sequence as Items
from pydicom.sr.codedict import codes
from pydicom.uid import RTStructureSetStorage

from pulmomap.case import SelectedSeries
from pulmomap.dicom.index import index_folder
from pulmomap.dicom.nodules import GivenNodule, NoduleSearch, find_nodules
from pulmomap.dicom.reading import read_volume
from pulmomap.dicom.selection import SelectionRules, select
from pulmomap.refusals import Flag

SHAPE, SPACING, ORIGIN = (40, 48, 44), (1.5, 0.9, 0.7), (-15.0, -20.0, -300.0)
CENTRE = np.array([0.4, 1.6, -270.0])  # LPS mm, on a voxel centre
RADIUS = 6.0
PRIVATE_WORD = "CANARY"


@pytest.fixture(scope="module")
def ct_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    ct_series(folder / "ct", shape=SHAPE, spacing=SPACING, origin=ORIGIN, hu=-800)
    return folder / "ct"


@pytest.fixture(scope="module")
def series(ct_folder: Path) -> SelectedSeries:
    (found,) = select(index_folder(ct_folder), SelectionRules()).selected
    return found


@pytest.fixture(scope="module")
def geometry(series: SelectedSeries) -> Any:
    return read_volume(series).get_geometry()


def search(
    series: SelectedSeries, geometry: Any, objects: Sequence[Path] = (), given: Sequence[GivenNodule] = ()
) -> NoduleSearch:
    return find_nodules(dataclasses.replace(series, companions=tuple(objects)), geometry, given)


def beside(x: float, y: float, z: float) -> npt.NDArray[Any]:
    """A place so many mm from the nodule's centre."""
    return CENTRE + np.array([x, y, z])


def positions(geometry: Any) -> npt.NDArray[Any]:
    """LPS mm of every voxel, by the affine."""
    index = np.indices(geometry.spatial_shape).reshape(3, -1).T
    return (index @ geometry.affine[:3, :3].T + geometry.affine[:3, 3]).reshape(*geometry.spatial_shape, 3)


def ball(geometry: Any, centre: npt.ArrayLike = CENTRE, radius: float = RADIUS) -> npt.NDArray[np.uint8]:
    return (np.linalg.norm(positions(geometry) - np.asarray(centre), axis=-1) <= radius).astype(np.uint8)


def segment(
    number: int = 1, label: str = "Nodule", code: Any = codes.SCT.Nodule, tracking: str | None = UID_ROOT + "500"
) -> highdicom.seg.SegmentDescription:
    return highdicom.seg.SegmentDescription(
        number, label, codes.SCT.MorphologicallyAbnormalStructure, code, "MANUAL",
        tracking_uid=tracking, tracking_id=f"{PRIVATE_WORD} {number}" if tracking else None,
    )  # fmt: skip


def write_seg(
    path: Path, series: SelectedSeries, geometry: Any, mask: npt.NDArray[Any], *segments: Any,
    manufacturer: str = "Other", kind: str = "BINARY", **changes: Any,
) -> Path:  # fmt: skip
    sources = [dcmread(one.path) for one in series.instances]
    dataset = highdicom.seg.Segmentation(
        sources, highdicom.Volume(mask, geometry.affine, "PATIENT", FRAME_UID), kind, segments or (segment(),),
        UID_ROOT + "600", 7, UID_ROOT + "601", 1, manufacturer, "Model", "1", "0",
        **({"max_fractional_value": 200} if kind == "FRACTIONAL" else {}),
    )  # fmt: skip
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)
    return path


def test_a_segment_gives_centroid_and_diameter(tmp_path: Path, series: SelectedSeries, geometry: Any) -> None:
    path = write_seg(tmp_path / "seg.dcm", series, geometry, ball(geometry))
    found = search(series, geometry, [path])
    (nodule,) = found.nodules
    np.testing.assert_allclose(nodule.centre, CENTRE, atol=1e-6)
    assert nodule.diameter == pytest.approx(2 * RADIUS, rel=0.02)
    assert (nodule.label, nodule.source, nodule.tracking_uid) == ("Nodule 1", "DICOM SEG", UID_ROOT + "500")
    assert nodule.source_sop == ("1.2.840.10008.5.1.4.1.1.66.4", UID_ROOT + "601")
    assert (found.flags, found.notes) == ((), ())


@pytest.mark.parametrize("kind", ["FRACTIONAL", "LABELMAP"])
def test_other_kinds_of_segmentation(tmp_path: Path, series: SelectedSeries, geometry: Any, kind: str) -> None:
    mask = ball(geometry) if kind == "LABELMAP" else ball(geometry).astype(np.float32)
    (nodule,) = search(series, geometry, [write_seg(tmp_path / "s.dcm", series, geometry, mask, kind=kind)]).nodules
    np.testing.assert_allclose(nodule.centre, CENTRE, atol=1e-6)


def test_components_without_tracking_are_nodules_of_their_own(
    tmp_path: Path, series: SelectedSeries, geometry: Any
) -> None:
    second = beside(0, 0, 21)
    mask = ball(geometry) | ball(geometry, second, 3.5)
    mask[2, 2, 2] = 1  # a speck
    path = write_seg(tmp_path / "seg.dcm", series, geometry, mask, segment(tracking=None))
    first_run, second_run = (search(series, geometry, [path]).nodules for _ in range(2))
    assert first_run == second_run
    assert sorted(round(one.centre[2], 3) for one in first_run) == [-270.0, -249.0]
    assert len({one.tracking_uid for one in first_run}) == 2
    assert all(one.tracking_uid.startswith("2.25.") and len(one.tracking_uid) <= 64 for one in first_run)


def test_fragments_with_a_tracking_uid_are_one_nodule(tmp_path: Path, series: SelectedSeries, geometry: Any) -> None:
    mask = ball(geometry, beside(0, 0, -9), 4) | ball(geometry, beside(0, 0, 9), 4)
    (nodule,) = search(series, geometry, [write_seg(tmp_path / "s.dcm", series, geometry, mask)]).nodules
    np.testing.assert_allclose(nodule.centre, CENTRE, atol=1e-6)


@pytest.mark.parametrize(
    ("label", "code"),
    [("Liver", codes.SCT.Liver), ("Liver lesion", codes.SCT.Lesion), ("Pulmonary artery", codes.SCT.PulmonaryArtery),
     ("Lymph node", codes.SCT.LymphNode), ("Lung", codes.SCT.Lung)],
)  # fmt: skip
def test_organs_are_no_nodules(tmp_path: Path, series: SelectedSeries, geometry: Any, label: str, code: Any) -> None:
    path = write_seg(tmp_path / "s.dcm", series, geometry, ball(geometry), segment(label=label, code=code))
    found = search(series, geometry, [path])
    assert found == NoduleSearch((), (Flag.NO_NODULE,), ())


@pytest.mark.parametrize(
    ("label", "code"),
    [("Tumor", codes.SCT.Tissue), ("x", codes.SCT.Neoplasm), ("Lesion 2", codes.SCT.Tissue), ("x", codes.SCT.Mass)],
)
def test_names_and_codes_of_nodules(
    tmp_path: Path, series: SelectedSeries, geometry: Any, label: str, code: Any
) -> None:
    path = write_seg(tmp_path / "s.dcm", series, geometry, ball(geometry), segment(label=label, code=code))
    assert len(search(series, geometry, [path]).nodules) == 1


def test_our_own_segmentation_is_never_a_source(tmp_path: Path, series: SelectedSeries, geometry: Any) -> None:
    path = write_seg(tmp_path / "s.dcm", series, geometry, ball(geometry), manufacturer="PulmoMAP")
    assert search(series, geometry, [path]) == NoduleSearch((), (Flag.NO_NODULE,), ())


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"FrameOfReferenceUID": UID_ROOT + "9"}, UID_ROOT + "9"), ({}, "outside the series")],
)
def test_a_segmentation_of_another_place_is_not_believed(
    tmp_path: Path, series: SelectedSeries, geometry: Any, changes: dict[str, str], named: str
) -> None:
    path = write_seg(tmp_path / "s.dcm", series, geometry, ball(geometry), **changes)
    if not changes:  # the same object over a CT that lies 60 mm lower
        geometry = geometry.__class__(
            geometry.affine + np.eye(4)[[2]].T @ [[0, 0, 0, -60]], SHAPE, "PATIENT", FRAME_UID
        )
    found = search(series, geometry, [path])
    assert found.flags == (Flag.NODULE_SOURCE_REFUSED, Flag.NO_NODULE)
    (note,) = found.notes
    assert named in note
    assert SERIES_UID in note
    assert UID_ROOT + "601" in note


def test_a_segmentation_of_another_series_is_not_believed(
    tmp_path: Path, series: SelectedSeries, geometry: Any
) -> None:
    path = write_seg(tmp_path / "s.dcm", series, geometry, ball(geometry))
    dataset = dcmread(path)
    dataset.ReferencedSeriesSequence[0].SeriesInstanceUID = UID_ROOT + "8"
    dataset.save_as(path)
    found = search(series, geometry, [path])
    assert not found.nodules
    assert UID_ROOT + "8" in found.notes[0]


def test_a_damaged_segmentation_is_a_note(tmp_path: Path, series: SelectedSeries, geometry: Any) -> None:
    path = write_seg(tmp_path / "s.dcm", series, geometry, ball(geometry))
    dataset = dcmread(path)
    dataset.PixelData = dataset.PixelData[:100]
    dataset.save_as(path)
    found = search(series, geometry, [path])
    assert Flag.NODULE_SOURCE_REFUSED in found.flags
    assert "cannot be read" in found.notes[0]


def test_the_real_wrong_segmentation_is_refused(real_data: Path) -> None:
    path = Path(__file__).resolve().parents[3] / "shared" / "data" / "lidc-0001-nodule-seg-wrong-geometry.dcm"
    if not path.is_file():
        pytest.skip("the segmentation with the wrong geometry is not part of the repository")
    (series,) = select(index_folder(real_data / "lidc-0001-cect"), SelectionRules(refuse_contrast_tags=False)).selected
    geometry = read_volume(series).get_geometry()
    found = search(series, geometry, [path])
    assert found.flags == (Flag.NODULE_SOURCE_REFUSED, Flag.NO_NODULE)
    assert series.series_uid in found.notes[0]
    assert "1.2.276.0.7230010.3.1.4.0.6594.1495484019.31290" in found.notes[0]


def ring(radius: float, centre: npt.ArrayLike, count: int = 90) -> npt.NDArray[Any]:
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.asarray(centre) + radius * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)


def write_rtstruct(
    path: Path, contours: Sequence[npt.NDArray[Any]], name: str = "GTV-1", frame: str = FRAME_UID,
    series_uid: str = SERIES_UID, kind: str = "CLOSED_PLANAR",
) -> Path:  # fmt: skip
    dataset = dcmread(next(iter(ct_series(path.parent / "t", shape=(1, 4, 4)))))
    del dataset.PixelData
    dataset.SOPClassUID, dataset.Modality = RTStructureSetStorage, "RTSTRUCT"
    dataset.SOPInstanceUID = UID_ROOT + "700"
    region, drawn, meaning = Dataset(), Dataset(), Dataset()
    region.ROINumber, region.ROIName, region.ReferencedFrameOfReferenceUID = 3, name, frame
    meaning.ReferencedROINumber, meaning.RTROIInterpretedType = 3, ""
    drawn.ReferencedROINumber, drawn.ContourSequence = 3, Items([])
    for points in contours:
        contour = Dataset()
        contour.ContourGeometricType, contour.NumberOfContourPoints = kind, len(points)
        contour.ContourData = [f"{one:.6f}" for one in points.ravel()]
        drawn.ContourSequence.append(contour)
    frames, study, one_series = Dataset(), Dataset(), Dataset()
    one_series.SeriesInstanceUID = series_uid
    study.RTReferencedSeriesSequence, frames.RTReferencedStudySequence = Items([one_series]), Items([study])
    dataset.ReferencedFrameOfReferenceSequence = Items([frames])
    dataset.StructureSetROISequence, dataset.ROIContourSequence = Items([region]), Items([drawn])
    dataset.RTROIObservationsSequence = Items([meaning])
    save(dataset, path)
    return path


def ball_rings() -> list[npt.NDArray[Any]]:
    offsets = SPACING[0] * np.arange(-4, 5)
    inside = offsets[np.abs(offsets) < RADIUS]
    return [ring(float(np.sqrt(RADIUS**2 - z**2)), beside(0, 0, z)) for z in inside]


def test_contours_give_centroid_and_diameter(tmp_path: Path, series: SelectedSeries, geometry: Any) -> None:
    (nodule,) = search(series, geometry, [write_rtstruct(tmp_path / "rt.dcm", ball_rings())]).nodules
    np.testing.assert_allclose(nodule.centre, CENTRE, atol=1e-3)
    assert nodule.diameter == pytest.approx(2 * RADIUS, rel=0.02)
    assert nodule.source == "RTSTRUCT"


def test_a_hole_is_no_part_of_the_nodule(tmp_path: Path, series: SelectedSeries, geometry: Any) -> None:
    contours = [ring(8, CENTRE), ring(4, beside(1, 0, 0))]
    (nodule,) = search(series, geometry, [write_rtstruct(tmp_path / "rt.dcm", contours)]).nodules
    volume = np.pi * (64 - 16) * SPACING[0]
    assert nodule.diameter == pytest.approx(np.cbrt(6 * volume / np.pi), rel=0.01)
    assert nodule.centre[0] == pytest.approx(CENTRE[0] - 16 / 48, abs=0.01)


def test_a_point_has_no_diameter(tmp_path: Path, series: SelectedSeries, geometry: Any) -> None:
    path = write_rtstruct(tmp_path / "rt.dcm", [CENTRE[None]], name="nodule", kind="POINT")
    (nodule,) = search(series, geometry, [path]).nodules
    assert (nodule.diameter, nodule.centre) == (None, pytest.approx(tuple(CENTRE)))


@pytest.mark.parametrize("name", ["Lung_L", "Heart", "PTV", "GTV-N", "Oesophagus", "BODY"])
def test_other_structures_are_no_nodules(tmp_path: Path, series: SelectedSeries, geometry: Any, name: str) -> None:
    path = write_rtstruct(tmp_path / "rt.dcm", ball_rings(), name=name)
    assert search(series, geometry, [path]) == NoduleSearch((), (Flag.NO_NODULE,), ())


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"frame": "1.2.9"}, "1.2.9"), ({"series_uid": "1.2.8"}, "1.2.8"),
     ({"contours": [ring(5, beside(0, 0, 200))]}, "outside the series"),
     ({"contours": [ring(20, CENTRE)]}, "outside the series")],
)  # fmt: skip
def test_structures_of_another_place_are_not_believed(
    tmp_path: Path, series: SelectedSeries, geometry: Any, changes: dict[str, Any], named: str
) -> None:
    path = write_rtstruct(tmp_path / "rt.dcm", **({"contours": ball_rings()} | changes))
    found = search(series, geometry, [path])
    assert found.flags == (Flag.NODULE_SOURCE_REFUSED, Flag.NO_NODULE)
    assert named in found.notes[0]


def write_sr(
    path: Path, series: SelectedSeries, region: Any, finding: Any = codes.SCT.Nodule, diameter: float | None = None,
    tracking: str = UID_ROOT + "800", length: Any = codes.SCT.Diameter,
) -> Path:  # fmt: skip
    observer = sr.PersonObserverIdentifyingAttributes(name="Canary^Reader")
    context = sr.ObservationContext(
        observer_person_context=sr.ObserverContext(
            observer_type=codes.DCM.Person, observer_identifying_attributes=observer
        )
    )
    measurements = [sr.Measurement(name=length, value=diameter, unit=codes.UCUM.Millimeter)] if diameter else []
    group = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        sr.TrackingIdentifier(uid=tracking, identifier=PRIVATE_WORD), referenced_region=region, finding_type=finding,
        measurements=measurements,
    )  # fmt: skip
    report = sr.MeasurementReport(context, codes.DCM.ImagingMeasurements, imaging_measurements=[group])
    document = sr.Comprehensive3DSR(
        [dcmread(one.path) for one in series.instances], report[0], UID_ROOT + "801", 9, UID_ROOT + "802", 1, "Other",
    )  # fmt: skip
    document.save_as(path)
    return path


def in_space(kind: str, points: npt.ArrayLike, frame: str = FRAME_UID) -> sr.ImageRegion3D:
    return sr.ImageRegion3D(kind, np.asarray(points, dtype=np.float64), frame)


def on_image(series: SelectedSeries, number: int, kind: str, points: npt.ArrayLike) -> sr.ImageRegion:
    source = sr.SourceImageForRegion.from_source_image(dcmread(series.instances[number].path))
    return sr.ImageRegion(kind, np.asarray(points, dtype=np.float64), source)


def test_a_point_in_a_report(tmp_path: Path, series: SelectedSeries, geometry: Any) -> None:
    path = write_sr(tmp_path / "sr.dcm", series, in_space("POINT", [CENTRE]), diameter=11.5)
    (nodule,) = search(series, geometry, [path]).nodules
    np.testing.assert_allclose(nodule.centre, CENTRE, atol=1e-4)
    assert (nodule.diameter, nodule.source, nodule.tracking_uid) == (11.5, "TID 1500 SR", UID_ROOT + "800")
    assert PRIVATE_WORD not in repr(nodule)


def test_a_polygon_in_a_report(tmp_path: Path, series: SelectedSeries, geometry: Any) -> None:
    outline = ring(5, CENTRE)
    path = write_sr(tmp_path / "sr.dcm", series, in_space("POLYGON", [*outline, outline[0]]))
    (nodule,) = search(series, geometry, [path]).nodules
    np.testing.assert_allclose(nodule.centre, CENTRE, atol=1e-3)
    assert nodule.diameter == pytest.approx(10, rel=0.01)


def test_a_line_on_an_image_in_a_report(tmp_path: Path, series: SelectedSeries, geometry: Any) -> None:
    """Image coordinates count from the corner of the first pixel: its centre is (0.5, 0.5)."""
    path = write_sr(
        tmp_path / "sr.dcm", series, on_image(series, 20, "POLYLINE", [[12.5, 24.5], [32.5, 24.5]]), diameter=14.0,
        length=codes.SCT.Length,
    )  # fmt: skip
    (nodule,) = search(series, geometry, [path]).nodules
    expected = np.array(ORIGIN) + np.array([22 * SPACING[2], 24 * SPACING[1], 20 * SPACING[0]])
    np.testing.assert_allclose(nodule.centre, expected, atol=1e-4)
    assert nodule.diameter == 14.0


def test_a_drawn_line_without_a_number_is_measured(tmp_path: Path, series: SelectedSeries, geometry: Any) -> None:
    path = write_sr(tmp_path / "sr.dcm", series, on_image(series, 20, "POLYLINE", [[10, 20], [10, 30]]))
    (nodule,) = search(series, geometry, [path]).nodules
    assert nodule.diameter == pytest.approx(10 * SPACING[1])


@pytest.mark.parametrize("finding", [codes.SCT.Liver, codes.SCT.Lung, codes.SCT.LymphNode])
def test_other_findings_are_no_nodules(tmp_path: Path, series: SelectedSeries, geometry: Any, finding: Any) -> None:
    path = write_sr(tmp_path / "sr.dcm", series, in_space("POINT", [CENTRE]), finding=finding)
    assert search(series, geometry, [path]) == NoduleSearch((), (Flag.NO_NODULE,), ())


def test_a_report_in_another_frame_is_not_believed(tmp_path: Path, series: SelectedSeries, geometry: Any) -> None:
    path = write_sr(tmp_path / "sr.dcm", series, in_space("POINT", [CENTRE], frame="1.2.9"))
    found = search(series, geometry, [path])
    assert not found.nodules
    assert "1.2.9" in found.notes[0]


def test_a_report_on_another_image_is_not_believed(tmp_path: Path, series: SelectedSeries, geometry: Any) -> None:
    path = write_sr(tmp_path / "sr.dcm", series, on_image(series, 20, "POINT", [[10, 20]]))
    fewer = dataclasses.replace(series, instances=series.instances[:10])
    found = search(fewer, geometry, [path])
    assert not found.nodules
    assert f"{UID_ROOT}4.21" in found.notes[0]


def test_settings(series: SelectedSeries, geometry: Any) -> None:
    given = [
        GivenNodule(centre_lps=tuple(CENTRE), diameter_mm=9.5, label="RUL"),
        GivenNodule(centre_lps=tuple(beside(8, 0, 0))),
        GivenNodule(centre_lps=(0.0, 0.0, 500.0)),
    ]
    found = search(series, geometry, given=given)
    assert [(one.label, one.diameter, one.source) for one in found.nodules] == [
        ("RUL", 9.5, "settings"), ("Nodule 2", None, "settings")
    ]  # fmt: skip
    assert found.flags == (Flag.NODULE_SOURCE_REFUSED,)
    assert "nodule 3 of the settings" in found.notes[0]
    assert "(0.0, 0.0, 500.0)" in found.notes[0]
    assert found == search(series, geometry, given=given)


def test_no_nodule_is_a_flag(series: SelectedSeries, geometry: Any) -> None:
    assert search(series, geometry) == NoduleSearch((), (Flag.NO_NODULE,), ())


def test_one_nodule_of_many_sources_is_counted_once(tmp_path: Path, series: SelectedSeries, geometry: Any) -> None:
    other = beside(0, 0, 20)
    objects = [
        write_sr(tmp_path / "1.dcm", series, in_space("POINT", [beside(2, 0, 0)])),
        write_rtstruct(tmp_path / "2.dcm", [ring(3, other)]),
        write_seg(tmp_path / "3.dcm", series, geometry, ball(geometry)),
    ]
    found = search(series, geometry, objects, [GivenNodule(centre_lps=tuple(beside(1, 1, 20)))])
    assert [(one.label, one.source) for one in found.nodules] == [("Nodule 1", "DICOM SEG"), ("Nodule 2", "RTSTRUCT")]
    assert len(found.notes) == 2
    assert found.flags == ()


@pytest.mark.parametrize(
    "wrong", [{"diameter_mm": 0}, {"diameter_mm": -3}, {"centre_lps": (1, 2)}, {"size": 3}, {"label": "x" * 65}]
)
def test_wrong_settings(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GivenNodule(**({"centre_lps": (0, 0, 0)} | wrong))


def test_a_real_nodule_comes_back(real_data: Path, tmp_path: Path) -> None:
    """The readers' mask of a real nodule, written as SEG and found again."""
    nibabel = pytest.importorskip("nibabel")
    path = Path(__file__).resolve().parents[3] / "shared" / "data" / "lidc-0001-nodule-mask.nii.gz"
    if not path.is_file():
        pytest.skip("the nodule mask is not part of the repository")
    (series,) = select(index_folder(real_data / "lidc-0001-cect"), SelectionRules(refuse_contrast_tags=False)).selected
    image = nibabel.load(os.fspath(path))
    affine = np.diag([-1, -1, 1, 1]) @ image.affine  # RAS -> LPS
    mask = highdicom.Volume(np.asarray(image.dataobj).astype(np.uint8), affine, "PATIENT")
    geometry = read_volume(series).get_geometry()
    mask = mask.match_geometry(geometry, tol=1e-2)
    sources = [dcmread(one.path) for one in series.instances]
    for one in sources:  # every slice of this anonymised series states a frame of reference of its own
        one.FrameOfReferenceUID = series.frame_of_reference_uid
    seg = highdicom.seg.Segmentation(
        sources, mask.array, "BINARY", [segment()], UID_ROOT + "900", 7, UID_ROOT + "901", 1, "Other", "Model", "1", "0"
    )
    seg.save_as(tmp_path / "seg.dcm")
    (nodule,) = search(series, geometry, [tmp_path / "seg.dcm"]).nodules
    np.testing.assert_allclose(nodule.centre, (55.8, 86.1, -116.0), atol=0.1)
    assert nodule.diameter == pytest.approx(np.cbrt(6 * 8458 / np.pi), rel=1e-3)
