"""What the app wrote: checked against its manifest, then stored in Orthanc."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread

from gateway.faults import Fault, JobError
from gateway.orthanc import Orthanc, OrthancRefused
from gateway.record import ResultSeries
from pulmomap.dicom.header import is_own_output, quiet_parser, text

_DONE, _USAGE, _NOTHING = 0, 2, 3  # the app's exit codes, docs/operating.md


class Declined(Exception):
    """The app looked at the pixels and refused the series; final.

    Args:
        code: the name of a :class:`pulmomap.refusals.Refusal`.
        detail: the app's sentence.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail


@dataclass(frozen=True)
class Results:
    """Checked results: the DICOM files and the series that they form."""

    files: tuple[Path, ...]
    series: tuple[ResultSeries, ...]


def check_results(folder: Path, code: int, key: str, study_uid: str, source_uid: str) -> Results:
    """Read the manifest of a run on one series and check every DICOM file that it names.

    Args:
        folder: the app's output folder.
        code: the app's exit code.
        key: the job's key; the app must have come to the same.
        study_uid: Study Instance UID that every result must have.
        source_uid: Series Instance UID that no result may have.

    Raises:
        Declined: the app refused the series.
        JobError: APP_FAILED, APP_USAGE or RESULTS_INVALID.
    """
    if code == _USAGE:
        raise JobError(Fault.APP_USAGE, "the app ended with exit code 2: wrong usage or settings")
    entry = _entry(folder, code, key)
    files = tuple(_inside(folder, name) for name in entry["outputs"] if str(name).endswith(".dcm"))
    found: dict[str, tuple[str, int]] = {}
    for path in files:
        header = _header(path)
        uid, modality = text(header, "SeriesInstanceUID"), text(header, "Modality")
        if not is_own_output(header) or text(header, "StudyInstanceUID") != study_uid or uid in ("", source_uid):
            raise _invalid("a result is not a new series of the source's study made by PulmoMAP")
        found[uid] = (modality, found.get(uid, ("", 0))[1] + 1)
    if not found:
        raise _invalid("the manifest names no DICOM file")
    return Results(files, tuple(ResultSeries(uid=uid, modality=kind, instances=n) for uid, (kind, n) in found.items()))


def store(orthanc: Orthanc, results: Results, keep: Callable[[], None]) -> None:
    """Put the files into Orthanc. Storing them twice changes nothing: their UIDs follow from the input.

    Raises:
        JobError: STORE_REFUSED.
        OrthancAway: Orthanc stayed away.
    """
    for path in results.files:
        try:
            orthanc.post("/instances", path.read_bytes())
        except OrthancRefused as error:
            raise JobError(Fault.STORE_REFUSED, str(error)) from None
        keep()
    for series in results.series:
        if stored_instances(orthanc, series.uid) < series.instances:
            raise JobError(Fault.STORE_REFUSED, "Orthanc holds fewer results than were sent to it; is its disk full?")


def find_result(orthanc: Orthanc, uid: str) -> str | None:
    """The Orthanc id of a result series; None if it is not there."""
    found = orthanc.post("/tools/lookup", uid)
    return next((str(one["ID"]) for one in found if one["Type"] == "Series"), None)


def stored_instances(orthanc: Orthanc, uid: str) -> int:
    """How many instances of a result series Orthanc holds."""
    name = find_result(orthanc, uid)
    found = orthanc.get(f"/series/{name}") if name else None
    return len(found["Instances"]) if found else 0


def withdraw(orthanc: Orthanc, uids: tuple[str, ...]) -> None:
    """Delete superseded result series; those that are gone already are passed over."""
    for uid in uids:
        name = find_result(orthanc, uid)
        if name is not None:
            orthanc.delete(f"/series/{name}")


def _entry(folder: Path, code: int, key: str) -> dict[str, Any]:
    """The manifest's entry for the one series."""
    manifest = _manifest(folder, code)
    series = [one for one in manifest["series"] if one["key"] == key and one["outcome"] == "done"]
    if code == _DONE and len(series) == 1:
        return dict(series[0])
    if code == _DONE:
        raise _invalid("the manifest has no finished series with the job's key")
    refused = [one for one in manifest["series"] if one["outcome"] == "refused"]
    if code == _NOTHING and refused:
        # Companions are refused too (NOT_CT): the series' own reason is the one that names its key or is not that.
        own = next((one for one in refused if one["key"] == key), None)
        own = own or next((one for one in refused if one["code"] != "NOT_CT"), refused[0])
        raise Declined(str(own["code"]), str(own["detail"]))
    failed = next((one for one in manifest["series"] if one["outcome"] == "failed"), None)
    reason = f" in stage {failed['stage']}: {failed['code']}" if failed else ""
    raise JobError(Fault.APP_FAILED, f"the app ended with exit code {code}{reason}")


def _manifest(folder: Path, code: int) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        finished = manifest["state"] == "finished" and manifest["exit_code"] == code
        list(manifest["series"])
    except (OSError, ValueError, KeyError, TypeError):
        raise JobError(Fault.APP_FAILED, f"the app ended with exit code {code} and left no manifest") from None
    if not finished:
        raise JobError(Fault.APP_FAILED, f"the app ended with exit code {code} before its manifest was finished")
    return manifest


def _inside(folder: Path, name: str) -> Path:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise _invalid("the manifest names a file that is missing or lies outside the output folder")
    return path


def _header(path: Path) -> Dataset:
    try:
        with quiet_parser():
            return dcmread(path, stop_before_pixels=True)
    except Exception:  # broken files provoke any exception in the parser
        raise _invalid("a result is not a readable DICOM file") from None


def _invalid(sentence: str) -> JobError:
    return JobError(Fault.RESULTS_INVALID, sentence)
