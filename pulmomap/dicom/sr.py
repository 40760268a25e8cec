"""Measurements as a DICOM SR: Imaging Measurement Report, TID 1500 (DICOM PS3.16).

One measurement group a nodule and vessel (TID 1411, referring to the vessel's segment), and one for the nodule itself
(TID 1501). Every group has a coordinate on the nodule's slice, for a viewer that lists groups goes blank on one without.
What could not be measured (no vessel in the map, no diameter known) is left out, never written as a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from highdicom.seg import Segmentation
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    Comprehensive3DSR,
    CoordinatesForMeasurement,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    GraphicTypeValues,
    LanguageOfContentItemAndDescendants,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    ReferencedSegment,
    SourceImageForMeasurement,
    SourceSeriesForSegmentation,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes

from pulmomap import __version__
from pulmomap.case import Instance, Measurements, Nodule, NoduleMeasurement, VesselNeighbourhood
from pulmomap.dicom import codes as own
from pulmomap.dicom.frames import Slice, slices_of
from pulmomap.dicom.provenance import (
    CREATOR,
    MANUFACTURER,
    MODEL_NAME,
    algorithm,
    contributing_equipment,
    derive_uid,
    file_meta,
    result_uid,
    series_number,
    set_source_times,
)
from pulmomap.dicom.seg import segments_of

ROLE = 3


@dataclass(frozen=True)
class _Place:
    """A nodule on the slice nearest its centre.

    Attributes:
        instance: the image. frame: its frame number from 1, None for a single-frame image.
        centre: (column, row), where 0.5, 0.5 is the centre of the first pixel (DICOM PS3.3 C.18.6).
        column_mm: width of a pixel.
    """

    instance: Instance
    frame: int | None
    centre: tuple[float, float]
    column_mm: float
    columns: int


def measurement_report(measurements: Measurements, segmentation: Segmentation | None) -> Comprehensive3DSR:
    """The report of a case; valid also without any nodule, and it then says so.

    Args:
        measurements: of the case.
        segmentation: the vessel map's SEG, None for an empty map.
    """
    series, models = measurements.ncct.series, (measurements.syn.model, measurements.vessels.model)
    header = series.instances[0].header
    groups: list[MeasurementsAndQualitativeEvaluations | VolumetricROIMeasurementsAndQualitativeEvaluations] = []
    planes = slices_of(series.instances)
    for nodule in measurements.nodules:
        place = _place(nodule.nodule, planes, series.instances)
        groups += [_nodule_group(nodule, place), *_vessel_groups(nodule, place, measurements, segmentation)]
    report = MeasurementReport(
        observation_context=_observer(),
        procedure_reported=own.CHEST_CT,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
        language_of_content_item_and_descendants=LanguageOfContentItemAndDescendants(
            CodedConcept("en-US", "RFC5646", "English (United States)")
        ),
        referenced_images=None,
    )
    instance_uid = result_uid(series, "sr 1", *models)
    evidence = [instance.header for instance in series.instances]
    document = Comprehensive3DSR(
        evidence=evidence if segmentation is None else [*evidence, segmentation],
        content=report,
        series_instance_uid=result_uid(series, "sr", *models),
        series_number=series_number(header, ROLE),
        sop_instance_uid=instance_uid,
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        is_final=False,
        is_verified=False,
        series_description="Perinodular vessels (PulmoMAP, research)",
        content_creator_name=CREATOR,
    )
    _finish(document, measurements, instance_uid)
    return document


def _place(nodule: Nodule, planes: Sequence[Slice], instances: Sequence[Instance]) -> _Place:
    """Where the centre lies on the slice nearest to it."""
    centre = np.array(nodule.centre)
    distances = []
    for plane in planes:
        normal = np.cross(plane.orientation[:3], plane.orientation[3:])
        distances.append(abs(float(np.dot(centre - plane.position, normal))))
    plane = planes[int(np.argmin(distances))]
    offset = centre - plane.position
    row_mm, column_mm = plane.pixel_spacing
    column = float(np.dot(offset, plane.orientation[:3])) / column_mm + 0.5
    row = float(np.dot(offset, plane.orientation[3:])) / row_mm + 0.5
    instance = instances[plane.instance]
    several = int(instance.header.get("NumberOfFrames") or 1) > 1
    return _Place(instance, plane.frame + 1 if several else None, (column, row), column_mm, plane.columns)


def _coordinates(place: _Place, diameter: float | None) -> CoordinatesForMeasurement:
    """The nodule's centre; a line as long as its diameter where that is known."""
    source = SourceImageForMeasurement(
        place.instance.header.SOPClassUID,
        place.instance.header.SOPInstanceUID,
        None if place.frame is None else [place.frame],
    )
    column, row = place.centre
    if diameter is None:
        return CoordinatesForMeasurement(GraphicTypeValues.POINT, np.array([[column, row]]), source)
    half = diameter / 2 / place.column_mm
    ends = np.array([[max(column - half, 0.0), row], [min(column + half, float(place.columns)), row]])
    return CoordinatesForMeasurement(GraphicTypeValues.POLYLINE, ends, source)


