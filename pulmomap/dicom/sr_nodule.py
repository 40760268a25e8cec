"""One nodule of the measurement report: a Measurement and Qualitative Evaluation Group (DICOM PS3.16 TID 1501).

Every group has a spatial coordinate, as viewers place a group by it: a line as long as the diameter, or a point.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from highdicom.seg import Segmentation
from highdicom.spatial import ReferenceToImageTransformer
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    CoordinatesForMeasurement,
    FindingSite,
    GraphicTypeValues,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    SourceImageForMeasurement,
    SourceImageForMeasurementGroup,
    SourceImageForRegion,
    TrackingIdentifier,
)

from pulmomap.case import ModelIdentity, Nodule, NoduleMeasurement, VesselNeighbourhood
from pulmomap.dicom.codes import (
    CUBIC_MILLIMETRE,
    DIAMETER,
    DISTANCE,
    FRAG_INDEX,
    FRAGMENTS,
    FROM_CENTRE,
    IN_SPHERE,
    LUNG,
    MILLIMETRE,
    MINIMUM,
    NO_UNITS,
    NODULE,
    PER_CUBIC_CENTIMETRE,
    SPHERE_DIAMETER,
    VESSELS,
    VOLUME,
)
from pulmomap.dicom.provenance import algorithm_name
from pulmomap.dicom.sources import SourcePlane


def nodule_group(
    measured: NoduleMeasurement,
    model: ModelIdentity,
    planes: Sequence[SourcePlane],
    segmentation: Segmentation | None,
) -> MeasurementsAndQualitativeEvaluations:
    """The group of one nodule.

    Args:
        measured: the nodule and what was measured around it.
        model: the network that found the vessels.
        planes: the slices of the scan.
        segmentation: what the vessel measurements were taken from; None if there is none to refer to.
    """
    nodule = measured.nodule
    nearest = nearest_plane(nodule.centre, planes)
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=nodule.tracking_uid, identifier=nodule.label),
        finding_type=NODULE,
        algorithm_id=AlgorithmIdentification(
            name=algorithm_name(model), version=model.version, parameters=[f"weights-sha256={model.digest}"]
        ),
        finding_sites=[FindingSite(LUNG)],
        measurements=[
            *_extent(nodule, measured.roi_diameter, nearest),
            *_vessel(measured.artery, segmentation),
            *_vessel(measured.vein, segmentation),
        ],
        source_images=[
            SourceImageForMeasurementGroup(nearest.class_uid, nearest.instance_uid, _frames(nearest)),
        ],
    )


def nearest_plane(centre: Sequence[float], planes: Sequence[SourcePlane]) -> SourcePlane:
    """The slice whose plane is nearest to a point (LPS mm)."""

    def apart(source: SourcePlane) -> float:
        orientation = source.plane.orientation
        normal = np.cross(orientation[:3], orientation[3:])
        return abs(float(np.dot(np.subtract(centre, source.plane.position), normal)))

    return min(planes, key=apart)


def _extent(nodule: Nodule, roi_diameter: float, nearest: SourcePlane) -> list[Measurement]:
    """The nodule's diameter, if known, and the sphere's; the first of them carries the coordinates."""
    coordinates = [_coordinates(nodule, nearest)]
    if nodule.diameter is None:
        return [Measurement(SPHERE_DIAMETER, roi_diameter, MILLIMETRE, referenced_coordinates=coordinates)]
    return [
        Measurement(DIAMETER, nodule.diameter, MILLIMETRE, referenced_coordinates=coordinates),
        Measurement(SPHERE_DIAMETER, roi_diameter, MILLIMETRE),
    ]


def _coordinates(nodule: Nodule, nearest: SourcePlane) -> CoordinatesForMeasurement:
    """On the nearest slice: a line through the centre along the row, as long as the diameter; else the centre.

    (Column, row), where (0.5, 0.5) is the centre of the first pixel (PS3.3 C.18.6.1.2).
    """
    plane = nearest.plane
    to_image = ReferenceToImageTransformer(plane.position, plane.orientation, plane.pixel_spacing)
    half = (nodule.diameter or 0.0) / 2 * np.array(plane.orientation[:3])
    ends = [nodule.centre] if nodule.diameter is None else [nodule.centre - half, nodule.centre + half]
    points = to_image(np.array(ends, dtype=np.float64))[:, :2]
    return CoordinatesForMeasurement(
        graphic_type=GraphicTypeValues.POINT if nodule.diameter is None else GraphicTypeValues.POLYLINE,
        graphic_data=np.clip(points, 0, [plane.columns, plane.rows]),
        source_image=SourceImageForRegion(nearest.class_uid, nearest.instance_uid, _frames(nearest)),
    )


def _vessel(around: VesselNeighbourhood, segmentation: Segmentation | None) -> list[Measurement]:
    rows: list[tuple[CodedConcept, float | None, CodedConcept, CodedConcept, CodedConcept | None]] = [
        (VOLUME, around.volume, CUBIC_MILLIMETRE, IN_SPHERE, None),
        (FRAGMENTS, around.fragments, NO_UNITS, IN_SPHERE, None),
        (FRAG_INDEX, around.frag_index, PER_CUBIC_CENTIMETRE, IN_SPHERE, None),
        (DISTANCE, around.distance, MILLIMETRE, FROM_CENTRE, MINIMUM),
    ]
    return [
        Measurement(
            name,
            value,
            unit,
            method=method,
            derivation=derivation,
            finding_sites=[FindingSite(VESSELS[around.vessel])],
            referenced_images=_segment(around, segmentation),
        )
        for name, value, unit, method, derivation in rows
        if value is not None
    ]


def _segment(around: VesselNeighbourhood, segmentation: Segmentation | None) -> list[SourceImageForMeasurement] | None:
    """The vessel's segment; written by hand, as highdicom's own reference does not know label maps."""
    if segmentation is None:
        return None
    image = SourceImageForMeasurement(segmentation.SOPClassUID, segmentation.SOPInstanceUID)
    image.ReferencedSOPSequence[0].ReferencedSegmentNumber = int(around.vessel)
    return [image]


def _frames(source: SourcePlane) -> list[int] | None:
    return None if source.frame_number is None else [source.frame_number]
