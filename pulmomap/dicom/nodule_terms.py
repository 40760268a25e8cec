"""Which names and codes stand for a lung nodule, and which surely do not.

Codes: DICOM PS3.16 CID 7159 (lesion segmentation types) and its like in CID 6104: SNOMED CT, and SRT in older objects.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pydicom import Dataset

from pulmomap.dicom.header import items, text

_CODES = frozenset(
    {
        ("SCT", "27925004"),  # Nodule
        ("SCT", "4147007"),  # Mass
        ("SCT", "52988006"),  # Lesion
        ("SCT", "108369006"),  # Neoplasm
        ("SCT", "86049000"),  # Malignant neoplasm, primary
        ("SCT", "14799000"),  # Neoplasm, metastatic
        ("SCT", "126713003"),  # Neoplasm of lung
        ("SCT", "427359005"),  # Solitary nodule of lung
        ("SCT", "786838002"),  # Pulmonary nodule
        ("SRT", "M-03010"),  # Nodule
        ("SRT", "M-03000"),  # Mass
        ("SRT", "M-01100"),  # Lesion
        ("SRT", "M-80001"),  # Neoplasm
        ("SRT", "M-80003"),  # Neoplasm, primary
        ("SRT", "M-80006"),  # Neoplasm, secondary
    }
)
_NODULE = re.compile(
    r"NODUL|TUMOU?R|LESION|\bMASS(ES)?\b|NEOPLAS|CANCER|CARCINOM|METASTA|\bGTV|\bITV|\bNSCLC|\bSPN\b", re.IGNORECASE
)
_ELSEWHERE = re.compile(
    r"LIVER|HEPAT|KIDNEY|RENAL|SPLEEN|PANCREA|ADRENAL|BRAIN|CEREB|BREAST|THYROID|BONE|VERTEBRA|\bRIB|LYMPH|\bNODES?\b"
    r"|\bGTV[ _-]?N|PROSTATE|PELVI|BLADDER|COLON|STOMACH|OESOPHAG|ESOPHAG|SKIN|MUSCLE|ARTER|VEIN|VENOUS|VESSEL",
    re.IGNORECASE,
)


def is_nodule(codes: Iterable[Dataset], names: Iterable[str], places: Iterable[Dataset] = ()) -> bool:
    """Whether something is called a nodule, tumour or lesion and is not placed in another organ.

    Args:
        codes: code sequence items for what it is.
        names: free text for what it is.
        places: code sequence items for where it is.
    """
    what = list(codes)
    words = [*(text(one, "CodeMeaning") for one in what), *names]
    where = [*words, *(text(one, "CodeMeaning") for one in places)]
    if any(_ELSEWHERE.search(word) for word in where):
        return False
    coded = any((text(one, "CodingSchemeDesignator"), text(one, "CodeValue")) in _CODES for one in what)
    return coded or any(_NODULE.search(word) for word in words)


def codes_in(dataset: Dataset, *keywords: str) -> list[Dataset]:
    """The items of several code sequences together."""
    return [item for keyword in keywords for item in items(dataset, keyword)]
