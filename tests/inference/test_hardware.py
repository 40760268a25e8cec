"""The choice of the number format."""

from __future__ import annotations

import pytest

from pulmomap.inference.hardware import cpu_precision

CPU = "processor\t: 0\nvendor_id\t: {vendor}\nmodel name\t: a: b\nflags\t\t: fpu avx2 {flags}\n\nprocessor\t: 1\n"


@pytest.mark.parametrize(
    ("vendor", "flags", "expected"),
    [
        ("GenuineIntel", "avx512f avx512_bf16 amx_bf16 amx_tile", "bf16"),
        ("GenuineIntel", "avx512f avx512_bf16", "f32"),
        ("GenuineIntel", "avx512f", "f32"),
        ("AuthenticAMD", "avx512f avx512_bf16", "bf16"),
        ("AuthenticAMD", "avx512f", "f32"),
    ],
)
def test_bf16_only_where_it_is_fast(vendor: str, flags: str, expected: str) -> None:
    assert cpu_precision(CPU.format(vendor=vendor, flags=flags)) == expected


def test_an_unknown_machine_gets_f32() -> None:
    assert cpu_precision("") == "f32"
    assert cpu_precision("Processor\t: ARMv8\nFeatures\t: bf16\n") == "f32"
    assert cpu_precision() in ("f32", "bf16")
