"""The table of a cohort: its columns, and what is refused, by line and column, never by patient."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

INDICES = {
    "slpa": "skeleton length of the pulmonary arteries (voxels)",
    "slpv": "skeleton length of the pulmonary veins (voxels)",
    "bcpa": "bifurcations of the pulmonary arteries",
    "bcpv": "bifurcations of the pulmonary veins",
}
DISEASES = ("cardiomegaly", "artery_wall_calcification", "pah", "nodule", "embolism", "copd")

Index = float | None
Flag = Literal["0", "1"] | None


class TableError(ValueError):
    """A cohort table that cannot be studied. The sentence names the file, the line and the column, never a patient."""


class Patient(BaseModel):
    """One line of the table. Every column must be there; an empty cell leaves the patient out."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    patient: str = Field(min_length=1, description="pseudonym, once in the table")
    sex: Literal["M", "F"] | None = Field(description="M or F")
    age_years: float | None = Field(ge=0, le=120, description="years")
    lung_volume_l: float | None = Field(gt=0, le=15, description="litres: segmented lungs minus the vessels in them")
    slpa: Index = Field(ge=0, description="skeleton voxels of the arteries in the normalised space")
    slpv: Index = Field(ge=0, description="skeleton voxels of the veins in the normalised space")
    bcpa: Index = Field(ge=0, description="bifurcations of the arteries")
    bcpv: Index = Field(ge=0, description="bifurcations of the veins")
    cardiomegaly: Flag = Field(description="0 or 1")
    artery_wall_calcification: Flag = Field(description="0 or 1")
    pah: Flag = Field(description="pulmonary arterial hypertension, 0 or 1")
    nodule: Flag = Field(description="0 or 1")
    embolism: Flag = Field(description="pulmonary embolism, 0 or 1")
    copd: Flag = Field(description="chronic obstructive pulmonary disease, 0 or 1")


def read(table: Path) -> list[Patient]:
    """Read and check a cohort table; see :func:`training.cohort.study`."""
    with table.open(encoding="utf-8-sig", newline="") as stream:
        rows = csv.reader(stream)
        header = next(rows, [])
        _check_header(table, header)
        patients: dict[str, tuple[int, Patient]] = {}
        for cells in rows:
            if not cells:
                continue
            patient = _patient(table, rows.line_num, header, cells)
            if patient.patient in patients:
                first = patients[patient.patient][0]
                raise TableError(f"{table}: lines {first} and {rows.line_num} are the same patient; keep one")
            patients[patient.patient] = rows.line_num, patient
    if not patients:
        raise TableError(f"{table}: the table holds no patient")
    return [patient for _, patient in patients.values()]


def _check_header(table: Path, header: list[str]) -> None:
    expected = list(Patient.model_fields)
    problems = {
        "missing": [name for name in expected if name not in header],
        "unknown": [name for name in header if name not in expected],
        "repeated": [name for name, count in Counter(header).items() if count > 1],
    }
    found = [f"{kind}: {', '.join(names)}" for kind, names in problems.items() if names]
    if found:
        raise TableError(f"{table}: columns {'; '.join(found)}")


def _patient(table: Path, line: int, header: list[str], cells: list[str]) -> Patient:
    if len(cells) != len(header):
        raise TableError(f"{table}, line {line}: {len(cells)} cells under {len(header)} columns")
    values = {name: cell.strip() or None for name, cell in zip(header, cells, strict=True)}
    try:
        return Patient.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise TableError(f"{table}, line {line}, column {first['loc'][0]}: {first['msg']}") from None
