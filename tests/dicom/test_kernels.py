"""Vendors' kernel names."""

from __future__ import annotations

import pytest

from pulmomap.dicom.kernels import KernelClass, classify_kernel

SOFT, STANDARD, SHARP, UNKNOWN = KernelClass.SOFT, KernelClass.STANDARD, KernelClass.SHARP, KernelClass.UNKNOWN


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["SOFT"], SOFT), (["STANDARD"], STANDARD), (["STD+"], STANDARD), (["STND"], STANDARD), (["LUNG"], SHARP),
        (["BONE"], SHARP), (["BONEPLUS"], SHARP), (["DETAIL"], SHARP), (["EDGE"], SHARP),
        (["B20f"], SOFT), (["B30f"], SOFT), (["B31s"], SOFT), (["I30f", "3"], SOFT), (["Br40d", "3"], STANDARD),
        (["Br36f"], STANDARD), (["B45f"], STANDARD), (["Bl57d"], SHARP), (["Bl64"], SHARP), (["B70f"], SHARP),
        (["B80f"], SHARP), (["Qr40"], STANDARD), (["H30s"], SOFT), (["Hr60"], SHARP),
        (["A"], SOFT), (["B"], STANDARD), (["C"], SHARP), (["D"], SHARP), (["L"], SHARP), (["YA"], SHARP),
        (["iB"], STANDARD),
        (["FC01"], STANDARD), (["FC08"], STANDARD), (["FC17"], STANDARD), (["FC30"], SHARP), (["FC51"], SHARP),
        (["FC86"], SHARP), (["BODY"], STANDARD), (["B_SOFT_B"], SOFT), (["B_SHARP_C"], SHARP),
        ([], UNKNOWN), ([""], UNKNOWN), (["XYZ"], UNKNOWN), (["3", "B30f"], SOFT),
    ],
)  # fmt: skip
def test_names(names: list[str], expected: KernelClass) -> None:
    assert classify_kernel(names) is expected
