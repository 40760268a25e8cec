"""Coded concepts that more than one object uses; every standard one from pydicom's dictionaries where they hold it."""

from __future__ import annotations

from highdicom.sr import CodedConcept
from pydicom import Dataset

from pulmomap.case import Vessel

PRIVATE_SCHEME = "99PULMOMAP"

ANATOMICAL_STRUCTURE = CodedConcept("91723000", "SCT", "Anatomical structure")
LUNG = CodedConcept("39607008", "SCT", "Lung")
NODULE = CodedConcept("27925004", "SCT", "Nodule")
VESSELS = {
    Vessel.ARTERY: CodedConcept("81040000", "SCT", "Pulmonary artery"),
    Vessel.VEIN: CodedConcept("122972007", "SCT", "Pulmonary vein"),
}
CHEST_CT = CodedConcept("169069000", "SCT", "Computed tomography of chest")
DIAMETER = CodedConcept("81827009", "SCT", "Diameter")
VOLUME = CodedConcept("118565006", "SCT", "Volume")
# No standard scheme names these three.
FRAGMENTS = CodedConcept("fragments", PRIVATE_SCHEME, "Number of connected fragments")
FRAG_INDEX = CodedConcept("frag-index", PRIVATE_SCHEME, "Fragmentation index")
NEAREST = CodedConcept("nearest-distance", PRIVATE_SCHEME, "Distance from nodule centre to nearest vessel voxel")
PERINODULAR = CodedConcept("perinodular-sphere", PRIVATE_SCHEME, "Within sphere around nodule centre")
WHOLE_MAP = CodedConcept("whole-map", PRIVATE_SCHEME, "Over the whole vessel map")

MILLIMETRE = CodedConcept("mm", "UCUM", "millimeter")
CUBIC_MILLIMETRE = CodedConcept("mm3", "UCUM", "cubic millimeter")
PER_CUBIC_CENTIMETRE = CodedConcept("/cm3", "UCUM", "per cubic centimeter")
COUNT = CodedConcept("{count}", "UCUM", "count")


def private_scheme() -> Dataset:
    """Who answers for the private codes (DICOM PS3.3 C.12.1, Coding Scheme Identification Sequence)."""
    item = Dataset()
    item.CodingSchemeDesignator = PRIVATE_SCHEME
    item.CodingSchemeName = "PulmoMAP perinodular measurements"
    item.CodingSchemeVersion = "1"
    item.CodingSchemeResponsibleOrganization = "PulmoMAP"
    return item
