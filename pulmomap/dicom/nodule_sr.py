"""Nodules in a measurement report (DICOM SR, PS3.16 TID 1500 with TID 1410, 1411 and 1501)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from highdicom.spatial import ImageToReferenceTransformer
from pydicom import Dataset

from pulmomap.dicom.frames import slices_of
from pulmomap.dicom.header import integer, items, number, text, value
from pulmomap.dicom.nodule_terms import is_nodule
from pulmomap.dicom.nodule_trust import Claim, DistrustError, Points, Target
from pulmomap.dicom.outlines import area_and_centroid, longest_diameter

_GROUP = {("DCM", "125007")}
_FINDING = {("DCM", "121071")}
_FINDING_SITE = {("SCT", "363698007"), ("SRT", "G-C0E3")}
_TRACKING_NAME = {("DCM", "112039")}
_TRACKING_UID = {("DCM", "112040")}
_DIAMETERS = {
    ("SCT", "81827009"),  # Diameter
    ("SRT", "M-02550"),
    ("SCT", "103339001"),  # Long axis
    ("SRT", "G-A185"),
    ("SCT", "410668003"),  # Length
    ("SRT", "G-D7FE"),
    ("SCT", "131187009"),  # Major axis
    ("DCM", "131190003"),
}
_MM = {"mm": 1.0, "cm": 10.0}


def read_report(header: Dataset, target: Target) -> tuple[Claim, ...]:
    """The nodules among the measurement groups that carry coordinates.

    Groups that only refer to a segment are left to the segmentation itself. The diameter is the largest stated one,
    else the longest distance in the drawn shape; a point has none.

    Raises:
        DistrustError: if it holds nodules that cannot be taken for this series.
    """
    if "1500" not in {text(one, "TemplateIdentifier") for one in items(header, "ContentTemplateSequence")}:
        return ()
    claims = []
    for group in _below(header):
        if _concept(group) in _GROUP and _is_nodule(group):
            shapes = [one for one in _below(group) if text(one, "ValueType") in ("SCOORD", "SCOORD3D")]
            if shapes:
                target.require_series(_evidence_series(header))
                claims.append(_claim(group, shapes, target))
    return tuple(claims)


def _below(content: Dataset) -> Iterable[Dataset]:
    """All content items below one, in document order."""
    for child in items(content, "ContentSequence"):
        yield child
        yield from _below(child)


def _concept(item: Dataset) -> tuple[str, str]:
    names = items(item, "ConceptNameCodeSequence")
    return (text(names[0], "CodingSchemeDesignator"), text(names[0], "CodeValue")) if names else ("", "")


def _children(group: Dataset, concepts: set[tuple[str, str]]) -> list[Dataset]:
    return [one for one in items(group, "ContentSequence") if _concept(one) in concepts]


def _is_nodule(group: Dataset) -> bool:
    findings = [code for one in _children(group, _FINDING) for code in items(one, "ConceptCodeSequence")]
    sites = [code for one in _children(group, _FINDING_SITE) for code in items(one, "ConceptCodeSequence")]
    names = [text(one, "TextValue") for one in _children(group, _TRACKING_NAME)]
    return is_nodule(findings, names, sites)


def _evidence_series(header: Dataset) -> set[str]:
    return {
        text(series, "SeriesInstanceUID")
        for study in items(header, "CurrentRequestedProcedureEvidenceSequence")
        for series in items(study, "ReferencedSeriesSequence")
    }


def _claim(group: Dataset, shapes: list[Dataset], target: Target) -> Claim:
    drawn = [(_points(one, target), text(one, "GraphicType")) for one in shapes]
    for points, _ in drawn:
        target.require_inside(points)
    # The shape that spans most is the nodule's outline; further ones are its axes or single slices.
    points, kind = max(drawn, key=lambda one: longest_diameter(one[0]))
    centre = (
        area_and_centroid(points)[1] if kind in ("POLYGON", "POLYLINE") and len(points) > 3 else points.mean(axis=0)
    )
    if kind == "CIRCLE":  # centre and one point on the rim
        centre = points[0]
    stated = max(filter(None, map(_diameter, _children(group, _DIAMETERS))), default=None)
    drawn_length = longest_diameter(points) * (2 if kind == "CIRCLE" else 1)
    uids = [text(one, "UID") for one in _children(group, _TRACKING_UID)]
    return Claim(centre=centre, diameter=stated or drawn_length or None, tracking_uid=uids[0] if uids else None)


def _diameter(measurement: Dataset) -> float | None:
    for measured in items(measurement, "MeasuredValueSequence"):
        units = items(measured, "MeasurementUnitsCodeSequence")
        size = number(measured, "NumericValue")
        scale = _MM.get(text(units[0], "CodeValue")) if units else None
        if size is not None and scale is not None and size > 0:
            return size * scale
    return None


def _points(shape: Dataset, target: Target) -> Points:
    """Graphic data as (n, 3) LPS mm."""
    in_space = text(shape, "ValueType") == "SCOORD3D"
    if in_space:
        target.require_frame(text(shape, "ReferencedFrameOfReferenceUID"))
    try:
        points = np.array(value(shape, "GraphicData"), dtype=np.float64).reshape(-1, 3 if in_space else 2)
    except (TypeError, ValueError):
        points = np.empty((0, 0))
    if len(points) == 0:
        raise DistrustError("holds coordinates that cannot be read")
    return points if in_space else _from_image(points, shape, target)


def _from_image(points: Points, shape: Dataset, target: Target) -> Points:
    """(column, row) coordinates on an image of the series -> LPS mm."""
    references = [one for child in items(shape, "ContentSequence") for one in items(child, "ReferencedSOPSequence")]
    uid = text(references[0], "ReferencedSOPInstanceUID") if references else ""
    instances = [one for one in target.series.instances if text(one.header, "SOPInstanceUID") == uid]
    if not instances:
        raise DistrustError(
            f"was drawn on the image {uid or '(none)'}, which is not of the series {target.series.series_uid}"
        )
    planes = slices_of(instances)
    frame = (integer(references[0], "ReferencedFrameNumber") or 1) - 1
    if not 0 <= frame < len(planes):
        raise DistrustError(f"was drawn on frame {frame + 1} of an image that has {len(planes)}")
    to_space = ImageToReferenceTransformer(
        image_position=planes[frame].position,
        image_orientation=planes[frame].orientation,
        pixel_spacing=planes[frame].pixel_spacing,
    )
    return np.asarray(to_space(points), dtype=np.float64)
