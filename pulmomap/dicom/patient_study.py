"""Whose study a result belongs to: repeated as the source says it, never invented.

Sources: DICOM PS3.3 C.7.1.1 (patient), C.7.1.3 and C.7.2.3 (clinical trial), C.7.2.1 (study), C.7.2.2 (patient study).
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy

from pydicom import DataElement, Dataset
from pydicom.config import disable_value_validation
from pydicom.datadict import dictionary_VR

from pulmomap.dicom.header import items, value

PATIENT_AND_STUDY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
)
"""The attributes of type 2: always there, perhaps empty."""

_OPTIONAL = (
    "TimezoneOffsetFromUTC",
    "IssuerOfPatientID",
    "IssuerOfPatientIDQualifiersSequence",
    "TypeOfPatientID",
    "OtherPatientIDsSequence",
    "OtherPatientIDs",
    "PatientBirthTime",
    "EthnicGroup",
    "PatientComments",
    "PatientSpeciesDescription",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "LongitudinalTemporalInformationModified",
    "ClinicalTrialSponsorName",
    "ClinicalTrialProtocolID",
    "ClinicalTrialProtocolName",
    "ClinicalTrialSiteID",
    "ClinicalTrialSiteName",
    "ClinicalTrialSubjectID",
    "ClinicalTrialSubjectReadingID",
    "ClinicalTrialTimePointID",
    "ClinicalTrialTimePointDescription",
    "IssuerOfAccessionNumberSequence",
    "StudyDescription",
    "ProcedureCodeSequence",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
)


def copy_patient_and_study(source: Dataset, result: Dataset) -> None:
    """Repeat the attributes of patient and study; type 2 ones that the source lacks are empty.

    The source's character set comes along, as its names may need it. Private attributes are dropped.
    """
    result.StudyInstanceUID = source.StudyInstanceUID
    copy_attributes(source, result, ("SpecificCharacterSet", *_OPTIONAL, *PATIENT_AND_STUDY))
    for keyword in PATIENT_AND_STUDY:
        if keyword not in result or value(source, keyword) is None:
            setattr(result, keyword, None)


def copy_attributes(source: Dataset, result: Dataset, keywords: Iterable[str]) -> None:
    """Repeat the attributes that the source has a value for, in the representation that the standard gives them."""
    for keyword in keywords:
        if value(source, keyword) is not None:
            with disable_value_validation():
                element = deepcopy(source[keyword])
                result[keyword] = DataElement(element.tag, dictionary_VR(keyword), element.value)
            for item in items(result, keyword) if element.VR == "SQ" else ():
                item.remove_private_tags()


def allow_text(result: Dataset, *texts: str) -> None:
    """Widen the character set to Unicode if any text of ours is not plain ASCII; the names are then written in it."""
    if not all(one.isascii() for one in texts):
        result.SpecificCharacterSet = "ISO_IR 192"
