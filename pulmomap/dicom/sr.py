"""The measurements as a DICOM SR: an Imaging Measurement Report (TID 1500) with one group for each nodule.

Source: DICOM PS3.16 TID 1500, 1501, 300, 320, 1004; PS3.3 A.35.13 (Comprehensive 3D SR), C.17 (SR document).
"""

from __future__ import annotations

from highdicom.seg import Segmentation
from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    Comprehensive3DSR,
    ContainerContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    LanguageOfContentItemAndDescendants,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes

from pulmomap import __version__
from pulmomap.case import Measurements, ModelIdentity, Nodule
from pulmomap.dicom.codes import (
    COMMENT,
    CT,
    ENGLISH,
    FINDING,
    NO_NODULE,
    QUALITATIVE_EVALUATIONS,
    private_scheme,
)
from pulmomap.dicom.header import OWN_NAME
from pulmomap.dicom.patient_study import PATIENT_AND_STUDY, allow_text, copy_patient_and_study
from pulmomap.dicom.provenance import (
    RESEARCH_TEXT,
    Role,
    algorithm_name,
    derive_uid,
    file_meta,
    result_uid,
    series_number,
    set_equipment,
    set_moment,
)
from pulmomap.dicom.sources import source_planes
from pulmomap.dicom.sr_nodule import nodule_group


def measurement_report(measurements: Measurements, segmentation: Segmentation | None) -> Comprehensive3DSR:
    """The report of a case: one measurement group for each nodule, or the statement that there is none.

    Args:
        measurements: of the case.
        segmentation: the vessels' SEG, which the vessel measurements refer to; None for an empty map.

    Returns:
        A complete, preliminary, unverified document. What is not known (a diameter, the distance to a vessel that the
        map does not hold) is left out.

    Raises:
        ValueError: if the vessel map does not lie on the series' grid.
    """
    series, models = measurements.ncct.series, _models(measurements)
    first = series.instances[0].header
    planes = source_planes(series, measurements.vessels.labels)
    groups = [nodule_group(one, measurements.vessels.model, planes, segmentation) for one in measurements.nodules]
    report = Comprehensive3DSR(
        evidence=_evidence(measurements, segmentation),
        content=_content(groups, measurements),
        series_instance_uid=result_uid(series, models, Role.MEASUREMENTS),
        series_number=series_number(first, Role.MEASUREMENTS),
        sop_instance_uid=result_uid(series, models, Role.MEASUREMENTS, *_inputs(measurements, segmentation)),
        instance_number=1,
        manufacturer=OWN_NAME,
        is_complete=True,
        is_final=False,
        is_verified=False,
        series_description="Perinodular vessel measurements - research use only",
    )
    _finish(report, measurements)
    return report


def _models(measurements: Measurements) -> tuple[ModelIdentity, ModelIdentity]:
    return measurements.syn.model, measurements.vessels.model


def _inputs(measurements: Measurements, segmentation: Segmentation | None) -> list[str]:
    """What makes another report of the same scan: which nodules, how large a sphere, which SEG is referred to."""
    nodules = [f"{one.nodule} {one.roi_diameter!r}" for one in measurements.nodules]
    return [*nodules, "" if segmentation is None else str(segmentation.SOPInstanceUID)]


def _evidence(measurements: Measurements, segmentation: Segmentation | None) -> list[Dataset]:
    """Every image of the series, and the SEG."""
    series = measurements.ncct.series
    evidence = []
    for instance in series.instances:
        image = Dataset()
        image.StudyInstanceUID, image.SeriesInstanceUID = series.study_uid, series.series_uid
        image.SOPClassUID, image.SOPInstanceUID = instance.header.SOPClassUID, instance.header.SOPInstanceUID
        # Filled by copy_patient_and_study afterwards; highdicom only has to find them.
        for keyword in PATIENT_AND_STUDY:
            setattr(image, keyword, None)
        evidence.append(image)
    return evidence if segmentation is None else [*evidence, segmentation]


def _content(groups: list[MeasurementsAndQualitativeEvaluations], measurements: Measurements) -> Dataset:
    """The root of the content tree (TID 1500).

    highdicom's template asks for a measurement group. A case without a nodule has none, so the root is built with
    its items one by one: language, observer, procedure, measurements, evaluations.
    """
    root = ContainerContentItem(name=codes.DCM.ImagingMeasurementReport, template_id="1500")
    root.ContentSequence = ContentSequence()
    root.ContentSequence.extend(LanguageOfContentItemAndDescendants(ENGLISH))
    root.ContentSequence.extend(_observer(measurements))
    root.ContentSequence.append(_code(codes.DCM.ProcedureReported, CT, RelationshipTypeValues.HAS_CONCEPT_MOD))
    if groups:
        container = ContainerContentItem(
            name=codes.DCM.ImagingMeasurements, relationship_type=RelationshipTypeValues.CONTAINS
        )
        container.ContentSequence = ContentSequence()
        for group in groups:
            container.ContentSequence.extend(group)
        root.ContentSequence.append(container)
    root.ContentSequence.append(_evaluations(measurements))
    return root


def _evaluations(measurements: Measurements) -> ContainerContentItem:
    """What is no measurement (TID 1500 rows 12 to 14): that there is no nodule; what the results are worth."""
    container = ContainerContentItem(name=QUALITATIVE_EVALUATIONS, relationship_type=RelationshipTypeValues.CONTAINS)
    container.ContentSequence = ContentSequence()
    if not measurements.nodules:
        container.ContentSequence.append(_code(FINDING, NO_NODULE, RelationshipTypeValues.CONTAINS))
    trained = [f"{algorithm_name(model)} {model.version}: {model.trained_on}" for model in _models(measurements)]
    nodules = [_origin(one.nodule) for one in measurements.nodules]
    flags = [f"Flag {flag.name}: {flag.value}." for flag in measurements.ncct.flags]
    for sentence in (RESEARCH_TEXT, *trained, *nodules, *flags):
        container.ContentSequence.append(
            TextContentItem(name=COMMENT, value=sentence, relationship_type=RelationshipTypeValues.CONTAINS)
        )
    return container


def _origin(nodule: Nodule) -> str:
    source = nodule.source if nodule.source_sop is None else f"{nodule.source} {nodule.source_sop[1]}"
    return f"{nodule.label} was taken from: {source}."


def _code(name: CodedConcept, code: CodedConcept, relationship: RelationshipTypeValues) -> CodeContentItem:
    return CodeContentItem(name=name, value=code, relationship_type=relationship)


def _observer(measurements: Measurements) -> ObservationContext:
    device = DeviceObserverIdentifyingAttributes(
        uid=derive_uid("device observer", __version__, *(model.digest for model in _models(measurements))),
        name=OWN_NAME,
        manufacturer_name=OWN_NAME,
        model_name=OWN_NAME,
        serial_number=__version__,
    )
    return ObservationContext(observer_device_context=ObserverContext(codes.DCM.Device, device))


def _finish(report: Comprehensive3DSR, measurements: Measurements) -> None:
    """Say whose it is and what made it, and replace what highdicom reads from the clock."""
    first = measurements.ncct.series.instances[0].header
    copy_patient_and_study(first, report)
    set_moment(report, first)
    set_equipment(report, first, _models(measurements))
    report.CodingSchemeIdentificationSequence = [private_scheme()]
    labels = (one.nodule.label for one in measurements.nodules)
    allow_text(report, *labels, *(model.trained_on for model in _models(measurements)))
    report.file_meta = file_meta(report)
