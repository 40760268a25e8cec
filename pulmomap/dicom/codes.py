"""The coded concepts of our results, standard where the standard has one, and the private scheme for the rest."""

from __future__ import annotations

from highdicom.sr import CodedConcept
from pydicom import Dataset

from pulmomap.case import Vessel

PRIVATE_SCHEME = "99PULMOMAP"

# DICOM PS3.16: CID 7150 (segmentation property categories), CID 6102 and 7151 (what and where).
ANATOMICAL_STRUCTURE = CodedConcept("91723000", "SCT", "Anatomical Structure")
VESSELS = {
    Vessel.ARTERY: CodedConcept("81040000", "SCT", "Pulmonary artery"),
    Vessel.VEIN: CodedConcept("122972007", "SCT", "Pulmonary vein"),
}
NODULE = CodedConcept("27925004", "SCT", "Nodule")
LUNG = CodedConcept("39607008", "SCT", "Lung")
# CID 100 (quantitative imaging procedures) has no CT of the chest; the finding sites say which region it was.
CT = CodedConcept("25045-6", "LN", "CT unspecified body region")
ENGLISH = CodedConcept("en-US", "RFC5646", "English (United States)")

# CID 7003 and 7005, CID 7203: purposes of equipment and images, derivation.
ACQUISITION_EQUIPMENT = CodedConcept("109101", "DCM", "Acquisition Equipment")
PROCESSING_EQUIPMENT = CodedConcept("109102", "DCM", "Processing Equipment")
SOURCE_IMAGE = CodedConcept("121322", "DCM", "Source Image for Image Processing Operation")
ARTIFICIAL_INTELLIGENCE = CodedConcept("123110", "DCM", "Artificial Intelligence")

# CID 7469 (generic size measurements), CID 7464 (how a value was computed).
DIAMETER = CodedConcept("81827009", "SCT", "Diameter")
VOLUME = CodedConcept("118565006", "SCT", "Volume")
DISTANCE = CodedConcept("121206", "DCM", "Distance")
MINIMUM = CodedConcept("255605001", "SCT", "Minimum")

MILLIMETRE = CodedConcept("mm", "UCUM", "millimeter")
CUBIC_MILLIMETRE = CodedConcept("mm3", "UCUM", "cubic millimeter")
PER_CUBIC_CENTIMETRE = CodedConcept("/cm3", "UCUM", "per cubic centimeter")
NO_UNITS = CodedConcept("1", "UCUM", "no units")

# TID 1500 rows 12 to 14: evaluations that are not measurements.
QUALITATIVE_EVALUATIONS = CodedConcept("C0034375", "UMLS", "Qualitative Evaluations")
FINDING = CodedConcept("121071", "DCM", "Finding")
COMMENT = CodedConcept("121106", "DCM", "Comment")


def _own(value: str, meaning: str) -> CodedConcept:
    return CodedConcept(value, PRIVATE_SCHEME, meaning)


# No standard scheme has these. A code keeps its meaning for ever; docs/dicom-outputs.md defines each.
CONTRAST_SYNTHESIS = _own("SYNCECT", "Synthesis of contrast enhancement")
SPHERE_DIAMETER = _own("SPHEREDIAM", "Diameter of the sphere around the nodule")
FRAGMENTS = _own("FRAGMENTS", "Number of vessel fragments")
FRAG_INDEX = _own("FRAGINDEX", "Fragmentation index of vessels")
IN_SPHERE = _own("INSPHERE", "Inside the sphere around the nodule")
FROM_CENTRE = _own("FROMCENTRE", "From the centre of the nodule to the nearest vessel voxel")
NO_NODULE = _own("NONODULE", "No nodule was given or found")


def private_scheme() -> Dataset:
    """The item of the Coding Scheme Identification Sequence that says whose codes these are (PS3.3 C.12.1.1.7)."""
    item = Dataset()
    item.CodingSchemeDesignator = PRIVATE_SCHEME
    item.CodingSchemeName = "PulmoMAP private codes"
    item.CodingSchemeVersion = "1"
    item.CodingSchemeResponsibleOrganization = "PulmoMAP"
    return item