def _nodule_group(measured: NoduleMeasurement, place: _Place) -> MeasurementsAndQualitativeEvaluations:
    """The nodule: its diameter if it is known, and the size of the region that was looked at."""
    nodule = measured.nodule
    coordinates = [_coordinates(place, nodule.diameter)]
    values = [
        Measurement(
            name=CodedConcept("roi-diameter", own.PRIVATE_SCHEME, "Diameter of perinodular sphere"),
            value=measured.roi_diameter,
            unit=own.MILLIMETRE,
            referenced_coordinates=[_coordinates(place, None)],
        )
    ]
    if nodule.diameter is not None:
        values.insert(
            0,
            Measurement(
                name=own.DIAMETER,
                value=round(nodule.diameter, 2),
                unit=own.MILLIMETRE,
                referenced_coordinates=coordinates,
            ),
        )
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=nodule.tracking_uid, identifier=nodule.label),
        finding_type=own.NODULE,
        finding_sites=[FindingSite(own.LUNG)],
        measurements=values,
    )


def _vessel_groups(
    measured: NoduleMeasurement, place: _Place, measurements: Measurements, segmentation: Segmentation | None
) -> list[VolumetricROIMeasurementsAndQualitativeEvaluations]:
    """One group for each vessel that the map holds; a vessel without a segment has nothing to refer to."""
    if segmentation is None:
        return []
    numbers = segments_of(measurements.vessels)
    series, model = measurements.ncct.series, measurements.vessels.model
    identification = algorithm(model)[0]
    groups = []
    for around in (measured.artery, measured.vein):
        if around.vessel not in numbers:
            continue
        identifier = f"{measured.nodule.label}: {around.vessel.title.lower()}"
        uid = derive_uid(measured.nodule.tracking_uid, series.key, model.digest, around.vessel.name)
        groups.append(
            VolumetricROIMeasurementsAndQualitativeEvaluations(
                tracking_identifier=TrackingIdentifier(uid=uid, identifier=identifier),
                referenced_segment=ReferencedSegment(
                    sop_class_uid=segmentation.SOPClassUID,
                    sop_instance_uid=segmentation.SOPInstanceUID,
                    segment_number=numbers[around.vessel],
                    source_series=SourceSeriesForSegmentation(series.series_uid),
                ),
                finding_type=own.VESSELS[around.vessel],
                finding_sites=[FindingSite(own.LUNG)],
                algorithm_id=AlgorithmIdentification(
                    name=identification.AlgorithmName,
                    version=identification.AlgorithmVersion,
                    parameters=[f"weights-sha256={model.digest}"],
                ),
                measurements=_vessel_values(around, place),
            )
        )
    return groups


def _vessel_values(around: VesselNeighbourhood, place: _Place) -> list[Measurement]:
    """Inside the sphere: volume, fragments, FragIndex; over the whole map: the distance to the nearest voxel."""
    point = [_coordinates(place, None)]
    rows: list[tuple[CodedConcept, float | None, CodedConcept, CodedConcept]] = [
        (own.VOLUME, round(around.volume, 1), own.CUBIC_MILLIMETRE, own.PERINODULAR),
        (own.FRAGMENTS, around.fragments, own.COUNT, own.PERINODULAR),
        (own.FRAG_INDEX, around.frag_index, own.PER_CUBIC_CENTIMETRE, own.PERINODULAR),
        (own.NEAREST, around.distance, own.MILLIMETRE, own.WHOLE_MAP),
    ]
    return [
        Measurement(name=name, value=round(value, 4), unit=unit, method=method, referenced_coordinates=point)
        for name, value, unit, method in rows
        if value is not None
    ]


def _observer() -> ObservationContext:
    device = DeviceObserverIdentifyingAttributes(
        uid=derive_uid("device", MANUFACTURER, __version__),
        name=MODEL_NAME,
        manufacturer_name=MANUFACTURER,
        model_name=MODEL_NAME,
        serial_number=__version__,
    )
    return ObservationContext(
        observer_device_context=ObserverContext(
            observer_type=codes.DCM.Device, observer_identifying_attributes=device
        )
    )


def _finish(document: Comprehensive3DSR, measurements: Measurements, instance_uid: str) -> None:
    """Fixed dates, equipment, the private scheme, and in words what the report is and is not."""
    models = (measurements.syn.model, measurements.vessels.model)
    set_source_times(document, measurements.ncct.series.instances[0].header)
    document.ContributingEquipmentSequence = contributing_equipment(*models)
    document.CodingSchemeIdentificationSequence = [own.private_scheme()]
    document.ManufacturerModelName = MODEL_NAME
    document.SoftwareVersions = __version__
    found = f"{len(measurements.nodules)} nodules" if measurements.nodules else "No nodule was given or found"
    document.CompletionFlagDescription = "Computed, not verified by a person"
    document.file_meta = file_meta(document.SOPClassUID, instance_uid)
    _ = found


def _text(name: CodedConcept, value: str) -> Dataset:
    raise NotImplementedError
