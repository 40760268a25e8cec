"""Nodules in an RT Structure Set (PS3.3 A.19, C.8.8.5 to C.8.8.8)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydicom import Dataset

from pulmomap.dicom.header import integer, items, number, text, value
from pulmomap.dicom.nodule_terms import codes_in, is_nodule
from pulmomap.dicom.nodule_trust import Claim, DistrustError, Points, Target
from pulmomap.dicom.outlines import solid_of


def read_structure_set(header: Dataset, target: Target) -> tuple[Claim, ...]:
    """The nodules among the regions of interest: closed contours (diameter of equal volume) or single points.

    Raises:
        DistrustError: if it holds nodules that cannot be taken for this series.
    """
    regions = {integer(one, "ROINumber"): one for one in items(header, "StructureSetROISequence")}
    meanings = {integer(one, "ReferencedROINumber"): one for one in items(header, "RTROIObservationsSequence")}
    claims = []
    for contours in items(header, "ROIContourSequence"):
        number_of_roi = integer(contours, "ReferencedROINumber")
        region = regions.get(number_of_roi, Dataset())
        if not _is_nodule(region, meanings.get(number_of_roi, Dataset())):
            continue
        target.require_frame(text(region, "ReferencedFrameOfReferenceUID"))
        target.require_series(set(_referenced_series(header)))
        claims.append(_claim(contours, meanings.get(number_of_roi, Dataset()), target))
    return tuple(claims)


def _is_nodule(region: Dataset, meaning: Dataset) -> bool:
    names = (text(region, "ROIName"), text(meaning, "ROIObservationLabel"), text(meaning, "RTROIInterpretedType"))
    return is_nodule(codes_in(meaning, "RTROIIdentificationCodeSequence"), names)


def _referenced_series(header: Dataset) -> Iterator[str]:
    for frame in items(header, "ReferencedFrameOfReferenceSequence"):
        for study in items(frame, "RTReferencedStudySequence"):
            for series in items(study, "RTReferencedSeriesSequence"):
                yield text(series, "SeriesInstanceUID")


def _claim(contours: Dataset, meaning: Dataset, target: Target) -> Claim:
    outlines = [(text(one, "ContourGeometricType"), _points(one)) for one in items(contours, "ContourSequence")]
    if not outlines:
        raise DistrustError("holds a nodule without a contour")
    everything = np.concatenate([points for _, points in outlines])
    target.require_inside(everything)
    tracking_uid = text(meaning, "TrackingUID") or None
    closed = [points for kind, points in outlines if kind.startswith("CLOSED") and len(points) > 2]
    if not closed:
        return Claim(centre=everything.mean(axis=0), diameter=None, tracking_uid=tracking_uid)
    normal = target.geometry.affine[:3, 0] / target.geometry.spacing[0]
    volume, centre = solid_of(closed, normal, target.geometry.spacing[0])
    return Claim(centre, float(np.cbrt(6 * volume / np.pi)) or None, tracking_uid)


def _points(contour: Dataset) -> Points:
    data = value(contour, "ContourData")
    try:
        points = np.array(data, dtype=np.float64).reshape(-1, 3)
    except (TypeError, ValueError):
        points = np.empty((0, 3))
    if len(points) == 0 or number(contour, "NumberOfContourPoints") not in (None, len(points)):
        raise DistrustError("holds a contour whose points cannot be read")
    return points
