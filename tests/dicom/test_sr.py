"""The measurement report: every number with its unit, vessel and region, and where the nodule is."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pytest
from highdicom.spatial import ImageToReferenceTransformer
from pydicom import Dataset, dcmread

from pulmomap.case import Measurements, Nodule, Vessel, VesselMap
from pulmomap.dicom.header import is_own_output
from pulmomap.dicom.nodule_sr import read_report
from pulmomap.dicom.nodule_trust import Target
from pulmomap.dicom.seg import Layout, vessel_segmentation
from pulmomap.dicom.sr import measurement_report
from pulmomap.refusals import Flag
from tests.dicom.made_result import SEGMENTER, SYNTHESISER, case_on, dates_in, measured, saved, series_of
from tests.dicom.validators import dciodvfy, dcmqi_report, pixelmed_sr, table_errors
from tests.dicom_factory import SERIES_UID, ct_series

SHAPE = (9, 40, 50)
OBLIQUE = (0.9396926, 0.0, -0.3420201, 0.0593912, 0.9848078, 0.1631759)
UNITS = {
    "mm": "millimeter",
    "mm3": "cubic millimeter",
    "/cm3": "per cubic centimeter",
    "1": "no units",
}
"""Code values and meanings of the units, as DICOM PS3.16 CID 7181 and UCUM write them."""


def made(folder: Path, **series: Any) -> VesselMap:
    ct_series(folder, **{"shape": SHAPE, "spacing": (2.5, 0.7, 0.9), **series})
    return case_on(series_of(folder))


def nodules_in(vessels: VesselMap) -> tuple[Nodule, Nodule]:
    """One with a diameter off any slice, one without."""
    first, second = vessels.labels.map_indices_to_reference(np.array([[3.3, 20.4, 25.6], [6.0, 11.0, 40.0]]))
    return (
        Nodule("Nodule 1", tuple(map(float, first)), 11.5, "settings", "2.25.11"),
        Nodule("Nodule 2", tuple(map(float, second)), None, "DICOM SEG", "2.25.12", ("1.2", "1.3")),
    )


def report(measurements: Measurements, path: Path, layout: Layout = "BINARY") -> Dataset:
    segmentation = vessel_segmentation(measurements.vessels, layout)
    return dcmread(saved(measurement_report(measurements, segmentation), path))


def below(item: Dataset) -> Iterator[Dataset]:
    for child in item.get("ContentSequence", ()):
        yield child
        yield from below(child)


def name(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeMeaning) if "ConceptNameCodeSequence" in item else ""


def children(item: Dataset, meaning: str) -> list[Dataset]:
    return [child for child in item.get("ContentSequence", ()) if name(child) == meaning]


def groups_of(document: Dataset) -> list[Dataset]:
    return [group for part in children(document, "Imaging Measurements") for group in part.ContentSequence]


def values_of(group: Dataset) -> dict[tuple[str, str], tuple[float, str]]:
    """(name, vessel) -> (value, unit) of every number of a group."""
    found = {}
    for item in group.ContentSequence:
        if item.ValueType == "NUM":
            (measure,) = item.MeasuredValueSequence
            sites = [one.ConceptCodeSequence[0].CodeMeaning for one in children(item, "Finding Site")]
            unit = measure.MeasurementUnitsCodeSequence[0]
            assert unit.CodingSchemeDesignator == "UCUM"
            assert unit.CodeMeaning == UNITS[unit.CodeValue]
            key = (name(item), *(sites or [""]))
            assert key not in found
            found[key] = (float(measure.NumericValue), unit.CodeValue)
    return found


def test_every_number_has_its_unit_and_its_vessel(tmp_path: Path) -> None:
    vessels = made(tmp_path / "in")
    document = report(measured(vessels, nodules_in(vessels)), tmp_path / "sr.dcm")
    first, second = groups_of(document)
    expected = {
        ("Diameter", ""): (11.5, "mm"),
        ("Diameter of the sphere around the nodule", ""): (50.0, "mm"),
        ("Volume", "Pulmonary artery"): (1234.5, "mm3"),
        ("Number of vessel fragments", "Pulmonary artery"): (3.0, "1"),
        ("Fragmentation index of vessels", "Pulmonary artery"): (2.430133, "/cm3"),
        ("Distance", "Pulmonary artery"): (7.25, "mm"),
        ("Volume", "Pulmonary vein"): (987.25, "mm3"),
        ("Number of vessel fragments", "Pulmonary vein"): (5.0, "1"),
        ("Fragmentation index of vessels", "Pulmonary vein"): (5.064573, "/cm3"),
        ("Distance", "Pulmonary vein"): (11.5, "mm"),
    }
    assert values_of(first) == expected
    del expected["Diameter", ""]
    expected["Volume", "Pulmonary artery"] = (2469.0, "mm3")
    expected["Volume", "Pulmonary vein"] = (1974.5, "mm3")
    assert values_of(second) == expected


def test_every_number_says_which_region_it_is_of(tmp_path: Path) -> None:
    vessels = made(tmp_path / "in")
    document = report(measured(vessels, nodules_in(vessels)), tmp_path / "sr.dcm")
    for group in groups_of(document):
        for item in group.ContentSequence:
            if item.ValueType == "NUM" and children(item, "Finding Site"):
                (method,) = children(item, "Measurement Method")
                expected = "FROMCENTRE" if name(item) == "Distance" else "INSPHERE"
                assert method.ConceptCodeSequence[0].CodeValue == expected
                assert bool(children(item, "Derivation")) is (name(item) == "Distance")


def test_what_is_unknown_is_left_out(tmp_path: Path) -> None:
    vessels = made(tmp_path / "in")
    absent = {"volume": 0.0, "fragments": 0, "frag_index": None, "distance": None, "nearest": None}
    document = report(measured(vessels, nodules_in(vessels)[1:], **absent), tmp_path / "sr.dcm")
    (group,) = groups_of(document)
    artery = {key[0]: value for key, value in values_of(group).items() if key[1] == "Pulmonary artery"}
    assert artery == {"Volume": (0.0, "mm3"), "Number of vessel fragments": (0.0, "1")}
    assert not [item for item in below(document) if "NumericValueQualifierCodeSequence" in item]


@pytest.mark.parametrize("orientation", [(1, 0, 0, 0, 1, 0), (0, -1, 0, 1, 0, 0), OBLIQUE])
def test_the_nodule_is_drawn_where_it_is(tmp_path: Path, orientation: Any) -> None:
    vessels = made(tmp_path / "in", orientation=orientation)
    nodules = nodules_in(vessels)
    document = report(measured(vessels, nodules), tmp_path / "sr.dcm")
    headers = {one.header.SOPInstanceUID: one.header for one in vessels.ncct.series.instances}
    for nodule, group in zip(nodules, groups_of(document), strict=True):
        (shape,) = [item for item in below(group) if item.ValueType == "SCOORD"]
        (image,) = shape.ContentSequence
        header = headers[image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID]
        to_space = ImageToReferenceTransformer.for_image(header)
        points = to_space(np.reshape(shape.GraphicData, (-1, 2)).astype(float))
        # Nothing of the centre is lost but its distance to the slice, at most half a slice.
        normal = np.cross(orientation[:3], orientation[3:])
        missed = points.mean(axis=0) - nodule.centre
        assert np.linalg.norm(missed - normal * (missed @ normal)) < 1e-3
        assert abs(missed @ normal) <= 1.25 + 1e-6
        nearest = min(
            headers.values(), key=lambda one: abs(np.dot(np.subtract(nodule.centre, one.ImagePositionPatient), normal))
        )
        assert header.SOPInstanceUID == nearest.SOPInstanceUID
        if nodule.diameter is None:
            assert shape.GraphicType == "POINT"
        else:
            assert shape.GraphicType == "POLYLINE"
            assert np.linalg.norm(points[1] - points[0]) == pytest.approx(nodule.diameter, abs=1e-3)


def test_a_line_ends_at_the_border_of_the_image(tmp_path: Path) -> None:
    vessels = made(tmp_path / "in")
    (centre,) = vessels.labels.map_indices_to_reference(np.array([[4.0, 20.0, 0.0]]))
    nodule = Nodule("Nodule 1", tuple(map(float, centre)), 30.0, "settings", "2.25.11")
    document = report(measured(vessels, [nodule]), tmp_path / "sr.dcm")
    (shape,) = [item for item in below(document) if item.ValueType == "SCOORD"]
    left, _, right, _ = shape.GraphicData
    assert left == 0
    assert right == pytest.approx(0.5 + 15 / 0.9, abs=1e-4)


def test_our_own_reader_finds_the_nodules_again(tmp_path: Path) -> None:
    vessels = made(tmp_path / "in", orientation=OBLIQUE)
    nodules = nodules_in(vessels)
    document = report(measured(vessels, nodules), tmp_path / "sr.dcm")
    claims = read_report(document, Target(vessels.ncct.series, vessels.labels.get_geometry()))
    assert [claim.tracking_uid for claim in claims] == ["2.25.11", "2.25.12"]
    assert claims[0].diameter == 11.5
    for claim, nodule in zip(claims, nodules, strict=True):
        assert np.linalg.norm(claim.centre - nodule.centre) <= 1.25 + 1e-3


@pytest.mark.parametrize("layout", ["BINARY", "LABELMAP"])
def test_vessel_numbers_refer_to_their_segment(tmp_path: Path, layout: Layout) -> None:
    vessels = made(tmp_path / "in")
    measurements = measured(vessels, nodules_in(vessels))
    segmentation = vessel_segmentation(vessels, layout)
    assert segmentation is not None
    document = report(measurements, tmp_path / "sr.dcm", layout)
    segments = {one.SegmentLabel: one.SegmentNumber for one in segmentation.SegmentSequence}
    for group in groups_of(document):
        for item in group.ContentSequence:
            if item.ValueType == "NUM" and children(item, "Finding Site"):
                (image,) = [child for child in item.ContentSequence if child.ValueType == "IMAGE"]
                (reference,) = image.ReferencedSOPSequence
                vessel = children(item, "Finding Site")[0].ConceptCodeSequence[0].CodeMeaning
                assert reference.ReferencedSOPInstanceUID == segmentation.SOPInstanceUID
                assert reference.ReferencedSOPClassUID == segmentation.SOPClassUID
                assert reference.ReferencedSegmentNumber == segments[vessel]


def test_the_evidence_is_the_whole_series_and_the_seg(tmp_path: Path) -> None:
    vessels = made(tmp_path / "in")
    document = report(measured(vessels, nodules_in(vessels)), tmp_path / "sr.dcm")
    studies = [*document.CurrentRequestedProcedureEvidenceSequence, *document.get("PertinentOtherEvidenceSequence", ())]
    series: dict[str, set[str]] = {}
    for one in (one for study in studies for one in study.ReferencedSeriesSequence):
        uids = {reference.ReferencedSOPInstanceUID for reference in one.ReferencedSOPSequence}
        series[one.SeriesInstanceUID] = series.get(one.SeriesInstanceUID, set()) | uids
    assert series.pop(SERIES_UID) == {one.header.SOPInstanceUID for one in vessels.ncct.series.instances}
    segmentation = vessel_segmentation(vessels)
    assert segmentation is not None
    assert series == {segmentation.SeriesInstanceUID: {segmentation.SOPInstanceUID}}
    for item in below(document):
        for reference in item.get("ReferencedSOPSequence", ()):
            assert reference.ReferencedSOPInstanceUID in {
                *(one.header.SOPInstanceUID for one in vessels.ncct.series.instances),
                segmentation.SOPInstanceUID,
            }


def test_what_the_document_says_of_itself(tmp_path: Path) -> None:
    vessels = dataclasses.replace(made(tmp_path / "in"))
    flagged = case_on(vessels.ncct.series, flags=(Flag.THICK_SLICES,))
    document = report(measured(flagged, nodules_in(flagged)), tmp_path / "sr.dcm")
    title, template = document.ConceptNameCodeSequence[0], document.ContentTemplateSequence[0]
    assert (title.CodeValue, title.CodingSchemeDesignator) == ("126000", "DCM")
    assert (template.TemplateIdentifier, template.MappingResource) == ("1500", "DCMR")
    (language,) = children(document, "Language of Content Item and Descendants")
    spoken = language.ConceptCodeSequence[0]
    assert (spoken.CodeValue, spoken.CodingSchemeDesignator) == ("en-US", "RFC5646")
    assert (document.CompletionFlag, document.VerificationFlag) == ("COMPLETE", "UNVERIFIED")
    assert (document.PreliminaryFlag, document.ContentQualification) == ("PRELIMINARY", "RESEARCH")
    assert (document.PatientName, document.ContentDate) == ("Canary^Secret", "20200101")
    assert {one.ConceptCodeSequence[0].CodeMeaning for one in children(document, "Observer Type")} == {"Device"}
    (scheme,) = document.CodingSchemeIdentificationSequence
    assert scheme.CodingSchemeDesignator == "99PULMOMAP"
    (evaluations,) = children(document, "Qualitative Evaluations")
    comments = " ".join(one.TextValue for one in children(evaluations, "Comment"))
    assert "Research use only" in comments
    assert comments.count("phantoms") == 2
    assert "THICK_SLICES" in comments
    assert "Nodule 1 was taken from: settings." in comments
    assert "Nodule 2 was taken from: DICOM SEG 1.3." in comments
    digests = [one.ContributionDescription.split()[2].strip(".") for one in document.ContributingEquipmentSequence[:2]]
    assert digests == [SYNTHESISER.digest, SEGMENTER.digest]
    assert is_own_output(document)


def test_each_group_is_a_nodule_of_the_lung_with_its_identity(tmp_path: Path) -> None:
    vessels = made(tmp_path / "in")
    nodules = nodules_in(vessels)
    for nodule, group in zip(nodules, groups_of(report(measured(vessels, nodules), tmp_path / "sr.dcm")), strict=True):
        assert children(group, "Tracking Identifier")[0].TextValue == nodule.label
        assert nodule.tracking_uid == children(group, "Tracking Unique Identifier")[0].UID
        (finding,), (site,) = children(group, "Finding"), children(group, "Finding Site")
        assert finding.ConceptCodeSequence[0].CodeValue == "27925004"
        assert site.ConceptCodeSequence[0].CodeMeaning == "Lung"
        assert SEGMENTER.digest in children(group, "Algorithm Parameters")[0].TextValue


def test_without_a_nodule_it_says_so(tmp_path: Path) -> None:
    vessels = made(tmp_path / "in")
    document = report(Measurements(vessels), tmp_path / "sr.dcm")
    assert not groups_of(document)
    (evaluations,) = children(document, "Qualitative Evaluations")
    (finding,) = children(evaluations, "Finding")
    assert finding.ConceptCodeSequence[0].CodeMeaning == "No nodule was given or found"
    assert "CurrentRequestedProcedureEvidenceSequence" in document or "PertinentOtherEvidenceSequence" in document


def test_without_a_segmentation(tmp_path: Path) -> None:
    vessels = made(tmp_path / "in")
    document = measurement_report(measured(vessels, nodules_in(vessels)), None)
    assert len(groups_of(document)) == 2
    assert not [item for item in below(document) if "ReferencedSegmentNumber" in str(item)]


def test_a_label_in_any_language(tmp_path: Path) -> None:
    vessels = made(tmp_path / "in")
    nodule = dataclasses.replace(nodules_in(vessels)[0], label="結節 1 (größer)")
    document = report(measured(vessels, [nodule]), tmp_path / "sr.dcm")
    assert children(groups_of(document)[0], "Tracking Identifier")[0].TextValue == "結節 1 (größer)"
    assert document.PatientName == "Canary^Secret"
    assert not dciodvfy(tmp_path / "sr.dcm")


def test_no_date_is_the_clocks(tmp_path: Path) -> None:
    vessels = made(tmp_path / "in")
    document = report(measured(vessels, nodules_in(vessels)), tmp_path / "sr.dcm")
    assert dates_in(document) == {"20200101", "120000", "19700101"}


def test_the_same_input_gives_the_same_bytes_and_other_nodules_another_document(tmp_path: Path) -> None:
    vessels = made(tmp_path / "in")
    first, second = nodules_in(vessels)
    both = report(measured(vessels, [first, second]), tmp_path / "a.dcm")
    report(measured(vessels, [first, second]), tmp_path / "b.dcm")
    assert (tmp_path / "a.dcm").read_bytes() == (tmp_path / "b.dcm").read_bytes()
    one = report(measured(vessels, [first]), tmp_path / "c.dcm")
    larger = report(measured(vessels, [dataclasses.replace(first, diameter=12.0)]), tmp_path / "d.dcm")
    assert len({document.SOPInstanceUID for document in (both, one, larger)}) == 3


def test_on_an_enhanced_source(tmp_path: Path) -> None:
    plain = made(tmp_path / "plain")
    instances = [dcmread(one.path) for one in plain.ncct.series.instances]
    enhanced = highdicom.legacy.LegacyConvertedEnhancedCTImage(instances[::-1], "1.2.77", 1, "1.2.78", 1)
    (tmp_path / "enhanced").mkdir()
    saved(enhanced, tmp_path / "enhanced" / "one.dcm")
    vessels = case_on(series_of(tmp_path / "enhanced"))
    nodules = nodules_in(vessels)
    document = report(measured(vessels, nodules), tmp_path / "sr.dcm")
    for nodule, group in zip(nodules, groups_of(document), strict=True):
        (shape,) = [item for item in below(group) if item.ValueType == "SCOORD"]
        reference = shape.ContentSequence[0].ReferencedSOPSequence[0]
        frame = enhanced.PerFrameFunctionalGroupsSequence[reference.ReferencedFrameNumber - 1]
        height = frame.PlanePositionSequence[0].ImagePositionPatient[2]
        assert abs(nodule.centre[2] - height) <= 1.25 + 1e-6
    assert not dciodvfy(tmp_path / "sr.dcm")
    claims = read_report(document, Target(vessels.ncct.series, vessels.labels.get_geometry()))
    assert len(claims) == 2


def test_dcmqi_reads_the_report(tmp_path: Path) -> None:
    vessels = made(tmp_path / "in")
    report(measured(vessels, nodules_in(vessels)), tmp_path / "sr.dcm")
    content = dcmqi_report(tmp_path / "sr.dcm", tmp_path / "sr.json")
    first = content["Measurements"][0]
    assert first["TrackingIdentifier"] == "Nodule 1"
    assert first["Finding"]["CodeMeaning"] == "Nodule"
    read = [(one["quantity"]["CodeMeaning"], float(one["value"])) for one in first["measurementItems"]]
    assert read[0] == ("Diameter", 11.5)
    assert ("Volume", 1234.5) in read
    assert len(read) == 10


def variants(vessels: VesselMap) -> dict[str, Measurements]:
    first, second = nodules_in(vessels)
    absent = {"volume": 0.0, "fragments": 0, "frag_index": None, "distance": None, "nearest": None}
    everything = Measurements(
        vessels,
        (
            *measured(vessels, [first, second]).nodules,
            *measured(vessels, [dataclasses.replace(first, tracking_uid="2.25.13")], **absent).nodules,
        ),
    )
    return {"everything": everything, "no nodule": Measurements(vessels)}


@pytest.mark.parametrize("variant", ["everything", "no nodule"])
@pytest.mark.parametrize("attributes", [{}, {"PatientID": None, "StudyDate": None, "StudyID": None}])
def test_no_validator_finds_an_error(tmp_path: Path, variant: str, attributes: dict[str, Any]) -> None:
    document = report(variants(made(tmp_path / "in", **attributes))[variant], tmp_path / "sr.dcm")
    assert not table_errors(document)
    assert not dciodvfy(tmp_path / "sr.dcm")


def test_the_template_is_right(tmp_path: Path) -> None:
    """One run of PixelMed, which takes long, on a report that holds every kind of group."""
    report(variants(made(tmp_path / "in"))["everything"], tmp_path / "sr.dcm")
    assert not pixelmed_sr(tmp_path / "sr.dcm")


@pytest.mark.slow
def test_the_template_is_right_without_a_nodule(tmp_path: Path) -> None:
    report(variants(made(tmp_path / "in"))["no nodule"], tmp_path / "sr.dcm")
    assert not pixelmed_sr(tmp_path / "sr.dcm")


@pytest.mark.parametrize("name", ["lidc-0314-ncct", "lidc-0001-cect"])
def test_real_headers(real_data: Path, tmp_path: Path, name: str) -> None:
    series = series_of(real_data / name)
    shape = (len(series.instances), series.instances[0].header.Rows, series.instances[0].header.Columns)
    labels = np.zeros(shape, dtype=np.uint8)
    labels[20:22, 200:210, 100:111] = Vessel.ARTERY
    vessels = case_on(series, labels)
    (centre,) = vessels.labels.map_indices_to_reference(np.array([[50.2, 200.0, 150.0]]))
    nodule = Nodule("Nodule 1", tuple(map(float, centre)), 11.5, "settings", "2.25.11")
    document = report(measured(vessels, [nodule]), tmp_path / "sr.dcm")
    assert not table_errors(document)
    assert not dciodvfy(tmp_path / "sr.dcm")
    (claim,) = read_report(document, Target(series, vessels.labels.get_geometry()))
    assert np.linalg.norm(claim.centre - centre) <= vessels.labels.spacing[0] / 2 + 1e-3
