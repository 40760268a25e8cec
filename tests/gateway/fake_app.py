"""Stands in for the app: a program with the same command line, manifest and kinds of results, done in half a second.

The real app takes half a minute a series, and most tests here are about what happens around it. It is also an
independent reading of the contract: the job's key and the result UIDs are computed here from their definitions.

What it does beside its work is told by a JSON file (``--behaviour``): ``seconds`` to wait, ``exit`` code to end with,
``refuse`` a code with which to refuse, ``started`` a file to which a line is added at each start, ``alien`` to write a
result that is not its own, ``outside`` to name a file outside its folder, ``loud`` to fill the disk.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID

CLASSES = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "SEG": "1.2.840.10008.5.1.4.1.1.66.4",
    "SR": "1.2.840.10008.5.1.4.1.1.88.34",
}
COUNTS = {"CT": 3, "SEG": 1, "SR": 1}


def key_of(headers: Sequence[Dataset]) -> str:
    uids = sorted(str(one.SOPInstanceUID) for one in headers)
    return hashlib.sha256("\n".join([str(headers[0].SeriesInstanceUID), *uids]).encode()).hexdigest()[:16]


def uid_of(*parts: str) -> str:
    return f"2.25.{int(hashlib.sha256('/'.join(parts).encode()).hexdigest()[:31], 16)}"


def write(folder: Path, source: Dataset, key: str, modality: str, number: int, *, alien: bool) -> Path:
    result = Dataset()
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "StudyInstanceUID", "StudyDate", "AccessionNumber"):
        setattr(result, keyword, source.get(keyword, ""))
    result.SOPClassUID, result.Modality = UID(CLASSES[modality]), modality
    result.SeriesInstanceUID = uid_of(key, modality)
    result.SOPInstanceUID = uid_of(key, modality, str(number))
    result.Manufacturer = "Somebody" if alien else "PulmoMAP"
    result.InstanceNumber, result.SeriesNumber = number, 100
    if modality == "CT":
        result.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
        result.Rows = result.Columns = 4
        result.BitsAllocated = result.BitsStored = 16
        result.HighBit, result.PixelRepresentation, result.SamplesPerPixel = 15, 1, 1
        result.PhotometricInterpretation = "MONOCHROME2"
        result.PixelData = hashlib.sha256(f"{key} {number}".encode()).digest()
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = result.SOPClassUID, result.SOPInstanceUID
    result.file_meta = meta
    path = folder / f"{modality}-{number}.dcm"
    result.save_as(path, enforce_file_format=True)
    return path


def finish(output: Path, code: int, series: list[dict[str, Any]]) -> int:
    content = {"state": "finished", "exit_code": code, "series": series}
    (output / "manifest.json").write_text(json.dumps(content))
    return code


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("-i", "--input", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--behaviour", type=Path, required=True)
    given = parser.parse_args()
    behaviour = json.loads(given.behaviour.read_text())
    headers = [dcmread(path, stop_before_pixels=True) for path in sorted(given.input.iterdir())]
    ct = [one for one in headers if one.Modality == "CT"]
    key = key_of(ct)
    if "started" in behaviour:
        line = {"key": key, "files": len(headers), "time": time.time(), "pid": os.getpid()}
        with Path(behaviour["started"]).open("a") as stream:
            stream.write(json.dumps(line) + "\n")
    given.output.mkdir()
    time.sleep(behaviour.get("seconds", 0))
    if behaviour.get("loud"):
        with (given.output / "much").open("wb") as stream:
            stream.truncate(0)
            while True:
                stream.write(b"\0" * (1 << 20))
    if "refuse" in behaviour:
        refused = {"key": key, "outcome": "refused", "code": behaviour["refuse"], "detail": "one sentence"}
        return finish(given.output, 3, [refused])
    if behaviour.get("exit"):
        failed = {"key": key, "outcome": "failed", "stage": "segmentation", "code": "RuntimeError", "detail": "x"}
        return finish(given.output, behaviour["exit"], [failed])
    folder = given.output / key
    folder.mkdir()
    alien = bool(behaviour.get("alien"))
    paths = [write(folder, ct[0], key, kind, n, alien=alien) for kind, count in COUNTS.items() for n in range(count)]
    outputs = [str(path.relative_to(given.output)) for path in paths]
    outputs += ["../in/00000.dcm"] if behaviour.get("outside") else []
    return finish(given.output, 0, [{"key": key, "outcome": "done", "code": "", "detail": "", "outputs": outputs}])


if __name__ == "__main__":
    sys.exit(main())
