"""What others say about our DICOM: the external validators and readers, each as one function.

A program that is not installed skips the test with the reason. Where CI is set to true it fails instead.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import SimpleITK
from highdicom import _standard_utils as tables
from pydicom import Dataset

PIXELMED = Path("/usr/share/java/pixelmed.jar")
# Debian's dciodvfy is of June 2022; these attributes and classes are younger.
_NEWER_THAN_DCIODVFY = re.compile(r"not a recognized standard attribute - \(0x0008,0x001c\)")


def absent(what: str) -> None:
    """Skip, or fail in CI, because a program is not there."""
    reason = f"{what} is not installed (see CONTRIBUTING.md)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def dciodvfy(path: Path) -> list[str]:
    """The errors of dicom3tools' IOD validator, which also exits with 0 on some."""
    output, code = _run(_program("dciodvfy", "dicom3tools"), str(path))
    errors = [line for line in output.splitlines() if line.startswith("Error")]
    known = [line for line in errors if _NEWER_THAN_DCIODVFY.search(line)]
    if code and not errors:
        return [f"exit code {code}: {output[-500:]}"]
    return [line for line in errors if line not in known]


def pixelmed_sr(path: Path) -> list[str]:
    """The errors of PixelMed's validator of SR templates. Takes about 20 s of one core."""
    if not PIXELMED.is_file():
        absent("pixelmed (Debian: pixelmed-apps, libpixelmed-java)")
    output, code = _run(
        _program("java", "Java"),
        "-Xmx2g",
        *(f"-Djdk.xml.xpath{limit}Limit=0" for limit in ("TotalOp", "ExprOp", "ExprGrp")),
        "-cp",
        str(PIXELMED),
        "com.pixelmed.validate.DicomSRValidator",
        str(path),
    )
    complete = code == 0 and "Root Template Validation Complete" in output and "IOD validation complete" in output
    errors = [line for line in output.splitlines() if "Error" in line]
    return errors if complete else [*errors, f"did not finish: {output[-500:]}"]


def dcmqi_segments(path: Path, folder: Path) -> tuple[list[SimpleITK.Image], dict[str, Any]]:
    """A SEG as dcmqi reads it: one label image a group of segments, and its description of them."""
    folder.mkdir(parents=True)
    program = _program("segimage2itkimage", "dcmqi")
    output, code = _run(program, "--inputDICOM", str(path), "--outputDirectory", str(folder), "--outputType", "nrrd")
    assert code == 0, output[-2000:]
    images = [SimpleITK.ReadImage(str(one)) for one in sorted(folder.glob("*.nrrd"))]
    return images, json.loads((folder / "meta.json").read_text())


def dcmqi_report(path: Path, out: Path) -> dict[str, Any]:
    """A TID 1500 report as dcmqi reads it."""
    output, code = _run(_program("tid1500reader", "dcmqi"), "--inputDICOM", str(path), "--outputMetadata", str(out))
    assert code == 0, output[-2000:]
    content: dict[str, Any] = json.loads(out.read_text())
    return content


def table_errors(dataset: Dataset) -> list[str]:
    """Missing or empty attributes of mandatory modules, and attributes of no module of the object's kind.

    After the tables of DICOM PS3.3 that highdicom ships; they know younger classes than dciodvfy (label maps).
    """
    errors = []
    for module in tables.get_iod_module_map()[tables.get_sop_class_iod_map()[dataset.SOPClassUID]]:
        # The content tree and the frames' functional groups are tables of their own.
        if module["usage"] == "M" and module["key"] not in _NO_FLAT_TABLE:
            errors += _missing(dataset, tables.construct_module_tree(module["key"]), module["key"])
    errors += [
        f"{element.keyword} is in no module of this object"
        for element in dataset
        if element.tag.group > 2 and not tables.is_attribute_in_iod(element.keyword, dataset.SOPClassUID, [])
    ]
    return errors


_NO_FLAT_TABLE = {"sr-document-content", "segmentation-multi-frame-functional-groups"}


def _missing(dataset: Dataset, tree: dict[str, Any], path: str) -> list[str]:
    errors = []
    for keyword, entry in tree.get("attributes", {}).items():
        kind, here = entry["type"], f"{path}.{keyword}"
        if kind in (tables.AttributeTypeValues.REQUIRED, tables.AttributeTypeValues.REQUIRED_EMPTY_IF_UNKNOWN):
            if keyword not in dataset:
                errors.append(f"{here} is missing")
            elif (
                kind is tables.AttributeTypeValues.REQUIRED and keyword != "PixelData" and not _filled(dataset, keyword)
            ):
                errors.append(f"{here} is empty")
        if "attributes" in entry and keyword in dataset:
            errors += [error for item in dataset[keyword].value for error in _missing(item, entry, here)]
    return errors


def _filled(dataset: Dataset, keyword: str) -> bool:
    element = dataset[keyword]
    return len(element.value) > 0 if element.VR == "SQ" else not element.is_empty


def _program(name: str, package: str) -> str:
    beside_python = Path(sys.executable).parent / name
    found = str(beside_python) if beside_python.is_file() else shutil.which(name)
    if found is None:
        absent(f"{name} ({package})")
    assert found is not None
    return found


def _run(*command: str) -> tuple[str, int]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, errors="replace")
    return done.stdout + done.stderr, done.returncode
