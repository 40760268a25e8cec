"""Results on their way to other DICOM nodes: sent by Orthanc, storage commitment checked where asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from gateway.faults import Fault, JobError
from gateway.orthanc import Orthanc, OrthancRefused, Wait
from gateway.record import JobRecord, ResultSeries
from gateway.results import find_result
from gateway.sections import TargetSettings

_LOOK_S = 0.25


def forward(
    orthanc: Orthanc,
    record: JobRecord,
    targets: Sequence[TargetSettings],
    sent: Callable[[str], None],
    keep: Callable[[], None],
    wait: Wait,
) -> None:
    """Send results to every target that has them not yet. A target that fails does not hold up the others.

    Args:
        orthanc: where the results are.
        record: the job.
        targets: who gets results.
        sent: called with a target's name once it has all of them.
        keep: called while waiting.
        wait: sleeps some seconds.

    Raises:
        JobError: TARGET_FAILED, NOT_COMMITTED or RESULTS_GONE: that of the first target that failed.
        OrthancAway: Orthanc stayed away.
    """
    failures = []
    for target in targets:
        if target.name in record.sent:
            continue
        try:
            _send(orthanc, [one for one in record.results if one.modality in target.modalities], target, keep, wait)
            sent(target.name)
        except JobError as error:
            failures.append(error)
    if failures:
        raise failures[0]


def _send(
    orthanc: Orthanc,
    results: Sequence[ResultSeries],
    target: TargetSettings,
    keep: Callable[[], None],
    wait: Wait,
) -> None:
    resources = [find_result(orthanc, one.uid) for one in results]
    if None in resources:
        raise JobError(Fault.RESULTS_GONE, "stored results have disappeared from Orthanc")
    if not resources:
        return
    order = {"Resources": resources, "Asynchronous": True, "StorageCommitment": target.commitment}
    try:
        job = orthanc.post(f"/modalities/{target.name}/store", order)["ID"]
    except OrthancRefused as error:
        raise JobError(Fault.TARGET_FAILED, f"{target.name}: {error}; is it among Orthanc's DicomModalities?") from None
    content = _await_job(orthanc, str(job), target, keep, wait)
    if target.commitment:
        _await_commitment(orthanc, str(content["StorageCommitmentTransactionUID"]), target, keep, wait)


def _await_job(
    orthanc: Orthanc, job: str, target: TargetSettings, keep: Callable[[], None], wait: Wait
) -> dict[str, Any]:
    while True:
        found = orthanc.get(f"/jobs/{job}")
        state = found["State"] if found else "lost"
        if state == "Success" and not found["Content"].get("FailedInstancesCount"):
            return dict(found["Content"])
        if state not in ("Pending", "Running"):
            # Orthanc's own words name the node and the network's error; ErrorDetails may name an instance.
            reason = found.get("ErrorDescription", "") if found else "Orthanc was restarted"
            raise JobError(Fault.TARGET_FAILED, f"{target.name} did not take the results: {reason or state}")
        keep()
        wait(_LOOK_S)


def _await_commitment(
    orthanc: Orthanc, transaction: str, target: TargetSettings, keep: Callable[[], None], wait: Wait
) -> None:
    deadline = time.monotonic() + target.commitment_timeout_s
    while True:
        found = orthanc.get(f"/storage-commitment/{transaction}")
        status = found["Status"] if found else "lost"
        if status == "Success":
            return
        if status != "Pending" or time.monotonic() > deadline:
            raise JobError(Fault.NOT_COMMITTED, f"{target.name} did not commit to storing the results: {status}")
        keep()
        wait(_LOOK_S)
