"""What a vendor's name for a reconstruction kernel says about its sharpness.

The names are each vendor's own; the classes follow the usual grouping in studies of kernel harmonisation: soft tissue
(smooth to medium) against lung and bone (edge-enhancing).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum


class KernelClass(str, Enum):
    """Sharpness of a reconstruction kernel, as far as its name tells."""

    SOFT = "soft"
    STANDARD = "standard"
    UNKNOWN = "unknown"
    SHARP = "sharp"


_NAMED: tuple[tuple[KernelClass, re.Pattern[str]], ...] = (
    # Words, of any vendor: GE LUNG, BONEPLUS, EDGE; Canon AiCE LUNG; United Imaging B_SHARP_C. Sharp words win.
    (KernelClass.SHARP, re.compile(r"LUNG|BONE|SHARP|EDGE|ULTRA|HIGH RES|DETAIL")),
    (KernelClass.SOFT, re.compile(r"SOFT|SMOOTH")),
    (KernelClass.STANDARD, re.compile(r"STANDARD|STND|^STD|CHST|CHEST|BODY|MEDIUM")),
    # Philips: one letter by sharpness (iDose prefixes an i); the Y and L families are for lung.
    (KernelClass.SOFT, re.compile(r"^I?A$")),
    (KernelClass.STANDARD, re.compile(r"^I?B$")),
    (KernelClass.SHARP, re.compile(r"^I?(C|D|E|F|L|Y[A-E])$")),
)
_SIEMENS = re.compile(r"^[A-Z][A-Z]?(\d\d)[A-Z]?(\b|_|\\|$)")
"""B30f, I70f, Br40d, Bl57, Qr40: family letters, then the sharpness number."""
_CANON = re.compile(r"^F[CL](\d\d)")
"""FC01 to FC29 are body and head filters, FC30 upwards bone, lung and inner ear."""


def classify_kernel(names: Sequence[str]) -> KernelClass:
    """The class of the first name that is known.

    Args:
        names: the values of Convolution Kernel (0018,1210); Siemens adds a second value for its strength.
    """
    classes = (_classify(name.strip().upper()) for name in names)
    return next((found for found in classes if found is not KernelClass.UNKNOWN), KernelClass.UNKNOWN)


def _classify(name: str) -> KernelClass:
    canon = _CANON.match(name)
    if canon:
        return KernelClass.STANDARD if int(canon[1]) < 30 else KernelClass.SHARP
    siemens = _SIEMENS.match(name)
    if siemens:
        return _siemens_class(int(siemens[1]))
    return next((found for found, pattern in _NAMED if pattern.search(name)), KernelClass.UNKNOWN)


def _siemens_class(sharpness: int) -> KernelClass:
    if sharpness < 35:
        return KernelClass.SOFT
    return KernelClass.STANDARD if sharpness < 50 else KernelClass.SHARP
