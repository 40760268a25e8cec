"""Which device and number format suit this machine: by its features, never by a stopwatch, so that a choice repeats."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "f32", "bf16"]
CPUINFO = Path("/proc/cpuinfo")


def cpu_precision(cpuinfo: str | None = None) -> Literal["f32", "bf16"]:
    """The faster number format of this CPU.

    bf16 wins where it has matrix units (AMX) and on AMD, whose AVX-512 multiplies bf16 at twice the rate of f32.
    Intel's AVX-512 without AMX knows the instruction but runs it slowly: there, bf16 convolutions took 2 to 4 times as
    long as f32 ones.

    Args:
        cpuinfo: Linux's description of the CPUs; None reads this machine's.
    """
    if cpuinfo is None:
        cpuinfo = CPUINFO.read_text(encoding="utf-8", errors="replace") if CPUINFO.is_file() else ""
    fields = dict(line.split(":", 1) for line in cpuinfo.split("\n\n", 1)[0].splitlines() if ":" in line)
    described = {key.strip(): value.strip() for key, value in fields.items()}
    flags = described.get("flags", "").split()
    amd = described.get("vendor_id") == "AuthenticAMD"
    return "bf16" if "amx_bf16" in flags or (amd and "avx512_bf16" in flags) else "f32"
